package engine

import (
	"bytes"
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"sort"
)

// memTable is a table of the tests: rows in a Go slice, found by all kinds of constraints, with writes, an undo of its
// own, and all optional methods. Its columns are declared without a type, so that values are stored as they come.
type memTable struct {
	columns int
	unique  bool // column 0
	rows    []memRow
	undo    [][]memRow // the rows at each savepoint
	calls   []string   // what was called, for tests of the order
	fail    map[string]error
	closed  int

	open      int  // cursors
	noBest    bool // BestIndex takes nothing
	savepoint int
}

type memRow struct {
	id     int64
	values []any
}

func (t *memTable) schema() string {
	s := "CREATE TABLE x("
	for i := range t.columns {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("c%d", i)
	}
	return s + ")"
}

func (t *memTable) note(call string, args ...any) error {
	t.calls = append(t.calls, fmt.Sprintf(call, args...))
	return t.fail[call]
}

// memPlan is what is done with the arguments, as a comparable value: a text.
type memPlan struct {
	terms string // for each argument: the column + 2, the operator, whether it is a list
	order string // the column + 2, and whether it is descending
}

func (t *memTable) BestIndex(info *IndexInfo) error {
	if err := t.fail["BestIndex"]; err != nil {
		return err
	}
	info.EstimatedCost, info.EstimatedRows = float64(len(t.rows))+1, int64(len(t.rows))
	if t.noBest {
		return nil
	}
	var terms, order []byte
	for i := range info.Constraints {
		con := &info.Constraints[i]
		if !con.Usable || !memOps[con.Op] || info.Collation(i) != "BINARY" || con.Column < -1 {
			continue
		}
		con.AllAtOnce = con.In && (con.Column+i)%2 == 0
		con.Omit = true
		terms = append(terms, byte(con.Column+2), byte(con.Op), byte(bits.OnesCount(uint(b2i(con.AllAtOnce)))))
		con.ArgvIndex = len(terms) / 3
		info.EstimatedCost /= 3
	}
	for _, o := range info.OrderBy {
		order = append(order, byte(o.Column+2), byte(b2i(o.Desc)))
	}
	info.OrderByConsumed = true
	info.Plan = memPlan{string(terms), string(order)}
	info.Explain = fmt.Sprintf("%d terms", len(terms)/3)
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

var memOps = map[IndexOp]bool{IndexEQ: true, IndexGT: true, IndexGE: true, IndexLT: true, IndexLE: true, IndexNE: true,
	IndexIs: true, IndexIsNot: true, IndexIsNull: true, IndexIsNotNull: true}

func (t *memTable) Open() (Cursor, error) {
	if err := t.fail["Open"]; err != nil {
		return nil, err
	}
	t.open++
	return &memCursor{t: t}, nil
}

func (t *memTable) Close() error { t.closed++; return t.note("Close") }

type memCursor struct {
	t    *memTable
	rows []memRow
	i    int
}

func (cu *memCursor) Close() error { cu.t.open--; return nil }

func (cu *memCursor) Filter(plan any, args []Value) error {
	if err := cu.t.fail["Filter"]; err != nil {
		return err
	}
	cu.rows, cu.i = slices.Clone(cu.t.rows), 0
	p, _ := plan.(memPlan)
	for i, arg := range args {
		if err := cu.restrict(memTerm(p.terms[3*i:3*i+3]), arg); err != nil {
			return err
		}
	}
	sort.SliceStable(cu.rows, func(i, j int) bool { return memLess(p.order, cu.rows[i], cu.rows[j]) })
	return nil
}

// memTerm is what is done with one argument.
type memTerm string

// asInColumn converts a value as SQLite would to compare it with the column: a rowid is an integer.
func (t memTerm) asInColumn(v Value) {
	if t[0] == 1 {
		v.NumericType()
	}
}

func (cu *memCursor) restrict(term memTerm, arg Value) error {
	var operands []any
	if term[2] != 0 {
		for v, err := range arg.In() {
			if err != nil {
				return err
			}
			term.asInColumn(v)
			operands = append(operands, v.Any())
		}
	} else {
		term.asInColumn(arg)
		operands = []any{arg.Any()}
	}
	cu.rows = slices.DeleteFunc(cu.rows, func(r memRow) bool {
		return !slices.ContainsFunc(operands, func(v any) bool {
			return memMatches(IndexOp(term[1]), r.value(int(term[0])-2), v)
		})
	})
	return nil
}

func (r memRow) value(column int) any {
	if column < 0 {
		return r.id
	}
	return r.values[column]
}

func memMatches(op IndexOp, a, b any) bool {
	switch op {
	case IndexIs:
		return memCompare(a, b) == 0
	case IndexIsNot:
		return memCompare(a, b) != 0
	case IndexIsNull:
		return a == nil
	case IndexIsNotNull:
		return a != nil
	}
	if a == nil || b == nil {
		return false
	}
	n := memCompare(a, b)
	switch op {
	case IndexEQ:
		return n == 0
	case IndexNE:
		return n != 0
	case IndexLT:
		return n < 0
	case IndexLE:
		return n <= 0
	case IndexGT:
		return n > 0
	}
	return n >= 0
}

func memClass(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case int64, float64:
		return 1
	case string:
		return 2
	}
	return 3
}

