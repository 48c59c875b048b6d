// Package sqldb is a contestant over database/sql, with one connection and prepared statements that are kept.
package sqldb

import (
	"context"
	"database/sql"
	"strings"

	"github.com/floedb/floe/bench/work"
)

// Session is a connection of a driver.
type Session struct {
	DB    *sql.DB
	Conn  *sql.Conn
	stmts map[string]*sql.Stmt
	rows  map[string]*row // by the kinds of its columns
}

var background = context.Background()

// Open opens one connection.
func Open(driver, dsn string) (*Session, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(background)
	if err != nil {
		db.Close()
		return nil, err
	}
	return &Session{DB: db, Conn: conn, stmts: make(map[string]*sql.Stmt), rows: make(map[string]*row)}, nil
}

// Close closes the connection and what was prepared on it.
func (s *Session) Close() error {
	for _, stmt := range s.stmts {
		stmt.Close()
	}
	s.Conn.Close()
	return s.DB.Close()
}

// Exec runs a statement. A PRAGMA returns rows, which some drivers do not let Exec have.
func (s *Session) Exec(text string) error {
	if !strings.HasPrefix(text, "PRAGMA") {
		_, err := s.Conn.ExecContext(background, text)
		return err
	}
	rows, err := s.Conn.QueryContext(background, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

// Text is that of work.Session.
func (s *Session) Text(query string) (text string, err error) {
	err = s.Conn.QueryRowContext(background, query).Scan(&text)
	return text, err
}

func (s *Session) prepare(text string) (*sql.Stmt, error) {
	if stmt := s.stmts[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.Conn.PrepareContext(background, text)
	if err == nil {
		s.stmts[text] = stmt
	}
	return stmt, err
}

// Insert is that of work.Session.
func (s *Session) Insert(text string, n int) error {
	stmt, err := s.prepare(text)
	if err != nil {
		return err
	}
	var name [20]byte
	for i := range n {
		row := work.RowAt(i, &name)
		if _, err := stmt.ExecContext(background, row.ID, row.Name, row.Count, row.Score); err != nil {
			return err
		}
	}
	return nil
}

// Blobs is that of work.Session.
func (s *Session) Blobs(text string, n int, blob []byte) error {
	stmt, err := s.prepare(text)
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := stmt.ExecContext(background, int64(i), blob); err != nil {
			return err
		}
	}
	return nil
}

// Each is that of work.Session.
func (s *Session) Each(q work.Query) (sum uint64, err error) {
	stmt, err := s.prepare(q.SQL)
	if err != nil {
		return 0, err
	}
	row := s.row(q.Kinds)
	for k := range q.Times {
		part, err := row.query(stmt, q.Arguments(k))
		if err != nil {
			return 0, err
		}
		sum += part
	}
	return sum, nil
}

func (s *Session) row(kinds string) *row {
	if s.rows[kinds] == nil {
		s.rows[kinds] = newRow(kinds)
	}
	return s.rows[kinds]
}

// row has a variable for each column.
type row struct {
	kinds  string
	ints   []int64
	floats []float64
	texts  []string
	blobs  []sql.RawBytes
	dest   []any
	args   []any
}

func newRow(kinds string) *row {
	n := len(kinds)
	r := &row{kinds: kinds, ints: make([]int64, n), floats: make([]float64, n),
		texts: make([]string, n), blobs: make([]sql.RawBytes, n)}
	for i, kind := range kinds {
		switch kind {
		case 'i':
			r.dest = append(r.dest, &r.ints[i])
		case 'f':
			r.dest = append(r.dest, &r.floats[i])
		case 't':
			r.dest = append(r.dest, &r.texts[i])
		case 'b':
			r.dest = append(r.dest, &r.blobs[i])
		}
	}
	return r
}

func (r *row) query(stmt *sql.Stmt, args []int64) (sum uint64, err error) {
	r.args = r.args[:0]
	for _, v := range args {
		r.args = append(r.args, v)
	}
	rows, err := stmt.QueryContext(background, r.args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(r.dest...); err != nil {
			return 0, err
		}
		sum += r.sum()
	}
	return sum, rows.Err()
}

func (r *row) sum() (sum uint64) {
	for i, kind := range r.kinds {
		switch kind {
		case 'i':
			sum += work.SumInt(r.ints[i])
		case 'f':
			sum += work.SumFloat(r.floats[i])
		case 't':
			sum += work.SumText(r.texts[i])
		case 'b':
			sum += work.SumBlob(r.blobs[i])
		}
	}
	return sum
}
