package nearest

import "testing"

func TestWordIsTheNearestOne(t *testing.T) {
	known := []string{"tables", "schema", "status", "sync"}
	for word, want := range map[string]string{
		"tabels": "tables", "scheme": "schema", "stauts": "status", "sink": "sync", "": "sync", "tables": "tables",
	} {
		if got := Word(word, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
	if got := Word("x", []string{"b", "a"}); got != "a" {
		t.Errorf("of two as near it is %q, want the first by the alphabet", got)
	}
	if got := Word("x", nil); got != "" {
		t.Errorf("of none it is %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"ä", "a", 1}, {"same", "same", 0}} {
		if got := Distance([]rune(c.a), []rune(c.b)); got != c.want {
			t.Errorf("distance of %q and %q is %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
