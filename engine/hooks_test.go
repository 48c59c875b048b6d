package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/hooks"
	"github.com/google/go-cmp/cmp"
)

var errHook = errors.New("the hook's own error")

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func TestUpdateHookTellsEachRow(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a); CREATE TABLE w(k PRIMARY KEY) WITHOUT ROWID; CREATE TEMP TABLE tt(a)")
	var got []hooks.RowUpdate
	must(t, c.SetUpdateHook(func(u hooks.RowUpdate) error { got = append(got, u); return nil }))
	mustExec(t, c, `INSERT INTO t VALUES (1), (2); UPDATE t SET rowid = 5 WHERE a = 1; DELETE FROM t WHERE a = 2;
		INSERT INTO tt VALUES (1); INSERT INTO w VALUES (1)`)
	want := []hooks.RowUpdate{
		{Op: hooks.Insert, Database: "main", Table: "t", RowID: 1},
		{Op: hooks.Insert, Database: "main", Table: "t", RowID: 2},
		{Op: hooks.Update, Database: "main", Table: "t", RowID: 5},
		{Op: hooks.Delete, Database: "main", Table: "t", RowID: 2},
		{Op: hooks.Insert, Database: "temp", Table: "tt", RowID: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	must(t, c.SetUpdateHook(nil))
	mustExec(t, c, "INSERT INTO t VALUES (1)")
	if len(got) != len(want) {
		t.Errorf("%d events after the hook was removed, want none", len(got)-len(want))
	}
}

func TestUpdateHookCostsNoMemory(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	s := mustPrepare(t, c, "INSERT INTO t VALUES (1)")
	rows := 0
	must(t, c.SetUpdateHook(func(hooks.RowUpdate) error { rows++; return nil }))
	mustDone(t, s)
	if n := testing.AllocsPerRun(100, func() { mustDone(t, s) }); n != 0 {
		t.Errorf("an insert with an update hook allocates %v times, want 0", n)
	}
	if rows == 0 {
		t.Error("the hook was not called")
	}
}

// hookSetters set each hook that a write in a WAL database runs to f.
var hookSetters = map[string]func(c *Conn, f func() error) error{
	"update": func(c *Conn, f func() error) error {
		return c.SetUpdateHook(func(hooks.RowUpdate) error { return f() })
	},
	"pre-update": func(c *Conn, f func() error) error { return c.SetPreUpdateHook(func(*PreUpdate) error { return f() }) },
	"commit":     func(c *Conn, f func() error) error { return c.SetCommitHook(f) },
	"trace stmt": func(c *Conn, f func() error) error {
		return c.SetTrace(TraceStmt, func(*TraceEvent) error { return f() })
	},
	"trace profile": func(c *Conn, f func() error) error {
		return c.SetTrace(TraceProfile, func(*TraceEvent) error { return f() })
	},
	"progress": func(c *Conn, f func() error) error { return c.SetProgressHandler(1, f) },
	"wal":      func(c *Conn, f func() error) error { return c.SetWALHook(func(hooks.WALCommit) error { return f() }) },
	"authorizer": func(c *Conn, f func() error) error {
		return c.SetAuthorizer(func(hooks.Action) hooks.Verdict {
			if err := f(); err != nil {
				panic(err)
			}
			return hooks.Allow
		})
	},
	"feed filter": func(c *Conn, f func() error) error {
		return c.SetFeed(hooks.NewFeed(hooks.FeedOptions{Tables: func(string, string) bool {
			if err := f(); err != nil {
				panic(err)
			}
			return true
		}}))
	},
}

func openWAL(t *testing.T) *Conn {
	c, other := openPair(t)
	mustExec(t, c, "PRAGMA journal_mode = wal; CREATE TABLE t(a); INSERT INTO t VALUES (0)")
	must(t, other.Close())
	return c
}

func removeHooks(t *testing.T, c *Conn) {
	t.Helper()
	must(t, errors.Join(c.SetUpdateHook(nil), c.SetPreUpdateHook(nil), c.SetCommitHook(nil), c.SetRollbackHook(nil),
		c.SetTrace(0, nil), c.SetProgressHandler(0, nil), c.SetWALHook(nil), c.SetAuthorizer(nil), c.SetFeed(nil)))
}

// A hook that fails or panics makes the statement fail, and its failure hits no later statement. What was not
// committed before stays so.
func TestHookThatFailsFailsItsStatement(t *testing.T) {
	afterCommit := []string{"trace profile", "wal"}
	for name, set := range hookSetters {
		for how, fail := range map[string]func() error{
			"error": func() error { return errHook }, "panic": func() error { panic(errHook) },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				c := openWAL(t)
				s := mustPrepare(t, c, "INSERT INTO t VALUES (?)")
				must(t, set(c, fail))
				_, err := s.Step(background)
				if !errors.Is(err, errHook) {
					t.Errorf("step: %v, want %v", err, errHook)
				}
				var e *Error
				if !errors.As(err, &e) {
					t.Errorf("step: %T, want an *Error", err)
				}
				removeHooks(t, c)
				want := int64(1)
				if slices.Contains(afterCommit, name) {
					want = 2
				}
				if got := values(t, c, "SELECT count(*) FROM t")[0][0]; got != want {
					t.Errorf("%v rows, want %d", got, want)
				}
				mustDone(t, s)
				must(t, c.Close())
			})
		}
	}
}

