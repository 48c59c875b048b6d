package engine

import (
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Aggregate is the state of an aggregate function for one group of rows. If it is an [io.Closer] as well, Close is
// called when SQLite is through with it, also when the query was given up; an error or a panic of Close is dropped.
//
// What is said of errors, panics and arguments at [ScalarFunc] holds here too. A state whose Step or Inverse failed is
// not asked for its value.
//
// https://sqlite.org/appfunc.html
type Aggregate interface {
	// Step takes the arguments of one row.
	Step(ctx *FuncContext, args []Value) error

	// Value sets the result of the rows so far on ctx. A group without rows, as of an empty table, has had no Step.
	// SQLite may also ask for a value that it then drops, as when a query is given up half-way.
	Value(ctx *FuncContext) error
}

// Window is an aggregate that can also be used as a window function, with an OVER clause: its frame moves, and rows
// leave it in the order in which they came. Value is called for each row of the result, and the state goes on after
// it.
//
// https://sqlite.org/windowfunctions.html#user_defined_aggregate_window_functions
type Window interface {
	Aggregate

	// Inverse takes back the oldest row for which Step was called, and is given its arguments.
	Inverse(ctx *FuncContext, args []Value) error
}

// group is the state of one group. It is reached from SQLite's memory for the group by a number.
type group struct {
	state  Aggregate
	failed bool
}

// groups finds the states of the groups that are being aggregated.
var groups handles[group]

var (
	aggregateStep    = cFunc(onAggregateStep)
	aggregateFinal   = cFunc(onAggregateFinal)
	aggregateValue   = cFunc(onAggregateValue)
	aggregateInverse = cFunc(onAggregateInverse)
)

// CreateAggregate makes an aggregate function callable from SQL on this connection. newAggregate is called for each
// group. All else is as with [Conn.CreateFunction]; a nil newAggregate removes the function.
//
// https://sqlite.org/c3ref/create_function.html
func (c *Conn) CreateAggregate(name string, nArg int, flags FunctionFlags, newAggregate func() Aggregate) error {
	call := functionCallbacks{step: aggregateStep, final: aggregateFinal}
	if newAggregate == nil {
		call = functionCallbacks{}
	}
	return c.createFunction(name, nArg, flags, &function{newAggregate: newAggregate}, call)
}

// CreateWindow makes an aggregate function callable from SQL on this connection that is a window function too.
// newWindow is called for each group or partition. All else is as with [Conn.CreateFunction]; a nil newWindow removes
// the function.
//
// https://sqlite.org/windowfunctions.html#user_defined_aggregate_window_functions
func (c *Conn) CreateWindow(name string, nArg int, flags FunctionFlags, newWindow func() Window) error {
	if newWindow == nil {
		return c.createFunction(name, nArg, flags, nil, functionCallbacks{})
	}
	f := &function{newAggregate: func() Aggregate { return newWindow() }}
	return c.createFunction(name, nArg, flags, f, functionCallbacks{
		step: aggregateStep, final: aggregateFinal, value: aggregateValue, inverse: aggregateInverse})
}

func onAggregateStep(tls *libc.TLS, ctx uintptr, argc int32, argv uintptr) {
	if f := functions.get(sqlite3.Xsqlite3_user_data(tls, ctx)); f != nil {
		f.step(ctx, argc, argv)
	}
}

func onAggregateInverse(tls *libc.TLS, ctx uintptr, argc int32, argv uintptr) {
	if f := functions.get(sqlite3.Xsqlite3_user_data(tls, ctx)); f != nil {
		f.inverse(ctx, argc, argv)
	}
}

func onAggregateValue(tls *libc.TLS, ctx uintptr) {
	if f := functions.get(sqlite3.Xsqlite3_user_data(tls, ctx)); f != nil {
		f.value(ctx, f.group(ctx))
	}
}

// onAggregateFinal is called once for each group, also if the query does not come to its end.
func onAggregateFinal(tls *libc.TLS, ctx uintptr) {
	f := functions.get(sqlite3.Xsqlite3_user_data(tls, ctx))
	if f == nil {
		return
	}
	g := f.takeGroup(ctx)
	f.value(ctx, g)
	if g != nil {
		f.ctx.c.closeQuietly(g.state)
	}
}

// groupSize is what a group takes of SQLite's memory: the number of its state.
const groupSize = 8

// slot returns where the number of the group's state is kept; nil if size is 0 and there is none, or if there is no
// memory.
func (f *function) slot(ctx uintptr, size int32) *uint64 {
	p := sqlite3.Xsqlite3_aggregate_context(f.ctx.c.tls, ctx, size)
	if p == 0 {
		return nil
	}
	return (*uint64)(pointer(p))
}

// group returns the state of the group, nil if it has none yet.
func (f *function) group(ctx uintptr) *group {
	slot := f.slot(ctx, 0)
	if slot == nil {
		return nil
	}
	return groups.get(uintptr(*slot))
}

func (f *function) takeGroup(ctx uintptr) *group {
	slot := f.slot(ctx, 0)
	if slot == nil {
		return nil
	}
	g := groups.remove(uintptr(*slot))
	*slot = 0
	return g
}

// openGroup returns the state of the group, and makes it for the first row. It calls Go code of a user's.
func (f *function) openGroup(ctx uintptr) (*group, error) {
	slot := f.slot(ctx, groupSize)
	if slot == nil {
		return nil, NoMem
	}
	if g := groups.get(uintptr(*slot)); g != nil {
		return g, nil
	}
	g := &group{failed: true}
	*slot = uint64(groups.add(g))
	g.state = f.newAggregate()
	g.failed = false
	return g, nil
}

func (f *function) step(ctx uintptr, argc int32, argv uintptr) {
	args := f.begin(ctx, argc, argv)
	defer f.finish()
	g, err := f.openGroup(ctx)
	if err == nil {
		g.failed = true
		err = g.state.Step(&f.ctx, args)
		g.failed = err != nil
	}
	f.err, f.returned = err, true
}

func (f *function) inverse(ctx uintptr, argc int32, argv uintptr) {
	g := f.group(ctx)
	if g == nil || g.failed {
		return
	}
	args := f.begin(ctx, argc, argv)
	defer f.finish()
	g.failed = true
	f.err = g.state.(Window).Inverse(&f.ctx, args)
	g.failed = f.err != nil
	f.returned = true
}

// value sets the result of a group; nil is one without rows.
func (f *function) value(ctx uintptr, g *group) {
	if g != nil && g.failed {
		return
	}
	f.begin(ctx, 0, 0)
	defer f.finish()
	if g == nil {
		f.err = f.emptyValue()
	} else {
		f.err = g.state.Value(&f.ctx)
	}
	f.returned = true
}

// emptyValue sets the result of a group without rows.
func (f *function) emptyValue() error {
	state := f.newAggregate()
	defer f.ctx.c.closeQuietly(state)
	return state.Value(&f.ctx)
}
