package engine

import "context"

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
		return placeOf(0, script, script), s.finish(ctx, admit)
	}
	index := 0
	for rest := script; rest != ""; index++ {
		s, tail, err := c.prepareFirst(ctx, rest, flags)
		if err != nil {
			return placeOf(index, script, tail), shiftOffset(err, len(script)-len(tail))
		}
		if index == 0 && isBlank(tail) {
			s.adopt(script)
		}
		if err := s.finish(ctx, admit); err != nil {
			return placeOf(index, script, rest), shiftOffset(err, len(script)-len(rest))
		}
		rest = tail
	}
	return place{}, nil
}

// placeOf is the place of the first statement in rest, which script ends with.
func placeOf(index int, script, rest string) place {
	return place{index: index, offset: len(script) - len(skipBlank(rest))}
}

// finish runs a new statement to its end and finalises it. A nil one is the empty end of a script.
func (s *Stmt) finish(ctx context.Context, admit func(*Stmt) error) (err error) {
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
	if err := s.bindAll(nil); err != nil {
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
