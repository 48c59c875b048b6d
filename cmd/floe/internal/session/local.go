package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
)

// local is a session on a file of this machine.
type local struct {
	conn     *engine.Conn
	close    func() error
	closed   bool
	readOnly error // why statements that write are refused; nil where they are not
}

// errNeedsPrimary is the error of a write to a replica that was opened by its path alone.
var errNeedsPrimary = fmt.Errorf("%w; --primary URL names it", floe.ErrIsReplica)

// openFile opens the file at path. A replica is opened for reading.
func openFile(ctx context.Context, path string, role floe.Role) (*local, error) {
	open, readOnly := floe.Open, error(nil)
	if role == floe.RoleReplica {
		open, readOnly = floe.OpenReadOnly, errNeedsPrimary
	}
	db, err := open(ctx, path)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &local{conn: conn.Conn, readOnly: readOnly, close: func() error { return errors.Join(conn.Close(), db.Close()) }}, nil
}

// openName opens a database by a data source name.
func openName(ctx context.Context, name string) (*local, error) {
	connector, err := floe.NewConnector(name)
	if err != nil {
		return nil, err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, errors.Join(err, connector.Close())
	}
	closeAll := func() error { return errors.Join(conn.Close(), connector.Close()) }
	return &local{conn: conn.(*floe.DriverConn).Engine(), close: closeAll}, nil
}

func (l *local) Run(ctx context.Context, sql string, args []any, rows Rows) (Result, error) {
	s, err := l.prepare(sql, len(args) > 0)
	if err != nil {
		return Result{}, shortError(ctx, err)
	}
	res, err := l.runStmt(ctx, s, args, rows)
	if finalErr := s.Finalize(); err == nil {
		err = finalErr
	}
	return res, shortError(ctx, err)
}

// shortError says of an error of SQLite what it is, and leaves out the statement, which whoever typed it knows.
func shortError(ctx context.Context, err error) error {
	var sqliteErr *engine.Error
	switch {
	case err == nil || !errors.As(err, &sqliteErr):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	return &sqlError{sqliteErr}
}

// sqlError is an error of SQLite in few words.
type sqlError struct{ err *engine.Error }

func (e *sqlError) Error() string {
	text := fmt.Sprintf("%s (%v)", e.err.Msg, e.err.Extended)
	if errors.Is(e.err, floe.ErrIsReplica) { // which is attached
		text += ": " + floe.ErrIsReplica.Error()
	}
	return text
}

func (e *sqlError) Unwrap() error { return e.err }

// prepare compiles a statement. One without arguments is not likely to come again soon.
func (l *local) prepare(sql string, again bool) (*engine.Stmt, error) {
	prepare := l.conn.Prepare
	if again {
		prepare = l.conn.PrepareCached
	}
	s, err := prepare(sql)
	if err == nil && l.readOnly != nil && !s.ReadOnly() {
		return nil, errors.Join(l.readOnly, s.Finalize())
	}
	return s, err
}

func (l *local) runStmt(ctx context.Context, s *engine.Stmt, args []any, rows Rows) (Result, error) {
	if err := s.BindAll(args...); err != nil {
		return Result{}, err
	}
	res := Result{Columns: s.ColumnCount(), Writes: !s.ReadOnly()}
	before := l.conn.TotalChanges()
	err := stepAll(ctx, s, rows)
	res.Changes = l.conn.TotalChanges() - before
	return res, err
}

func stepAll(ctx context.Context, s *engine.Stmt, rows Rows) error {
	more, err := s.Step(ctx)
	if err != nil {
		return err
	}
	names := make([]string, s.ColumnCount())
	for i := range names {
		names[i] = s.ColumnName(i)
	}
	if err := rows.Begin(names); err != nil {
		return err
	}
	row := make([]any, len(names))
	for more {
		for i := range row {
			row[i] = s.ColumnValue(i)
		}
		if err := rows.Row(row); err != nil {
			return err
		}
		if more, err = s.Step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *local) RunBatch(ctx context.Context, statements []string) (done int, err error) {
	for _, sql := range statements {
		if _, err := l.Run(ctx, sql, nil, Discard); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

func (l *local) ReadTx(ctx context.Context, do func() error) error { return readTx(ctx, l, do) }

func (l *local) InTx() bool             { return !l.closed && !l.conn.AutoCommit() }
func (l *local) Replica() *floe.Replica { return nil }

func (l *local) Close() error {
	l.closed = true
	return l.close()
}
