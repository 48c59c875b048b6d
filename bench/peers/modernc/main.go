// Command modernc is the contestant modernc.org/sqlite through database/sql.
package main

import (
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"

	"github.com/floedb/floe/bench/peers/sqldb"
	"github.com/floedb/floe/bench/work"
)

func main() {
	sqlite.MustRegisterDeterministicScalarFunction("increment", 1,
		func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			return args[0].(int64) + 1, nil
		})
	work.Main("modernc", func(path string) (work.Session, error) {
		s, err := sqldb.Open("sqlite", path)
		if err != nil {
			return nil, err
		}
		return session{s}, nil
	})
}

type session struct{ *sqldb.Session }

// DefineIncrement has nothing left to do: functions of this driver are those of all connections.
func (session) DefineIncrement() error { return nil }

// UpdateHook is something that the driver does not have.
func (session) UpdateHook(bool) (bool, error) { return false, nil }

func (s session) Authorizer(on bool) (bool, error) {
	var rule sqlite.AuthorizerFn
	if on {
		rule = func(sqlite.AuthorizerActionCode, string, string, string, string) sqlite.AuthorizerReturnCode {
			return sqlite.AuthorizerOK
		}
	}
	return true, s.Conn.Raw(func(c any) error {
		r, ok := c.(sqlite.AuthorizerRegisterer)
		if !ok {
			return errors.New("the driver has no authorizer")
		}
		return r.RegisterAuthorizer(rule)
	})
}

// Progress is something that the driver does not have.
func (session) Progress(bool) (bool, error) { return false, nil }
