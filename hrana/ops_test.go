package hrana

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ignoreStats leaves out what depends on the moment.
var ignoreStats = cmpopts.IgnoreFields(StmtResult{}, "ReplicationIndex", "DurationMS", "RowsRead", "RowsWritten")

func TestExecuteGivesWhatTheServerDid(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		s := openStream(t, v.open(t, srv.Addr))
		defer s.Close(context.Background())
		mustExecute(t, s, "DROP TABLE IF EXISTS t")
		created := mustExecute(t, s, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")
		got := mustExecute(t, s, "INSERT INTO t VALUES(?, ?), (8, 'y')", Integer(7), Text("x"))
		want := &StmtResult{RowsAffected: 2, LastInsertRowID: 8, HasLastInsertRowID: true}
		if diff := cmp.Diff(want, got, ignoreStats, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("insert (-want +got):\n%s", diff)
		}
		if got.RowsWritten != 2 {
			t.Errorf("rows written: %d, want 2", got.RowsWritten)
		}
		newest, err := srv.TryFrameNo()
		if err != nil || got.ReplicationIndex != FrameIndex(newest) {
			t.Errorf("replication index is %v, want %d (%v)", got.ReplicationIndex, newest, err)
		}
		if got.ReplicationIndex.FrameNo <= created.ReplicationIndex.FrameNo {
			t.Errorf("replication index %v after %v, want a later one", got.ReplicationIndex, created.ReplicationIndex)
		}
		got = mustExecute(t, s, "SELECT id, name, id+1 AS next FROM t ORDER BY id")
		want = &StmtResult{
			Cols: []Col{{"id", "INTEGER"}, {"name", "TEXT"}, {"next", ""}},
			Rows: [][]Value{{Integer(7), Text("x"), Integer(8)}, {Integer(8), Text("y"), Integer(9)}},
		}
		if v.hasDecltypes(got) {
			want.Cols = got.Cols
		}
		if diff := cmp.Diff(want, got, ignoreStats); diff != "" {
			t.Errorf("select (-want +got):\n%s", diff)
		}
		if got.RowsRead == 0 {
			t.Error("rows read is 0, want some")
		}
		named, err := s.Execute(testContext(t), Stmt{SQL: "SELECT :a, @b, $c",
			NamedArgs: []NamedArg{{":a", Integer(1)}, {"@b", Integer(2)}, {"c", Integer(3)}}})
		if err != nil {
			t.Fatalf("named arguments: %v", err)
		}
		if diff := cmp.Diff([][]Value{{Integer(1), Integer(2), Integer(3)}}, named.Rows); diff != "" {
			t.Errorf("named arguments (-want +got):\n%s", diff)
		}
		none, err := s.Execute(testContext(t), Stmt{SQL: "SELECT 1", NoRows: true})
		if err != nil || len(none.Rows) != 0 {
			t.Errorf("rows without wanting any: %v, %v", none, err)
		}
	})
}

// hasDecltypes tells whether the server gives declared types in results, which it does not always.
func (v variant) hasDecltypes(r *StmtResult) bool {
	return len(r.Cols) == 3 && r.Cols[0].Name == "id" && r.Cols[1].Name == "name" && r.Cols[2].Name == "next"
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		s := openStream(t, v.open(t, srv.Addr))
		defer s.Close(context.Background())
		for _, want := range allValues {
			got := mustExecute(t, s, "SELECT ?", want).Rows[0][0]
			if !got.Equal(want) {
				t.Errorf("%v came back as %v", want, got)
			}
		}
		if got := mustExecute(t, s, "SELECT ?", Float(math.NaN())).Rows[0][0]; !got.IsNull() {
			t.Errorf("NaN came back as %v, want NULL", got)
		}
		for _, f := range []float64{math.Inf(1), math.Inf(-1)} {
			v.checkInfinity(t, s, f)
		}
	})
}

func (v variant) checkInfinity(t *testing.T, s *Stream, f float64) {
	res, err := s.Execute(testContext(t), Stmt{SQL: "SELECT ?", Args: []Value{Float(f)}})
	binary := strings.HasSuffix(v.name, "protobuf")
	switch {
	case binary && (err != nil || res.Rows[0][0].Float64() != f):
		t.Errorf("%v came back as %v, %v", f, res, err)
	case !binary && !(errors.Is(err, ErrNotEncodable) && errors.Is(err, ErrNotExecuted)):
		t.Errorf("%v gave %v, %v, want an error that wraps ErrNotEncodable and ErrNotExecuted", f, res, err)
	}
	read := mustExecute(t, s, fmt.Sprintf("SELECT %s1e999", strings.TrimSuffix(fmt.Sprint(f), "Inf"))).Rows[0][0]
	switch {
	case binary && read.Float64() != f:
		t.Errorf("read %v, want %v", read, f)
	case !binary && !(read.Kind() == KindFloat && math.IsNaN(read.Float64())):
		t.Errorf("read %v in JSON, want the float NaN for the infinity that is lost", read)
	}
}

