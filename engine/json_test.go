package engine

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type order struct {
	Item  string            `json:"item"`
	Count int               `json:"count,omitempty"`
	Tags  []string          `json:"tags,omitempty"`
	More  map[string]string `json:"more,omitempty"`
}

func TestJSONRoundTrip(t *testing.T) {
	c := openMemory(t)
	want := order{Item: `"bolt" ü`, Count: 3, Tags: []string{"a", "b"}, More: map[string]string{"k": "v"}}
	for sql, json := range map[string]string{"text": "SELECT ?", "binary": "SELECT json(jsonb(?))"} {
		got := order{Count: 99, Tags: []string{"old", "older", "oldest"}, More: map[string]string{"old": "x"}}
		err := c.QueryRow(background, json, []any{JSON(want)}, func(row *Stmt) error { return row.Scan(JSON(&got)) })
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sql, diff)
		}
	}
}

func TestJSONOfEachType(t *testing.T) {
	c := openMemory(t)
	for _, test := range []struct {
		sql  string
		want any
	}{
		{"SELECT NULL", nil}, {"SELECT 5", 5.0}, {"SELECT 1.5", 1.5}, {"SELECT 'null'", nil}, {"SELECT '[1,2]'", []any{1.0, 2.0}},
		{"SELECT CAST('{}' AS BLOB)", map[string]any{}}, {"SELECT '{\"a\":7}' -> 'a'", 7.0},
	} {
		got := any("old")
		err := c.QueryRow(background, test.sql, nil, func(row *Stmt) error { return row.Scan(JSON(&got)) })
		if err != nil {
			t.Errorf("%s: %v", test.sql, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.sql, diff)
		}
	}
	for value, want := range map[*JSONValue]any{JSON(nil): "null", nil: nil, JSON(3): "3"} {
		if got := values(t, c, "SELECT ?", value)[0][0]; got != want {
			t.Errorf("bound %v, want %v", got, want)
		}
	}
}

func TestJSONThatCannotBe(t *testing.T) {
	c := openMemory(t)
	var n int
	for _, test := range []struct {
		sql  string
		dest any
		want string
	}{
		{"SELECT 'nope'", JSON(&n), "invalid character"},
		{"SELECT '\"text\"'", JSON(&n), "cannot unmarshal string"},
		{"SELECT jsonb('[1,2,3]')", JSON(&n), "JSONB"},
		{"SELECT 9e999", JSON(&n), "unsupported value"},
		{"SELECT 1", JSON(n), "no pointer but int"},
		{"SELECT 1", JSON((*int)(nil)), "no pointer but *int"},
		{"SELECT 1", (*JSONValue)(nil), "nil"},
	} {
		err := c.QueryRow(background, test.sql, nil, func(row *Stmt) error { return row.Scan(test.dest) })
		if !errors.Is(err, Mismatch) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.sql, err, test.want)
		}
	}
	if err := c.Exec(background, "SELECT ?", JSON(math.Inf(1))); !errors.Is(err, Mismatch) {
		t.Errorf("bind what JSON does not have: %v, want %v", err, Mismatch)
	}
}
