package stats_test

import (
	"context"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/exttest"
	"github.com/floedb/floe/ext/stats"
)

func TestStats(t *testing.T) {
	c := exttest.Open(t, "stats")
	for _, test := range []struct {
		call, rows string
		want       any
	}{
		{"var_pop(a)", "(2), (4), (4), (4), (5), (5), (7), (9), (NULL)", 4.0},
		{"stddev_pop(a)", "(2), (4), (4), (4), (5), (5), (7), (9)", 2.0},
		{"var_samp(a)", "(1), (2), (3), (4)", 5.0 / 3},
		{"variance(a)", "(1), (2), (3), (4)", 5.0 / 3},
		{"stddev_samp(a)", "(1), (2), (3), (4)", math.Sqrt(5.0 / 3)},
		{"stddev(a)", "(1), (2), (3), ('4')", math.Sqrt(5.0 / 3)},
		{"var_samp(a)", "(1)", nil},
		{"var_pop(a)", "(1)", 0.0},
		{"var_pop(a)", "(NULL)", nil},
		{"var_pop(a)", "(1), (9e999)", nil},
		{"var_pop(a)", "(1e200), (2)", nil},
		{"var_samp(a)", "(1000000004), (1000000007), (1000000013), (1000000016)", 30.0},
		{"var_samp(a)", "(1e15+4), (1e15+7), (1e15+13), (1e15+16)", 30.0},
		{"median(a)", "(3), (1), (2)", 2.0},
		{"median(a)", "(4), (1), (2), (3), (NULL)", 2.5},
		{"median(a)", "(NULL)", nil},
		{"median(a)", "(1), (9e999), (9e999)", math.Inf(1)},
		{"percentile(a, 0)", "(4), (1), (2), (3)", 1.0},
		{"percentile(a, 100)", "(4), (1), (2), (3)", 4.0},
		{"percentile(a, 40)", "(4), (1), (2), (3)", 2.2},
		{"percentile_cont(a, 0.4)", "(4), (1), (2), (3)", 2.2},
		{"percentile_disc(a, 0.5)", "(4), (1), (2), (3)", 2.0},
		{"percentile_disc(a, 0.51)", "(4), (1), (2), (3)", 3.0},
		{"percentile_disc(a, 0)", "(4), (1), (2), (3)", 1.0},
		{"percentile_disc(a, 1)", "(4), (1), (2), (3)", 4.0},
		{"percentile_25(a)", "(1), (2), (3), (4), (5)", 2.0},
		{"percentile_75(a)", "(1), (2), (3), (4), (5)", 4.0},
		{"percentile_90(a)", "(0), (100)", 90.0},
		{"percentile_95(a)", "(0), (100)", 95.0},
		{"percentile_99(a)", "(0), (100)", 99.0},
		{"mode(a)", "(3), (1), (3), (1), (2)", 1},
		{"mode(a)", "('b'), ('b'), ('a'), (1)", "b"},
		{"mode(a)", "(x'00'), (x'00'), ('a')", []byte{0}},
		{"mode(a)", "(1), (1.0), (2.5)", 1},
		{"mode(a)", "(2.5), (2.5), ('1')", 2.5},
		{"mode(a)", "(9007199254740993), (9007199254740993), (9007199254740992)", int64(9007199254740993)},
		{"mode(a)", "(NULL)", nil},
	} {
		exttest.Want(t, c, test.want, "WITH t(a) AS (VALUES "+test.rows+") SELECT "+test.call+" FROM t")
	}
}

