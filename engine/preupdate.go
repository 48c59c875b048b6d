package engine

import (
	"unsafe"

	"github.com/floedb/floe/hooks"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// PreUpdate is a row that is about to be inserted, updated or deleted. It is lent to the hook, and must not be used
// after that.
//
// https://sqlite.org/c3ref/preupdate_blobwrite.html
type PreUpdate struct {
	Op       hooks.Op
	Database string // "main", "temp" or the name that it was attached under
	Table    string

	// OldRowID is the rowid before the change, NewRowID the one after it. For an INSERT and a DELETE both are that of
	// the row. For a table without rowids they mean nothing and are 0.
	OldRowID, NewRowID int64
	WithoutRowID       bool

	c *Conn // nil when the hook is not running
}

// preUpdateHook shares SQLite's one slot between a hook, a feed, and SQLite's sessions.
type preUpdateHook struct {
	call  func() error // nil if there is none
	event PreUpdate

	// out takes what SQLite returns through an address. It is a part of the connection, which is on the heap.
	out uintptr

	// next is who had the slot when it was taken: the sessions of the connection, which expect to be alone in it.
	next struct{ callback, arg uintptr }
}

var preUpdateCallback = cFunc(onPreUpdate)

// SetPreUpdateHook sets the function that is told about each row that is inserted, updated or deleted, before it is.
// It is told about all tables but virtual ones and most of SQLite's own, also about those without rowids, and about
// rows that REPLACE deletes. It takes the place of an earlier one; nil removes it. Inside a callback it is
// [ErrConcurrentUse].
//
// A write through an open blob is told as a [hooks.Delete] for which [PreUpdate.BlobColumn] is not negative.
//
// An error of the function, or a panic, does what it does in an update hook; see [Conn.SetUpdateHook]. For a write
// through an open blob it is the error of the write, which is done all the same, and part of what the end of the blob's
// transaction commits.
//
// https://sqlite.org/c3ref/preupdate_blobwrite.html
func (c *Conn) SetPreUpdateHook(told func(*PreUpdate) error) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	p := &c.hooks.preUpdate
	p.call = nil
	if told != nil {
		p.call = func() error { return told(&p.event) }
	}
	c.installPreUpdateHook()
	c.installHooks()
	return nil
}

// installPreUpdateHook takes the slot, or gives it back to who had it. Statements that were compiled without a hook may
// delete all rows of a table at once, so they are compiled again.
func (c *Conn) installPreUpdateHook() {
	if c.hooks.preUpdate.call == nil && c.hooks.feed == nil {
		c.releasePreUpdateHook()
		return
	}
	if c.takePreUpdateHook() {
		c.expireStatements()
	}
}

// takePreUpdateHook puts our hook before the one that is there, and reports whether it was not the first already.
func (c *Conn) takePreUpdateHook() bool {
	db, p := c.handle(), &c.hooks.preUpdate
	if db.FxPreUpdateCallback == preUpdateCallback {
		return false
	}
	p.next.callback, p.next.arg = db.FxPreUpdateCallback, db.FpPreUpdateArg
	sqlite3.Xsqlite3_preupdate_hook(c.tls, c.db, preUpdateCallback, c.busy.handle)
	return true
}

func (c *Conn) releasePreUpdateHook() {
	p := &c.hooks.preUpdate
	if c.handle().FxPreUpdateCallback == preUpdateCallback {
		sqlite3.Xsqlite3_preupdate_hook(c.tls, c.db, p.next.callback, p.next.arg)
	}
	p.next.callback, p.next.arg = 0, 0
}

// withoutPreUpdateHook runs f while SQLite's slot has what sessions put there. sqlite3session_create and
// sqlite3session_delete take what they find in the slot for a session, so they have to be called through here.
func (c *Conn) withoutPreUpdateHook(f func()) {
	c.releasePreUpdateHook()
	defer c.installPreUpdateHook()
	f()
}

