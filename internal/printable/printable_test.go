package printable

import "testing"

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"plain":                "plain",
		" two\r\n\tlines ":     "two lines",
		"\x1b[2J\x00\a":        "?[2J??",
		"bad \xff\xfe, end":    "bad ?, end",
		"turned \u202e back":   "turned ? back",
		"grüße":                "grüße",
		"0123456789abcdefghij": "0123456789abcdef…",
		"0123456789abcdeü":     "0123456789abcde…",
	} {
		if got := Line(in, 16); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestTextKeepsLines(t *testing.T) {
	if got, want := Text("a\n\t b\r\x1b", 16), "a\n\t b??"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
