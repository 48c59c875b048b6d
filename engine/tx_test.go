package engine

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/floedb/floe/hooks"
)

func mustBegin(tb testing.TB, c *Conn, mode TxMode) *Tx {
	tb.Helper()
	tx, err := c.Begin(background, mode)
	if err != nil {
		tb.Fatalf("begin: %v", err)
	}
	return tx
}

// openTx opens a database with the table t(a), which holds 1.
func openTx(tb testing.TB) *Conn {
	tb.Helper()
	c := openMemory(tb)
	mustExec(tb, c, "CREATE TABLE t(x UNIQUE); INSERT INTO t VALUES (1)")
	return c
}

func wantErr(tb testing.TB, what string, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("%s: %v, want %v", what, err, want)
	}
}

// wantOver checks that there is neither a transaction left nor what it did to the connection.
func wantOver(tb testing.TB, c *Conn) {
	tb.Helper()
	if !c.AutoCommit() {
		tb.Errorf("a transaction is still open")
	}
	if got := values(tb, c, "PRAGMA query_only"); got[0][0] != int64(0) {
		tb.Errorf("query_only is %v after the transaction, want 0", got[0][0])
	}
	if c.tx != nil {
		tb.Errorf("the connection still watches a transaction")
	}
}

func TestTxCommitsOrRollsBackInEachMode(t *testing.T) {
	for _, mode := range []TxMode{TxDeferred, TxImmediate, TxExclusive} {
		c := openTx(t)
		tx := mustBegin(t, c, mode)
		mustExec(t, c, "INSERT INTO t VALUES (2)")
		must(t, tx.Commit(background))
		tx = mustBegin(t, c, mode)
		mustExec(t, c, "INSERT INTO t VALUES (3)")
		must(t, tx.Rollback())
		wantRows(t, c, int64(1), int64(2))
		wantOver(t, c)
	}
}

func TestTxModesLockWhatTheySay(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(x)")
	b.SetBusyTimeout(0)
	for _, test := range []struct {
		mode        TxMode
		read, write bool
	}{{TxDeferred, true, true}, {TxImmediate, true, false}, {TxExclusive, false, false}, {TxReadOnly, true, false}} {
		tx := mustBegin(t, a, test.mode)
		read, write := b.Exec(background, "SELECT * FROM t"), b.Exec(background, "DELETE FROM t")
		if (read == nil) != test.read || (write == nil) != test.write {
			t.Errorf("mode %d: another connection's read is %v, its write is %v; want allowed: %v, %v",
				test.mode, read, write, test.read, test.write)
		}
		must(t, tx.Rollback())
	}
}

func TestTxModeThatDoesNotExistIsRefused(t *testing.T) {
	c := openTx(t)
	_, err := c.Begin(background, TxReadOnly+1)
	wantErr(t, "begin", err, Misuse)
	wantOver(t, c)
}

func TestTxEndedMakesCommitAnErrorAndRollbackFine(t *testing.T) {
	for name, end := range map[string]func(*Conn, *Tx) error{
		"Commit":          func(_ *Conn, tx *Tx) error { return tx.Commit(background) },
		"Rollback":        func(_ *Conn, tx *Tx) error { return tx.Rollback() },
		"COMMIT as SQL":   func(c *Conn, _ *Tx) error { return c.Exec(background, "COMMIT") },
		"END and BEGIN":   func(c *Conn, _ *Tx) error { return c.Exec(background, "END; BEGIN") },
		"ROLLBACK as SQL": func(c *Conn, _ *Tx) error { return c.Exec(background, "ROLLBACK") },
		"a statement": func(c *Conn, _ *Tx) error {
			s, err := c.Prepare("COMMIT")
			if err != nil {
				return err
			}
			defer s.Finalize()
			_, err = s.Step(background)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := openTx(t)
			tx := mustBegin(t, c, TxImmediate)
			must(t, end(c, tx))
			open := !c.AutoCommit()
			for range 2 {
				wantErr(t, "commit", tx.Commit(background), ErrTxEnded)
				must(t, tx.Rollback())
			}
			if open == c.AutoCommit() {
				t.Errorf("the handle of an ended transaction touched the next one")
			}
		})
	}
}

