// Package unicode makes SQL treat letters beyond ASCII as letters.
//
//	upper(S), lower(S)             in the place of the built-in functions, which change a to z alone
//	S LIKE pattern [ESCAPE C]      in the place of the built-in operator: case does not count for any letter
//	casefold(S)                    S in a form that is the same for all texts that differ in case alone
//	unaccent(S)                    S without accents: Latin, Greek and Cyrillic letters; ß becomes ss, æ becomes ae
//	COLLATE unicode_nocase         texts are the same if they differ in case alone, and in the order of casefold
//
// Case is Unicode's simple folding, by letter: ß and ẞ are the same, ß and ss are not. It knows no language, so that
// i and İ are different letters. Letters with accents are letters of their own, also where they are written as two
// characters; "unaccent(a) = unaccent(b) COLLATE unicode_nocase" compares without. The collation is there as
// text_nocase, too.
//
// Bytes that are no UTF-8 become U+FFFD, but for unaccent, and match every other such byte.
//
// A LIKE that is replaced uses no index, and PRAGMA case_sensitive_like brings the built-in one back. An index on one
// of these functions or with the collation can only be used by connections which have the extension, and has to be
// built anew, with REINDEX, if a later version of Go has a later version of Unicode.
//
// Importing the package registers the extension "unicode".
//
// https://sqlite.org/lang_expr.html#like
package unicode

import (
	"cmp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/sqlfunc"
)

func init() { sqlfunc.MustRegisterExtension("unicode", Register) }

// Register adds the functions and collations to a connection.
func Register(c *engine.Conn) error {
	err := sqlfunc.Register(c, sqlfunc.Pure, []sqlfunc.Scalar{
		{Name: "upper", NArgs: []int{1}, Fn: convert(strings.ToUpper)},
		{Name: "lower", NArgs: []int{1}, Fn: convert(strings.ToLower)},
		{Name: "casefold", NArgs: []int{1}, Fn: convert(casefold)},
		{Name: "unaccent", NArgs: []int{1}, Fn: convert(unaccent)},
		{Name: "like", NArgs: []int{2, 3}, Fn: sqlfunc.Strict(sqlLike)},
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"unicode_nocase", "text_nocase"} {
		if err := c.CreateCollation(name, compare); err != nil {
			return err
		}
	}
	return nil
}

func convert(to func(string) string) engine.ScalarFunc {
	return sqlfunc.Strict(func(ctx *engine.FuncContext, args []engine.Value) error {
		ctx.ResultText(to(args[0].Text()))
		return nil
	})
}

func casefold(s string) string { return strings.Map(fold, s) }

// fold returns the same letter for all letters that differ in case alone.
func fold(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	// The letters of one fold are a ring; the first of it stands for all.
	first := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		first = min(first, next)
	}
	if unicode.SimpleFold(r) == r {
		return r
	}
	return unicode.ToLower(first)
}

// compare orders texts by their folded letters, without making folded copies.
func compare(a, b []byte) int {
	for len(a) > 0 && len(b) > 0 {
		r, n := utf8.DecodeRune(a)
		s, m := utf8.DecodeRune(b)
		if r != s {
			if c := cmp.Compare(fold(r), fold(s)); c != 0 {
				return c
			}
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

// plain maps letters to what they are without accents.
var plain = sync.OnceValue(func() map[rune]string {
	letters := make(map[rune]string)
	for _, group := range withoutAccents {
		for _, r := range group[1] {
			letters[r] = group[0]
		}
	}
	return letters
})

func unaccent(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return s
	}
	letters := plain()
	var b strings.Builder
	for i, r := range s {
		switch base, accented := letters[r]; {
		case accented:
			b.WriteString(base)
		case r == utf8.RuneError:
			_, n := utf8.DecodeRuneInString(s[i:])
			b.WriteString(s[i : i+n]) // as it is, if it is no UTF-8
		case !isAccent(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isAccent reports whether r is an accent that is written as a character of its own.
func isAccent(r rune) bool { return 0x300 <= r && r <= 0x36f }
