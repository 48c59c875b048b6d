package engine

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"iter"
	"math"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"
)

// TableRow is a row of a [TableFunc]: a value for each of its columns, of the types that [FuncContext.Result] takes. Columns
// that are left out at the end are NULL.
type TableRow = []any

// TableFunc is a function of SQL in the place of a table: SELECT name FROM users('admin') ORDER BY age. It is all that
// SQL can do with rows which a Go program has or makes: from a slice, a channel, a map, a directory, a service.
//
// https://sqlite.org/vtab.html#table_valued_functions
type TableFunc struct {
	// Columns are the columns of the rows, as they stand in a CREATE TABLE: "name", or "name TEXT".
	Columns []string

	// Args are the names of the arguments, 64 at most. They are columns too, which SELECT * leaves out: f(1, 2) means
	// the same as f WHERE a = 1 AND b = 2.
	Args []string

	// MinArgs is how many of the arguments have to be given, the first ones. The others may be missing: they are NULL
	// then.
	MinArgs int

	// Rows returns the rows for the arguments, of which there is always one Value for each of Args. They are lent until
	// the iteration ends, which is before its last row if the statement has what it needs. An error ends the iteration
	// and is that of the statement. A row is read before the next one is asked for, so that one slice can serve all.
	//
	// It is called each time that the table is read from the start, as for each row of the other side of a join. The end
	// of the statement's context is seen between rows: an iterator that waits for something has to know by itself when
	// to give up.
	//
	// Go values that were bound by [Stmt.BindPointer] are not among what the arguments can be; a [Module] can have them.
	Rows func(args []Value) iter.Seq2[TableRow, error]

	Flags ModuleFlags
}

// CreateTableFunc makes f available to SQL on this connection. What is said of errors, panics and the name at
// [Conn.CreateModule] holds here too.
//
// https://sqlite.org/vtab.html#table_valued_functions
func (c *Conn) CreateTableFunc(name string, f TableFunc) error {
	if err := f.check(); err != nil {
		return newError(fmt.Sprintf("create table function %q", name), "", Misuse, err.Error())
	}
	f.Columns, f.Args = append([]string(nil), f.Columns...), append([]string(nil), f.Args...)
	t := &funcTable{name: name, TableFunc: f}
	return c.CreateModule(name, Module[*funcTable]{
		Kind:  EponymousOnlyModule,
		Flags: f.Flags,
		Connect: func(*TableArgs) (*funcTable, string, error) {
			return t, f.schema(), nil
		},
	})
}

func (f *TableFunc) check() error {
	switch {
	case f.Rows == nil:
		return fmt.Errorf("it has no Rows")
	case len(f.Columns) == 0:
		return fmt.Errorf("it has no columns")
	case len(f.Args) > 64:
		return fmt.Errorf("it has %d arguments, 64 are possible", len(f.Args))
	case f.MinArgs < 0 || f.MinArgs > len(f.Args):
		return fmt.Errorf("%d arguments have to be given, of %d", f.MinArgs, len(f.Args))
	}
	return nil
}

func (f *TableFunc) schema() string {
	columns := append([]string(nil), f.Columns...)
	for _, arg := range f.Args {
		columns = append(columns, arg+" HIDDEN")
	}
	return "CREATE TABLE x(" + strings.Join(columns, ", ") + ")"
}

// funcTable is the table of a TableFunc. Its plan is a set of bits: the arguments that are given.
type funcTable struct {
	name string
	TableFunc
}

// BestIndex takes all arguments. A plan without them is dear, so that SQLite takes a better one if there is one.
func (t *funcTable) BestIndex(info *IndexInfo) error {
	var given uint64
	at := make([]int, len(t.Args)) // the constraints of the arguments
	for i, con := range info.Constraints {
		arg := con.Column - len(t.Columns)
		if arg < 0 || con.Op != IndexEQ {
			continue
		}
		if !con.Usable {
			return ErrNoPlan
		}
		if given&(1<<arg) == 0 {
			given |= 1 << arg
			at[arg] = i
		}
	}
	n := 0
	for arg, i := range at {
		if given&(1<<arg) != 0 {
			n++
			info.Constraints[i].ArgvIndex, info.Constraints[i].Omit = n, true
		}
	}
	info.Plan = given
	info.EstimatedRows = 1000
	info.EstimatedCost = 1000
	for range len(t.Args) - n {
		info.EstimatedCost *= 100
	}
	return nil
}

