// Command zombiezen is the contestant zombiezen.com/go/sqlite.
package main

import (
	"io"

	"zombiezen.com/go/sqlite"

	"github.com/floedb/floe/bench/work"
)

func main() {
	work.Main("zombiezen", func(path string) (work.Session, error) {
		c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenCreate)
		if err != nil {
			return nil, err
		}
		return &session{c: c}, nil
	})
}

type session struct {
	c    *sqlite.Conn
	blob []byte
	text string // the last one: one that nobody keeps is not allocated
}

func (s *session) Close() error { return s.c.Close() }

func (s *session) Exec(sql string) error {
	stmt, _, err := s.c.PrepareTransient(sql)
	if err != nil {
		return err
	}
	defer stmt.Finalize()
	for {
		if more, err := stmt.Step(); err != nil || !more {
			return err
		}
	}
}

func (s *session) Text(sql string) (text string, err error) {
	stmt, _, err := s.c.PrepareTransient(sql)
	if err != nil {
		return "", err
	}
	defer stmt.Finalize()
	if _, err := stmt.Step(); err != nil {
		return "", err
	}
	return stmt.ColumnText(0), nil
}

func (s *session) Insert(sql string, n int) error {
	stmt, err := s.c.Prepare(sql)
	if err != nil {
		return err
	}
	var name [20]byte
	for i := range n {
		row := work.RowAt(i, &name)
		stmt.BindInt64(1, row.ID)
		stmt.BindText(2, row.Name)
		stmt.BindInt64(3, row.Count)
		stmt.BindFloat(4, row.Score)
		if err := finish(stmt); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) Blobs(sql string, n int, blob []byte) error {
	stmt, err := s.c.Prepare(sql)
	if err != nil {
		return err
	}
	for i := range n {
		stmt.BindInt64(1, int64(i))
		stmt.BindBytes(2, blob)
		if err := finish(stmt); err != nil {
			return err
		}
	}
	return nil
}

func finish(stmt *sqlite.Stmt) error {
	if _, err := stmt.Step(); err != nil {
		return err
	}
	return stmt.Reset()
}

func (s *session) Each(q work.Query) (sum uint64, err error) {
	stmt, err := s.c.Prepare(q.SQL)
	if err != nil {
		return 0, err
	}
	for k := range q.Times {
		for i, v := range q.Arguments(k) {
			stmt.BindInt64(i+1, v)
		}
		for {
			more, err := stmt.Step()
			if err != nil {
				return 0, err
			}
			if !more {
				break
			}
			sum += s.sum(stmt, q.Kinds)
		}
		if err := stmt.Reset(); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

func (s *session) sum(stmt *sqlite.Stmt, kinds string) (sum uint64) {
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
			if n := stmt.ColumnLen(i); n > len(s.blob) {
				s.blob = make([]byte, n)
			}
			sum += work.SumBlob(s.blob[:stmt.ColumnBytes(i, s.blob)])
		}
	}
	return sum
}

func (s *session) OpenBlob(table, column string, rowid int64, write bool) (io.ReadWriteCloser, error) {
	return s.c.OpenBlob("main", table, column, rowid, write)
}

func (s *session) DefineIncrement() error {
	return s.c.CreateFunction("increment", &sqlite.FunctionImpl{
		NArgs:         1,
		Deterministic: true,
		Scalar: func(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
			return sqlite.IntegerValue(args[0].Int64() + 1), nil
		},
	})
}

func (s *session) Authorizer(on bool) (bool, error) {
	if !on {
		return true, s.c.SetAuthorizer(nil)
	}
	return true, s.c.SetAuthorizer(sqlite.AuthorizeFunc(func(sqlite.Action) sqlite.AuthResult { return sqlite.AuthResultOK }))
}

// UpdateHook is something that the package does not have.
func (s *session) UpdateHook(bool) (bool, error) { return false, nil }

// Progress is something that the package does not have.
func (s *session) Progress(bool) (bool, error) { return false, nil }
