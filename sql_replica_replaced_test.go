package floe_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/floedb/floe/internal/sqldtest"
)

// Connections in the pool, and statements prepared on them, do not go on with the file
// of a replica whose place another one has taken.
func TestReadsOfAReplicaWhoseFileWasReplacedAreOfTheNewOne(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files that are open cannot be removed")
	}
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	path := filepath.Join(t.TempDir(), "replica.db")
	db, err := sql.Open("floe", "file:"+path+"?primary="+srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := limit(t)
	count, err := db.PrepareContext(ctx, "SELECT count(*) FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer count.Close()
	want := int64(0)
	check := func(what string) {
		t.Helper()
		var n, prepared int64
		err := db.QueryRowContext(ctx, "SELECT count(*) FROM t").Scan(&n)
		if err == nil {
			err = count.QueryRowContext(ctx).Scan(&prepared)
		}
		if err != nil || n != want || prepared != want {
			t.Errorf("%s: there are %d rows, and %d for a prepared statement, %v; want %d", what, n, prepared, err, want)
		}
	}
	insert := func() {
		t.Helper()
		if _, err := db.ExecContext(ctx, "INSERT INTO t VALUES (2)"); err != nil {
			t.Fatal(err)
		}
		want++
	}
	remove := func() {
		t.Helper()
		for _, suffix := range []string{"", "-wal", "-shm", "-client_wal_index", "-floe-lock"} {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
	want = 1
	check("at first")
	remove()
	insert()
	check("behind a write")
	remove()
	check("without a write")

	// Who has a connection of its own learns that it is of no use.
	c, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var n int64
	if err := c.QueryRowContext(ctx, "SELECT count(*) FROM t").Scan(&n); err != nil || n != want {
		t.Errorf("a connection: %d rows, %v; want %d", n, err, want)
	}
	remove()
	if _, err := c.ExecContext(ctx, "INSERT INTO t VALUES (3)"); err != nil {
		t.Fatal(err)
	}
	want++
	if err := c.QueryRowContext(ctx, "SELECT count(*) FROM t").Scan(&n); !errors.Is(err, driver.ErrBadConn) {
		t.Errorf("a connection to a file that was replaced: %d rows, %v; want %v", n, err, driver.ErrBadConn)
	}
	check("behind a write of that connection")
}
