package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// openMem opens a database with a virtual table m.
func openMem(tb testing.TB, t *memTable) *Conn {
	tb.Helper()
	c := openMemory(tb)
	if err := c.CreateModule("mem", memModule(t)); err != nil {
		tb.Fatal(err)
	}
	mustExec(tb, c, "CREATE VIRTUAL TABLE m USING mem")
	return c
}

// randomValue is one of few, so that they meet.
func randomValue(r *rand.Rand) string {
	return []string{"NULL", "0", "1", "2", "-3", "1.5", "'a'", "'b'", "'A'", "''", "x'61'", "x''", "'1'",
		"cast(x'610062' AS TEXT)", "cast(x'ff61' AS TEXT)"}[r.IntN(15)]
}

func randomTerm(r *rand.Rand, alias string) string {
	column := alias + "." + []string{"c0", "c1", "c2", "rowid"}[r.IntN(4)]
	switch r.IntN(9) {
	case 0:
		return fmt.Sprintf("%s IN (%s, %s, %s)", column, randomValue(r), randomValue(r), randomValue(r))
	case 1:
		return fmt.Sprintf("%s BETWEEN %s AND %s", column, randomValue(r), randomValue(r))
	case 2:
		return fmt.Sprintf("(%s OR %s)", randomTerm(r, alias), randomTerm(r, alias))
	case 3:
		return column + []string{" IS NULL", " IS NOT NULL", " LIKE 'a%%'", " = 'a' COLLATE NOCASE"}[r.IntN(4)]
	case 4:
		return fmt.Sprintf("%s IN (SELECT c1 FROM %%[2]s WHERE c2 > %s)", column, randomValue(r))
	}
	return column + []string{" = ", " < ", " <= ", " > ", " >= ", " <> ", " IS ", " IS NOT "}[r.IntN(8)] + randomValue(r)
}

// randomQuery returns a query with a total order, for a format with the table and another one.
func randomQuery(r *rand.Rand) string {
	var b strings.Builder
	join := r.IntN(3) == 0
	if b.WriteString("SELECT a.rowid, a.c0, a.c2 FROM %[1]s a"); join {
		b.Reset()
		b.WriteString("SELECT a.rowid, b.rowid, b.c2 FROM %[1]s a " + []string{"JOIN", "LEFT JOIN"}[r.IntN(2)] + " %[1]s b ON a.")
		b.WriteString([]string{"c0 = b.c1", "rowid = b.rowid", "c1 < b.c0", "c2 IS b.c2"}[r.IntN(4)])
	}
	b.WriteString(" WHERE " + randomTerm(r, "a"))
	for range r.IntN(3) {
		b.WriteString(" AND " + randomTerm(r, "a"))
	}
	b.WriteString(" ORDER BY ")
	for _, i := range r.Perm(3)[:r.IntN(4)] {
		b.WriteString(fmt.Sprintf("a.c%d", i) + []string{"", " DESC", " COLLATE NOCASE"}[r.IntN(3)] + ", ")
	}
	if b.WriteString("a.rowid"); join {
		b.WriteString(", b.rowid")
	}
	if r.IntN(3) == 0 {
		fmt.Fprintf(&b, " LIMIT %d OFFSET %d", r.IntN(20), r.IntN(5))
	}
	return b.String()
}

func TestVirtualTableAnswersAsOrdinaryTable(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		c := openMem(t, &memTable{columns: 3, noBest: seed%4 == 3})
		mustExec(t, c, "CREATE TABLE t(c0, c1, c2); CREATE INDEX i ON t(c1, c0)")
		for range 40 {
			row := "(" + randomValue(r) + ", " + randomValue(r) + ", " + randomValue(r) + ")"
			mustExec(t, c, "INSERT INTO t VALUES "+row+"; INSERT INTO m VALUES "+row)
		}
		for range 150 {
			compareQuery(t, c, randomQuery(r))
		}
		for _, sql := range []string{
			"SELECT DISTINCT c0, c1 FROM %[1]s ORDER BY 1, 2", "SELECT c2, count(*), max(c0) FROM %[1]s GROUP BY c2 ORDER BY 1",
			"SELECT count(DISTINCT c1) FROM %[1]s", "SELECT DISTINCT c1 FROM %[1]s ORDER BY c1 DESC LIMIT 3",
			"SELECT a.c0, count(*) FROM %[1]s a, %[1]s b WHERE a.c0 = b.c1 AND b.rowid < 20 GROUP BY a.c0 ORDER BY 1",
		} {
			compareQuery(t, c, sql)
		}
	}
}

