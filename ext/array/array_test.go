package array_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/array"
	"github.com/floedb/floe/ext/internal/exttest"
)

func Example() {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	if err := array.Register(c); err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := c.Exec(ctx, "CREATE TABLE users(id INTEGER PRIMARY KEY, name); INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob'), (3, 'Cyd')"); err != nil {
		panic(err)
	}
	ids := []int64{3, 1, 99}
	sql := "SELECT name FROM users WHERE id IN (SELECT value FROM array(?)) ORDER BY name"
	err = c.Query(ctx, sql, []any{engine.Pointer{Value: ids}}, func(s *engine.Stmt) error {
		fmt.Println(s.ColumnText(0))
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// Ann
	// Cyd
}

type celsius float32

func TestElementsAreRows(t *testing.T) {
	c := exttest.Open(t, "array")
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		list any
		want []any
	}{
		{[]int64{1, -2, math.MaxInt64}, []any{int64(1), int64(-2), int64(math.MaxInt64)}},
		{[]int{3}, []any{int64(3)}}, {[]int8{-3}, []any{int64(-3)}}, {[]byte{7, 255}, []any{int64(7), int64(255)}},
		{[]uint64{math.MaxInt64}, []any{int64(math.MaxInt64)}},
		{[]string{"a", "", "a\x00\xff"}, []any{"a", "", "a\x00\xff"}},
		{[]float64{1.5, math.Inf(1), math.NaN()}, []any{1.5, math.Inf(1), nil}},
		{[]celsius{0.5}, []any{0.5}}, {[]bool{true, false}, []any{int64(1), int64(0)}},
		{[][]byte{{1}, {}, nil}, []any{[]byte{1}, []byte{}, nil}},
		{[]any{1, "x", nil, 2.5, noon}, []any{int64(1), "x", nil, 2.5, "2026-01-02 12:00:00"}},
		{[]time.Time{noon}, []any{"2026-01-02 12:00:00"}},
		{[2]int{4, 5}, []any{int64(4), int64(5)}}, {&[2]string{"p", "q"}, []any{"p", "q"}},
		{[]int64{}, nil}, {[]string(nil), nil}, {[0]int{}, nil},
	} {
		var got []any
		for _, row := range exttest.Rows(t, c, "SELECT value FROM array(?)", engine.Pointer{Value: test.list}) {
			got = append(got, row[0])
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%T (-want +got)\n%s", test.list, diff)
		}
	}
}

func TestOtherArgumentsAreErrors(t *testing.T) {
	c := exttest.Open(t, "array")
	for _, arg := range []any{nil, 1, "1,2", []byte("12"), engine.Pointer{}} {
		exttest.WantError(t, c, "not an engine.Pointer", "SELECT * FROM array(?)", arg)
	}
	for _, v := range []any{5, "x", map[int]int{}, (*[2]int)(nil), struct{}{}} {
		exttest.WantError(t, c, "is not a list", "SELECT * FROM array(?)", engine.Pointer{Value: v})
	}
	exttest.WantError(t, c, "argument is missing", "SELECT * FROM array")
	exttest.WantError(t, c, "no SQL value", "SELECT * FROM array(?)", engine.Pointer{Value: []any{1, struct{}{}}})
	err := c.Exec(context.Background(), "SELECT * FROM array(?)", engine.Pointer{Value: []uint64{1 << 63}})
	if !errors.Is(err, engine.Range) {
		t.Errorf("error %v, want %v", err, engine.Range)
	}
}

func TestListsMeet(t *testing.T) {
	c := exttest.Open(t, "array")
	a, b := engine.Pointer{Value: []int{1, 2, 3, 4}}, engine.Pointer{Value: []string{"2", "4"}}
	got := exttest.Rows(t, c, "SELECT a.value FROM array(?) a JOIN array(?) b ON a.value = cast(b.value AS INTEGER) ORDER BY 1 DESC", a, b)
	if diff := cmp.Diff([][]any{{int64(4)}, {int64(2)}}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	exttest.Want(t, c, 6, "SELECT count(*) FROM array WHERE (list = ? AND value > 0) OR (list = ? AND value > 0)", a, b)
	exttest.Want(t, c, nil, "SELECT list FROM array(?)", engine.Pointer{Value: []int{1}})
}

func BenchmarkIn(b *testing.B) {
	c := exttest.Open(b, "array")
	ctx := context.Background()
	if err := c.Exec(ctx, "CREATE TABLE t(id INTEGER PRIMARY KEY); WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 100000) INSERT INTO t SELECT n FROM r"); err != nil {
		b.Fatal(err)
	}
	ids := make([]int64, 10_000)
	for i := range ids {
		ids[i] = int64(i * 7)
	}
	s, err := c.Prepare("SELECT count(*) FROM t WHERE id IN (SELECT value FROM array(?))")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.BindPointer(1, ids); err != nil {
			b.Fatal(err)
		}
		for {
			row, err := s.Step(ctx)
			if err != nil {
				b.Fatal(err)
			}
			if !row {
				break
			}
		}
	}
}
