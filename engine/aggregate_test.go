package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sumAggregate is the sum of integers, NULL without any, as the built-in sum is.
type sumAggregate struct {
	n      int
	sum    int64
	closed *int
}

func (s *sumAggregate) Step(_ *FuncContext, args []Value) error {
	if !args[0].IsNull() {
		s.n++
		s.sum += args[0].Int64()
	}
	return nil
}

func (s *sumAggregate) Value(ctx *FuncContext) error {
	if s.n > 0 {
		ctx.ResultInt64(s.sum)
	}
	return nil
}

func (s *sumAggregate) Close() error {
	if s.closed != nil {
		*s.closed++
	}
	return errors.New("dropped")
}

type sumWindow struct{ sumAggregate }

func (s *sumWindow) Inverse(_ *FuncContext, args []Value) error {
	if !args[0].IsNull() {
		s.n--
		s.sum -= args[0].Int64()
	}
	return nil
}

// createSums makes the aggregate goagg and the window function gosum, and returns how many states were made and closed.
func createSums(tb testing.TB, c *Conn) (made, closed *int) {
	tb.Helper()
	made, closed = new(int), new(int)
	if err := c.CreateWindow("gosum", 1, Deterministic, func() Window {
		*made++
		return &sumWindow{sumAggregate{closed: closed}}
	}); err != nil {
		tb.Fatal(err)
	}
	if err := c.CreateAggregate("goagg", 1, 0, func() Aggregate {
		*made++
		return &sumAggregate{closed: closed}
	}); err != nil {
		tb.Fatal(err)
	}
	return made, closed
}

func wantAllClosed(tb testing.TB, made, closed *int) {
	tb.Helper()
	if *made == 0 || *made != *closed {
		tb.Errorf("%d states made, %d closed", *made, *closed)
	}
	if n := groups.count(); n != 0 {
		tb.Errorf("%d groups are left", n)
	}
}

func TestAggregateHasOneStateForEachGroup(t *testing.T) {
	c := openMemory(t)
	made, closed := createSums(t, c)
	mustExec(t, c, "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 10), (2, 20), (1, 11), (3, NULL), (2, 22)")
	want := values(t, c, "SELECT a, sum(b), sum(b) FROM t GROUP BY a")
	got := values(t, c, "SELECT a, goagg(b), gosum(b) FROM t GROUP BY a")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantValue(t, c, int64(41), "SELECT goagg(DISTINCT b) FROM t WHERE b <> 22")
	wantValue(t, c, int64(42), "SELECT goagg(b) FILTER (WHERE a = 2) FROM t")
	wantAllClosed(t, made, closed)
}

func TestAggregateOfNoRows(t *testing.T) {
	c := openMemory(t)
	made, closed := createSums(t, c)
	wantValue(t, c, nil, "SELECT goagg(1) WHERE 0")
	wantValue(t, c, nil, "SELECT gosum(1) WHERE 0")
	if err := c.CreateAggregate("always", 0, 0, func() Aggregate { return constant(7) }); err != nil {
		t.Fatal(err)
	}
	wantValue(t, c, int64(7), "SELECT always() WHERE 0")
	wantAllClosed(t, made, closed)
}

type constant int64

func (constant) Step(*FuncContext, []Value) error    { return nil }
func (c constant) Value(ctx *FuncContext) error      { ctx.ResultInt64(int64(c)); return nil }
func (constant) Inverse(*FuncContext, []Value) error { return nil }

func TestPlainAggregateIsNoWindowFunction(t *testing.T) {
	c := openMemory(t)
	createSums(t, c)
	if err := c.Exec(background, "SELECT goagg(1) OVER ()"); !errors.Is(err, Generic) {
		t.Errorf("error %v, want %v", err, Generic)
	}
}

// The frames move in every way there is; the built-in sum says what is right.
func TestWindowFramesAgreeWithBuiltInSum(t *testing.T) {
	c := openMemory(t)
	made, closed := createSums(t, c)
	rng := rand.New(rand.NewPCG(1, 2))
	mustExec(t, c, "CREATE TABLE t(i INTEGER PRIMARY KEY, p, o, v)")
	for range 80 {
		var v any = rng.IntN(1000) - 500
		if rng.IntN(8) == 0 {
			v = nil
		}
		mustExec(t, c, "INSERT INTO t(p, o, v) VALUES (?, ?, ?)", rng.IntN(3), rng.IntN(20), v)
	}
	starts := []string{"UNBOUNDED PRECEDING", "3 PRECEDING", "1 PRECEDING", "CURRENT ROW", "1 FOLLOWING", "2 FOLLOWING"}
	ends := []string{"5 PRECEDING", "1 PRECEDING", "CURRENT ROW", "1 FOLLOWING", "4 FOLLOWING", "UNBOUNDED FOLLOWING"}
	excludes := []string{"", "EXCLUDE NO OTHERS", "EXCLUDE CURRENT ROW", "EXCLUDE GROUP", "EXCLUDE TIES"}
	tried := 0
	for range 400 {
		over := fmt.Sprintf("OVER (%s ORDER BY o %s BETWEEN %s AND %s %s)",
			[]string{"", "PARTITION BY p"}[rng.IntN(2)], []string{"ROWS", "GROUPS", "RANGE"}[rng.IntN(3)],
			starts[rng.IntN(len(starts))], ends[rng.IntN(len(ends))], excludes[rng.IntN(len(excludes))])
		query := func(f string) string { return "SELECT i, " + f + "(v) " + over + " FROM t ORDER BY i" }
		if s, err := c.Prepare(query("sum")); err != nil {
			continue // a frame that ends before it starts
		} else if err := s.Finalize(); err != nil {
			t.Fatal(err)
		}
		tried++
		if diff := cmp.Diff(values(t, c, query("sum")), values(t, c, query("gosum"))); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", over, diff)
		}
	}
	if tried < 100 {
		t.Errorf("only %d frames were tried", tried)
	}
	wantAllClosed(t, made, closed)
}