func compareQuery(t *testing.T, c *Conn, format string) {
	t.Helper()
	// The IN (SELECT ...) reads one and the same table, so that both sides are given the same values.
	sql := func(table string) string {
		if strings.Contains(format, "%[2]s") {
			return fmt.Sprintf(format, table, "t")
		}
		return fmt.Sprintf(format, table)
	}
	want, got := values(t, c, sql("t")), values(t, c, sql("m"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: (-ordinary +virtual)\n%s", sql("m"), diff)
	}
}

func TestVirtualTableTakesWritesWithAllConflictModes(t *testing.T) {
	for _, or := range []string{"ROLLBACK", "ABORT", "FAIL", "IGNORE", "REPLACE"} {
		for _, write := range []string{
			"INSERT OR %s INTO %s(rowid, c0, c1) VALUES (5, 50, 'x'), (2, 60, 'y'), (6, 30, 'z'), (7, 70, 'w')",
			"UPDATE OR %s %s SET c0 = c0 + 10 WHERE rowid >= 2",
			"UPDATE OR %s %s SET rowid = rowid + 1",
			"UPDATE OR %s %s SET c1 = c1 || '!' WHERE c0 > 10",
		} {
			m := &memTable{columns: 2, unique: true}
			c := openMem(t, m)
			mustExec(t, c, "CREATE TABLE t(c0 UNIQUE, c1)")
			for _, table := range []string{"t", "m"} {
				mustExec(t, c, "INSERT INTO "+table+" VALUES (10, 'a'), (20, 'b'), (30, 'c')")
				mustExec(t, c, "BEGIN; INSERT INTO "+table+" VALUES (15, 'in')")
				err := c.Exec(background, fmt.Sprintf(write, or, table))
				if err != nil && !errors.Is(err, ConstraintUnique) && !errors.Is(err, ConstraintPrimaryKey) &&
					!errors.Is(err, ConstraintRowID) {
					t.Errorf("%s of %s: %v, want a constraint", or, table, err)
				}
				if open := !c.AutoCommit(); open {
					mustExec(t, c, "COMMIT")
				} else if or != "ROLLBACK" {
					t.Errorf("%s ended the transaction", or)
				}
			}
			compareQuery(t, c, "SELECT rowid, * FROM %[1]s ORDER BY rowid")
			if m.undo != nil {
				t.Errorf("%s: a transaction is left open", or)
			}
		}
	}
}

func TestVirtualTableFollowsTransactionsAndSavepoints(t *testing.T) {
	m := &memTable{columns: 2, unique: true}
	c := openMem(t, m)
	mustExec(t, c, "CREATE TABLE t(c0 UNIQUE, c1)")
	r := rand.New(rand.NewPCG(1, 2))
	depth := 0
	for step := range 3000 {
		sql := ""
		switch n := r.IntN(14); {
		case n == 0 && c.AutoCommit():
			sql = "BEGIN"
		case n == 1 && !c.AutoCommit():
			sql, depth = "COMMIT", 0
		case n == 2 && !c.AutoCommit():
			sql, depth = "ROLLBACK", 0
		case n == 3 || n == 4:
			sql = fmt.Sprintf("SAVEPOINT s%d", depth)
			depth++
		case n == 5 && depth > 0:
			depth = r.IntN(depth)
			sql = fmt.Sprintf("RELEASE s%d", depth)
		case n == 6 && depth > 0:
			keep := r.IntN(depth)
			sql = fmt.Sprintf("ROLLBACK TO s%d", keep)
			depth = keep + 1
		case n < 9:
			sql = fmt.Sprintf("DELETE FROM %%[1]s WHERE c0 %% 7 = %d", r.IntN(7))
		case n < 11:
			sql = fmt.Sprintf("UPDATE OR %s %%[1]s SET c0 = c0 + %d, c1 = -c1 WHERE c0 = %d",
				[]string{"FAIL", "IGNORE", "REPLACE", "ABORT"}[r.IntN(4)], r.IntN(3), r.IntN(40))
		default:
			sql = fmt.Sprintf("INSERT OR %s INTO %%[1]s VALUES (%d, %d), (%d, %d)",
				[]string{"ABORT", "FAIL", "IGNORE", "REPLACE", "ROLLBACK"}[r.IntN(5)], r.IntN(40), step, r.IntN(40), step)
		}
		if sql == "" {
			continue
		}
		if !strings.Contains(sql, "%") {
			mustExec(t, c, sql)
			if c.AutoCommit() {
				depth = 0
			}
		} else if strings.Contains(sql, "ROLLBACK INTO") && !c.AutoCommit() {
			continue // it would end the transaction between the two tables
		} else {
			errT := c.Exec(background, fmt.Sprintf(sql, "t"))
			errM := c.Exec(background, fmt.Sprintf(sql, "m"))
			if (errT == nil) != (errM == nil) {
				t.Fatalf("step %d: %s: ordinary table: %v, virtual table: %v", step, sql, errT, errM)
			}
		}
		// Rowids are not compared: the two give new ones differently after a rollback.
		compareQuery(t, c, "SELECT * FROM %[1]s ORDER BY c0")
	}
	if m.savepoint == 0 || len(m.calls) == 0 {
		t.Errorf("%d savepoints, %d calls", m.savepoint, len(m.calls))
	}
}

func TestErrorsOfVirtualTablesAreThoseOfTheStatement(t *testing.T) {
	m := &memTable{columns: 1}
	c := openMem(t, m)
	mustExec(t, c, "INSERT INTO m VALUES (1), (2)")
	for _, test := range []struct{ method, sql string }{
		{"BestIndex", "SELECT * FROM m"}, {"Open", "SELECT * FROM m"}, {"Filter", "SELECT * FROM m"},
		{"Next", "SELECT * FROM m"}, {"Column", "SELECT * FROM m"}, {"RowID", "SELECT rowid FROM m"},
		{"Insert", "INSERT INTO m VALUES (3)"}, {"Update", "UPDATE m SET c0 = 3"}, {"Delete", "DELETE FROM m"},
		{"Begin", "INSERT INTO m VALUES (3)"}, {"Sync", "INSERT INTO m VALUES (3)"},
		{"Savepoint", "BEGIN; INSERT INTO m VALUES (3); SAVEPOINT a"},
		{"Rename", "ALTER TABLE m RENAME TO n"}, {"Destroy", "DROP TABLE m"},
		{"Integrity", "PRAGMA integrity_check"},
	} {
		for _, cause := range []error{errors.New("own error"), fmt.Errorf("wrapped: %w", Full), fmt.Errorf("no: %w", Constraint),
			&PanicError{Value: "x"}, &Error{Code: Constraint, Extended: ConstraintCheck, Msg: "checked"}} {
			before := slices.Clone(m.rows)
			m.fail[test.method] = cause
			err := c.Exec(background, test.sql)
			delete(m.fail, test.method)
			var e *Error
			if !errors.Is(err, cause) || !errors.As(err, &e) {
				t.Errorf("%s: error %v, want one with the cause %q", test.method, err, cause)
			}
			if errors.Is(cause, Full) && !errors.Is(err, Full) {
				t.Errorf("%s: error %v, want the code of %q", test.method, err, cause)
			}
			if !c.AutoCommit() {
				mustExec(t, c, "ROLLBACK")
			}
			if diff := cmp.Diff(before, m.rows, cmp.AllowUnexported(memRow{})); diff != "" && test.method != "Savepoint" {
				t.Errorf("%s: the table changed (-before +after)\n%s", test.method, diff)
			}
			m.rows = before
			mustExec(t, c, "SELECT * FROM m; SELECT 1")
		}
	}
	if err := c.Exec(background, "SELECT nothing"); err == nil || errors.Unwrap(err) != nil {
		t.Errorf("error %v has the cause %v, want none: no table is in it", err, errors.Unwrap(err))
	}
}

func TestDropOfVirtualTableInUseIsRefused(t *testing.T) {
	m := &memTable{columns: 1}
	c := openMem(t, m)
	mustExec(t, c, "INSERT INTO m VALUES (1), (2)")
	s := mustPrepare(t, c, "SELECT * FROM m")
	mustRow(t, s)
	if err := c.Exec(background, "DROP TABLE m"); !errors.Is(err, Locked) {
		t.Errorf("drop in the middle of a read: error %v, want %v", err, Locked)
	}
	mustRow(t, s)
	mustDone(t, s)
	mustExec(t, c, "DROP TABLE m")
	if m.open != 0 || m.closed != 1 {
		t.Errorf("%d cursors open, closed %d times, want 0 and 1", m.open, m.closed)
	}
	if _, err := s.Step(background); !errors.Is(err, Generic) {
		t.Errorf("step after the drop: error %v, want %v", err, Generic)
	}
}

func TestVirtualTableWithManyColumns(t *testing.T) {
	const n = 100
	var used []bool
	c := openMemory(t)
	m := &memTable{columns: n}
	module := memModule(m)
	if err := c.CreateModule("mem", module); err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "CREATE VIRTUAL TABLE m USING mem")
	row := make([]any, n)
	for i := range row {
		row[i] = int64(i)
	}
	mustExec(t, c, "INSERT INTO m VALUES (?"+strings.Repeat(",?", n-1)+")", row...)
	if diff := cmp.Diff([][]any{row}, values(t, c, "SELECT * FROM m")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	bad := &badTable{best: func(info *IndexInfo) error {
		for i := range n {
			used = append(used, info.ColumnUsed(i))
		}
		return nil
	}}
	if err := c.CreateModule("bad", Module[*badTable]{Kind: EponymousModule,
		Connect: func(*TableArgs) (*badTable, string, error) { return bad, m.schema(), nil }}); err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "SELECT c3, c80 FROM bad")
	for i, u := range used[:n] {
		if want := i == 3 || i >= 63; u != want {
			t.Errorf("column %d used: %v, want %v", i, u, want)
		}
	}
}

