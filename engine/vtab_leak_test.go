package engine

import (
	"errors"
	"iter"
	"runtime"
	"testing"
)

// vtabHandles counts all that virtual tables and bound Go values keep.
func vtabHandles() int {
	return modules.count() + vtables.count() + vcursors.count() + functions.count() + goPointers.count()
}

func TestVirtualTablesLeaveNothingBehind(t *testing.T) {
	cycle := func(i int) {
		c, err := Open(":memory:", 0)
		if err != nil {
			t.Fatal(err)
		}
		m := &memTable{columns: 2}
		module := memModule(m)
		module.ShadowName = func(string) bool { return false }
		for range 2 {
			if err := c.CreateModule("mem", module); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.CreateTableFunc("range", TableFunc{Columns: []string{"n", "t"}, Args: []string{"low", "high"}, Rows: rangeFunc}); err != nil {
			t.Fatal(err)
		}
		if err := c.OverloadFunction("describe", 1); err != nil {
			t.Fatal(err)
		}
		mustExec(t, c, "CREATE VIRTUAL TABLE m USING mem; INSERT INTO m SELECT * FROM range(1, 20); SELECT describe(c0) FROM m")
		mustExec(t, c, "SELECT * FROM m WHERE c0 IN (1, 2) AND c1 IN ('a', 'b')")
		for method, sql := range map[string]string{"BestIndex": "SELECT * FROM m WHERE c1 = 1", "Filter": "SELECT c0 FROM m",
			"Open": "SELECT c1 FROM m", "Savepoint": "BEGIN; DELETE FROM m; SAVEPOINT a", "Update": "UPDATE m SET c0 = 1", "Destroy": "DROP TABLE m"} {
			m.fail[method] = errors.New("an error with a text")
			if err := c.Exec(background, sql); !errors.Is(err, m.fail[method]) {
				t.Fatalf("%s: %v", method, err)
			}
			m.fail[method] = nil
			if !c.AutoCommit() {
				mustExec(t, c, "ROLLBACK")
			}
		}
		s, err := c.Prepare("SELECT * FROM m, range(1, ?)")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.BindPointer(1, t), s.BindPointer(1, c), s.BindInt64(1, 5)); err != nil {
			t.Fatal(err)
		}
		if err := s.BindPointer(7, c); !errors.Is(err, Range) {
			t.Fatal(err)
		}
		if row, err := s.Step(background); !row || err != nil {
			t.Fatal(row, err)
		}
		if i%2 == 0 {
			if err := s.Finalize(); err != nil {
				t.Fatal(err)
			}
			mustExec(t, c, "DROP TABLE m")
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if m.open != 0 || m.closed != 1 {
			t.Fatalf("%d cursors open, table closed %d times, want 0 and 1", m.open, m.closed)
		}
	}
	cycle(0)
	handles, memory, goroutines := vtabHandles(), memoryUsed(), runtime.NumGoroutine()
	for i := range 50 {
		cycle(i)
	}
	if n := vtabHandles(); n != handles {
		t.Errorf("%d handles, %d before", n, handles)
	}
	if n := memoryUsed(); n != memory {
		t.Errorf("%d bytes in use, %d before", n, memory)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
}

func TestIterationEndsWithTheStatement(t *testing.T) {
	c := openMemory(t)
	running := 0
	if err := c.CreateTableFunc("endless", TableFunc{Columns: []string{"n"}, Rows: func([]Value) iter.Seq2[TableRow, error] {
		return func(yield func(TableRow, error) bool) {
			running++
			defer func() { running-- }()
			for yield(nil, nil) {
			}
		}
	}}); err != nil {
		t.Fatal(err)
	}
	s := mustPrepare(t, c, "SELECT * FROM endless")
	mustRow(t, s)
	if running != 1 {
		t.Errorf("%d iterations in the middle, want 1", running)
	}
	if err := s.Reset(); err != nil || running != 0 {
		t.Errorf("reset: error %v, %d iterations go on", err, running)
	}
	mustExec(t, c, "SELECT * FROM endless LIMIT 3")
	if running != 0 {
		t.Errorf("LIMIT: %d iterations go on", running)
	}
}

func TestTableFuncErrorsAndPanics(t *testing.T) {
	c := openMemory(t)
	cause := errors.New("cause")
	for name, test := range map[string]struct {
		rows func([]Value) iter.Seq2[TableRow, error]
		want error
	}{
		"nil iterator": {func([]Value) iter.Seq2[TableRow, error] { return nil }, Misuse},
		"error at once": {func([]Value) iter.Seq2[TableRow, error] {
			return func(yield func(TableRow, error) bool) { yield(nil, cause) }
		}, cause},
		"error after a row": {func([]Value) iter.Seq2[TableRow, error] {
			return func(yield func(TableRow, error) bool) { _ = yield(TableRow{1}, nil) && yield(TableRow{2}, cause) }
		}, cause},
		"too many values": {func([]Value) iter.Seq2[TableRow, error] {
			return func(yield func(TableRow, error) bool) { yield(TableRow{1, 2}, nil) }
		}, Misuse},
		"value of no SQL type": {func([]Value) iter.Seq2[TableRow, error] {
			return func(yield func(TableRow, error) bool) { yield(TableRow{t}, nil) }
		}, Mismatch},
		"panic":                  {func([]Value) iter.Seq2[TableRow, error] { panic(cause) }, cause},
		"panic in the iteration": {func([]Value) iter.Seq2[TableRow, error] { return func(func(TableRow, error) bool) { panic(cause) } }, cause},
		"panic after a row": {func([]Value) iter.Seq2[TableRow, error] {
			return func(yield func(TableRow, error) bool) { yield(nil, nil); panic(cause) }
		}, cause},
		"going on after the end": {func([]Value) iter.Seq2[TableRow, error] {
			return func(yield func(TableRow, error) bool) {
				for range 3 {
					yield(TableRow{1}, cause)
				}
			}
		}, cause},
	} {
		if err := c.CreateTableFunc("f", TableFunc{Columns: []string{"n"}, Rows: test.rows}); err != nil {
			t.Fatal(err)
		}
		if err := c.Exec(background, "SELECT * FROM f"); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
	}
	if err := c.CreateTableFunc("f", TableFunc{Columns: []string{"n", "t"}, Args: []string{"low", "high"}, MinArgs: 2, Rows: rangeFunc}); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"SELECT * FROM f(1)", "SELECT * FROM f", "SELECT * FROM f(1, 2, 3)", "SELECT * FROM f(NULL.a)"} {
		if err := c.Exec(background, sql); !errors.Is(err, Generic) {
			t.Errorf("%s: error %v, want %v", sql, err, Generic)
		}
	}
	for name, f := range map[string]TableFunc{
		"no rows":          {Columns: []string{"n"}},
		"no columns":       {Rows: rangeFunc},
		"too many args":    {Columns: []string{"n"}, Args: make([]string, 65), Rows: rangeFunc},
		"args do not have": {Columns: []string{"n"}, MinArgs: 1, Rows: rangeFunc},
	} {
		if err := c.CreateTableFunc("g", f); !errors.Is(err, Misuse) {
			t.Errorf("%s: error %v, want %v", name, err, Misuse)
		}
	}
}

func TestGoValuesPassThroughSQL(t *testing.T) {
	c := openMemory(t)
	var got []any
	if err := c.CreateFunction("take", 1, 0, func(ctx *FuncContext, args []Value) error {
		got = append(got, args[0].Pointer())
		ctx.ResultPointer(args[0].Pointer())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	v := &memTable{}
	rows := values(t, c, "SELECT take(take(?1)), ?1, take('x'), take(NULL)", Pointer{v})
	if rows[0][0] != nil || rows[0][1] != nil {
		t.Errorf("SQL sees %v, want NULL", rows)
	}
	if len(got) != 4 || got[0] != any(v) || got[1] != any(v) || got[2] != nil || got[3] != nil {
		t.Errorf("got %v, want the value twice and nil twice", got)
	}
}

func benchmarkRead(b *testing.B, sql string) {
	c := openMemory(b)
	const n = 100_000
	if err := c.CreateTableFunc("range", TableFunc{Columns: []string{"n"}, Args: []string{"high"},
		Rows: func(args []Value) iter.Seq2[TableRow, error] {
			return func(yield func(TableRow, error) bool) {
				row := TableRow{1}
				for range args[0].Int64() {
					if !yield(row, nil) {
						return
					}
				}
			}
		}}); err != nil {
		b.Fatal(err)
	}
	if err := c.CreateModule("count", Module[*countTable]{Kind: EponymousModule, Connect: func(*TableArgs) (*countTable, string, error) {
		return &countTable{}, "CREATE TABLE x(n, high HIDDEN)", nil
	}}); err != nil {
		b.Fatal(err)
	}
	s := mustPrepare(b, c, sql)
	if err := s.BindInt64(1, n); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		mustRow(b, s)
		if got := s.ColumnInt64(0); got != n {
			b.Fatal(got)
		}
		mustDone(b, s)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}

// countTable counts up to its argument.
type countTable struct{}

func (countTable) BestIndex(info *IndexInfo) error {
	for i := range info.Constraints {
		if info.Constraints[i].Op == IndexEQ {
			info.Constraints[i].ArgvIndex = 1
		}
	}
	return nil
}
func (countTable) Open() (Cursor, error) { return &countCursor{}, nil }

type countCursor struct{ i, n int64 }

func (cu *countCursor) Filter(_ any, args []Value) error {
	cu.i, cu.n = 0, args[0].Int64()
	return nil
}
func (cu *countCursor) Next() error           { cu.i++; return nil }
func (cu *countCursor) EOF() bool             { return cu.i >= cu.n }
func (cu *countCursor) RowID() (int64, error) { return cu.i, nil }
func (cu *countCursor) Column(ctx *FuncContext, i int) error {
	if i == 0 {
		ctx.ResultInt64(1)
	} else {
		ctx.ResultInt64(cu.n)
	}
	return nil
}

func BenchmarkReadTableFunc(b *testing.B) { benchmarkRead(b, "SELECT sum(n) FROM range(?)") }
func BenchmarkReadModule(b *testing.B)    { benchmarkRead(b, "SELECT sum(n) FROM count WHERE high = ?") }
func BenchmarkReadRecursive(b *testing.B) {
	benchmarkRead(b, "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT ?) SELECT sum(1) FROM r")
}
