package unicode

import (
	"errors"
	"unicode/utf8"

	"github.com/floedb/floe/engine"
)

var errEscape = errors.New("ESCAPE expression must be a single character")

// pattern is a compiled pattern of LIKE. Its letters are folded; the two wildcards are negative.
type pattern []rune

const (
	anyText rune = -1 - iota // %
	anyRune                  // _
)

// compile returns nil for a pattern that matches nothing, as it ends in the escape character.
func compile(text string, escape rune) pattern {
	p := make(pattern, 0, len(text))
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			p, escaped = append(p, fold(r)), false
		case r == escape:
			escaped = true
		case r == '%':
			if len(p) == 0 || p[len(p)-1] != anyText {
				p = append(p, anyText)
			}
		case r == '_':
			p = append(p, anyRune)
		default:
			p = append(p, fold(r))
		}
	}
	if escaped {
		return nil
	}
	return p
}

// sqlLike is called as like(pattern, text [, escape]).
func sqlLike(ctx *engine.FuncContext, args []engine.Value) error {
	p, ok := ctx.AuxData(0).(pattern)
	if !ok || len(args) > 2 { // the escape character may change while the pattern does not
		escape := rune(-1)
		if len(args) > 2 {
			text := args[2].Text()
			if utf8.RuneCountInString(text) != 1 {
				return errEscape
			}
			escape, _ = utf8.DecodeRuneInString(text)
		}
		p = compile(args[0].Text(), escape)
		ctx.SetAuxData(0, p)
	}
	ctx.ResultBool(p != nil && p.match(args[1].Raw()))
	return nil
}

// match tries each place for what follows the last %: an earlier one never has to be tried again.
func (p pattern) match(text []byte) bool {
	at := 0
	retryPattern, retryText := -1, []byte(nil)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case at < len(p) && p[at] == anyText:
			at++
			retryPattern, retryText = at, text
		case at < len(p) && (p[at] == anyRune || p[at] == fold(r)):
			at++
			text = text[n:]
		case retryPattern >= 0:
			_, n := utf8.DecodeRune(retryText)
			retryText = retryText[n:]
			at, text = retryPattern, retryText
		default:
			return false
		}
	}
	return at == len(p) || at == len(p)-1 && p[at] == anyText
}
