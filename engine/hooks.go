package engine

import (
	"math"
	"unsafe"

	"github.com/floedb/floe/hooks"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// hookSet is what a connection tells about its work, and to whom.
//
// A callback with arguments is kept as a function without any that reads them from a field: that costs no memory for
// each event, and lets callGo run them all.
type hookSet struct {
	commit   func() error
	rollback func() error
	progress func() error

	update  func() error
	updated hooks.RowUpdate

	preUpdate preUpdateHook
	trace     traceHook
	wal       walHook
	authorize authorizerHook
	feed      *feedWriter // nil if the connection is attached to no feed

	database, table lastName
}

// lastName makes a Go string of a C string, and keeps it for the next time: hooks are given the same few names for
// each row.
type lastName struct {
	p    uintptr
	text string
}

// at returns the string at p. The address alone does not tell that it is the one of the last time, as the memory may
// have been used again.
func (l *lastName) at(p uintptr) string {
	if p != l.p || !equalsCString(p, l.text) {
		l.p, l.text = p, libc.GoString(p)
	}
	return l.text
}

// equalsCString reports whether the C string at p is text. No byte behind the end of the C string is read.
func equalsCString(p uintptr, text string) bool {
	if p == 0 {
		return text == ""
	}
	b := pointer(p)
	for i := range len(text) {
		if *(*byte)(unsafe.Add(b, i)) != text[i] {
			return false
		}
	}
	return *(*byte)(unsafe.Add(b, len(text))) == 0
}

var (
	updateCallback   = cFunc(onUpdate)
	commitCallback   = cFunc(onCommit)
	rollbackCallback = cFunc(onRollback)
	progressCallback = cFunc(onProgress)
)

// SetUpdateHook sets the function that is told about each row of a rowid table that is inserted, updated or deleted,
// after it was. It takes the place of an earlier one; nil removes it. Inside a callback it is [ErrConcurrentUse].
//
// Not told are changes in tables without rowids, rows that REPLACE deletes unless recursive_triggers is on, rows that
// a DELETE without a WHERE removes, changes of SQLite's own tables, and that rows were taken back by a rollback;
// [Conn.SetPreUpdateHook] and [Conn.SetFeed] know more.
//
// An error of the function, or a panic, is the cause of the error of the statement, and the function is not called
// for the rest of it. The statement runs to its end. Outside of an explicit transaction it is not committed then: it
// is rolled back, and its error is [ConstraintCommitHook]. Within a transaction its error is [Abort], its changes
// are part of the transaction, and whoever gets the error has to roll back.
//
// https://sqlite.org/c3ref/update_hook.html
func (c *Conn) SetUpdateHook(told func(hooks.RowUpdate) error) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	h := &c.hooks
	h.update = nil
	if told != nil {
		h.update = func() error { return told(h.updated) }
	}
	c.installHooks()
	return nil
}

func onUpdate(_ *libc.TLS, handle uintptr, op int32, database, table uintptr, rowid sqlite3.Tsqlite_int64) {
	c := conns.get(handle)
	if c == nil || c.failure != nil {
		return
	}
	h := &c.hooks
	h.updated = hooks.RowUpdate{
		Op:       hooks.Op(op),
		Database: h.database.at(database),
		Table:    h.table.at(table),
		RowID:    int64(rowid),
	}
	c.callGo(h.update)
}

// SetCommitHook sets the function that is called when a transaction that has changed something is about to be
// committed. If it returns an error the transaction is rolled back instead, and the error of the statement is
// [ConstraintCommitHook] with the function's error as its cause. The commit can still fail after the hook has agreed;
// the rollback hook tells. It takes the place of an earlier one; nil removes it. Inside a callback it is
// [ErrConcurrentUse].
//
// https://sqlite.org/c3ref/commit_hook.html
func (c *Conn) SetCommitHook(agree func() error) error { return c.setHook(&c.hooks.commit, agree) }

// SetRollbackHook sets the function that is called when a transaction was rolled back, for whatever reason: ROLLBACK,
// an error, a commit hook, or [Conn.Close]. ROLLBACK TO a savepoint is none. It takes the place of an earlier one;
// nil removes it. Inside a callback it is [ErrConcurrentUse].
//
// An error of the function, or a panic, is the cause of the error of the call that rolled back, and changes nothing
// else: the rollback has been done.
//
// https://sqlite.org/c3ref/commit_hook.html
func (c *Conn) SetRollbackHook(told func() error) error { return c.setHook(&c.hooks.rollback, told) }

func (c *Conn) setHook(slot *func() error, hook func() error) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	*slot = hook
	c.installHooks()
	return nil
}

// installHooks tells SQLite which hooks there are. The commit hook is there with every other one, as it keeps what
// these refuse from being committed.
func (c *Conn) installHooks() {
	h, number := &c.hooks, c.busy.handle
	for _, hook := range []struct {
		used     bool
		install  func(tls *libc.TLS, db, callback, arg uintptr) uintptr
		callback uintptr
	}{
		{h.update != nil, sqlite3.Xsqlite3_update_hook, updateCallback},
		{h.rollback != nil, sqlite3.Xsqlite3_rollback_hook, rollbackCallback},
		{h.refuses(), sqlite3.Xsqlite3_commit_hook, commitCallback},
	} {
		if hook.used {
			hook.install(c.tls, c.db, hook.callback, number)
		} else {
			hook.install(c.tls, c.db, 0, 0)
		}
	}
}

// refuses reports whether there is anything that may refuse a commit.
func (h *hookSet) refuses() bool {
	return h.commit != nil || h.update != nil || h.preUpdate.call != nil || h.trace.call != nil || h.feed != nil
}

// onCommit refuses a commit, which SQLite turns into a rollback, with a result other than 0.
func onCommit(_ *libc.TLS, handle uintptr) int32 {
	c := conns.get(handle)
	if c == nil {
		return 0
	}
	if c.failure != nil || c.hooks.commit != nil && !c.callGo(c.hooks.commit) || !c.reserveFeed() {
		return 1
	}
	return 0
}

func onRollback(_ *libc.TLS, handle uintptr) {
	if c := conns.get(handle); c != nil && c.hooks.rollback != nil {
		c.callGo(c.hooks.rollback)
	}
}

// SetProgressHandler sets the function that is called about every n instructions of SQLite's virtual machine while a
// statement is compiled or run. If it returns an error, or panics, the statement ends with [Interrupt] and that
// error as its cause; one that writes rolls the whole transaction back, as any interrupt does. It takes the place of
// an earlier one; nil, or n below 1, removes it. Inside a callback it is [ErrConcurrentUse].
//
// To end a statement with a context needs no progress handler.
//
// https://sqlite.org/c3ref/progress_handler.html
func (c *Conn) SetProgressHandler(n int, goOn func() error) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	if n < 1 {
		goOn = nil
	}
	c.hooks.progress = goOn
	if goOn == nil {
		sqlite3.Xsqlite3_progress_handler(c.tls, c.db, 0, 0, 0)
		return nil
	}
	sqlite3.Xsqlite3_progress_handler(c.tls, c.db, int32(min(n, math.MaxInt32)), progressCallback, c.busy.handle)
	return nil
}

// onProgress ends the statement with a result other than 0.
func onProgress(_ *libc.TLS, handle uintptr) int32 {
	c := conns.get(handle)
	if c == nil || c.hooks.progress == nil {
		return 0
	}
	if c.failure != nil || !c.callGo(c.hooks.progress) {
		return 1
	}
	return 0
}
