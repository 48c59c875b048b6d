// Command floesql is floe through database/sql, as contestants are that have nothing else.
package main

import (
	_ "github.com/floedb/floe"

	"github.com/floedb/floe/bench/peers/sqldb"
	"github.com/floedb/floe/bench/work"
)

func main() {
	work.Main("floesql", func(path string) (work.Session, error) { return sqldb.Open("floe", path) })
}
