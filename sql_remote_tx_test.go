package floe

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqldtest"
)

// freshTable makes an empty table t(id, x) on the server.
func freshTable(t testing.TB, srv *sqldtest.Server) {
	t.Helper()
	srv.Exec(t, "DROP TABLE IF EXISTS t", "CREATE TABLE t(id INTEGER PRIMARY KEY, x UNIQUE)")
}

func mustBegin(t testing.TB, db *sql.DB, opts *sql.TxOptions) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(remoteContext(t), opts)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return tx
}

func countRows(t testing.TB, srv *sqldtest.Server) int64 {
	t.Helper()
	return srv.Query(t, "SELECT count(*) FROM t")[0][0].(int64)
}

func TestRemoteTransactionsCommitAndRollBack(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		for _, opts := range []*sql.TxOptions{nil, {Isolation: sql.LevelSerializable}} {
			tx := mustBegin(t, db, opts)
			mustExecDB(t, tx, "INSERT INTO t(x) VALUES(1)")
			if err := tx.Rollback(); err != nil {
				t.Errorf("rollback: %v", err)
			}
			if n := countRows(t, srv); n != 0 {
				t.Errorf("%d rows after the rollback, want 0", n)
			}
		}
		tx := mustBegin(t, db, nil)
		mustExecDB(t, tx, "INSERT INTO t(x) VALUES(1)")
		if err := tx.Commit(); err != nil {
			t.Errorf("commit: %v", err)
		}
		if n := countRows(t, srv); n != 1 {
			t.Errorf("%d rows after the commit, want 1", n)
		}
		if _, err := db.BeginTx(remoteContext(t), &sql.TxOptions{Isolation: sql.LevelReadCommitted}); err == nil {
			t.Error("a transaction with another isolation level than serializable was begun")
		}
		if n := db.Stats().OpenConnections; n != 1 {
			t.Errorf("%d connections are open, want the one", n)
		}
	})
}

func TestAReadOnlyRemoteTransactionReads(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		tx := mustBegin(t, db, &sql.TxOptions{ReadOnly: true})
		for _, query := range []string{
			"INSERT INTO t(x) VALUES(1)", "WITH c AS (SELECT 1) INSERT INTO t(x) SELECT * FROM c RETURNING x", "DROP TABLE t",
			"SELECT 1; DELETE FROM t",
		} {
			if _, err := tx.Exec(query); !errors.Is(err, engine.ReadOnly) {
				t.Errorf("exec of %s: %v, want ReadOnly", query, err)
			}
			if _, err := tx.Query(query); !errors.Is(err, engine.ReadOnly) {
				t.Errorf("query of %s: %v, want ReadOnly", query, err)
			}
		}
		readAll(t, tx, "WITH c AS (SELECT 1) SELECT * FROM c, t")
		if err := tx.Commit(); err != nil {
			t.Errorf("commit: %v", err)
		}
		mustExecDB(t, db, "INSERT INTO t(x) VALUES(1)")
	})
}

func TestALostRemoteTransactionSaysSo(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		tx := mustBegin(t, db, nil)
		mustExecDB(t, tx, "INSERT INTO t(x) VALUES(1)")
		srv.Restart(t)
		for range 2 {
			if _, err := tx.Exec("INSERT INTO t(x) VALUES(2)"); !errors.Is(err, ErrTransactionLost) {
				t.Errorf("exec after a restart: %v, want ErrTransactionLost", err)
			}
		}
		if _, err := tx.Query("SELECT * FROM t"); !errors.Is(err, ErrTransactionLost) {
			t.Errorf("query after a restart: %v, want ErrTransactionLost", err)
		}
		if err := tx.Commit(); !errors.Is(err, ErrTransactionLost) || errors.Is(err, ErrCommitUnknown) {
			t.Errorf("commit after a restart: %v, want ErrTransactionLost and not ErrCommitUnknown", err)
		}
		mustExecDB(t, db, "INSERT INTO t(x) VALUES(3)")
		if got, want := srv.Query(t, "SELECT x FROM t"), [][]any{{int64(3)}}; !cmp.Equal(got, want) {
			t.Errorf("the table holds %v, want %v", got, want)
		}
	})
}

func TestRollbackOfALostRemoteTransactionIsNoError(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		tx := mustBegin(t, db, nil)
		mustExecDB(t, tx, "INSERT INTO t(x) VALUES(1)")
		srv.Restart(t)
		if err := tx.Rollback(); err != nil {
			t.Errorf("rollback: %v", err)
		}
		mustExecDB(t, db, "INSERT INTO t(x) VALUES(3)")
	})
}

