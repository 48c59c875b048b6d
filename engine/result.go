package engine

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// FuncContext is one call of a function of SQL: it takes the result, and keeps data of a statement between calls. It
// is lent for the call; kept beyond it, its methods do nothing or return zero values until the function is called the
// next time. It may not be used by another goroutine.
//
// The result that is set last counts. An error that the function returns comes before all of them.
//
// https://sqlite.org/c3ref/context.html
type FuncContext struct {
	c   *Conn
	ptr uintptr // sqlite3_context*; 0 between calls

	// What is handed to SQLite goes through these fields, as with the bind calls of a Conn.
	text string
	blob []byte
}

// ResultNull makes NULL the result, as it is without any.
//
// https://sqlite.org/c3ref/result_blob.html
func (ctx *FuncContext) ResultNull() {
	if ctx.ptr != 0 {
		sqlite3.Xsqlite3_result_null(ctx.c.tls, ctx.ptr)
	}
}

// ResultInt64 makes an integer the result.
//
// https://sqlite.org/c3ref/result_blob.html
func (ctx *FuncContext) ResultInt64(v int64) {
	if ctx.ptr != 0 {
		sqlite3.Xsqlite3_result_int64(ctx.c.tls, ctx.ptr, v)
	}
}

// ResultBool makes 1 or 0 the result.
//
// https://sqlite.org/c3ref/result_blob.html
func (ctx *FuncContext) ResultBool(v bool) {
	if v {
		ctx.ResultInt64(1)
	} else {
		ctx.ResultInt64(0)
	}
}

// ResultFloat makes a floating point number the result. SQLite has no NaN: it becomes NULL.
//
// https://sqlite.org/c3ref/result_blob.html
func (ctx *FuncContext) ResultFloat(v float64) {
	if ctx.ptr != 0 {
		sqlite3.Xsqlite3_result_double(ctx.c.tls, ctx.ptr, v)
	}
}

// ResultText makes text the result. SQLite copies it, all of it: NUL bytes inside do not end it, and an empty string
// is not NULL. If it is longer than SQLite's limit, the statement fails with [TooBig].
//
// https://sqlite.org/c3ref/result_blob.html
func (ctx *FuncContext) ResultText(v string) {
	if ctx.ptr == 0 {
		return
	}
	p := uintptr(unsafe.Pointer(&emptyText))
	if v != "" {
		ctx.text = v
		p = uintptr(unsafe.Pointer(unsafe.StringData(ctx.text)))
	}
	sqlite3.Xsqlite3_result_text64(ctx.c.tls, ctx.ptr, p, sqlite3.Tsqlite3_uint64(len(v)),
		sqlite3.SQLITE_TRANSIENT, sqlite3.SQLITE_UTF8)
	ctx.text = ""
}

// ResultBlob makes a blob the result. SQLite copies it. An empty slice, also a nil one, is an empty blob and not NULL.
// If it is longer than SQLite's limit, the statement fails with [TooBig].
//
// https://sqlite.org/c3ref/result_blob.html
func (ctx *FuncContext) ResultBlob(v []byte) {
	if ctx.ptr == 0 {
		return
	}
	p := uintptr(unsafe.Pointer(&emptyText))
	if len(v) > 0 {
		ctx.blob = v
		p = uintptr(unsafe.Pointer(unsafe.SliceData(ctx.blob)))
	}
	sqlite3.Xsqlite3_result_blob64(ctx.c.tls, ctx.ptr, p, sqlite3.Tsqlite3_uint64(len(v)), sqlite3.SQLITE_TRANSIENT)
	ctx.blob = nil
}

// ResultZeroBlob makes a blob of n zero bytes the result, which takes no memory of that size by itself. If n is
// negative or beyond SQLite's limit, the statement fails with [TooBig].
//
// https://sqlite.org/c3ref/result_blob.html
func (ctx *FuncContext) ResultZeroBlob(n int64) {
	if ctx.ptr != 0 {
		sqlite3.Xsqlite3_result_zeroblob64(ctx.c.tls, ctx.ptr, sqlite3.Tu64(n))
	}
}

