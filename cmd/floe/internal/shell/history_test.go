package shell

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHistoryIsKeptForTheUserAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "history")
	h := openHistory(file, nil)
	h.add([]string{"SELECT 1;"})
	h.add([]string{"SELECT", "  2;"})
	h.add([]string{"SELECT 'a", "b';"})
	h.add([]string{"SELECT 1 -- one", "+ 2;"})
	h.add(nil)
	want := []string{"SELECT 1;", "SELECT   2;", "SELECT 'a", "b';", "SELECT 1 -- one", "+ 2;"}
	if diff := cmp.Diff(want, openHistory(file, nil).lines); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the history has the mode %v, want 0600", info.Mode().Perm())
	}
}

func TestHistoryNeverHasTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	h := openHistory(file, []string{"s3cret-word", ""})
	for _, line := range []string{
		"ATTACH 'libsql://h?authToken=abc' AS x;", "-- FLOE_AUTH_TOKEN=abc", "floe shell --auth-token abc", "Authorization: Bearer abc",
		"SELECT 'eyJhbGciOiJFZERTQSJ9.eyJhIjoicncifQ.sig';", "SELECT 's3cret-word';",
	} {
		if kept := h.add([]string{"SELECT 1,", line}); kept != nil {
			t.Errorf("%q is kept in the history", kept)
		}
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("there is a history: %v", err)
	}
	if kept := h.add([]string{"SELECT 1;"}); len(kept) != 1 {
		t.Errorf("kept %q of a harmless line", kept)
	}
}

func TestHistoryKeepsTheLastLines(t *testing.T) {
	var b strings.Builder
	for i := range historyLines + 10 {
		fmt.Fprintf(&b, "SELECT %d;\n", i)
	}
	file := writeFile(t, "history", b.String())
	openHistory(file, nil)
	if lines := openHistory(file, nil).lines; len(lines) != historyLines || lines[0] != "SELECT 10;" {
		t.Errorf("%d lines from %q on, want %d from SELECT 10; on", len(lines), lines[0], historyLines)
	}
}

func TestHistoryFileIsTheUsersToChoose(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	if got, want := HistoryFile(), filepath.Join(os.Getenv("XDG_STATE_HOME"), "floe", "history"); got != want {
		t.Errorf("history in %q, want %q", got, want)
	}
	t.Setenv(HistoryVariable, "elsewhere")
	if got := HistoryFile(); got != "elsewhere" {
		t.Errorf("history in %q, want elsewhere", got)
	}
	t.Setenv(HistoryVariable, "")
	if got := HistoryFile(); got != "" {
		t.Errorf("history in %q, want none", got)
	}
}
