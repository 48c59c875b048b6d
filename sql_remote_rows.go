package floe

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/floedb/floe/hrana"
)

// remoteRows are the results of the statements of a text, one after the other. They are in memory, or read from the
// server by a cursor; those in memory come first.
type remoteRows struct {
	c    *remoteConn
	text *sqlText
	kind callKind

	*shape
	list []([]hrana.Value) // rows of the current result in memory
	end  error             // what comes behind them, io.EOF unless the statement failed
	next []remoteSet       // further results in memory

	cur  *hrana.Cursor // nil when everything is in memory
	size int           // of what the cursor gave
}

// remoteSet is the result of a statement in memory.
type remoteSet struct {
	*shape
	list []([]hrana.Value)
	end  error
}

func remoteShape(cols []hrana.Col) *shape {
	sh := newShape(len(cols))
	for i, col := range cols {
		sh.set(i, col.Name, col.Decltype)
	}
	return sh
}

func (c *remoteConn) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.queryText(ctx, c.server.texts.get(query), args)
}

// queryText runs a text.
func (c *remoteConn) queryText(ctx context.Context, t *sqlText, args []driver.NamedValue) (driver.Rows, error) {
	stmts, err := c.statements(t, args)
	switch {
	case err != nil:
		return nil, err
	case t.large.Load():
		return c.queryCursor(ctx, t, stmts)
	}
	return c.queryWhole(ctx, t, stmts)
}

// queryWhole has the server send the results as a whole, and uses a cursor when it says that they are too large for it.
func (c *remoteConn) queryWhole(ctx context.Context, t *sqlText, stmts []hrana.Stmt) (driver.Rows, error) {
	sets, err := c.fetch(ctx, t, stmts)
	if isTooLarge(err) {
		t.learn(math.MaxInt)
	}
	switch {
	case err == nil:
	case isTooLarge(err) && t.reads():
		return c.queryCursor(ctx, t, stmts)
	case len(sets) == 0 || !isOfStatement(err):
		return nil, err
	default:
		sets = append(sets, remoteSet{end: err})
	}
	r := &remoteRows{c: c, text: t, shape: &shape{}, end: io.EOF}
	if len(sets) > 0 {
		r.take(sets[0])
		r.next = sets[1:]
	}
	return r, nil
}

// fetch gives the results that have columns, of the statements up to the first one that fails.
func (c *remoteConn) fetch(ctx context.Context, t *sqlText, stmts []hrana.Stmt) (sets []remoteSet, err error) {
	size := 0
	add := func(res *hrana.StmtResult) {
		set := remoteSet{shape: remoteShape(res.Cols), list: res.Rows, end: io.EOF}
		for i, row := range res.Rows {
			if err := checkWidth(row, len(res.Cols)); err != nil {
				set.list, set.end = res.Rows[:i], remoteError(err)
				break
			}
			size += sizeOf(row)
		}
		if len(res.Cols) > 0 || set.end != io.EOF {
			sets = append(sets, set)
		}
	}
	if len(stmts) == 1 {
		res, err := c.execute(ctx, &t.stmts[0], stmts[0])
		if err != nil {
			return nil, err
		}
		add(res)
	} else if _, err = c.runScript(ctx, t, scriptBatch(stmts, false), add); err != nil {
		return sets, err
	}
	t.learn(size)
	return sets, nil
}

// checkWidth refuses a row that does not have a value for each column.
func checkWidth(row []hrana.Value, cols int) error {
	if len(row) != cols {
		return fmt.Errorf("%w: a row of %d values for %d columns", hrana.ErrMalformed, len(row), cols)
	}
	return nil
}

func sizeOf(row []hrana.Value) int {
	n := 24
	for i := range row {
		n += 24 + len(row[i].Text()) + len(row[i].Blob())
	}
	return n
}

