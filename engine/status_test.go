package engine

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestConnStatusCounts(t *testing.T) {
	c, _ := openPaged(t, 20)
	used, _, err := c.Status(StatusCacheUsed, false)
	if err != nil || used < 20*4096 {
		t.Errorf("%d bytes of cache, %v; want those of 20 pages at least", used, err)
	}
	if err := c.ReleaseMemory(); err != nil {
		t.Fatal(err)
	}
	if after, _, _ := c.Status(StatusCacheUsed, false); after >= used {
		t.Errorf("%d bytes of cache after the release of memory, %d before", after, used)
	}
	mustExec(t, c, "SELECT count(b) FROM t")
	misses, _, err := c.Status(StatusCacheMiss, true)
	if err != nil || misses == 0 {
		t.Errorf("%d misses, %v; want some", misses, err)
	}
	if again, _, _ := c.Status(StatusCacheMiss, false); again != 0 {
		t.Errorf("%d misses after a reset", again)
	}
	if _, _, err := c.Status(99, false); !errors.Is(err, Misuse) {
		t.Errorf("no such counter: %v, want %v", err, Misuse)
	}
}

func TestFlushCacheWritesWithoutACommit(t *testing.T) {
	c, name := openPaged(t, 1)
	before, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "BEGIN; INSERT INTO t VALUES (100, zeroblob(100000))")
	if err := c.FlushCache(); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(name)
	if err != nil || after.Size() <= before.Size() {
		t.Errorf("%d bytes before the flush and %d after, %v", before.Size(), after.Size(), err)
	}
	mustExec(t, c, "ROLLBACK")
	if n := countRows(t, c); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestSetLastInsertRowID(t *testing.T) {
	c := openMemory(t)
	if err := c.SetLastInsertRowID(-7); err != nil || c.LastInsertRowID() != -7 {
		t.Errorf("%d, %v; want -7", c.LastInsertRowID(), err)
	}
	if got := values(t, c, "SELECT last_insert_rowid()")[0][0]; got != int64(-7) {
		t.Errorf("SQL says %v, want -7", got)
	}
}

func TestVersionIsWhatSQLSays(t *testing.T) {
	c := openMemory(t)
	row := values(t, c, "SELECT sqlite_version(), sqlite_source_id()")[0]
	if row[0] != SQLiteVersion() || row[1] != SQLiteSourceID() {
		t.Errorf("%s and %s, SQL says %v", SQLiteVersion(), SQLiteSourceID(), row)
	}
	var want []string
	for _, row := range values(t, c, "PRAGMA compile_options") {
		want = append(want, row[0].(string))
	}
	if got := CompileOptions(); !slices.Equal(got, want) {
		t.Errorf("options %v, SQL says %v", got, want)
	}
}

func TestCompleteSQL(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 1;": true, "SELECT 1": false, "SELECT ';": false, "": false, ";": true, "nonsense;": true, "a\x00;": false,
		"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1;": false, "/* ;": false, strings.Repeat("x", 1<<16) + ";": true,
	} {
		if got := CompleteSQL(sql); got != want {
			t.Errorf("%.60q: %v, want %v", sql, got, want)
		}
	}
}

func TestStatusOfAClosedConn(t *testing.T) {
	c := closedConn(t)
	checkCalls(t, "of a closed connection", ErrClosed, map[string]func() error{
		"Status":             func() error { _, _, err := c.Status(StatusCacheUsed, false); return err },
		"ReleaseMemory":      c.ReleaseMemory,
		"FlushCache":         c.FlushCache,
		"SetLastInsertRowID": func() error { return c.SetLastInsertRowID(1) },
	})
}