func TestPairs(t *testing.T) {
	c := exttest.Open(t, "stats")
	const line, bent, vertical, flat = "(3, 1), (5, 2), (7, 3), (NULL, 9), (9, NULL)", "(1, 1), (3, 2), (2, 3), (5, 4)",
		"(1, 2), (5, 2)", "(2, 1), (2, 5)"
	for _, test := range []struct {
		call, rows string
		want       any
	}{
		{"regr_count", line, 3}, {"regr_slope", line, 2.0}, {"regr_intercept", line, 1.0}, {"regr_r2", line, 1.0},
		{"regr_avgx", line, 2.0}, {"regr_avgy", line, 5.0}, {"regr_sxx", line, 2.0}, {"regr_syy", line, 8.0},
		{"regr_sxy", line, 4.0}, {"corr", line, 1.0}, {"covar_pop", line, 4.0 / 3}, {"covar_samp", line, 2.0},
		{"regr_slope", bent, 1.1}, {"regr_intercept", bent, 0.0}, {"corr", bent, 5.5 / math.Sqrt(5*8.75)},
		{"regr_r2", bent, 5.5 * 5.5 / (5 * 8.75)},
		{"regr_slope", vertical, nil}, {"regr_intercept", vertical, nil}, {"corr", vertical, nil}, {"regr_r2", vertical, nil},
		{"regr_slope", flat, 0.0}, {"regr_r2", flat, 1.0}, {"corr", flat, nil},
		{"covar_samp", "(1, 1)", nil}, {"covar_pop", "(1, 1)", 0.0}, {"corr", "(NULL, 1)", nil}, {"regr_count", "(NULL, 1)", 0},
		{"covar_pop", "(9e999, 1)", nil},
	} {
		exttest.Want(t, c, test.want, "WITH t(y, x) AS (VALUES "+test.rows+") SELECT "+test.call+"(y, x) FROM t")
	}
}

func TestStatsErrors(t *testing.T) {
	c := exttest.Open(t, "stats")
	for sql, text := range map[string]string{
		"SELECT median('ice')":                                       `not a number: "ice"`,
		"SELECT corr(1, 'ice')":                                      `not a number: "ice"`,
		"SELECT var_pop(x'01')":                                      "not a number",
		"SELECT percentile(1, 101)":                                  "percentile 101 is not between 0 and 100",
		"SELECT percentile_cont(1, 2)":                               "percentile 2 is not between 0 and 1",
		"SELECT percentile(1, NULL)":                                 "is not between",
		"SELECT percentile(1, 'p')":                                  "not a number",
		"SELECT percentile(column1, column1) FROM (VALUES (1), (2))": "not the same in all rows",
	} {
		exttest.WantError(t, c, text, sql)
	}
}

// A frame that moves gives what the rows in it give by themselves, with infinite values coming and going.
func TestFramesAgreeWithTheirRows(t *testing.T) {
	c := exttest.Open(t, "stats")
	rng := rand.New(rand.NewPCG(3, 4))
	const rows, before = 200, 12
	if err := c.Exec(context.Background(), "CREATE TABLE t(i INTEGER PRIMARY KEY, y, x)"); err != nil {
		t.Fatal(err)
	}
	pick := func() any {
		switch rng.IntN(12) {
		case 0:
			return nil
		case 1:
			return math.Inf(1)
		case 2:
			return float64(rng.IntN(5)) * 1e9
		}
		return rng.IntN(10)
	}
	for range rows {
		if err := c.Exec(context.Background(), "INSERT INTO t(y, x) VALUES (?, ?)", pick(), pick()); err != nil {
			t.Fatal(err)
		}
	}
	for _, call := range []string{
		"var_samp(x)", "stddev_pop(x)", "median(x)", "percentile(x, 30)", "percentile_disc(x, 0.7)", "mode(x)", "corr(y, x)",
		"covar_pop(y, x)", "regr_slope(y, x)", "regr_intercept(y, x)", "regr_count(y, x)", "regr_r2(y, x)",
	} {
		moving := exttest.Rows(t, c, fmt.Sprintf("SELECT %s OVER (ORDER BY i ROWS %d PRECEDING) FROM t", call, before))
		alone := exttest.Rows(t, c, fmt.Sprintf(
			"SELECT (SELECT %s FROM t WHERE i BETWEEN o.i - %d AND o.i) FROM t AS o ORDER BY i", call, before))
		if diff := cmp.Diff(alone, moving, cmpopts.EquateApprox(1e-9, 1e-9)); diff != "" {
			t.Errorf("%s (-alone +moving):\n%s", call, diff)
		}
	}
}

func Example() {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := stats.Register(c); err != nil {
		log.Fatal(err)
	}
	err = c.Query(context.Background(), `WITH floes(area) AS (VALUES (1), (2), (4), (40))
		SELECT median(area), round(stddev(area), 2), percentile_disc(area, 0.9) FROM floes`, nil,
		func(s *engine.Stmt) error {
			fmt.Println(s.ColumnFloat(0), s.ColumnFloat(1), s.ColumnFloat(2))
			return nil
		})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 3 18.87 40
}
