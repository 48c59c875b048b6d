package text_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/exttest"
	"github.com/floedb/floe/ext/text"
)

func TestText(t *testing.T) {
	c := exttest.Open(t, "text")
	for _, test := range []struct {
		call string
		want any
	}{
		{"left('äöüx', 2)", "äö"}, {"left('äöüx', -1)", "äöü"}, {"left('ab', 9)", "ab"}, {"left('ab', -9)", ""},
		{"left('ab', 0)", ""}, {"left(NULL, 1)", nil}, {"left(1234, 2)", "12"},
		{"left('ab', -9223372036854775808)", ""}, {"right('ab', -9223372036854775808)", ""},
		{"right('xäöü', 2)", "öü"}, {"right('xäöü', -1)", "äöü"}, {"right('ab', 9)", "ab"}, {"right('ab', 0)", ""},
		{"lpad('7', 3, '0')", "007"}, {"lpad('äö', 5, 'xyz')", "xyzäö"}, {"lpad('äö', 7, 'xyz')", "xyzxyäö"},
		{"lpad('abc', 2)", "ab"}, {"lpad('abc', 5)", "  abc"}, {"lpad('a', 5, '')", "a"}, {"lpad('a', -1)", ""},
		{"rpad('äö', 5, 'xyz')", "äöxyz"}, {"rpad('abc', 2, '*')", "ab"}, {"rpad('abc', 5)", "abc  "},
		{"repeat('ab', 3)", "ababab"}, {"repeat('ab', 0)", ""}, {"repeat('ab', -1)", ""}, {"repeat('', 9223372036854775807)", ""},
		{"reverse('Eisschollé')", "éllohcssiE"}, {"reverse('')", ""}, {"reverse('a' || char(0) || 'b')", "b\x00a"},
		{"initcap('the ICE-floe, é tu')", "The Ice-Floe, É Tu"}, {"initcap('')", ""},
		{"split_part('a,b,c', ',', 2)", "b"}, {"split_part('a,b,c', ',', -1)", "c"}, {"split_part('a,b,c', ',', 4)", ""},
		{"split_part('a,b,c', ',', -4)", ""}, {"split_part('a,b,c', '', 1)", "a,b,c"}, {"split_part('a--b', '--', 2)", "b"},
		{"split_part('a', ',', -9223372036854775808)", ""}, {"split_part('a', ',', 9223372036854775807)", ""},
		{"translate('12345', '143', 'ax')", "a2x5"}, {"translate('äöü', 'äü', 'au')", "aöu"}, {"translate('aa', 'aa', 'xy')", "xx"},
		{"strpos('äöü', 'ü')", 3}, {"strpos('abc', 'x')", 0}, {"strpos('abc', '')", 1},
		{"starts_with('floe', 'fl')", 1}, {"starts_with('floe', 'lo')", 0}, {"ends_with('floe', 'oe')", 1},
		{"text_left('floe', 2)", "fl"}, {"text_reverse('floe')", "eolf"},
		{"levenshtein('kitten', 'sitting')", 3}, {"levenshtein('', 'abc')", 3}, {"levenshtein('abc', '')", 3},
		{"levenshtein('ä', 'a')", 1}, {"levenshtein('same', 'same')", 0}, {"levenshtein(NULL, 'a')", nil},
		{"similarity('word', 'two words')", 4.0 / 11}, {"similarity('Floe', 'floe!')", 1.0}, {"similarity('', '')", 0.0},
		{"similarity('abc', 'xyz')", 0.0},
		{"round(jaro_winkler('MARTHA', 'MARHTA'), 4)", 0.9611}, {"round(jaro_winkler('DIXON', 'DICKSONX'), 4)", 0.8133},
		{"round(jaro_winkler('DWAYNE', 'DUANE'), 2)", 0.84}, {"jaro_winkler('', '')", 1.0}, {"jaro_winkler('', 'a')", 0.0},
		{"jaro_winkler('a', 'a')", 1.0}, {"jaro_winkler('a', 'b')", 0.0},
	} {
		exttest.Want(t, c, test.want, "SELECT "+test.call)
	}
}

func TestTextErrors(t *testing.T) {
	c := exttest.Open(t, "text")
	for _, call := range []string{
		"repeat('abc', 9223372036854775807)", "lpad('a', 9223372036854775807)", "rpad('a', 9223372036854775807, 'äöü')",
	} {
		if err := c.Exec(context.Background(), "SELECT "+call); !errors.Is(err, engine.TooBig) {
			t.Errorf("%s: %v, want %v", call, err, engine.TooBig)
		}
	}
	exttest.WantError(t, c, "no part 0", "SELECT split_part('a', ',', 0)")
	exttest.WantError(t, c, "too long to compare", "SELECT levenshtein(?, 'a')", strings.Repeat("x", 10_001))
	exttest.WantError(t, c, "too long to compare", "SELECT jaro_winkler('a', ?)", strings.Repeat("x", 10_001))
}

func TestBytesThatAreNoUTF8AreCharacters(t *testing.T) {
	c := exttest.Open(t, "text")
	exttest.Want(t, c, "\xff", "SELECT left(?, 1)", "\xff\xfe")
	exttest.Want(t, c, "\xfea\xff", "SELECT reverse(?)", "\xffa\xfe")
}

// Whatever the arguments, no function panics.
func FuzzFunctions(f *testing.F) {
	f.Add("the ice", "floe", "x", int64(3))
	f.Add("\xff\x00ä", "", "\xc3", int64(-1<<63))
	f.Fuzz(func(t *testing.T, s, u, v string, n int64) {
		c := exttest.Open(t, "text")
		if n > 1<<20 {
			n = -n
		}
		for _, call := range []string{
			"left(?1, ?4)", "right(?1, ?4)", "lpad(?1, ?4, ?2)", "rpad(?1, ?4, ?2)", "repeat(?1, ?4)", "reverse(?1)",
			"initcap(?1)", "split_part(?1, ?2, ?4)", "translate(?1, ?2, ?3)", "strpos(?1, ?2)", "levenshtein(?1, ?2)",
			"similarity(?1, ?2)", "jaro_winkler(?1, ?2)",
		} {
			err := c.Exec(context.Background(), "SELECT "+call+", ?1, ?2, ?3, ?4", s, u, v, n)
			var p *engine.PanicError
			if errors.As(err, &p) {
				t.Errorf("%s: %v\n%s", call, err, p.Stack)
			}
		}
	})
}

func Example() {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := text.Register(c); err != nil {
		log.Fatal(err)
	}
	err = c.Query(context.Background(), `SELECT initcap(split_part('ice floe,ice berg', ',', 2)), lpad(7, 3, '0')`, nil,
		func(s *engine.Stmt) error {
			fmt.Println(s.ColumnText(0), s.ColumnText(1))
			return nil
		})
	if err != nil {
		log.Fatal(err)
	}
	// Output: Ice Berg 007
}