// A statement that fails can end the transaction. Those behind it must not commit by themselves then.
func TestNothingRunsBehindATransactionThatTheServerRolledBack(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		srv.Exec(t, "INSERT INTO t(x) VALUES(1)")
		db := openRemote(t, srv, scheme)
		run := func(last func(*sql.Tx) error) {
			t.Helper()
			tx := mustBegin(t, db, nil)
			mustExecDB(t, tx, "INSERT INTO t(x) VALUES(2)")
			if _, err := tx.Exec("INSERT OR ROLLBACK INTO t(x) VALUES(1)"); !errors.Is(err, engine.ConstraintUnique) {
				t.Errorf("insert: %v, want ConstraintUnique", err)
			}
			if err := last(tx); !errors.Is(err, ErrTransactionLost) || errors.Is(err, ErrCommitUnknown) {
				t.Errorf("%v, want ErrTransactionLost", err)
			}
			tx.Rollback()
		}
		run(func(tx *sql.Tx) error { _, err := tx.Exec("INSERT INTO t(x) VALUES(3)"); return err })
		run(func(tx *sql.Tx) error { _, err := tx.Exec("INSERT INTO t(x) VALUES(3); SELECT 1"); return err })
		run(func(tx *sql.Tx) error { _, err := tx.Query("INSERT INTO t(x) VALUES(3) RETURNING x"); return err })
		run((*sql.Tx).Commit)
		if n := countRows(t, srv); n != 1 {
			t.Errorf("%d rows, want the 1 from before", n)
		}
	})
}

func TestARemoteTransactionGoesOnAfterAStatementFailed(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		tx := mustBegin(t, db, nil)
		mustExecDB(t, tx, "INSERT INTO t(x) VALUES(1)")
		for _, bad := range []string{"INSERT INTO t(x) VALUES(1)", "SELEC 1", "SELECT * FROM missing", "SELECT 1; SELEC 2"} {
			if _, err := tx.Exec(bad); err == nil {
				t.Errorf("exec of %s succeeded", bad)
			}
			if rows, err := tx.Query(bad); err == nil {
				rows.Close()
				t.Errorf("query of %s succeeded", bad)
			}
			if got := readAll(t, tx, "SELECT x FROM t"); !cmp.Equal(got, [][]any{{int64(1)}}) {
				t.Errorf("after %s the transaction reads %v, want 1", bad, got)
			}
		}
		mustExecDB(t, tx, "INSERT INTO t(x) VALUES(2)")
		if err := tx.Commit(); err != nil {
			t.Errorf("commit: %v", err)
		}
		if n := countRows(t, srv); n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
	})
}

func TestARemoteTransactionLeftOpenByAStatementIsRolledBack(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		for _, begin := range []string{"BEGIN IMMEDIATE", "SAVEPOINT a"} {
			conn, err := db.Conn(remoteContext(t))
			if err != nil {
				t.Fatal(err)
			}
			mustExecDB(t, conn, begin)
			mustExecDB(t, conn, "INSERT INTO t(x) VALUES(1)")
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			if got := readAll(t, db, "SELECT count(*) FROM t"); !cmp.Equal(got, [][]any{{int64(0)}}) {
				t.Errorf("the next user reads %v rows, want 0", got)
			}
			srv.Exec(t, "DELETE FROM t") // the lock is free
		}
		mustExecDB(t, db, "BEGIN; INSERT INTO t(x) VALUES(1); COMMIT; INSERT INTO t(x) VALUES(2)")
		if n := countRows(t, srv); n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
	})
}

// The stream that Raw gives can begin a transaction that the driver does not see.
func TestARemoteTransactionLeftOpenByRawIsRolledBack(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		conn, err := db.Conn(remoteContext(t))
		if err != nil {
			t.Fatal(err)
		}
		err = conn.Raw(func(dc any) error {
			return dc.(*DriverConn).Stream().Sequence(remoteContext(t), "BEGIN; INSERT INTO t(x) VALUES(1)")
		})
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if got := readAll(t, db, "SELECT count(*) FROM t"); !cmp.Equal(got, [][]any{{int64(0)}}) {
			t.Errorf("the next user reads %v rows, want 0", got)
		}
	})
}

