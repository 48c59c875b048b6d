package engine

import (
	"strconv"
	"strings"
	"testing"
)

// callsPerRow drowns what the row itself costs.
const callsPerRow = 20

// Each iteration is a call from SQL. "abs" and "lower" are built-in functions at the same place: what is beyond them is
// the cost of Go code in SQL.
func BenchmarkFunction(b *testing.B) {
	c := openMemory(b)
	for name, fn := range map[string]ScalarFunc{
		"goabs": func(ctx *FuncContext, args []Value) error {
			ctx.ResultInt64(max(args[0].Int64(), -args[0].Int64()))
			return nil
		},
		"goany":  func(ctx *FuncContext, args []Value) error { return ctx.Result(args[0].Any()) },
		"gotext": func(ctx *FuncContext, args []Value) error { ctx.ResultText(args[0].Text()); return nil },
	} {
		if err := c.CreateFunction(name, 1, 0, fn); err != nil {
			b.Fatal(err)
		}
	}
	createSums(b, c)
	for _, test := range []struct{ name, call string }{
		{"abs", "abs(i+$)"}, {"int", "goabs(i+$)"}, {"any", "goany(i+$)"}, {"lower", "lower('some text $')"},
		{"text", "gotext('some text $')"}, {"sum", "sum(i+$)"}, {"aggregate", "goagg(i+$)"}, {"window", "gosum(i+$)"},
	} {
		b.Run(test.name, func(b *testing.B) {
			calls := make([]string, callsPerRow) // all different, as SQLite makes equal ones once
			for i := range calls {
				calls[i] = strings.ReplaceAll(test.call, "$", strconv.Itoa(i))
			}
			s, err := c.Prepare(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)
				SELECT ` + strings.Join(calls, ", ") + ` FROM n`)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Finalize()
			if err := s.BindInt64(1, int64(b.N+callsPerRow-1)/callsPerRow); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for row := true; row; {
				if row, err = s.Step(background); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCollation(b *testing.B) {
	c := openMemory(b)
	if err := c.CreateCollation("backwards", backwards); err != nil {
		b.Fatal(err)
	}
	mustExec(b, c, `CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10000)
		SELECT hex(i * 7919 % 10007) AS a FROM n`)
	for _, name := range []string{"BINARY", "backwards"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustExec(b, c, "SELECT count(*) FROM (SELECT a FROM t ORDER BY a COLLATE "+name+" LIMIT -1 OFFSET 9000)")
			}
		})
	}
}
