package series_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/exttest"
	"github.com/floedb/floe/ext/series"
)

func Example() {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	if err := series.Register(c); err != nil {
		panic(err)
	}
	sql := "SELECT value, value * value FROM generate_series(10, 50, 20)"
	err = c.Query(context.Background(), sql, nil, func(s *engine.Stmt) error {
		fmt.Println(s.ColumnInt64(0), s.ColumnInt64(1))
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// 10 100
	// 30 900
	// 50 2500
}

func list(v ...int64) (rows [][]any) {
	for _, v := range v {
		rows = append(rows, []any{v})
	}
	return rows
}

func TestSeriesHasTheNumbersBetweenItsEnds(t *testing.T) {
	c := exttest.Open(t, "series")
	const largest, smallest = math.MaxInt64, math.MinInt64
	for from, want := range map[string][][]any{
		"(1, 3)":       list(1, 2, 3),
		"(0, 20, 7)":   list(0, 7, 14),
		"(0, -20, -7)": list(0, -7, -14),
		"(1, 3, 0)":    list(1, 2, 3),
		"(5, 5)":       list(5),
		"(5, 5, -3)":   list(5),
		"(5, 4)":       nil,
		"(4, 5, -1)":   nil,
		"(7) LIMIT 2":  list(7, 8),
		"(NULL, 3)":    nil,
		"(1, NULL)":    nil,
		"(1, 3, NULL)": nil,
		"('2', 3.9)":   list(2, 3),
		"(4294967294)": list(4294967294, 4294967295),
		"(4294967296)": nil,
		" WHERE start = 1 AND stop = 2 AND step = 3": list(1),
		"(1, 9) WHERE start = 2":                     nil,
		"(1, 3) WHERE stop > 2":                      list(1, 2, 3),
		"(1, 3) WHERE stop > 3 LIMIT 1":              nil,

		"(9223372036854775806, 9223372036854775807)":                                        list(largest-1, largest),
		"(9223372036854775806, 9223372036854775807, 5)":                                     list(largest - 1),
		"(-9223372036854775807, -9223372036854775808, -1)":                                  list(smallest+1, smallest),
		"(9223372036854775807, -9223372036854775808, -9223372036854775808)":                 list(largest, -1),
		"(9223372036854775807, -9223372036854775808, -9223372036854775808) ORDER BY value":  list(-1, largest),
		"(-9223372036854775808, 9223372036854775807, 9223372036854775807)":                  list(smallest, -1, largest-1),
		"(-9223372036854775808, 9223372036854775807) LIMIT 2":                               list(smallest, smallest+1),
		"(-9223372036854775808, 9223372036854775807) ORDER BY value DESC LIMIT 2":           list(largest, largest-1),
		"(-9223372036854775808, 9223372036854775807) LIMIT 1 OFFSET 9223372036854775807":    list(-1),
		"(-9223372036854775808, 9223372036854775807) WHERE value > 9223372036854775805":     list(largest-1, largest),
		"(-9223372036854775808, 9223372036854775807) WHERE value < -9223372036854775806.5":  nil, // it is 2^63 as a float
		"(-9223372036854775808, 9223372036854775807, 4) WHERE value >= 9223372036854775805": nil,

		" WHERE value BETWEEN 3 AND 5":                                     list(3, 4, 5),
		" WHERE value BETWEEN -5 AND -3":                                   list(-5, -4, -3),
		" WHERE value = -9":                                                list(-9),
		" WHERE rowid = 9":                                                 list(9),
		" WHERE value > 4294967294":                                        list(4294967295),
		" WHERE value >= 3 AND stop = 5":                                   list(3, 4, 5),
		" WHERE value >= 3 AND value < 9 AND step=4":                       list(4, 8),
		"(1, 10) WHERE value > 2.5 AND value < 5.5":                        list(3, 4, 5),
		"(1, 10) WHERE value >= 3.0 AND value < 5.0":                       list(3, 4),
		"(1, 10) WHERE value = 3.0":                                        list(3),
		"(1, 10) WHERE value = 3.5":                                        nil,
		"(1, 3) WHERE value < 1e300":                                       list(1, 2, 3),
		"(1, 3) WHERE value > 1e300":                                       nil,
		"(1, 3) WHERE value > -1e300":                                      list(1, 2, 3),
		"(1, 3) WHERE value < 'abc'":                                       list(1, 2, 3),
		"(1, 3) WHERE value = 'abc'":                                       nil,
		"(1, 3) WHERE value = '2'":                                         list(2),
		"(1, 3) WHERE value = NULL":                                        nil,
		"(1, 3) WHERE value IS NULL":                                       nil,
		"(1, 3) WHERE value <> 2 LIMIT 2":                                  list(1, 3),
		"(1, 9) WHERE value > 2 AND value > 4 AND value < 7 AND value < 9": list(5, 6),
		"(1, 9) WHERE value IN (8, 2, 3) ORDER BY value LIMIT 2":           list(2, 3),
		"(1, 3) ORDER BY value DESC":                                       list(3, 2, 1),
		"(3, 1, -1) ORDER BY value":                                        list(1, 2, 3),
		"(1, 9) ORDER BY value % 3, value LIMIT 2":                         list(3, 6),
		"(1, 9) LIMIT 0":                                                   nil,
		"(1, 3) LIMIT -1 OFFSET 2":                                         list(3),
		"(1, 3) LIMIT 5 OFFSET 3":                                          nil,
		"(1, 3) LIMIT 5 OFFSET -3":                                         list(1, 2, 3),
	} {
		if diff := cmp.Diff(want, exttest.Rows(t, c, "SELECT value FROM generate_series"+from)); diff != "" {
			t.Errorf("generate_series%s (-want +got)\n%s", from, diff)
		}
	}
	exttest.Want(t, c, "-2 9 3", "SELECT start || ' ' || stop || ' ' || step FROM generate_series(-2, '9', 3.5) LIMIT 1")
	exttest.WantError(t, c, "first argument", "SELECT * FROM generate_series")
	exttest.WantError(t, c, "first argument", "SELECT * FROM generate_series WHERE value < 5")
	exttest.WantError(t, c, "may not be modified", "DELETE FROM generate_series")
}

func TestSeriesJoins(t *testing.T) {
	c := exttest.Open(t, "series")
	got := exttest.Rows(t, c, "SELECT a.value, b.value FROM generate_series(b.value, 3) a, generate_series(1, 3) b ORDER BY 1, 2")
	want := [][]any{{int64(1), int64(1)}, {int64(2), int64(1)}, {int64(2), int64(2)},
		{int64(3), int64(1)}, {int64(3), int64(2)}, {int64(3), int64(3)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The values of a series in an ordinary table have to give the same answers.
func TestSeriesAnswersAsATable(t *testing.T) {
	c := exttest.Open(t, "series")
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		start, stop, step := r.Int64N(41)-20, r.Int64N(41)-20, r.Int64N(9)-4
		if step == 0 {
			step = 1
		}
		var values []string
		for v := start; step > 0 && v <= stop || step < 0 && v >= stop; v += step {
			values = append(values, fmt.Sprintf("(%d)", v))
		}
		if values == nil {
			values = []string{"(NULL)"}
		}
		tail := randomTail(r)
		ordinary := "WITH s(value) AS (VALUES " + strings.Join(values, ", ") + ") SELECT value FROM s WHERE value IS NOT NULL " + tail
		sql := fmt.Sprintf("SELECT value FROM generate_series(%d, %d, %d) WHERE 1 %s", start, stop, step, tail)
		if diff := cmp.Diff(exttest.Rows(t, c, ordinary), exttest.Rows(t, c, sql)); diff != "" {
			t.Fatalf("%s (-ordinary +series)\n%s", sql, diff)
		}
	}
}

func randomTail(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(3) {
		fmt.Fprintf(&b, "AND value %s %s ", []string{"=", "<", "<=", ">", ">=", "<>", "IS"}[r.IntN(7)],
			[]string{"0", "3", "-5", "2.5", "-7.0", "19", "-20", "NULL"}[r.IntN(8)])
	}
	if r.IntN(4) == 0 {
		fmt.Fprintf(&b, "AND value IN (%d, %d, %d) ", r.IntN(10), r.IntN(10), r.IntN(10))
	}
	b.WriteString([]string{"ORDER BY value ", "ORDER BY value DESC ", "ORDER BY value DESC, value "}[r.IntN(3)])
	if r.IntN(2) == 0 {
		fmt.Fprintf(&b, "LIMIT %d ", r.IntN(12)-1)
		if r.IntN(2) == 0 {
			fmt.Fprintf(&b, "OFFSET %d", r.IntN(6)-1)
		}
	}
	return b.String()
}
