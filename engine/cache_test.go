package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/google/go-cmp/cmp"
)

// mustCached prepares a statement through the cache; the caller finalises it.
func mustCached(tb testing.TB, c *Conn, sql string) *Stmt {
	tb.Helper()
	s, err := c.PrepareCached(sql)
	if err != nil {
		tb.Fatalf("prepare %q: %v", sql, err)
	}
	return s
}

func mustFinalize(tb testing.TB, s *Stmt) {
	tb.Helper()
	if err := s.Finalize(); err != nil {
		tb.Fatalf("finalize %q: %v", s.SQL(), err)
	}
}

func wantCache(tb testing.TB, c *Conn, want CacheStats) {
	tb.Helper()
	if diff := cmp.Diff(want, c.CacheStats()); diff != "" {
		tb.Errorf("counters of the cache (-want +got):\n%s", diff)
	}
}

// status reads a counter of a statement.
func status(s *Stmt, op int32) int {
	return int(sqlite3.Xsqlite3_stmt_status(s.c.tls, s.ptr, op, 0))
}

func TestCachedStatementIsCompiledOnce(t *testing.T) {
	c := openMemory(t)
	const sql = "SELECT ? + 1"
	first := mustCached(t, c, sql)
	for i := range int64(1000) {
		s := first
		if i > 0 {
			s = mustCached(t, c, sql)
		}
		if s != first {
			t.Fatalf("use %d: another statement", i)
		}
		if err := s.BindInt64(1, i); err != nil {
			t.Fatal(err)
		}
		mustRow(t, s)
		if got := s.ColumnInt64(0); got != i+1 {
			t.Fatalf("use %d: value %d", i, got)
		}
		mustFinalize(t, s)
	}
	s := mustCached(t, c, sql)
	if run, again := status(s, sqlite3.SQLITE_STMTSTATUS_RUN), status(s, sqlite3.SQLITE_STMTSTATUS_REPREPARE); run != 1000 || again != 0 {
		t.Errorf("run %d times, compiled anew %d times; want 1000 and 0", run, again)
	}
	mustFinalize(t, s)
	wantCache(t, c, CacheStats{Hits: 1000, Misses: 1, Idle: 1, Limit: DefaultCacheSize})
}

func TestStatementInTheCacheRefuses(t *testing.T) {
	c := openMemory(t)
	s := mustCached(t, c, "SELECT ?")
	mustRow(t, s)
	mustFinalize(t, s)
	mustFinalize(t, s)
	_, stepErr := s.Step(background)
	for call, err := range map[string]error{
		"Step": stepErr, "Reset": s.Reset(), "ClearBindings": s.ClearBindings(), "BindText": s.BindText(1, "x"),
		"BindBlobStatic": s.BindBlobStatic(1, []byte("x")), "Bind": s.Bind(1, 5),
	} {
		if !errors.Is(err, ErrFinalized) {
			t.Errorf("%s: %v, want %v", call, err, ErrFinalized)
		}
	}
	if s.ColumnCount() != 0 || s.ColumnValue(0) != nil || s.BindCount() != 0 {
		t.Errorf("a method of an idle statement gave something else than its zero value")
	}
	again := mustCached(t, c, "SELECT ?")
	defer again.Finalize()
	mustRow(t, again)
}

