package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCloseEndsOpenStatementsAndTransactions(t *testing.T) {
	name := filepath.Join(t.TempDir(), "close.db")
	c := openTest(t, name, 0)
	mustExec(t, c, "CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES (1), (2)")
	stepped, fresh, watched := mustPrepare(t, c, "SELECT a FROM t"), mustPrepare(t, c, "SELECT 1"), mustPrepare(t, c, "SELECT a FROM t")
	mustRow(t, stepped)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	if row, err := watched.Step(ctx); !row || err != nil {
		t.Fatalf("step: %v, %v", row, err)
	}
	if err := c.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	for _, s := range []*Stmt{stepped, fresh, watched} {
		if _, err := s.Step(background); !errors.Is(err, ErrClosed) {
			t.Errorf("step of %q after close: %v, want %v", s.SQL(), err, ErrClosed)
		}
		if got := s.ColumnInt64(0); got != 0 {
			t.Errorf("column of %q after close: %d, want 0", s.SQL(), got)
		}
	}
	if got := values(t, openTest(t, name, 0), "SELECT count(*) FROM t"); got[0][0] != int64(0) {
		t.Errorf("rows after the close: %v, want 0: the transaction was not rolled back", got[0][0])
	}
}

func TestCloseTwiceIsFine(t *testing.T) {
	c, err := Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func TestClosedConnRefuses(t *testing.T) {
	for name, c := range map[string]*Conn{"closed": closedConn(t), "zero": {}} {
		t.Run(name, func(t *testing.T) {
			_, prepareErr := c.Prepare("SELECT 1")
			_, _, checkpointErr := c.Checkpoint("main", CheckpointPassive)
			_, configErr := c.DBConfig(DBConfigDefensive, true)
			_, readOnlyErr := c.ReadOnly("main")
			for call, err := range map[string]error{
				"Exec": c.Exec(background, "SELECT 1"), "Exec of nothing": c.Exec(background, ""),
				"Prepare": prepareErr, "Checkpoint": checkpointErr, "DBConfig": configErr, "ReadOnly": readOnlyErr,
				"SetPersistWAL": c.SetPersistWAL(true),
			} {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("%s: %v, want %v", call, err, ErrClosed)
				}
			}
			c.Interrupt()
			c.SetBusyTimeout(1)
			if c.AutoCommit() || c.Changes() != 0 || c.TotalChanges() != 0 || c.LastInsertRowID() != 0 ||
				c.Filename("main") != "" || c.Limit(LimitLength, -1) != 0 {
				t.Errorf("a method without an error gave something else than its zero value")
			}
		})
	}
}

