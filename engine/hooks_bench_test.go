package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/floedb/floe/hooks"
)

// The benchmarks compare work with a hook and without it, in turns so that both see the same machine, and report the
// median of the ratios.

const hookRounds = 11

func compareHook(b *testing.B, work func(c *Conn), set, remove func(c *Conn) error, prepare string) {
	c := openMemory(b)
	mustExec(b, c, prepare)
	run := func(before func(c *Conn) error) time.Duration {
		must(b, before(c))
		start := time.Now()
		work(c)
		return time.Since(start)
	}
	run(remove)
	run(set)
	for b.Loop() {
		var ratios []float64
		for i := range hookRounds {
			// Who is first changes: the first one may find a cold cache.
			var with, without time.Duration
			if i%2 == 0 {
				without, with = run(remove), run(set)
			} else {
				with, without = run(set), run(remove)
			}
			ratios = append(ratios, float64(with)/float64(without))
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[len(ratios)/2], "with/without")
		b.ReportMetric(0, "ns/op")
	}
}

func insertRows(b *testing.B, n int) func(c *Conn) {
	return func(c *Conn) {
		mustExec(b, c, "DELETE FROM t; BEGIN")
		s, err := c.Prepare("INSERT INTO t VALUES (?, 'some text')")
		must(b, err)
		for i := range n {
			must(b, s.BindInt64(1, int64(i)))
			if _, err := s.Step(background); err != nil {
				b.Fatal(err)
			}
		}
		must(b, s.Finalize())
		mustExec(b, c, "COMMIT")
	}
}

func BenchmarkUpdateHook100kInserts(b *testing.B) {
	rows := 0
	compareHook(b, insertRows(b, 100_000),
		func(c *Conn) error { return c.SetUpdateHook(func(hooks.RowUpdate) error { rows++; return nil }) },
		func(c *Conn) error { return c.SetUpdateHook(nil) },
		"CREATE TABLE t(a, b)")
}

func BenchmarkPreUpdateHook100kInserts(b *testing.B) {
	rows := 0
	compareHook(b, insertRows(b, 100_000),
		func(c *Conn) error { return c.SetPreUpdateHook(func(*PreUpdate) error { rows++; return nil }) },
		func(c *Conn) error { return c.SetPreUpdateHook(nil) },
		"CREATE TABLE t(a, b)")
}

func BenchmarkFeed100kInserts(b *testing.B) {
	for name, values := range map[string]bool{"rowids": false, "values": true} {
		b.Run(name, func(b *testing.B) {
			feed := hooks.NewFeed(hooks.FeedOptions{Values: values, Overflow: hooks.DropOldest})
			defer feed.Consumer().Close()
			compareHook(b, insertRows(b, 100_000),
				func(c *Conn) error { return c.SetFeed(feed) },
				func(c *Conn) error { return c.SetFeed(nil) },
				"CREATE TABLE t(a, b)")
		})
	}
}

const hookRows = `CREATE TABLE t(a INTEGER PRIMARY KEY, b, c);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) INSERT INTO t SELECT i, i, 'text' FROM n`

// tenantRules is a rule as a server with several tenants has it.
var tenantRules = hooks.All(hooks.TablePolicy{Read: []string{"main.t"}}.Authorizer(), hooks.Pragmas(), hooks.NoAttach())

func BenchmarkAuthorizer100kCachedQueries(b *testing.B) {
	compareHook(b, func(c *Conn) {
		s, err := c.Prepare("SELECT b, c FROM t WHERE a = ?")
		must(b, err)
		for i := range 100_000 {
			must(b, s.BindInt64(1, int64(i%1000)))
			for more := true; more; {
				if more, err = s.Step(background); err != nil {
					b.Fatal(err)
				}
			}
		}
		must(b, s.Finalize())
	},
		func(c *Conn) error { return c.SetAuthorizer(tenantRules) },
		func(c *Conn) error { return c.SetAuthorizer(nil) }, hookRows)
}

func BenchmarkAuthorizer20kPrepares(b *testing.B) {
	compareHook(b, func(c *Conn) {
		for range 20_000 {
			s, err := c.Prepare("SELECT b, c FROM t WHERE a = ?")
			must(b, err)
			must(b, s.Finalize())
		}
	},
		func(c *Conn) error { return c.SetAuthorizer(tenantRules) },
		func(c *Conn) error { return c.SetAuthorizer(nil) }, hookRows)
}

func BenchmarkProgressHandlerEvery1000(b *testing.B) {
	compareHook(b, func(c *Conn) {
		for range 200 {
			mustExec(b, c, "SELECT sum(b), count(*), max(c) FROM t WHERE b > 10")
		}
	},
		func(c *Conn) error { return c.SetProgressHandler(1000, func() error { return nil }) },
		func(c *Conn) error { return c.SetProgressHandler(0, nil) }, hookRows)
}

func BenchmarkTraceProfile100kQueries(b *testing.B) {
	var took time.Duration
	compareHook(b, func(c *Conn) {
		s, err := c.Prepare("SELECT b, c FROM t WHERE a = ?")
		must(b, err)
		for i := range 100_000 {
			must(b, s.BindInt64(1, int64(i%1000)))
			for more := true; more; {
				if more, err = s.Step(background); err != nil {
					b.Fatal(err)
				}
			}
		}
		must(b, s.Finalize())
	},
		func(c *Conn) error {
			return c.SetTrace(TraceProfile, func(e *TraceEvent) error { took += e.Duration; return nil })
		},
		func(c *Conn) error { return c.SetTrace(0, nil) }, hookRows)
}
