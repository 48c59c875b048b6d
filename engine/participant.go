package engine

import (
	"slices"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// participant is a virtual table, as far as SQLite looks at those that take part in a transaction: it is told about
// the end of the transaction, and about savepoints, those that SQLite opens for itself to undo a failed statement
// included. No SQL can reach it. It lives in SQLite's memory.
//
// https://sqlite.org/vtab.html#the_xsavepoint_xrelease_and_xrollbackto_methods
type participant struct {
	methods sqlite3.Tsqlite3_module
	module  sqlite3.TModule
	vtab    sqlite3.Tsqlite3_vtab
	conn    uintptr // the connection's number; SQLite hands the vtab on, which is before it
	table   sqlite3.TVTable
}

var (
	participantBegin      = cFunc(onFeedBegin)
	participantCommit     = cFunc(onFeedCommit)
	participantRollback   = cFunc(onFeedRollback)
	participantSavepoint  = cFunc(onFeedSavepoint)
	participantRelease    = cFunc(onFeedRelease)
	participantRollbackTo = cFunc(onFeedRollbackTo)
)

func (c *Conn) newParticipant() (*participant, error) {
	address := sqlite3.Xsqlite3_malloc64(c.tls, sqlite3.Tsqlite3_uint64(unsafe.Sizeof(participant{})))
	if address == 0 {
		return nil, c.lastError("set feed", "", sqlite3.SQLITE_NOMEM)
	}
	p := (*participant)(pointer(address))
	*p = participant{conn: c.busy.handle}
	p.methods.FiVersion = 2 // from which on there are savepoints
	p.methods.FxBegin = participantBegin
	p.methods.FxCommit = participantCommit
	p.methods.FxRollback = participantRollback
	p.methods.FxSavepoint = participantSavepoint
	p.methods.FxRelease = participantRelease
	p.methods.FxRollbackTo = participantRollbackTo
	p.module.FpModule = addressOf(&p.methods)
	p.vtab.FpModule = addressOf(&p.methods)
	p.table.Fdb = c.db
	p.table.FpMod = addressOf(&p.module)
	p.table.FpVtab = addressOf(&p.vtab)
	p.table.FnRef = 1 // ours: SQLite never frees it
	return p, nil
}

func (c *Conn) freeParticipant(p *participant) { sqlite3.Xsqlite3_free(c.tls, addressOf(p)) }

// addressOf is the way back from pointer, for SQLite's memory.
func addressOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// join makes the writer take part in the open transaction, as SQLite's sqlite3VtabBegin does for a virtual table that
// is written to. Savepoints that are open already begin, for the log, where it begins.
//
// While SQLite prepares virtual tables for a commit none can join. Changes that are made then are noted all the same:
// if one of those fails, so does the commit.
func (w *feedWriter) join() error {
	db := w.c.handle()
	if w.joined() || db.FnVTrans > 0 && db.FaVTrans == 0 {
		return nil
	}
	if !w.c.growVTrans(db) {
		return newError("feed", "", NoMem, "out of memory")
	}
	vtrans(db)[db.FnVTrans] = addressOf(&w.part.table)
	db.FnVTrans++
	w.part.table.FnRef++
	w.part.table.FiSavepoint = db.FnStatement + db.FnSavepoint
	w.marks = slices.Grow(w.marks[:0], int(w.part.table.FiSavepoint))[:w.part.table.FiSavepoint]
	clear(w.marks)
	return nil
}

func (w *feedWriter) joined() bool { return w.part.table.FnRef > 1 }

// vtransStep is how many entries SQLite lengthens its list of virtual tables by. It does so when their number is a
// multiple of it.
const vtransStep = 5

// vtrans is SQLite's list of the virtual tables in the open transaction, up to the end of its memory.
func vtrans(db *sqlite3.Tsqlite3) []uintptr {
	n := (int(db.FnVTrans)/vtransStep + 1) * vtransStep
	return unsafe.Slice((*uintptr)(pointer(db.FaVTrans)), n)
}

// growVTrans makes room in the list for one more.
func (c *Conn) growVTrans(db *sqlite3.Tsqlite3) bool {
	n := int(db.FnVTrans)
	if n%vtransStep != 0 {
		return true
	}
	size := sqlite3.Tsqlite3_uint64(uintptr(n+vtransStep) * unsafe.Sizeof(uintptr(0)))
	list := sqlite3.Xsqlite3_malloc64(c.tls, size)
	if list == 0 {
		return false
	}
	grown := unsafe.Slice((*uintptr)(pointer(list)), n+vtransStep)
	clear(grown)
	if n > 0 {
		copy(grown, unsafe.Slice((*uintptr)(pointer(db.FaVTrans)), n))
		c.freeLookaside(&db.Flookaside, db.FaVTrans)
	}
	db.FaVTrans = list
	return true
}

// freeLookaside frees memory that SQLite has taken for a connection. Such memory may be a slot of a list that the
// connection keeps for small pieces, and goes back there then.
func (c *Conn) freeLookaside(l *sqlite3.TLookaside, p uintptr) {
	slot := (*sqlite3.TLookasideSlot)(pointer(p))
	switch {
	case p >= l.FpMiddle && p < l.FpEnd:
		slot.FpNext, l.FpSmallFree = l.FpSmallFree, p
	case p >= l.FpStart && p < l.FpEnd:
		slot.FpNext, l.FpFree = l.FpFree, p
	default:
		sqlite3.Xsqlite3_free(c.tls, p)
	}
}

// feedOf finds the writer whose virtual table SQLite calls.
func feedOf(vtab uintptr) *feedWriter {
	number := (*uintptr)(pointer(vtab + unsafe.Offsetof(participant{}.conn) - unsafe.Offsetof(participant{}.vtab)))
	if c := conns.get(*number); c != nil && c.hooks.feed != nil {
		return c.hooks.feed
	}
	return nil
}

// tellFeed calls a method of the writer of a virtual table.
func tellFeed(vtab uintptr, tell func(*feedWriter)) int32 {
	if w := feedOf(vtab); w != nil {
		tell(w)
	}
	return sqlite3.SQLITE_OK
}

func onFeedBegin(*libc.TLS, uintptr) int32 { return sqlite3.SQLITE_OK }

func onFeedCommit(_ *libc.TLS, vtab uintptr) int32 { return tellFeed(vtab, (*feedWriter).committed) }

func onFeedRollback(_ *libc.TLS, vtab uintptr) int32 { return tellFeed(vtab, (*feedWriter).rolledBack) }

func onFeedSavepoint(_ *libc.TLS, vtab uintptr, level int32) int32 {
	return tellFeed(vtab, func(w *feedWriter) { w.savepointOpened(int(level)) })
}

func onFeedRelease(_ *libc.TLS, vtab uintptr, level int32) int32 {
	return tellFeed(vtab, func(w *feedWriter) { w.savepointReleased(int(level)) })
}

func onFeedRollbackTo(_ *libc.TLS, vtab uintptr, level int32) int32 {
	return tellFeed(vtab, func(w *feedWriter) { w.savepointRolledBack(int(level)) })
}
