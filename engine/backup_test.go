package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// openPaged opens a new database file with a table of many pages.
func openPaged(tb testing.TB, rows int) (c *Conn, name string) {
	tb.Helper()
	name = filepath.Join(tb.TempDir(), "filled.db")
	c = openTest(tb, name, OpenReadWrite|OpenCreate)
	fillPages(tb, c, rows)
	return c, name
}

// fillPages makes a table t, each row of which takes a page and a bit.
func fillPages(tb testing.TB, c *Conn, rows int) {
	tb.Helper()
	mustExec(tb, c, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
	mustExec(tb, c, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
		INSERT INTO t SELECT i, zeroblob(4000) FROM n`, rows)
}

func countRows(tb testing.TB, c *Conn) int64 {
	tb.Helper()
	if check := values(tb, c, "PRAGMA integrity_check")[0][0]; check != "ok" {
		tb.Errorf("integrity check: %v", check)
	}
	return values(tb, c, "SELECT count(*) FROM t")[0][0].(int64)
}

func TestBackupToAFileAndBack(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		c, _ := openPaged(t, 50)
		mustExec(t, c, "PRAGMA journal_mode = "+mode)
		path := filepath.Join(t.TempDir(), "file:copy?mode=ro.db") // no URI
		var told []int
		err := c.Backup(background, path, BackupOptions{PagesPerStep: 10, Pause: time.Microsecond,
			Progress: func(remaining, total int) error {
				told = append(told, remaining)
				return c.Exec(background, "SELECT 1") // the source may be used
			}})
		if err != nil {
			t.Fatalf("%s: backup: %v", mode, err)
		}
		if len(told) < 5 || told[len(told)-1] != 0 {
			t.Errorf("%s: progress was told %v", mode, told)
		}
		memory := openMemory(t)
		mustExec(t, memory, "CREATE TABLE old(a)")
		if err := memory.Restore(background, path, BackupOptions{}); err != nil {
			t.Fatalf("%s: restore: %v", mode, err)
		}
		if n := countRows(t, memory); n != 50 {
			t.Errorf("%s: %d rows were restored, want 50", mode, n)
		}
		mustExec(t, memory, "INSERT INTO t VALUES (1000, 1)")
	}
}

func TestBackupOfAndToAttachedDatabases(t *testing.T) {
	src, dst := openMemory(t), openMemory(t)
	mustExec(t, src, "ATTACH ':memory:' AS other; CREATE TABLE other.t(a); INSERT INTO other.t VALUES (7)")
	mustExec(t, dst, "ATTACH ':memory:' AS third")
	if err := src.BackupTo(background, dst, BackupOptions{Source: "other", Target: "third"}); err != nil {
		t.Fatal(err)
	}
	if got := values(t, dst, "SELECT a FROM third.t")[0][0]; got != int64(7) {
		t.Errorf("the copy has %v, want 7", got)
	}
	for _, options := range []BackupOptions{{Source: "nope"}, {Target: "nope"}, {Source: "a\x00b"}} {
		if err := src.BackupTo(background, dst, options); err == nil {
			t.Errorf("backup with %+v: no error", options)
		}
	}
}

func TestBackupSeesWhatItsSourceWritesBetweenSteps(t *testing.T) {
	src, _ := openPaged(t, 50)
	dst := openMemory(t)
	b := mustBackup(t, dst, src)
	mustStep(t, b, 20, false)
	remaining := b.Remaining()
	mustExec(t, src, "DELETE FROM t WHERE a = 2; INSERT INTO t VALUES (1000, 'new')")
	mustStep(t, b, 1, false)
	if b.Remaining() > remaining {
		t.Errorf("%d pages remain after %d: a write of the source's own connection began the backup anew", b.Remaining(), remaining)
	}
	mustStep(t, b, -1, true)
	mustStep(t, b, -1, true)
	mustExec(t, src, "DELETE FROM t")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	got := values(t, dst, "SELECT count(*), max(a) FROM t")[0]
	if got[0] != int64(50) || got[1] != int64(1000) {
		t.Errorf("the copy has %v rows up to %v, want 50 up to 1000", got[0], got[1])
	}
}

func TestBackupBeginsAnewWhenOthersWrite(t *testing.T) {
	src, name := openPaged(t, 50)
	other := openTest(t, name, OpenReadWrite)
	dst := openMemory(t)
	b := mustBackup(t, dst, src)
	mustStep(t, b, 20, false)
	before := b.Remaining()
	mustExec(t, other, "UPDATE t SET b = 'changed' WHERE a = 1")
	mustStep(t, b, 1, false)
	if b.Remaining() <= before {
		t.Errorf("%d pages remain after %d before the change: the backup did not begin anew", b.Remaining(), before)
	}
	mustStep(t, b, -1, true)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := values(t, dst, "SELECT b FROM t WHERE a = 1")[0][0]; got != "changed" {
		t.Errorf("the copy has %v, want the change", got)
	}
}

func mustBackup(t *testing.T, dst, src *Conn) *Backup {
	t.Helper()
	b, err := NewBackup(dst, "", src, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func mustStep(t *testing.T, b *Backup, pages int, want bool) {
	t.Helper()
	if done, err := b.Step(background, pages); done != want || err != nil {
		t.Fatalf("step of %d pages: done %v, error %v; want %v", pages, done, err, want)
	}
}

func TestBackupTargetIsNotUsable(t *testing.T) {
	src, dst := openMemory(t), openMemory(t)
	fillPages(t, src, 5)
	stmt := mustPrepare(t, dst, "SELECT 1")
	b := mustBackup(t, dst, src)
	mustStep(t, b, 1, false)
	_, stepErr := stmt.Step(background)
	_, secondErr := NewBackup(dst, "", openMemory(t), "")
	for call, err := range map[string]error{
		"Exec": dst.Exec(background, "SELECT 1"), "Step": stepErr, "Close": dst.Close(), "NewBackup": secondErr,
	} {
		if !errors.Is(err, ErrBackupTarget) {
			t.Errorf("%s: %v, want %v", call, err, ErrBackupTarget)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(values(t, dst, "SELECT * FROM sqlite_schema")); n != 0 {
		t.Errorf("a backup that was not complete left %d tables", n)
	}
}

func TestConnCloseEndsABackupAndFreesItsTarget(t *testing.T) {
	src, dst := openMemory(t), openMemory(t)
	fillPages(t, src, 5)
	b := mustBackup(t, dst, src)
	mustStep(t, b, 1, false)
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, dst, "CREATE TABLE t(a)")
}

func TestBackupThatCannotBegin(t *testing.T) {
	src, dst := openMemory(t), openMemory(t)
	fillPages(t, src, 5)
	busy := openMemory(t)
	fillPages(t, busy, 5)
	reading := mustPrepare(t, busy, "SELECT * FROM t")
	mustRow(t, reading)
	for _, test := range []struct {
		name     string
		dst, src *Conn
		want     error
		message  string
	}{
		{"onto itself", src, src, Misuse, "the same connection"},
		{"target closed", closedConn(t), src, ErrClosed, "target"},
		{"source closed", dst, closedConn(t), ErrClosed, "source"},
		{"target in use", busy, src, Generic, "destination database is in use"},
	} {
		_, err := NewBackup(test.dst, "", test.src, "")
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	mustExec(t, src, "SELECT 1")
	mustExec(t, dst, "SELECT 1")
}

func TestBackupOfASourceThatItsConnectionWrites(t *testing.T) {
	src, dst := openMemory(t), openMemory(t)
	fillPages(t, src, 5)
	b := mustBackup(t, dst, src)
	mustExec(t, src, "BEGIN; INSERT INTO t VALUES (100, 1)")
	if _, err := b.Step(background, -1); !errors.Is(err, Busy) || !strings.Contains(err.Error(), "write transaction") {
		t.Errorf("step: %v, want %v for the write transaction", err, Busy)
	}
	mustExec(t, src, "COMMIT")
	mustStep(t, b, -1, true)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, dst); n != 6 {
		t.Errorf("%d rows, want 6", n)
	}
}

func TestBackupWaitsForLocks(t *testing.T) {
	src := openMemory(t)
	fillPages(t, src, 5)
	holder, target := openPair(t)
	mustExec(t, holder, "CREATE TABLE x(a); BEGIN IMMEDIATE")
	target.SetBusyTimeout(20 * time.Millisecond)
	if err := src.BackupTo(background, target, BackupOptions{}); !errors.Is(err, Busy) || errors.Is(err, Interrupt) {
		t.Errorf("locked target: %v, want %v", err, Busy)
	}
	target.SetBusyTimeout(time.Hour)
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	if err := src.BackupTo(ctx, target, BackupOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("locked target with a context: %v, want its end", err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		holder.Exec(background, "COMMIT")
	}()
	if err := src.BackupTo(background, target, BackupOptions{}); err != nil {
		t.Errorf("a target that is unlocked in time: %v", err)
	}
}

func TestBackupEndsWithItsContextAndItsProgress(t *testing.T) {
	c, _ := openPaged(t, 50)
	ctx, cancel := context.WithCancel(background)
	path := filepath.Join(t.TempDir(), "copy.db")
	enough := errors.New("enough")
	err := c.Backup(background, path, BackupOptions{PagesPerStep: 5, Progress: func(int, int) error { return enough }})
	if err != enough {
		t.Errorf("backup: %v, want the error of the progress", err)
	}
	err = c.Backup(ctx, path, BackupOptions{PagesPerStep: 5, Pause: time.Hour, Progress: func(int, int) error {
		cancel()
		return nil
	}})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, Interrupt) {
		t.Errorf("backup: %v, want the end of the context", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a backup that did not succeed left a file: %v", err)
	}
}

func TestBackupThatFailsLeavesAnOldFile(t *testing.T) {
	c, _ := openPaged(t, 50)
	old, name := openPaged(t, 3)
	err := c.Backup(background, name, BackupOptions{PagesPerStep: 5, Progress: func(int, int) error { return ErrEmpty }})
	if err != ErrEmpty {
		t.Fatal(err)
	}
	if n := countRows(t, old); n != 3 {
		t.Errorf("the old file has %d rows, want 3", n)
	}
	if err := c.Restore(background, filepath.Join(t.TempDir(), "missing.db"), BackupOptions{}); !errors.Is(err, CantOpen) {
		t.Errorf("restore of a missing file: %v, want %v", err, CantOpen)
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Restore(background, garbage, BackupOptions{}); !errors.Is(err, NotADB) {
		t.Errorf("restore of garbage: %v, want %v", err, NotADB)
	}
	if n := countRows(t, c); n != 50 {
		t.Errorf("%d rows after two restores that did not succeed, want 50", n)
	}
	for _, path := range []string{"", ":memory:"} {
		if err := c.Backup(background, path, BackupOptions{}); !errors.Is(err, CantOpen) {
			t.Errorf("backup to %q: %v, want %v", path, err, CantOpen)
		}
	}
}

func TestBackupIntoMemoryOfAnotherPageSize(t *testing.T) {
	src, dst := openMemory(t), openMemory(t)
	mustExec(t, src, "PRAGMA page_size = 8192")
	fillPages(t, src, 5)
	fillPages(t, dst, 1)
	if err := src.BackupTo(background, dst, BackupOptions{}); !errors.Is(err, ReadOnly) {
		t.Errorf("into a database in memory with other pages: %v, want %v", err, ReadOnly)
	}
	if n := countRows(t, dst); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestBackupMisuse(t *testing.T) {
	src, dst := openMemory(t), openMemory(t)
	b, err := NewBackup(dst, "", src, "")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{"Step": func() error { _, err := b.Step(background, 1); return err }}
	checkRefusals(t, src, ErrHandleClosed, b.Close, calls)
	if b.Remaining() != 0 || b.PageCount() != 0 {
		t.Error("a closed backup counts pages")
	}
	mustExec(t, dst, "CREATE TABLE t(a)")
	var none *Backup
	if err := none.Close(); err != nil {
		t.Errorf("close of nil: %v", err)
	}
	if err := closedConn(t).Backup(background, "x", BackupOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("backup of a closed connection: %v", err)
	}
}

func TestBackupsDoNotLeak(t *testing.T) {
	src, dst := openMemory(t), openMemory(t)
	fillPages(t, src, 5)
	path := filepath.Join(t.TempDir(), "copy.db")
	mustNotLeak(t, 50, func() error {
		if err := src.BackupTo(background, dst, BackupOptions{PagesPerStep: 2}); err != nil {
			return err
		}
		if err := src.BackupTo(background, dst, BackupOptions{Source: "nope"}); !errors.Is(err, Generic) {
			return expect(Generic, err)
		}
		return src.Backup(background, path, BackupOptions{})
	})
}

// The race detector tells whether the backup leaves the target alone from then on.
func TestTargetCanBeUsedElsewhereOnceABackupIsClosed(t *testing.T) {
	src, dst := openMemory(t), openMemory(t)
	mustExec(t, src, "CREATE TABLE t(a)")
	for range 50 {
		b, err := NewBackup(dst, "", src, "")
		if err != nil {
			t.Fatal(err)
		}
		used := make(chan error)
		go func() {
			err := ErrBackupTarget
			for err == ErrBackupTarget || err == ErrConcurrentUse { // the latter while Close is at it
				err = dst.Exec(background, "SELECT no_such_column")
			}
			used <- err
		}()
		if err := b.Close(); err != nil {
			t.Errorf("close the backup: %v", err)
		}
		if err := <-used; !errors.Is(err, Generic) {
			t.Errorf("the target: %v, want %v", err, Generic)
		}
	}
}
