package cursor

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/floedb/floe/engine"
)

// Pager reads a result in batches, each of which is a query of its own that goes on behind the last key of the one
// before. It holds no transaction between them, and can be taken up again later, also by another program, with nothing
// but the last key. Rows that are committed meanwhile are seen if their key is larger.
//
// The query has the key as its first column and in its order, and two parameters: ?1 is the last key, ?2 the number of
// rows. The key has to be unique, or rows with the same key are lost between two batches:
//
//	SELECT id, name FROM t WHERE id > ?1 ORDER BY id LIMIT ?2
type Pager struct {
	cursor *Cursor
	after  any
}

// NewPager compiles a query of that form. The first batch begins behind the key after, which is a value that
// [engine.Stmt.Bind] takes; a key that is less than all others begins at the start. The Pager must be closed.
func NewPager(conn *engine.Conn, limits Limits, sql string, after any) (*Pager, error) {
	s, err := conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	if n := s.BindCount(); n != 2 {
		return nil, errors.Join(fmt.Errorf("cursor: the query of a pager has %d parameters, want 2", n), s.Finalize())
	}
	c := New(s, limits)
	c.owned = true
	return &Pager{cursor: c, after: after}, nil
}

// After returns the key of the last row that Fetch returned, or what NewPager was given.
func (p *Pager) After() any { return p.after }

// Fetch reads the next batch, which has at least one row. If there is none the error is [io.EOF]; a later Fetch finds
// the rows that were added by then. After another error the same batch can be fetched again.
//
// The batch and all of its slices are used again by the next Fetch.
func (p *Pager) Fetch(ctx context.Context) (*Batch, error) {
	c := p.cursor
	if c.err != nil {
		return nil, c.err
	}
	if err := c.stmt.BindAll(p.after, c.limits.Rows); err != nil {
		return nil, err
	}
	if err := p.query(ctx); err != nil {
		return nil, err
	}
	if c.batch.rows == 0 {
		return nil, io.EOF
	}
	p.after = c.batch.key(c.batch.rows - 1)
	return &c.batch, nil
}

// query fills the batch, and leaves the statement reset.
func (p *Pager) query(ctx context.Context) error {
	c := p.cursor
	c.begun = false
	c.batch.clear(c.limits)
	for !c.batch.full(c.limits) {
		switch err := c.fetchRow(ctx); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return errors.Join(err, c.stmt.Reset())
		}
	}
	return c.stmt.Reset()
}

// Close finalises the statement. Closing a closed pager does nothing and returns nil.
func (p *Pager) Close() error { return p.cursor.Close() }
