package engine

import (
	"fmt"
	"iter"
	"math"
	"reflect"
	"strconv"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// IndexInfo is a question of SQLite's planner, and the answer of a [Table] to it. It is lent for the call of BestIndex.
//
// https://sqlite.org/vtab.html#the_xbestindex_method
type IndexInfo struct {
	// Constraints are the terms of the WHERE clause, connected by AND, that have a column of the table on their left,
	// and the arguments of a table that is used like a function. The answer is given in them too.
	Constraints []IndexConstraint

	// OrderBy is the order that the statement wants, the most important column first; see Distinct. Empty is any.
	OrderBy []IndexOrder

	// Distinct says how much of OrderBy is needed.
	Distinct DistinctMode

	// ColumnsUsed has a bit for each of the first 63 columns that the statement reads, the lowest for column 0; the
	// highest bit stands for all other columns.
	ColumnsUsed uint64

	// Plan is given to Filter: which constraints are used, and how. It has to be comparable: a number, a string, a
	// struct of them. Plans are kept until the table is disconnected, equal ones once; so it should not hold values
	// that differ from statement to statement.
	Plan any

	// Explain is what EXPLAIN QUERY PLAN shows of the plan.
	Explain string

	// OrderByConsumed says that the rows come in the order of OrderBy, as far as Distinct asks for it.
	OrderByConsumed bool

	// EstimatedCost is how dear the plan is, in about the number of disk accesses. SQLite takes the cheapest. It is very
	// high if it is not set.
	EstimatedCost float64

	// EstimatedRows is how many rows there will be, 25 if it is not set.
	EstimatedRows int64

	// Unique says that there will be one row at most.
	Unique bool

	c   *Conn
	ptr uintptr // sqlite3_index_info*; 0 after the call
}

// IndexConstraint is one term of a WHERE clause.
//
// https://sqlite.org/vtab.html#inputs
type IndexConstraint struct {
	Column int     // counted from 0, -1 for the rowid; without a meaning for IndexLimit and IndexOffset
	Op     IndexOp // what connects the column with the value

	// Usable says that the value can be known when Filter is called. The others are there for a table that has to have
	// them: it returns [ErrNoPlan].
	Usable bool

	// In says that the term is an IN whose values Filter can have all at once; see AllAtOnce.
	In bool

	// ArgvIndex is the answer: the place of the value among the args of Filter, counted from 1, without gaps; 0 if it is
	// not wanted.
	ArgvIndex int

	// Omit says that all rows will satisfy the constraint, so that SQLite need not check it.
	Omit bool

	// AllAtOnce asks for the values of an IN as one argument, to be read with [Value.In]. Otherwise Filter is called for
	// each of them, with a constraint IndexEQ.
	AllAtOnce bool
}

// IndexOrder is one term of an ORDER BY.
//
// https://sqlite.org/vtab.html#inputs
type IndexOrder struct {
	Column int // counted from 0, -1 for the rowid
	Desc   bool
}

// IndexOp is the operator of a constraint.
//
// https://sqlite.org/c3ref/c_index_constraint_eq.html
type IndexOp uint8

// The operators. The value of IndexIsNull and IndexIsNotNull is not one to ask for.
const (
	IndexEQ        IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_EQ
	IndexGT        IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_GT
	IndexLE        IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_LE
	IndexLT        IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_LT
	IndexGE        IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_GE
	IndexMatch     IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_MATCH
	IndexLike      IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_LIKE
	IndexGlob      IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_GLOB
	IndexRegexp    IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_REGEXP
	IndexNE        IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_NE
	IndexIsNot     IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_ISNOT
	IndexIsNotNull IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_ISNOTNULL
	IndexIsNull    IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_ISNULL
	IndexIs        IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_IS

	// IndexLimit is the number of rows that are wanted, and IndexOffset how many are to be skipped before them. They are
	// there only if the table sees all of the WHERE clause. A table may use the limit if it satisfies all other
	// constraints and the order itself, and may set Omit for the offset only if it uses that too.
	IndexLimit  IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_LIMIT
	IndexOffset IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_OFFSET

	// IndexFunction is the first of the operators that [OverloadTable] can give to its functions; the last is 255.
	IndexFunction IndexOp = sqlite3.SQLITE_INDEX_CONSTRAINT_FUNCTION
)

var indexOpNames = map[IndexOp]string{
	IndexEQ: "=", IndexGT: ">", IndexLE: "<=", IndexLT: "<", IndexGE: ">=", IndexNE: "<>",
	IndexMatch: "MATCH", IndexLike: "LIKE", IndexGlob: "GLOB", IndexRegexp: "REGEXP",
	IndexIs: "IS", IndexIsNot: "IS NOT", IndexIsNull: "IS NULL", IndexIsNotNull: "IS NOT NULL",
	IndexLimit: "LIMIT", IndexOffset: "OFFSET",
}

// String returns the operator as it stands in SQL.
func (op IndexOp) String() string {
	if name, ok := indexOpNames[op]; ok {
		return name
	}
	if op >= IndexFunction {
		return "function " + strconv.Itoa(int(op))
	}
	return "IndexOp(" + strconv.Itoa(int(op)) + ")"
}

// DistinctMode says how much of the order in OrderBy a statement needs.
//
// https://sqlite.org/c3ref/vtab_distinct.html
type DistinctMode int32

// The modes, with the numbers of sqlite3_vtab_distinct.
const (
	// DistinctOrdered is an ORDER BY: the rows have to be in that order.
	DistinctOrdered DistinctMode = iota

	// DistinctGrouped is a GROUP BY: it will do if rows that are equal in the columns of OrderBy follow each other.
	DistinctGrouped

	// DistinctUnordered is a DISTINCT: of rows that are equal in all columns of ColumnsUsed one will do; the order is of
	// no interest.
	DistinctUnordered

	// DistinctSorted is a DISTINCT with an ORDER BY: as DistinctUnordered, but in that order.
	DistinctSorted
)

// ColumnUsed reports whether the statement may read column i.
//
// https://sqlite.org/c3ref/index_info.html
func (info *IndexInfo) ColumnUsed(i int) bool {
	return i >= 0 && info.ColumnsUsed&(1<<min(i, 63)) != 0
}

// Collation returns the name of the collating sequence by which constraint i compares text, "BINARY" most often. It is
// "" after the call of BestIndex, and if there is no such constraint.
//
// https://sqlite.org/c3ref/vtab_collation.html
func (info *IndexInfo) Collation(i int) string {
	if info.ptr == 0 || uint(i) >= uint(len(info.Constraints)) {
		return ""
	}
	return libc.GoString(sqlite3.Xsqlite3_vtab_collation(info.c.tls, info.ptr, int32(i)))
}

// Value returns the value of constraint i if it is known when the statement is compiled: a constant, or a parameter that
// had been bound by then. It is lent for the call of BestIndex. It is for estimates: a plan that relies on it is wrong
// once another value is bound, unless the value is given to Filter all the same.
//
// https://sqlite.org/c3ref/vtab_rhs_value.html
func (info *IndexInfo) Value(i int) (v Value, known bool) {
	if info.ptr == 0 || uint(i) >= uint(len(info.Constraints)) {
		return Value{}, false
	}
	tls := info.c.tls
	out := tls.Alloc(8)
	defer tls.Free(8)
	if sqlite3.Xsqlite3_vtab_rhs_value(tls, info.ptr, int32(i), out) != sqlite3.SQLITE_OK {
		return Value{}, false
	}
	return Value{tls: tls, ptr: *(*uintptr)(pointer(out))}, true
}

// lendIndexInfo makes SQLite's question one in Go.
func lendIndexInfo(c *Conn, ptr uintptr) *IndexInfo {
	raw := (*sqlite3.Tsqlite3_index_info)(pointer(ptr))
	info := &IndexInfo{
		Constraints:   make([]IndexConstraint, raw.FnConstraint),
		OrderBy:       make([]IndexOrder, raw.FnOrderBy),
		Distinct:      DistinctMode(sqlite3.Xsqlite3_vtab_distinct(c.tls, ptr)),
		ColumnsUsed:   uint64(raw.FcolUsed),
		EstimatedCost: raw.FestimatedCost,
		EstimatedRows: raw.FestimatedRows,
		c:             c,
		ptr:           ptr,
	}
	for i, in := range structsAt[sqlite3.Tsqlite3_index_constraint](raw.FaConstraint, raw.FnConstraint) {
		con := &info.Constraints[i]
		*con = IndexConstraint{Column: int(in.FiColumn), Op: IndexOp(in.Fop), Usable: in.Fusable != 0}
		con.In = con.Usable && con.Op == IndexEQ && sqlite3.Xsqlite3_vtab_in(c.tls, ptr, int32(i), -1) != 0
	}
	for i, in := range structsAt[sqlite3.Tsqlite3_index_orderby](raw.FaOrderBy, raw.FnOrderBy) {
		info.OrderBy[i] = IndexOrder{Column: int(in.FiColumn), Desc: in.Fdesc != 0}
	}
	return info
}

// structsAt returns an array in SQLite's memory as a slice.
func structsAt[T any](p uintptr, n int32) []T {
	if n <= 0 || p == 0 {
		return nil
	}
	return unsafe.Slice((*T)(pointer(p)), n)
}

// answer gives the answer to SQLite, with the number that the plan has.
func (info *IndexInfo) answer(plan int32) error {
	if err := info.check(); err != nil {
		return err
	}
	tls := info.c.tls
	raw := (*sqlite3.Tsqlite3_index_info)(pointer(info.ptr))
	for i, out := range info.Constraints {
		use := &structsAt[sqlite3.Tsqlite3_index_constraint_usage](raw.FaConstraintUsage, raw.FnConstraint)[i]
		use.FargvIndex = int32(out.ArgvIndex)
		use.Fomit = libc.BoolUint8(out.Omit)
		if out.AllAtOnce {
			sqlite3.Xsqlite3_vtab_in(tls, info.ptr, int32(i), 1)
		}
	}
	raw.FidxNum = plan
	raw.ForderByConsumed = libc.BoolInt32(info.OrderByConsumed)
	raw.FestimatedCost = info.EstimatedCost
	raw.FestimatedRows = info.EstimatedRows
	if info.Unique {
		raw.FidxFlags |= sqlite3.SQLITE_INDEX_SCAN_UNIQUE
	}
	if info.Explain != "" {
		raw.FidxStr = mallocString(tls, info.Explain)
		raw.FneedToFreeIdxStr = 1
	}
	return nil
}

// check refuses answers that SQLite would not notice to be wrong. It notices gaps in ArgvIndex, and what is not usable.
func (info *IndexInfo) check() error {
	raw := (*sqlite3.Tsqlite3_index_info)(pointer(info.ptr))
	if n := int(raw.FnConstraint); len(info.Constraints) != n {
		return info.wrong("%d constraints, there were %d", len(info.Constraints), n)
	}
	for i, con := range info.Constraints {
		if con.ArgvIndex < 0 || con.ArgvIndex > len(info.Constraints) {
			return info.wrong("constraint %d: ArgvIndex %d", i, con.ArgvIndex)
		}
		if con.AllAtOnce && !con.In {
			return info.wrong("constraint %d: AllAtOnce for what is not an IN", i)
		}
	}
	if info.EstimatedRows < 0 {
		return info.wrong("%d estimated rows", info.EstimatedRows)
	}
	if info.EstimatedCost < 0 || math.IsNaN(info.EstimatedCost) {
		return info.wrong("estimated cost %g", info.EstimatedCost)
	}
	return nil
}

func (info *IndexInfo) wrong(format string, args ...any) error {
	return newError("best index", "", Misuse, fmt.Sprintf(format, args...))
}

// plans numbers the plans of a table, as SQLite keeps a number with a compiled statement, and tells nobody when it is
// through with it.
type plans struct {
	numbers map[any]int32
	values  []any
}

func (p *plans) number(plan any) (int32, error) {
	if n, ok := p.numbers[nil]; ok && plan == nil {
		return n, nil
	}
	if plan != nil && !reflect.ValueOf(plan).Comparable() {
		return 0, newError("best index", "", Misuse, fmt.Sprintf("a plan of type %T cannot be compared", plan))
	}
	if n, ok := p.numbers[plan]; ok {
		return n, nil
	}
	if p.numbers == nil {
		p.numbers = make(map[any]int32)
	}
	n := int32(len(p.values))
	p.numbers[plan] = n
	p.values = append(p.values, plan)
	return n, nil
}

// In iterates over the values of an IN, for which BestIndex set AllAtOnce. Each of them is lent for one turn of the loop.
// For any other value there is one turn, with an error.
//
//	for v, err := range args[0].In() {
//
// https://sqlite.org/c3ref/vtab_in_first.html
func (v Value) In() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		if v.ptr == 0 {
			yield(Value{}, newError("in", "", Misuse, "not the values of an IN"))
			return
		}
		out := sqlite3.Xsqlite3_malloc(v.tls, int32(unsafe.Sizeof(v.ptr)))
		if out == 0 {
			yield(Value{}, NoMem)
			return
		}
		defer sqlite3.Xsqlite3_free(v.tls, out)
		rc := sqlite3.Xsqlite3_vtab_in_first(v.tls, v.ptr, out)
		for ; rc == sqlite3.SQLITE_OK; rc = sqlite3.Xsqlite3_vtab_in_next(v.tls, v.ptr, out) {
			if !yield(Value{tls: v.tls, ptr: *(*uintptr)(pointer(out))}, nil) {
				return
			}
		}
		if rc != sqlite3.SQLITE_DONE {
			yield(Value{}, newError("in", "", ResultCode(rc), "not the values of an IN"))
		}
	}
}