// ResultValue makes a copy of v the result: of an argument, most often. A Value that is no longer lent is NULL.
//
// https://sqlite.org/c3ref/result_blob.html
func (ctx *FuncContext) ResultValue(v Value) {
	switch {
	case ctx.ptr == 0:
	case v.ptr == 0:
		ctx.ResultNull()
	default:
		sqlite3.Xsqlite3_result_value(ctx.c.tls, ctx.ptr, v.ptr)
	}
}

// ResultTime makes t the result, as text in the form that SQLite's date functions read: UTC, with as many digits of
// the second as it has, for example "2006-01-02 15:04:05.123".
//
// https://sqlite.org/lang_datefunc.html
func (ctx *FuncContext) ResultTime(t time.Time) { ctx.ResultText(t.UTC().Format(timeLayout)) }

const timeLayout = "2006-01-02 15:04:05.999999999"

// Result makes v the result, which may be nil, a bool, an integer or a floating point number of any size, a string, a
// []byte (NULL if it is nil), a [time.Time] (as by ResultTime), or a [Value]. For other types, and for an unsigned
// integer that SQLite cannot hold, it returns an error for the function to return.
//
// https://sqlite.org/c3ref/result_blob.html
func (ctx *FuncContext) Result(v any) error {
	switch v := v.(type) {
	case nil:
		ctx.ResultNull()
	case int64:
		ctx.ResultInt64(v)
	case int:
		ctx.ResultInt64(int64(v))
	case int32:
		ctx.ResultInt64(int64(v))
	case int16:
		ctx.ResultInt64(int64(v))
	case int8:
		ctx.ResultInt64(int64(v))
	case uint:
		return ctx.resultUnsigned(uint64(v))
	case uint64:
		return ctx.resultUnsigned(v)
	case uint32:
		ctx.ResultInt64(int64(v))
	case uint16:
		ctx.ResultInt64(int64(v))
	case uint8:
		ctx.ResultInt64(int64(v))
	case bool:
		ctx.ResultBool(v)
	case float64:
		ctx.ResultFloat(v)
	case float32:
		ctx.ResultFloat(float64(v))
	case string:
		ctx.ResultText(v)
	case []byte:
		ctx.resultBytes(v)
	case time.Time:
		ctx.ResultTime(v)
	case Value:
		ctx.ResultValue(v)
	default:
		return newError("result", "", Mismatch, fmt.Sprintf("no SQL value for the Go type %T", v))
	}
	return nil
}

func (ctx *FuncContext) resultUnsigned(v uint64) error {
	if v > math.MaxInt64 {
		return newError("result", "", Range, fmt.Sprintf("%d is more than an SQL integer holds", v))
	}
	ctx.ResultInt64(int64(v))
	return nil
}

func (ctx *FuncContext) resultBytes(v []byte) {
	if v == nil {
		ctx.ResultNull()
		return
	}
	ctx.ResultBlob(v)
}

// MaxLength returns the length in bytes of the largest text or blob that the connection takes, for functions whose
// result can be much larger than their arguments.
//
// https://sqlite.org/limits.html#max_length
func (ctx *FuncContext) MaxLength() int {
	if ctx.ptr == 0 {
		return 0
	}
	return int(sqlite3.Xsqlite3_limit(ctx.c.tls, ctx.c.db, sqlite3.SQLITE_LIMIT_LENGTH, -1))
}

// ResultSubtype puts a subtype on the result that is already set: its low 8 bits go with the value to the function
// that takes it next. The function needs the flag [ResultSubtype].
//
// https://sqlite.org/c3ref/result_subtype.html
func (ctx *FuncContext) ResultSubtype(subtype uint) {
	if ctx.ptr != 0 {
		sqlite3.Xsqlite3_result_subtype(ctx.c.tls, ctx.ptr, uint32(subtype)&0xff)
	}
}

// auxData finds what SetAuxData stored.
var auxData handles[any]

var auxDestroy = cFunc(onAuxDestroy)

func onAuxDestroy(_ *libc.TLS, handle uintptr) { auxData.remove(handle) }

