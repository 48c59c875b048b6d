package render

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, o Options, columns []string, rows ...[]any) string {
	t.Helper()
	var b strings.Builder
	w := New(&b, o)
	if err := w.Begin(columns); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := w.Row(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(0, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEachModeWritesRows(t *testing.T) {
	columns := []string{"n", "a|b"}
	rows := [][]any{{int64(-1), "x, \"y\"\n|"}, {nil, []byte{0, 0xff}}, {2.0, ""}, {math.Inf(-1), "\x1b[31m\u202e\xff"}}
	for mode, want := range map[string]string{
		Table:    "n     a|b\n----  ------------------\n-1    x, \"y\"\\n|\nNULL  x'00ff'\n2.0   \n-Inf  \\x1b[31m\\u202e\\xff\n",
		Markdown: "| n    | a\\|b               |\n| ---- | ------------------ |\n| -1   | x, \"y\"\\n\\|         |\n| NULL | x'00ff'            |\n| 2.0  |                    |\n| -Inf | \\x1b[31m\\u202e\\xff |\n",
		CSV:      "n,a|b\n-1,\"x, \"\"y\"\"\n|\"\n,x'00ff'\n2.0,\"\"\n-Inf,\x1b[31m\u202e\xff\n",
		Tabs:     "n\ta|b\n-1\tx, \"y\"\\n|\n\tx'00ff'\n2.0\t\n-Inf\t\x1b[31m\u202e\xff\n",
		List:     "n|a|b\n-1|x, \"y\"\n|\n|x'00ff'\n2.0|\n-Inf|\x1b[31m\u202e\xff\n",
		Line:     "  n = -1\na|b = x, \"y\"\\n|\n\n  n = NULL\na|b = x'00ff'\n\n  n = 2.0\na|b = \n\n  n = -Inf\na|b = \\x1b[31m\\u202e\\xff\n",
		JSON:     `{"columns":["n","a|b"],"rows":[[-1,"x, \"y\"\n|"],[null,{"base64":"AP8="}],[2.0,""],["-Inf","\u001b[31m` + "\u202e" + `\ufffd"]],"changes":0}` + "\n",
	} {
		if diff := cmp.Diff(want, write(t, Options{Mode: mode, Headers: true}, columns, rows...)); diff != "" {
			t.Errorf("mode %s (-want +got):\n%s", mode, diff)
		}
	}
}

func TestHeadersAndNullAreTheCallersToChoose(t *testing.T) {
	null := "(none)"
	for mode, want := range map[string]string{Table: "(none)  1\n", CSV: "(none),1\n", List: "(none)|1\n", Line: "a = (none)\nb = 1\n"} {
		if got := write(t, Options{Mode: mode, Null: &null}, []string{"a", "b"}, []any{nil, int64(1)}); got != want {
			t.Errorf("mode %s: %q, want %q", mode, got, want)
		}
	}
}

func TestLongTablesAreNotHeld(t *testing.T) {
	var b strings.Builder
	w := New(&b, Options{Mode: Table, Headers: true})
	if err := w.Begin([]string{"n"}); err != nil {
		t.Fatal(err)
	}
	for i := range MeasuredRows {
		if err := w.Row([]any{int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(b.String(), "\n"); n != MeasuredRows+2 {
		t.Errorf("%d lines are written of %d rows, a head and a rule", n, MeasuredRows)
	}
}

func TestNothingCommandsATerminal(t *testing.T) {
	var b strings.Builder
	text := "a\tb\nc\x1b]0;title\a\r\x9b31m\u009b2J\u2066x\x7fé☃\n"
	if n, err := Terminal(&b).Write([]byte(text)); n != len(text) || err != nil {
		t.Errorf("%d of %d bytes written, error %v", n, len(text), err)
	}
	want := "a\tb\nc" + `\x1b]0;title\a\r\x9b31m\u009b2J\u2066x\x7f` + "é☃\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("on the terminal (-want +got):\n%s", diff)
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("a\x1b\u202e\xff\n")
	f.Fuzz(func(t *testing.T, text string) {
		got := Escape(text)
		if strings.IndexFunc(got, commands) >= 0 {
			t.Errorf("%q became %q", text, got)
		}
		if strings.IndexFunc(text, commands) < 0 && strings.ToValidUTF8(text, "") == text && got != text {
			t.Errorf("%q became %q, though it is harmless", text, got)
		}
	})
}