func TestTxTellsThatSQLiteRolledBack(t *testing.T) {
	for name, test := range map[string]struct {
		prepare, sql string
		code         ResultCode
	}{
		"OR ROLLBACK":     {"", "INSERT OR ROLLBACK INTO t VALUES (1)", ConstraintUnique},
		"RAISE(ROLLBACK)": {"CREATE TRIGGER r AFTER DELETE ON t BEGIN SELECT RAISE(ROLLBACK, 'no'); END", "DELETE FROM t", ConstraintTrigger},
		"full":            {"PRAGMA max_page_count = 4", "INSERT INTO t VALUES (zeroblob(99999))", Full},
	} {
		t.Run(name, func(t *testing.T) {
			c := openTx(t)
			mustExec(t, c, test.prepare)
			tx := mustBegin(t, c, TxImmediate)
			mustExec(t, c, "INSERT INTO t VALUES (2)")
			wantErr(t, "exec", c.Exec(background, test.sql), test.code)
			err := tx.Commit(background)
			wantErr(t, "commit", err, ErrTxRolledBack)
			wantErr(t, "commit", err, test.code)
			must(t, tx.Rollback())
			wantRows(t, c, int64(1))
			wantOver(t, c)
		})
	}
}

func TestTxTellsThatAnInterruptRolledBack(t *testing.T) {
	c := openTx(t)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	must(t, c.CreateFunction("cancel", 0, 0, func(*FuncContext, []Value) error { cancel(); return nil }))
	tx := mustBegin(t, c, TxImmediate)
	mustExec(t, c, "INSERT INTO t VALUES (2)")
	err := c.Exec(ctx, "WITH RECURSIVE n(i) AS (SELECT cancel() UNION ALL SELECT i FROM n) INSERT INTO t SELECT NULL FROM n")
	wantErr(t, "exec", err, Interrupt)
	wantErr(t, "commit", tx.Commit(background), ErrTxRolledBack)
	must(t, tx.Rollback())
	wantRows(t, c, int64(1))
	wantOver(t, c)
}

func TestTxRollsBackUnderAnEndedContext(t *testing.T) {
	c := openTx(t)
	ctx, cancel := context.WithCancel(background)
	err := c.WithTx(ctx, TxImmediate, func() error {
		mustExec(t, c, "INSERT INTO t VALUES (2)")
		cancel()
		return nil
	})
	wantErr(t, "commit", err, context.Canceled)
	wantRows(t, c, int64(1))
	wantOver(t, c)
	_, err = c.Begin(ctx, TxReadOnly)
	wantErr(t, "begin", err, context.Canceled)
	wantOver(t, c)
}

func TestTxStaysOpenWhenItsCommitIsBusy(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(x)")
	a.SetBusyTimeout(0)
	tx := mustBegin(t, a, TxImmediate)
	mustExec(t, a, "INSERT INTO t VALUES (1)")
	reader := mustBegin(t, b, TxReadOnly)
	err := tx.Commit(background)
	wantErr(t, "commit under a reader", err, Busy)
	if err == nil || !strings.Contains(err.Error(), "still open") || a.AutoCommit() {
		t.Errorf("error %v, transaction open: %v; want one that says that it is", err, !a.AutoCommit())
	}
	must(t, reader.Rollback())
	must(t, tx.Commit(background))
	wantRows(t, b, int64(1))
}

func TestTxStaysOpenUntilDeferredForeignKeysAreSatisfied(t *testing.T) {
	c := openTx(t)
	mustExec(t, c, "PRAGMA foreign_keys = 1; CREATE TABLE child(a REFERENCES t(x) DEFERRABLE INITIALLY DEFERRED)")
	tx := mustBegin(t, c, TxImmediate)
	mustExec(t, c, "INSERT INTO child VALUES (2)")
	wantErr(t, "commit", tx.Commit(background), ConstraintForeignKey)
	mustExec(t, c, "INSERT INTO t VALUES (2)")
	must(t, tx.Commit(background))
	wantRows(t, c, int64(1), int64(2))
}