func TestAbandonedWindowQueryClosesItsStates(t *testing.T) {
	c := openMemory(t)
	made, closed := createSums(t, c)
	const query = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
		SELECT gosum(i) OVER (ORDER BY i ROWS 2 PRECEDING) FROM n`
	s := mustPrepare(t, c, query)
	mustRow(t, s)
	mustRow(t, s)
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	wantAllClosed(t, made, closed)
	mustRow(t, s)
	if err := s.Finalize(); err != nil {
		t.Fatal(err)
	}
	wantAllClosed(t, made, closed)
}

func TestInterruptedAggregateClosesItsStates(t *testing.T) {
	c := openMemory(t)
	made, closed := createSums(t, c)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	scalar(t, c, "stop", func(sql *FuncContext, args []Value) error {
		if args[0].Int64() == 10 {
			cancel()
		}
		return sql.Result(args[0])
	})
	err := c.Exec(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT goagg(stop(i)) FROM n`)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want %v", err, context.Canceled)
	}
	wantAllClosed(t, made, closed)
}

// failing fails in the method that is named.
type failing struct {
	in     string
	err    error
	closed *int
}

func (f *failing) at(method string) error {
	if f.in != method {
		return nil
	}
	if f.err == nil {
		panic("at " + method)
	}
	return f.err
}

func (f *failing) Step(*FuncContext, []Value) error    { return f.at("step") }
func (f *failing) Inverse(*FuncContext, []Value) error { return f.at("inverse") }
func (f *failing) Value(*FuncContext) error            { return f.at("value") }
func (f *failing) Close() error                        { *f.closed++; return f.at("close") }

func TestErrorsAndPanicsOfAggregates(t *testing.T) {
	boom := errors.New("boom")
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)")
	for _, method := range []string{"new", "step", "inverse", "value", "close"} {
		for _, cause := range []error{boom, nil} {
			made, closed := 0, 0
			if err := c.CreateWindow("bad", 1, 0, func() Window {
				if method == "new" {
					panic(errors.Join(cause))
				}
				made++
				return &failing{in: method, err: cause, closed: &closed}
			}); err != nil {
				t.Fatal(err)
			}
			for _, sql := range []string{
				"SELECT bad(a) OVER (ORDER BY a ROWS 1 PRECEDING) FROM t", "SELECT bad(a) FROM t", "SELECT bad(a) FROM t WHERE 0",
			} {
				err := c.Exec(background, sql)
				checkAggregateError(t, method, cause, sql, err)
			}
			if made != closed || groups.count() != 0 {
				t.Errorf("%s: %d states made, %d closed, %d left", method, made, closed, groups.count())
			}
			wantValue(t, c, int64(6), "SELECT sum(a) FROM t")
		}
	}
}

func checkAggregateError(t *testing.T, method string, cause error, sql string, err error) {
	t.Helper()
	calls := method == "new" || method == "value" ||
		method == "step" && sql != "SELECT bad(a) FROM t WHERE 0" ||
		method == "inverse" && sql == "SELECT bad(a) OVER (ORDER BY a ROWS 1 PRECEDING) FROM t"
	var p *PanicError
	switch {
	case !calls && err == nil:
	case !calls:
		t.Errorf("%s, %s: %v, want no error", method, sql, err)
	case cause != nil && !errors.Is(err, cause):
		t.Errorf("%s, %s: %v, want %v", method, sql, err, cause)
	case cause == nil && !errors.As(err, &p):
		t.Errorf("%s, %s: %v, want a PanicError", method, sql, err)
	}
}

// SQLite asks an abandoned window for a value too, and drops it. Nobody hears of an error of it.
func TestErrorOfAbandonedAggregateFailsNothing(t *testing.T) {
	c := openMemory(t)
	var value error
	if err := c.CreateWindow("w", 1, 0, func() Window { return valueErr{&value} }); err != nil {
		t.Fatal(err)
	}
	s := mustPrepare(t, c, "SELECT w(1) OVER (ROWS 1 PRECEDING) FROM (VALUES (1), (2), (3))")
	mustRow(t, s)
	value = errors.New("boom")
	if err := s.Reset(); err != nil {
		t.Errorf("reset: %v", err)
	}
	if c.raised.err != nil {
		t.Errorf("the error %v is kept beyond the execution", c.raised.err)
	}
	mustExec(t, c, "SELECT 1")
	if err := c.Exec(background, "SELEC"); errors.Is(err, value) {
		t.Errorf("a later error has that of the window as its cause: %v", err)
	}
	value = nil
	mustRow(t, s)
	mustRow(t, s)
}

type valueErr struct{ err *error }

func (valueErr) Step(*FuncContext, []Value) error    { return nil }
func (valueErr) Inverse(*FuncContext, []Value) error { return nil }
func (v valueErr) Value(*FuncContext) error          { return *v.err }
