package floe_test

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqldtest"
)

func TestPreparedStatementsRunWhereTextsDo(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 2)
	w := countSQL(t, srv)
	db, _ := openReplicaDB(t, w.URL)
	ctx := limit(t)
	count, err := db.PrepareContext(ctx, "SELECT count(*) FROM t WHERE id > ?")
	if err != nil {
		t.Fatal(err)
	}
	defer count.Close()
	insert, err := db.PrepareContext(ctx, "INSERT INTO t(a) VALUES (:a)")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	wantCount := func(s *sql.Stmt, want int) {
		t.Helper()
		var n int
		if err := s.QueryRowContext(ctx, 0).Scan(&n); err != nil || n != want {
			t.Errorf("count: got %d, %v, want %d", n, err, want)
		}
	}
	wantCount(count, 2)
	if n := w.requests.Load(); n != 0 {
		t.Errorf("a read sent %d requests to the primary, want none", n)
	}
	res, err := insert.ExecContext(ctx, sql.Named("a", "x"))
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := res.LastInsertId(); id != 3 {
		t.Errorf("rowid: got %d, want 3", id)
	}
	wantCount(count, 3)

	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.StmtContext(ctx, insert).ExecContext(ctx, sql.Named("a", "y")); err != nil {
		t.Fatal(err)
	}
	wantCount(tx.StmtContext(ctx, count), 4)
	wantCount(count, 3)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	wantCount(count, 3)
}

func TestWhatDoesNotCompileHereIsForThePrimaryToSay(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	db, r := openReplicaDB(t, srv.URL)
	conn := oneConn(t, db)
	wantRow(t, conn, int64(1), "SELECT count(*) FROM t")
	srv.Exec(t, "CREATE TABLE later(a)", "INSERT INTO later VALUES (1)")
	wantRow(t, conn, int64(1), "SELECT count(*) FROM later")

	srv.Exec(t, "ALTER TABLE t RENAME TO was", "ALTER TABLE was ADD COLUMN more DEFAULT 5")
	mustSync(t, r)
	srv.Exec(t, "CREATE VIEW t AS SELECT 1 FROM later")
	wantRow(t, conn, int64(1), "SELECT count(*) FROM t") // there it is a view now
	for _, query := range []string{"SELECT * FROM nowhere", "SELEKT 1"} {
		_, err := conn.ExecContext(limit(t), query)
		wantErrorIs(t, err, engine.Generic)
	}
}

func TestLeftBehindByAWriteIsReadWhereItRan(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	db, _ := openReplicaDB(t, srv.URL)
	conn := oneConn(t, db)
	wantRow(t, conn, int64(0), "SELECT last_insert_rowid()")
	wantExec(t, conn, "INSERT INTO t(id, a) VALUES (41, 'x'), (42, 'y')")
	wantRow(t, conn, int64(42), "SELECT last_insert_rowid()")
	wantRow(t, conn, int64(2), "SELECT changes()")
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	next := oneConn(t, db) // the same one, for another user
	wantRow(t, next, int64(0), "SELECT last_insert_rowid()")
}

func TestTransactionLeftOpenBySQLIsRolledBackOnThePrimary(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	db, _ := openReplicaDB(t, srv.URL)
	conn, err := db.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	wantExec(t, conn, "BEGIN IMMEDIATE")
	wantExec(t, conn, "DELETE FROM t")
	wantRow(t, conn, int64(0), "SELECT count(*) FROM t")
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	srv.Exec(t, "INSERT INTO t(a) VALUES ('by another')") // nothing is locked
	wantExec(t, db, "INSERT INTO t(a) VALUES ('x')")
	wantRow(t, db, int64(3), "SELECT count(*) FROM t")
}

