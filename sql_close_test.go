package floe

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
)

// leftovers are the goroutines of this module and of connections of HTTP, but for those of tests, and the files and
// sockets that are open, where the system tells.
func leftovers() (goroutines []string, files []string) {
	buf := make([]byte, 4<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		ours := strings.Contains(g, "floedb/floe") && !strings.Contains(g, "testing.") && !strings.Contains(g, "sqldtest")
		if ours || strings.Contains(g, "(*persistConn)") || strings.Contains(g, "coder/websocket.") {
			goroutines = append(goroutines, g)
		}
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && (strings.HasPrefix(to, "socket:") || strings.HasPrefix(to, "/")) {
			files = append(files, to)
		}
	}
	return goroutines, files
}

func TestCloseLeavesNoGoroutineAndNoFile(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(x)", "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 5000) SELECT x FROM c")
	dir := t.TempDir()
	for mode, dsn := range map[string]string{
		"file":    filepath.Join(dir, "x.db"),
		"http":    "http://" + srv.Addr,
		"ws":      "ws://" + srv.Addr,
		"replica": "file:" + filepath.ToSlash(filepath.Join(dir, "r.db")) + "?primary=" + srv.URL + "&syncInterval=1h",
	} {
		for what, use := range map[string]func(t *testing.T, db *sql.DB){
			"nothing open": func(t *testing.T, db *sql.DB) {
				mustExecDB(t, db, "CREATE TABLE IF NOT EXISTS t(x); DELETE FROM t WHERE x < 0")
				readAll(t, db, "SELECT count(*) FROM t")
			},
			"a transaction open": func(t *testing.T, db *sql.DB) {
				mustExecDB(t, db, "CREATE TABLE IF NOT EXISTS t(x)")
				tx := mustBegin(t, db, nil)
				mustExecDB(t, tx, "INSERT INTO t VALUES(1)")
				t.Cleanup(func() { tx.Rollback() })
			},
			"rows open": func(t *testing.T, db *sql.DB) {
				mustExecDB(t, db, "CREATE TABLE IF NOT EXISTS t(x); DELETE FROM t WHERE x < 0")
				const query = "SELECT a.x FROM t AS a, t AS b WHERE a.x < 20"
				if mode != "file" && mode != "replica" {
					setLarge(db, query, true)
				}
				rows, err := db.Query(query)
				if err != nil {
					t.Fatal(err)
				}
				rows.Next()
				t.Cleanup(func() { rows.Close() })
			},
		} {
			t.Run(mode+", "+what, func(t *testing.T) {
				srv.HTTPClient().CloseIdleConnections()
				settled := func(most int) (goroutines, files []string) {
					for end := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
						goroutines, files = leftovers()
						if len(goroutines) == 0 && len(files) <= most || time.Now().After(end) {
							return goroutines, files
						}
					}
				}
				_, before := settled(1 << 20)
				db, err := sql.Open(DriverName, dsn)
				if err != nil {
					t.Fatal(err)
				}
				t.Run("use", func(t *testing.T) {
					use(t, db)
					if err := db.Close(); err != nil && !errors.Is(err, ErrClosed) {
						t.Errorf("close: %v", err)
					}
					if mode == "file" || mode == "replica" {
						return // what is in use of a local file ends with its user, below
					}
					if goroutines, files := settled(len(before)); len(goroutines) > 0 || len(files) > len(before) {
						t.Errorf("after Close there are the goroutines\n%s\nand the files %q, want none and %q", strings.Join(goroutines, "\n\n"), files, before)
					}
				})
				if goroutines, files := settled(len(before)); len(goroutines) > 0 || len(files) > len(before) {
					t.Errorf("there are the goroutines\n%s\nand the files %q, want none and %q", strings.Join(goroutines, "\n\n"), files, before)
				}
			})
		}
	}
}
