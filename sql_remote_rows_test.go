package floe

import (
	"database/sql"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqldtest"
)

// counting gives the numbers from 1 to n, each with a text of 100 bytes.
const counting = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT ?) SELECT x, printf('%0100d', x) FROM c"

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestALargeRemoteResultIsReadInConstantMemory(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		db := openRemote(t, srv, scheme)
		// The first time it is not known that the result is large, and then it was small the last time.
		for _, previous := range []int{0, 10} {
			if previous > 0 && scheme == "ws" {
				continue // it takes its time
			}
			if previous > 0 {
				readAll(t, db, counting, previous)
			}
			const want = 100000
			rows, err := db.QueryContext(remoteContext(t), counting, want)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			before := heapInUse()
			var n, x int
			var text string
			for rows.Next() {
				if err := rows.Scan(&x, &text); err != nil {
					t.Fatal(err)
				}
				if n++; x != n || len(text) != 100 {
					t.Fatalf("row %d is %d and %d bytes of text", n, x, len(text))
				}
				if n%20000 != 0 {
					continue
				}
				if now := heapInUse(); now > before+8<<20 {
					t.Fatalf("%d bytes of heap are used more after %d rows, want at most 8 MB", now-before, n)
				}
			}
			if err := rows.Err(); err != nil || n != want {
				t.Errorf("%d rows and %v, want %d and no error", n, err, want)
			}
		}
	})
}

func TestRemoteRowsMayBeClosedEarly(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		db.SetMaxOpenConns(1)
		for range 3 {
			var x int
			if err := db.QueryRow("SELECT x FROM ("+counting+")", 100000).Scan(&x); err != nil || x != 1 {
				t.Errorf("first row %d and %v, want 1", x, err)
			}
			rows, err := db.Query("SELECT x FROM ("+counting+")", 100000)
			if err != nil {
				t.Fatal(err)
			}
			if err := rows.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			tx := mustBegin(t, db, nil)
			if err := tx.QueryRow("SELECT x FROM ("+counting+")", 100000).Scan(&x); err != nil || x != 1 {
				t.Errorf("first row in a transaction %d and %v, want 1", x, err)
			}
			mustExecDB(t, tx, "INSERT INTO t(x) VALUES(NULL)")
			if err := tx.Commit(); err != nil {
				t.Errorf("commit: %v", err)
			}
		}
		if n := countRows(t, srv); n != 3 {
			t.Errorf("%d rows, want 3", n)
		}
	})
}

// Rows of a statement that changes something are few as a rule, but the statement has to end in any case.
func TestAStatementWithReturningRunsToItsEnd(t *testing.T) {
	srv := sqldtest.Start(t)
	const insert = "INSERT INTO t(x) SELECT x + ? FROM (" + counting + ") RETURNING x"
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		for i := range 3 {
			setLarge(db, insert, i > 0)
			var x int
			if err := db.QueryRow(insert, i*10000, 5000).Scan(&x); err != nil || x != i*10000+1 {
				t.Errorf("first row %d and %v, want %d", x, err, i*10000+1)
			}
			if n := countRows(t, srv); n != int64(i+1)*5000 {
				t.Errorf("%d rows, want %d", n, (i+1)*5000)
			}
		}
		res := mustExecDB(t, db, insert, 50000, 10)
		id, _ := res.LastInsertId()
		if n, _ := res.RowsAffected(); n != 10 || id != 15010 {
			t.Errorf("%d rows affected and rowid %d, want 10 and 15010", n, id)
		}
	})
}

// libSQL's server changes what there is to change, and then refuses to send the rows.
func TestTheErrorOfATooLargeResultSaysThatTheStatementRan(t *testing.T) {
	srv := sqldtest.Start(t)
	const insert = "INSERT INTO t(x) SELECT NULL FROM (" + counting + ") RETURNING printf('%0100d', id)"
	freshTable(t, srv)
	db := openRemote(t, srv, "http")
	_, err := db.Query(insert, 100000)
	if !errors.Is(err, engine.TooBig) || !strings.Contains(err.Error(), "is changed") {
		t.Errorf("%v, want TooBig and that the table is changed", err)
	}
	rows, err := db.Query(insert, 100000) // by a cursor
	if err != nil {
		t.Fatal(err)
	}
	if n := len(scanRows(t, rows)); n != 100000 {
		t.Errorf("%d rows, want 100000", n)
	}
	rows.Close()
	if n := countRows(t, srv); n != 200000 {
		t.Errorf("the table holds %d rows, want 200000", n)
	}
}

func TestEachRemoteStatementWithColumnsIsAResultSet(t *testing.T) {
	srv := sqldtest.Start(t)
	const script = "INSERT INTO t(x) VALUES(?); SELECT x FROM t WHERE x = ?; DELETE FROM t; SELECT 'a', ?; SELECT ? WHERE 0; -- end"
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		for i := range 3 {
			rows, err := db.Query(script, 1, 1, 2, 3)
			if err != nil {
				t.Fatal(err)
			}
			var got [][][]any
			for {
				got = append(got, scanRows(t, rows))
				if !rows.NextResultSet() {
					break
				}
			}
			if err := rows.Err(); err != nil {
				t.Errorf("round %d: %v", i, err)
			}
			want := [][][]any{{{int64(1)}}, {{"a", int64(2)}}, nil}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("round %d: (-want +got)\n%s", i, diff)
			}
			rows.Close()
		}
	})
}