func TestErrorsOfStatementsHaveTheServersCode(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		s := openStream(t, v.open(t, srv.Addr))
		defer s.Close(context.Background())
		mustExecute(t, s, "CREATE TABLE IF NOT EXISTS u(a UNIQUE NOT NULL)")
		for sql, code := range map[string]string{
			"INSERT INTO u VALUES(NULL)": "SQLITE_CONSTRAINT",
			"SELECT missing":             "SQL_INPUT_ERROR",
			"SELECT 1; SELECT 2":         "SQL_MANY_STATEMENTS",
			"":                           "SQL_NO_STATEMENT",
			"SELECT ?":                   "ARGS_INVALID",
			"SELEKT":                     "SQL_PARSE_ERROR",
		} {
			_, err := s.Execute(testContext(t), Stmt{SQL: sql})
			var answered *Error
			if !errors.As(err, &answered) || answered.Code != code {
				t.Errorf("%q: error is %v, want an *Error with code %s", sql, err, code)
			}
			if errors.Is(err, ErrStreamClosed) || errors.Is(err, ErrNotExecuted) {
				t.Errorf("%q: error %v wraps a sentinel of lost requests", sql, err)
			}
		}
		mustExecute(t, s, "SELECT 1")
	})
}

func TestBatchRunsStepsByTheirConditions(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		s := openStream(t, v.open(t, srv.Addr))
		defer s.Close(context.Background())
		steps := []BatchStep{
			{Stmt: Stmt{SQL: "SELECT 'zero'"}},
			{Stmt: Stmt{SQL: "SELECT missing"}},
			{Condition: OK(1), Stmt: Stmt{SQL: "SELECT 'no'"}},
			{Condition: Failed(1), Stmt: Stmt{SQL: "SELECT 'three'"}},
			{Condition: And(OK(0), Not(OK(2)), Or(Failed(0), OK(3))), Stmt: Stmt{SQL: "SELECT 'four'"}},
		}
		want := []string{"zero", "SQL_INPUT_ERROR", "skipped", "three", "four"}
		if s.conn.version() >= 3 {
			steps = append(steps, BatchStep{Condition: IsAutocommit(), Stmt: Stmt{SQL: "SELECT 'five'"}})
			want = append(want, "five")
		}
		res, err := s.Batch(testContext(t), Batch{Steps: steps})
		if err != nil {
			t.Fatalf("Batch: %v", err)
		}
		if diff := cmp.Diff(want, outcomes(res)); diff != "" {
			t.Errorf("steps of the batch (-want +got):\n%s", diff)
		}
		var answered *Error
		if !errors.As(res.Err(), &answered) {
			t.Errorf("the batch's error is %v, want that of step 1", res.Err())
		}
		cur, err := s.Cursor(testContext(t), Batch{Steps: steps})
		if err != nil {
			t.Fatalf("Cursor: %v", err)
		}
		defer cur.Close()
		collected, err := cur.Collect()
		if err != nil {
			t.Fatalf("Collect: %v", err)
		}
		if diff := cmp.Diff(want, outcomes(collected)); diff != "" {
			t.Errorf("steps of the cursor (-want +got):\n%s", diff)
		}
	})
}

func outcomes(r *BatchResult) []string {
	var list []string
	for _, s := range r.Steps {
		switch {
		case s.Result != nil:
			list = append(list, s.Result.Rows[0][0].Text())
		case s.Error != nil:
			list = append(list, s.Error.Code)
		default:
			list = append(list, "skipped")
		}
	}
	return list
}

func TestTransactionBatchCommitsAllOrNothing(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		s := openStream(t, v.open(t, srv.Addr))
		defer s.Close(context.Background())
		mustExecute(t, s, "DROP TABLE IF EXISTS t")
		mustExecute(t, s, "CREATE TABLE t(a UNIQUE)")
		one := Stmt{SQL: "INSERT INTO t VALUES(1)"}
		for _, c := range []struct {
			stmts []Stmt
			fails bool
		}{{[]Stmt{one, one}, true}, {[]Stmt{one}, false}, {nil, false}} {
			res, err := s.Batch(testContext(t), Transaction("BEGIN IMMEDIATE", c.stmts...))
			if err != nil || (res.Err() != nil) != c.fails {
				t.Errorf("transaction of %d inserts: %v, %v", len(c.stmts), err, res.Err())
			}
			v.checkAutocommit(t, s, true)
		}
		if n := mustExecute(t, s, "SELECT count(*) FROM t").Rows[0][0].Int64(); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
	})
}

