package sqltext

import "strings"

// Lines takes a text line by line and tells whether it is complete: whether a shell that runs it has to wait for more. A
// line costs time in proportion to its own length, however much came before it. The zero value is an empty text. What is
// complete is what SQLite's own sqlite3_complete takes for it, but that triggers are told as by [First].
//
// See https://sqlite.org/c3ref/complete.html.
type Lines struct {
	s     scanner
	open  string // what ends the literal, quoted name or comment that the text is in; "" for none
	begun bool   // there was a token
}

// Add takes the next line, without its end, and returns where in it the first token of the text is; -1 when that came
// before or has not come yet.
func (l *Lines) Add(line string) (first int) {
	first = -1
	line += "\n"
	for rest := line; rest != ""; {
		if l.open != "" {
			rest = l.close(rest)
			continue
		}
		kind, n := next(rest)
		if kind != space && !l.begun {
			l.begun, first = true, len(line)-len(rest)
		}
		l.open = openEnd(rest[:n])
		l.take(kind, rest[:n])
		rest = rest[n:]
	}
	return first
}

// close passes over the rest of what is open, and gives what follows that.
func (l *Lines) close(line string) string {
	n := strings.Index(line, l.open)
	if n < 0 {
		return ""
	}
	n += len(l.open)
	if l.open != "]" && l.open != "*/" && strings.HasPrefix(line[n:], l.open) {
		return line[n+len(l.open):] // a quote that stands twice
	}
	l.open = ""
	return line[n:]
}

func (l *Lines) take(kind tokenKind, token string) {
	switch {
	case kind == space:
	case kind == semicolon && !l.s.inTrigger:
		l.s = scanner{}
	default:
		l.s.take(kind, token)
	}
}

// Complete reports whether each statement of the text has its semicolon, and no literal, quoted name or comment goes on.
func (l *Lines) Complete() bool { return l.open == "" && l.s.tokens == 0 }

// openEnd gives what has to come for a token to end, "" for one that has ended. A literal can stand before its line's
// end only as the last token.
func openEnd(token string) string {
	quotes := strings.TrimLeft(token, "xX")
	switch c := token[0]; {
	case strings.HasPrefix(token, "/*"):
		if len(token) < len("/**/") || !strings.HasSuffix(token, "*/") {
			return "*/"
		}
	case c == '[':
		if !strings.HasSuffix(token, "]") {
			return "]"
		}
	case quotes != "" && strings.ContainsRune("'\"`", rune(quotes[0])):
		if strings.Count(quotes, quotes[:1])%2 != 0 {
			return quotes[:1]
		}
	}
	return ""
}
