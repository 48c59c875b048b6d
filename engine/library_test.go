package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/floedb/floe/internal/sqldtest"
)

func TestLibraryStatusCountsTheMemoryOfAllConnections(t *testing.T) {
	before := MemoryUsed()
	MemoryHighwater(true)
	c := openTx(t)
	used, highwater, err := LibraryStatus(LibraryMemoryUsed, false)
	if err != nil || used <= before || highwater < used || MemoryHighwater(false) < used {
		t.Errorf("memory used %d, high-water %d, %v; want more than %d", used, highwater, err, before)
	}
	for _, op := range []LibraryCounter{LibraryMallocCount, LibraryMallocSize, LibraryPageCacheUsed, LibraryPageCacheOverflow, LibraryPageCacheSize} {
		if _, _, err := LibraryStatus(op, true); err != nil {
			t.Errorf("counter %d: %v", op, err)
		}
	}
	_, _, err = LibraryStatus(10, false)
	wantErr(t, "an unknown counter", err, Misuse)
	must(t, c.Exec(background, "SELECT 1"))
}

func TestReleaseMemoryGivesCachesFree(t *testing.T) {
	c := openTest(t, filepath.Join(t.TempDir(), "memory.db"), 0)
	fill := func() (cached int64) {
		mustExec(t, c, "SELECT sum(length(x)) FROM t")
		cached, _, err := c.Status(StatusCacheUsed, false)
		must(t, err)
		return cached
	}
	mustExec(t, c, "CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100)"+
		"INSERT INTO t SELECT zeroblob(3000) FROM n")
	for name, release := range map[string]func() error{
		"connection": c.ReleaseMemory,
		"library":    func() error { ReleaseMemory(1 << 30); return nil },
	} {
		before := fill()
		must(t, release())
		if after, _, err := c.Status(StatusCacheUsed, false); err != nil || after >= before {
			t.Errorf("%s: caches of %d bytes, %v; want less than %d", name, after, err, before)
		}
	}
}

func TestHeapLimitsAreSetAndKept(t *testing.T) {
	c := openMemory(t)
	if got := HardHeapLimit(MemoryUsed() + 1<<20); got != 0 {
		t.Errorf("hard limit before: %d, want 0", got)
	}
	defer HardHeapLimit(0)
	wantErr(t, "4 MiB in 1 MiB", c.Exec(background, "SELECT zeroblob(4 << 20) || 'x'"), NoMem)
	limit := HardHeapLimit(-1)
	if SoftHeapLimit(limit*2) > limit || SoftHeapLimit(-1) != limit {
		t.Errorf("soft limit: %d, want no more than the hard one of %d", SoftHeapLimit(-1), limit)
	}
	HardHeapLimit(0)
	if SoftHeapLimit(-1) != 0 {
		t.Errorf("soft limit without a hard one: %d, want 0", SoftHeapLimit(-1))
	}
	mustExec(t, c, "SELECT zeroblob(4 << 20) || 'x'")
}

func TestMemoryAccountingIsSetBeforeTheLibraryIsUsed(t *testing.T) {
	wantErr(t, "in the library's use", SetMemoryAccounting(true), Misuse)
	// With a benchmark asked for, TestMain leaves the library as it is.
	child := sqldtest.Self(t.Context(), "-test.run=^TestMemoryAccountingChild$", "-test.bench=^$", "-test.v")
	child.Env = append(os.Environ(), "FLOE_ACCOUNTING_CHILD=1")
	out, err := child.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("PASS: TestMemoryAccountingChild")) {
		t.Errorf("a process of its own: %v\n%s", err, out)
	}
}

func TestMemoryAccountingChild(t *testing.T) {
	if os.Getenv("FLOE_ACCOUNTING_CHILD") == "" {
		t.Skip("runs in a process of its own")
	}
	must(t, SetMemoryAccounting(true))
	openTx(t)
	if got := MemoryUsed(); got == 0 {
		t.Errorf("memory used: 0 with the accounting on")
	}
}

func TestKeywordsAreThoseOfTheParser(t *testing.T) {
	words := Keywords()
	if !slices.Contains(words, "SELECT") || slices.Contains(words, "FLOE") {
		t.Errorf("keywords: %q", words)
	}
	for _, word := range words {
		if !IsKeyword(word) || !IsKeyword(strings.ToLower(word)) || IsKeyword(word+"\x00") || IsKeyword(word+"_") {
			t.Errorf("%q is not told apart from what is no keyword", word)
		}
	}
}

func TestFlushCacheUnderAReaderIsBusy(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(x)")
	a.SetBusyTimeout(0)
	reader := mustBegin(t, b, TxReadOnly)
	tx := mustBegin(t, a, TxImmediate)
	mustExec(t, a, "INSERT INTO t VALUES (1)")
	wantErr(t, "flush", a.FlushCache(), Busy)
	must(t, reader.Rollback())
	must(t, tx.Commit(background))
	wantRows(t, b, int64(1))
}
