package engine

import (
	"fmt"
	"math"
	"strings"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Parameters are counted from 1. An index that the statement does not have is an [*Error] with [Range]; binding
// during an execution is one with [Misuse].

// emptyText is what an empty string points to: a null pointer would bind NULL.
var emptyText [1]byte

// BindCount returns the number of parameters, which is the largest index of one.
//
// https://sqlite.org/c3ref/bind_parameter_count.html
func (s *Stmt) BindCount() int {
	if s.enter() != nil {
		return 0
	}
	defer s.c.leave()
	return int(sqlite3.Xsqlite3_bind_parameter_count(s.c.tls, s.ptr))
}

// BindName returns the name of parameter i with its prefix, such as ":id" or "?3". It is "" for a plain "?"
// and for an index that the statement does not have.
//
// https://sqlite.org/c3ref/bind_parameter_name.html
func (s *Stmt) BindName(i int) string {
	if !s.enterIndexed(i) {
		return ""
	}
	defer s.c.leave()
	return libc.GoString(sqlite3.Xsqlite3_bind_parameter_name(s.c.tls, s.ptr, int32(i)))
}

// BindIndex returns the index of the parameter with that name, prefix included, or 0 if there is none.
//
// https://sqlite.org/c3ref/bind_parameter_index.html
func (s *Stmt) BindIndex(name string) int {
	if s.enter() != nil {
		return 0
	}
	defer s.c.leave()
	if strings.IndexByte(name, 0) >= 0 {
		return 0
	}
	p := s.c.cString(name)
	if p == 0 {
		return 0
	}
	return int(sqlite3.Xsqlite3_bind_parameter_index(s.c.tls, s.ptr, p))
}

// BindNull binds NULL to parameter i.
//
// https://sqlite.org/c3ref/bind_blob.html
func (s *Stmt) BindNull(i int) error {
	if err := s.enterBind(i); err != nil {
		return err
	}
	if s.storeNull(i) {
		return s.leaveBind(i, sqlite3.SQLITE_OK)
	}
	return s.leaveBind(i, sqlite3.Xsqlite3_bind_null(s.c.tls, s.ptr, int32(i)))
}

// BindInt64 binds an integer to parameter i.
//
// https://sqlite.org/c3ref/bind_blob.html
func (s *Stmt) BindInt64(i int, v int64) error {
	if err := s.enterBind(i); err != nil {
		return err
	}
	if s.storeInt(i, v) {
		return s.leaveBind(i, sqlite3.SQLITE_OK)
	}
	return s.leaveBind(i, sqlite3.Xsqlite3_bind_int64(s.c.tls, s.ptr, int32(i), v))
}

// BindFloat binds a floating point number to parameter i. SQLite has no NaN: it becomes NULL.
//
// https://sqlite.org/c3ref/bind_blob.html
func (s *Stmt) BindFloat(i int, v float64) error {
	if err := s.enterBind(i); err != nil {
		return err
	}
	if s.storeFloat(i, v) {
		return s.leaveBind(i, sqlite3.SQLITE_OK)
	}
	return s.leaveBind(i, sqlite3.Xsqlite3_bind_double(s.c.tls, s.ptr, int32(i), v))
}

// BindText binds text to parameter i, all of it: NUL bytes inside do not end it. An empty string is an empty text and
// not NULL. The statement keeps the string alive until the parameter is bound anew, the bindings are cleared or the
// statement is finalised.
//
// https://sqlite.org/c3ref/bind_blob.html
func (s *Stmt) BindText(i int, v string) error {
	if v == "" {
		return s.bindEmptyText(i)
	}
	if err := s.enterBind(i); err != nil {
		return err
	}
	// A string does not change, so that SQLite can read it where it is. To lend it moves it to the heap.
	lent := unsafe.Slice(unsafe.StringData(v), len(v))
	rc := s.bindText(i, uintptr(unsafe.Pointer(unsafe.SliceData(lent))), len(lent))
	switch rc {
	case sqlite3.SQLITE_OK:
		s.lend(i, lent)
	case sqlite3.SQLITE_NOMEM:
		// The text could not be converted to UTF-16: the parameter points to it all the same.
		sqlite3.Xsqlite3_bind_null(s.c.tls, s.ptr, int32(i))
	}
	return s.endBind(rc)
}

func (s *Stmt) bindEmptyText(i int) error {
	if err := s.enterBind(i); err != nil {
		return err
	}
	return s.leaveBind(i, s.bindText(i, uintptr(unsafe.Pointer(&emptyText)), 0))
}

// bindText binds n bytes at p, which SQLite does not copy.
func (s *Stmt) bindText(i int, p uintptr, n int) int32 {
	if s.storeText(i, p, n) {
		return sqlite3.SQLITE_OK
	}
	return sqlite3.Xsqlite3_bind_text64(s.c.tls, s.ptr, int32(i), p, uint64(n), sqlite3.SQLITE_STATIC, sqlite3.SQLITE_UTF8)
}

// BindBlob binds a blob to parameter i. SQLite copies it. An empty slice, also a nil one, is an empty blob and
// not NULL.
//
// https://sqlite.org/c3ref/bind_blob.html
func (s *Stmt) BindBlob(i int, v []byte) error {
	if len(v) == 0 {
		return s.BindZeroBlob(i, 0)
	}
	if err := s.enterBind(i); err != nil {
		return err
	}
	c := s.c
	c.boundBlob = v
	p := uintptr(unsafe.Pointer(unsafe.SliceData(v)))
	rc := sqlite3.Xsqlite3_bind_blob64(c.tls, s.ptr, int32(i), p, uint64(len(v)), sqlite3.SQLITE_TRANSIENT)
	c.boundBlob = nil
	return s.leaveBind(i, rc)
}

// BindBlobStatic binds a blob to parameter i without copying it: SQLite reads the slice while the statement is
// executed. The caller must not change its bytes during an execution, which ends when Step returns false or an
// error, or with Reset. The statement keeps the slice alive, and uses it again if it is executed again, until
// the parameter is bound anew, the bindings are cleared or the statement is finalised.
// An empty slice, also a nil one, is an empty blob.
//
// https://sqlite.org/c3ref/bind_blob.html
func (s *Stmt) BindBlobStatic(i int, v []byte) error {
	if len(v) == 0 {
		return s.BindZeroBlob(i, 0)
	}
	if err := s.enterBind(i); err != nil {
		return err
	}
	if s.storeLentBlob(i, v) {
		return s.endBind(sqlite3.SQLITE_OK)
	}
	p := uintptr(unsafe.Pointer(unsafe.SliceData(v)))
	rc := sqlite3.Xsqlite3_bind_blob64(s.c.tls, s.ptr, int32(i), p, uint64(len(v)), sqlite3.SQLITE_STATIC)
	if rc == sqlite3.SQLITE_OK {
		s.lend(i, v)
	}
	return s.endBind(rc)
}

// BindZeroBlob binds a blob of n zero bytes to parameter i, which takes no memory until it is read. A negative
// n is an [*Error] with [Range], one above the connection's limit with [TooBig].
//
// https://sqlite.org/c3ref/bind_blob.html
func (s *Stmt) BindZeroBlob(i int, n int64) error {
	if n < 0 {
		return newError("bind", s.SQL(), Range, fmt.Sprintf("a blob of %d bytes", n))
	}
	if err := s.enterBind(i); err != nil {
		return err
	}
	return s.leaveBind(i, sqlite3.Xsqlite3_bind_zeroblob64(s.c.tls, s.ptr, int32(i), uint64(n)))
}

// Bind binds a Go value to parameter i:
//
//   - nil and a nil []byte: NULL
//   - the integer types: INTEGER; a uint64 above the largest int64 is an [*Error] with [Range]
//   - bool: INTEGER 0 or 1
//   - float32, float64: REAL, NaN as NULL
//   - string: TEXT
//   - []byte: BLOB, copied
//   - [Pointer]: a Go value for a function or a virtual table, as by [Stmt.BindPointer]
//
// Any other type is an [*Error] with [Mismatch].
//
// https://sqlite.org/c3ref/bind_blob.html
func (s *Stmt) Bind(i int, v any) error {
	switch v := v.(type) {
	case nil:
		return s.BindNull(i)
	case int64:
		return s.BindInt64(i, v)
	case int:
		return s.BindInt64(i, int64(v))
	case string:
		return s.BindText(i, v)
	case []byte:
		if v == nil {
			return s.BindNull(i)
		}
		return s.BindBlob(i, v)
	case float64:
		return s.BindFloat(i, v)
	case float32:
		return s.BindFloat(i, float64(v))
	case bool:
		return s.bindBool(i, v)
	case Pointer:
		return s.BindPointer(i, v.Value)
	default:
		return s.bindSized(i, v)
	}
}

func (s *Stmt) bindBool(i int, v bool) error {
	if v {
		return s.BindInt64(i, 1)
	}
	return s.BindInt64(i, 0)
}

func (s *Stmt) bindSized(i int, v any) error {
	switch v := v.(type) {
	case int8:
		return s.BindInt64(i, int64(v))
	case int16:
		return s.BindInt64(i, int64(v))
	case int32:
		return s.BindInt64(i, int64(v))
	case uint8:
		return s.BindInt64(i, int64(v))
	case uint16:
		return s.BindInt64(i, int64(v))
	case uint32:
		return s.BindInt64(i, int64(v))
	case uint:
		return s.bindUint64(i, uint64(v))
	case uint64:
		return s.bindUint64(i, v)
	}
	return newError("bind", s.SQL(), Mismatch, fmt.Sprintf("parameter %d: unsupported type %T", i, v))
}

func (s *Stmt) bindUint64(i int, v uint64) error {
	if v > math.MaxInt64 {
		return newError("bind", s.SQL(), Range, fmt.Sprintf("parameter %d: %d does not fit in 64 bits with a sign", i, v))
	}
	return s.BindInt64(i, int64(v))
}

// ClearBindings binds NULL to every parameter. It must not be called during an execution.
//
// https://sqlite.org/c3ref/clear_bindings.html
func (s *Stmt) ClearBindings() error {
	if err := s.enter(); err != nil {
		return err
	}
	if sqlite3.Xsqlite3_stmt_busy(s.c.tls, s.ptr) != 0 {
		s.c.leave()
		return newError("clear bindings", s.sql, Misuse, "the statement is being executed")
	}
	clear(s.static)
	return s.endBind(sqlite3.Xsqlite3_clear_bindings(s.c.tls, s.ptr))
}

func (s *Stmt) enterBind(i int) error {
	if uint(i) > math.MaxInt32 {
		return newError("bind", s.SQL(), Range, "parameter index out of range")
	}
	return s.enter()
}

// leaveBind ends a call that gave parameter i a value of its own.
func (s *Stmt) leaveBind(i int, rc int32) error {
	if rc == sqlite3.SQLITE_OK {
		s.takeBackLent(i)
	}
	return s.endBind(rc)
}

func (s *Stmt) endBind(rc int32) error {
	if rc != sqlite3.SQLITE_OK {
		err := s.c.lastError("bind", s.sql, rc)
		s.c.leave()
		return err
	}
	s.c.leave()
	return nil
}

// lend keeps v alive for as long as parameter i points to it, and moves it to the heap: SQLite reads it through an
// address that a growing goroutine stack would leave behind.
func (s *Stmt) lend(i int, v []byte) {
	for len(s.static) < i {
		s.static = append(s.static, nil)
	}
	s.static[i-1] = v
}