// Rows may stay open in a transaction while other statements run.
func TestRemoteStatementsRunWhileRowsAreOpen(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		mustExecDB(t, db, "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 3000) SELECT x, x FROM c")
		for _, large := range []bool{false, true} {
			setLarge(db, "SELECT x FROM t ORDER BY x", large)
			conn, err := db.Conn(remoteContext(t))
			if err != nil {
				t.Fatal(err)
			}
			rows, err := conn.QueryContext(remoteContext(t), "SELECT x FROM t ORDER BY x")
			if err != nil {
				t.Fatal(err)
			}
			var n, sum int
			for rows.Next() {
				var x int
				if err := rows.Scan(&x); err != nil {
					t.Fatal(err)
				}
				if n++; n%1000 == 1 {
					mustExecDB(t, conn, "UPDATE t SET x = x + 100000 WHERE id = ?", x)
				}
				sum += x
			}
			if err := rows.Err(); err != nil || n != 3000 {
				t.Errorf("%d rows and %v, want 3000 and no error", n, err)
			}
			mustExecDB(t, conn, "UPDATE t SET x = id")
			if want := 3000 * 3001 / 2; sum != want {
				t.Errorf("the rows add up to %d, want %d", sum, want)
			}
			conn.Close()
		}
	})
}

func TestACancelledContextLeavesTheRemotePoolHealthy(t *testing.T) {
	srv := sqldtest.Start(t)
	const slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 2000000) SELECT sum(x) AS x FROM c"
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		db.SetMaxOpenConns(2)
		soon := func() context.Context {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}
		calls := map[string]func(ctx context.Context) error{
			"ping": db.PingContext,
			"exec": func(ctx context.Context) error { _, err := db.ExecContext(ctx, "INSERT INTO t(x) "+slow); return err },
			"query": func(ctx context.Context) error {
				var x int
				return db.QueryRowContext(ctx, slow).Scan(&x)
			},
			"prepare": func(ctx context.Context) error {
				st, err := db.PrepareContext(ctx, slow)
				if err != nil {
					return err
				}
				defer st.Close()
				var x int
				return st.QueryRowContext(ctx).Scan(&x)
			},
			"begin": func(ctx context.Context) error {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return err
				}
				defer tx.Rollback()
				_, err = tx.ExecContext(ctx, "INSERT INTO t(x) "+slow)
				return err
			},
			"statement in a transaction": func(ctx context.Context) error {
				tx, err := db.Begin()
				if err != nil {
					return err
				}
				defer tx.Rollback()
				if _, err = tx.ExecContext(ctx, "INSERT INTO t(x) "+slow); ctx == ended {
					return err
				}
				if _, after := tx.Exec("INSERT INTO t(x) VALUES(7)"); !errors.Is(after, ErrTransactionLost) {
					t.Errorf("the transaction goes on with %v, want ErrTransactionLost", after)
				}
				return err
			},
		}
		for name, call := range calls {
			t.Run(name, func(t *testing.T) {
				if err := call(ended); !errors.Is(err, context.Canceled) {
					t.Errorf("with a context that has ended: %v, want context.Canceled", err)
				}
				if name == "ping" {
					return
				}
				if err := call(soon()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("with one that ends: %v, want context.DeadlineExceeded", err)
				}
				for i := range 4 {
					mustExecDB(t, db, "INSERT INTO t(x) VALUES(?)", name+string(rune('0'+i)))
				}
			})
		}
		if got := srv.Query(t, "SELECT count(*) FROM t WHERE x = 7"); got[0][0] != int64(0) {
			t.Errorf("%v rows of lost transactions, want 0", got[0][0])
		}
	})
}

// losing loses the answers to the requests that hold a text, or the requests themselves.
type losing struct {
	text     string
	requests bool
}

func (l losing) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	lose := bytes.Contains(body, []byte(l.text))
	if lose && l.requests {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !lose {
		return res, err
	}
	res.Body.Close()
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
}

func TestACommitWithoutAnAnswerIsUnknown(t *testing.T) {
	srv := sqldtest.Start(t)
	for _, c := range []struct {
		name       string
		requests   bool
		want, lack error
		rows       int64
	}{
		{"answer lost", false, ErrCommitUnknown, ErrTransactionLost, 1},
		{"request lost", true, ErrUnreachable, ErrCommitUnknown, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			freshTable(t, srv)
			db := openRemote(t, srv, "http", WithHTTPClient(&http.Client{Transport: losing{"COMMIT", c.requests}}))
			tx := mustBegin(t, db, nil)
			mustExecDB(t, tx, "INSERT INTO t(x) VALUES(1)")
			if err := tx.Commit(); !errors.Is(err, c.want) || errors.Is(err, c.lack) {
				t.Errorf("commit: %v, want %v and not %v", err, c.want, c.lack)
			}
			if got := readAll(t, db, "SELECT count(*) FROM t"); !cmp.Equal(got, [][]any{{c.rows}}) {
				t.Errorf("%v rows, want %d", got, c.rows)
			}
		})
	}
}

