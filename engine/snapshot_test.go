package engine

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// openStates opens a database in WAL mode on which each row of t is a state.
func openStates(t *testing.T) (writer *Conn, name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "states.db")
	writer = openTest(t, name, OpenReadWrite|OpenCreate)
	mustExec(t, writer, "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1)")
	return writer, name
}

func mustSnapshot(t *testing.T, c *Conn) *Snapshot {
	t.Helper()
	mustExec(t, c, "BEGIN")
	s, err := c.Snapshot(background, "")
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "COMMIT")
	return s
}

// rowsAt returns how many rows of t there were in a snapshot.
func rowsAt(t *testing.T, c *Conn, s *Snapshot) (n any, err error) {
	t.Helper()
	mustExec(t, c, "BEGIN")
	defer mustExec(t, c, "ROLLBACK")
	if err := c.OpenSnapshot(background, "main", s); err != nil {
		return nil, err
	}
	return values(t, c, "SELECT count(*) FROM t")[0][0], nil
}

func TestSnapshotsReadPastStates(t *testing.T) {
	writer, name := openStates(t)
	var states []*Snapshot
	for range 3 {
		states = append(states, mustSnapshot(t, writer))
		mustExec(t, writer, "INSERT INTO t VALUES (1)")
	}
	fresh := openTest(t, name, OpenReadWrite) // has read nothing yet
	for _, c := range []*Conn{writer, fresh} {
		for i, s := range states {
			if n, err := rowsAt(t, c, s); n != int64(i+1) || err != nil {
				t.Errorf("state %d: %v rows, %v; want %d", i, n, err, i+1)
			}
		}
	}
	for i, a := range states {
		for j, b := range states {
			want := min(max(i-j, -1), 1)
			if got := a.Compare(b); got != want {
				t.Errorf("compare %d to %d: %d, want %d", i, j, got, want)
			}
		}
	}
}

func TestSnapshotOfATransactionThatHasRead(t *testing.T) {
	writer, name := openStates(t)
	old := mustSnapshot(t, writer)
	mustExec(t, writer, "INSERT INTO t VALUES (1)")
	reader := openTest(t, name, OpenReadOnly)
	mustExec(t, reader, "BEGIN; SELECT * FROM t")
	if err := reader.OpenSnapshot(background, "", old); err != nil {
		t.Fatal(err)
	}
	if got := values(t, reader, "SELECT count(*) FROM t")[0][0]; got != int64(1) {
		t.Errorf("%v rows, want 1", got)
	}
	writable := openTest(t, name, OpenReadWrite)
	mustExec(t, writable, "BEGIN")
	if err := writable.OpenSnapshot(background, "", old); err != nil {
		t.Fatal(err)
	}
	if err := writable.Exec(background, "INSERT INTO t VALUES (1)"); !errors.Is(err, BusySnapshot) {
		t.Errorf("write on a past state: %v, want %v", err, BusySnapshot)
	}
}

func TestSnapshotIsGoneAfterACheckpoint(t *testing.T) {
	writer, name := openStates(t)
	old := mustSnapshot(t, writer)
	mustExec(t, writer, "INSERT INTO t VALUES (2); PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES (3)")
	if _, err := rowsAt(t, openTest(t, name, OpenReadWrite), old); !errors.Is(err, GenericSnapshot) {
		t.Errorf("open a state that was checkpointed: %v, want %v", err, GenericSnapshot)
	}
	other, _ := openStates(t)
	if _, err := rowsAt(t, other, mustSnapshot(t, writer)); !errors.Is(err, GenericSnapshot) {
		t.Errorf("open a state of another database: %v, want %v", err, GenericSnapshot)
	}
}

func TestSnapshotThatIsReadSurvivesACheckpoint(t *testing.T) {
	writer, name := openStates(t)
	old := mustSnapshot(t, writer)
	mustExec(t, writer, "INSERT INTO t VALUES (2)")
	reader := openTest(t, name, OpenReadWrite)
	mustExec(t, reader, "BEGIN")
	if err := reader.OpenSnapshot(background, "", old); err != nil {
		t.Fatal(err)
	}
	mustExec(t, writer, "PRAGMA wal_checkpoint(PASSIVE); INSERT INTO t VALUES (3)")
	if n, err := rowsAt(t, openTest(t, name, OpenReadWrite), old); n != int64(1) || err != nil {
		t.Errorf("%v rows, %v; want 1", n, err)
	}
}