func TestQueryOnlyConnectionDoesNotWrite(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	w := countSQL(t, srv)
	db, _ := openReplicaDB(t, w.URL, "_query_only=1")
	_, err := db.ExecContext(limit(t), "INSERT INTO t(a) VALUES ('x')")
	wantErrorIs(t, err, engine.ReadOnly)
	tx, err := db.BeginTx(limit(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantRow(t, tx, int64(1), "SELECT count(*) FROM t")
	_, err = tx.ExecContext(limit(t), "DELETE FROM t")
	wantErrorIs(t, err, engine.ReadOnly)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := w.requests.Load(); n != 0 {
		t.Errorf("the primary got %d requests, want none", n)
	}
}

func TestForeignKeysAreSetOnThePrimary(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE p(id INTEGER PRIMARY KEY)", "CREATE TABLE c(p REFERENCES p)")
	db, _ := openReplicaDB(t, srv.URL)
	conn := oneConn(t, db)
	wantRow(t, conn, int64(1), "PRAGMA foreign_keys") // as the primary has it
	_, err := conn.ExecContext(limit(t), "INSERT INTO c VALUES (1)")
	wantErrorIs(t, err, engine.ConstraintForeignKey)
	wantExec(t, conn, "PRAGMA foreign_keys = OFF")
	wantRow(t, conn, int64(0), "PRAGMA foreign_keys")
	wantExec(t, conn, "INSERT INTO c VALUES (1)")
	wantExec(t, conn, "PRAGMA foreign_keys = ON")
	_, err = conn.ExecContext(limit(t), "INSERT INTO c VALUES (2)")
	wantErrorIs(t, err, engine.ConstraintForeignKey)
	wantRow(t, conn, int64(1), "SELECT count(*) FROM c")
}

func TestScriptThatBeginsWithSettings(t *testing.T) {
	srv := sqldtest.Start(t)
	db, _ := openReplicaDB(t, srv.URL)
	wantExec(t, db, `
		PRAGMA journal_mode = WAL; -- what programs for local files begin with
		PRAGMA busy_timeout = 5000;
		PRAGMA synchronous = NORMAL;
		PRAGMA foreign_keys = ON;
		CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, a TEXT);
		CREATE TRIGGER IF NOT EXISTS up AFTER INSERT ON t BEGIN UPDATE t SET a = upper(a); END;
		INSERT INTO t(a) VALUES ('x');`)
	wantRow(t, db, "X", "SELECT a FROM t")
	_, err := db.ExecContext(limit(t), "PRAGMA busy_timeout = 5000; INSERT INTO t(a) VALUES ('y'); INSERT INTO nowhere VALUES (1)")
	if err == nil || !strings.Contains(err.Error(), "statement 3 of 3") {
		t.Errorf("got %v, want an error of statement 3 of 3", err)
	}
	wantRow(t, db, int64(2), "SELECT count(*) FROM t")
}

func TestPrimaryOverWebSocket(t *testing.T) {
	srv := sqldtest.Start(t)
	db, r := openReplicaDB(t, strings.Replace(srv.URL, "http://", "ws://", 1))
	wantExec(t, db, "CREATE TABLE t(a)")
	wantExec(t, db, "INSERT INTO t VALUES (1)")
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	if got, ok := r.MaxWriteFrameNo(); !ok || got != srv.FrameNo(t) {
		t.Errorf("got frame %d (%v), want %d", got, ok, srv.FrameNo(t))
	}
}

func TestReplicaSendsItsTokenAndNamespace(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithNamespaces(), sqldtest.WithJWT())
	srv.CreateNamespace(t, "one")
	db, _ := openReplicaDB(t, srv.URL, "namespace=one", "authToken="+srv.Token())
	wantExec(t, db, "CREATE TABLE t(a)")
	wantRow(t, db, int64(0), "SELECT count(*) FROM t")
	if got := srv.In("one").Query(t, "SELECT name FROM sqlite_schema"); len(got) != 1 {
		t.Errorf("the namespace has the tables %v, want t", got)
	}

	reading, _ := openReplicaDB(t, srv.URL, "namespace=one", "authToken="+srv.Token(sqldtest.ReadOnly()))
	wantRow(t, reading, int64(0), "SELECT count(*) FROM t")
	_, err := reading.ExecContext(limit(t), "INSERT INTO t VALUES (1)")
	wantErrorIs(t, err, engine.Auth, floe.ErrAuth)
}

func TestReplicaWithoutAServerOnlyReads(t *testing.T) {
	ctx := context.Background()
	r := openNew(t, nil)
	if _, err := r.ApplyFile(ctx, "testdata/archive/users.floe"); err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(r.Connector())
	defer db.Close()
	wantRow(t, db, int64(3), "SELECT count(*) FROM users")
	_, err := db.ExecContext(ctx, "DELETE FROM users")
	wantErrorIs(t, err, floe.ErrNoServer)
	_, err = db.BeginTx(ctx, nil)
	wantErrorIs(t, err, floe.ErrNoServer)
}

func TestSeveralRowsAreReadWhileOneConnectionWrites(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 50)
	db, _ := openReplicaDB(t, srv.URL)
	conn := oneConn(t, db)
	rows, err := conn.QueryContext(limit(t), "SELECT id FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		wantExec(t, conn, "UPDATE t SET a = 'seen' WHERE id = ?", id)
		n++
	}
	if err := rows.Err(); err != nil || n != 50 {
		t.Fatalf("got %d rows, %v, want 50", n, err)
	}
	wantRow(t, conn, int64(50), "SELECT count(*) FROM t WHERE a = 'seen'")
}

func TestReplicaIsNotLockedByItsReaders(t *testing.T) {
	_, err := floe.NewConnector("file:" + newPath(t) + "?primary=http://127.0.0.1:1&_locking_mode=exclusive")
	if err == nil || !strings.Contains(err.Error(), "locking_mode") {
		t.Errorf("got %v, want an error that names locking_mode", err)
	}
}

func TestWritesOfTheRawStreamAreReadBack(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	db, _ := openReplicaDB(t, srv.URL)
	conn := oneConn(t, db)
	wantExec(t, conn, "INSERT INTO t(a) VALUES ('x')")
	err := conn.Raw(func(c any) error {
		raw := c.(*floe.DriverConn)
		if raw.Engine() == nil {
			t.Error("there is no connection to the file")
		}
		_, err := raw.Stream().Execute(limit(t), hrana.Stmt{SQL: "INSERT INTO t(a) VALUES ('raw')"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	wantRow(t, db, int64(3), "SELECT count(*) FROM t")
}

func TestOwnWritesAreReadWhileAWatchRuns(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(who INTEGER PRIMARY KEY, n INTEGER)")
	r := openNew(t, srv)
	mustSync(t, r)
	ctx, stop := context.WithCancel(limit(t))
	watching := begin(func() error { return r.Watch(ctx) })
	db := sql.OpenDB(r.Connector())
	defer db.Close()
	var all sync.WaitGroup
	for who := range 4 {
		all.Go(func() {
			for n := range 25 {
				if err := writeAndRead(ctx, db, who, n); err != nil {
					t.Errorf("writer %d: %v", who, err)
					return
				}
			}
		})
	}
	all.Wait()
	stop()
	wantErrorIs(t, within(t, "watch", watching), context.Canceled)
}