func (v variant) checkAutocommit(t *testing.T, s *Stream, want bool) {
	t.Helper()
	got, err := s.Autocommit(testContext(t))
	if s.conn.version() < 3 {
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("Autocommit in version 2 gave %v, want ErrUnsupported", err)
		}
		return
	}
	if err != nil || got != want {
		t.Errorf("Autocommit is %v, %v, want %v", got, err, want)
	}
}

func TestOtherRequests(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		ctx := testContext(t)
		s := openStream(t, v.open(t, srv.Addr))
		if err := s.Sequence(ctx, "DROP TABLE IF EXISTS t; CREATE TABLE t(a INTEGER, b); INSERT INTO t VALUES(1, 2);"); err != nil {
			t.Fatalf("Sequence: %v", err)
		}
		var answered *Error
		if err := s.Sequence(ctx, "INSERT INTO t VALUES(3, 4); SELECT missing; DELETE FROM t"); !errors.As(err, &answered) {
			t.Errorf("a sequence that fails: %v, want an *Error", err)
		}
		if n := mustExecute(t, s, "SELECT count(*) FROM t").Rows[0][0].Int64(); n != 2 {
			t.Errorf("%d rows after the sequences, want 2", n)
		}
		got, err := s.Describe(ctx, "SELECT a, b+1 AS c FROM t WHERE a = :x AND b = ?")
		want := &DescribeResult{Params: []string{":x", ""}, Cols: []Col{{"a", "INTEGER"}, {"c", ""}}, IsReadOnly: true}
		check(t, "description", want, got, err)
		got, err = s.Describe(ctx, "EXPLAIN DELETE FROM t")
		if err != nil || !got.IsExplain {
			t.Errorf("description of an EXPLAIN: %+v, %v", got, err)
		}
		got, err = s.Describe(ctx, "DELETE FROM t")
		if err != nil || got.IsReadOnly || len(got.Cols) != 0 {
			t.Errorf("description of a DELETE: %+v, %v", got, err)
		}
		v.checkAutocommit(t, s, true)
		mustExecute(t, s, "BEGIN")
		v.checkAutocommit(t, s, false)
		checkStored(t, s)
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close again: %v", err)
		}
		_, err = s.Execute(ctx, Stmt{SQL: "SELECT 1"})
		if !errors.Is(err, ErrStreamClosed) || !errors.Is(err, ErrNotExecuted) {
			t.Errorf("Execute on a closed stream: %v, want ErrStreamClosed and ErrNotExecuted", err)
		}
	})
}

func checkStored(t *testing.T, s *Stream) {
	t.Helper()
	ctx := testContext(t)
	id, err := s.StoreSQL(ctx, "SELECT ?1 * 2")
	if err != nil {
		t.Fatalf("StoreSQL: %v", err)
	}
	stored := Stmt{Stored: true, SQLID: id, Args: []Value{Integer(21)}}
	res, err := s.Execute(ctx, stored)
	if err != nil || res.Rows[0][0].Int64() != 42 {
		t.Errorf("the stored statement gave %v, %v, want 42", res, err)
	}
	if _, err := s.DescribeStmt(ctx, stored); err != nil {
		t.Errorf("describe the stored statement: %v", err)
	}
	script, err := s.StoreSQL(ctx, "SELECT 1; SELECT 2")
	if err != nil {
		t.Fatalf("StoreSQL: %v", err)
	}
	if err := s.SequenceStmt(ctx, Stmt{Stored: true, SQLID: script}); err != nil {
		t.Errorf("run the stored sequence: %v", err)
	}
	if err := s.CloseSQL(ctx, id); err != nil {
		t.Errorf("CloseSQL: %v", err)
	}
}

// TestStoredSQLEndsWithItsStream stores more texts than a WebSocket may have, each on a stream of its own.
func TestStoredSQLEndsWithItsStream(t *testing.T) {
	srv := sqldtest.Start(t)
	c := variant{scheme: "ws"}.open(t, srv.Addr)
	for i := range 200 {
		s := openStream(t, c)
		if _, err := s.StoreSQL(testContext(t), "SELECT 1"); err != nil {
			t.Fatalf("text %d: %v", i, err)
		}
		if err := s.Close(testContext(t)); err != nil {
			t.Fatalf("close stream %d: %v", i, err)
		}
	}
}