// queryCursor reads the results by a cursor, and comes back when the first one with columns begins.
func (c *remoteConn) queryCursor(ctx context.Context, t *sqlText, stmts []hrana.Stmt) (driver.Rows, error) {
	r := &remoteRows{c: c, text: t, kind: c.kindOfText(t), shape: &shape{}}
	err := c.call(ctx, r.kind, func(s *hrana.Stream) (err error) {
		b := scriptBatch(stmts, false)
		if !isRollback(&t.stmts[0]) {
			if err := c.guard(ctx, s, &b); err != nil {
				return err
			}
		}
		if r.cur, err = s.Cursor(ctx, b); err != nil {
			return err
		}
		c.rows = r
		if err = r.advance(); err == io.EOF {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// advance goes to the next result with columns that the cursor gives, io.EOF at the end.
func (r *remoteRows) advance() error {
	for r.cur.NextStep() {
		if err := r.cur.StepErr(); err != nil {
			r.c.note(&r.text.stmts[r.cur.Step()], err)
			return r.closeCursor(numbered(err, r.cur.Step(), len(r.text.stmts)))
		}
		r.shape, r.end = remoteShape(r.cur.Cols()), nil
		if len(r.names) > 0 {
			return nil
		}
		if r.cur.NextRow(); r.endStep() != io.EOF || r.cur == nil {
			return r.end
		}
	}
	return r.closeCursor(r.atEnd())
}

// atEnd is how the cursor has ended.
func (r *remoteRows) atEnd() error {
	switch err := r.cur.Err(); {
	case err != nil:
		return err
	case r.cur.Step() < 0:
		return errRolledBack
	}
	r.c.index = r.c.index.Later(r.cur.ReplicationIndex())
	return io.EOF
}

// endStep ends the result that the cursor has no more rows of, with r.end. The last one ends the cursor.
func (r *remoteRows) endStep() error {
	step, err := r.cur.Step(), r.cur.StepErr()
	switch {
	case err != nil:
		r.c.note(&r.text.stmts[step], err)
		r.end = r.closeCursor(numbered(err, step, len(r.text.stmts)))
	case r.cur.Err() != nil:
		r.end = r.closeCursor(r.cur.Err())
	default:
		res := r.cur.StepResult()
		r.c.seen(&res)
		r.c.note(&r.text.stmts[step], nil)
		r.end = io.EOF
		if step == len(r.text.stmts)-1 {
			r.end = r.finish()
		}
	}
	return r.end
}

// finish reads the end of the cursor.
func (r *remoteRows) finish() error {
	r.cur.NextStep()
	err := r.closeCursor(r.atEnd())
	if err == io.EOF && len(r.text.stmts) == 1 && r.size <= maxWhole/8 { // well below what has a server refuse it
		r.text.learn(r.size)
	}
	return err
}

// closeCursor ends the reading with err, and gives the stream back.
func (r *remoteRows) closeCursor(err error) error {
	r.end = err
	if closeErr := r.cur.Close(); closeErr != nil && err == io.EOF {
		err = closeErr
	}
	r.cur, r.c.rows = nil, nil
	return err
}

// Columns implements [driver.Rows].
func (r *remoteRows) Columns() []string { return r.names }

// Next implements [driver.Rows].
func (r *remoteRows) Next(dest []driver.Value) error {
	if len(r.list) > 0 {
		r.fill(dest, r.list[0])
		r.list = r.list[1:]
		return nil
	}
	if r.end != nil {
		return r.end
	}
	row, err := r.read()
	if err == nil {
		r.fill(dest, row)
	}
	return err
}

// read reads a row by the cursor. The row is good until the next one.
func (r *remoteRows) read() ([]hrana.Value, error) {
	if !r.cur.NextRow() {
		return nil, r.failed(r.endStep())
	}
	row := r.cur.Row()
	if err := checkWidth(row, len(r.names)); err != nil {
		return nil, r.failed(r.closeCursor(err))
	}
	if r.size <= maxWhole {
		r.size += sizeOf(row)
	}
	return row, nil
}

// failed has the connection know how the reading ended, and gives the error for the user.
func (r *remoteRows) failed(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	r.c.failed(err, r.kind)
	if r.c.lost != nil {
		err = r.c.lost
	} else {
		err = remoteError(err)
	}
	r.end = err
	return err
}

func (r *remoteRows) fill(dest []driver.Value, row []hrana.Value) {
	for i := range dest {
		dest[i] = r.value(i, row[i])
	}
}

func (r *remoteRows) value(i int, v hrana.Value) driver.Value {
	switch v.Kind() {
	case hrana.KindInteger:
		return r.ofInt(r.kinds[i], v.Int64(), r.c.server.conn.location)
	case hrana.KindText:
		return r.ofText(r.kinds[i], v.Text(), r.c.server.conn.location)
	}
	return v.Any()
}

// fetchAll reads everything that is left into memory, so that the stream can be used.
func (r *remoteRows) fetchAll() {
	first := r.fetchSet()
	r.next = nil
	for r.cur != nil {
		err := r.failed(r.advance())
		if err == io.EOF {
			break
		}
		if err != nil {
			r.next = append(r.next, remoteSet{end: err})
			break
		}
		r.next = append(r.next, r.fetchSet())
	}
	r.take(first)
}

// fetchSet reads what is left of the current result.
func (r *remoteRows) fetchSet() remoteSet {
	set := remoteSet{shape: r.shape}
	for r.end == nil {
		if row, err := r.read(); err == nil {
			set.list = append(set.list, slices.Clone(row))
		}
	}
	set.end = r.end
	return set
}

func (r *remoteRows) take(set remoteSet) { r.shape, r.list, r.end = set.shape, set.list, set.end }

// HasNextResultSet implements [driver.RowsNextResultSet]. It may be wrong where the statements left have no columns.
func (r *remoteRows) HasNextResultSet() bool {
	return len(r.next) > 0 || r.cur != nil && r.cur.Step() < len(r.text.stmts)-1
}

// NextResultSet implements [driver.RowsNextResultSet].
func (r *remoteRows) NextResultSet() error {
	if len(r.next) > 0 {
		set := r.next[0]
		r.next = r.next[1:]
		if set.shape == nil {
			return set.end // the statement failed
		}
		r.take(set)
		return nil
	}
	r.list = nil
	if r.cur == nil {
		return io.EOF
	}
	return r.failed(r.advance())
}

// Close implements [driver.Rows]. What may have changed something runs to its end first, with the statements behind it,
// as the server may otherwise break it off.
func (r *remoteRows) Close() error {
	r.list, r.next = nil, nil
	if r.cur == nil {
		return nil
	}
	if !r.kind.reads || len(r.text.stmts) > 1 {
		return r.runRest()
	}
	busy := r.cur.Unfinished()
	_ = r.closeCursor(io.EOF)
	if busy && r.c.tx == txNone {
		r.c.drop(errRowsClosed, r.kind)
	}
	return nil
}

var errRowsClosed = errors.New("the rows were closed")

// runRest waits for the statements that are left.
func (r *remoteRows) runRest() error {
	for r.cur != nil {
		for r.end == nil {
			_, _ = r.read()
		}
		if r.end == io.EOF && r.cur != nil {
			r.end = r.failed(r.advance())
		}
	}
	if r.end == io.EOF {
		return nil
	}
	return r.end
}
