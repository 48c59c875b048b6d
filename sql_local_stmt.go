package floe

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqltext"
)

// localStmt is a statement that its user keeps.
type localStmt struct {
	c      *localConn
	s      *engine.Stmt
	query  string
	shape  *shape     // nil before the first query
	rows   *localRows // that are open, nil for none
	closed bool
}

// prepare compiles query. A text of several statements is compiled when it is run, as each may change what the next one
// means.
func (c *localConn) prepare(ctx context.Context, query string) (driverStmt, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s, err := c.conn.PrepareCachedContext(ctx, query)
	switch {
	case err == engine.ErrTrailing || err == engine.ErrEmpty:
		return localScript{c, query}, nil
	case err != nil:
		return nil, err
	}
	return &localStmt{c: c, s: s, query: query}, nil
}

// NumInput implements [driver.Stmt]: the arguments are counted when they are bound.
func (k *localStmt) NumInput() int { return -1 }

// Close implements [driver.Stmt]. Rows that are open keep the statement until they are closed.
func (k *localStmt) Close() error {
	if k.closed {
		return nil
	}
	k.closed = true
	if k.rows != nil {
		return nil
	}
	return k.s.Finalize()
}

// Exec implements [driver.Stmt].
func (k *localStmt) Exec(args []driver.Value) (driver.Result, error) {
	return k.ExecContext(context.Background(), namedValues(args))
}

// Query implements [driver.Stmt].
func (k *localStmt) Query(args []driver.Value) (driver.Rows, error) {
	return k.QueryContext(context.Background(), namedValues(args))
}

// ExecContext implements [driver.StmtExecContext].
func (k *localStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if k.closed {
		return nil, engine.ErrFinalized
	}
	if k.rows != nil {
		return k.c.exec(ctx, k.query, args)
	}
	if err := k.c.check(); err != nil {
		return nil, err
	}
	return k.c.run(ctx, k.s, args)
}

// QueryContext implements [driver.StmtQueryContext].
func (k *localStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if k.closed {
		return nil, engine.ErrFinalized
	}
	if k.rows != nil {
		return k.c.query(ctx, k.query, args)
	}
	if err := k.c.check(); err != nil {
		return nil, err
	}
	return k.c.start(ctx, k.s, args, k)
}

func namedValues(args []driver.Value) []driver.NamedValue {
	named := make([]driver.NamedValue, len(args))
	for i, v := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return named
}

// localScript is a text of several statements, or of none, that its user keeps.
type localScript struct {
	c     *localConn
	query string
}

func (k localScript) NumInput() int { return -1 }
func (k localScript) Close() error  { return nil }

func (k localScript) Exec(args []driver.Value) (driver.Result, error) {
	return k.c.exec(context.Background(), k.query, namedValues(args))
}

func (k localScript) Query(args []driver.Value) (driver.Rows, error) {
	return k.c.query(context.Background(), k.query, namedValues(args))
}

func (k localScript) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return k.c.exec(ctx, k.query, args)
}

func (k localScript) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return k.c.query(ctx, k.query, args)
}

// script is a text of several statements that is being run, with the arguments for them.
type script struct {
	c    *localConn
	next string // the statement to be run next, "" at the end
	rest string // what is behind it
	args []driver.NamedValue
	left int    // the first argument by position that no statement had yet
	used []bool // by argument: those with a name, which every statement may have
}

func (c *localConn) newScript(query string, args []driver.NamedValue) *script {
	p := &script{c: c, rest: query, args: args, used: make([]bool, len(args))}
	p.cut()
	return p
}

// cut cuts the next statement off.
func (p *script) cut() {
	st, n := sqltext.First(p.rest)
	p.next, p.rest = st.SQL, p.rest[n:]
}

// statement compiles the next statement and binds what it needs of the arguments. It is nil at the end.
func (p *script) statement(ctx context.Context) (*engine.Stmt, error) {
	if p.next == "" {
		return nil, p.allUsed()
	}
	if err := p.c.check(); err != nil {
		return nil, err
	}
	s, err := p.c.conn.PrepareCachedContext(ctx, p.next)
	if err != nil {
		return nil, err
	}
	if err := p.bind(s); err != nil {
		return nil, join(err, s.Finalize())
	}
	p.cut()
	return s, nil
}

// bind binds the arguments by name that s has parameters for, and those by position that come next to the others.
func (p *script) bind(s *engine.Stmt) error {
	var list []any
	need := s.BindCount()
	for i, a := range p.args {
		if a.Name == "" {
			continue
		}
		if n := countNamed(s, a.Name); n > 0 {
			list = append(list, engine.Named(a.Name, a.Value))
			p.used[i] = true
			need -= n
		}
	}
	for ; need > 0 && p.left < len(p.args); p.left++ {
		if a := p.args[p.left]; a.Name == "" {
			list = append(list, a.Value)
			p.used[p.left] = true
			need--
		}
	}
	return s.BindAll(list...)
}

func countNamed(s *engine.Stmt, name string) (n int) {
	for _, prefix := range []string{":", "@", "$"} {
		if s.BindIndex(prefix+name) > 0 {
			n++
		}
	}
	return n
}

// allUsed tells about an argument that no statement had a parameter for.
func (p *script) allUsed() error {
	i := slices.Index(p.used, false)
	switch {
	case i < 0:
		return nil
	case p.args[i].Name != "":
		return argError(engine.Range, fmt.Sprintf("no parameter named %q", p.args[i].Name))
	}
	return argError(engine.Range, fmt.Sprintf("%d arguments are more than there are parameters for", len(p.args)))
}

func (c *localConn) execScript(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	p := c.newScript(query, args)
	_, _, before := c.conn.Counters()
	if err := p.runRest(ctx); err != nil {
		return nil, err
	}
	return c.resultSince(before), nil
}

// runRest runs all that is left.
func (p *script) runRest(ctx context.Context) error {
	for {
		s, err := p.statement(ctx)
		if err != nil || s == nil {
			return err
		}
		if err := join(s.Exec(ctx), s.Finalize()); err != nil {
			return err
		}
	}
}
