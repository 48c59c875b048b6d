package floe

import (
	"context"
	"database/sql/driver"
	"errors"
)

// replicaStmt is a statement that its user keeps. Where it runs is found out each
// time; it is compiled there the first time.
type replicaStmt struct {
	c       *replicaConn
	query   string
	local   driverStmt
	primary driverStmt
	at      *remoteConn // the connection to the primary that primary belongs to
}

// prepare compiles a text where it is going to run.
func (c *replicaConn) prepare(ctx context.Context, query string) (driverStmt, error) {
	s := &replicaStmt{c: c, query: query}
	var err error
	switch c.route(ctx, query) {
	case toReplica, toBoth:
		_, err = s.onReplica(ctx)
		if !c.outdated(query, err) {
			return s, err
		}
	case toEach:
		return s, nil // each statement is compiled when its turn comes
	}
	b, err := c.connectPrimary()
	if err == nil {
		_, err = s.onPrimary(ctx, b)
	}
	return s, err
}

func (s *replicaStmt) onReplica(ctx context.Context) (_ driverStmt, err error) {
	if s.local == nil {
		s.local, err = s.c.local.prepare(ctx, s.query)
	}
	return s.local, err
}

func (s *replicaStmt) onPrimary(ctx context.Context, b *remoteConn) (_ driverStmt, err error) {
	if s.primary != nil && s.at != b {
		_ = s.primary.Close()
		s.primary = nil
	}
	if s.primary == nil {
		s.primary, err = b.prepare(ctx, s.query)
		s.at = b
	}
	return s.primary, err
}

// NumInput implements [driver.Stmt]: the arguments are counted when they are bound.
func (s *replicaStmt) NumInput() int { return -1 }

// Close implements [driver.Stmt].
func (s *replicaStmt) Close() error {
	s.c.ending.Lock()
	defer s.c.ending.Unlock()
	var err error
	if s.local != nil {
		err = s.local.Close()
	}
	if s.primary != nil {
		err = errors.Join(err, s.primary.Close())
	}
	s.local, s.primary = nil, nil
	return err
}

// Exec implements [driver.Stmt].
func (s *replicaStmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), namedValues(args))
}

// Query implements [driver.Stmt].
func (s *replicaStmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), namedValues(args))
}

// ExecContext implements [driver.StmtExecContext].
func (s *replicaStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	c := s.c
	switch c.route(ctx, s.query) {
	case toReplica:
		res, err := s.execLocal(ctx, args)
		if !c.outdated(s.query, err) {
			return res, err
		}
	case toBoth, toEach:
		return c.exec(ctx, s.query, args)
	}
	return c.execPrimary(ctx, s.query, func(b *remoteConn) (driver.Result, error) {
		k, err := s.onPrimary(ctx, b)
		if err != nil {
			return nil, err
		}
		return k.ExecContext(ctx, args)
	})
}

func (s *replicaStmt) execLocal(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.c.await(ctx); err != nil {
		return nil, err
	}
	k, err := s.onReplica(ctx)
	if err != nil {
		return nil, err
	}
	return s.c.resultHere(k.ExecContext(ctx, args))
}

// QueryContext implements [driver.StmtQueryContext].
func (s *replicaStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	c := s.c
	switch c.route(ctx, s.query) {
	case toReplica:
		rows, err := s.queryLocal(ctx, args)
		if !c.outdated(s.query, err) {
			return rows, err
		}
	case toBoth, toEach:
		return c.query(ctx, s.query, args)
	}
	return c.queryPrimary(ctx, s.query, func(b *remoteConn) (driver.Rows, error) {
		k, err := s.onPrimary(ctx, b)
		if err != nil {
			return nil, err
		}
		return k.QueryContext(ctx, args)
	})
}

func (s *replicaStmt) queryLocal(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.c.await(ctx); err != nil {
		return nil, err
	}
	k, err := s.onReplica(ctx)
	if err != nil {
		return nil, err
	}
	return k.QueryContext(ctx, args)
}
