package engine

import (
	"cmp"
	"context"
	"errors"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"
)

// ErrHandleClosed is returned by the methods of a [BlobHandle], [Backup], [Session], [Changegroup] or [Rebaser] that was
// closed.
var ErrHandleClosed = errors.New("engine: handle is closed")

// resource is SQLite's side of something that lives inside a connection.
type resource struct {
	c   *Conn
	ptr uintptr // 0 once closed
}

// enter claims the connection for one call on what is open.
func (r *resource) enter() error {
	if r.c == nil {
		return ErrHandleClosed
	}
	if err := r.c.enter(); err != nil {
		return err
	}
	if r.ptr == 0 {
		r.c.leave()
		return ErrHandleClosed
	}
	return nil
}

// enterClose is enter for a Close, which is nothing where there is nothing left to close.
func (r *resource) enterClose() (open bool, err error) {
	switch err := r.enter(); err {
	case nil:
		return true, nil
	case ErrHandleClosed, ErrClosed:
		return false, nil
	default:
		return false, err
	}
}

// under makes a call that may wait for locks and run statements of its own, under a context. The error is that of the
// call, or of a callback that ran in it; values of rc beside zero that are no failure are left to the caller.
func (c *Conn) under(ctx context.Context, op string, call func() int32, fine ...int32) (rc int32, err error) {
	if err := ctxEnded(ctx); err != nil {
		return sqlite3.SQLITE_INTERRUPT, cancelledError(op, "", err)
	}
	rc, cause := c.watched(ctx, call)
	if c.failure == nil {
		if rc == sqlite3.SQLITE_OK {
			return rc, nil
		}
		for _, f := range fine {
			if rc == f {
				return rc, nil
			}
		}
	}
	return rc, c.endedError(op, "", rc, cause)
}

// watched makes a call, and interrupts it when ctx ends.
func (c *Conn) watched(ctx context.Context, call func() int32) (rc int32, cause error) {
	c.renewBusyWait()
	done := doneOf(ctx)
	if done == nil {
		rc = call()
		return rc, c.busy.takeInterrupted()
	}
	w := c.newWatch(ctx, done)
	defer w.end()
	rc = sqlite3.SQLITE_INTERRUPT
	if w.begin() {
		rc = call()
	}
	w.finish()
	return rc, cmp.Or(ctxEnded(ctx), c.busy.takeInterrupted())
}

// renewBusyWait begins a new wait for locks. SQLite does so for statements alone: after a wait that was given up, other
// calls would never wait again.
func (c *Conn) renewBusyWait() { c.handle().FbusyHandler.FnBusy = 0 }

// cStrings copies names into the connection's text buffer, one behind the other. The pointers are valid until the next
// call that uses the buffer.
func (c *Conn) cStrings(op string, names ...string) ([]uintptr, error) {
	for _, name := range names {
		if strings.IndexByte(name, 0) >= 0 {
			return nil, newError(op, "", NotFound, "a name has a NUL byte inside")
		}
	}
	p := c.cString(strings.Join(names, "\x00"))
	if p == 0 {
		return nil, c.lastError(op, "", sqlite3.SQLITE_NOMEM)
	}
	pointers := make([]uintptr, len(names))
	for i, name := range names {
		pointers[i] = p
		p += uintptr(len(name)) + 1
	}
	return pointers, nil
}

// schemaOr returns the name that stands for the schema "".
func schemaOr(schema string) string { return cmp.Or(schema, "main") }

// hasSchema reports whether the connection has a database of that name.
func (c *Conn) hasSchema(schema uintptr) bool {
	return sqlite3.Xsqlite3_db_readonly(c.tls, c.db, schema) >= 0
}