func TestTxThatACommitHookRefusesIsRolledBack(t *testing.T) {
	c := openTx(t)
	refusal := errors.New("not today")
	must(t, c.SetCommitHook(func() error { return refusal }))
	tx := mustBegin(t, c, TxImmediate)
	mustExec(t, c, "INSERT INTO t VALUES (2)")
	wantErr(t, "commit", tx.Commit(background), refusal)
	wantErr(t, "commit again", tx.Commit(background), ErrTxEnded)
	must(t, c.SetCommitHook(nil))
	wantRows(t, c, int64(1))
	wantOver(t, c)
}

func TestTxWhoseWALHookFailsIsCommitted(t *testing.T) {
	c := openWAL(t)
	mustExec(t, c, "DROP TABLE t; CREATE TABLE t(x)")
	failure := errors.New("told too late")
	must(t, c.SetWALHook(func(hooks.WALCommit) error { return failure }))
	tx := mustBegin(t, c, TxImmediate)
	mustExec(t, c, "INSERT INTO t VALUES (2)")
	wantErr(t, "COMMIT as SQL", c.Exec(background, "COMMIT"), failure)
	err := tx.Commit(background)
	wantErr(t, "commit", err, ErrTxEnded)
	if errors.Is(err, ErrTxRolledBack) {
		t.Errorf("%v, but the transaction is committed", err)
	}
	wantRows(t, c, int64(2))
}

func TestTxInATransactionIsRefused(t *testing.T) {
	c := openTx(t)
	tx := mustBegin(t, c, TxDeferred)
	for _, mode := range []TxMode{TxDeferred, TxReadOnly} {
		_, err := c.Begin(background, mode)
		wantErr(t, "begin in a transaction", err, ErrInTransaction)
	}
	mustExec(t, c, "INSERT INTO t VALUES (2)")
	must(t, tx.Commit(background))
	must(t, c.Savepoint("s"))
	_, err := c.Begin(background, TxDeferred)
	wantErr(t, "begin in a savepoint", err, ErrInTransaction)
}

func TestTxOnAClosedConnection(t *testing.T) {
	c, err := Open(":memory:", 0)
	must(t, err)
	tx := mustBegin(t, c, TxImmediate)
	must(t, c.Close())
	wantErr(t, "commit", tx.Commit(background), ErrClosed)
	must(t, tx.Rollback())
	_, err = c.Begin(background, TxDeferred)
	wantErr(t, "begin", err, ErrClosed)
}

func TestReadOnlyTxRefusesWrites(t *testing.T) {
	for _, sql := range []string{
		"INSERT INTO t VALUES (2)", "DELETE FROM t", "CREATE TABLE u(a)", "PRAGMA user_version = 3",
		"CREATE TEMP TABLE u(a)", "PRAGMA query_only = 0; INSERT INTO t VALUES (2)",
	} {
		c := openTx(t)
		tx := mustBegin(t, c, TxReadOnly)
		err := c.Exec(background, sql)
		wantErr(t, sql, err, ReadOnly)
		if err == nil || !strings.Contains(err.Error(), "read-only transaction") {
			t.Errorf("%s: %v; want an error that names the read-only transaction", sql, err)
		}
		wantRows(t, c, int64(1))
		must(t, tx.Commit(background))
		wantOver(t, c)
		mustExec(t, c, "INSERT INTO t VALUES (2)")
	}
}

