package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

func TestStatusTellsWhatIsNoDatabase(t *testing.T) {
	good := localDB(t, "CREATE TABLE t(a)", "INSERT INTO t VALUES (zeroblob(50000))")
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"text":          {[]byte("this is a text, and longer than a header would be: " + strings.Repeat("x", 100)), "not a SQLite database"},
		"half a header": {b[:23], "not a SQLite database: its header ends after 23 of 100 bytes"},
		"page size":     {append(append(append([]byte{}, b[:16]...), "gg"...), b[18:]...), "not a SQLite database: its header is damaged: it has a page size of 26471 bytes"},
		"cut":           {b[:10000], "the database is cut short: there are 10000 bytes"},
	} {
		path := filepath.Join(t.TempDir(), "test.db")
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"status", path}, {"status", path, "--json"}, {"status", "file:" + path}, {"query", path, "SELECT 1"}, {"freeze", path}} {
			floeFails(t, exitFailed, c.want, args...)
		}
		out := execute(t, command(t, "shell", path))
		if out.status != exitFailed || !strings.Contains(out.stderr, c.want) {
			t.Errorf("%s: the shell ends with status %d and %q, want %d and %s", name, out.status, out.stderr, exitFailed, c.want)
		}
	}
	dir := t.TempDir()
	floeFails(t, exitFailed, "is a directory", "status", dir)
	floeFails(t, exitFailed, "is a directory", "query", dir, "SELECT 1")
}

func TestStatusOfAnEmptyFile(t *testing.T) {
	path := localDB(t)
	check(t, "status", floeJSON(t, "status", path), map[string]any{"role": "local", "database_bytes": number(0), "pages": number(0)})
	if got := floeDone(t, "status", path); !strings.Contains(got, "none: the database is empty") {
		t.Errorf("status %q", got)
	}
}

func TestStatusBehindACrashRollsNothingBack(t *testing.T) {
	live := localDB(t, "CREATE TABLE t(a)", "INSERT INTO t VALUES (zeroblob(200000))")
	c, err := engine.Open(live, engine.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Exec(t.Context(), "PRAGMA cache_size = 1; BEGIN; UPDATE t SET a = randomblob(200000); INSERT INTO t VALUES (zeroblob(200000))"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "test.db")
	for _, suffix := range []string{"", "-journal"} { // as a crash would leave them
		b, err := os.ReadFile(live + suffix)
		if err == nil {
			err = os.WriteFile(path+suffix, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(path + "-journal")
	if err != nil {
		t.Fatal(err)
	}
	check(t, "status", floeJSON(t, "status", path), map[string]any{"role": "local", "page_size": number(4096)})
	if after, err := os.ReadFile(path + "-journal"); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the journal is another one: %v", err)
	}
	floeDone(t, "query", path, "DELETE FROM t WHERE 0") // rolls back
	if _, err := os.Stat(path + "-journal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the journal was not one to roll back: %v", err)
	}
}

func TestStatusOfADamagedReplica(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	path := filepath.Join(t.TempDir(), "app.db")
	floeDone(t, "sync", path, "--from", srv.URL)
	for _, size := range []int64{5000, 23, 0} {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		want := map[int64]string{5000: "the database is cut short", 23: "not a SQLite database", 0: "the file of a replica that has frames is empty"}[size]
		floeFails(t, exitFailed, want, "status", path)
		floeFails(t, exitFailed, want, "query", path, "SELECT 1")
	}
}
