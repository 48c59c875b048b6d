package floe

import (
	"context"
	"database/sql/driver"
	"io"

	"github.com/floedb/floe/internal/sqltext"
)

// replicaScript is a text with settings among what writes, each of whose statements
// goes its way.
type replicaScript struct {
	c     *replicaConn
	stmts []sqltext.Statement
	args  [][]driver.NamedValue // of each statement
	next  int
}

func (c *replicaConn) newScript(query string, args []driver.NamedValue) (*replicaScript, error) {
	stmts := sqltext.Split(query)
	dealt, err := dealToEach(stmts, args)
	return &replicaScript{c: c, stmts: stmts, args: dealt}, err
}

// dealToEach gives each statement its arguments, by the rules of a local file:
// those by position go to the statements one after the other, those with a name to
// every statement with a parameter of that name.
func dealToEach(stmts []sqltext.Statement, args []driver.NamedValue) ([][]driver.NamedValue, error) {
	d := argDealer{args: args, used: make([]bool, len(args))}
	dealt := make([][]driver.NamedValue, len(stmts))
	for i := range stmts {
		var need int
		dealt[i], need = d.named(&stmts[i])
		for ; need > 0; need-- {
			at := d.nextByPosition()
			if at < 0 {
				p := len(stmts[i].Params) - need
				return nil, numbered(missingArg(p, stmts[i].Params[p]), i, len(stmts))
			}
			dealt[i] = append(dealt[i], driver.NamedValue{Ordinal: len(dealt[i]) + 1, Value: args[at].Value})
		}
	}
	return dealt, d.allUsed()
}

// named gives the arguments with a name that a statement has parameters for, and how
// many parameters are left.
func (d *argDealer) named(st *sqltext.Statement) (list []driver.NamedValue, left int) {
	left = len(st.Params)
	for i, a := range d.args {
		if a.Name == "" {
			continue
		}
		had := left
		for _, param := range st.Params {
			if isNamed(param, a.Name) {
				left--
			}
		}
		if left < had {
			list = append(list, driver.NamedValue{Name: a.Name, Ordinal: len(list) + 1, Value: a.Value})
			d.used[i] = true
		}
	}
	return list, left
}

// execEach runs the statements of a script one by one, until one fails. The result
// is that of the last one that changed rows.
func (c *replicaConn) execEach(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.newScript(query, args)
	if err != nil {
		return nil, err
	}
	changes, err := s.runRest(ctx)
	if err != nil {
		return nil, err
	}
	return remoteResult{id: c.lastID, changes: changes}, nil
}

// runRest runs what is left, and gives the number of rows that the last statement
// changed of those that have one.
func (s *replicaScript) runRest(ctx context.Context) (changes int64, err error) {
	for s.next < len(s.stmts) {
		i := s.take()
		res, err := s.c.exec(ctx, s.stmts[i].SQL, s.args[i])
		if err != nil {
			return 0, s.failed(err, i)
		}
		if isChange(&s.stmts[i]) {
			changes, _ = res.RowsAffected()
		}
	}
	return changes, nil
}

func (s *replicaScript) take() int {
	s.next++
	return s.next - 1
}

// failed ends the script with the error of a statement.
func (s *replicaScript) failed(err error, i int) error {
	s.next = len(s.stmts)
	return numbered(err, i, len(s.stmts))
}

// scriptRows are the rows of each statement of a script that has columns.
type scriptRows struct {
	ctx context.Context
	*replicaScript
	typedRows // of the statement that is read
}

// typedRows are rows of any mode, with all that they tell of their columns.
type typedRows interface {
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeScanType
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypeLength
}

var _, _, _, _ typedRows = (*localRows)(nil), (*remoteRows)(nil), (*primaryRows)(nil), (*scriptRows)(nil)

func (c *replicaConn) queryEach(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.newScript(query, args)
	if err != nil {
		return nil, err
	}
	r := &scriptRows{ctx: ctx, replicaScript: s}
	if err := r.advance(); err != nil && err != io.EOF {
		return nil, err
	}
	return r, nil
}

// advance runs the statements up to the first one with columns.
func (r *scriptRows) advance() error {
	for r.next < len(r.stmts) {
		i := r.take()
		rows, err := r.c.query(r.ctx, r.stmts[i].SQL, r.args[i])
		if err != nil {
			return r.failed(err, i)
		}
		r.typedRows = rows.(typedRows)
		if len(rows.Columns()) > 0 {
			return nil
		}
		if err := rows.Close(); err != nil {
			return r.failed(err, i)
		}
	}
	return io.EOF
}

// Next implements [driver.Rows].
func (r *scriptRows) Next(dest []driver.Value) error {
	err := r.typedRows.Next(dest)
	if err != nil && err != io.EOF {
		return r.failed(err, r.next-1)
	}
	return err
}

// HasNextResultSet implements [driver.RowsNextResultSet]. The statements that are
// left may turn out to have no columns.
func (r *scriptRows) HasNextResultSet() bool { return r.next < len(r.stmts) }

// NextResultSet implements [driver.RowsNextResultSet].
func (r *scriptRows) NextResultSet() error {
	if err := r.typedRows.Close(); err != nil {
		return r.failed(err, r.next-1)
	}
	return r.advance()
}

// Close implements [driver.Rows]. What is behind the rows is run, unless the context
// has ended.
func (r *scriptRows) Close() error {
	if err := r.typedRows.Close(); err != nil {
		return r.failed(err, r.next-1)
	}
	if r.ctx.Err() != nil {
		r.next = len(r.stmts)
		return nil
	}
	_, err := r.runRest(r.ctx)
	return err
}