// Within a transaction a void hook leaves the statement's changes there: who gets the error rolls back.
func TestVoidHookThatFailsLeavesTheTransactionOpen(t *testing.T) {
	for _, name := range []string{"update", "pre-update"} {
		c := openWAL(t)
		mustExec(t, c, "BEGIN")
		calls := 0
		must(t, hookSetters[name](c, func() error { calls++; return errHook }))
		err := c.Exec(background, "INSERT INTO t VALUES (1), (2), (3)")
		if !errors.Is(err, errHook) || !errors.Is(err, Abort) {
			t.Errorf("%s: %v, want %v and %v", name, err, errHook, Abort)
		}
		if calls != 1 {
			t.Errorf("%s was called %d times, want 1", name, calls)
		}
		if c.AutoCommit() {
			t.Errorf("%s: the transaction has ended", name)
		}
		removeHooks(t, c)
		mustExec(t, c, "ROLLBACK")
		if got := values(t, c, "SELECT count(*) FROM t")[0][0]; got != int64(1) {
			t.Errorf("%s: %v rows, want 1", name, got)
		}
	}
}

// RETURNING makes rows of an INSERT, and is not at its end when a row hook fails.
func TestRowHookThatFailsKeepsTheStatementFromBeingCommitted(t *testing.T) {
	c := openWAL(t)
	must(t, c.SetTrace(TraceRow, func(*TraceEvent) error { return errHook }))
	err := c.Exec(background, "INSERT INTO t VALUES (1), (2) RETURNING a")
	if !errors.Is(err, errHook) {
		t.Errorf("insert: %v, want %v", err, errHook)
	}
	must(t, c.SetTrace(0, nil))
	if got := values(t, c, "SELECT count(*) FROM t")[0][0]; got != int64(1) {
		t.Errorf("%v rows, want 1", got)
	}
}

// An execution that is ended early is committed by Reset or Finalize, which have to tell what a hook said.
func TestHookFailsResetAndFinalize(t *testing.T) {
	for name, end := range map[string]func(*Stmt) error{"reset": (*Stmt).Reset, "finalize": (*Stmt).Finalize} {
		c := openWAL(t)
		s := mustPrepare(t, c, "INSERT INTO t VALUES (1), (2) RETURNING a")
		must(t, c.SetCommitHook(func() error { return errHook }))
		mustRow(t, s)
		err := end(s)
		if !errors.Is(err, errHook) || !errors.Is(err, ConstraintCommitHook) {
			t.Errorf("%s: %v, want %v and %v", name, err, errHook, ConstraintCommitHook)
		}
		must(t, c.SetCommitHook(nil))
		if got := values(t, c, "SELECT count(*) FROM t")[0][0]; got != int64(1) {
			t.Errorf("%s: %v rows, want 1", name, got)
		}
	}
}

// The connection is busy in a callback: it refuses all calls, and nothing crashes.
func TestHookCannotUseItsConnection(t *testing.T) {
	for name, set := range hookSetters {
		c := openWAL(t)
		calls := 0
		must(t, set(c, func() error {
			calls++
			_, prepare := c.Prepare("SELECT 1")
			for what, err := range map[string]error{
				"exec": c.Exec(background, "SELECT 1"), "prepare": prepare, "close": c.Close(),
				"set update hook": c.SetUpdateHook(nil), "set authorizer": c.SetAuthorizer(nil), "set feed": c.SetFeed(nil),
				"set busy handler": c.SetBusyHandler(nil), "set trace": c.SetTrace(0, nil), "set wal hook": c.SetWALHook(nil),
				"set auto-checkpoint": c.SetAutoCheckpoint(1), "set progress": c.SetProgressHandler(0, nil),
			} {
				if err != ErrConcurrentUse {
					t.Errorf("%s inside %s: %v, want %v", what, name, err, ErrConcurrentUse)
				}
			}
			return nil
		}))
		mustExec(t, c, "INSERT INTO t VALUES (1)")
		if calls == 0 {
			t.Errorf("%s was not called", name)
		}
	}
}

