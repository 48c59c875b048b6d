package shell

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// literal gives a value as an expression of SQL that has the same value, of the same storage class, in every SQLite.
// It stays on one line, and no shell takes a part of it for something else.
func literal(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return realLiteral(v)
	case string:
		return textLiteral(v)
	case []byte:
		return "X'" + hex.EncodeToString(v) + "'"
	}
	return "NULL"
}

// shortReal is how many digits every SQLite reads exactly.
const shortReal = 15

// realLiteral has the fewest digits with which a number comes back, or all 17: SQLite before 3.43 reads some numbers of
// 16 and 17 digits wrong by the last bit when they are not all there. Infinity is a number too large for any other.
func realLiteral(x float64) string {
	switch {
	case math.IsInf(x, 1):
		return "9.0e+999"
	case math.IsInf(x, -1):
		return "-9.0e+999"
	}
	text := strconv.FormatFloat(x, 'g', shortReal, 64)
	if back, err := strconv.ParseFloat(text, 64); err != nil || back != x {
		return strconv.FormatFloat(x, 'e', 16, 64)
	}
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

// textEscapes are the characters that do not come through the reading of a script as they are: line ends, and NUL, at
// which C ends a text.
var textEscapes = []struct{ char, letter, code string }{
	{"\x00", "0", "char(0)"},
	{"\n", "n", "char(10)"},
	{"\r", "r", "char(13)"},
	{"\x1a", "z", "char(26)"}, // ends a file, to some programs of Windows
}

// textLiteral puts a placeholder like \n for each character of textEscapes and has SQLite put the character back.
func textLiteral(text string) string {
	if !utf8.ValidString(text) {
		return "CAST(X'" + hex.EncodeToString([]byte(text)) + "' AS TEXT)"
	}
	expr := text
	var before, after strings.Builder
	for _, e := range textEscapes {
		if !strings.Contains(text, e.char) {
			continue
		}
		mark := unusedMark(text, e.letter)
		expr = strings.ReplaceAll(expr, e.char, mark)
		before.WriteString("replace(")
		after.WriteString(",'" + mark + "'," + e.code + ")")
	}
	return before.String() + "'" + strings.ReplaceAll(expr, "'", "''") + "'" + after.String()
}

// unusedMark is a placeholder that the text has none of.
func unusedMark(text, letter string) string {
	mark := `\` + letter
	for i := 0; strings.Contains(text, mark); i++ {
		mark = `\(` + letter + strconv.Itoa(i) + ")"
	}
	return mark
}
