package render

import (
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text gives a value as it is shown: NULL, numbers so that they are seen to be integer or real and come back the same
// when they are read, and blobs in hexadecimal digits. Texts are themselves.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return realText(v)
	case []byte:
		return "x'" + hex.EncodeToString(v) + "'"
	}
	return fmt.Sprint(v)
}

func realText(x float64) string {
	if math.IsInf(x, 0) {
		return infinityText(x)
	}
	text := strconv.FormatFloat(x, 'g', -1, 64)
	if !strings.ContainsAny(text, ".eN") {
		text += ".0"
	}
	return text
}

func infinityText(x float64) string {
	if x < 0 {
		return "-Inf"
	}
	return "Inf"
}

// Escape gives a text on one line, with nothing in it that a terminal would obey: control characters, bytes that are
// not UTF-8 and marks that turn the direction of writing become escapes like \n, \x1b and \u202e.
func Escape(text string) string {
	return escape(text, func(r rune) bool { return false })
}

// escape leaves the control characters that keep is true of.
func escape(text string, keep func(rune) bool) string {
	i := strings.IndexFunc(text, commands)
	if i < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case !commands(r) || keep(r):
			b.WriteString(text[i : i+n])
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		i += n
	}
	return b.String()
}

// commands tells whether a terminal may take a character for more than a sign to show.
func commands(r rune) bool {
	return r < ' ' || r >= 0x7f && unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r) ||
		r == '\u2028' || r == '\u2029'
}

// Terminal gives a writer to a terminal, which no text can make do anything but show it: all but line ends and tabs
// is escaped as [Escape] does. Each Write must be of whole characters.
func Terminal(w io.Writer) io.Writer { return &terminal{w} }

type terminal struct{ w io.Writer }

func (t *terminal) Write(p []byte) (int, error) {
	text := escape(string(p), func(r rune) bool { return r == '\n' || r == '\t' })
	if _, err := io.WriteString(t.w, text); err != nil {
		return 0, err
	}
	return len(p), nil
}
