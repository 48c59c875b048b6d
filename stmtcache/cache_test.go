package stmtcache

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stmt is a statement that remembers what was done to it.
type stmt struct {
	sql             string
	recycled, freed int
	broken          bool
}

func newCache(limit int) *Cache[*stmt] {
	return New(limit,
		func(s *stmt) bool { s.recycled++; return !s.broken },
		func(s *stmt) { s.freed++ })
}

func wantStats(t *testing.T, c *Cache[*stmt], want Stats) {
	t.Helper()
	if diff := cmp.Diff(want, c.Stats()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

func TestAStatementIsPreparedOnceAndRecycledOnEachReturn(t *testing.T) {
	c := newCache(2)
	s := &stmt{sql: "a"}
	if it := c.Get("a"); it != nil {
		t.Fatalf("an empty cache has %v", it.Stmt)
	}
	c.Put(c.Add("a", s))
	for range 3 {
		it := c.Get("a")
		if it == nil || it.Stmt != s {
			t.Fatalf("got %v, want the statement that was added", it)
		}
		c.Put(it)
	}
	if want := (stmt{sql: "a", recycled: 4}); *s != want {
		t.Errorf("the statement is %+v, want %+v", *s, want)
	}
	wantStats(t, c, Stats{Hits: 3, Misses: 1, Idle: 1, Limit: 2})
}

func TestATextInUseIsAMissAndBothAreKept(t *testing.T) {
	c := newCache(3)
	a, b := &stmt{sql: "x"}, &stmt{sql: "x"}
	first := c.Add("x", a)
	if it := c.Get("x"); it != nil {
		t.Fatalf("a statement in use was handed out: %v", it.Stmt)
	}
	second := c.Add("x", b)
	wantStats(t, c, Stats{Misses: 2, InUse: 2, Limit: 3})
	c.Put(first)
	c.Put(second)
	if got := []*stmt{c.Get("x").Stmt, c.Get("x").Stmt}; got[0] != b || got[1] != a {
		t.Errorf("got %v, want the one that was put back last, then the other one", got)
	}
	wantStats(t, c, Stats{Hits: 2, Misses: 2, InUse: 2, Limit: 3})
}

func TestTheOneUnusedLongestIsEvicted(t *testing.T) {
	c := newCache(2)
	stmts := map[string]*stmt{}
	for _, sql := range []string{"a", "b"} {
		stmts[sql] = &stmt{sql: sql}
		c.Put(c.Add(sql, stmts[sql]))
	}
	c.Put(c.Get("a"))
	stmts["c"] = &stmt{sql: "c"}
	c.Put(c.Add("c", stmts["c"]))
	for sql, want := range map[string]int{"a": 0, "b": 1, "c": 0} {
		if got := stmts[sql].freed; got != want {
			t.Errorf("%s was freed %d times, want %d", sql, got, want)
		}
	}
	wantStats(t, c, Stats{Hits: 1, Misses: 3, Evictions: 1, Idle: 2, Limit: 2})
}

func TestStatementsInUseAreNeverEvicted(t *testing.T) {
	c := newCache(1)
	var items []*Item[*stmt]
	for i := range 10 {
		items = append(items, c.Add(fmt.Sprint(i), &stmt{}))
	}
	c.Resize(0)
	c.Clear()
	for i, it := range items {
		if it.Stmt.freed != 0 {
			t.Errorf("statement %d was freed while it was in use", i)
		}
		c.Put(it)
		if it.Stmt.freed != 1 {
			t.Errorf("statement %d was freed %d times after it was put back, want 1", i, it.Stmt.freed)
		}
	}
	wantStats(t, c, Stats{Misses: 10})
}

func TestResizeFreesWhatIsTooMuch(t *testing.T) {
	c := newCache(4)
	var stmts []*stmt
	for i := range 4 {
		stmts = append(stmts, &stmt{})
		c.Put(c.Add(fmt.Sprint(i), stmts[i]))
	}
	c.Resize(1)
	for i, s := range stmts {
		if want := min(3-i, 1); s.freed != want {
			t.Errorf("statement %d was freed %d times, want %d", i, s.freed, want)
		}
	}
	c.Resize(-5)
	wantStats(t, c, Stats{Misses: 4, Evictions: 4})
	if len(c.texts) != 0 {
		t.Errorf("%d texts are left in an empty cache", len(c.texts))
	}
}

func TestAStatementThatCannotBeUsedAgainIsFreed(t *testing.T) {
	c := newCache(4)
	s := &stmt{broken: true}
	it := c.Add("a", s)
	c.Put(it)
	c.Put(it)
	if s.freed != 1 || c.Get("a") != nil {
		t.Errorf("freed %d times, want once, and gone", s.freed)
	}
}

func TestPuttingBackTwiceIsHarmless(t *testing.T) {
	c := newCache(4)
	s := &stmt{}
	it := c.Add("a", s)
	c.Put(it)
	c.Put(it)
	wantStats(t, c, Stats{Misses: 1, Idle: 1, Limit: 4})
	c.Remove(it)
	c.Remove(it)
	c.Put(it)
	wantStats(t, c, Stats{Misses: 1, Limit: 4})
	if s.freed != 0 {
		t.Errorf("Remove freed the statement, which is the caller's to do")
	}
}

func TestAHitAllocatesNothing(t *testing.T) {
	c := newCache(8)
	for i := range 8 {
		c.Put(c.Add(fmt.Sprint(i), &stmt{}))
	}
	texts := []string{"0", "3", "5"}
	n := testing.AllocsPerRun(10_000, func() {
		for _, sql := range texts {
			c.Put(c.Get(sql))
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for a hit, want none", n)
	}
}

// Whatever is done, each statement is freed once, none while it is in use, and the counters tell the truth.
func TestAnyOrderOfCallsKeepsTheBooksRight(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		c := newCache(random.IntN(6))
		var all []*stmt
		var used []*Item[*stmt]
		for range 500 {
			switch n := random.IntN(20); {
			case n == 0:
				c.Resize(random.IntN(6))
			case n == 1:
				c.Clear()
			case n < 11:
				sql := fmt.Sprint(random.IntN(8))
				it := c.Get(sql)
				if it == nil {
					all = append(all, &stmt{sql: sql})
					it = c.Add(sql, all[len(all)-1])
				}
				if it.Stmt.sql != sql || it.Stmt.freed != 0 {
					t.Fatalf("seed %d: asked for %s, got %+v", seed, sql, *it.Stmt)
				}
				used = append(used, it)
			case len(used) > 0:
				i := random.IntN(len(used))
				c.Put(used[i])
				used = append(used[:i], used[i+1:]...)
			}
		}
		stats := c.Stats()
		alive := 0
		for _, s := range all {
			alive += 1 - s.freed
			if s.freed > 1 {
				t.Fatalf("seed %d: a statement was freed %d times", seed, s.freed)
			}
		}
		if stats.InUse != len(used) || stats.Idle > stats.Limit || alive != stats.Idle+stats.InUse {
			t.Errorf("seed %d: %d statements are alive, %d in use; counters %+v", seed, alive, len(used), stats)
		}
		for _, it := range used {
			if it.Stmt.freed != 0 {
				t.Errorf("seed %d: a statement in use was freed", seed)
			}
			c.Put(it)
		}
		c.Clear()
		for _, s := range all {
			if s.freed != 1 {
				t.Errorf("seed %d: in the end a statement was freed %d times", seed, s.freed)
			}
		}
		if len(c.texts) != 0 || c.newest != nil || c.oldest != nil {
			t.Errorf("seed %d: an empty cache still holds something", seed)
		}
	}
}