func TestReadOnlyTxReadsTheStateOfItsBeginning(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.db")
	a, b := openTest(t, name, 0), openTest(t, name, 0)
	other := filepath.Join(t.TempDir(), "b.db")
	for _, c := range []*Conn{a, b} {
		mustExec(t, c, "ATTACH ? AS [the \"other\"]", other)
		mustExec(t, c, `PRAGMA journal_mode = WAL; PRAGMA "the ""other""".journal_mode = WAL`)
	}
	mustExec(t, a, "CREATE TABLE t(x); CREATE TABLE [the \"other\"].u(a)")
	tx := mustBegin(t, b, TxReadOnly)
	mustExec(t, a, "INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)")
	for _, table := range []string{"t", "u"} {
		if got := values(t, b, "SELECT count(*) FROM "+table); got[0][0] != int64(0) {
			t.Errorf("%s has %v rows in the transaction, want 0 as at its beginning", table, got[0][0])
		}
	}
	must(t, tx.Commit(background))
	wantRows(t, b, int64(1))
}

func TestReadOnlyTxRestoresQueryOnlyHoweverItEnds(t *testing.T) {
	for _, end := range []string{"COMMIT", "ROLLBACK", "PRAGMA query_only = 0; COMMIT"} {
		c := openTx(t)
		mustBegin(t, c, TxReadOnly)
		mustExec(t, c, end)
		wantOver(t, c)
	}
	c := openTx(t)
	mustExec(t, c, "PRAGMA query_only = 1")
	must(t, mustBegin(t, c, TxReadOnly).Commit(background))
	if got := values(t, c, "PRAGMA query_only"); got[0][0] != int64(1) {
		t.Errorf("query_only is %v after the transaction, want 1 as before", got[0][0])
	}
}

func TestReadOnlyTxThatFindsTheDatabaseLockedLeavesNothing(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(x)")
	tx := mustBegin(t, a, TxExclusive)
	b.SetBusyTimeout(0)
	_, err := b.Begin(background, TxReadOnly)
	wantErr(t, "begin", err, Busy)
	must(t, tx.Rollback())
	wantOver(t, b)
	mustExec(t, b, "INSERT INTO t VALUES (1)")
}

func TestReadOnlyTxIsRefusedInTheMiddleOfAWrite(t *testing.T) {
	c := openTx(t)
	s := mustPrepare(t, c, "INSERT INTO t VALUES (2), (3) RETURNING x")
	mustRow(t, s)
	_, err := c.Begin(background, TxReadOnly)
	wantErr(t, "begin", err, Busy)
	must(t, s.Reset())
	wantOver(t, c)
}

func TestWithTxRollsBackWhateverEndsIt(t *testing.T) {
	failure := errors.New("failure")
	for name, end := range map[string]func() error{
		"error":  func() error { return failure },
		"panic":  func() error { panic(failure) },
		"goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := openTx(t)
			var recovered any
			var err error
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { recovered = recover() }()
				err = c.WithTx(background, TxImmediate, func() error {
					mustExec(t, c, "INSERT INTO t VALUES (2)")
					return end()
				})
			}()
			<-done
			if name == "error" && !errors.Is(err, failure) || name == "panic" && recovered != failure {
				t.Errorf("error %v, panic %v; want %v", err, recovered, failure)
			}
			wantRows(t, c, int64(1))
			wantOver(t, c)
		})
	}
}

func TestWithTxCommits(t *testing.T) {
	c := openTx(t)
	must(t, c.WithTx(background, TxImmediate, func() error { return c.Exec(background, "INSERT INTO t VALUES (2)") }))
	wantRows(t, c, int64(1), int64(2))
	err := c.WithTx(background, TxImmediate, func() error { return c.Exec(background, "COMMIT") })
	wantErr(t, "a function that commits by itself", err, ErrTxEnded)
	wantOver(t, c)
}