func closedConn(t *testing.T) *Conn {
	t.Helper()
	c, err := Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSecondGoroutineIsRefused(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1")
	if err := c.enter(); err != nil { // another goroutine is inside a call
		t.Fatal(err)
	}
	_, prepareErr := c.Prepare("SELECT 1")
	_, stepErr := s.Step(background)
	for call, err := range map[string]error{
		"Prepare": prepareErr, "Step": stepErr, "Bind": s.BindInt64(1, 1), "Reset": s.Reset(),
		"Finalize": s.Finalize(), "ClearBindings": s.ClearBindings(), "Close": c.Close(),
	} {
		if !errors.Is(err, ErrConcurrentUse) {
			t.Errorf("%s: %v, want %v", call, err, ErrConcurrentUse)
		}
	}
	if s.ColumnInt64(0) != 0 || s.ColumnText(0) != "" || s.ColumnBlob(0) != nil || s.ColumnType(0) != Null {
		t.Errorf("a column read of a refused call gave a value")
	}
	c.leave()
	mustRow(t, s)
}

// Many goroutines use one connection at once: each call works or is refused, and the count of rows fits.
func TestConcurrentUseNeverCorrupts(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	insert := mustPrepare(t, c, "INSERT INTO t VALUES (?)")
	var mu sync.Mutex
	inserted := 0
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			done := 0
			for i := range 500 {
				bindErr := insert.BindText(1, "goroutine")
				_, err := insert.Step(background)
				if err == nil {
					done++
				}
				insert.ColumnText(0)
				c.Interrupt()
				for _, err := range []error{bindErr, err, c.Exec(background, "SELECT count(*) FROM t")} {
					if err != nil && !errors.Is(err, ErrConcurrentUse) && !errors.Is(err, Interrupt) {
						t.Errorf("goroutine %d, round %d: %v", g, i, err)
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			inserted += done
		})
	}
	wg.Wait()
	if got := values(t, c, "SELECT count(*) FROM t")[0][0]; got != int64(inserted) {
		t.Errorf("%v rows, but %d inserts reported success", got, inserted)
	}
}

func TestExecRunsScripts(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, `
		-- a comment; with a semicolon
		CREATE TABLE t(a);;
		INSERT INTO t VALUES ('x;y'); /* between */ INSERT INTO t VALUES ('z')
		; SELECT * FROM t; -- the end`)
	want := [][]any{{"x;y"}, {"z"}}
	if diff := cmp.Diff(want, values(t, c, "SELECT a FROM t")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	for _, empty := range []string{"", ";", "  -- nothing", "/* */;;"} {
		if err := c.Exec(background, empty); err != nil {
			t.Errorf("exec %q: %v", empty, err)
		}
	}
}

func TestExecStopsAtTheFirstError(t *testing.T) {
	c := openMemory(t)
	script := "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"
	err := c.Exec(background, script)
	var e *Error
	if !errors.As(err, &e) || e.Extended != ConstraintUnique {
		t.Fatalf("error %v, want %v", err, ConstraintUnique)
	}
	if want := "INSERT INTO t VALUES (1);"; e.SQL != want {
		t.Errorf("SQL of the error: %q, want %q", e.SQL, want)
	}
	if got := values(t, c, "SELECT a FROM t"); !cmp.Equal(got, [][]any{{int64(1)}}) {
		t.Errorf("rows %v, want the first alone", got)
	}
}

func TestExecWithArgumentsTakesOneStatement(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a, b)")
	mustExec(t, c, "INSERT INTO t VALUES (?, ?); -- and no more", 1, "x")
	if err := c.Exec(background, "INSERT INTO t VALUES (?, 2); DELETE FROM t", 1); !errors.Is(err, ErrTrailing) {
		t.Errorf("two statements: %v, want %v", err, ErrTrailing)
	}
	if err := c.Exec(background, " -- none", 1); !errors.Is(err, ErrEmpty) {
		t.Errorf("no statement: %v, want %v", err, ErrEmpty)
	}
	if err := c.Exec(background, "INSERT INTO t VALUES (?, ?)", 1); !errors.Is(err, Range) {
		t.Errorf("one argument for two parameters: %v, want %v", err, Range)
	}
	if diff := cmp.Diff([][]any{{int64(1), "x"}}, values(t, c, "SELECT * FROM t")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestQueryReturnsTheErrorOfRow(t *testing.T) {
	c := openMemory(t)
	stop, calls := errors.New("stop"), 0
	err := c.Query(background, "VALUES (1), (2), (3)", nil, func(s *Stmt) error {
		calls++
		if s.ColumnInt64(0) == 2 {
			return stop
		}
		return nil
	})
	if err != stop || calls != 2 {
		t.Errorf("error %v after %d rows, want %v after 2", err, calls, stop)
	}
	if n := c.CacheStats().InUse; n != 0 {
		t.Errorf("%d statements of the query are still in use", n)
	}
}

func TestCountersFollowChanges(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	mustExec(t, c, "INSERT INTO t(rowid, a) VALUES (41, 1), (42, 2)")
	if got := c.LastInsertRowID(); got != 42 {
		t.Errorf("LastInsertRowID %d, want 42", got)
	}
	mustExec(t, c, "UPDATE t SET a = 3 WHERE a = 1")
	if changes, total := c.Changes(), c.TotalChanges(); changes != 1 || total != 3 {
		t.Errorf("Changes %d, TotalChanges %d; want 1 and 3", changes, total)
	}
}

func TestAutoCommitTellsOfTransactions(t *testing.T) {
	c := openMemory(t)
	for _, step := range []struct {
		sql  string
		want bool
	}{{"SELECT 1", true}, {"BEGIN", false}, {"ROLLBACK", true}, {"SAVEPOINT a", false}, {"RELEASE a", true}} {
		mustExec(t, c, step.sql)
		if got := c.AutoCommit(); got != step.want {
			t.Errorf("AutoCommit after %q: %v, want %v", step.sql, got, step.want)
		}
	}
}

func TestReadOnlyAndFilenameKnowAttachedDatabases(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attached.db")
	mustExec(t, openTest(t, name, 0), "CREATE TABLE t(a)")
	c := openMemory(t)
	mustExec(t, c, "ATTACH ? AS other", "file:"+filepath.ToSlash(name)+"?mode=ro")
	for schema, want := range map[string]bool{"": false, "main": false, "other": true} {
		if got, err := c.ReadOnly(schema); got != want || err != nil {
			t.Errorf("ReadOnly(%q): %v, %v; want %v", schema, got, err, want)
		}
	}
	if _, err := c.ReadOnly("nonesuch"); !errors.Is(err, NotFound) {
		t.Errorf("ReadOnly of an unknown name: %v, want %v", err, NotFound)
	}
	if _, err := c.ReadOnly("ma\x00in"); !errors.Is(err, NotFound) {
		t.Errorf("ReadOnly of a name with a NUL: %v, want %v", err, NotFound)
	}
	got, err := os.Stat(c.Filename("other"))
	if err != nil {
		t.Fatalf("Filename: %v", err)
	}
	want, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(got, want) {
		t.Errorf("Filename %q is not %q", c.Filename("other"), name)
	}
}
