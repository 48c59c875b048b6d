package engine

import (
	"strconv"
	"strings"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Compare orders two texts: less than 0 if a comes before b, more than 0 if b comes before a, 0 if they are the same.
// It has to be a total order, and the same at all times, as indexes are built on it: a database whose collation has
// changed needs a REINDEX. The slices are SQLite's own memory, lent for the call, and must not be changed. Text need
// not be valid UTF-8, and may have NUL bytes inside.
//
// If it panics, the running statement fails with [Abort] and the [*PanicError] as its cause. The statement may have
// written in a wrong place by then, so that SQLite undoes it, and most often the transaction around it too; see
// [Conn.AutoCommit].
//
// https://sqlite.org/c3ref/create_collation.html
type Compare = func(a, b []byte) int

// collation is a collating sequence of one connection.
type collation struct {
	c       *Conn
	compare Compare
	halt    halt
}

// collationTable finds the collation of a comparison.
var collationTable handles[collation]

// collations is what a connection knows of collations.
type collations struct {
	needed func(name string) Compare
	handle uintptr // how the callback for it finds the connection
}

var (
	collationCompare = cFunc(onCompare)
	collationDestroy = cFunc(onCollationDestroy)
	collationNeeded  = cFunc(onCollationNeeded)
)

// CreateCollation makes compare available to SQL on this connection as a collating sequence, under a name that is
// compared without regard to case. It replaces one of the same name, unless a statement is being executed: that is an
// error with [Busy]. A nil compare removes it; what needs it then fails with [Generic], "no such collation sequence".
//
// https://sqlite.org/c3ref/create_collation.html
func (c *Conn) CreateCollation(name string, compare Compare) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	op := "create collation " + strconv.Quote(name)
	if name == "" {
		return newError(op, "", Misuse, "the name is empty")
	}
	if strings.IndexByte(name, 0) >= 0 {
		return newError(op, "", Misuse, "the name has a NUL byte inside")
	}
	p := c.cString(name)
	if p == 0 {
		return c.lastError(op, "", sqlite3.SQLITE_NOMEM)
	}
	if rc := c.installCollation(p, compare); rc != sqlite3.SQLITE_OK {
		return c.lastError(op, "", rc)
	}
	return nil
}

func (c *Conn) installCollation(name uintptr, compare Compare) int32 {
	if compare == nil {
		return sqlite3.Xsqlite3_create_collation_v2(c.tls, c.db, name, sqlite3.SQLITE_UTF8, 0, 0, 0)
	}
	handle := collationTable.add(&collation{c: c, compare: compare})
	rc := sqlite3.Xsqlite3_create_collation_v2(c.tls, c.db, name, sqlite3.SQLITE_UTF8, handle,
		collationCompare, collationDestroy)
	if rc != sqlite3.SQLITE_OK {
		// Unlike with functions, SQLite does not free what it refuses.
		collationTable.remove(handle)
	}
	return rc
}

// SetCollationNeeded sets what is asked for a collation that a statement uses and the connection does not have. The
// comparison that needed returns is created under that name; nil leaves it unknown, and the statement fails. needed
// runs while a statement is compiled, so that it cannot use the connection itself. A nil needed asks nobody.
//
// https://sqlite.org/c3ref/collation_needed.html
func (c *Conn) SetCollationNeeded(needed func(name string) Compare) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	callback := collationNeeded
	if needed == nil {
		callback = 0
	} else if c.collations.handle == 0 {
		c.collations.handle = conns.add(c)
	}
	rc := sqlite3.Xsqlite3_collation_needed(c.tls, c.db, c.collations.handle, callback)
	if rc != sqlite3.SQLITE_OK {
		return c.lastError("set collation needed", "", rc)
	}
	c.collations.needed = needed
	if needed == nil {
		c.removeCollationNeeded()
	}
	return nil
}

func (c *Conn) removeCollationNeeded() {
	if c.collations.handle != 0 {
		conns.remove(c.collations.handle)
		c.collations.handle = 0
	}
}

func onCollationNeeded(_ *libc.TLS, handle, _ uintptr, _ int32, name uintptr) {
	c := conns.get(handle)
	if c == nil {
		return
	}
	var compare Compare
	c.callGo(func() error {
		compare = c.collations.needed(libc.GoString(name))
		return nil
	})
	if compare != nil {
		c.installCollation(name, compare)
	}
}

func onCollationDestroy(_ *libc.TLS, handle uintptr) { collationTable.remove(handle) }

func onCompare(_ *libc.TLS, handle uintptr, n1 int32, p1 uintptr, n2 int32, p2 uintptr) int32 {
	k := collationTable.get(handle)
	if k == nil || k.c.failure != nil {
		return 0
	}
	return k.order(lentBytes(p1, n1), lentBytes(p2, n2))
}

// order runs the comparison. Like callGo it lets no panic past, at a cost that a sort can bear.
func (k *collation) order(a, b []byte) (order int32) {
	returned := false
	defer func() {
		if !returned {
			k.c.callbackFailed(k.c.ended(recover()))
			k.halt.statement(k.c)
		}
	}()
	n := k.compare(a, b)
	returned = true
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// lentBytes is SQLite's memory as a slice; an empty one may come without an address.
func lentBytes(p uintptr, n int32) []byte {
	if n <= 0 || p == 0 {
		return nil
	}
	return bytesAt(p, int(n))
}

// halt makes SQLite give up the running statement from within a comparison, which cannot fail: what goes on being
// written in an order that is none damages indexes. An interrupt would not do, as it is seen in loops alone. What ends
// every statement is that memory has run out, which SQLite notes in the connection; a call of a function can tell it
// so, and this is one.
type halt struct {
	call   sqlite3.Tsqlite3_context
	result sqlite3.Tsqlite3_value
}

func (h *halt) statement(c *Conn) {
	h.result.Fdb = c.db
	h.call.FpOut = uintptr(unsafe.Pointer(&h.result))
	sqlite3.Xsqlite3_result_error_nomem(c.tls, uintptr(unsafe.Pointer(&h.call)))
}
