package main

import (
	"context"
	"fmt"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
)

// contestant follows a server.
type contestant interface {
	// sync brings it to where the server is.
	sync() error
	close() error
}

// replica is a contestant with a database.
type replica interface {
	contestant
	// reader opens a connection of its own, for one goroutine.
	reader() (reader, error)
}

// reader runs queries on table t, prepared before.
type reader interface {
	// point reads the row with the id.
	point(id int64) error
	// aggregate reads the 20 rows from the id on.
	aggregate(id int64) error
	// count gives the number of rows.
	count() (int64, error)
	close() error
}

// The queries of a reader. The peer takes no numbered parameters.
const (
	pointSQL     = `SELECT k, length(v) FROM t WHERE id = ?`
	aggregateSQL = `SELECT count(*), sum(n) FROM (SELECT length(v) AS n FROM t WHERE id >= ? ORDER BY id LIMIT 20)`
	countSQL     = `SELECT count(*) FROM t`
)

// opened opens a contestant whose first sync, if it has one, is done. path is for those with a database.
func opened(name, path, url string) (contestant, error) {
	switch name {
	case floeName:
		return openFloe(path, url)
	case peerName:
		return openPeer(path, url)
	case serialName:
		s, err := openSerial(url)
		if err != nil {
			return nil, err
		}
		return s, s.sync()
	}
	return nil, fmt.Errorf("no contestant is called %q", name)
}

// floeReplica is floe's contestant.
type floeReplica struct{ *floe.Replica }

func openFloe(path, url string) (*floeReplica, error) {
	r, err := floe.OpenReplica(context.Background(), path, url)
	if err != nil {
		return nil, err
	}
	f := &floeReplica{r}
	return f, f.sync()
}

func (f *floeReplica) sync() error {
	_, err := f.Sync(context.Background())
	return err
}

func (f *floeReplica) close() error { return f.Close() }

func (f *floeReplica) reader() (reader, error) { return f.openReader() }

func (f *floeReplica) openReader() (*floeReader, error) {
	conn, err := f.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	// Without a wait for locks, each one met is an error that is counted.
	conn.SetBusyTimeout(0)
	r := &floeReader{conn: conn}
	for sql, stmt := range map[string]**engine.Stmt{pointSQL: &r.pointStmt, aggregateSQL: &r.aggregateStmt, countSQL: &r.countStmt} {
		if *stmt, err = conn.Prepare(sql); err != nil {
			return nil, err
		}
	}
	return r, nil
}

type floeReader struct {
	conn          *floe.Conn
	pointStmt     *engine.Stmt
	aggregateStmt *engine.Stmt
	countStmt     *engine.Stmt
}

func (r *floeReader) point(id int64) error {
	return one(r.pointStmt, id, func(s *engine.Stmt) { _, _ = s.ColumnText(0), s.ColumnInt64(1) })
}

func (r *floeReader) aggregate(id int64) error {
	return one(r.aggregateStmt, id, func(s *engine.Stmt) { _, _ = s.ColumnInt64(0), s.ColumnInt64(1) })
}

// one runs a statement and reads its one row.
func one(s *engine.Stmt, id int64, read func(*engine.Stmt)) error {
	if err := s.BindInt64(1, id); err != nil {
		return err
	}
	ctx := context.Background()
	row, err := s.Step(ctx)
	if err != nil {
		return err
	}
	if !row {
		return fmt.Errorf("no row for id %d", id)
	}
	read(s)
	return s.Reset()
}

func (r *floeReader) count() (n int64, err error) {
	row, err := r.countStmt.Step(context.Background())
	if err == nil && row {
		n = r.countStmt.ColumnInt64(0)
		err = r.countStmt.Reset()
	}
	return n, err
}

func (r *floeReader) close() error { return r.conn.Close() }
