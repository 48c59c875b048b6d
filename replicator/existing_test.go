package replicator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// existing makes a data directory for a server with the database, in the journal mode
// that SQLite begins with, that sql makes.
func existing(t *testing.T, sql string) (dir, data string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "sqld")
	data = filepath.Join(dir, "dbs", sqldtest.DefaultNamespace, "data")
	if err := os.MkdirAll(filepath.Dir(data), 0o777); err != nil {
		t.Fatal(err)
	}
	conn, err := engine.Open(data, engine.OpenReadWrite|engine.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Exec(t.Context(), sql)
	if err = errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	return dir, data
}

// startLonger starts a server that adopts a database whose file is longer than its
// page 1 says, by extra pages: some programs have files grow in large steps.
func startLonger(t *testing.T, extra int64, opts ...sqldtest.Option) *sqldtest.Server {
	t.Helper()
	const rows = `CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b BLOB);
		INSERT INTO t(b) SELECT zeroblob(3000) FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 50) SELECT n FROM c)`
	dir, data := existing(t, rows)
	info, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	cut(t, data, info.Size()+extra*4096)
	return sqldtest.Start(t, append(opts, sqldtest.WithDir(dir))...)
}

// A real primary can have a database file that is longer than its page 1 says. Its
// replica is followed all the same, by a handle and by those after it, until the
// database has grown over the end.
func TestADatabaseLongerThanItsPageOneSaysIsFollowed(t *testing.T) {
	srv := startLonger(t, 40)
	r := openTest(t, srv)
	mustSync(t, r)
	for i, sql := range []string{
		"UPDATE t SET a = 'x' WHERE id = 3", // without page 1
		"INSERT INTO t(b) VALUES (zeroblob(10000))",
		"UPDATE t SET a = 'y' WHERE id = 4",
		"INSERT INTO t(b) SELECT randomblob(3000) FROM t",
		"UPDATE t SET a = 'z' WHERE id = 5",
	} {
		srv.Exec(t, sql)
		mustSync(t, r)
		srv.Exec(t, fmt.Sprintf("UPDATE t SET a = 'again' WHERE id = %d", i+10))
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		r = open(t, r.cfg)
		mustSync(t, r)
		checkVerified(t, r)
	}
	if got := queryText(t, r.cfg.Path, "SELECT count(*) || ' ' || count(a) FROM t"); got != "102 8" {
		t.Errorf("the replica has %s rows and texts, want 102 8", got)
	}
}

// So it is where the log no longer tells how the file began.
func TestASnapshotLongerThanItsPageOneSaysIsTaken(t *testing.T) {
	srv := startLonger(t, 400, sqldtest.WithMaxLogSize(1))
	for i := range 5 {
		srv.Exec(t, fmt.Sprintf("UPDATE t SET b = randomblob(%d)", 3000+i))
	}
	srv.Exec(t, "INSERT INTO t(b) VALUES (zeroblob(10000))")
	r := openTest(t, srv)
	mustSync(t, r)
	srv.Exec(t, "UPDATE t SET a = 'x' WHERE id = 3")
	mustSync(t, r)
	checkVerified(t, r)
	if got := queryText(t, r.cfg.Path, "SELECT count(*) || ' ' || count(a) FROM t"); got != "51 1" {
		t.Errorf("the replica has %s rows and texts, want 51 1", got)
	}
}

// A log that was made of an existing file has its page 1 in the journal mode that the
// file had. To a replica, which has its own, that is no difference.
func TestAnExistingDatabaseInRollbackModeIsFollowed(t *testing.T) {
	for _, sql := range []string{"PRAGMA user_version = 7", "CREATE TABLE t(a); INSERT INTO t VALUES (1)"} {
		dir, _ := existing(t, sql)
		srv := sqldtest.Start(t, sqldtest.WithDir(dir))
		r := openTest(t, srv)
		mustSync(t, r)
		checkVerified(t, r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		r = open(t, r.cfg)
		mustSync(t, r)
		srv.Exec(t, "CREATE TABLE more(a)")
		mustSync(t, r)
		checkVerified(t, r)
	}
}
