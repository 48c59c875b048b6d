package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// Nothing listens there. The address is not one of those that never leave a machine.
const elsewhere = "0.0.0.0:1"

func TestATokenInTheClearIsWarnedOfOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	for _, line := range []string{
		"query http://" + elsewhere + " SELECT",
		"query ws://" + elsewhere + " SELECT",
		"query libsql://" + elsewhere + "?tls=0 SELECT",
		"status http://" + elsewhere,
		"verify " + path + " --from http://" + elsewhere,
		"shell http://" + elsewhere,
	} {
		cmd := command(t, strings.Fields(line)...)
		cmd.Env = append(cmd.Env, tokenVariable+"=opensesame")
		cmd.Stdin = strings.NewReader("SELECT 1;")
		out := execute(t, cmd)
		want := 1
		if strings.HasPrefix(line, "verify") {
			want = 0 // there is no file, so that nothing is sent
		}
		if got := strings.Count(out.stderr, "level=WARN"); out.status != exitFailed || got != want {
			t.Errorf("floe %s: status %d, %d warnings, want %d: %q", line, out.status, got, want, out.stderr)
		}
		if strings.Contains(out.stderr, "opensesame") {
			t.Errorf("floe %s: the token is in %q", line, out.stderr)
		}
	}
	for _, line := range []string{"query http://127.0.0.1:1 SELECT", "query http://localhost:1 SELECT", "query https://" + elsewhere + " SELECT"} {
		cmd := command(t, strings.Fields(line)...)
		cmd.Env = append(cmd.Env, tokenVariable+"=opensesame")
		if out := execute(t, cmd); strings.Contains(out.stderr, "level=") {
			t.Errorf("floe %s: there is no need for a warning: %q", line, out.stderr)
		}
	}
}

func TestVerboseLogsEverything(t *testing.T) {
	for _, args := range [][]string{{"status", "x"}, {"status", "x", "-v"}, {"--verbose", "status", "x"}} {
		root := newRoot()
		cmd, flags, err := root.Find(args)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.ParseFlags(flags); err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		root.SetErr(&stderr)
		log := newLogger(cmd, nil)
		log.Debug("a detail")
		log.Warn("a warning")
		if got, want := strings.Contains(stderr.String(), "a detail"), len(args) > 2; got != want || !strings.Contains(stderr.String(), "a warning") {
			t.Errorf("floe %s: details are logged: %v, want %v; a warning always: %q", strings.Join(args, " "), got, want, stderr.String())
		}
	}
}

func TestLogLinesStandBesideNoBar(t *testing.T) {
	var screen bytes.Buffer
	b := &bar{w: &screen, width: func() int { return 40 }}
	b.draw()
	if _, err := b.over(&screen).Write([]byte("a line\n")); err != nil {
		t.Fatal(err)
	}
	b.draw()
	waiting := "waiting for the server"
	want := "\r" + waiting + "\r" + strings.Repeat(" ", len(waiting)) + "\ra line\n\r" + waiting
	if screen.String() != want {
		t.Errorf("the screen got %q, want %q", screen.String(), want)
	}
}
