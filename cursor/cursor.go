package cursor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/floedb/floe/engine"
)

// ErrClosed is returned by Fetch after Close.
var ErrClosed = errors.New("cursor: closed")

// Cursor reads the rows of one execution of a statement. It must be closed, unless it was read to its end or failed:
// until then it keeps a read transaction open.
type Cursor struct {
	stmt   *engine.Stmt
	owned  bool
	limits Limits
	batch  Batch
	err    error // why there are no further rows
	begun  bool
}

// Open compiles the one statement in sql, binds args to it as [engine.Stmt.BindAll] does, and returns a cursor over its
// rows. Nothing is run before the first Fetch.
func Open(conn *engine.Conn, limits Limits, sql string, args ...any) (*Cursor, error) {
	s, err := conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	if err := s.BindAll(args...); err != nil {
		return nil, errors.Join(err, s.Finalize())
	}
	c := New(s, limits)
	c.owned = true
	return c, nil
}

// New returns a cursor over the rows of a statement whose parameters are bound, and which is not being executed. The
// statement stays the caller's: it must not be stepped or reset while the cursor is in use; Close resets it.
func New(s *engine.Stmt, limits Limits) *Cursor { return &Cursor{stmt: s, limits: limits.complete()} }

// Fetch reads the next batch, which has at least one row. After the last row the error is [io.EOF]. A batch can be
// smaller than the limits say before that: when the execution fails, or ctx ends, the rows before are returned first,
// and the error with the next Fetch. That error is the engine's, and stays: a cursor does not go on behind it.
//
// The batch and all of its slices are used again by the next Fetch.
func (c *Cursor) Fetch(ctx context.Context) (*Batch, error) {
	c.batch.clear(c.limits)
	for c.err == nil && !c.batch.full(c.limits) {
		if err := c.fetchRow(ctx); err != nil {
			c.end(err)
		}
	}
	if c.batch.rows == 0 {
		return nil, c.err
	}
	return &c.batch, nil
}

func (c *Cursor) fetchRow(ctx context.Context) error {
	row, err := c.stmt.Step(ctx)
	if err != nil {
		return err
	}
	if !row {
		return io.EOF
	}
	if !c.begun {
		// The first step may have compiled the statement anew, with other columns.
		c.batch.prepare(c.stmt, c.limits)
		c.begun = true
	}
	return c.batch.add(c.stmt)
}

// end makes err the reason why there are no further rows.
func (c *Cursor) end(err error) {
	c.err = err
	if e := c.release(); e != nil && err == io.EOF {
		c.err = e
	}
}

func (c *Cursor) release() error {
	if c.owned {
		return c.stmt.Finalize()
	}
	return c.stmt.Reset()
}

// Batches fetches all batches, one for each round of a loop. An error comes last, with a nil batch. The cursor is
// closed with the loop, however that ends.
func (c *Cursor) Batches(ctx context.Context) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		defer c.Close()
		for {
			batch, err := c.Fetch(ctx)
			if err == io.EOF || !yield(batch, err) || err != nil {
				return
			}
		}
	}
}

// Close ends the execution if it is still in progress, and with it the read transaction. The statement of a cursor made
// by [Open] is finalised, that of one made by [New] reset. Closing a closed cursor, or one that is at its end, does
// nothing and returns nil.
func (c *Cursor) Close() error {
	if c.err != nil {
		c.err = ErrClosed
		return nil
	}
	err := c.release()
	if errors.Is(err, engine.ErrConcurrentUse) {
		return fmt.Errorf("close cursor: %w", err)
	}
	c.err = ErrClosed
	// A statement that was finalised before is not in the way, nor is a connection that was closed.
	if errors.Is(err, engine.ErrFinalized) || errors.Is(err, engine.ErrClosed) {
		return nil
	}
	return err
}
