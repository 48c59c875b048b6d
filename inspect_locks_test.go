package floe_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/floedb/floe"
)

// Closing a file gives up every lock that the process has on it, which would let others write to what a transaction of
// this process reads.
func TestInspectLeavesTheLocksOfTheProcessAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	db := openSQL(t, path)
	mustExec(t, db, "CREATE TABLE t(a)")
	tx, err := db.BeginTx(limit(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if _, err := floe.Inspect(path); err != nil {
		t.Fatal(err)
	}
	out, err := tryShell(shellPath(t), path, "PRAGMA busy_timeout = 1; INSERT INTO t VALUES (2)")
	if err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("another process wrote during a transaction: %q, %v; want that the database is locked", out, err)
	}
}