func TestCachedStatementComesWithoutBindings(t *testing.T) {
	c := openMemory(t)
	const sql = "SELECT ?1, ?2, ?3"
	s := mustCached(t, c, sql)
	for _, err := range []error{s.BindInt64(1, 5), s.BindText(2, "x"), s.BindBlobStatic(3, []byte("lent"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	mustRow(t, s)
	mustFinalize(t, s)
	for i, v := range s.static {
		if v != nil {
			t.Errorf("an idle statement still holds %q, lent to parameter %d", v, i+1)
		}
	}
	s = mustCached(t, c, sql)
	defer s.Finalize()
	mustRow(t, s)
	for i := range 3 {
		if got := s.ColumnValue(i); got != nil {
			t.Errorf("column %d is %v, want NULL", i, got)
		}
	}
}

func TestTheSameTextTwiceGivesTwoStatements(t *testing.T) {
	c := openMemory(t)
	const sql = "VALUES (1), (2), (3)"
	a, b := mustCached(t, c, sql), mustCached(t, c, sql)
	if a == b {
		t.Fatal("one statement was handed out twice")
	}
	mustRow(t, a)
	mustRow(t, a)
	mustRow(t, b)
	if a.ColumnInt64(0) != 2 || b.ColumnInt64(0) != 1 {
		t.Errorf("rows %d and %d, want 2 and 1", a.ColumnInt64(0), b.ColumnInt64(0))
	}
	mustFinalize(t, a)
	mustFinalize(t, b)
	wantCache(t, c, CacheStats{Misses: 2, Idle: 2, Limit: DefaultCacheSize})
}

func TestIdleStatementHoldsNoTransaction(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)")
	s := mustCached(t, b, "SELECT x FROM t")
	mustRow(t, s)
	mustFinalize(t, s)
	if err := b.Query(background, "SELECT x FROM t", nil, func(*Stmt) error { return os.ErrExist }); err != os.ErrExist {
		t.Fatal(err)
	}
	a.SetBusyTimeout(0)
	mustExec(t, a, "DELETE FROM t")
	if frames, done, err := a.Checkpoint("main", CheckpointTruncate); frames != 0 || done != 0 || err != nil {
		t.Errorf("checkpoint with a statement in the cache: %d, %d, %v; want 0, 0", frames, done, err)
	}
}

// A context that ends after its statement was given back must not reach the next user of it.
func TestContextOfTheLastUserDoesNotReachTheNextOne(t *testing.T) {
	c := openMemory(t)
	const sql = "VALUES (1), (2), (3)"
	ctx, cancel := context.WithCancel(background)
	s := mustCached(t, c, sql)
	if _, err := s.Step(ctx); err != nil {
		t.Fatal(err)
	}
	mustFinalize(t, s)
	s = mustCached(t, c, sql)
	defer s.Finalize()
	cancel()
	mustRow(t, s)
	mustRow(t, s)
}

func TestWhatTakesEffectWhenItIsCompiledIsNotKept(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(x)")
	c.SetCacheSize(0)
	c.SetCacheSize(100)
	before := c.CacheStats().Misses
	for _, test := range []struct {
		sql  string
		kept bool
	}{
		{"SELECT 1", true},
		{" ;; -- a\n/* b */ select 1", true},
		{"SeLeCt 1; -- behind", true},
		{"VALUES (1)", true},
		{"WITH a AS (SELECT 1) SELECT * FROM a", true},
		{"INSERT INTO t VALUES (1)", true},
		{"REPLACE INTO t VALUES (1)", true},
		{"UPDATE t SET x = 2", true},
		{"DELETE FROM t", true},
		{"BEGIN", true},
		{"COMMIT", true},
		{"EXPLAIN SELECT 1", true},
		{"EXPLAIN /* a */ QUERY PLAN SELECT 1", true},
		{"PRAGMA user_version", false},
		{"EXPLAIN PRAGMA user_version", false},
		{"EXPLAIN QUERY PLAN PRAGMA user_version", false},
		{"/* a */ PRAGMA user_version", false},
		{"CREATE TABLE IF NOT EXISTS t(x)", false},
		{"ANALYZE", false},
		{"REINDEX", false},
		{"VACUUM", false},
		{"ATTACH ':memory:' AS a", false},
		{"DETACH a", false},
		{"ALTER TABLE t ADD COLUMN y", false},
		{"DROP TABLE t", false},
		{"SELECT '" + strings.Repeat("x", maxCachedSQL) + "'", false},
	} {
		for name, run := range map[string]func() error{
			"Exec":  func() error { return c.Exec(background, test.sql) },
			"Query": func() error { return c.Query(background, test.sql, nil, func(*Stmt) error { return nil }) },
		} {
			misses := c.CacheStats().Misses
			c.SetCacheSize(0)
			c.SetCacheSize(100)
			_ = run() // some cannot be run twice
			if kept := c.CacheStats().Misses != misses; kept != test.kept {
				t.Errorf("%s of %.60q: kept %v, want %v", name, test.sql, kept, test.kept)
			}
			if strings.HasPrefix(test.sql, "BEGIN") {
				mustExec(t, c, "ROLLBACK; BEGIN; ROLLBACK; BEGIN; ROLLBACK")
			}
		}
	}
	if c.CacheStats().Misses == before {
		t.Errorf("nothing went through the cache")
	}
}

func TestScriptsAreNotKept(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "SELECT 1; SELECT 2")
	mustExec(t, c, "SELECT 1; SELECT 2")
	wantCache(t, c, CacheStats{Limit: DefaultCacheSize})
	mustExec(t, c, "SELECT 1;")
	mustExec(t, c, "SELECT 1;")
	wantCache(t, c, CacheStats{Hits: 1, Misses: 1, Idle: 1, Limit: DefaultCacheSize})
}

func TestBeginOutOfTheCacheLocksDatabasesAttachedLater(t *testing.T) {
	name := filepath.Join(t.TempDir(), "attached.db")
	c, other := openMemory(t), openTest(t, name, 0)
	mustExec(t, other, "CREATE TABLE t(x)")
	mustExec(t, c, "BEGIN IMMEDIATE")
	mustExec(t, c, "COMMIT")
	mustExec(t, c, "ATTACH ? AS a", name)
	mustExec(t, c, "BEGIN IMMEDIATE")
	other.SetBusyTimeout(0)
	if err := other.Exec(background, "INSERT INTO t VALUES (1)"); !errors.Is(err, Busy) {
		t.Errorf("a write to a database that BEGIN IMMEDIATE has to lock: %v, want %v", err, Busy)
	}
	mustExec(t, c, "COMMIT")
	wantCache(t, c, CacheStats{Hits: 2, Misses: 4, Idle: 2, Limit: DefaultCacheSize})
}

func TestCachedStatementsFollowTheSchema(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a); INSERT INTO t VALUES (1)")
	const sql = "SELECT * FROM t"
	for _, test := range []struct {
		change string
		want   [][]any
	}{
		{"SELECT 1", [][]any{{int64(1)}}},
		{"ALTER TABLE t ADD COLUMN b DEFAULT 2", [][]any{{int64(1), int64(2)}}},
		{"CREATE TEMP TABLE t(c); INSERT INTO t VALUES (3)", [][]any{{int64(3)}}},
		{"DROP TABLE temp.t", [][]any{{int64(1), int64(2)}}},
		{"DROP TABLE t; CREATE TABLE t(x); INSERT INTO t VALUES ('new')", [][]any{{"new"}}},
	} {
		mustExec(t, c, test.change)
		if diff := cmp.Diff(test.want, values(t, c, sql)); diff != "" {
			t.Errorf("after %q (-want +got):\n%s", test.change, diff)
		}
	}
	mustExec(t, c, "DROP TABLE t")
	if err := c.Exec(background, sql); !errors.Is(err, Generic) {
		t.Errorf("select from a dropped table: %v, want %v", err, Generic)
	}
	if got := c.CacheStats(); got.Misses > 3 || got.InUse != 0 {
		t.Errorf("counters %+v, want the SELECT prepared once, and nothing in use", got)
	}
}

