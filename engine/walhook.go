package engine

import (
	"math"

	"github.com/floedb/floe/hooks"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// walHook shares SQLite's one slot between a hook and the automatic checkpoint, which is a WAL hook of SQLite's own.
type walHook struct {
	call      func() error // nil if there is none; SQLite's own hook is in its slot then
	committed hooks.WALCommit
	pages     int32 // the size of the log, in pages, that makes for a checkpoint; 0 for never
}

var walCallback = cFunc(onWAL)

// SetWALHook sets the function that is called after a transaction was committed to a write-ahead log, at the end of
// the [Stmt.Step] that did it. An error of the function, or a panic, is the error of that Step; the transaction is
// committed all the same. It takes the place of an earlier one; nil removes it. Inside a callback it is
// [ErrConcurrentUse].
//
// The automatic checkpoint goes on, behind the function; see [Conn.SetAutoCheckpoint].
//
// https://sqlite.org/c3ref/wal_hook.html
func (c *Conn) SetWALHook(told func(hooks.WALCommit) error) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	w := &c.hooks.wal
	pages := c.autoCheckpoint()
	if told == nil {
		w.call = nil
		sqlite3.Xsqlite3_wal_autocheckpoint(c.tls, c.db, pages)
		return nil
	}
	w.call = func() error { return told(w.committed) }
	w.pages = pages
	c.installWALHook()
	return nil
}

// SetAutoCheckpoint sets after how many pages in the write-ahead log a commit runs a checkpoint; 0 or less is never.
// A new connection has 1000. "PRAGMA wal_autocheckpoint" sets and shows the same number, except that it shows 0 while
// there is a WAL hook. Inside a callback it is [ErrConcurrentUse].
//
// https://sqlite.org/c3ref/wal_autocheckpoint.html
func (c *Conn) SetAutoCheckpoint(pages int) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	n := int32(max(min(pages, math.MaxInt32), 0))
	if c.hooks.wal.call != nil {
		c.hooks.wal.pages = n
		return nil
	}
	sqlite3.Xsqlite3_wal_autocheckpoint(c.tls, c.db, n)
	return nil
}

func (c *Conn) installWALHook() { sqlite3.Xsqlite3_wal_hook(c.tls, c.db, walCallback, c.busy.handle) }

// autoCheckpoint returns the number of pages that is set.
func (c *Conn) autoCheckpoint() int32 {
	db := c.handle()
	switch db.FxWalCallback {
	case walCallback:
		return c.hooks.wal.pages
	case 0:
		return 0
	}
	return int32(db.FpWalArg) // SQLite's own hook has its number there
}

// adoptAutoCheckpoint is called after SQL was compiled: PRAGMA wal_autocheckpoint takes effect then, and puts SQLite's
// own hook in the place of ours.
func (c *Conn) adoptAutoCheckpoint() {
	if c.hooks.wal.call != nil && c.handle().FxWalCallback != walCallback {
		c.hooks.wal.pages = c.autoCheckpoint()
		c.installWALHook()
	}
}

func onWAL(tls *libc.TLS, handle, db, database uintptr, pages int32) int32 {
	c := conns.get(handle)
	if c == nil {
		return sqlite3.SQLITE_OK
	}
	c.txs.committed = true
	w := &c.hooks.wal
	w.committed = hooks.WALCommit{Database: c.hooks.database.at(database), Pages: int(pages)}
	if !c.callGo(w.call) {
		return sqlite3.SQLITE_ABORT
	}
	if w.pages > 0 && pages >= w.pages {
		// What keeps a checkpoint from being done, such as a reader, is no error of the commit.
		sqlite3.Xsqlite3_wal_checkpoint(tls, db, database)
	}
	return sqlite3.SQLITE_OK
}
