package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/faultproxy"
	"github.com/floedb/floe/internal/sqldtest"
)

// countedServer is a server behind a proxy that counts the requests with SQL.
type countedServer struct {
	*faultproxy.Proxy
	requests atomic.Int64
}

func countSQL(t *testing.T, srv *sqldtest.Server) *countedServer {
	t.Helper()
	w := &countedServer{}
	w.Proxy = faultproxy.StartHTTP(t, srv.Addr, faultproxy.None, func(r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/pipeline") || strings.Contains(r.URL.Path, "/cursor") {
			if r.Method == http.MethodPost {
				w.requests.Add(1)
			}
		}
		return true
	})
	return w
}

// openReplicaDB opens a replica by a data source name; params are further ones.
func openReplicaDB(t *testing.T, primary string, params ...string) (*sql.DB, *floe.Replica) {
	t.Helper()
	return openReplicaDBAt(t, newPath(t), primary, params...)
}

func openReplicaDBAt(t *testing.T, path, primary string, params ...string) (*sql.DB, *floe.Replica) {
	t.Helper()
	dsn := "file:" + path + "?" + strings.Join(append(params, "primary="+url.QueryEscape(primary)), "&")
	c, err := floe.NewConnector(dsn)
	if err != nil {
		t.Fatal("open:", err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return db, c.Replica()
}

// runner is what runs SQL: a [sql.DB], [sql.Conn] or [sql.Tx].
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func wantExec(t *testing.T, r runner, query string, args ...any) sql.Result {
	t.Helper()
	res, err := r.ExecContext(limit(t), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return res
}

func wantRow[T comparable](t *testing.T, r runner, want T, query string, args ...any) {
	t.Helper()
	var got T
	if err := r.QueryRowContext(limit(t), query, args...).Scan(&got); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if got != want {
		t.Errorf("%s: got %v, want %v", query, got, want)
	}
}

func oneConn(t *testing.T, db *sql.DB) *sql.Conn {
	t.Helper()
	c, err := db.Conn(limit(t))
	if err != nil {
		t.Fatal("connect:", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestWriteThroughAReplicaIsReadBack(t *testing.T) {
	srv := sqldtest.Start(t)
	db, r := openReplicaDB(t, srv.URL)
	wantExec(t, db, "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)")
	for i := 1; i <= 20; i++ {
		res := wantExec(t, db, "INSERT INTO t(a) VALUES (?), (?)", fmt.Sprint(i), "more")
		id, _ := res.LastInsertId()
		n, _ := res.RowsAffected()
		if id != int64(2*i) || n != 2 {
			t.Fatalf("insert %d: got rowid %d and %d rows, want %d and 2", i, id, n, 2*i)
		}
		wantRow(t, db, int64(2*i), "SELECT count(*) FROM t")
	}
	wrote, ok := r.MaxWriteFrameNo()
	if at, _ := r.FrameNo(); !ok || wrote != at || at != srv.FrameNo(t) {
		t.Errorf("wrote frame %d (%v), the replica is at %d, the primary at %d: want one number", wrote, ok, at, srv.FrameNo(t))
	}
	wantEqual(t, r.Path(), srv)
}

// TestReplicationIndexIsTheFrameOfTheWrite: were it another number, a read after a
// write would wait for a frame too few, or for one that never comes.
func TestReplicationIndexIsTheFrameOfTheWrite(t *testing.T) {
	srv := sqldtest.Start(t)
	db, r := openReplicaDB(t, srv.URL, "readYourWrites=false")
	for i, query := range []string{
		"CREATE TABLE t(a)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2) RETURNING a", "UPDATE t SET a = 3",
		"BEGIN; INSERT INTO t VALUES (4); INSERT INTO t VALUES (5); COMMIT", "DELETE FROM t", "INSERT INTO t VALUES (zeroblob(20000))",
	} {
		wantExec(t, db, query)
		if got, ok := r.MaxWriteFrameNo(); !ok || got != srv.FrameNo(t) {
			t.Errorf("%d: %s: got frame %d (%v), want %d", i, query, got, ok, srv.FrameNo(t))
		}
	}
	tx, err := db.BeginTx(limit(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantExec(t, tx, "INSERT INTO t VALUES (1)")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, ok := r.MaxWriteFrameNo(); !ok || got != srv.FrameNo(t) {
		t.Errorf("commit: got frame %d (%v), want %d", got, ok, srv.FrameNo(t))
	}
}

func TestWhereStatementsRun(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	w := countSQL(t, srv)
	db, _ := openReplicaDB(t, w.URL)
	conn := oneConn(t, db)
	for _, c := range []struct {
		query   string
		primary bool
	}{
		{"SELECT count(*) FROM t", false},
		{"SELECT last_insert_rowid()", false}, // nothing was written yet
		{"VALUES (1)", false},
		{"WITH x AS (SELECT 1) SELECT * FROM x", false},
		{"PRAGMA table_info(t)", false},
		{"PRAGMA busy_timeout = 200", false},
		{"PRAGMA journal_mode = WAL", false},
		{"PRAGMA foreign_keys = ON", false}, // it is
		{"EXPLAIN QUERY PLAN DELETE FROM t", false},
		{"ATTACH ':memory:' AS mem", false},
		{"SELECT count(*) FROM mem.sqlite_schema", false},
		{"DETACH mem", false},
		{"INSERT INTO t(a) VALUES ('x')", true},
		{"SELECT last_insert_rowid()", true},
		{"SELECT count(*) FROM t", false},
		{"INSERT INTO t(a) VALUES ('x') RETURNING id", true},
		{"WITH x AS (SELECT 1) UPDATE t SET a = 'y'", true},
		{"DELETE FROM t WHERE id = 1", true},
		{"CREATE TABLE IF NOT EXISTS t(a)", true},
		{"CREATE INDEX i ON t(a)", true},
		{"PRAGMA user_version = 7", true},
		{"PRAGMA user_version", false},
		{"PRAGMA foreign_keys = OFF", true},
		{"PRAGMA foreign_keys", false},
		{"BEGIN", true},
		{"SELECT count(*) FROM t", true},
		{"PRAGMA table_info(t)", true},
		{"ROLLBACK", true},
		{"SELECT count(*) FROM t", false},
		{"SAVEPOINT a", true},
		{"SELECT count(*) FROM t", true},
		{"ROLLBACK TO a", true},
		{"SELECT count(*) FROM t", true},
		{"COMMIT", true},
		{"SELECT count(*) FROM t", false},
		{"SELECT 1; SELECT 2", false},
		{"SELECT 1; UPDATE t SET a = 'z'", true},
		{"ALTER TABLE t ALTER COLUMN a TO a VARCHAR", true}, // only libSQL can
		{"DROP TABLE t", true},
		{"SELECT 1", false},
	} {
		before := w.requests.Load()
		rows, err := conn.QueryContext(limit(t), c.query)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		for rows.Next() {
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Errorf("%s: %v", c.query, err)
		}
		if got := w.requests.Load() != before; got != c.primary {
			t.Errorf("%s: ran on the primary: %v, want %v", c.query, got, c.primary)
		}
	}
}

func TestTransactionsThatWriteRunOnThePrimary(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	db, _ := openReplicaDB(t, srv.URL)
	for _, commit := range []bool{true, false} {
		tx, err := db.BeginTx(limit(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		var before int64
		if err := db.QueryRowContext(limit(t), "SELECT count(*) FROM t").Scan(&before); err != nil {
			t.Fatal(err)
		}
		wantExec(t, tx, "INSERT INTO t(a) VALUES ('mine')")
		wantRow(t, tx, before+1, "SELECT count(*) FROM t")
		wantRow(t, db, before, "SELECT count(*) FROM t")
		end, want := tx.Rollback, before
		if commit {
			end, want = tx.Commit, before+1
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		wantRow(t, db, want, "SELECT count(*) FROM t")
	}
}

func TestTransactionReadsOnThePrimaryFromItsBeginning(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	db, _ := openReplicaDB(t, srv.URL)
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	srv.Exec(t, "INSERT INTO t(a) VALUES ('by another')")
	tx, err := db.BeginTx(limit(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantRow(t, tx, int64(2), "SELECT count(*) FROM t")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
}

func TestReadOnlyTransactionSeesOneState(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	w := countSQL(t, srv)
	db, r := openReplicaDB(t, w.URL)
	tx, err := db.BeginTx(limit(t), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	wantRow(t, tx, int64(3), "SELECT count(*) FROM t")
	if n := w.requests.Load(); n != 0 {
		t.Errorf("the primary got %d requests, want none", n)
	}
	for i := range 10 {
		wantExec(t, db, "INSERT INTO t(a) VALUES ('later')")
		mustSync(t, r)
		wantRow(t, tx, int64(3), "SELECT count(*) FROM t")
		wantRow(t, db, int64(4+i), "SELECT count(*) FROM t")
	}
	_, err = tx.ExecContext(limit(t), "DELETE FROM t")
	wantErrorIs(t, err, engine.ReadOnly)
	srv.Exec(t, "CREATE TABLE later(a)")
	_, err = tx.ExecContext(limit(t), "SELECT * FROM later")
	wantErrorIs(t, err, engine.Generic)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	wantRow(t, db, int64(13), "SELECT count(*) FROM t")
}

func TestEachReaderOfAPoolSeesItsOwnLastWrite(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(who INTEGER PRIMARY KEY, n INTEGER)")
	db, _ := openReplicaDB(t, srv.URL)
	var all sync.WaitGroup
	for who := range 8 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			for n := range 25 {
				if err := writeAndRead(ctx, db, who, n); err != nil {
					t.Errorf("writer %d: %v", who, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func writeAndRead(ctx context.Context, db *sql.DB, who, n int) error {
	_, err := db.ExecContext(ctx, "INSERT INTO t VALUES (?1, ?2) ON CONFLICT DO UPDATE SET n = ?2", who, n)
	if err != nil {
		return fmt.Errorf("write %d: %w", n, err)
	}
	var got int
	if err := db.QueryRowContext(ctx, "SELECT n FROM t WHERE who = ?", who).Scan(&got); err != nil {
		return fmt.Errorf("read %d: %w", n, err)
	}
	if got != n {
		return fmt.Errorf("got %d, wrote %d", got, n)
	}
	return nil
}

func TestReadYourWritesCanBeTurnedOff(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	db, r := openReplicaDB(t, srv.URL, "readYourWrites=false")
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	wantExec(t, db, "INSERT INTO t(a) VALUES ('x')")
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	mustSync(t, r)
	wantRow(t, db, int64(2), "SELECT count(*) FROM t")
}

// TestReadsWaitForTheWritesOfAConnectorThatDoesNot: whether reads wait is up to who
// reads, not to who has written.
func TestReadsWaitForTheWritesOfAConnectorThatDoesNot(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	r := openNew(t, srv)
	mustSync(t, r)
	writer, reader := sql.OpenDB(r.Connector(floe.WithReadYourWrites(false))), sql.OpenDB(r.Connector())
	defer writer.Close()
	defer reader.Close()
	for n := range int64(5) {
		wantExec(t, writer, "INSERT INTO t(a) VALUES ('x')")
		wantRow(t, writer, n+1, "SELECT count(*) FROM t")
		wantRow(t, reader, n+2, "SELECT count(*) FROM t")
	}
}

func TestDataSourceNameOwnsItsReplica(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	db, r := openReplicaDB(t, srv.URL)
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := r.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrClosed)
	synced(t, r.Path(), srv) // the lock is free
}

func TestConnectorOfAReplicaLeavesItOpen(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	r := openNew(t, srv)
	db := sql.OpenDB(r.Connector())
	wantExec(t, db, "INSERT INTO t(a) VALUES ('x')")
	wantRow(t, db, int64(2), "SELECT count(*) FROM t")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustSync(t, r)
}

func TestFirstConnectionNeedsThePrimaryOnce(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 2)
	path := filepath.Join(t.TempDir(), "r.db")
	w := countSQL(t, srv)
	w.SetDown(true)
	db, _ := openReplicaDBAt(t, path, w.URL)
	err := db.PingContext(limit(t))
	wantErrorIs(t, err, floe.ErrUnreachable)
	wantErrorIs(t, err, floe.ErrNoData)
	w.SetDown(false)
	wantRow(t, db, int64(2), "SELECT count(*) FROM t")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	w.SetDown(true)
	again, _ := openReplicaDBAt(t, path, w.URL)
	wantRow(t, again, int64(2), "SELECT count(*) FROM t")
}
