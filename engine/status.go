package engine

import (
	"strings"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// StatusCounter names something that SQLite counts about a connection.
//
// https://sqlite.org/c3ref/c_dbstatus_options.html
type StatusCounter int32

// The counters. Those in bytes are what the connection takes right now; the others count since it was opened, or since
// they were reset.
const (
	StatusLookasideUsed     StatusCounter = sqlite3.SQLITE_DBSTATUS_LOOKASIDE_USED      // slots of small memory in use
	StatusCacheUsed         StatusCounter = sqlite3.SQLITE_DBSTATUS_CACHE_USED          // bytes of the page caches
	StatusSchemaUsed        StatusCounter = sqlite3.SQLITE_DBSTATUS_SCHEMA_USED         // bytes of the schemas
	StatusStmtUsed          StatusCounter = sqlite3.SQLITE_DBSTATUS_STMT_USED           // bytes of prepared statements
	StatusLookasideHit      StatusCounter = sqlite3.SQLITE_DBSTATUS_LOOKASIDE_HIT       // the high-water mark: small memory that a slot gave
	StatusLookasideMissSize StatusCounter = sqlite3.SQLITE_DBSTATUS_LOOKASIDE_MISS_SIZE // the same: too large for a slot
	StatusLookasideMissFull StatusCounter = sqlite3.SQLITE_DBSTATUS_LOOKASIDE_MISS_FULL // the same: no slot was free
	StatusCacheHit          StatusCounter = sqlite3.SQLITE_DBSTATUS_CACHE_HIT           // pages found in the cache
	StatusCacheMiss         StatusCounter = sqlite3.SQLITE_DBSTATUS_CACHE_MISS          // pages read from the file
	StatusCacheWrite        StatusCounter = sqlite3.SQLITE_DBSTATUS_CACHE_WRITE         // pages written
	StatusDeferredFKs       StatusCounter = sqlite3.SQLITE_DBSTATUS_DEFERRED_FKS        // 0 if no foreign key is violated
	StatusCacheUsedShared   StatusCounter = sqlite3.SQLITE_DBSTATUS_CACHE_USED_SHARED   // bytes, a shared cache counted in part
	StatusCacheSpill        StatusCounter = sqlite3.SQLITE_DBSTATUS_CACHE_SPILL         // pages written early for want of cache
	StatusTempBufSpill      StatusCounter = sqlite3.SQLITE_DBSTATUS_TEMPBUF_SPILL       // bytes of sorting and the like that went to disk
)

// Status returns a counter of the connection and its high-water mark, which not all of them have. With reset it begins
// anew, as far as it can.
//
// https://sqlite.org/c3ref/db_status.html
func (c *Conn) Status(counter StatusCounter, reset bool) (current, highest int64, err error) {
	if err := c.enter(); err != nil {
		return 0, 0, err
	}
	defer c.leave()
	var resets int32
	if reset {
		resets = 1
	}
	now, high := c.slot(0), c.slot(1)
	if rc := sqlite3.Xsqlite3_db_status64(c.tls, c.db, int32(counter), now, high, resets); rc != sqlite3.SQLITE_OK {
		return 0, 0, newError("status", "", Misuse, "no such counter")
	}
	return *(*int64)(pointer(now)), *(*int64)(pointer(high)), nil
}

// ReleaseMemory frees as much memory of the connection as it can do without, its page caches above all. Statements
// in the cache of the connection stay: see [Conn.SetCacheSize].
//
// https://sqlite.org/c3ref/db_release_memory.html
func (c *Conn) ReleaseMemory() error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	sqlite3.Xsqlite3_db_release_memory(c.tls, c.db)
	return nil
}

// FlushCache writes the changed pages of the transaction to the files, without a commit. The error is [Busy] if a lock
// that it takes is held by others.
//
// https://sqlite.org/c3ref/db_cacheflush.html
func (c *Conn) FlushCache() error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	c.renewBusyWait()
	if rc := sqlite3.Xsqlite3_db_cacheflush(c.tls, c.db); rc != sqlite3.SQLITE_OK || c.failure != nil {
		return c.endedError("flush cache", "", rc, c.busy.takeInterrupted())
	}
	return nil
}

// SetLastInsertRowID sets what [Conn.LastInsertRowID] and last_insert_rowid() return, until the next INSERT.
//
// https://sqlite.org/c3ref/set_last_insert_rowid.html
func (c *Conn) SetLastInsertRowID(rowid int64) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	sqlite3.Xsqlite3_set_last_insert_rowid(c.tls, c.db, rowid)
	return nil
}

// SQLiteVersion returns the version of SQLite, such as "3.51.0".
//
// https://sqlite.org/c3ref/libversion.html
func SQLiteVersion() string { return global(sqlite3.Xsqlite3_libversion) }

// SQLiteSourceID returns the check-in of SQLite's source: its date, and its hash.
//
// https://sqlite.org/c3ref/libversion.html
func SQLiteSourceID() string { return global(sqlite3.Xsqlite3_sourceid) }

func global(f func(*libc.TLS) uintptr) string {
	tls := libc.NewTLS()
	defer tls.Close()
	return libc.GoString(f(tls))
}

// CompileOptions returns the options that SQLite was compiled with, without their prefix "SQLITE_".
//
// https://sqlite.org/c3ref/compileoption_get.html
func CompileOptions() []string {
	tls := libc.NewTLS()
	defer tls.Close()
	var options []string
	for i := int32(0); ; i++ {
		p := sqlite3.Xsqlite3_compileoption_get(tls, i)
		if p == 0 {
			return options
		}
		options = append(options, libc.GoString(p))
	}
}

// CompleteSQL reports whether sql ends with the semicolon of a statement, and not in the middle of a string, a comment
// or a trigger: a shell asks for another line until it does. Whether the statement can be compiled is not looked at.
//
// https://sqlite.org/c3ref/complete.html
func CompleteSQL(sql string) bool {
	if initialize() != nil || strings.IndexByte(sql, 0) >= 0 {
		return false
	}
	tls := libc.NewTLS()
	defer tls.Close()
	p := sqlite3.Xsqlite3_malloc64(tls, sqlite3.Tsqlite3_uint64(len(sql)+1))
	if p == 0 {
		return false
	}
	defer sqlite3.Xsqlite3_free(tls, p)
	b := bytesAt(p, len(sql)+1)
	b[copy(b, sql)] = 0
	return sqlite3.Xsqlite3_complete(tls, p) == 1
}
