package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asCommand makes the test binary behave as floe.
const asCommand = "FLOE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// outcome is what a run of the command gave.
type outcome struct {
	status         int
	stdout, stderr string
}

// command is floe with args, in a process of its own.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	// The race detector has a process sleep for a second when it ends, unless it is told not to.
	cmd.Env = append(os.Environ(), asCommand+"=1", tokenVariable+"=", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// execute runs cmd to its end.
func execute(t testing.TB, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// floeDone runs floe, which must succeed without a word on standard error, and
// returns its standard output.
func floeDone(t testing.TB, args ...string) string {
	t.Helper()
	out := execute(t, command(t, args...))
	if out.status != exitDone || out.stderr != "" {
		t.Fatalf("floe %s: status %d, standard error %q", strings.Join(args, " "), out.status, out.stderr)
	}
	return out.stdout
}

// floeJSON runs floe with --json and decodes the one object that it prints.
func floeJSON(t testing.TB, args ...string) map[string]any {
	t.Helper()
	return decodeObject(t, floeDone(t, append(args, "--json")...))
}

func decodeObject(t testing.TB, text string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	if dec.More() {
		t.Fatalf("more than one object in %q", text)
	}
	return v
}

// floeFails runs floe, which must end with status and print nothing but an error
// with the words want.
func floeFails(t testing.TB, status int, want string, args ...string) string {
	t.Helper()
	out := execute(t, command(t, args...))
	line := strings.Join(args, " ")
	if out.status != status || out.stdout != "" {
		t.Errorf("floe %s: status %d, standard output %q; want status %d and none", line, out.status, out.stdout, status)
	}
	if !strings.HasPrefix(out.stderr, "floe: ") || !strings.Contains(out.stderr, want) {
		t.Errorf("floe %s: standard error %q; want \"floe: ...%s...\"", line, out.stderr, want)
	}
	return out.stderr
}

// localDB makes a local database with one table and returns its path.
func localDB(t testing.TB, sql ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "local.db")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, stmt := range sql {
		floeDone(t, "query", path, stmt)
	}
	return path
}

func TestWrongCallsExitWithTwoAndAHint(t *testing.T) {
	for _, c := range []struct{ want, line string }{
		{"unknown command", "thaw"},
		{"PATH is missing", "sync"},
		{"--from is missing", "sync app.db"},
		{"unknown flag: --bogus", "sync app.db --bogus"},
		{"none of the others can be", "sync app.db --from http://127.0.0.1:1 --watch --until 3"},
		{"--interval must be more than 0", "sync app.db --from http://127.0.0.1:1 --interval 0s"},
		{"SQL is missing", "query app.db"},
		{"unexpected argument \"b\"", "freeze a b"},
		{"FILE is missing", "apply app.db"},
		{"invalid argument \"x\"", "pull f --from http://127.0.0.1:1 --since x"},
		{"--from is missing", "verify app.db"},
		{"PATH|URL is missing", "shell"},
		{"--mode is one of csv, json", "shell app.db --mode xml"},
		{"a server, not a file: floe sync makes a replica", "freeze libsql://h"},
		{"a server, not a file: floe sync PATH --from URL", "sync libsql://h?authToken=secret"},
		{"a server, not a file", "apply http://h news.frames"},
		{"a server, not a file", "verify http://h --from http://h"},
		{"a server, not a file", "pull http://h --from http://h"},
		{"a server, not a file", "wal http://h"},
	} {
		got := floeFails(t, exitUsage, c.want, strings.Fields(c.line)...)
		if !strings.Contains(got, "--help") {
			t.Errorf("floe %s: %q has no hint to --help", c.line, got)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("floe %s: %q has the token", c.line, got)
		}
	}
}

func TestMissingFilesFailAndAreNotMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.db")
	for _, line := range []string{"status", "freeze", "wal", "query", "verify"} {
		args := []string{line, path}
		switch line {
		case "query":
			args = append(args, "SELECT 1")
		case "verify":
			args = append(args, "--from", "http://127.0.0.1:1")
		}
		floeFails(t, exitFailed, "none.db", args...)
	}
	left, err := filepath.Glob(path + "*")
	if err != nil || len(left) > 0 {
		t.Errorf("files were made: %v, %v", left, err)
	}
}

func TestEveryCommandExplainsItselfWithAnExample(t *testing.T) {
	for _, c := range newRoot().Commands() {
		help := floeDone(t, c.Name(), "--help")
		if !strings.Contains(help, "Examples:\n  floe "+c.Name()) && !strings.Contains(c.Example, "floe "+c.Name()) {
			t.Errorf("the help of floe %s has no example of it:\n%s", c.Name(), help)
		}
	}
}

func TestVersionNamesSQLite(t *testing.T) {
	v := floeJSON(t, "version")
	if sqlite, _ := v["sqlite"].(string); !strings.HasPrefix(sqlite, "3.") {
		t.Errorf("version %v has no SQLite version", v)
	}
	if got := floeDone(t, "version"); !strings.HasPrefix(got, "floe ") {
		t.Errorf("version prints %q", got)
	}
}