// SetAuxData stores v with argument i of this call, counted from 0, for the next calls of the function at the same
// place of the statement: something dear that is made of an argument which does not change, such as a compiled
// pattern. SQLite drops it when it sees fit: at the end of the call if the argument is not a constant, and at the end of
// the execution at the latest.
//
// https://sqlite.org/c3ref/get_auxdata.html
func (ctx *FuncContext) SetAuxData(i int, v any) {
	if ctx.ofStatement() {
		sqlite3.Xsqlite3_set_auxdata(ctx.c.tls, ctx.ptr, int32(i), auxData.add(&v), auxDestroy)
	}
}

// AuxData returns what SetAuxData stored with argument i, or nil.
//
// https://sqlite.org/c3ref/get_auxdata.html
func (ctx *FuncContext) AuxData(i int) any {
	if !ctx.ofStatement() {
		return nil
	}
	v := auxData.get(sqlite3.Xsqlite3_get_auxdata(ctx.c.tls, ctx.ptr, int32(i)))
	if v == nil {
		return nil
	}
	return *v
}

// ofStatement reports whether the call belongs to a statement that can keep data for it. That of a column of a virtual
// table does not, and SQLite does not look.
func (ctx *FuncContext) ofStatement() bool {
	return ctx.ptr != 0 && (*sqlite3.Tsqlite3_context)(pointer(ctx.ptr)).FpVdbe != 0
}

// raised is an error that a function gave to SQLite.
type raised struct {
	err  error
	code ResultCode
	msg  string // as SQLite's message will be
}

// fail makes err the error of the call, and notes it, so that the error of the statement can have it as its cause.
//
// It is not noted as by callbackFailed, as SQLite knows of it: if a statement succeeds all the same, it is to succeed.
func (ctx *FuncContext) fail(err error) {
	msg, code := errorText(err), raisedCode(err)
	p := uintptr(unsafe.Pointer(&emptyText))
	if msg != "" {
		ctx.text = msg
		p = uintptr(unsafe.Pointer(unsafe.StringData(ctx.text)))
	}
	sqlite3.Xsqlite3_result_error(ctx.c.tls, ctx.ptr, p, int32(len(msg)))
	ctx.text = ""
	sqlite3.Xsqlite3_result_error_code(ctx.c.tls, ctx.ptr, int32(code))
	ctx.c.raised = raised{err: err, code: code, msg: untilNUL(msg)}
}

// untilNUL is what is left of a text where it ends with a NUL.
func untilNUL(text string) string {
	text, _, _ = strings.Cut(text, "\x00")
	return text
}

// maxErrorText bounds the text of an error that is given to SQLite, in bytes.
const maxErrorText = 64 << 10

// errorText returns the text of an error of a user's, whose Error method may panic.
func errorText(err error) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("error of type %T panicked", err)
		}
	}()
	text = err.Error()
	return text[:min(len(text), maxErrorText)]
}

// raisedCode is the code for an error of a user's. Codes that are no failure, or that make SQLite run the statement
// again, do not get through.
func raisedCode(err error) ResultCode {
	code := codeIn(err)
	switch {
	case code <= OK, code.Primary() == OK, code.Primary() == Row, code.Primary() == Done, code.Primary() == Schema:
		return Generic
	}
	return code
}

// codeIn returns the code in the chain of an error of a user's, Generic if there is none. A method of that chain may
// panic, as Unwrap does on a nil pointer that became an error.
func codeIn(err error) (code ResultCode) {
	defer func() {
		if recover() != nil {
			code = Generic
		}
	}()
	var e *Error
	if errors.As(err, &e) {
		return e.Extended
	}
	if errors.As(err, &code) {
		return code
	}
	return Generic
}

// isNoPlan reports whether BestIndex of a user's returned ErrNoPlan, with the same caution.
func isNoPlan(err error) (is bool) {
	defer func() { _ = recover() }()
	return errors.Is(err, ErrNoPlan)
}

// takeRaised returns the error of a function that made a call fail with e, nil if none did. Where SQLite ran a
// statement for itself in between, the message can be its own for the code.
func (c *Conn) takeRaised(e *Error) error {
	r := c.raised
	c.raised = raised{}
	if r.err == nil || r.code.Primary() != e.Code {
		return nil
	}
	if e.Msg != r.msg {
		if e.Msg != libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, int32(e.Code))) {
			return nil
		}
		e.Msg = r.msg
	}
	return r.err
}
