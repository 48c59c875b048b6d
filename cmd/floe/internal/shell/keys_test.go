package shell

import (
	"io"
	"strings"
	"testing"
)

const tab = string(tabSign)

func TestPastedTabsAreNoKeys(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a\tb", "a" + tab + "b"},
		{"a\t", "a\t"},
		{"\t\t", tab + "\t"},
		{pasteBegins + "a\t" + pasteEnds, "a" + tab},
		{pasteBegins + "\t" + pasteEnds + "\t", tab + "\t"},
		{pasteBegins + "a\x1b[A\x12\x7f" + pasteEnds + "\x12\x1b[A", "a[A\x12\x1b[A"},
		{pasteBegins + "a\r\nb\nc\r\r" + pasteEnds, "a\rb\nc\r\r"},
		{pasteBegins + "a\x03\x12", "a\x03\x12"},
		{"a\r\n\nb", "a\r\nb"},
		{"\u2409 é \xff \ufdd0", "\ufdd0 é \xff \ufdd0"},
		{"\x1b[A\x1b[200\x1b\x1b[", "\x1b[A\x1b[200\x1b\x1b["},
	} {
		var k keys
		if got, rest := k.take([]byte(c.in), true); string(got) != c.want || len(rest) != 0 {
			t.Errorf("%q comes as %q with rest %q, want %q", c.in, got, rest, c.want)
		}
	}
}

// Wherever what comes is cut, it means the same.
func TestKeysMeanTheSameInPieces(t *testing.T) {
	const in = "a\tb" + pasteBegins + "\té\u2409\r\n\t" + pasteEnds + "\x1b[A\u2409\r\nz"
	const want = "a\u2409b\u2409é\ufdd0\r\u2409\x1b[A\ufdd0\rz"
	for i := range len(in) {
		for j := i; j <= len(in); j++ {
			var k keys
			var got []byte
			rest := []byte{}
			for _, part := range []string{in[:i], in[i:j], in[j:]} {
				out, undecided := k.take(append(rest, part...), false)
				got, rest = append(got, out...), undecided
			}
			out, _ := k.take(rest, true)
			if got = append(got, out...); string(got) != want {
				t.Fatalf("in pieces that end at %d and %d: %q, want %q", i, j, got, want)
			}
		}
	}
}

func TestALoneTabIsPassedOn(t *testing.T) {
	in, typed := io.Pipe()
	editor, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		copyKeys(out, in)
	}()
	b := make([]byte, 10)
	for _, text := range []string{"sel\t", "\x1b", "\t"} {
		if _, err := io.WriteString(typed, text); err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadAtLeast(editor, b, len(text)); err != nil || string(b[:n]) != text {
			t.Errorf("%q comes as %q, error %v", text, b[:n], err)
		}
	}
	_ = typed.Close()
	<-done
}

func TestLinesOfTheEditorComeBack(t *testing.T) {
	for _, line := range []string{"a\tb", "\u2409", "a\t\u2409\t", "é"} {
		shown := toEditor.Replace(line)
		if got := fromEditor.Replace(shown); got != line || strings.Contains(shown, "\t") {
			t.Errorf("%q stands in the editor as %q and comes back as %q", line, shown, got)
		}
	}
}
