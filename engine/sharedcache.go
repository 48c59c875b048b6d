package engine

import (
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Connections that share a cache lock tables in it, and SQLite does not call the busy handler for these locks: it returns
// LOCKED_SHAREDCACHE at once. What is here waits for them as for those of a file.
//
// https://sqlite.org/unlock_notify.html

// awaitShared calls again for as long as rc says that a lock in a shared cache is taken and there is time to wait.
func (c *Conn) awaitShared(rc int32, again func() int32) int32 {
	for count := 0; rc == sqlite3.SQLITE_LOCKED_SHAREDCACHE && c.failure == nil && c.waitShared(count); count++ {
		rc = again()
	}
	return rc
}

// waitShared waits before retry number count, until the connection that is in the way ends its transaction or the pause
// of the busy handler is over, and reports whether to try again. Where that connection waits for this one there is no
// use in it.
func (c *Conn) waitShared(count int) bool {
	w := &c.busy
	if w.unlocked == nil {
		w.unlocked = make(chan struct{}, 1)
	}
	if count == 0 {
		w.noteWait()
	}
	if w.call == nil && w.left() <= 0 || w.ended() {
		return false // with the error as SQLite has told it
	}
	if sqlite3.Xsqlite3_unlock_notify(c.tls, c.db, unlockNotify, w.handle) != sqlite3.SQLITE_OK {
		return false
	}
	w.shared = true
	again := c.waitBusy(count)
	w.shared = false
	sqlite3.Xsqlite3_unlock_notify(c.tls, c.db, 0, 0)
	select {
	case <-w.unlocked:
	default:
	}
	// SQLite forgets an interrupt that comes between two statements, as this is one to it.
	return again && !c.noteInterrupt()
}

var unlockNotify = cFunc(onUnlock)

// onUnlock is called by SQLite when a connection has ended its transaction, by whoever did that, with the numbers of the
// connections that wait for it. It must not use SQLite.
func onUnlock(_ *libc.TLS, handles uintptr, n int32) {
	for _, handle := range unsafe.Slice((*uintptr)(pointer(handles)), n) {
		if c := conns.get(handle); c != nil {
			select {
			case c.busy.unlocked <- struct{}{}:
			default:
			}
		}
	}
}
