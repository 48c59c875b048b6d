// Command ncruces is the contestant github.com/ncruces/go-sqlite3.
package main

import (
	"errors"
	"io"

	"github.com/ncruces/go-sqlite3"

	"github.com/floedb/floe/bench/work"
)

func main() {
	work.Main("ncruces", func(path string) (work.Session, error) {
		c, err := sqlite3.Open(path)
		if err != nil {
			return nil, err
		}
		return &session{c: c, stmts: make(map[string]*sqlite3.Stmt)}, nil
	})
}

type session struct {
	c     *sqlite3.Conn
	stmts map[string]*sqlite3.Stmt
	text  string // the last one: one that nobody keeps is not allocated
}

func (s *session) Close() error {
	for _, stmt := range s.stmts {
		stmt.Close()
	}
	return s.c.Close()
}

func (s *session) Exec(sql string) error { return s.c.Exec(sql) }

func (s *session) Text(sql string) (text string, err error) {
	stmt, _, err := s.c.Prepare(sql)
	if err != nil {
		return "", err
	}
	defer stmt.Close()
	if stmt.Step() {
		text = stmt.ColumnText(0)
	}
	return text, stmt.Err()
}

func (s *session) prepare(sql string) (*sqlite3.Stmt, error) {
	if stmt := s.stmts[sql]; stmt != nil {
		return stmt, nil
	}
	stmt, _, err := s.c.Prepare(sql)
	if err == nil {
		s.stmts[sql] = stmt
	}
	return stmt, err
}

func (s *session) Insert(sql string, n int) error {
	stmt, err := s.prepare(sql)
	if err != nil {
		return err
	}
	var name [20]byte
	for i := range n {
		row := work.RowAt(i, &name)
		err := errors.Join(stmt.BindInt64(1, row.ID), stmt.BindText(2, row.Name), stmt.BindInt64(3, row.Count),
			stmt.BindFloat(4, row.Score), stmt.Exec())
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *session) Blobs(sql string, n int, blob []byte) error {
	stmt, err := s.prepare(sql)
	if err != nil {
		return err
	}
	for i := range n {
		if err := errors.Join(stmt.BindInt64(1, int64(i)), stmt.BindBlob(2, blob), stmt.Exec()); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) Each(q work.Query) (sum uint64, err error) {
	stmt, err := s.prepare(q.SQL)
	if err != nil {
		return 0, err
	}
	for k := range q.Times {
		for i, v := range q.Arguments(k) {
			if err := stmt.BindInt64(i+1, v); err != nil {
				return 0, err
			}
		}
		for stmt.Step() {
			sum += s.sum(stmt, q.Kinds)
		}
		if err := errors.Join(stmt.Err(), stmt.Reset()); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

func (s *session) sum(stmt *sqlite3.Stmt, kinds string) (sum uint64) {
	for i, kind := range kinds {
		switch kind {
		case 'i':
			sum += work.SumInt(stmt.ColumnInt64(i))
		case 'f':
			sum += work.SumFloat(stmt.ColumnFloat(i))
		case 't':
			s.text = stmt.ColumnText(i)
			sum += work.SumText(s.text)
		case 'b':
			sum += work.SumBlob(stmt.ColumnRawBlob(i))
		}
	}
	return sum
}

func (s *session) OpenBlob(table, column string, rowid int64, write bool) (io.ReadWriteCloser, error) {
	return s.c.OpenBlob("main", table, column, rowid, write)
}

func (s *session) DefineIncrement() error {
	return s.c.CreateFunction("increment", 1, sqlite3.DETERMINISTIC, func(ctx sqlite3.Context, args ...sqlite3.Value) {
		ctx.ResultInt64(args[0].Int64() + 1)
	})
}

func (s *session) UpdateHook(on bool) (bool, error) {
	if on {
		s.c.UpdateHook(func(sqlite3.AuthorizerActionCode, string, string, int64) {})
	} else {
		s.c.UpdateHook(nil)
	}
	return true, nil
}

func (s *session) Authorizer(on bool) (bool, error) {
	if !on {
		return true, s.c.SetAuthorizer(nil)
	}
	return true, s.c.SetAuthorizer(
		func(sqlite3.AuthorizerActionCode, string, string, string, string) sqlite3.AuthorizerReturnCode {
			return sqlite3.AUTH_OK
		})
}

// Progress is something that the package does not have.
func (s *session) Progress(bool) (bool, error) { return false, nil }
