package engine

import (
	"math"
	"strconv"
	"strings"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// ScalarFunc is a function of SQL in Go. It sets its result on ctx; without one the result is NULL. What it returns as
// an error becomes the error of the statement: its message is the error's text, its code that of an [*Error] or a
// [ResultCode] in the error's chain and otherwise [Generic], and the error itself is found by [errors.Is] and
// [errors.As]. So it is with a panic, as a [*PanicError].
//
// The arguments are lent for the call, and so is ctx: none of them, nor the slice, may be kept. The function runs in
// the middle of a statement of its connection, whose methods return [ErrConcurrentUse] to it.
//
// https://sqlite.org/appfunc.html
type ScalarFunc func(ctx *FuncContext, args []Value) error

// FunctionFlags says what SQLite may expect of a function, and who may call it. The values are SQLite's.
//
// https://sqlite.org/c3ref/c_deterministic.html
type FunctionFlags uint32

// The flags of a function. Others are an error.
const (
	// Deterministic promises the same result for the same arguments. Indexes on expressions, generated columns and
	// partial indexes ask for it, and constant calls are made once.
	Deterministic FunctionFlags = sqlite3.SQLITE_DETERMINISTIC

	// DirectOnly keeps the function out of triggers, views, CHECK constraints, defaults, generated columns and
	// indexes: a database file from a stranger cannot call it.
	DirectOnly FunctionFlags = sqlite3.SQLITE_DIRECTONLY

	// Innocuous says that the function has no side effects and tells nothing but its arguments, so that the schema may
	// call it also when [DBConfigTrustedSchema] is off.
	Innocuous FunctionFlags = sqlite3.SQLITE_INNOCUOUS

	// Subtype says that the function reads the subtypes of its arguments.
	Subtype FunctionFlags = sqlite3.SQLITE_SUBTYPE

	// ResultSubtype says that the function may set a subtype on its result.
	ResultSubtype FunctionFlags = sqlite3.SQLITE_RESULT_SUBTYPE
)

const knownFunctionFlags = Deterministic | DirectOnly | Innocuous | Subtype | ResultSubtype

// function is a function of SQL on one connection. Its context and arguments serve all calls: no call of a function
// is made inside another one, as a callback cannot use its own connection.
type function struct {
	ctx      FuncContext
	args     []Value
	returned bool // the running call of Go code came to its end
	err      error

	scalar       ScalarFunc
	newAggregate func() Aggregate
}

// functions finds the function of a call.
var functions handles[function]

var (
	functionCallback = cFunc(onFunction)
	functionDestroy  = cFunc(onFunctionDestroy)
)

// CreateFunction makes fn callable from SQL on this connection, under a name that is compared without regard to case
// and has at most 255 bytes. nArg is the number of arguments it is called with, -1 for any. Functions with one name
// and different numbers of arguments live side by side; one with the same number is replaced, also a built-in one. A
// nil fn removes what was created with the same name and number; a built-in function that was replaced does not come
// back.
//
// A function cannot be replaced or removed while a statement is being executed: the error is [Busy] then. It ends with
// the connection.
//
// https://sqlite.org/c3ref/create_function.html
func (c *Conn) CreateFunction(name string, nArg int, flags FunctionFlags, fn ScalarFunc) error {
	call := functionCallbacks{scalar: functionCallback}
	if fn == nil {
		call = functionCallbacks{}
	}
	return c.createFunction(name, nArg, flags, &function{scalar: fn}, call)
}

// functionCallbacks are the C functions of one function of SQL. With none of them it is removed.
type functionCallbacks struct {
	scalar, step, final, value, inverse uintptr
}

func (c *Conn) createFunction(name string, nArg int, flags FunctionFlags, f *function, call functionCallbacks) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	op := "create function " + strconv.Quote(name)
	if err := checkFunction(op, name, nArg, flags); err != nil {
		return err
	}
	p := c.cString(name)
	if p == 0 {
		return c.lastError(op, "", sqlite3.SQLITE_NOMEM)
	}
	if rc := c.installFunction(p, int32(nArg), int32(flags|sqlite3.SQLITE_UTF8), f, call); rc != sqlite3.SQLITE_OK {
		return c.lastError(op, "", rc)
	}
	return nil
}

// installFunction gives f to SQLite, which frees it again also where it refuses it.
func (c *Conn) installFunction(name uintptr, nArg, flags int32, f *function, call functionCallbacks) int32 {
	if call == (functionCallbacks{}) {
		return sqlite3.Xsqlite3_create_function_v2(c.tls, c.db, name, nArg, flags, 0, 0, 0, 0, 0)
	}
	f.ctx.c = c
	handle := functions.add(f)
	if call.inverse != 0 {
		return sqlite3.Xsqlite3_create_window_function(c.tls, c.db, name, nArg, flags, handle,
			call.step, call.final, call.value, call.inverse, functionDestroy)
	}
	return sqlite3.Xsqlite3_create_function_v2(c.tls, c.db, name, nArg, flags, handle,
		call.scalar, call.step, call.final, functionDestroy)
}

func checkFunction(op, name string, nArg int, flags FunctionFlags) error {
	switch {
	case name == "":
		return newError(op, "", Misuse, "the name is empty")
	case strings.IndexByte(name, 0) >= 0:
		return newError(op, "", Misuse, "the name has a NUL byte inside")
	case nArg < -1 || nArg > math.MaxInt16:
		return newError(op, "", Misuse, "no such number of arguments: "+strconv.Itoa(nArg))
	case flags&^knownFunctionFlags != 0:
		return newError(op, "", Misuse, "unknown flags 0x"+strconv.FormatUint(uint64(flags&^knownFunctionFlags), 16))
	}
	return nil
}

func onFunctionDestroy(_ *libc.TLS, handle uintptr) { functions.remove(handle) }

func onFunction(tls *libc.TLS, ctx uintptr, argc int32, argv uintptr) {
	if f := functions.get(sqlite3.Xsqlite3_user_data(tls, ctx)); f != nil {
		f.call(ctx, argc, argv)
	}
}

func (f *function) call(ctx uintptr, argc int32, argv uintptr) {
	args := f.begin(ctx, argc, argv)
	defer f.finish()
	f.err = f.scalar(&f.ctx, args)
	f.returned = true
}

// begin lends a call its context and arguments. finish has to be deferred after it, by itself: it recovers.
func (f *function) begin(ctx uintptr, argc int32, argv uintptr) []Value {
	f.ctx.ptr = ctx
	f.returned = false
	f.err = nil
	if cap(f.args) < int(argc) {
		f.args = make([]Value, argc)
	}
	f.args = f.args[:argc]
	if argc == 0 {
		return f.args
	}
	tls := f.ctx.c.tls
	for i, p := range unsafe.Slice((*uintptr)(pointer(argv)), argc) {
		f.args[i] = Value{tls: tls, ptr: p}
	}
	return f.args
}

// finish ends a call however the Go code ended, and takes back what was lent to it: a context or a slice of arguments
// that was kept reads as NULL and sets nothing from here on.
func (f *function) finish() {
	if !f.returned {
		f.err = f.ctx.c.ended(recover())
	}
	if f.err != nil {
		f.ctx.fail(f.err)
		f.err = nil
	}
	clear(f.args)
	f.ctx.ptr = 0
}
