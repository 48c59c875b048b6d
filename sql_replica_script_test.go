package floe_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/internal/sqldtest"
)

// mixedScripts mix settings with statements that write, and with reads.
var mixedScripts = []struct {
	text string
	args []any
}{
	{"INSERT INTO t(a) VALUES ('x'); PRAGMA busy_timeout=1000", nil},
	{"INSERT INTO t(a) VALUES ('x'), ('y'); PRAGMA busy_timeout=1000; SELECT 5", nil},
	{"INSERT INTO t(a) VALUES (?); PRAGMA busy_timeout=1000", []any{"x"}},
	{"PRAGMA cache_size=100; INSERT INTO t(a) VALUES (?), (?); SELECT count(*), ? FROM t; UPDATE t SET a = ?", []any{"x", 2, 3.5, "z"}},
	{"INSERT INTO t(a) VALUES (:a); PRAGMA busy_timeout=1000; SELECT :a AS x, :b AS y, ? AS z, a FROM t", []any{sql.Named("b", 7), sql.Named("a", "named"), "last"}},
	{"PRAGMA foreign_keys=OFF; INSERT INTO child(p) VALUES (?); PRAGMA foreign_keys; PRAGMA foreign_keys=ON; PRAGMA foreign_keys", []any{99}},
	{"BEGIN; PRAGMA busy_timeout=500; INSERT INTO t(a) VALUES (?) RETURNING a; COMMIT; PRAGMA cache_size", []any{"in"}},
	{"PRAGMA busy_timeout=500; INSERT INTO t(a) VALUES (1) RETURNING a; SELECT last_insert_rowid() > 0; DELETE FROM t WHERE a = ? RETURNING a", []any{1}},
	{"PRAGMA busy_timeout=500; CREATE TABLE IF NOT EXISTS made(a); INSERT INTO made VALUES (?); SELECT count(*) FROM made WHERE a = ?", []any{4, 4}},
	{"INSERT INTO t(a) VALUES ('kept'); PRAGMA busy_timeout=500; INSERT INTO t(id) VALUES (1), (1); INSERT INTO t(a) VALUES ('not run')", nil},
	{"PRAGMA busy_timeout=1000", nil},
}

// TestScriptsOfSettingsAndWritesDoAsInAFile runs each text on a replica and on a
// file, and compares what it gives and what it leaves.
func TestScriptsOfSettingsAndWritesDoAsInAFile(t *testing.T) {
	srv := sqldtest.Start(t)
	replica, _ := openReplicaDB(t, srv.URL)
	here, model := mustConn(t, replica), mustConn(t, openLocalDB(t))
	defer here.Close()
	defer model.Close()
	wantExec(t, model, "PRAGMA foreign_keys=ON")
	for _, conn := range []*sql.Conn{here, model} {
		wantExec(t, conn, "CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE child(id INTEGER PRIMARY KEY, p REFERENCES t)")
	}
	ways := []string{"exec", "query", "prepared exec", "prepared query", "exec in a transaction", "query in a transaction"}
	for i, way := range ways {
		for j, c := range mixedScripts {
			if (i+j)%2 > 0 { // half of the pairs will do
				continue
			}
			var got, want string
			for conn, out := range map[*sql.Conn]*string{here: &got, model: &want} {
				wantExec(t, conn, "DROP TABLE IF EXISTS made; DELETE FROM child; DELETE FROM t")
				*out = outcome(limit(t), conn, way, c.text, c.args)
			}
			if got != want {
				t.Errorf("%s: %s\n(-file +replica)\n%s", way, c.text, cmp.Diff(want, got))
			}
		}
	}
}

