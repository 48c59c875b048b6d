package regexp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"regexp/syntax"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/exttest"
	"github.com/floedb/floe/ext/regexp"
)

func TestRegexp(t *testing.T) {
	c := exttest.Open(t, "regexp")
	for _, test := range []struct {
		sql  string
		want any
	}{
		{"'the ice floe' REGEXP '\\bice\\b'", 1},
		{"'the ice floe' REGEXP '^ice'", 0},
		{"'' REGEXP ''", 1},
		{"42 REGEXP '^4'", 1},
		{"x'6963650a' REGEXP 'ice\\n$'", 1},
		{"NULL REGEXP 'x'", nil},
		{"'x' REGEXP NULL", nil},
		{"regexp_like('Ice', '(?i)ice')", 1},
		{"regexp_count('a1b22c333', '\\d+')", 3},
		{"regexp_count('a1b22c333', '\\d+', 3)", 2},
		{"regexp_count('äää', 'ä', 3)", 1},
		{"regexp_count('aaa', '^a', 2)", 1},
		{"regexp_count('abc', '')", 4},
		{"regexp_count('abc', 'x', 100)", 0},
		{"regexp_instr('äöü1', '\\d')", 4},
		{"regexp_instr('äöü1', '\\d', 2)", 4},
		{"regexp_instr('a1b22', '\\d+', 1, 2)", 4},
		{"regexp_instr('a1b22', '\\d+', 1, 2, 1)", 6},
		{"regexp_instr('key=value', '(\\w+)=(\\w+)', 1, 1, 0, 2)", 5},
		{"regexp_instr('abc', 'x')", 0},
		{"regexp_substr('a1b22c333', '\\d+')", "1"},
		{"regexp_substr('a1b22c333', '\\d+', 3)", "22"},
		{"regexp_substr('a1b22c333', '\\d+', 1, 3)", "333"},
		{"regexp_substr('a1b22c333', '\\d+', 1, 4)", nil},
		{"regexp_substr('a1', '\\d', 1, 9223372036854775807)", nil},
		{"regexp_substr('key=value', '(\\w+)=(\\w+)', 1, 1, 2)", "value"},
		{"regexp_substr('abc', 'x')", nil},
		{"regexp_substr('b', '(a)?b', 1, 1, 1)", nil},
		{"regexp_capture('2024-05-06', '(\\d+)-(\\d+)', 2)", "05"},
		{"regexp_capture('2024-05-06', '(\\d+)-(\\d+)')", "2024-05"},
		{"regexp_replace('a1b22', '\\d+', '#')", "a#b#"},
		{"regexp_replace('a1b22', '\\d+', '#', 3)", "a1b#"},
		{"regexp_replace('a1b22c3', '\\d+', '<$0>', 1, 2)", "a1b<22>c3"},
		{"regexp_replace('a1b22c3', '\\d+', '#', 1, 9)", "a1b22c3"},
		{"regexp_replace('Müller, Jo', '(\\pL+), (?P<first>\\pL+)', '${first} $1')", "Jo Müller"},
		{"regexp_replace('a', 'a', '$$1')", "$1"},
		{"regexp_replace('a', 'a', NULL)", nil},
	} {
		exttest.Want(t, c, test.want, "SELECT "+test.sql)
	}
}

func TestRegexpErrors(t *testing.T) {
	c := exttest.Open(t, "regexp")
	for sql, text := range map[string]string{
		"SELECT 'x' REGEXP '('":                      "missing closing )",
		"SELECT regexp_substr('x', 'x', 0)":          "no position 0",
		"SELECT regexp_substr('x', 'x', 1, 0)":       "no match number 0",
		"SELECT regexp_substr('x', 'x', 1, 1, 1)":    "no group 1",
		"SELECT regexp_capture('x', '(x)', -1)":      "no group -1",
		"SELECT regexp_replace('x', 'x', '', 1, -1)": "no match number -1",
	} {
		exttest.WantError(t, c, text, sql)
	}
	err := c.Exec(context.Background(), "SELECT 'x' REGEXP '['")
	var syntaxError *syntax.Error
	if !errors.As(err, &syntaxError) {
		t.Errorf("error %v, want the parser's", err)
	}
}

func TestPatternOfEveryRowIsItsOwn(t *testing.T) {
	c := exttest.Open(t, "regexp")
	exttest.Want(t, c, "1,0,1", `SELECT group_concat('ice' REGEXP column1) FROM (VALUES ('i'), ('x'), ('e$'))`)
}

// Bytes that are no UTF-8 are one character each.
func FuzzFunctions(f *testing.F) {
	f.Add("text", "t", "$0", int64(1), int64(1), int64(0))
	f.Add("\xff\x00ä", "(.)?", "${1}x", int64(2), int64(3), int64(1))
	f.Fuzz(func(t *testing.T, text, pattern, replacement string, start, n, group int64) {
		c := exttest.Open(t, "regexp")
		for _, sql := range []string{
			"SELECT regexp_replace(?1, ?2, ?3, ?4, ?5), ?6", "SELECT regexp_substr(?1, ?2, ?4, ?5, ?6), ?3",
			"SELECT regexp_instr(?1, ?2, ?4, ?5, 1, ?6), ?3", "SELECT regexp_count(?1, ?2, ?4), ?3, ?5, ?6",
		} {
			err := c.Exec(context.Background(), sql, text, pattern, replacement, start, n, group)
			var p *engine.PanicError
			if errors.As(err, &p) {
				t.Errorf("%s: %v\n%s", sql, err, p.Stack)
			}
		}
	})
}

func BenchmarkRegexp(b *testing.B) {
	c := exttest.Open(b, "regexp")
	s, err := c.Prepare(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)
		SELECT sum('the ice floe' REGEXP 'ice') FROM n`)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Finalize()
	if err := s.BindInt64(1, int64(b.N)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := s.Step(context.Background()); err != nil {
		b.Fatal(err)
	}
}

func Example() {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := regexp.Register(c); err != nil {
		log.Fatal(err)
	}
	err = c.Query(context.Background(), `SELECT regexp_replace('floe@example.org', '(\w+)@(.*)', '$1 at $2')`, nil,
		func(s *engine.Stmt) error {
			fmt.Println(s.ColumnText(0))
			return nil
		})
	if err != nil {
		log.Fatal(err)
	}
	// Output: floe at example.org
}
