// Package printable makes text that came from somebody else fit for an error, a log or a terminal.
package printable

import (
	"strconv"
	"strings"
)

// Line is the beginning of s as one line, of most bytes at most and "…" where that is not all: white space is one
// blank, and what is not UTF-8 or cannot be printed is "?".
func Line(s string, most int) string {
	return Text(strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " "), most)
}

// Text is the beginning of s like [Line], but with the lines, tabs and blanks that it has.
func Text(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) && r != '\n' && r != '\t' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
