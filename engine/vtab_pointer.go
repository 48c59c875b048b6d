package engine

import (
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Pointer is a Go value of any type on its way through SQL to a function or a virtual table that reads it with
// [Value.Pointer]. To everything else it is NULL. As an argument of [Stmt.Bind] and [Conn.Query], it is bound as by
// [Stmt.BindPointer].
//
// https://sqlite.org/bindptr.html
type Pointer struct{ Value any }

// goPointers finds the Go values that were bound.
var goPointers handles[any]

// goPointerType is what SQLite tells our pointers from those of others by. The address has to stay what it is.
var goPointerType = [...]byte{'f', 'l', 'o', 'e', 0}

var goPointerDestroy = cFunc(onGoPointerDestroy)

func onGoPointerDestroy(_ *libc.TLS, handle uintptr) { goPointers.remove(handle) }

// BindPointer binds a Go value to parameter i, for a function or a virtual table that reads it with [Value.Pointer]. It
// is not copied, and is kept until the parameter is bound anew, the bindings are cleared or the statement is finalised.
//
// https://sqlite.org/bindptr.html
func (s *Stmt) BindPointer(i int, v any) error {
	if err := s.enterBind(i); err != nil {
		return err
	}
	// SQLite frees the number also where it refuses the parameter.
	rc := sqlite3.Xsqlite3_bind_pointer(s.c.tls, s.ptr, int32(i), goPointers.add(&v),
		uintptr(unsafe.Pointer(&goPointerType)), goPointerDestroy)
	return s.leaveBind(i, rc)
}

// Pointer returns the Go value that was bound by [Stmt.BindPointer] or set by [FuncContext.ResultPointer], nil if the
// value is none of these.
//
// https://sqlite.org/bindptr.html
func (v Value) Pointer() any {
	if v.ptr == 0 {
		return nil
	}
	p := goPointers.get(sqlite3.Xsqlite3_value_pointer(v.tls, v.ptr, uintptr(unsafe.Pointer(&goPointerType))))
	if p == nil {
		return nil
	}
	return *p
}

// ResultPointer makes a Go value the result, for a function or a virtual table that takes it as an argument and reads it
// with [Value.Pointer]. To everything else it is NULL.
//
// https://sqlite.org/bindptr.html
func (ctx *FuncContext) ResultPointer(v any) {
	if ctx.ptr != 0 {
		sqlite3.Xsqlite3_result_pointer(ctx.c.tls, ctx.ptr, goPointers.add(&v),
			uintptr(unsafe.Pointer(&goPointerType)), goPointerDestroy)
	}
}
