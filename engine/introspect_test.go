package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/hooks"
)

func TestColumnsTellWhereTheyComeFrom(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, `CREATE TABLE t(id INTEGER PRIMARY KEY, name VARCHAR(10)); CREATE VIEW v AS SELECT name AS n FROM t;
		ATTACH ':memory:' AS other; CREATE TABLE other.o(x BLOB)`)
	s := mustPrepare(t, c, "SELECT id, n AS jméno, x, 1+1 FROM t, v, o")
	want := []Column{
		{"id", "INTEGER", "main", "t", "id"},
		{"jméno", "VARCHAR(10)", "main", "t", "name"},
		{"x", "BLOB", "other", "o", "x"},
		{Name: "1+1"},
	}
	if diff := cmp.Diff(want, s.Columns()); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	for i, column := range want {
		got := Column{s.ColumnName(i), s.ColumnDeclType(i), s.ColumnDatabaseName(i), s.ColumnTableName(i), s.ColumnOriginName(i)}
		if diff := cmp.Diff(column, got); diff != "" {
			t.Errorf("column %d (-want +got):\n%s", i, diff)
		}
	}
	for _, i := range []int{-1, 4, 1 << 30} {
		if s.ColumnDatabaseName(i) != "" || s.ColumnTableName(i) != "" || s.ColumnOriginName(i) != "" {
			t.Errorf("column %d comes from somewhere", i)
		}
	}
	mustFinalize(t, s)
	if s.Columns() != nil || s.ColumnDatabaseName(0) != "" || s.ColumnTableName(0) != "" || s.ColumnOriginName(0) != "" {
		t.Error("a finalised statement has columns")
	}
}

func TestBusyLastsAsLongAsTheExecution(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1")
	before := s.Busy()
	mustRow(t, s)
	during := s.Busy()
	mustDone(t, s)
	if got := [3]bool{before, during, s.Busy()}; got != [3]bool{false, true, false} {
		t.Errorf("busy before, during and after: %v", got)
	}
}

