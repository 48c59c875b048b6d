package sqltext

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/floedb/floe/engine"
)

// addAll gives the state after all lines of a text, and whether there was a token.
func addAll(text string) (l *Lines, begun bool) {
	l = new(Lines)
	for line := range strings.SplitSeq(text, "\n") {
		begun = l.Add(line) >= 0 || begun
	}
	return l, begun
}

func TestLinesAreCompleteBehindTheLastSemicolon(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                  true, // nothing to wait for
		"-- only a comment":                 true,
		"/* only\na comment */ ":            true,
		"/* open":                           false,
		"/*/":                               false,
		"/*\n*/":                            true,
		"/* -- */":                          true,
		"-- /*":                             true,
		"SELECT 1":                          false,
		"SELECT 1;":                         true,
		"SELECT 1; -- done":                 true,
		"SELECT 1; /* done */":              true,
		"SELECT 1; /* done; ' \" ` [ */ ; ": true,
		"SELECT 1; -- it's done":            true,
		"SELECT 1; /* not":                  false,
		"SELECT 1; SELECT 2 -- ;":           false,
		";":                                 true,
		"SELECT ';":                         false,
		"SELECT ';\n';":                     true,
		"SELECT 'it''s;\n' ;":               true,
		"SELECT 'a'\n'b;":                   false,
		"SELECT 'a''\n'';":                  false,
		"SELECT 'a''\n''';":                 true,
		"SELECT X'00;\n';":                  true,
		"SELECT \"a;\n\"\"b\" ;":            true,
		"SELECT [a;\n'] ;":                  true,
		"SELECT `a;\n'` ;":                  true,
		"SELECT '-- ;\n' ;":                 true,
		"SELECT '/* ;\n' ;":                 true,
		"SELECT 1 /\n* 2;":                  true,
		"CREATE TRIGGER a AFTER INSERT ON b BEGIN SELECT 1;":                                 false,
		"CREATE TRIGGER a AFTER INSERT ON b BEGIN SELECT 1; -- END;":                         false,
		"CREATE TRIGGER a AFTER INSERT ON b BEGIN SELECT 1;\nEND -- so\n;":                   true,
		"explain create temp trigger a after insert on b begin select ';\nend;'; /* */ end;": true,
		"CREATE TABLE trigger_(a); SELECT 1;":                                                true,
	} {
		if l, _ := addAll(text); l.Complete() != want {
			t.Errorf("%q is complete: %v, want %v", text, l.Complete(), want)
		}
	}
}

func TestLinesTellWhereTheFirstTokenIs(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  []int
	}{
		{[]string{"", " -- a", "/* b", "' */ .mode csv", "x"}, []int{-1, -1, -1, 5, -1}},
		{[]string{"\ufeffSELECT", "1;"}, []int{3, -1}},
		{[]string{";", "SELECT"}, []int{0, -1}},
	} {
		var l Lines
		for i, line := range c.lines {
			if got := l.Add(line); got != c.want[i] {
				t.Errorf("%q: the first token of line %d is at %d, want %d", c.lines, i, got, c.want[i])
			}
		}
	}
}

// Any sequence of these is complete when SQLite says so.
func TestLinesAreCompleteWhenSQLiteSaysSo(t *testing.T) {
	pieces := []string{
		";", ";", "SELECT", " ", "\n", "\n", "'", "''", `"`, "`", "[", "]", "--", "/*", "*/", "-", "/", "*", "x'", "1.5e3", "?", "é",
		"CREATE TRIGGER t BEGIN ", ";END;", "EXPLAIN CREATE TEMP TRIGGER t ", "CREATE TABLE ", "(", ")",
	}
	random := rand.New(rand.NewPCG(1, 8))
	for range 20_000 {
		var b strings.Builder
		for range 1 + random.IntN(12) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		text := b.String()
		l, begun := addAll(text)
		if want := engine.CompleteSQL(text + "\n"); begun && l.Complete() != want {
			t.Fatalf("%q is complete: %v, SQLite says %v", text, l.Complete(), want)
		}
	}
}

// If each line cost as much as all before it, this would take an hour.
func TestManyLinesCostWhatTheyHold(t *testing.T) {
	var l Lines
	line := strings.Repeat("it is complete; or not? ", 20)
	l.Add("SELECT '")
	for range 50_000 {
		l.Add(line)
	}
	if l.Complete() {
		t.Error("a text that goes on is complete")
	}
	l.Add("';")
	if !l.Complete() {
		t.Error("a text is not complete behind its end")
	}
}
