package floe_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
)

// endless is a query that never ends by itself.
const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

func numbers(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	mustExec(t, db, "CREATE TABLE t (a INTEGER)")
	mustExec(t, db, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) INSERT INTO t SELECT i FROM n", n)
}

// cancelled is a context that has ended.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// soon is a context that ends in a moment.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// usable checks that a pool of one connection still has it.
func usable(t *testing.T, db *sql.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var n int
	if err := db.QueryRowContext(ctx, "SELECT 1").Scan(&n); err != nil {
		t.Fatalf("the pool cannot be used: %v", err)
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS usable (a)"); err != nil {
		t.Fatalf("the pool cannot write: %v", err)
	}
	wantIdle(t, db)
}

func TestAContextThatHasEndedRunsNothing(t *testing.T) {
	db := openFile(t)
	db.SetMaxOpenConns(1)
	numbers(t, db, 1)
	conn, err := db.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	stmt, err := conn.PrepareContext(limit(t), "INSERT INTO t VALUES (2)")
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Raw(func(c any) error {
		d := c.(*floe.DriverConn)
		_, execErr := d.ExecContext(cancelled(), "INSERT INTO t VALUES (2)", nil)
		_, queryErr := d.QueryContext(cancelled(), "INSERT INTO t VALUES (2) RETURNING a", nil)
		_, prepareErr := d.PrepareContext(cancelled(), "INSERT INTO t SELECT 3")
		for name, err := range map[string]error{"exec": execErr, "query": queryErr, "prepare": prepareErr, "ping": d.Ping(cancelled())} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: error %v, want Canceled", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stmt.ExecContext(cancelled()); !errors.Is(err, context.Canceled) {
		t.Errorf("prepared: error %v, want Canceled", err)
	}
	if _, err := conn.BeginTx(cancelled(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("begin: error %v, want Canceled", err)
	}
	stmt.Close()
	conn.Close()
	if n := one[int](t, db, "SELECT count(*) FROM t"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	usable(t, db)
}

func TestAContextEndsWhatIsRunning(t *testing.T) {
	db := openFile(t)
	db.SetMaxOpenConns(1)
	numbers(t, db, 1000)
	var n int
	for name, run := range map[string]func(ctx context.Context) error{
		"query": func(ctx context.Context) error { return db.QueryRowContext(ctx, endless).Scan(&n) },
		"exec": func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "INSERT INTO t "+endless)
			return err
		},
		"script": func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "SELECT ?; INSERT INTO t "+endless, 1)
			return err
		},
		"result set": func(ctx context.Context) error {
			rows, err := db.QueryContext(ctx, "SELECT 1; "+endless)
			if err != nil {
				return err
			}
			defer rows.Close()
			rows.NextResultSet()
			return rows.Err()
		},
		"next": func(ctx context.Context) error {
			rows, err := db.QueryContext(ctx, "SELECT 1 UNION ALL SELECT * FROM ("+endless+")")
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		},
		"transaction": func(ctx context.Context) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if _, err := tx.Exec("DELETE FROM t"); err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, "INSERT INTO t "+endless)
			return err
		},
	} {
		if err := run(soon(t)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want DeadlineExceeded", name, err)
		}
		if n := one[int](t, db, "SELECT count(*) FROM t"); n != 1000 {
			t.Errorf("%s: %d rows, want 1000", name, n)
		}
		usable(t, db)
	}
}

func TestATransactionEndsWithItsContext(t *testing.T) {
	db := openFile(t)
	db.SetMaxOpenConns(1)
	numbers(t, db, 10)
	ctx, cancel := context.WithCancel(limit(t))
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("DELETE FROM t"); err != nil {
		t.Fatal(err)
	}
	rows, err := tx.Query("SELECT 1 UNION SELECT 2")
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	cancel()
	if n := one[int](t, db, "SELECT count(*) FROM t"); n != 10 {
		t.Errorf("%d rows after the transaction, want 10", n)
	}
	if err := tx.Commit(); err == nil {
		t.Error("the transaction was committed")
	}
	usable(t, db)
}

func TestATransactionLeftOpenIsRolledBack(t *testing.T) {
	db := openFile(t)
	db.SetMaxOpenConns(1)
	numbers(t, db, 10)
	for _, begin := range []string{"BEGIN", "BEGIN IMMEDIATE", "BEGIN; DELETE FROM t", "SAVEPOINT a; DELETE FROM t"} {
		mustExec(t, db, begin)
		other, err := engine.Open(fileOf(t, db), 0)
		if err != nil {
			t.Fatal(err)
		}
		other.SetBusyTimeout(0)
		if err := other.Exec(limit(t), "BEGIN IMMEDIATE; ROLLBACK"); err != nil {
			t.Errorf("%s: the idle connection holds a lock: %v", begin, err)
		}
		other.Close()
		if n := one[int](t, db, "SELECT count(*) FROM t"); n != 10 {
			t.Errorf("%s: %d rows, want 10", begin, n)
		}
		tx, err := db.Begin()
		if err != nil {
			t.Errorf("%s: %v", begin, err)
			continue
		}
		tx.Rollback()
	}
	usable(t, db)
}