func TestExpandedSQLHasTheValues(t *testing.T) {
	c := openMemory(t)
	limit := c.Limit(LimitLength, -1)
	s := mustPrepare(t, c, "SELECT ?, :b, ?3, ?")
	if err := s.BindAll(5, "it's", []byte{0xab}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ExpandedSQL(); got != "SELECT 5, 'it''s', x'ab', NULL" || err != nil {
		t.Errorf("%q, error %v", got, err)
	}
	if err := s.BindText(1, strings.Repeat("x", maxExpandedSQL)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ExpandedSQL(); got != "" || !errors.Is(err, TooBig) {
		t.Errorf("with a text of 1 MiB: %d bytes, error %v; want %v", len(got), err, TooBig)
	}
	if got := c.Limit(LimitLength, -1); got != limit {
		t.Errorf("the limit of the connection is %d afterwards, was %d", got, limit)
	}
	mustFinalize(t, s)
	if _, err := s.ExpandedSQL(); !errors.Is(err, ErrFinalized) {
		t.Errorf("of a finalised statement: %v, want %v", err, ErrFinalized)
	}
}

func TestExplainCanBeSwitched(t *testing.T) {
	c := openMemory(t)
	for sql, want := range map[string]ExplainMode{
		"SELECT 1": ExplainNone, "EXPLAIN SELECT 1": ExplainProgram, "EXPLAIN QUERY PLAN SELECT 1": ExplainQueryPlan,
	} {
		if got := mustPrepare(t, c, sql).Explain(); got != want {
			t.Errorf("%s: mode %d, want %d", sql, got, want)
		}
	}
	mustExec(t, c, "CREATE TABLE t(x)")
	s := mustPrepare(t, c, "SELECT x FROM t")
	for mode, columns := range map[ExplainMode]int{ExplainProgram: 8, ExplainQueryPlan: 4, ExplainNone: 1} {
		if err := s.SetExplain(mode); err != nil {
			t.Fatal(err)
		}
		if s.Explain() != mode || s.ColumnCount() != columns {
			t.Errorf("mode %d with %d columns, want %d with %d", s.Explain(), s.ColumnCount(), mode, columns)
		}
	}
	if err := s.SetExplain(3); !errors.Is(err, Misuse) {
		t.Errorf("mode 3: %v, want %v", err, Misuse)
	}
	if err := s.SetExplain(ExplainQueryPlan); err != nil {
		t.Fatal(err)
	}
	mustRow(t, s)
	if err := s.SetExplain(ExplainNone); !errors.Is(err, Busy) {
		t.Errorf("during an execution: %v, want %v", err, Busy)
	}
}

// Who takes the text next must get what it says.
func TestSwitchedStatementDoesNotGoBackToTheCache(t *testing.T) {
	c := openMemory(t)
	s := mustCached(t, c, "SELECT 1")
	if err := s.SetExplain(ExplainProgram); err != nil {
		t.Fatal(err)
	}
	mustRow(t, s)
	mustFinalize(t, s)
	if got := values(t, c, "SELECT 1"); len(got) != 1 || got[0][0] != int64(1) {
		t.Errorf("rows %v, want 1", got)
	}
}

func TestStatusCounts(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(x); INSERT INTO t "+threeRows)
	s := mustPrepare(t, c, "SELECT x FROM t ORDER BY x DESC")
	for range 2 {
		if err := s.Exec(background); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Status(StmtStatusRun, true); got != 2 {
		t.Errorf("%d runs, want 2", got)
	}
	mustExec(t, c, "CREATE TABLE another(x)")
	if err := s.Exec(background); err != nil {
		t.Fatal(err)
	}
	for counter, want := range map[StmtStatus]int{
		StmtStatusFullscanStep: 6, StmtStatusSort: 3, StmtStatusReprepare: 1,
		StmtStatusAutoindex: 0, StmtStatusFilterHit: 0, StmtStatusFilterMiss: 0, 0: 0, -1: 0, 9: 0, 1000: 0,
	} {
		if got := s.Status(counter, true); got != want {
			t.Errorf("counter %d is %d, want %d", counter, got, want)
		}
		if got := s.Status(counter, false); got != 0 {
			t.Errorf("counter %d is %d after it was set to zero", counter, got)
		}
	}
	if steps, memory := s.Status(StmtStatusVMStep, false), s.Status(StmtStatusMemUsed, true); steps <= 0 || memory <= 0 {
		t.Errorf("%d steps in %d bytes, want more than none", steps, memory)
	}
}

func TestDatabaseNamesFollowAttach(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "ATTACH ':memory:' AS a; ATTACH ':memory:' AS b; DETACH a")
	if diff := cmp.Diff([]string{"main", "temp", "b"}, c.DatabaseNames()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestTableColumnDescribes(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, `CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(10) NOT NULL COLLATE NOCASE, x);
		CREATE VIEW v AS SELECT * FROM t; ATTACH ':memory:' AS a; CREATE TABLE a.t(x REAL)`)
	for _, test := range []struct {
		schema, table, column string
		want                  TableColumn
		err                   error
	}{
		{"", "t", "id", TableColumn{"INTEGER", "BINARY", false, true, true}, nil},
		{"main", "T", "NAME", TableColumn{"VARCHAR(10)", "NOCASE", true, false, false}, nil},
		{"main", "t", "x", TableColumn{"", "BINARY", false, false, false}, nil},
		{"a", "t", "x", TableColumn{"REAL", "BINARY", false, false, false}, nil},
		{"a", "t", "rowid", TableColumn{"INTEGER", "BINARY", false, true, false}, nil},
		{"", "t", "nonesuch", TableColumn{}, Generic},
		{"", "t", "", TableColumn{}, Generic},
		{"", "nonesuch", "x", TableColumn{}, Generic},
		{"nonesuch", "t", "x", TableColumn{}, Generic},
		{"", "v", "x", TableColumn{}, Generic},
		{"", "t\x00", "x", TableColumn{}, Generic},
	} {
		got, err := c.TableColumn(test.schema, test.table, test.column)
		if !errors.Is(err, test.err) {
			t.Errorf("%s.%s.%s: error %v, want %v", test.schema, test.table, test.column, err, test.err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s.%s.%s (-want +got):\n%s", test.schema, test.table, test.column, diff)
		}
	}
}

// SQLite has set the mode by the time at which it cannot compile the statement for it.
func TestSetExplainThatFailsLeavesTheMode(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	s := mustPrepare(t, c, "INSERT INTO t VALUES (?)")
	deny := func(hooks.Action) hooks.Verdict { return hooks.Deny }
	if err := c.SetAuthorizer(deny); err != nil {
		t.Fatal(err)
	}
	if err := s.SetExplain(ExplainProgram); !errors.Is(err, Auth) {
		t.Fatalf("set explain: %v, want %v", err, Auth)
	}
	if got := s.Explain(); got != ExplainNone {
		t.Errorf("the mode is %d, want %d", got, ExplainNone)
	}
	if err := c.SetAuthorizer(nil); err != nil {
		t.Fatal(err)
	}
	mustDone(t, s)
	if got := s.ColumnCount(); got != 0 {
		t.Errorf("%d columns, want 0", got)
	}
}
