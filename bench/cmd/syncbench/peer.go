package main

import (
	"context"
	"database/sql"

	libsql "github.com/tursodatabase/go-libsql"
)

// peerReplica is the C-backed Go client's contestant.
type peerReplica struct {
	connector *libsql.Connector
	db        *sql.DB
}

// openPeer opens the peer's embedded replica, which includes its first sync.
func openPeer(path, url string) (*peerReplica, error) {
	c, err := libsql.NewEmbeddedReplicaConnector(path, url)
	if err != nil {
		return nil, err
	}
	return &peerReplica{connector: c, db: sql.OpenDB(c)}, nil
}

func (p *peerReplica) sync() error {
	_, err := p.connector.Sync()
	return err
}

// close closes the connector too.
func (p *peerReplica) close() error { return p.db.Close() }

func (p *peerReplica) reader() (reader, error) {
	ctx := context.Background()
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	r := &peerReader{conn: conn}
	for query, stmt := range map[string]**sql.Stmt{pointSQL: &r.pointStmt, aggregateSQL: &r.aggregateStmt, countSQL: &r.countStmt} {
		if *stmt, err = conn.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
	}
	return r, nil
}

type peerReader struct {
	conn          *sql.Conn
	pointStmt     *sql.Stmt
	aggregateStmt *sql.Stmt
	countStmt     *sql.Stmt
}

func (r *peerReader) point(id int64) error {
	var (
		k    string
		size int64
	)
	return r.pointStmt.QueryRow(id).Scan(&k, &size)
}

func (r *peerReader) aggregate(id int64) error {
	var n, size int64
	return r.aggregateStmt.QueryRow(id).Scan(&n, &size)
}

func (r *peerReader) count() (n int64, err error) {
	err = r.countStmt.QueryRow().Scan(&n)
	return n, err
}

func (r *peerReader) close() error {
	for _, s := range []*sql.Stmt{r.pointStmt, r.aggregateStmt, r.countStmt} {
		s.Close()
	}
	return r.conn.Close()
}
