// Package text adds functions on text to SQL that other databases have and SQLite has not.
//
//	left(S, n), right(S, n)           the first or last n characters; with a negative n all but the last or first -n
//	lpad(S, n [, fill])               S filled up on the left to n characters, or cut to them; fill is a space
//	rpad(S, n [, fill])               the same on the right
//	repeat(S, n), reverse(S)
//	initcap(S)                        each word with a capital, the rest of it small
//	split_part(S, separator, n)       part n, counted from 1, or from the end with a negative n; '' if there is none
//	translate(S, from, to)            each character of from becomes the one in the same place of to, or goes
//	strpos(S, T)                      where T is in S, counted from 1, or 0
//	starts_with(S, T), ends_with(S, T)
//	levenshtein(S, T)                 how many characters to insert, delete or replace to make T of S
//	similarity(S, T)                  0 to 1: how many of their groups of three letters they share
//	jaro_winkler(S, T)                0 to 1: made for names, where the beginning counts more
//
// left to starts_with are there as text_left and so on, too. Lengths and positions are in characters, not bytes. A
// function with an argument that is NULL is NULL. A number is taken as its text. Bytes that are no UTF-8 count as a
// character each, which initcap and translate turn into U+FFFD.
//
// Importing the package registers the extension "text".
//
// https://sqlite.org/lang_corefunc.html
package text

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/sqlfunc"
)

func init() { sqlfunc.MustRegisterExtension("text", Register) }

// Register adds the functions to a connection.
func Register(c *engine.Conn) error {
	functions := []sqlfunc.Scalar{
		{Name: "left", NArgs: []int{2}, Fn: left},
		{Name: "right", NArgs: []int{2}, Fn: right},
		{Name: "lpad", NArgs: []int{2, 3}, Fn: pad(func(s, fill string) string { return fill + s })},
		{Name: "rpad", NArgs: []int{2, 3}, Fn: pad(func(s, fill string) string { return s + fill })},
		{Name: "repeat", NArgs: []int{2}, Fn: repeat},
		{Name: "reverse", NArgs: []int{1}, Fn: reverse},
		{Name: "initcap", NArgs: []int{1}, Fn: initcap},
		{Name: "split_part", NArgs: []int{3}, Fn: splitPart},
		{Name: "translate", NArgs: []int{3}, Fn: translate},
		{Name: "strpos", NArgs: []int{2}, Fn: strpos},
		{Name: "starts_with", NArgs: []int{2}, Fn: has(bytes.HasPrefix)},
		{Name: "ends_with", NArgs: []int{2}, Fn: has(bytes.HasSuffix)},
	}
	for _, f := range functions {
		f.Name = "text_" + f.Name
		functions = append(functions, f)
	}
	functions = append(functions,
		sqlfunc.Scalar{Name: "levenshtein", NArgs: []int{2}, Fn: sqlLevenshtein},
		sqlfunc.Scalar{Name: "similarity", NArgs: []int{2}, Fn: sqlSimilarity},
		sqlfunc.Scalar{Name: "jaro_winkler", NArgs: []int{2}, Fn: sqlJaroWinkler},
	)
	for i := range functions {
		functions[i].Fn = sqlfunc.Strict(functions[i].Fn)
	}
	return sqlfunc.Register(c, sqlfunc.Pure, functions)
}

// prefix returns how many bytes the first n characters of s take.
func prefix(s []byte, n int64) int {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRune(s[at:])
		at += size
	}
	return at
}

// clamp returns how many of s's characters n stands for, where a negative n leaves -n out.
func clamp(s []byte, n int64) (take, total int64) {
	total = int64(utf8.RuneCount(s))
	if n < 0 {
		return max(total+max(n, -total), 0), total
	}
	return min(n, total), total
}

func left(ctx *engine.FuncContext, args []engine.Value) error {
	s := args[0].Raw()
	take, _ := clamp(s, args[1].Int64())
	ctx.ResultText(string(s[:prefix(s, take)]))
	return nil
}

