package engine

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResetEndsAllThatIsInUse(t *testing.T) {
	c := openTx(t)
	mustExec(t, c, "CREATE TABLE b(x); INSERT INTO b VALUES (zeroblob(9))")
	tx := mustBegin(t, c, TxImmediate)
	mustExec(t, c, "INSERT INTO t VALUES (2); SAVEPOINT s")
	prepared, err := c.Prepare("SELECT x FROM t")
	must(t, err)
	cached := mustCached(t, c, "SELECT x FROM t")
	mustRow(t, prepared)
	mustRow(t, cached)
	blob, err := c.OpenBlob(background, "", "b", "x", 1, true)
	must(t, err)

	must(t, c.Reset())
	wantOver(t, c)
	wantRows(t, c, int64(1))
	wantErr(t, "commit", tx.Commit(background), ErrTxEnded)
	for _, s := range []*Stmt{prepared, cached} {
		_, err := s.Step(background)
		wantErr(t, "step", err, ErrFinalized)
	}
	_, err = blob.Read(make([]byte, 1))
	wantErr(t, "read of a blob", err, ErrHandleClosed)
	if got := c.Savepoints(); len(got) != 0 {
		t.Errorf("open savepoints: %v, want none", got)
	}
	must(t, c.Reset())
}

func TestResetEndsAReadOnlyTransaction(t *testing.T) {
	c := openTx(t)
	mustBegin(t, c, TxReadOnly)
	must(t, c.Reset())
	wantOver(t, c)
}

func TestResetKeepsTheCacheAndWhatWasSet(t *testing.T) {
	c := openTx(t)
	mustExec(t, c, "PRAGMA foreign_keys = 1; CREATE TEMP TABLE kept(x); ATTACH ':memory:' AS other")
	mustFinalize(t, mustCached(t, c, "SELECT 1"))
	before := c.CacheStats()
	must(t, c.Reset())
	if diff := cmp.Diff(before, c.CacheStats()); diff != "" {
		t.Errorf("cache (-before +after):\n%s", diff)
	}
	if got := values(t, c, "PRAGMA foreign_keys"); got[0][0] != int64(1) {
		t.Errorf("foreign_keys is %v, want 1", got[0][0])
	}
	mustExec(t, c, "SELECT * FROM kept, other.sqlite_schema")
}

func TestResetReturnsTheErrorOfAHookWhenAllIsDone(t *testing.T) {
	c := openTx(t)
	must(t, c.SetRollbackHook(func() error { panic("rollback") }))
	mustBegin(t, c, TxImmediate)
	var panicked *PanicError
	if err := c.Reset(); !errors.As(err, &panicked) {
		t.Errorf("reset: %v, want the panic of the hook", err)
	}
	wantOver(t, c)
	must(t, c.Reset())
	must(t, c.SetRollbackHook(nil))
}

func TestResetOfAClosedConnectionIsRefused(t *testing.T) {
	wantErr(t, "reset", closedConn(t).Reset(), ErrClosed)
}