func TestCacheSizeBoundsIdleStatements(t *testing.T) {
	c := openMemory(t)
	c.SetCacheSize(3)
	for i := range 10 {
		mustExec(t, c, fmt.Sprint("SELECT ", i))
	}
	wantCache(t, c, CacheStats{Misses: 10, Evictions: 7, Idle: 3, Limit: 3})
	s := mustCached(t, c, "SELECT 9")
	c.SetCacheSize(-1)
	mustRow(t, s)
	mustFinalize(t, s)
	mustExec(t, c, "SELECT 9")
	wantCache(t, c, CacheStats{Hits: 1, Misses: 10, Evictions: 9, Limit: 0})
	if c.stmts != nil {
		t.Errorf("a statement is left with the cache off: %q", c.stmts.sql)
	}
}

func TestCloseFreesCachedStatements(t *testing.T) {
	c, err := Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	idle, used := mustCached(t, c, "SELECT 1"), mustCached(t, c, "VALUES (1), (2)")
	mustRow(t, used)
	mustFinalize(t, idle)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Stmt{idle, used} {
		if _, err := s.Step(background); !errors.Is(err, ErrClosed) {
			t.Errorf("step of %q: %v, want %v", s.SQL(), err, ErrClosed)
		}
		mustFinalize(t, s)
	}
	if _, err := c.PrepareCached("SELECT 1"); !errors.Is(err, ErrClosed) {
		t.Errorf("prepare on a closed connection: %v, want %v", err, ErrClosed)
	}
	if got := c.CacheStats(); got != (CacheStats{}) {
		t.Errorf("counters of a closed connection: %+v", got)
	}
}

// Finalize ends an execution, and that may commit: the error must not be lost.
func TestFinalizeReportsACommitThatDidNotSucceed(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, `PRAGMA foreign_keys = ON;
		CREATE TABLE p(id INTEGER PRIMARY KEY);
		CREATE TABLE t(p REFERENCES p DEFERRABLE INITIALLY DEFERRED)`)
	for name, prepare := range map[string]func(string) (*Stmt, error){"Prepare": c.Prepare, "PrepareCached": c.PrepareCached} {
		s, err := prepare("INSERT INTO t VALUES (1), (2) RETURNING p")
		if err != nil {
			t.Fatal(err)
		}
		mustRow(t, s)
		if err := s.Finalize(); !errors.Is(err, ConstraintForeignKey) {
			t.Errorf("%s: %v, want %v", name, err, ConstraintForeignKey)
		}
		if _, err := s.Step(background); !errors.Is(err, ErrFinalized) {
			t.Errorf("%s: step after it: %v, want %v", name, err, ErrFinalized)
		}
	}
	if got := values(t, c, "SELECT count(*) FROM t")[0][0]; got != int64(0) {
		t.Errorf("%v rows, want none", got)
	}
}

