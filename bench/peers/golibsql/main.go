// Command golibsql is the contestant github.com/tursodatabase/go-libsql through database/sql.
package main

import (
	_ "github.com/tursodatabase/go-libsql"

	"github.com/floedb/floe/bench/peers/sqldb"
	"github.com/floedb/floe/bench/work"
)

func main() {
	work.Main("golibsql", func(path string) (work.Session, error) {
		s, err := sqldb.Open("libsql", "file:"+path)
		if err != nil {
			return nil, err
		}
		return s, nil
	})
}