func onPreUpdate(
	tls *libc.TLS, handle, db uintptr, op int32, database, table uintptr, old, new sqlite3.Tsqlite3_int64,
) {
	c := conns.get(handle)
	if c == nil {
		return
	}
	p := &c.hooks.preUpdate
	if p.next.callback != 0 {
		callPreUpdate(p.next.callback, tls, p.next.arg, db, op, database, table, old, new)
	}
	if c.failure != nil && c.hooks.feed == nil {
		return
	}
	p.event = PreUpdate{
		Op:           hooks.Op(op),
		Database:     c.hooks.database.at(database),
		Table:        c.hooks.table.at(table),
		OldRowID:     int64(old),
		NewRowID:     int64(new),
		WithoutRowID: c.preUpdateState().FpPk != 0,
		c:            c,
	}
	c.feedRow()
	if p.call != nil && c.failure == nil {
		c.callGo(p.call)
	}
	p.event.c = nil
}

// callPreUpdate calls the C function f, the way back from cFunc.
func callPreUpdate(
	f uintptr, tls *libc.TLS, arg, db uintptr, op int32, database, table uintptr, old, new sqlite3.Tsqlite3_int64,
) {
	call := *(*func(*libc.TLS, uintptr, uintptr, int32, uintptr, uintptr, sqlite3.Tsqlite3_int64,
		sqlite3.Tsqlite3_int64))(unsafe.Pointer(&f))
	call(tls, arg, db, op, database, table, old, new)
}

// preUpdateState is SQLite's own structure of the change that is being told.
func (c *Conn) preUpdateState() *sqlite3.TPreUpdate {
	return (*sqlite3.TPreUpdate)(pointer(c.handle().FpPreUpdate))
}

// Count returns the number of columns of the table.
//
// https://sqlite.org/c3ref/preupdate_blobwrite.html
func (p *PreUpdate) Count() int {
	if p.c == nil {
		return 0
	}
	return int(sqlite3.Xsqlite3_preupdate_count(p.c.tls, p.c.db))
}

// Depth returns 0 for a change by the statement itself, 1 for one by a trigger or a foreign key action that it set
// off, 2 for one that these set off, and so on.
//
// https://sqlite.org/c3ref/preupdate_blobwrite.html
func (p *PreUpdate) Depth() int {
	if p.c == nil {
		return 0
	}
	return int(sqlite3.Xsqlite3_preupdate_depth(p.c.tls, p.c.db))
}

// BlobColumn returns the column that is written through an open blob, and -1 for all other changes.
//
// https://sqlite.org/c3ref/preupdate_blobwrite.html
func (p *PreUpdate) BlobColumn() int {
	if p.c == nil {
		return -1
	}
	return int(sqlite3.Xsqlite3_preupdate_blobwrite(p.c.tls, p.c.db))
}

// Old returns the value of column i, counted from 0, before the change. It is an error with [Misuse] for an INSERT,
// and one with [Range] if there is no such column, or it is a generated one that is not stored.
//
// https://sqlite.org/c3ref/preupdate_blobwrite.html
func (p *PreUpdate) Old(i int) (Value, error) {
	return p.value("old value", i, hooks.Insert, sqlite3.Xsqlite3_preupdate_old)
}

// New returns the value of column i, counted from 0, after the change. It is an error with [Misuse] for a DELETE, and
// one with [Range] if there is no such column, or it is a generated one that is not stored.
//
// https://sqlite.org/c3ref/preupdate_blobwrite.html
func (p *PreUpdate) New(i int) (Value, error) {
	return p.value("new value", i, hooks.Delete, sqlite3.Xsqlite3_preupdate_new)
}

func (p *PreUpdate) value(
	what string, i int, not hooks.Op, get func(*libc.TLS, uintptr, int32, uintptr) int32,
) (Value, error) {
	switch {
	case p.c == nil:
		return Value{}, newError(what, "", Misuse, "the hook is not running")
	case p.Op == not:
		return Value{}, newError(what, "", Misuse, "there is none for "+p.Op.String())
	case i < 0 || i >= p.Count():
		return Value{}, newError(what, "", Range, "no such column")
	}
	out := &p.c.hooks.preUpdate.out
	*out = 0
	if rc := get(p.c.tls, p.c.db, int32(i), uintptr(unsafe.Pointer(out))); rc != sqlite3.SQLITE_OK {
		return Value{}, newError(what, "", ResultCode(rc), libc.GoString(sqlite3.Xsqlite3_errstr(p.c.tls, rc)))
	}
	return Value{tls: p.c.tls, ptr: *out}, nil
}