func TestCursorStreamsManyRows(t *testing.T) {
	srv := sqldtest.Start(t)
	const rows = 20000
	eachVariant(t, func(t *testing.T, v variant) {
		if v.name == "http v2" || v.name == "ws v2" {
			t.Skip("version 2 has no cursors, and a whole answer is limited")
		}
		ctx := testContext(t)
		s := openStream(t, v.open(t, srv.Addr))
		defer s.Close(ctx)
		sql := fmt.Sprintf(`WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT %d)
			SELECT x, printf('row %%d', x), CASE WHEN x = 5000 THEN zeroblob(300000) END AS big FROM c`, rows)
		cur, err := s.Cursor(ctx, Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: sql}}}})
		if err != nil {
			t.Fatalf("Cursor: %v", err)
		}
		if _, err := s.Execute(ctx, Stmt{SQL: "SELECT 1"}); !errors.Is(err, ErrConcurrentUse) {
			t.Errorf("Execute while a cursor is open: %v, want ErrConcurrentUse", err)
		}
		var n int64
		for row, err := range cur.Rows() {
			if err != nil {
				t.Fatalf("row %d: %v", n, err)
			}
			n++
			if row[0].Int64() != n || row[1].Text() != fmt.Sprintf("row %d", n) || (len(row[2].Blob()) == 300000) != (n == 5000) {
				t.Fatalf("row %d is %v", n, row[:2])
			}
		}
		if n != rows || cur.Err() != nil {
			t.Errorf("%d rows and error %v, want %d", n, cur.Err(), rows)
		}
		if err := cur.Close(); err != nil {
			t.Errorf("close the cursor: %v", err)
		}
		mustExecute(t, s, "SELECT 1")
	})
}

func TestCursorClosedEarlyGivesTheStreamBack(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		ctx := testContext(t)
		s := openStream(t, v.open(t, srv.Addr))
		defer s.Close(ctx)
		sql := "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 30000) SELECT x FROM c"
		cur, err := s.Cursor(ctx, Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: sql}}}})
		if err != nil {
			t.Fatalf("Cursor: %v", err)
		}
		if !cur.NextStep() || !cur.NextRow() {
			t.Fatalf("no row: %v", cur.Err())
		}
		if err := cur.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if cur.NextRow() || cur.Err() == nil {
			t.Errorf("a closed cursor goes on, with error %v", cur.Err())
		}
		mustExecute(t, s, "SELECT 1")
		if _, err := s.Cursor(ctx, Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: "SELEKT"}}}}); err == nil {
			t.Error("a cursor of what is no SQL: no error")
		}
	})
}

func TestTextThatIsNotUTF8EndsACursorWithAnError(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		ctx := testContext(t)
		s := openStream(t, v.open(t, srv.Addr))
		cur, err := s.Cursor(ctx, Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: "SELECT CAST(x'ff41' AS TEXT)"}}}})
		if err == nil {
			_, err = cur.Collect()
			cur.Close()
		}
		if err == nil {
			t.Error("no error")
		}
	})
}

func TestTokens(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithJWT())
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			ctx := testContext(t)
			good, bad := srv.Token(), srv.Token(sqldtest.Expires(time.Now().Add(-time.Hour)))
			s := openStream(t, v.open(t, srv.Addr, WithAuthToken(good)))
			mustExecute(t, s, "SELECT 1")
			s.Close(ctx)

			s, err := v.open(t, srv.Addr, WithAuthToken(bad)).OpenStream(ctx)
			if err == nil {
				_, err = s.Execute(ctx, Stmt{SQL: "SELECT 1"})
			}
			if !errors.Is(err, ErrUnauthorized) || !errors.Is(err, ErrNotExecuted) || strings.Contains(err.Error(), bad) {
				t.Errorf("with an expired token: %v, want ErrUnauthorized and ErrNotExecuted without the token", err)
			}

			calls := 0
			c := v.open(t, srv.Addr, WithTokenSource(func(context.Context) (string, error) {
				calls++
				if calls == 1 {
					return bad, nil
				}
				return good, nil
			}))
			s = openStream(t, c)
			mustExecute(t, s, "SELECT 1")
			if calls != 2 {
				t.Errorf("the source was called %d times, want 2", calls)
			}
			if err := c.Reauthenticate(ctx); err != nil || calls != 3 {
				t.Errorf("Reauthenticate: %v after %d calls, want 3 calls", err, calls)
			}
			mustExecute(t, s, "SELECT 2")
		})
	}
}

func TestNamespaces(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithNamespaces())
	srv.CreateNamespace(t, "other")
	srv.In("other").Exec(t, "CREATE TABLE only_here(a)")
	eachVariant(t, func(t *testing.T, v variant) {
		s := openStream(t, v.open(t, srv.Addr, WithNamespace("other")))
		mustExecute(t, s, "SELECT * FROM only_here")
		s.Close(testContext(t))
	})
}