// TestScriptWithTheWrongArgumentsDoesNotBegin on a replica, as on a server.
func TestScriptWithTheWrongArgumentsDoesNotBegin(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	db, _ := openReplicaDB(t, srv.URL)
	const text = "INSERT INTO t(a) VALUES ('x'); PRAGMA busy_timeout=500; INSERT INTO t(a) VALUES (?)"
	for _, args := range [][]any{nil, {1, 2}, {sql.Named("a", 1)}} {
		if err := execOn(limit(t), db, text, args...); err == nil {
			t.Errorf("%v: no error", args)
		}
		if _, err := setsOf(db.QueryContext(limit(t), text, args...)); err == nil {
			t.Errorf("%v: no error of a query", args)
		}
	}
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
}

// outcome runs a text, and tells what it gave and what it has left.
func outcome(ctx context.Context, conn *sql.Conn, way, text string, args []any) (out string) {
	var r runner = conn
	if way == "exec in a transaction" || way == "query in a transaction" {
		tx, err := conn.BeginTx(ctx, nil)
		if err != nil {
			return err.Error()
		}
		defer tx.Rollback()
		r = tx
	}
	var err error
	switch way {
	case "exec", "exec in a transaction":
		out, err = resultOf(r.ExecContext(ctx, text, args...))
	case "query", "query in a transaction":
		out, err = setsOf(r.QueryContext(ctx, text, args...))
	default:
		k, prepareErr := conn.PrepareContext(ctx, text)
		if prepareErr != nil {
			return prepareErr.Error()
		}
		defer k.Close()
		if way == "prepared exec" {
			out, err = resultOf(k.ExecContext(ctx, args...))
		} else {
			out, err = setsOf(k.QueryContext(ctx, args...))
		}
	}
	left, leftErr := setsOf(r.QueryContext(ctx, "SELECT id, a FROM t"))
	orphans, orphansErr := setsOf(r.QueryContext(ctx, "SELECT id, p FROM child"))
	return fmt.Sprintf("%s\nfailed: %v\nt: %s %v\nchild: %s %v", out, err != nil, left, leftErr, orphans, orphansErr)
}

func resultOf(res sql.Result, err error) (string, error) {
	if err != nil {
		return "", err
	}
	id, _ := res.LastInsertId()
	n, _ := res.RowsAffected()
	return fmt.Sprintf("rowid %d, %d rows", id, n), nil
}

func setsOf(rows *sql.Rows, err error) (out string, _ error) {
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		cols, err := rows.Columns()
		if err != nil {
			return out, err
		}
		out += fmt.Sprint(cols, ":")
		for rows.Next() {
			row, ptrs := make([]any, len(cols)), make([]any, len(cols))
			for i := range row {
				ptrs[i] = &row[i]
			}
			if err := rows.Scan(ptrs...); err != nil {
				return out, err
			}
			out += fmt.Sprint(" ", row)
		}
		out += "\n"
	}
	return out, rows.Err()
}

// TestForeignKeysAreOffOnBothSides: whichever stream to the primary comes to be used.
func TestForeignKeysAreOffOnBothSides(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(id INTEGER PRIMARY KEY)", "CREATE TABLE child(p REFERENCES t)")
	db, _ := openReplicaDB(t, srv.URL)
	conn := oneConn(t, db)
	wantExec(t, conn, "PRAGMA foreign_keys=OFF")
	wantExec(t, conn, "INSERT INTO child VALUES (1)")
	srv.Kill()
	srv.Restart(t)
	wantRow(t, conn, int64(0), "PRAGMA foreign_keys")
	wantExec(t, conn, "INSERT INTO child VALUES (2)") // on another stream
	wantExec(t, conn, "PRAGMA foreign_keys=ON")
	if err := execOn(limit(t), conn, "INSERT INTO child VALUES (3)"); err == nil {
		t.Error("foreign keys are on, and an orphan went in")
	}

	off, _ := openReplicaDB(t, srv.URL, "_foreign_keys=off")
	wantRow(t, off, int64(0), "PRAGMA foreign_keys")
	wantExec(t, off, "INSERT INTO child VALUES (4)")
}
