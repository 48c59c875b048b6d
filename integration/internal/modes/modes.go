// Package modes gives a test a fresh database in each of the three modes of the
// driver: a local file, a server, and a replica that reads a file of its own and
// writes to its primary.
package modes

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	_ "github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// Run runs f in a subtest of its own for each mode, with the data source name of
// an empty database. What needs a server is skipped where there is none, and fails
// with FLOE_REQUIRE_SQLD=1 in the environment.
func Run(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Run("local", func(t *testing.T) { f(t, file(t)+"?"+Pragmas) })
	t.Run("remote", func(t *testing.T) { f(t, sqldtest.Start(t).URL) })
	t.Run("replica", func(t *testing.T) {
		f(t, file(t)+"?primary="+url.QueryEscape(sqldtest.Start(t).URL)+"&"+Pragmas)
	})
}

// Pragmas are those that a program would set for a local database. A server checks
// foreign keys unasked.
const Pragmas = "_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)"

func file(t *testing.T) string {
	return "file:" + filepath.ToSlash(filepath.Join(t.TempDir(), "app.db"))
}

// RunDB is [Run] with the database opened. It is closed when the test ends.
func RunDB(t *testing.T, f func(t *testing.T, db *sql.DB)) {
	Run(t, func(t *testing.T, dsn string) {
		db, err := sql.Open("floe", dsn)
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		f(t, db)
	})
}
