// Command modernc is the contestant modernc.org/sqlite through database/sql.
package main

import (
	"database/sql/driver"

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
