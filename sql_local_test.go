package floe_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func openSQL(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("floe", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func openFile(t *testing.T) *sql.DB {
	t.Helper()
	return openSQL(t, "file:"+filepath.Join(t.TempDir(), "a.db")+"?_journal_mode=WAL")
}

func mustExec(t *testing.T, db interface {
	Exec(string, ...any) (sql.Result, error)
}, query string, args ...any) sql.Result {
	t.Helper()
	res, err := db.Exec(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return res
}

func TestLocalValuesComeBackAsTheyWent(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *sql.DB{
		"file":   openFile,
		"memory": func(t *testing.T) *sql.DB { return openSQL(t, ":memory:") },
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			mustExec(t, db, "CREATE TABLE t (a INTEGER, b REAL, c TEXT, d BLOB, e BOOLEAN, f TIMESTAMP, g)")
			at := time.Date(2024, 2, 29, 13, 14, 15, 123456789, time.FixedZone("", 2*3600))
			mustExec(t, db, "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", 1, 2.5, "text", []byte{0, 1}, true, at, nil)
			var got [7]any
			if err := db.QueryRow("SELECT * FROM t").Scan(&got[0], &got[1], &got[2], &got[3], &got[4], &got[5], &got[6]); err != nil {
				t.Fatal(err)
			}
			want := [7]any{int64(1), 2.5, "text", []byte{0, 1}, true, at, nil}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}
