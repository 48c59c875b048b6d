package engine

import (
	"strings"
	"sync/atomic"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/floedb/floe/stmtcache"
)

// Conn is a connection to a database. It belongs to one goroutine at a time; see the package's documentation.
// The zero value is a closed connection.
//
// https://sqlite.org/c3ref/sqlite3.html
type Conn struct {
	state   atomic.Uint32 // the guard: who may enter
	tls     *libc.TLS
	db      uintptr // sqlite3*
	scratch uintptr
	text    textBuffer
	stmts   *Stmt // all open statements, those in the cache too
	cache   *stmtcache.Cache[*Stmt]
	owned   map[owned]struct{}
	tx      *Tx // the one that Begin began, until it ends
	txs     txWatch

	failure error  // why a callback of the running statement failed
	raised  raised // the last error of a function of SQL, which SQLite knows of

	collations collations
	extensions extensions
	hooks      hookSet
	attach     attachRule
	blobWrite  blobWrite // what is being written through an open blob

	busy       busyWait
	interrupts interrupts

	// A blob that a bind call is handed goes through this field for the time of the call. That moves it to the
	// heap: SQLite reads it through an address that a growing goroutine stack would leave behind.
	boundBlob []byte
}

// The states of the guard. Zero is closed, so that a Conn nobody opened refuses everything.
const (
	stateClosed = iota
	stateFree
	stateEntered
	stateLent // to a backup that writes into it
)

// enter claims the connection for one call. Every exported method but Interrupt goes through it.
func (c *Conn) enter() error {
	if c.state.CompareAndSwap(stateFree, stateEntered) {
		return nil
	}
	return c.refused()
}

func (c *Conn) refused() error {
	switch c.state.Load() {
	case stateClosed:
		return ErrClosed
	case stateLent:
		return ErrBackupTarget
	}
	return ErrConcurrentUse
}

// leave opens the connection for the next call, unless it was lost during this one.
func (c *Conn) leave() { c.state.CompareAndSwap(stateEntered, stateFree) }

// lose gives the connection up, as closed: a callback ended its goroutine in the middle of SQLite, which cannot be
// entered again, not even to close it. Its memory and file locks stay.
func (c *Conn) lose() {
	c.state.Store(stateClosed)
	c.interrupts.detach()
	c.removeBusyHandler()
	c.removeCollationNeeded()
	if c.hooks.feed != nil {
		c.hooks.feed.giveUpPlace() // others wait behind it
	}
}

// Close finalises the statements that are still open, rolls back a transaction that is still open, and closes
// the connection. Closing a closed connection does nothing and returns nil. An error of a hook that was called, such
// as the rollback hook, is returned when the connection has been closed.
//
// https://sqlite.org/c3ref/close.html
func (c *Conn) Close() error {
	if err := c.enter(); err != nil {
		if err == ErrClosed {
			return nil
		}
		return err
	}
	for c.stmts != nil {
		c.stmts.finalize()
	}
	c.discardOwned()
	c.interrupts.detach()
	if rc := sqlite3.Xsqlite3_close(c.tls, c.db); rc != sqlite3.SQLITE_OK {
		err := c.lastError("close", "", rc)
		c.interrupts.attach(c.db)
		c.leave()
		return err
	}
	c.db = 0
	c.release()
	c.state.Store(stateClosed)
	if failure := c.takeFailure(); failure != nil {
		return c.failedError("close", "", sqlite3.SQLITE_OK, failure)
	}
	return nil
}

// release frees what a connection holds beside its statements. A connection that was not opened to the end has
// only a part of it.
func (c *Conn) release() {
	if c.db != 0 {
		c.interrupts.detach()
		sqlite3.Xsqlite3_close_v2(c.tls, c.db)
		c.db = 0
	}
	c.removeBusyHandler()
	c.removeCollationNeeded()
	c.removeFeed()
	c.freeText()
	sqlite3.Xsqlite3_free(c.tls, c.scratch)
	c.scratch = 0
	c.tls.Close()
	c.tls = nil
}

// Changes returns the number of rows that the last completed INSERT, UPDATE or DELETE changed.
//
// https://sqlite.org/c3ref/changes.html
func (c *Conn) Changes() int64 {
	if c.enter() != nil {
		return 0
	}
	defer c.leave()
	return sqlite3.Xsqlite3_changes64(c.tls, c.db)
}

// TotalChanges returns the number of rows changed since the connection was opened, triggers included.
//
// https://sqlite.org/c3ref/total_changes.html
func (c *Conn) TotalChanges() int64 {
	if c.enter() != nil {
		return 0
	}
	defer c.leave()
	return sqlite3.Xsqlite3_total_changes64(c.tls, c.db)
}

// LastInsertRowID returns the rowid of the last successful INSERT into a rowid table, or 0 if there was none.
//
// https://sqlite.org/c3ref/last_insert_rowid.html
func (c *Conn) LastInsertRowID() int64 {
	if c.enter() != nil {
		return 0
	}
	defer c.leave()
	return sqlite3.Xsqlite3_last_insert_rowid(c.tls, c.db)
}

// Counters returns [Conn.LastInsertRowID], [Conn.Changes] and [Conn.TotalChanges] in one call.
func (c *Conn) Counters() (lastInsertRowID, changes, totalChanges int64) {
	if c.enter() != nil {
		return 0, 0, 0
	}
	db := c.handle()
	lastInsertRowID, changes, totalChanges = db.FlastRowid, db.FnChange, db.FnTotalChange
	c.leave()
	return lastInsertRowID, changes, totalChanges
}

// AutoCommit reports whether the connection is outside of an explicit transaction.
//
// https://sqlite.org/c3ref/get_autocommit.html
func (c *Conn) AutoCommit() bool {
	if c.enter() != nil {
		return false
	}
	defer c.leave()
	return sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) != 0
}

// ReadOnly reports whether the database named schema ("main", "temp" or the name it was attached under; "" is
// "main") cannot be written. A name that the connection does not have is an [*Error] with [NotFound].
//
// https://sqlite.org/c3ref/db_readonly.html
func (c *Conn) ReadOnly(schema string) (bool, error) {
	if err := c.enter(); err != nil {
		return false, err
	}
	defer c.leave()
	name, err := c.schemaName(schema)
	if err != nil {
		return false, err
	}
	switch sqlite3.Xsqlite3_db_readonly(c.tls, c.db, name) {
	case 0:
		return false, nil
	case 1:
		return true, nil
	}
	return false, newError("read-only "+schema, "", NotFound, "no such database")
}

// Filename returns the absolute path of the database named schema ("" is "main"). It is "" for a database that
// is in memory or temporary, and for one that the connection does not have.
//
// https://sqlite.org/c3ref/db_filename.html
func (c *Conn) Filename(schema string) string {
	if c.enter() != nil {
		return ""
	}
	defer c.leave()
	name, err := c.schemaName(schema)
	if err != nil {
		return ""
	}
	return libc.GoString(sqlite3.Xsqlite3_db_filename(c.tls, c.db, name))
}

// schemaName gives the name of a database to SQLite. 0 stands for "main" there, as "" does here.
func (c *Conn) schemaName(schema string) (uintptr, error) {
	if schema == "" {
		return 0, nil
	}
	if strings.IndexByte(schema, 0) >= 0 {
		return 0, newError("look up database", "", NotFound, "the name has a NUL byte inside")
	}
	p := c.cString(schema)
	if p == 0 {
		return 0, c.lastError("look up database", "", sqlite3.SQLITE_NOMEM)
	}
	return p, nil
}