// Open implements Table.
func (t *funcTable) Open() (Cursor, error) { return &funcCursor{t: t}, nil }

// funcCursor reads what the iterator gives.
type funcCursor struct {
	t    *funcTable
	args []Value // copies of SQLite's
	next func() (TableRow, error, bool)
	stop func()
	row  TableRow
	more bool
	n    int64
	base int64 // of the rowids
}

// Filter begins the iteration anew.
func (cu *funcCursor) Filter(plan any, args []Value) error {
	cu.end()
	given := plan.(uint64)
	cu.args = make([]Value, len(cu.t.Args))
	for i := range cu.args {
		if given&(1<<i) == 0 {
			if i < cu.t.MinArgs {
				return newError("call "+cu.t.name, "", Generic, "argument "+cu.t.Args[i]+" is missing")
			}
			continue
		}
		v, err := args[0].dup()
		if err != nil {
			return err
		}
		cu.args[i], args = v, args[1:]
	}
	seq := cu.t.Rows(cu.args)
	if seq == nil {
		return newError("call "+cu.t.name, "", Misuse, "Rows returned no iterator")
	}
	cu.n, cu.base = 0, rowIDBase(cu.args)
	cu.next, cu.stop = iter.Pull2(seq)
	return cu.Next()
}

// Next implements Cursor.
func (cu *funcCursor) Next() (err error) {
	if cu.row, err, cu.more = cu.next(); err != nil {
		return err
	}
	cu.n++
	if len(cu.row) > len(cu.t.Columns) {
		return newError("call "+cu.t.name, "", Misuse,
			fmt.Sprintf("row %d has %d values for %d columns", cu.n, len(cu.row), len(cu.t.Columns)))
	}
	return nil
}

// EOF implements Cursor.
func (cu *funcCursor) EOF() bool { return !cu.more }

// Column implements Cursor.
func (cu *funcCursor) Column(ctx *FuncContext, i int) error {
	if i < len(cu.row) {
		return ctx.Result(cu.row[i])
	}
	if i >= len(cu.t.Columns) {
		ctx.ResultValue(cu.args[i-len(cu.t.Columns)])
	}
	return nil
}

// RowID counts the rows, from another number for each list of arguments: where the terms of an OR are looked up one by
// one, SQLite knows by the rowid which rows it has had.
func (cu *funcCursor) RowID() (int64, error) { return cu.base + cu.n, nil }

// rowIDBase is 0 without arguments, and else a number from 0 to 2^62.
func rowIDBase(args []Value) int64 {
	h := fnv.New64a()
	given := false
	var b []byte
	for _, v := range args {
		given = given || v.ptr != 0
		b = appendIdentity(b[:0], v)
		h.Write(b)
	}
	if !given {
		return 0
	}
	return int64(h.Sum64() >> 2)
}

// appendIdentity appends what is the same for equal values alone. An integer equals a floating point number.
func appendIdentity(b []byte, v Value) []byte {
	switch v.Type() {
	case Integer:
		return binary.LittleEndian.AppendUint64(append(b, byte(Float)), math.Float64bits(float64(v.Int64())))
	case Float:
		return binary.LittleEndian.AppendUint64(append(b, byte(Float)), math.Float64bits(v.Float()))
	}
	raw := v.Raw()
	b = binary.LittleEndian.AppendUint64(append(b, byte(v.Type())), uint64(len(raw)))
	return append(b, raw...)
}

// Close implements io.Closer.
func (cu *funcCursor) Close() error {
	cu.end()
	return nil
}

// end stops the iteration and takes the arguments back.
func (cu *funcCursor) end() {
	defer func() {
		for _, v := range cu.args {
			sqlite3.Xsqlite3_value_free(v.tls, v.ptr)
		}
		clear(cu.args)
	}()
	if cu.stop != nil {
		stop := cu.stop
		cu.stop = nil
		stop()
	}
	cu.row, cu.more = nil, false
}

// dup copies a value into memory of its own, which has to be freed.
func (v Value) dup() (Value, error) {
	if v.ptr == 0 {
		return v, nil
	}
	p := sqlite3.Xsqlite3_value_dup(v.tls, v.ptr)
	if p == 0 {
		return Value{}, NoMem
	}
	return Value{tls: v.tls, ptr: p}, nil
}
