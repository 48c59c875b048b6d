package engine

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrClosed is returned by the methods of a closed [Conn] and of its statements.
	ErrClosed = errors.New("engine: connection is closed")

	// ErrFinalized is returned by the methods of a finalised [Stmt].
	ErrFinalized = errors.New("engine: statement is finalized")

	// ErrConcurrentUse is returned when a connection, or a statement of it, is used while another goroutine
	// is inside a call on the same connection. The refused call has done nothing.
	ErrConcurrentUse = errors.New("engine: connection is in use by another goroutine")

	// ErrTrailing is returned where exactly one statement is asked for and more follow. Nothing was run.
	ErrTrailing = errors.New("engine: more than one statement")

	// ErrEmpty is returned where one statement is asked for and there are only comments and blanks.
	ErrEmpty = errors.New("engine: no statement")
)

// Error is an error that SQLite reported, or that was found by the same rules before SQLite was called.
// In JSON, where GORM looks for it, the extended code has the name that mattn/go-sqlite3 gave it.
//
// https://sqlite.org/c3ref/errcode.html
type Error struct {
	Code     ResultCode // the primary result code
	Extended ResultCode `json:"ExtendedCode"` // the extended result code; the primary one if there is none for the case
	Msg      string     // SQLite's message
	Op       string     // what was being done: "open", "prepare", "bind", "step", ...
	SQL      string     // the statement, shortened if it is long; empty if there is none

	// Offset is where in the SQL text given by the caller the error is, in bytes, or -1 if it is not known.
	//
	// https://sqlite.org/c3ref/error_offset.html
	Offset int

	cause  error // what ended a statement early: a context, an interrupt, or a callback that failed
	raised bool  // the cause is what a function of SQL returned
}

// Error returns the operation, SQLite's message, the name of the extended code, and the statement.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("engine: ")
	b.WriteString(e.Op)
	b.WriteString(": ")
	b.WriteString(e.Msg)
	b.WriteString(" (")
	b.WriteString(e.Extended.String())
	b.WriteString(")")
	if e.cause != nil && !e.raised { // what a function returned is in the message
		b.WriteString(": ")
		b.WriteString(e.cause.Error())
	}
	if e.Offset >= 0 {
		b.WriteString(" at offset ")
		b.WriteString(strconv.Itoa(e.Offset))
	}
	if e.SQL != "" {
		b.WriteString(" in ")
		b.WriteString(strconv.Quote(e.SQL))
	}
	return b.String()
}

// Is reports whether target is the primary or the extended code of e. An error that was caused by a context
// is [Interrupt] also where SQLite calls it something else, such as a wait for a lock that ended early. A duplicate
// primary key or rowid is [ConstraintUnique], too, as SQLite's message says, which is all that a server tells.
func (e *Error) Is(target error) bool {
	code, ok := target.(ResultCode)
	if !ok {
		return false
	}
	switch code {
	case e.Code, e.Extended:
		return true
	case Interrupt:
		return e.endedEarly()
	case ConstraintUnique:
		return e.Extended == ConstraintPrimaryKey || e.Extended == ConstraintRowID
	}
	return false
}

// endedEarly reports whether a context or an interrupt ended the statement.
func (e *Error) endedEarly() bool {
	return e.cause != nil && !e.raised && (e.Code == Interrupt || e.Code == Busy || e.Extended == LockedSharedCache)
}

// Unwrap returns what ended the statement early: the error of its context and the cause given for it, [Interrupt] if [Conn.Interrupt] ended a
// wait for a lock, or the error of a Go callback, which is a [*PanicError] if it panicked. Otherwise it is nil.
func (e *Error) Unwrap() error { return e.cause }

// newError makes the error of a refusal that SQLite was not asked about.
func newError(op, sql string, code ResultCode, msg string) *Error {
	return &Error{Code: code.Primary(), Extended: code, Msg: msg, Op: op, SQL: shorten(sql), Offset: -1}
}

// lastError makes the error of a call on c that returned rc, with what the connection knows about it.
func (c *Conn) lastError(op, sql string, rc int32) *Error {
	e := newError(op, sql, ResultCode(rc), "")
	if c.db == 0 || !sameFailure(sqlite3.Xsqlite3_extended_errcode(c.tls, c.db), rc) {
		e.Msg = libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))
		return e
	}
	e.Msg = libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))
	e.Offset = int(sqlite3.Xsqlite3_error_offset(c.tls, c.db))
	return e
}

// sameFailure reports whether the connection's error state is about the call that returned rc. Some calls fail
// without touching it, and it still tells of an earlier one.
func sameFailure(connection, rc int32) bool { return connection&0xff == rc&0xff }

// maxErrorSQL bounds how much of a statement an error keeps alive and prints, in bytes.
const maxErrorSQL = 256

func shorten(sql string) string {
	sql = strings.TrimSpace(sql)
	if len(sql) <= maxErrorSQL {
		return sql
	}
	n := maxErrorSQL
	for n > 0 && !utf8.RuneStart(sql[n]) {
		n--
	}
	return sql[:n] + "…"
}