// A request whose answer is lost is sent again if it only reads.
func TestALostAnswerIsAskedForAgainOnlyForReads(t *testing.T) {
	srv := sqldtest.Start(t)
	freshTable(t, srv)
	var lost atomic.Int32
	db := openRemote(t, srv, "http", WithHTTPClient(&http.Client{Transport: losingOnce{losing{"/* lose */", false}, &lost}}))
	if got := readAll(t, db, "SELECT 1 /* lose */, 2"); len(got) != 1 || lost.Load() != 1 {
		t.Errorf("%d rows and %d answers lost, want 1 and 1", len(got), lost.Load())
	}
	lost.Store(0)
	if _, err := db.Exec("INSERT INTO t(x) /* lose */ VALUES(NULL)"); err == nil || errors.Is(err, hrana.ErrNotExecuted) {
		t.Errorf("insert: %v, want an error that leaves open whether it ran", err)
	}
	if n := countRows(t, srv); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// losingOnce loses the first answer only.
type losingOnce struct {
	losing
	lost *atomic.Int32
}

func (l losingOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.lost.Load() > 0 {
		return http.DefaultTransport.RoundTrip(r)
	}
	res, err := l.losing.RoundTrip(r)
	if err != nil {
		l.lost.Add(1)
	}
	return res, err
}

func TestRemoteStatementsSurviveARestart(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		st, err := db.Prepare("INSERT INTO t(x) VALUES(?)")
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		for i := range int64(6) {
			if _, err := st.Exec(i); err != nil {
				t.Errorf("exec %d: %v", i, err)
			}
			srv.Restart(t)
			if got := readAll(t, db, "SELECT count(*) FROM t"); !cmp.Equal(got, [][]any{{i + 1}}) {
				t.Errorf("%v rows, want %d", got, i+1)
			}
			if i%2 == 1 {
				srv.Kill()
				srv.Restart(t)
			}
		}
		if n := db.Stats().OpenConnections; n != 1 {
			t.Errorf("%d connections are open, want the one", n)
		}
	})
}

func TestAnExpiredRemoteStreamIsReplaced(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for more than ten seconds")
	}
	t.Parallel()
	srv := sqldtest.Start(t)
	freshTable(t, srv)
	db := openRemote(t, srv, "http")
	mustExecDB(t, db, "INSERT INTO t(x) VALUES(1)")
	tx := mustBegin(t, db, nil)
	mustExecDB(t, tx, "INSERT INTO t(x) VALUES(2)")
	other := openRemote(t, srv, "http")
	readAll(t, other, "SELECT 1")
	time.Sleep(12 * time.Second)
	mustExecDB(t, other, "INSERT INTO t(x) VALUES(3)")
	if _, err := tx.Exec("INSERT INTO t(x) VALUES(4)"); !errors.Is(err, ErrTransactionLost) {
		t.Errorf("exec in the transaction: %v, want ErrTransactionLost", err)
	}
	tx.Rollback()
	if got, want := readAll(t, db, "SELECT x FROM t ORDER BY x"), [][]any{{int64(1)}, {int64(3)}}; !cmp.Equal(got, want) {
		t.Errorf("the table holds %v, want %v", got, want)
	}
}

// Each server writes less here than it takes for a checkpoint: one in between writers can leave libSQL's server with a
// lock that nobody holds and nobody gets, as docs/remote.md tells.
func TestManyGoroutinesShareARemoteDatabase(t *testing.T) {
	eachScheme(t, func(t *testing.T, scheme string) {
		srv := sqldtest.Start(t)
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		const goroutines, rounds = 16, 10
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for i := range rounds {
					if _, err := db.Exec("INSERT INTO t(x) VALUES(?)", g*rounds+i); err != nil {
						t.Errorf("insert: %v", err)
					}
					var x int
					if err := db.QueryRow("SELECT x FROM t WHERE x = ?", g*rounds+i).Scan(&x); err != nil || x != g*rounds+i {
						t.Errorf("read %d and %v, want %d", x, err, g*rounds+i)
					}
				}
			})
		}
		wg.Wait()
		if n := countRows(t, srv); n != goroutines*rounds {
			t.Errorf("%d rows, want %d", n, goroutines*rounds)
		}
	})
}
