package engine

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSavepointInTheMiddleRollsBackAlone(t *testing.T) {
	c := openTx(t)
	for i, name := range []string{"outer", "middle", "inner"} {
		must(t, c.Savepoint(name))
		mustExec(t, c, "INSERT INTO t VALUES (?)", i+2)
	}
	must(t, c.RollbackTo("middle"))
	if diff := cmp.Diff([]string{"middle", "outer"}, c.Savepoints()); diff != "" {
		t.Errorf("open savepoints (-want +got):\n%s", diff)
	}
	wantRows(t, c, int64(1), int64(2))
	must(t, c.Release(background, "outer"))
	wantRows(t, c, int64(1), int64(2))
	if !c.AutoCommit() {
		t.Errorf("the release of the outermost savepoint left a transaction open")
	}
}

func TestSavepointNamesAreAnyText(t *testing.T) {
	for _, name := range []string{"s", "", `"`, `""; DROP TABLE t; --`, "it's", "[x]", "`", "floe ❄ Scholle", "a b", "select", "\xff", "a\nb"} {
		c := openTx(t)
		must(t, c.Savepoint(name))
		if diff := cmp.Diff([]string{name}, c.Savepoints()); diff != "" {
			t.Errorf("open savepoints (-want +got):\n%s", diff)
		}
		mustExec(t, c, "INSERT INTO t VALUES (2)")
		must(t, c.RollbackTo(name))
		must(t, c.Release(background, name))
		wantRows(t, c, int64(1))
	}
	c := openTx(t)
	wantErr(t, "a name with a NUL byte", c.Savepoint("a\x00b"), Misuse)
	wantErr(t, "a name with a NUL byte", c.Release(background, "a\x00b"), Misuse)
}

func TestSavepointNamesAreUniqueAndKnown(t *testing.T) {
	c := openTx(t)
	wantErr(t, "release of none", c.Release(background, "s"), ErrNoSavepoint)
	must(t, c.Savepoint("s"))
	wantErr(t, "the same name", c.Savepoint("s"), ErrSavepointExists)
	wantErr(t, "the same name to SQLite", c.Savepoint("S"), ErrSavepointExists)
	must(t, c.Savepoint("ä"))
	must(t, c.Savepoint("Ä")) // which SQLite tells apart
	wantErr(t, "rollback to an unknown one", c.RollbackTo("unknown"), ErrNoSavepoint)
	must(t, c.Release(background, "S"))
	wantErr(t, "rollback to a released one", c.RollbackTo("ä"), ErrNoSavepoint)
}

func TestSavepointsFollowSQLAndAutomaticRollbacks(t *testing.T) {
	for _, end := range []string{"RELEASE s", "COMMIT", "ROLLBACK", "INSERT OR ROLLBACK INTO t VALUES (1)"} {
		c := openTx(t)
		mustExec(t, c, "SAVEPOINT s")
		wantErr(t, "a name that SQL has taken", c.Savepoint("s"), ErrSavepointExists)
		if err := c.Exec(background, end); err != nil && !errors.Is(err, Constraint) {
			t.Fatalf("%s: %v", end, err)
		}
		wantErr(t, "release after "+end, c.Release(background, "s"), ErrNoSavepoint)
		must(t, c.Savepoint("s"))
	}
}

func TestSavepointOutsideATransactionBeginsOne(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(x)")
	must(t, a.Savepoint("s"))
	mustExec(t, a, "INSERT INTO t VALUES (1)")
	wantRows(t, b)
	must(t, a.Release(background, "s"))
	wantRows(t, b, int64(1))
}

func TestSavepointWhoseCommitIsBusyStaysOpen(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(x)")
	a.SetBusyTimeout(0)
	must(t, a.Savepoint("s"))
	mustExec(t, a, "INSERT INTO t VALUES (1)")
	reader := mustBegin(t, b, TxReadOnly)
	wantErr(t, "release under a reader", a.Release(background, "s"), Busy)
	must(t, reader.Rollback())
	must(t, a.Release(background, "s"))
	wantRows(t, b, int64(1))
}

func TestWithSavepointUndoesWhateverEndsIt(t *testing.T) {
	failure := errors.New("failure")
	for _, outer := range []bool{false, true} {
		for name, end := range map[string]func() error{
			"error":  func() error { return failure },
			"panic":  func() error { panic(failure) },
			"goexit": func() error { runtime.Goexit(); return nil },
		} {
			c := openTx(t)
			if outer {
				mustBegin(t, c, TxImmediate)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				wantErr(t, name, c.WithSavepoint(background, "s", func() error {
					mustExec(t, c, "INSERT INTO t VALUES (2); SAVEPOINT inner")
					return end()
				}), failure)
			}()
			<-done
			wantRows(t, c, int64(1))
			if got := c.Savepoints(); len(got) != 0 || c.AutoCommit() == outer {
				t.Errorf("%s: savepoints %v, autocommit %v; want none, %v", name, got, c.AutoCommit(), !outer)
			}
		}
	}
}

func TestWithSavepointThatCannotCommitLeavesNothingOpen(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(x)")
	a.SetBusyTimeout(0)
	reader := mustBegin(t, b, TxReadOnly)
	err := a.WithSavepoint(background, "s", func() error { return a.Exec(background, "INSERT INTO t VALUES (1)") })
	wantErr(t, "a commit under a reader", err, Busy)
	must(t, reader.Rollback())
	wantRows(t, b)
	wantOver(t, a)
}

func TestWithSavepointUnderAnEndedContextUndoes(t *testing.T) {
	c := openTx(t)
	ctx, cancel := context.WithCancel(background)
	err := c.WithSavepoint(ctx, "s", func() error {
		mustExec(t, c, "INSERT INTO t VALUES (2)")
		cancel()
		return nil
	})
	wantErr(t, "release", err, context.Canceled)
	wantRows(t, c, int64(1))
	wantOver(t, c)
}