func right(ctx *engine.FuncContext, args []engine.Value) error {
	s := args[0].Raw()
	take, total := clamp(s, args[1].Int64())
	ctx.ResultText(string(s[prefix(s, total-take):]))
	return nil
}

func pad(join func(s, fill string) string) engine.ScalarFunc {
	return func(ctx *engine.FuncContext, args []engine.Value) error {
		s, fill := args[0].Raw(), " "
		if len(args) > 2 {
			fill = args[2].Text()
		}
		n := args[1].Int64()
		missing := n - int64(utf8.RuneCount(s))
		if missing <= 0 || fill == "" {
			ctx.ResultText(string(s[:prefix(s, n)]))
			return nil
		}
		filler, err := fillUp(fill, missing, int64(ctx.MaxLength()))
		if err != nil {
			return err
		}
		ctx.ResultText(join(string(s), filler))
		return nil
	}
}

// fillUp returns n characters of fill, over and over. More than limit bytes are an error.
func fillUp(fill string, n, limit int64) (string, error) {
	characters := int64(utf8.RuneCountInString(fill))
	times := n / characters
	if times > limit/int64(len(fill)) {
		return "", engine.TooBig
	}
	rest := prefix([]byte(fill), n%characters)
	return strings.Repeat(fill, int(times)) + fill[:rest], nil
}

func repeat(ctx *engine.FuncContext, args []engine.Value) error {
	s, n := args[0].Text(), args[1].Int64()
	if s == "" || n <= 0 {
		ctx.ResultText("")
		return nil
	}
	if n > int64(ctx.MaxLength())/int64(len(s)) {
		return engine.TooBig
	}
	ctx.ResultText(strings.Repeat(s, int(n)))
	return nil
}

func reverse(ctx *engine.FuncContext, args []engine.Value) error {
	s := args[0].Raw()
	reversed := make([]byte, len(s))
	for end := len(s); len(s) > 0; {
		_, size := utf8.DecodeRune(s)
		end -= size
		copy(reversed[end:], s[:size])
		s = s[size:]
	}
	ctx.ResultText(string(reversed))
	return nil
}

func initcap(ctx *engine.FuncContext, args []engine.Value) error {
	inside := false
	ctx.ResultText(strings.Map(func(r rune) rune {
		first := !inside
		inside = isWord(r)
		if first {
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, args[0].Text()))
	return nil
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

var errPartZero = errors.New("split_part: there is no part 0: the first is 1, the last -1")

func splitPart(ctx *engine.FuncContext, args []engine.Value) error {
	s, separator, n := args[0].Text(), args[1].Text(), args[2].Int64()
	if n == 0 {
		return errPartZero
	}
	parts := []string{s}
	if separator != "" {
		parts = strings.Split(s, separator)
	}
	if n < 0 {
		n += int64(len(parts)) + 1
	}
	if n < 1 || n > int64(len(parts)) {
		ctx.ResultText("")
		return nil
	}
	ctx.ResultText(parts[n-1])
	return nil
}

func translate(ctx *engine.FuncContext, args []engine.Value) error {
	to := []rune(args[2].Text())
	table := make(map[rune]rune)
	for i, r := range []rune(args[1].Text()) {
		if _, known := table[r]; known {
			continue
		}
		table[r] = -1
		if i < len(to) {
			table[r] = to[i]
		}
	}
	ctx.ResultText(strings.Map(func(r rune) rune {
		if other, ok := table[r]; ok {
			return other
		}
		return r
	}, args[0].Text()))
	return nil
}

func strpos(ctx *engine.FuncContext, args []engine.Value) error {
	s := args[0].Raw()
	at := bytes.Index(s, args[1].Raw())
	if at < 0 {
		ctx.ResultInt64(0)
		return nil
	}
	ctx.ResultInt64(int64(utf8.RuneCount(s[:at])) + 1)
	return nil
}

func has(test func(s, part []byte) bool) engine.ScalarFunc {
	return func(ctx *engine.FuncContext, args []engine.Value) error {
		ctx.ResultBool(test(args[0].Raw(), args[1].Raw()))
		return nil
	}
}
