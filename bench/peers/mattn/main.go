// Command mattn is the contestant github.com/mattn/go-sqlite3, through database/sql and with the hooks of its connection.
package main

import (
	"github.com/mattn/go-sqlite3"

	"github.com/floedb/floe/bench/peers/sqldb"
	"github.com/floedb/floe/bench/work"
)

func main() {
	work.Main("mattn", func(path string) (work.Session, error) {
		s, err := sqldb.Open("sqlite3", path)
		if err != nil {
			return nil, err
		}
		return &session{s}, nil
	})
}

type session struct{ *sqldb.Session }

func (s *session) raw(f func(*sqlite3.SQLiteConn) error) error {
	return s.Conn.Raw(func(c any) error { return f(c.(*sqlite3.SQLiteConn)) })
}

func (s *session) DefineIncrement() error {
	return s.raw(func(c *sqlite3.SQLiteConn) error {
		return c.RegisterFunc("increment", func(v int64) int64 { return v + 1 }, true)
	})
}

func (s *session) UpdateHook(on bool) (bool, error) {
	return true, s.raw(func(c *sqlite3.SQLiteConn) error {
		if on {
			c.RegisterUpdateHook(func(int, string, string, int64) {})
		} else {
			c.RegisterUpdateHook(nil)
		}
		return nil
	})
}

func (s *session) Authorizer(on bool) (bool, error) {
	return true, s.raw(func(c *sqlite3.SQLiteConn) error {
		if on {
			c.RegisterAuthorizer(func(int, string, string, string) int { return sqlite3.SQLITE_OK })
		} else {
			c.RegisterAuthorizer(nil)
		}
		return nil
	})
}

// Progress is something that the driver does not have.
func (s *session) Progress(bool) (bool, error) { return false, nil }