func TestALargeRemoteScriptIsReadByACursor(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		db := openRemote(t, srv, scheme)
		for i := range 2 { // to the end, and with rows left
			rows, err := db.Query("SELECT 1; "+counting+"; SELECT 2", 100000)
			if err != nil {
				t.Fatal(err)
			}
			sets, n := 0, 0
			for {
				for rows.Next() {
					n++
					if i == 1 && n == 100 {
						break
					}
				}
				sets++
				if !rows.NextResultSet() {
					break
				}
			}
			if want := []int{100002, 101}[i]; rows.Err() != nil || sets != 3 || n != want {
				t.Errorf("%d results, %d rows and %v, want 3, %d and no error", sets, n, rows.Err(), want)
			}
			rows.Close()
		}
	})
}

func TestTheErrorOfARemoteScriptNamesTheStatement(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		_, err := db.Exec("INSERT INTO t(x) VALUES(1); INSERT INTO t(x) VALUES(1); INSERT INTO t(x) VALUES(2)")
		if !errors.Is(err, engine.ConstraintUnique) || !strings.Contains(err.Error(), "statement 2 of 3") {
			t.Errorf("%v, want ConstraintUnique of statement 2 of 3", err)
		}
		if n := countRows(t, srv); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
		rows, err := db.Query("SELECT 1; SELECT 2; SELECT * FROM missing; SELECT 3")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		sets := 1
		for rows.NextResultSet() {
			sets++
		}
		if err := rows.Err(); sets != 2 || err == nil || !strings.Contains(err.Error(), "statement 3 of 4") {
			t.Errorf("%d results and %v, want 2 and an error of statement 3 of 4", sets, err)
		}
	})
}

func TestRemoteArgumentsGoWhereThoseOfALocalDatabaseGo(t *testing.T) {
	srv := sqldtest.Start(t)
	local, err := sql.Open(DriverName, ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	eachScheme(t, func(t *testing.T, scheme string) {
		db := openRemote(t, srv, scheme)
		for _, c := range []struct {
			query string
			args  []any
		}{
			{"SELECT ?, ?", []any{1, "a"}},
			{"SELECT ?2, ?1", []any{1, 2}},
			{"SELECT ?3", []any{1, 2, 3}},
			{"SELECT :a, @b, $c", []any{1, 2, 3}},
			{"SELECT :a, @b, $c, :a", []any{sql.Named("c", 3), sql.Named("a", 1), sql.Named("b", 2)}},
			{"SELECT :a, @a, $a", []any{sql.Named("a", 1)}},
			{"SELECT ?, :a, ?3, @a", []any{1, sql.Named("a", 2), 3}},
			{"SELECT ?, ?", []any{1}},
			{"SELECT ?", []any{1, 2}},
			{"SELECT :a", []any{sql.Named("b", 1)}},
			{"SELECT :a", []any{sql.Named("a", 1), sql.Named("a", 2)}},
			{"SELECT 1", []any{1}},
			{"SELECT ?; SELECT ?, ?", []any{1, 2, 3}},
			{"SELECT :a; SELECT ?, :a", []any{sql.Named("a", 1), 2}},
			{"-- nothing", nil},
			{"-- nothing", []any{1}},
		} {
			want, wantErr := allSets(local, c.query, c.args)
			got, gotErr := allSets(db, c.query, c.args)
			if (wantErr == nil) != (gotErr == nil) || !cmp.Equal(got, want) {
				t.Errorf("%s with %v gives %v and %v, want %v and %v", c.query, c.args, got, gotErr, want, wantErr)
			}
		}
	})
}

func allSets(db *sql.DB, query string, args []any) (sets [][][]any, err error) {
	rows, err := db.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		cols, err := rows.Columns()
		if err != nil {
			return nil, err
		}
		var set [][]any
		for rows.Next() {
			row := make([]any, len(cols))
			dest := make([]any, len(cols))
			for i := range row {
				dest[i] = &row[i]
			}
			if err := rows.Scan(dest...); err != nil {
				return nil, err
			}
			set = append(set, row)
		}
		sets = append(sets, set)
	}
	return sets, rows.Err()
}

func TestARestartInTheMiddleOfARemoteCursorIsAnError(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		freshTable(t, srv)
		db := openRemote(t, srv, scheme)
		for range 2 {
			rows, err := db.Query(counting, 500000)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for rows.Next() {
				if n++; n == 1000 {
					srv.Kill()
				}
			}
			var statement *hrana.Error
			if err := rows.Err(); err == nil || errors.As(err, &statement) {
				t.Errorf("%d rows and %v, want an error of the connection", n, err)
			}
			rows.Close()
			srv.Restart(t)
			mustExecDB(t, db, "INSERT INTO t(x) VALUES(NULL)")
		}
	})
}