// memCompare orders values as SQLite does. The numbers of the tests are small.
func memCompare(a, b any) int {
	if n := cmp.Compare(memClass(a), memClass(b)); n != 0 {
		return n
	}
	switch a := a.(type) {
	case nil:
		return 0
	case string:
		return cmp.Compare(a, b.(string))
	case []byte:
		return bytes.Compare(a, b.([]byte))
	}
	return cmp.Compare(memFloat(a), memFloat(b))
}

func memFloat(v any) float64 {
	if i, ok := v.(int64); ok {
		return float64(i)
	}
	return v.(float64)
}

func memLess(order string, a, b memRow) bool {
	for i := 0; i < len(order); i += 2 {
		n := memCompare(a.value(int(order[i])-2), b.value(int(order[i])-2))
		if n != 0 {
			return n < 0 != (order[i+1] != 0)
		}
	}
	return false
}

func (cu *memCursor) Next() error {
	cu.i++
	return cu.t.fail["Next"]
}

func (cu *memCursor) EOF() bool { return cu.i >= len(cu.rows) }

func (cu *memCursor) Column(ctx *FuncContext, i int) error {
	if err := cu.t.fail["Column"]; err != nil {
		return err
	}
	if ctx.NoChange() {
		return nil
	}
	return ctx.Result(cu.rows[cu.i].values[i])
}

func (cu *memCursor) RowID() (int64, error) { return cu.rows[cu.i].id, cu.t.fail["RowID"] }

func (t *memTable) find(id int64) int {
	return slices.IndexFunc(t.rows, func(r memRow) bool { return r.id == id })
}

func (t *memTable) Insert(rowID Value, columns []Value, on OnConflict) (int64, error) {
	if err := t.note("Insert"); err != nil {
		return 0, err
	}
	r := memRow{id: rowID.Int64(), values: make([]any, len(columns))}
	for i, v := range columns {
		r.values[i] = v.Any()
	}
	if rowID.IsNull() {
		for _, other := range t.rows {
			r.id = max(r.id, other.id)
		}
		r.id++
	}
	return r.id, t.put(r, on)
}

// put adds a row that breaks no constraint, or replaces those in its way.
func (t *memTable) put(r memRow, on OnConflict) error {
	inTheWay := func(other memRow) bool {
		return other.id == r.id || t.unique && memMatches(IndexEQ, other.values[0], r.values[0])
	}
	if slices.ContainsFunc(t.rows, inTheWay) {
		if on != OnConflictReplace {
			return fmt.Errorf("row %d: %w", r.id, ConstraintUnique)
		}
		t.rows = slices.DeleteFunc(slices.Clone(t.rows), inTheWay)
	}
	t.rows = append(slices.Clone(t.rows), r)
	return nil
}

func (t *memTable) Update(oldRowID, newRowID Value, columns []Value, on OnConflict) error {
	if err := t.note("Update"); err != nil {
		return err
	}
	i := t.find(oldRowID.Int64())
	if i < 0 {
		return nil // an earlier row of the statement replaced it
	}
	old := t.rows[i]
	r := memRow{id: newRowID.Int64(), values: make([]any, len(columns))}
	for i, v := range columns {
		if r.values[i] = v.Any(); v.NoChange() {
			r.values[i] = old.values[i]
		}
	}
	before := t.rows
	t.rows = slices.Delete(slices.Clone(t.rows), i, i+1)
	err := t.put(r, on)
	if err != nil {
		t.rows = before
	}
	return err
}

func (t *memTable) Delete(rowID Value) error {
	if err := t.note("Delete"); err != nil {
		return err
	}
	i := t.find(rowID.Int64())
	t.rows = slices.Delete(slices.Clone(t.rows), i, i+1)
	return nil
}

func (t *memTable) Begin() error {
	t.undo = nil
	return t.note("Begin")
}

func (t *memTable) Sync() error { return t.note("Sync") }

func (t *memTable) Commit() {
	_ = t.note("Commit")
	t.undo = nil
}

func (t *memTable) Rollback() {
	_ = t.note("Rollback")
	t.rows, t.undo = t.undo[0], nil
}

func (t *memTable) Savepoint(n int) error {
	if n != len(t.undo) {
		return fmt.Errorf("savepoint %d, there are %d", n, len(t.undo))
	}
	t.undo = append(t.undo, t.rows)
	t.savepoint++
	return t.fail["Savepoint"]
}

func (t *memTable) Release(n int) error {
	t.undo = t.undo[:n]
	return t.fail["Release"]
}

func (t *memTable) RollbackTo(n int) error {
	t.rows, t.undo = t.undo[n], t.undo[:n+1]
	return t.fail["RollbackTo"]
}

func (t *memTable) Rename(name string) error { return t.note("Rename") }

func (t *memTable) Destroy() error { return t.note("Destroy") }

func (t *memTable) FindFunction(name string, nArg int) (ScalarFunc, IndexOp) {
	if name != "describe" {
		return nil, 0
	}
	return func(ctx *FuncContext, args []Value) error {
		ctx.ResultText("mem " + args[0].Text())
		return nil
	}, 0
}

func (t *memTable) Integrity(quick bool) (string, error) {
	if err := t.fail["Integrity"]; err != nil {
		return "", err
	}
	if quick {
		return "", nil
	}
	return fmt.Sprintf("%d rows are checked", len(t.rows)), nil
}

// memModule makes one table, which the test sees too.
func memModule(t *memTable) Module[*memTable] {
	t.fail = make(map[string]error)
	return Module[*memTable]{
		Flags:   ModuleConstraints,
		Connect: func(*TableArgs) (*memTable, string, error) { return t, t.schema(), nil },
	}
}
