package floe

import (
	"context"
	"database/sql/driver"
	"io"

	"github.com/floedb/floe/engine"
)

// maxShapes bounds how many shapes a connection remembers, and maxShapedSQL, in bytes, the texts of their statements:
// those longer are not in the engine's cache either.
const (
	maxShapes    = 2 * engine.DefaultCacheSize
	maxShapedSQL = 16 << 10
)

// shapeOf returns the shape of a statement that was stepped: the first step compiles it anew if the schema has changed.
// known is the shape that it had, or nil.
func (c *localConn) shapeOf(s *engine.Stmt, known *shape) *shape {
	compiled := s.Status(engine.StmtStatusReprepare, false)
	if known == nil {
		known = c.shapes[s]
	}
	if known != nil && known.compiled == compiled {
		return known
	}
	columns := s.Columns()
	sh := newShape(len(columns))
	for i, col := range columns {
		sh.set(i, col.Name, col.DeclType)
	}
	sh.compiled, sh.raw = compiled, make([]engine.RawValue, len(columns))
	c.remember(s, sh)
	return sh
}

func (c *localConn) remember(s *engine.Stmt, sh *shape) {
	if len(c.shapes) >= maxShapes {
		clear(c.shapes)
	}
	if len(s.SQL()) <= maxShapedSQL {
		c.shapes[s] = sh
	}
}

// localRows are the rows of a statement, and then those of the statements behind it in its text.
type localRows struct {
	ctx   context.Context
	c     *localConn
	s     *engine.Stmt
	kept  *localStmt // whose statement it is, nil for one that goes with the rows
	first bool       // the statement stands on a row that Next has not given yet
	done  bool       // the statement has no more rows
	rest  *script    // what is behind the statement, nil if that is nothing
	*shape
}

// start runs a statement up to its first row: from there on it is known what the columns are.
func (c *localConn) start(ctx context.Context, s *engine.Stmt, args []driver.NamedValue, k *localStmt) (driver.Rows, error) {
	r := &localRows{ctx: ctx, c: c, kept: k}
	err := s.BindArgs(args, false)
	if err == nil {
		err = r.begin(s)
	}
	if err != nil {
		if k == nil {
			err = join(err, s.Finalize())
		}
		return nil, err
	}
	if k != nil {
		k.rows = r
	}
	c.rows++
	return r, nil
}

func (c *localConn) queryScript(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	r := &localRows{ctx: ctx, c: c, rest: c.newScript(query, args), done: true, shape: &shape{}}
	if err := r.advance(); err != nil && err != io.EOF {
		return nil, err
	}
	c.rows++
	return r, nil
}

// begin runs s, which has its arguments, up to its first row.
func (r *localRows) begin(s *engine.Stmt) error {
	row, err := s.Step(r.ctx)
	if err != nil {
		return err
	}
	r.s, r.first, r.done = s, row, !row
	if r.kept == nil {
		r.shape = r.c.shapeOf(s, nil)
		return nil
	}
	r.kept.shape = r.c.shapeOf(s, r.kept.shape)
	r.shape = r.kept.shape
	return nil
}

// advance begins the next statement with columns, and runs those before it.
func (r *localRows) advance() error {
	for {
		s, err := r.rest.statement(r.ctx)
		if err != nil {
			return err
		}
		if s == nil {
			return io.EOF
		}
		if err := r.begin(s); err != nil {
			return join(err, s.Finalize())
		}
		if len(r.names) > 0 {
			return nil
		}
		if err := r.release(); err != nil {
			return err
		}
	}
}

// release ends the statement.
func (r *localRows) release() error {
	s, k := r.s, r.kept
	r.s, r.kept, r.done = nil, nil, true
	switch {
	case s == nil:
		return nil
	case k == nil:
		return s.Finalize()
	case k.closed:
		k.rows = nil
		return s.Finalize()
	}
	k.rows = nil
	return s.Reset()
}

// Columns implements [driver.Rows].
func (r *localRows) Columns() []string { return r.names }

// Next implements [driver.Rows].
func (r *localRows) Next(dest []driver.Value) error {
	if r.done {
		return io.EOF
	}
	if r.first {
		r.first = false
	} else if row, err := r.s.Step(r.ctx); err != nil || !row {
		r.done = true
		if err == nil {
			return io.EOF
		}
		r.rest = nil
		return r.c.whyAborted(err)
	}
	return r.read(dest)
}

// read gives the row that the statement stands on.
func (r *localRows) read(dest []driver.Value) error {
	if err := r.s.ScanRaw(r.raw); err != nil {
		r.rest = nil
		return err
	}
	loc := r.c.cfg.location
	for i := range r.raw {
		switch v := &r.raw[i]; v.Type {
		case engine.Integer:
			dest[i] = r.ofInt(r.kinds[i], v.Int, loc)
		case engine.Float:
			dest[i] = r.ofFloat(v.Float)
		case engine.Text:
			dest[i] = r.ofRawText(r.kinds[i], v.Bytes, loc)
		case engine.Blob:
			dest[i] = r.ofBlob(append(make([]byte, 0, len(v.Bytes)), v.Bytes...))
		default:
			dest[i] = nil
		}
	}
	return nil
}

// HasNextResultSet implements [driver.RowsNextResultSet]. The statements that are left may turn out to have no columns.
func (r *localRows) HasNextResultSet() bool { return r.rest != nil && r.rest.next != "" }

// NextResultSet implements [driver.RowsNextResultSet].
func (r *localRows) NextResultSet() error {
	err := r.release()
	if err == nil {
		if r.rest == nil {
			return io.EOF
		}
		err = r.advance()
	}
	if err != nil {
		r.rest = nil
	}
	return err
}

// Close implements [driver.Rows]. Statements behind that of the rows are run, as they would be by a server, unless the
// context has ended or one of them has failed.
func (r *localRows) Close() error {
	if r.c == nil {
		return nil
	}
	err := r.release()
	if err == nil && r.rest != nil && r.ctx.Err() == nil {
		err = r.rest.runRest(r.ctx)
	}
	r.c.rows--
	r.c = nil
	return err
}
