package engine

import (
	"context"
	"errors"
	"iter"
)

// ErrNoRows is returned by [Conn.QueryRow] and [Stmt.QueryRow] where a query has no row.
var ErrNoRows = errors.New("engine: no row")

// Query runs the one statement in sql with args bound to its parameters, and calls row for each row. The
// statement given to row stands on that row; row may read columns, and must not step, reset or finalise it. An
// error of row ends the query and is returned as it is.
//
// Each parameter needs an argument: see [Stmt.BindAll]. The statement comes from the cache of the connection: see
// [Conn.PrepareCached].
func (c *Conn) Query(ctx context.Context, sql string, args []any, row func(*Stmt) error) error {
	return c.with(ctx, sql, args, func(s *Stmt) error { return s.each(ctx, row) })
}

// QueryRow is [Conn.Query] for one row: row is called for the first one, and the query ends then. If there is none the
// error is [ErrNoRows].
func (c *Conn) QueryRow(ctx context.Context, sql string, args []any, row func(*Stmt) error) error {
	return c.with(ctx, sql, args, func(s *Stmt) error { return s.first(ctx, row) })
}

// with runs do with a statement of sql that has its arguments.
func (c *Conn) with(ctx context.Context, sql string, args []any, do func(*Stmt) error) (err error) {
	s, err := c.prepareCached(ctx, sql)
	if err != nil {
		return err
	}
	defer func() {
		if e := s.Finalize(); err == nil {
			err = e
		}
	}()
	if err := s.bindAll(args); err != nil {
		return err
	}
	return do(s)
}

// Rows runs the one statement in sql when it is ranged over, and gives the statement on each of its rows:
//
//	for row, err := range conn.Rows(ctx, "SELECT a FROM t WHERE b = ?", 5) {
//		if err != nil {
//			return err
//		}
//		use(row.ColumnInt64(0))
//	}
//
// An error comes last, with a nil statement. However the loop ends, at the last row, with a break, a return or a panic,
// the statement is finalised with it: it must not be used after the loop, nor stepped, reset or finalised in it. Ranging
// again runs it again. A statement that writes, and is left before its last row, commits at the end of the loop, where
// an error has no place to go to: use [Conn.Query] for that.
//
// Each parameter needs an argument: see [Stmt.BindAll]. The statement comes from the cache of the connection: see
// [Conn.PrepareCached].
func (c *Conn) Rows(ctx context.Context, sql string, args ...any) iter.Seq2[*Stmt, error] {
	return func(yield func(*Stmt, error) bool) {
		s, err := c.prepareCached(ctx, sql)
		if err != nil {
			yield(nil, err)
			return
		}
		defer s.Finalize()
		if err := s.bindAll(args); err != nil {
			yield(nil, err)
			return
		}
		s.yieldRows(ctx, yield)
	}
}

// Exec runs the statement from its start to its end and drops the rows that it returns. With args they are bound first,
// as by [Stmt.BindAll]; without, the bindings stay as they are.
//
// An execution in progress ends before that. In the end the statement is reset.
func (s *Stmt) Exec(ctx context.Context, args ...any) error {
	return s.Query(ctx, args, ignoreRow)
}

// Query is [Stmt.Exec] with a function that is called for each row, as by [Conn.Query].
func (s *Stmt) Query(ctx context.Context, args []any, row func(*Stmt) error) error {
	return s.run(args, func() error { return s.each(ctx, row) })
}

// QueryRow is [Stmt.Query] for one row: row is called for the first one, and the execution ends then. If there is none
// the error is [ErrNoRows].
func (s *Stmt) QueryRow(ctx context.Context, args []any, row func(*Stmt) error) error {
	return s.run(args, func() error { return s.first(ctx, row) })
}

// Rows runs the statement from its start when it is ranged over, as [Conn.Rows] does. With args they are bound first,
// as by [Stmt.BindAll]; without, the bindings stay as they are. However the loop ends, the statement is reset with it
// and can be used on.
func (s *Stmt) Rows(ctx context.Context, args ...any) iter.Seq2[*Stmt, error] {
	return func(yield func(*Stmt, error) bool) {
		defer s.Reset()
		if err := s.rewind(args); err != nil {
			yield(nil, err)
			return
		}
		s.yieldRows(ctx, yield)
	}
}

// run runs do with the statement at its start, and resets it afterwards.
func (s *Stmt) run(args []any, do func() error) (err error) {
	if err := s.rewind(args); err != nil {
		return err
	}
	defer func() {
		if e := s.Reset(); err == nil {
			err = e
		}
	}()
	return do()
}

// rewind ends an execution in progress, and binds args if there are any.
func (s *Stmt) rewind(args []any) error {
	if err := s.Reset(); err != nil || len(args) == 0 {
		return err
	}
	return s.bindAll(args)
}

// each calls row for each row that is left.
func (s *Stmt) each(ctx context.Context, row func(*Stmt) error) error {
	for {
		more, err := s.Step(ctx)
		if err != nil || !more {
			return err
		}
		if err := row(s); err != nil {
			return err
		}
	}
}

// first calls row for the next row.
func (s *Stmt) first(ctx context.Context, row func(*Stmt) error) error {
	switch more, err := s.Step(ctx); {
	case err != nil:
		return err
	case !more:
		return ErrNoRows
	}
	return row(s)
}

func (s *Stmt) yieldRows(ctx context.Context, yield func(*Stmt, error) bool) {
	for {
		more, err := s.Step(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		if !more || !yield(s, nil) {
			return
		}
	}
}

func ignoreRow(*Stmt) error { return nil }
