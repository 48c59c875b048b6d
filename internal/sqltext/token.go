package sqltext

import "strings"

type tokenKind uint8

const (
	other     tokenKind = iota // literals, quoted names, numbers, operators, and what is no token
	space                      // white space and comments
	semicolon                  // ;
	word                       // keywords and names without quotes
	param                      // parameters
)

// next gives the kind and the length of the first token of a text that is not empty.
func next(s string) (tokenKind, int) {
	c := s[0]
	switch {
	case isSpace(c):
		return space, spaces(s)
	case c == ';':
		return semicolon, 1
	case c == '-' && strings.HasPrefix(s, "--"):
		return space, through(s, 2, "\n")
	case c == '/' && strings.HasPrefix(s, "/*") && len(s) > 2:
		return space, through(s, 2, "*/")
	case c == '\'' || c == '"' || c == '`':
		return other, quoted(s)
	case c == '[':
		return other, through(s, 1, "]")
	case c == '?':
		return param, 1 + digits(s[1:])
	case c == '$' || c == '@' || c == ':' || c == '#':
		return variable(s)
	case strings.HasPrefix(s, "\xef\xbb\xbf"):
		return space, 3 // a byte order mark
	case c >= '0' && c <= '9':
		return other, identifier(s)
	case (c == 'x' || c == 'X') && len(s) > 1 && s[1] == '\'':
		return other, 1 + quoted(s[1:])
	case isIdentifier(c):
		return word, identifier(s)
	}
	return other, 1
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isIdentifier tells the bytes that a name without quotes can have behind its first one.
func isIdentifier(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '_' || c == '$' || c >= 0x80
}

func spaces(s string) int { return span(s, isSpace) }

func digits(s string) int { return span(s, isDigit) }

func identifier(s string) int { return span(s, isIdentifier) }

func span(s string, in func(byte) bool) int {
	for i := range len(s) {
		if !in(s[i]) {
			return i
		}
	}
	return len(s)
}

// through gives the length up to and with the first end behind from, or of everything where there is none.
func through(s string, from int, end string) int {
	i := strings.Index(s[from:], end)
	if i < 0 {
		return len(s)
	}
	return from + i + len(end)
}

// quoted gives the length of a text in quotes, in which a quote stands twice.
func quoted(s string) int {
	for i := 1; ; i += 2 {
		n := strings.IndexByte(s[i:], s[0])
		if n < 0 {
			return len(s)
		}
		i += n
		if i+1 >= len(s) || s[i+1] != s[0] {
			return i + 1
		}
	}
}

// variable gives the length of a parameter with a name, which can go on in the manner of Tcl: $a::b(c).
func variable(s string) (tokenKind, int) {
	named := false
	i := 1
	for ; i < len(s); i++ {
		switch {
		case isIdentifier(s[i]):
			named = true
		case s[i] == '(' && named:
			return index(s, i)
		case strings.HasPrefix(s[i:], "::"):
			i++
		default:
			return variableKind(named), i
		}
	}
	return variableKind(named), i
}

// index ends a parameter with the parenthesis at i.
func index(s string, i int) (tokenKind, int) {
	n := strings.IndexFunc(s[i+1:], func(r rune) bool { return r == ')' || r < 0x80 && isSpace(byte(r)) })
	switch {
	case n < 0:
		return other, len(s)
	case s[i+1+n] == ')':
		return param, i + 1 + n + 1
	}
	return other, i + 1 + n
}

func variableKind(named bool) tokenKind {
	if named {
		return param
	}
	return other
}
