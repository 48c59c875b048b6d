package engine

import (
	"context"

	sqlite3 "modernc.org/sqlite/lib"
)

// Exec runs sql, which may be a script of several statements, and drops the rows they return. It stops at the
// first error; what earlier statements did stays, unless the script itself holds a transaction. A text without
// a statement is no error. [Conn.ExecBatch] tells in addition which statement of a script an error is from.
//
// With args, sql must be exactly one statement, otherwise the error is [ErrTrailing] or [ErrEmpty], and nothing was
// run. Each parameter needs an argument: see [Stmt.BindAll]. A script has no parameters.
//
// One statement alone comes from the cache of the connection: see [Conn.PrepareCached]. Those of a script are compiled
// each time, one after the other, as each may change what the next one means.
//
// https://sqlite.org/c3ref/exec.html
func (c *Conn) Exec(ctx context.Context, sql string, args ...any) error {
	if len(args) > 0 {
		return c.Query(ctx, sql, args, ignoreRow)
	}
	_, err := c.runScript(ctx, sql, nil)
	return err
}

// place is where a statement stands in a script.
type place struct {
	index  int // of the statement, counted from 0
	offset int // in bytes
}

// runScript runs the statements of a script. admit, if it is not nil, may refuse one. The place is that of the error.
func (c *Conn) runScript(ctx context.Context, script string, admit func(*Stmt) error) (place, error) {
	if err := c.enter(); err != nil {
		return place{}, err
	}
	s, flags := c.takeCached(script), c.cacheFlags(script)
	c.leave()
	if s != nil {
		return placeOf(0, script, script), s.finish(ctx, nil, admit)
	}
	s, tail, err := c.prepareFirst(ctx, script, flags)
	if err != nil {
		return placeOf(0, script, tail), shiftOffset(err, len(script)-len(tail))
	}
	single := isBlank(tail)
	if single {
		s.adopt(script)
	}
	if err := s.finish(ctx, nil, admit); err != nil || single {
		return placeOf(0, script, script), shiftOffset(err, len(script)-len(tail)-len(s.SQL()))
	}
	return c.runRest(ctx, script, len(script)-len(tail), admit)
}

// runRest runs the statements of a script from the second one on, which begins at from.
func (c *Conn) runRest(ctx context.Context, script string, from int, admit func(*Stmt) error) (place, error) {
	text, err := c.copyScript(script[from:])
	if err != nil {
		return placeOf(1, script, script[from:]), err
	}
	defer text.free()
	index := 1
	for rest := script[from:]; rest != ""; index++ {
		s, tail, err := text.prepare(ctx, rest)
		if err == nil {
			err = s.finish(ctx, nil, admit)
		}
		if err != nil {
			return placeOf(index, script, rest), shiftOffset(err, len(script)-len(rest))
		}
		rest = tail
	}
	return place{}, nil
}

// scriptText is a script in SQLite's memory. It is copied there once, and not for each of its statements: that would
// take time in proportion to the square of its length.
type scriptText struct {
	c    *Conn
	p    uintptr
	text string
}

func (c *Conn) copyScript(script string) (*scriptText, error) {
	if err := checkText(script); err != nil {
		return nil, err
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	p := sqlite3.Xsqlite3_malloc64(c.tls, sqlite3.Tsqlite3_uint64(len(script)+1))
	if p == 0 {
		return nil, c.lastError("prepare", script, sqlite3.SQLITE_NOMEM)
	}
	b := bytesAt(p, len(script)+1)
	copy(b, script)
	b[len(script)] = 0
	t := &scriptText{c: c, p: p, text: script}
	c.own(t)
	return t, nil
}

// prepare compiles the first statement in rest, which the script ends with.
func (t *scriptText) prepare(ctx context.Context, rest string) (s *Stmt, tail string, err error) {
	if err := t.c.enter(); err != nil {
		return nil, "", err
	}
	defer t.c.leave()
	if err := ctxEnded(ctx); err != nil {
		return nil, "", cancelledError("prepare", rest, err)
	}
	return t.c.compileAt(ctx, t.p+uintptr(len(t.text)-len(rest)), rest, 0)
}

func (t *scriptText) free() {
	if t.c.enter() != nil {
		return // a Conn that is closed has freed it, another one will
	}
	defer t.c.leave()
	t.c.disown(t)
	t.discard()
}

// discard implements owned.
func (t *scriptText) discard() {
	sqlite3.Xsqlite3_free(t.c.tls, t.p)
	t.p = 0
}

// placeOf is the place of the first statement in rest, which script ends with.
func placeOf(index int, script, rest string) place {
	return place{index: index, offset: len(script) - len(skipBlank(rest))}
}

// finish runs a new statement with its arguments to its end and finalises it. A nil one is the empty end of a script.
func (s *Stmt) finish(ctx context.Context, args []any, admit func(*Stmt) error) (err error) {
	if s == nil {
		return nil
	}
	defer func() {
		if e := s.Finalize(); err == nil {
			err = e
		}
	}()
	if admit != nil {
		if err := admit(s); err != nil {
			return err
		}
	}
	if err := s.bindAll(args); err != nil {
		return err
	}
	return s.each(ctx, ignoreRow)
}

// shiftOffset makes the offset of an error in a part of a script one in the whole script.
func shiftOffset(err error, base int) error {
	if e, ok := err.(*Error); ok && e.Offset >= 0 {
		e.Offset += base
	}
	return err
}