func TestCommitHookVetoes(t *testing.T) {
	c := openWAL(t)
	var told []string
	must(t, c.SetCommitHook(func() error { told = append(told, "commit"); return errHook }))
	must(t, c.SetRollbackHook(func() error { told = append(told, "rollback"); return nil }))
	for _, sql := range []string{"INSERT INTO t VALUES (1)", "BEGIN; INSERT INTO t VALUES (1); COMMIT"} {
		told = nil
		err := c.Exec(background, sql)
		if !errors.Is(err, ConstraintCommitHook) || !errors.Is(err, errHook) {
			t.Errorf("%s: %v, want %v and %v", sql, err, ConstraintCommitHook, errHook)
		}
		if want := []string{"commit", "rollback"}; !slices.Equal(told, want) {
			t.Errorf("%s told %q, want %q", sql, told, want)
		}
		if !c.AutoCommit() {
			t.Errorf("%s: the transaction is open", sql)
		}
	}
	mustExec(t, c, "SELECT * FROM t") // nothing to commit
}

func TestRollbackHookIsToldByCloseWhichReturnsItsError(t *testing.T) {
	c := openWAL(t)
	calls := 0
	must(t, c.SetRollbackHook(func() error { calls++; return errHook }))
	mustExec(t, c, "BEGIN; INSERT INTO t VALUES (1)")
	if err := c.Close(); !errors.Is(err, errHook) || calls != 1 {
		t.Errorf("close: %v after %d calls, want %v after 1", err, calls, errHook)
	}
	if err := c.Exec(background, "SELECT 1"); err != ErrClosed {
		t.Errorf("exec: %v, want %v", err, ErrClosed)
	}
}

func TestRollbackHookThatFailsHasRolledBack(t *testing.T) {
	c := openWAL(t)
	must(t, c.SetRollbackHook(func() error { return errHook }))
	mustExec(t, c, "BEGIN; INSERT INTO t VALUES (1)")
	if err := c.Exec(background, "ROLLBACK"); !errors.Is(err, errHook) {
		t.Errorf("rollback: %v, want %v", err, errHook)
	}
	if got := values(t, c, "SELECT count(*) FROM t")[0][0]; got != int64(1) || !c.AutoCommit() {
		t.Errorf("%v rows and auto-commit %v, want 1 and true", got, c.AutoCommit())
	}
}

func TestProgressHandlerEndsAStatement(t *testing.T) {
	c := openMemory(t)
	calls := 0
	must(t, c.SetProgressHandler(100, func() error {
		if calls++; calls == 10 {
			return errHook
		}
		return nil
	}))
	const forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
	if err := c.Exec(background, forever); !errors.Is(err, Interrupt) || !errors.Is(err, errHook) {
		t.Errorf("%v, want %v and %v", err, Interrupt, errHook)
	}
	mustExec(t, c, "SELECT 1")
}

func TestWALHookLeavesTheAutoCheckpoint(t *testing.T) {
	c := openWAL(t)
	var got []hooks.WALCommit
	must(t, c.SetWALHook(func(w hooks.WALCommit) error { got = append(got, w); return nil }))
	pages := func() int {
		t.Helper()
		got = nil
		mustExec(t, c, "INSERT INTO t VALUES (1)")
		if len(got) != 1 || got[0].Database != "main" {
			t.Fatalf("the hook was told %+v, want one commit to main", got)
		}
		return got[0].Pages
	}
	before := pages()
	if after := pages(); after <= before {
		t.Errorf("the log has %d pages after %d: there was a checkpoint too early", after, before)
	}
	for how, set := range map[string]func(n int){
		"SetAutoCheckpoint": func(n int) { must(t, c.SetAutoCheckpoint(n)) },
		"PRAGMA":            func(n int) { mustExec(t, c, fmt.Sprint("PRAGMA wal_autocheckpoint = ", n)) },
	} {
		set(1)
		pages()
		pages()
		if n := pages(); n > 2 {
			t.Errorf("%s: the log has %d pages, want no more than those of one commit", how, n)
		}
		set(0)
		pages()
		before := pages()
		if after := pages(); after <= before {
			t.Errorf("%s: the log has %d pages after %d, want no checkpoint", how, after, before)
		}
	}
	must(t, c.SetAutoCheckpoint(123))
	must(t, c.SetWALHook(nil))
	if got := values(t, c, "PRAGMA wal_autocheckpoint")[0][0]; got != int64(123) {
		t.Errorf("without the hook, PRAGMA wal_autocheckpoint shows %v, want 123", got)
	}
}