func TestVirtualTableHasFunctionsAndChecksOfItsOwn(t *testing.T) {
	c := openMem(t, &memTable{columns: 1})
	mustExec(t, c, "INSERT INTO m VALUES ('x')")
	if err := c.OverloadFunction("describe", 1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]any{{"mem x"}}, values(t, c, "SELECT describe(c0) FROM m")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := c.Exec(background, "SELECT describe('x')"); !errors.Is(err, Generic) {
		t.Errorf("without the table: error %v, want %v", err, Generic)
	}
	if diff := cmp.Diff([][]any{{"1 rows are checked"}}, values(t, c, "PRAGMA integrity_check")); diff != "" {
		t.Errorf("integrity_check (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([][]any{{"ok"}}, values(t, c, "PRAGMA quick_check")); diff != "" {
		t.Errorf("quick_check (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([][]any{{"SCAN m VIRTUAL TABLE INDEX 1:1 terms"}},
		explain(t, c, "SELECT * FROM m WHERE c0 = 1")); diff != "" {
		t.Errorf("EXPLAIN QUERY PLAN (-want +got)\n%s", diff)
	}
}

func TestVirtualTableSortsForSQLite(t *testing.T) {
	c := openMem(t, &memTable{columns: 2})
	if diff := cmp.Diff([][]any{{"SCAN m VIRTUAL TABLE INDEX 0:0 terms"}},
		explain(t, c, "SELECT * FROM m ORDER BY c1 DESC, c0")); diff != "" {
		t.Errorf("EXPLAIN QUERY PLAN (-want +got)\n%s", diff)
	}
}

func TestErrorOfBrokenConstraintHasItsExtendedCode(t *testing.T) {
	c := openMem(t, &memTable{columns: 1, unique: true})
	err := c.Exec(background, "INSERT INTO m VALUES (1), (1)")
	var e *Error
	if !errors.As(err, &e) || e.Code != Constraint || e.Extended != ConstraintUnique {
		t.Errorf("error %#v, want the codes %v and %v", err, Constraint, ConstraintUnique)
	}
}

// keepingTable keeps the arguments that it was lent.
type keepingTable struct {
	countTable
	kept []Value
	ctx  *FuncContext
}

type keepingCursor struct {
	countCursor
	t *keepingTable
}

func (t *keepingTable) Open() (Cursor, error) { return &keepingCursor{t: t}, nil }

func (cu *keepingCursor) Filter(plan any, args []Value) error {
	cu.t.kept = args
	return cu.countCursor.Filter(plan, args)
}

func (cu *keepingCursor) Column(ctx *FuncContext, i int) error {
	cu.t.ctx = ctx
	return cu.countCursor.Column(ctx, i)
}

func TestLentArgumentsAreTakenBack(t *testing.T) {
	c := openMemory(t)
	table := &keepingTable{}
	if err := c.CreateModule("count", Module[*keepingTable]{Kind: EponymousModule, Connect: func(*TableArgs) (*keepingTable, string, error) {
		return table, "CREATE TABLE x(n, high HIDDEN)", nil
	}}); err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "SELECT * FROM count(3)")
	if len(table.kept) != 1 || !table.kept[0].IsNull() {
		t.Errorf("arguments kept: %v, want one that reads as NULL", table.kept)
	}
	table.ctx.ResultInt64(1) // does nothing
	if table.ctx.NoChange() {
		t.Error("a context that was kept reports a column without a change")
	}
}

func explain(t *testing.T, c *Conn, sql string) (plan [][]any) {
	t.Helper()
	for _, row := range values(t, c, "EXPLAIN QUERY PLAN "+sql) {
		plan = append(plan, row[3:])
	}
	return plan
}

func TestModuleFlagsAreObserved(t *testing.T) {
	for _, test := range []struct {
		flags             ModuleFlags
		inView, untrusted bool
	}{{0, true, false}, {ModuleInnocuous, true, true}, {ModuleDirectOnly, false, false}} {
		c := openMemory(t)
		if err := c.CreateTableFunc("range", TableFunc{Columns: []string{"n", "t"}, Args: []string{"low", "high"},
			Rows: rangeFunc, Flags: test.flags}); err != nil {
			t.Fatal(err)
		}
		mustExec(t, c, "CREATE VIEW v AS SELECT * FROM range(1, 3)")
		if err := c.Exec(background, "SELECT * FROM v"); (err == nil) != test.inView {
			t.Errorf("flags %d: view: %v", test.flags, err)
		}
		if _, err := c.DBConfig(DBConfigTrustedSchema, false); err != nil {
			t.Fatal(err)
		}
		if err := c.Exec(background, "SELECT * FROM v"); (err == nil) != test.untrusted {
			t.Errorf("flags %d: view of an untrusted schema: %v", test.flags, err)
		}
		mustExec(t, c, "SELECT * FROM range(1, 2)")
	}
}

func TestShadowTablesAreProtected(t *testing.T) {
	c := openMemory(t)
	m := memModule(&memTable{columns: 1})
	m.ShadowName = func(suffix string) bool { return suffix == "data" }
	if err := c.CreateModule("mem", m); err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "CREATE TABLE m_data(a); CREATE TABLE m_other(a); CREATE VIRTUAL TABLE m USING mem")
	if _, err := c.DBConfig(DBConfigDefensive, true); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	if err := c.Exec(background, "INSERT INTO m_data VALUES (1)"); !errors.Is(err, Generic) {
		t.Errorf("write of a shadow table: error %v, want %v", err, Generic)
	}
	mustExec(t, c, "INSERT INTO m_other VALUES (1)")
}

func TestReadOnlyVirtualTableRefusesWrites(t *testing.T) {
	c := openMemory(t)
	if err := c.CreateTableFunc("range", TableFunc{Columns: []string{"n", "t"}, Rows: rangeFunc}); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(background, "DELETE FROM range"); !errors.Is(err, Generic) || !strings.Contains(err.Error(), "may not be modified") {
		t.Errorf("error %v, want one that says it may not be modified", err)
	}
	if err := c.Exec(background, "CREATE VIRTUAL TABLE x USING range"); !errors.Is(err, Generic) {
		t.Errorf("create: error %v, want %v", err, Generic)
	}
	if err := c.CreateModule("range", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(background, "SELECT * FROM range"); !errors.Is(err, Generic) {
		t.Errorf("removed module: error %v, want %v", err, Generic)
	}
}