func TestPrepareContextEndsTheWaitForTheSchema(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(x); PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
	defer a.Exec(background, "ROLLBACK")
	ctx, cancel := context.WithCancelCause(background)
	b.SetBusyTimeout(DefaultBusyTimeout * 100)
	go cancel(nil)
	if _, err := b.PrepareContext(ctx, "SELECT * FROM t"); !errors.Is(err, context.Canceled) {
		t.Errorf("prepare: %v, want %v", err, context.Canceled)
	}
}

// lookUp runs a point query through the cache.
func lookUp(tb testing.TB, c *Conn, id int64) int64 {
	s, err := c.PrepareCached("SELECT v FROM t WHERE id = ?")
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.BindInt64(1, id); err != nil {
		tb.Fatal(err)
	}
	if row, err := s.Step(background); !row || err != nil {
		tb.Fatalf("row %v, error %v", row, err)
	}
	v := s.ColumnInt64(0)
	if err := s.Finalize(); err != nil {
		tb.Fatal(err)
	}
	return v
}

func openPoints(tb testing.TB) *Conn {
	c := openMemory(tb)
	mustExec(tb, c, `CREATE TABLE t(id INTEGER PRIMARY KEY, v);
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 1000) INSERT INTO t SELECT i, i * 2 FROM n`)
	return c
}

func TestPointQueryThroughTheCacheAllocatesNothing(t *testing.T) {
	c := openPoints(t)
	if n := testing.AllocsPerRun(10_000, func() { lookUp(t, c, 7) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestExecutionsLeaveMemoryFlat(t *testing.T) { wantMemoryFlat(t, 10_000) }

func TestTortureExecutionsLeaveMemoryFlat(t *testing.T) {
	if os.Getenv("FLOE_TORTURE") != "1" {
		t.Skip("FLOE_TORTURE=1 runs it: a million executions")
	}
	wantMemoryFlat(t, 1_000_000)
}

func wantMemoryFlat(t *testing.T, cycles int64) {
	c := openPoints(t)
	run := func(n int64) {
		for i := range n {
			if got := lookUp(t, c, i%1000); got != i%1000*2 {
				t.Fatalf("row %d has %d", i%1000, got)
			}
		}
	}
	run(100)
	before, heapBefore := memoryUsed(), heapObjects()
	run(cycles)
	if grown := memoryUsed() - before; grown != 0 {
		t.Errorf("SQLite holds %d bytes more after %d executions", grown, cycles)
	}
	if grown := int64(heapObjects()) - int64(heapBefore); grown > cycles/100 {
		t.Errorf("the heap has %d objects more after %d executions", grown, cycles)
	}
}

func heapObjects() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapObjects
}

func BenchmarkPointQuery(b *testing.B) {
	for name, prepare := range map[string]func(*Conn, string) (*Stmt, error){"cached": (*Conn).PrepareCached, "compiled": (*Conn).Prepare} {
		b.Run(name, func(b *testing.B) {
			c := openPoints(b)
			b.ReportAllocs()
			for i := range int64(b.N) {
				s, err := prepare(c, "SELECT v FROM t WHERE id = ?")
				if err != nil {
					b.Fatal(err)
				}
				_ = s.BindInt64(1, i%1000)
				if row, err := s.Step(background); !row || err != nil {
					b.Fatal(err)
				}
				_ = s.ColumnInt64(0)
				_ = s.Finalize()
			}
		})
	}
}

// What the plan depends on is the one reason besides the schema for which SQLite compiles a cached statement anew.
func TestCachedStatementIsPlannedForTheValueOfALike(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(x TEXT COLLATE NOCASE); CREATE INDEX i ON t(x)")
	const sql = "SELECT x FROM t WHERE x LIKE ?"
	for _, like := range []string{"a%", "%b", "c%"} {
		mustExec(t, c, sql, like)
	}
	s := mustCached(t, c, sql)
	defer s.Finalize()
	if got := s.Status(StmtStatusReprepare, false); got == 0 {
		t.Error("a statement with LIKE was not compiled anew for another value")
	}
}