func TestTraceTellsWhatRuns(t *testing.T) {
	c, err := Open(":memory:", 0)
	must(t, err)
	mustExec(t, c, "CREATE TABLE t(a); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END")
	var got []string
	var took time.Duration
	var kept *TraceEvent
	must(t, c.SetTrace(TraceStmt|TraceProfile|TraceRow|TraceClose, func(e *TraceEvent) error {
		got = append(got, strings.TrimSpace(fmt.Sprint(e.Kind, " ", e.SQL(), " ", e.ExpandedSQL())))
		took += e.Duration
		kept = e
		return nil
	}))
	mustExec(t, c, "INSERT INTO t VALUES (?) RETURNING a", "x")
	if text := kept.SQL() + kept.ExpandedSQL(); text != "" {
		t.Errorf("an event that is over still has the text %q", text)
	}
	must(t, c.Close())
	const sql, expanded = "INSERT INTO t VALUES (?) RETURNING a", "INSERT INTO t VALUES ('x') RETURNING a"
	want := []string{
		"stmt " + sql + " " + expanded, "stmt -- TRIGGER g " + expanded, "stmt -- SELECT 1 " + expanded, "row " + sql + " " + expanded,
		"profile " + sql + " " + expanded, "close",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if took <= 0 {
		t.Errorf("the statement took %v", took)
	}
	if err := openMemory(t).SetTrace(1<<10, func(*TraceEvent) error { return nil }); !errors.Is(err, Misuse) {
		t.Errorf("an unknown kind: %v, want %v", err, Misuse)
	}
}

func TestBusyHandlerDecides(t *testing.T) {
	_, waiter := lockedPair(t)
	var got []int
	must(t, waiter.SetBusyHandler(func(e hooks.BusyEvent) (time.Duration, bool) {
		got = append(got, e.Attempt)
		return time.Microsecond, e.Attempt < 3
	}))
	if err := waiter.Exec(background, "BEGIN IMMEDIATE"); !errors.Is(err, Busy) {
		t.Errorf("begin: %v, want %v", err, Busy)
	}
	if want := []int{0, 1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("attempts %v, want %v", got, want)
	}
	must(t, waiter.SetBusyHandler(func(hooks.BusyEvent) (time.Duration, bool) { panic(errHook) }))
	if err := waiter.Exec(background, "BEGIN IMMEDIATE"); !errors.Is(err, Busy) || !errors.Is(err, errHook) {
		t.Errorf("begin with a handler that panics: %v, want %v and %v", err, Busy, errHook)
	}
	must(t, waiter.SetBusyHandler(func(hooks.BusyEvent) (time.Duration, bool) {
		if err := waiter.SetBusyHandler(nil); err != ErrConcurrentUse {
			t.Errorf("inside the handler: %v, want %v", err, ErrConcurrentUse)
		}
		return 0, false
	}))
	if err := waiter.Exec(background, "BEGIN IMMEDIATE"); !errors.Is(err, Busy) {
		t.Errorf("begin: %v, want %v", err, Busy)
	}
}

func TestBusyHandlerEndsWithTheContext(t *testing.T) {
	_, waiter := lockedPair(t)
	for _, pause := range []time.Duration{0, time.Hour} {
		must(t, waiter.SetBusyHandler(func(hooks.BusyEvent) (time.Duration, bool) { return pause, true }))
		ctx, cancel := context.WithTimeout(background, soon)
		if err := waiter.Exec(ctx, "BEGIN IMMEDIATE"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("begin with a pause of %v: %v, want %v", pause, err, context.DeadlineExceeded)
		}
		cancel()
	}
}

func TestBusyHandlerAndTimeoutReplaceEachOther(t *testing.T) {
	_, waiter := lockedPair(t)
	waiter.SetBusyTimeout(time.Millisecond)
	calls := 0
	handler := func(hooks.BusyEvent) (time.Duration, bool) { calls++; return 0, false }
	for name, replace := range map[string]func(){
		"nil":            func() { must(t, waiter.SetBusyHandler(nil)) },
		"SetBusyTimeout": func() { waiter.SetBusyTimeout(time.Millisecond) },
		"PRAGMA":         func() { mustExec(t, waiter, "PRAGMA busy_timeout = 1") },
	} {
		must(t, waiter.SetBusyHandler(handler))
		calls = 0
		_ = waiter.Exec(background, "BEGIN IMMEDIATE")
		if calls != 1 {
			t.Errorf("%s: the handler was called %d times before, want 1", name, calls)
		}
		replace()
		if err := waiter.Exec(background, "BEGIN IMMEDIATE"); !errors.Is(err, Busy) || calls != 1 {
			t.Errorf("%s: begin: %v after %d calls, want %v after 1", name, err, calls, Busy)
		}
		if waiter.busy.timeout != time.Millisecond {
			t.Errorf("%s: the timeout is %v, want 1ms", name, waiter.busy.timeout)
		}
	}
}