func fileOf(t *testing.T, db *sql.DB) (name string) {
	t.Helper()
	conn, err := db.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	withEngine(t, conn, func(c *engine.Conn) { name = c.Filename("") })
	return name
}

func TestIsolationIsSerializable(t *testing.T) {
	db := openFile(t)
	db.SetMaxOpenConns(1)
	for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelSerializable} {
		tx, err := db.BeginTx(limit(t), &sql.TxOptions{Isolation: level})
		if err != nil {
			t.Errorf("%v: %v", level, err)
			continue
		}
		tx.Rollback()
	}
	_, err := db.BeginTx(limit(t), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err == nil || !strings.Contains(err.Error(), "isolation level Read Committed") {
		t.Errorf("Read Committed: error %v", err)
	}
	usable(t, db)
}

func TestAReadOnlyTransactionRefusesWrites(t *testing.T) {
	db := openFile(t)
	db.SetMaxOpenConns(1)
	numbers(t, db, 10)
	tx, err := db.BeginTx(limit(t), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, tx, "SELECT count(*) FROM t"); n != 10 {
		t.Errorf("%d rows, want 10", n)
	}
	if _, err := tx.Exec("DELETE FROM t"); !errors.Is(err, engine.ReadOnly) {
		t.Errorf("a write: error %v, want ReadOnly", err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	mustExec(t, db, "DELETE FROM t")
	usable(t, db)
}

func TestTransactionsLockAsTheyAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	for lock, locked := range map[string]bool{"deferred": false, "immediate": true, "exclusive": true} {
		db := openSQL(t, path+"?_busy_timeout=0&_txlock="+lock)
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Exec("CREATE TABLE " + lock + "_t (a)")
		if got := errors.Is(err, engine.Busy); got != locked {
			t.Errorf("%s: a write beside it has error %v, want Busy: %v", lock, err, locked)
		}
		tx.Rollback()
	}
}

func TestACommitThatFailsLeavesNoTransaction(t *testing.T) {
	db := openSQL(t, "file:"+filepath.Join(t.TempDir(), "a.db")+"?_foreign_keys=on")
	db.SetMaxOpenConns(1)
	mustExec(t, db, "CREATE TABLE p (a PRIMARY KEY); CREATE TABLE c (a REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
	conn, err := db.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(limit(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO c VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); !errors.Is(err, engine.ConstraintForeignKey) {
		t.Errorf("commit: error %v, want ConstraintForeignKey", err)
	}
	withEngine(t, conn, func(c *engine.Conn) {
		if !c.AutoCommit() {
			t.Error("the transaction is still open")
		}
	})
	conn.Close()
	if n := one[int](t, db, "SELECT count(*) FROM c"); n != 0 {
		t.Errorf("%d rows, want none", n)
	}
	usable(t, db)
}

func withEngine(t *testing.T, conn *sql.Conn, do func(*engine.Conn)) {
	t.Helper()
	err := conn.Raw(func(c any) error {
		do(c.(*floe.DriverConn).Engine())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRowsLeftOpenEndWithTheirConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := openSQL(t, path)
	numbers(t, db, 10)
	rows, err := db.Query("SELECT a FROM t")
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	if err := db.Close(); err != nil {
		t.Errorf("close with rows open: %v", err)
	}
	n := 1
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
	rows.Close()
	again := openSQL(t, path+"?_busy_timeout=0")
	mustExec(t, again, "DROP TABLE t")
	if n != 10 {
		t.Errorf("%d rows, want 10", n)
	}
}

func TestAStatementClosedBeforeItsRowsIsReadOn(t *testing.T) {
	db := openFile(t)
	db.SetMaxOpenConns(1)
	numbers(t, db, 10)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	stmt, err := tx.Prepare("SELECT a FROM t")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := stmt.Query()
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	if err := stmt.Close(); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, tx, "SELECT a FROM t"); n != 1 {
		t.Errorf("the same text reads %d at first, want 1", n)
	}
	n := 1
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n != 10 {
		t.Errorf("%d rows, %v, want 10", n, err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	withEngine(t, conn, func(c *engine.Conn) {
		if n := c.CacheStats().InUse; n != 0 {
			t.Errorf("%d statements are in use, want none", n)
		}
	})
	conn.Close()
	usable(t, db)
}

func TestAConnectionAloneClosesItsConnector(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	conn, err := (&floe.Driver{}).Open(path)
	if err != nil {
		t.Fatal(err)
	}
	stmt, err := conn.Prepare("CREATE TABLE t (a)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stmt.(driver.StmtExecContext).ExecContext(limit(t), nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stmt.Close(), stmt.Close(), conn.Close(), conn.Close()); err != nil {
		t.Error(err)
	}
	if n := one[int](t, openSQL(t, path), "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows, want none", n)
	}
}

func TestAConnectionWithRowsIsNotHandedOn(t *testing.T) {
	connector, err := floe.NewConnector(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer connector.Close()
	conn, err := connector.Connect(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	d := conn.(*floe.DriverConn)
	rows, err := d.QueryContext(limit(t), "SELECT 1 UNION SELECT 2", nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.IsValid() || d.ResetSession(limit(t)) == nil {
		t.Error("a connection with rows is given to the next user")
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if !d.IsValid() || d.ResetSession(limit(t)) != nil {
		t.Error("a connection is not used again after its rows were closed")
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if d.IsValid() {
		t.Error("a closed connection is valid")
	}
	if _, err := d.ExecContext(limit(t), "SELECT 1", nil); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("exec on a closed connection: error %v, want ErrClosed", err)
	}
}

func TestAClosedConnectorConnectsNoMore(t *testing.T) {
	connector, err := floe.NewConnector(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	mustExec(t, db, "CREATE TABLE t (a)")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := connector.Connect(limit(t)); !errors.Is(err, floe.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}

func TestWhatHappensInOnConnectLeavesThePoolAlone(t *testing.T) {
	errOwn := errors.New("own error")
	fails := true
	for name, f := range map[string]func(*engine.Conn) error{
		"error":  func(*engine.Conn) error { return errOwn },
		"panic":  func(*engine.Conn) error { panic(errOwn) },
		"goexit": func(*engine.Conn) error { runtime.Goexit(); return nil },
		"close":  func(c *engine.Conn) error { return errors.Join(errOwn, c.Close()) },
	} {
		fails = true
		connector, err := floe.NewConnector("file:"+filepath.Join(t.TempDir(), "a.db"),
			floe.WithOnConnect(func(_ context.Context, c *engine.Conn) error {
				if fails {
					return f(c)
				}
				return nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(connector)
		db.SetMaxOpenConns(1)
		for range 3 {
			if err := db.Ping(); err == nil || name != "goexit" && !errors.Is(err, errOwn) {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if n := db.Stats().OpenConnections; n != 0 {
			t.Errorf("%s: %d connections are open, want none", name, n)
		}
		fails = false
		usable(t, db)
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPanicInAFunctionOfSQLIsAnError(t *testing.T) {
	connector, err := floe.NewConnector(":memory:", floe.WithOnConnect(func(_ context.Context, c *engine.Conn) error {
		return c.CreateFunction("fail", 0, 0, func(*engine.FuncContext, []engine.Value) error { panic("as asked") })
	}))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxOpenConns(1)
	var failure *engine.PanicError
	if _, err := db.Exec("SELECT fail()"); !errors.As(err, &failure) {
		t.Errorf("error %v, want a PanicError", err)
	}
	usable(t, db)
}

func TestAConnectionLostToGoexitIsReplaced(t *testing.T) {
	connector, err := floe.NewConnector("file:"+filepath.Join(t.TempDir(), "a.db"), floe.WithOnConnect(func(_ context.Context, c *engine.Conn) error {
		return c.CreateFunction("leave", 0, 0, func(*engine.FuncContext, []engine.Value) error { runtime.Goexit(); return nil })
	}))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxOpenConns(1)
	var done sync.WaitGroup
	done.Go(func() { db.Exec("SELECT leave()") })
	done.Wait()
	usable(t, db)
}

func TestAPoolServesManyGoroutines(t *testing.T) {
	for _, dsn := range []string{":memory:", "file:" + filepath.Join(t.TempDir(), "a.db") + "?_journal_mode=WAL&_txlock=immediate"} {
		db := openSQL(t, dsn)
		db.SetMaxOpenConns(4)
		mustExec(t, db, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
		var work sync.WaitGroup
		for g := range 8 {
			work.Go(func() {
				for i := range 25 {
					if err := insertOne(db, g*25+i); err != nil {
						t.Error(err)
						return
					}
					rows, err := db.Query("SELECT a, b FROM t ORDER BY a LIMIT 5")
					if err != nil {
						t.Error(err)
						return
					}
					rows.Next()
					rows.Close()
				}
			})
		}
		work.Wait()
		if n := one[int](t, db, "SELECT count(*) FROM t"); n != 200 {
			t.Errorf("%d rows, want 200", n)
		}
		wantIdle(t, db)
	}
}

func insertOne(db *sql.DB, id int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec("INSERT INTO t VALUES (?, ?)", id, "text"); err != nil {
		return err
	}
	return tx.Commit()
}
