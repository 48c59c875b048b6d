package floe_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/google/go-cmp/cmp"
)

func openSQL(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("floe", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func openFile(t *testing.T) *sql.DB {
	t.Helper()
	return openSQL(t, "file:"+filepath.Join(t.TempDir(), "a.db")+"?_journal_mode=WAL")
}

func mustExec(t *testing.T, db interface {
	Exec(string, ...any) (sql.Result, error)
}, query string, args ...any) sql.Result {
	t.Helper()
	res, err := db.Exec(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return res
}

func TestLocalValuesComeBackAsTheyWent(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *sql.DB{
		"file":   openFile,
		"memory": func(t *testing.T) *sql.DB { return openSQL(t, ":memory:") },
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			mustExec(t, db, "CREATE TABLE t (a INTEGER, b REAL, c TEXT, d BLOB, e BOOLEAN, f TIMESTAMP, g)")
			at := time.Date(2024, 2, 29, 13, 14, 15, 123456789, time.FixedZone("", 2*3600))
			mustExec(t, db, "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", 1, 2.5, "text", []byte{0, 1}, true, at, nil)
			var got [7]any
			if err := db.QueryRow("SELECT * FROM t").Scan(&got[0], &got[1], &got[2], &got[3], &got[4], &got[5], &got[6]); err != nil {
				t.Fatal(err)
			}
			want := [7]any{int64(1), 2.5, "text", []byte{0, 1}, true, at, nil}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func one[T any](t *testing.T, db interface {
	QueryRow(string, ...any) *sql.Row
}, query string, args ...any) (v T) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func wantIdle(t *testing.T, db *sql.DB) {
	t.Helper()
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%d connections are in use, want none", n)
	}
}

func TestConnectionsOfADatabaseInMemoryShareIt(t *testing.T) {
	for _, dsn := range []string{":memory:", "", "file::memory:", ":memory:?_foreign_keys=1", "file:"} {
		t.Run(dsn, func(t *testing.T) {
			db, other := openSQL(t, dsn), openSQL(t, dsn)
			mustExec(t, db, "CREATE TABLE t (a)")
			mustExec(t, db, "INSERT INTO t VALUES (1)")
			var conns []*sql.Conn
			for range 3 {
				c, err := db.Conn(limit(t))
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
				var n int
				if err := c.QueryRowContext(limit(t), "SELECT count(*) FROM t").Scan(&n); err != nil || n != 1 {
					t.Errorf("%d rows, %v, want 1", n, err)
				}
			}
			for _, c := range conns {
				c.Close()
			}
			if n := one[int](t, other, "SELECT count(*) FROM sqlite_schema"); n != 0 {
				t.Errorf("another database has %d tables of this one", n)
			}
		})
	}
}

func TestADatabaseInMemoryOutlivesItsConnections(t *testing.T) {
	for _, dsn := range []string{":memory:", "file:outlives?mode=memory&cache=shared", "file:/outlives?vfs=memdb"} {
		t.Run(dsn, func(t *testing.T) {
			db := openSQL(t, dsn)
			db.SetMaxIdleConns(-1)
			mustExec(t, db, "CREATE TABLE t (a)")
			if n := db.Stats().OpenConnections; n != 0 {
				t.Fatalf("%d connections are open, want none", n)
			}
			if n := one[int](t, db, "SELECT count(*) FROM sqlite_schema"); n != 1 {
				t.Errorf("%d tables, want 1", n)
			}
		})
	}
}

func TestAScriptRunsAllItsStatements(t *testing.T) {
	db := openFile(t)
	res := mustExec(t, db, "CREATE TABLE t (a, b); -- comment\nINSERT INTO t VALUES (?, :n), (?, 'x'); INSERT INTO t VALUES (?, :n) ;\n",
		1, sql.Named("n", "named"), 2, 3)
	if n, err := res.RowsAffected(); n != 1 || err != nil {
		t.Errorf("%d rows affected, %v, want 1", n, err)
	}
	got := one[string](t, db, "SELECT group_concat(a || b, ' ') FROM t")
	if want := "1named 2x 3named"; got != want {
		t.Errorf("rows %q, want %q", got, want)
	}
}

func TestTextWithoutAStatementDoesNothing(t *testing.T) {
	db := openFile(t)
	for _, query := range []string{"", " ", ";", "-- comment", "/* a */ ; -- b"} {
		res, err := db.Exec(query)
		if err != nil {
			t.Errorf("exec %q: %v", query, err)
			continue
		}
		if n, err := res.RowsAffected(); n != 0 || err != nil {
			t.Errorf("exec %q: %d rows affected, %v", query, n, err)
		}
		rows, err := db.Query(query)
		if err != nil {
			t.Errorf("query %q: %v", query, err)
			continue
		}
		if rows.Next() || rows.Err() != nil {
			t.Errorf("query %q has a row, or error %v", query, rows.Err())
		}
		rows.Close()
		stmt, err := db.Prepare(query)
		if err != nil {
			t.Errorf("prepare %q: %v", query, err)
			continue
		}
		if _, err := stmt.Exec(); err != nil {
			t.Errorf("prepared %q: %v", query, err)
		}
		stmt.Close()
		if _, err := db.Exec(query, 1); err == nil {
			t.Errorf("%q took an argument", query)
		}
	}
	wantIdle(t, db)
}

func TestResultSetsComeOneAfterTheOther(t *testing.T) {
	db := openFile(t)
	rows, err := db.Query("CREATE TABLE t (a); INSERT INTO t VALUES (?); SELECT a FROM t; SELECT a, ? FROM t WHERE 0; DELETE FROM t; SELECT 'x' AS b; ", 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got [][]string
	for {
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, columns)
		for rows.Next() {
			var v string
			if err := rows.Scan(&v); err != nil {
				t.Fatal(err)
			}
			got = append(got, []string{v})
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"a"}, {"1"}, {"a", "?"}, {"b"}, {"x"}}, got); diff != "" {
		t.Errorf("columns and rows (-want +got):\n%s", diff)
	}
	rows.Close()
	wantIdle(t, db)
}

func TestRowsAreClosedByTheEndOfTheLastResultSet(t *testing.T) {
	db := openFile(t)
	rows, err := db.Query("SELECT 1; /* next */ SELECT 2; -- the end\n")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	if !rows.NextResultSet() {
		t.Fatal("there is no second result set", rows.Err())
	}
	for rows.Next() {
	}
	wantIdle(t, db)
	rows.Close()
}

func TestStatementsBehindTheRowsThatWereReadAreRun(t *testing.T) {
	db := openFile(t)
	mustExec(t, db, "CREATE TABLE t (a)")
	if got := one[int](t, db, "INSERT INTO t VALUES (5); SELECT a FROM t; UPDATE t SET a = 6"); got != 5 {
		t.Errorf("read %d, want 5", got)
	}
	if got := one[int](t, db, "SELECT a FROM t"); got != 6 {
		t.Errorf("the last statement left %d, want 6", got)
	}
	var n int
	err := db.QueryRow("SELECT 1; INSERT INTO missing VALUES (1)").Scan(&n)
	if err == nil || !strings.Contains(err.Error(), "no such table: missing") {
		t.Errorf("error %v, want that of the last statement", err)
	}
	wantIdle(t, db)
}

func TestAResultIsOfItsStatement(t *testing.T) {
	db := openFile(t)
	type result struct{ ID, Rows int64 }
	var got []result
	for _, query := range []string{
		"CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)", "CREATE TABLE u (a)", "UPDATE t SET a = 0 WHERE a > 5",
		"UPDATE t SET a = 0", "SELECT * FROM t", "DELETE FROM t", "PRAGMA user_version = 1",
	} {
		res := mustExec(t, db, query)
		id, _ := res.LastInsertId()
		rows, _ := res.RowsAffected()
		got = append(got, result{id, rows})
	}
	if diff := cmp.Diff([]result{{0, 0}, {2, 2}, {2, 0}, {2, 0}, {2, 2}, {2, 0}, {2, 2}, {2, 0}}, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestArgumentsFindTheirParameters(t *testing.T) {
	db := openFile(t)
	for _, tt := range []struct {
		query string
		args  []any
		want  string
	}{
		{"SELECT ? || ?", []any{"a", "b"}, "ab"},
		{"SELECT ?2 || ?1", []any{"a", "b"}, "ba"},
		{"SELECT :a || @a || $a", []any{sql.Named("a", "x")}, "xxx"},
		{"SELECT ? || :n || ?", []any{"a", "b", sql.Named("n", "x")}, "axb"},
		{"SELECT :a || :b", []any{"a", "b"}, "ab"},
	} {
		if got := one[string](t, db, tt.query, tt.args...); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.query, got, tt.want)
		}
	}
	for _, tt := range []struct {
		query string
		args  []any
		want  string
	}{
		{"SELECT ?, ?", []any{1}, "no argument for parameter 2"},
		{"SELECT ?", []any{1, 2}, "2 arguments for 1 parameters"},
		{"SELECT 1", []any{1}, "1 arguments for 0 parameters"},
		{"SELECT ?", nil, "no argument for parameter 1"},
		{"SELECT :a", []any{sql.Named("b", 1)}, `no parameter named "b"`},
		{"SELECT :a, :b", []any{sql.Named("a", 1)}, "no argument for parameter 2, :b"},
		{"SELECT ?; SELECT ?", []any{1}, "no argument for parameter 1"},
		{"SELECT ?; SELECT 1", []any{1, 2}, "2 arguments are more than there are parameters for"},
		{"SELECT 1; SELECT :a", []any{sql.Named("a", 1), sql.Named("b", 1)}, `no parameter named "b"`},
	} {
		if _, err := db.Exec(tt.query, tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.query, err, tt.want)
		}
	}
	wantIdle(t, db)
}

func TestColumnsFollowTheSchema(t *testing.T) {
	db := openFile(t)
	db.SetMaxOpenConns(1)
	mustExec(t, db, "CREATE TABLE t (a)")
	mustExec(t, db, "INSERT INTO t VALUES (1)")
	stmt, err := db.Prepare("SELECT * FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	columns := func(query func() (*sql.Rows, error)) []string {
		t.Helper()
		rows, err := query()
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if !rows.Next() {
			t.Fatal("no row", rows.Err())
		}
		names, _ := rows.Columns()
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		return names
	}
	for _, want := range [][]string{{"a"}, {"a", "b"}, {"z", "b"}} {
		for name, query := range map[string]func() (*sql.Rows, error){
			"cached":   func() (*sql.Rows, error) { return db.Query("SELECT * FROM t") },
			"prepared": func() (*sql.Rows, error) { return stmt.Query() },
		} {
			if diff := cmp.Diff(want, columns(query)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		if len(want) == 1 {
			mustExec(t, db, "ALTER TABLE t ADD COLUMN b")
		} else {
			mustExec(t, db, "ALTER TABLE t RENAME COLUMN "+want[0]+" TO z")
		}
	}
}

func TestAStatementIsReadTwiceAtOnce(t *testing.T) {
	db := openFile(t)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	stmt, err := tx.Prepare("WITH s (value) AS (VALUES (1), (2), (3)) SELECT value FROM s WHERE ? = ?")
	if err != nil {
		t.Fatal(err)
	}
	outer, err := stmt.Query(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for outer.Next() {
		inner, err := stmt.Query(1, 1)
		if err != nil {
			t.Fatal(err)
		}
		for inner.Next() {
			n++
		}
		if err := inner.Err(); err != nil {
			t.Fatal(err)
		}
		inner.Close()
	}
	if err := outer.Err(); err != nil || n != 9 {
		t.Errorf("%d rows of rows, %v, want 9", n, err)
	}
}

func TestAReplicaIsNotOpenedAsALocalDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.db")
	db := openSQL(t, path)
	mustExec(t, db, "CREATE TABLE t (a)")
	if err := os.WriteFile(path+"-client_wal_index", make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dsn := range []string{path, "file:" + path, "file://" + path + "?_fk=1", path + "?immutable=0"} {
		if err := openSQL(t, dsn).Ping(); !errors.Is(err, floe.ErrIsReplica) {
			t.Errorf("%s: error %v, want ErrIsReplica", dsn, err)
		}
	}
	for _, param := range []string{"mode=ro", "immutable=1", "immutable=On"} {
		if err := openSQL(t, path+"?"+param).Ping(); err != nil {
			t.Errorf("read only by %s: %v", param, err)
		}
	}
}

func TestPingFindsAFileThatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openSQL(t, path).Ping(); !errors.Is(err, engine.NotADB) {
		t.Errorf("error %v, want NotADB", err)
	}
}

func TestADBServesDatabaseSQL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	native, err := floe.Open(limit(t), path)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(native.Connector(floe.WithOnConnect(func(ctx context.Context, c *engine.Conn) error {
		return c.SetForeignKeys(ctx, true)
	})))
	defer db.Close()
	mustExec(t, db, "CREATE TABLE t (a)")
	if on := one[bool](t, db, "PRAGMA foreign_keys"); !on {
		t.Error("the function of WithOnConnect was not called")
	}
	if err := native.Close(); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, db, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows, want none", n)
	}
	reader, err := floe.OpenReadOnly(limit(t), path)
	if err != nil {
		t.Fatal(err)
	}
	ro := sql.OpenDB(reader.Connector())
	defer ro.Close()
	if _, err := ro.Exec("INSERT INTO t VALUES (1)"); !errors.Is(err, engine.ReadOnly) {
		t.Errorf("a write through a database opened for reading: error %v, want ReadOnly", err)
	}
}
