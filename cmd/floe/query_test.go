package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/cmd/floe/internal/render"
)

func TestQueryKeepsEveryTypeInJSON(t *testing.T) {
	path := localDB(t)
	got := floeJSON(t, "query", path, `SELECT 9223372036854775807 AS big, -9007199254740993 AS odd, 1.0 AS one, 0.1 AS tenth,
		1e999 AS inf, -1e999 AS neg, NULL AS none, x'00ff' AS b, x'' AS eb, 'a"<é' AS t`)
	want := map[string]any{
		"columns": []any{"big", "odd", "one", "tenth", "inf", "neg", "none", "b", "eb", "t"},
		"rows": []any{[]any{
			json.Number("9223372036854775807"), json.Number("-9007199254740993"), json.Number("1.0"), json.Number("0.1"),
			"Inf", "-Inf", nil, map[string]any{"base64": "AP8="}, map[string]any{"base64": ""}, `a"<é`,
		}},
		"changes": json.Number("0"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestQueryBindsArgumentsByTheirForm(t *testing.T) {
	for arg, want := range map[string]any{
		"NULL": nil, "null": "null", "42": int64(42), "-7": int64(-7), "+7": int64(7), "007": int64(7),
		"9223372036854775807": int64(math.MaxInt64), "9223372036854775808": float64(1 << 63),
		"1.5": 1.5, ".5": .5, "1e9": 1e9, "1e": "1e", "0x10": "0x10", "inf": "inf", "NaN": "NaN", "1e999": "1e999",
		"x'00ff'": []byte{0, 255}, "x'0'": "x'0'", "'42'": "42", `"NULL"`: "NULL", "'": "'", "": "", "it's": "it's",
	} {
		if diff := cmp.Diff(want, binding(arg)); diff != "" {
			t.Errorf("argument %q (-want +got):\n%s", arg, diff)
		}
	}
}

func TestQueryAlignsATable(t *testing.T) {
	path := localDB(t)
	got := floeDone(t, "query", path, "SELECT ?1 AS id, ?2 AS name, ?3 AS x UNION ALL SELECT 10, 'ö', x'ab'", "--", "-1", "long\ntext", "NULL")
	want := "id  name        x\n--  ----------  -----\n-1  long\\ntext  NULL\n10  ö           x'ab'\n"
	if got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}
}

func TestQueryTellsWhatItChanged(t *testing.T) {
	path := localDB(t, "CREATE TABLE t(a)")
	if got := floeDone(t, "query", path, "INSERT INTO t VALUES (1), (2)"); got != "2 rows changed\n" {
		t.Errorf("insert prints %q", got)
	}
	got := floeJSON(t, "query", path, "UPDATE t SET a = a + 1 RETURNING a")
	want := map[string]any{
		"columns": []any{"a"}, "rows": []any{[]any{json.Number("2")}, []any{json.Number("3")}}, "changes": json.Number("2"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("update (-want +got):\n%s", diff)
	}
}

func TestQueryRefusesWhatIsNotOneStatement(t *testing.T) {
	path := localDB(t)
	floeFails(t, exitFailed, "more than one statement", "query", path, "SELECT 1; SELECT 2")
	floeFails(t, exitFailed, "1 parameter, and 0 were given", "query", path, "SELECT ?")
	floeFails(t, exitFailed, "syntax error", "query", path, "SELEKT 1")
}

func TestQueryPrintsLongTablesWhole(t *testing.T) {
	path := localDB(t)
	const n = 3 * render.MeasuredRows
	got := floeDone(t, "query", path, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?) SELECT i FROM c", "3000")
	if lines := strings.Count(got, "\n"); lines != n+2 {
		t.Errorf("%d lines for %d rows, a head and a rule", lines, n)
	}
}
