package main

import (
	"fmt"

	"github.com/floedb/floe/bench/harness"
	"github.com/floedb/floe/internal/sqldtest"
)

// pipelineStatements bounds the statements of one request, and so how much of the server's memory one takes.
const pipelineStatements = 500

// rowBytes is the length of the blobs in large transactions.
const rowBytes = 2000

const schema = `CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT NOT NULL, v BLOB NOT NULL)`

// setUp makes the tables: t, with an index, as an application would have it.
func setUp(s *sqldtest.Server) error {
	return s.TryExec(schema, `CREATE INDEX t_k ON t (k)`)
}

// small commits n transactions of one row of about 100 bytes.
func small(s *sqldtest.Server, n int) error {
	const insert = `INSERT INTO t (k, v) VALUES (hex(randomblob(8)), randomblob(100))`
	return repeat(s, insert, n)
}

// bulk commits mb MB in transactions of about kb KB.
func bulk(s *sqldtest.Server, mb, kb int) error {
	rows := max(1, kb<<10/rowBytes)
	return repeat(s, insertRows(rows), mb<<10/kb)
}

// insertRows gives a statement that inserts so many rows with large blobs. Their keys rise, so that the index adds
// few pages to a transaction and the log grows by little more than the data.
func insertRows(rows int) string {
	return fmt.Sprintf(`INSERT INTO t (k, v) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)
		SELECT printf('z%%015d', (SELECT max(id) FROM t) + i), randomblob(%d) FROM n`, rows, rowBytes)
}

// repeat runs a statement n times, each in a transaction of its own.
func repeat(s *sqldtest.Server, sql string, n int) error {
	for n > 0 {
		stmts := make([]string, min(n, pipelineStatements))
		for i := range stmts {
			stmts[i] = sql
		}
		if err := s.TryExec(stmts...); err != nil {
			return err
		}
		n -= len(stmts)
	}
	return nil
}

// rowCount gives the number of rows that a replica must have.
func rowCount(s *sqldtest.Server) (int64, error) {
	rows, err := s.TryQuery(`SELECT count(*) FROM t`)
	if err != nil {
		return 0, err
	}
	n, ok := rows[0][0].(int64)
	if !ok {
		return 0, fmt.Errorf("count(*) is %v", rows[0][0])
	}
	return n, nil
}

// manyLogMB, as a server's bound on its log, keeps all frames of these measures in it.
const manyLogMB = 16 << 10

// startServer starts a server with the tables and no rows.
func startServer(h *harness.Host, logMB int) (*sqldtest.Server, error) {
	s := sqldtest.Start(h, sqldtest.WithMaxLogSize(logMB))
	return s, setUp(s)
}
