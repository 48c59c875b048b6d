package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// The tests here hold what docs/migrating.md says may surprise.

func TestRowsThatAreDroppedKeepTheirLock(t *testing.T) {
	db := openSQL(t, filepath.Join(t.TempDir(), "a.db")+"?_busy_timeout=1")
	mustExec(t, db, "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
	rows, err := db.Query("SELECT a FROM t")
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() {
		t.Fatal("no row", rows.Err())
	}
	if _, err := db.Exec("INSERT INTO t VALUES (3)"); !errors.Is(err, engine.Busy) {
		t.Errorf("a commit while rows are open: error %v, want Busy", err)
	}
	rows.Close()
	mustExec(t, db, "INSERT INTO t VALUES (3)")
}

func TestParametersCountTheSameInEachMode(t *testing.T) {
	srv := sqldtest.Start(t)
	a := sql.Named("a", "A")
	for name, dsn := range map[string]string{"file": filepath.Join(t.TempDir(), "a.db"), "HTTP": srv.URL, "WebSocket": "ws" + strings.TrimPrefix(srv.URL, "http")} {
		db := openSQL(t, dsn)
		for _, tt := range []struct {
			query string
			args  []any
			want  string // "" for an error
		}{
			{"SELECT ?2 || ?1", []any{"x", "y"}, "yx"},
			{"SELECT ?2", []any{"x"}, ""},
			{"SELECT :b || :a", []any{"x", "y"}, "xy"},
			{"SELECT :a || :a", []any{"x"}, "xx"},
			{"SELECT :a || :a", []any{"x", "y"}, ""},
			{"SELECT ? || :a || ?", []any{a, "x", "y"}, "xAy"},
			{"SELECT ? || ?5 || ?", []any{"1", "2", "3", "4", "5", "6"}, "156"},
			{"SELECT ? || ?5 || ?", []any{"1", "2", "3"}, ""},
			{"SELECT ?2 || :a", []any{"x", "y", "z"}, "yz"},
			{"SELECT @a || $a || :a", []any{a}, "AAA"},
			{"SELECT ?", []any{"x", a}, ""},
			{"SELECT ?", []any{"x", "y"}, ""},
		} {
			var got string
			err := db.QueryRow(tt.query, tt.args...).Scan(&got)
			if got != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, engine.Range) {
				t.Errorf("%s: %s with %v is %q, %v, want %q", name, tt.query, tt.args, got, err, tt.want)
			}
		}
	}
}

func TestATransactionBegunOnThePoolIsRolledBack(t *testing.T) {
	db := openFile(t)
	mustExec(t, db, "CREATE TABLE t (a)")
	mustExec(t, db, "BEGIN; INSERT INTO t VALUES (1)")
	if _, err := db.Exec("COMMIT"); err == nil || !strings.Contains(err.Error(), "no transaction is active") {
		t.Errorf("commit: error %v, want that there is no transaction", err)
	}
	if n := one[int](t, db, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows, want none", n)
	}
}

func TestContextErrorsAreWrapped(t *testing.T) {
	srv := sqldtest.Start(t)
	for name, dsn := range map[string]string{"file": filepath.Join(t.TempDir(), "a.db"), "server": srv.URL} {
		db := openSQL(t, dsn)
		ctx, cancel := context.WithTimeout(limit(t), 10*time.Millisecond)
		var n int
		err := db.QueryRowContext(ctx, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 3000000) SELECT max(x) FROM c").Scan(&n)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || err == context.DeadlineExceeded {
			t.Errorf("%s: error %v, want one that wraps that of the context", name, err)
		}
	}
}

func TestThereIsNoFTS3(t *testing.T) {
	db := openSQL(t, ":memory:")
	for _, module := range []string{"fts3", "fts4"} {
		if _, err := db.Exec("CREATE VIRTUAL TABLE f USING " + module + "(a)"); err == nil || !strings.Contains(err.Error(), "no such module") {
			t.Errorf("%s: error %v, want that there is no such module", module, err)
		}
	}
	mustExec(t, db, "CREATE VIRTUAL TABLE f USING fts5(a)")
}

// What libSQL's server does here is not what SQLite does: floe's local connections have the new names at once.
func TestColumnNamesAreNewAtTheSecondLookAtLeast(t *testing.T) {
	srv := sqldtest.Start(t)
	for name, dsn := range map[string]string{"file": filepath.Join(t.TempDir(), "a.db"), "server": srv.URL} {
		db := openSQL(t, dsn)
		a, err := db.Conn(limit(t))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		columns := func() []string {
			rows, err := a.QueryContext(limit(t), "SELECT * FROM renamed")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			names, err := rows.Columns()
			if err != nil {
				t.Fatal(err)
			}
			return names
		}
		mustExec(t, db, "CREATE TABLE renamed (old)")
		columns()
		mustExec(t, db, "ALTER TABLE renamed RENAME COLUMN old TO new")
		first, second := columns(), columns()
		if name == "file" && !cmp.Equal(first, []string{"new"}) || !cmp.Equal(second, []string{"new"}) {
			t.Errorf("%s: columns %v, then %v, want the new name", name, first, second)
		}
	}
}