func TestTxnStateFollowsTheTransaction(t *testing.T) {
	c := openTx(t)
	mustExec(t, c, "ATTACH ':memory:' AS other; CREATE TABLE other.u(x)")
	want := func(main, other, all TxnState) {
		t.Helper()
		for schema, state := range map[string]TxnState{"main": main, "other": other, "": all} {
			if got, err := c.TxnState(schema); err != nil || got != state {
				t.Errorf("state of %q: %d, %v; want %d", schema, got, err, state)
			}
		}
	}
	tx := mustBegin(t, c, TxDeferred)
	want(TxnNone, TxnNone, TxnNone)
	mustExec(t, c, "SELECT * FROM t")
	want(TxnRead, TxnNone, TxnRead)
	mustExec(t, c, "INSERT INTO u VALUES (1)")
	want(TxnRead, TxnWrite, TxnWrite)
	must(t, tx.Rollback())
	want(TxnNone, TxnNone, TxnNone)
	_, err := c.TxnState("nobody")
	wantErr(t, "an unknown database", err, NotFound)
}

// The race detector tells whether what is read without the connection may be.
func TestEndOfATransactionIsSeenFromAnyGoroutine(t *testing.T) {
	c := openMemory(t)
	for range 50 {
		tx, err := c.Begin(background, TxDeferred)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, end := range []func() error{tx.Rollback, func() error { return tx.Commit(background) }} {
			wg.Go(func() {
				for err := end(); errors.Is(err, ErrConcurrentUse); {
					err = end()
				}
			})
		}
		wg.Wait()
		if !c.AutoCommit() {
			t.Fatal("the transaction is still open")
		}
	}
}

func TestRolledBackTellsTheErrorThatCostTheTransaction(t *testing.T) {
	const fails = "INSERT OR ROLLBACK INTO t VALUES (1)"
	for _, test := range []struct {
		script string
		want   error
	}{
		{"SELECT 1", nil},
		{fails, nil},
		{"BEGIN", nil},
		{"BEGIN; COMMIT", nil},
		{"BEGIN; ROLLBACK", nil},
		{"BEGIN; INSERT INTO t VALUES (1)", nil},
		{"BEGIN; " + fails, ConstraintUnique},
		{"SAVEPOINT a; " + fails, ConstraintUnique},
		{"BEGIN; COMMIT; " + fails, nil},
		{"BEGIN; COMMIT; BEGIN; " + fails, ConstraintUnique},
		{"BEGIN; DELETE FROM t; PRAGMA max_page_count = 4; INSERT INTO t VALUES (zeroblob(99999))", Full},
	} {
		c := openTx(t)
		_ = c.Exec(background, test.script)
		err := c.RolledBack()
		if (err == nil) != (test.want == nil) || err != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.script, err, test.want)
		}
		mustExec(t, c, "SELECT 1")
		if again := c.RolledBack(); again != err {
			t.Errorf("%s: %v after another statement, want %v still", test.script, again, err)
		}
		if c.AutoCommit() {
			mustExec(t, c, "BEGIN; COMMIT")
		}
		if err := c.RolledBack(); err != nil {
			t.Errorf("%s: %v after another transaction, want nil", test.script, err)
		}
	}
}

// Writing to an open blob is no statement, and can end the transaction like one.
func TestRolledBackSeesAnEndBetweenStatements(t *testing.T) {
	c := openTx(t)
	mustExec(t, c, "BEGIN; INSERT INTO t VALUES (2)")
	if err := c.enter(); err != nil {
		t.Fatal(err)
	}
	sqlite3.Xsqlite3_exec(c.tls, c.db, c.cString("ROLLBACK"), 0, 0, 0)
	c.leave()
	wantErr(t, "rolled back", c.RolledBack(), Abort)
}

func TestRolledBackIsNotSetByAHookBehindTheCommit(t *testing.T) {
	c := openTest(t, filepath.Join(t.TempDir(), "wal.db"), 0)
	mustExec(t, c, "PRAGMA journal_mode = WAL; CREATE TABLE t(x)")
	must(t, c.SetWALHook(func(hooks.WALCommit) error { return errors.New("no") }))
	if err := c.Exec(background, "BEGIN; INSERT INTO t VALUES (1); COMMIT"); err == nil {
		t.Error("the error of the hook is missing")
	}
	if err := c.RolledBack(); err != nil {
		t.Errorf("rolled back: %v, want nil", err)
	}
	wantRows(t, c, int64(1))
}