func TestSnapshotsAreRecovered(t *testing.T) {
	writer, name := openStates(t)
	if _, err := writer.DBConfig(DBConfigNoCheckpointOnClose, true); err != nil {
		t.Fatal(err)
	}
	if err := writer.SetPersistWAL(true); err != nil {
		t.Fatal(err)
	}
	old := mustSnapshot(t, writer)
	mustExec(t, writer, "INSERT INTO t VALUES (2)")
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, name, OpenReadWrite)
	mustExec(t, again, "SELECT * FROM t")
	if err := again.RecoverSnapshots(background, ""); err != nil {
		t.Fatal(err)
	}
	if n, err := rowsAt(t, again, old); n != int64(1) || err != nil {
		t.Errorf("%v rows, %v; want 1", n, err)
	}
}

func TestSnapshotThatCannotBe(t *testing.T) {
	writer, name := openStates(t)
	good := mustSnapshot(t, writer)
	get := func(c *Conn, schema string) error { _, err := c.Snapshot(background, schema); return err }
	open := func(c *Conn, schema string) error { return c.OpenSnapshot(background, schema, good) }
	begun := func(t *testing.T, sql string) *Conn {
		c := openTest(t, name, OpenReadWrite)
		mustExec(t, c, sql)
		return c
	}
	noWAL := openPagedFile(t)
	mustExec(t, noWAL, "BEGIN")
	running := begun(t, "BEGIN")
	cursor := mustPrepare(t, running, "SELECT a FROM t")
	mustRow(t, cursor)
	for _, test := range []struct {
		name    string
		call    func(*Conn, string) error
		c       *Conn
		schema  string
		code    error
		message string
	}{
		{"get without a transaction", get, begun(t, "SELECT 1"), "", Generic, "BEGIN comes first"},
		{"open without a transaction", open, begun(t, "SELECT 1"), "", Generic, "BEGIN comes first"},
		{"get of no database", get, begun(t, "BEGIN"), "nope", NotFound, "no such database"},
		{"open of no database", open, begun(t, "BEGIN"), "nope", Generic, "unknown database"},
		{"get without WAL", get, noWAL, "", Generic, "not in WAL mode"},
		{"open without WAL", open, noWAL, "", Generic, "not in WAL mode"},
		{"open with a statement running", open, running, "", Generic, "a statement is running"},
		{"get with a bad name", get, begun(t, "BEGIN"), "a\x00b", NotFound, "NUL"},
		{"open with a bad name", open, begun(t, "BEGIN"), "a\x00b", CantOpen, "NUL"},
		{"get while writing", get, begun(t, "BEGIN IMMEDIATE"), "", Generic, "the transaction writes"},
	} {
		err := test.call(test.c, test.schema)
		if !errors.Is(err, test.code) || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: %v, want %v: %s", test.name, err, test.code, test.message)
		}
	}
	for _, empty := range []*Snapshot{nil, {}} {
		if err := writer.OpenSnapshot(background, "", empty); !errors.Is(err, Misuse) {
			t.Errorf("open of %v: %v, want %v", empty, err, Misuse)
		}
	}
	for _, schema := range []string{"nope", "a\x00b"} {
		if err := writer.RecoverSnapshots(background, schema); err == nil {
			t.Errorf("recover of %q: no error", schema)
		}
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	mustExec(t, writer, "BEGIN")
	if _, err := writer.Snapshot(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	closed := closedConn(t)
	checkCalls(t, "of a closed connection", ErrClosed, map[string]func() error{
		"Snapshot":         func() error { return get(closed, "") },
		"OpenSnapshot":     func() error { return open(closed, "") },
		"RecoverSnapshots": func() error { return closed.RecoverSnapshots(background, "") },
	})
}

func openPagedFile(t *testing.T) *Conn {
	c, _ := openPaged(t, 1)
	return c
}

func TestSnapshotsDoNotLeak(t *testing.T) {
	writer, _ := openStates(t)
	mustNotLeak(t, 500, func() error {
		s := mustSnapshot(t, writer)
		if _, err := rowsAt(t, writer, s); err != nil {
			return err
		}
		_, err := writer.Snapshot(background, "")
		return expect(Generic, err)
	})
}
