// Package regexp adds regular expressions to SQL, with the syntax of Go's package regexp, which needs time in
// proportion to the text whatever the pattern.
//
//	text REGEXP pattern                                     the operator: whether a part of text matches
//	regexp_like(text, pattern)                              the same as a function
//	regexp_count(text, pattern [, start])                   how many matches there are
//	regexp_instr(text, pattern [, start [, n [, end [, group]]]])
//	                                                        where match n begins, or with end 1 what comes after it; or 0
//	regexp_substr(text, pattern [, start [, n [, group]]])  match n, or a group of it; or NULL
//	regexp_capture(text, pattern [, group])                 a group of the first match; or NULL
//	regexp_replace(text, pattern, replacement [, start [, n]])
//	                                                        all matches replaced, or match n alone
//
// Positions count characters from 1; start is where the search begins, and "^" matches there. n is 1 if it is not
// given, for regexp_replace 0, which is all of them. Group 0 is the whole match. A replacement has $1 or ${name} for a
// group and $$ for a dollar sign, as in [regexp.Regexp.Expand]. A function with an argument that is NULL is NULL. A
// pattern that does not compile is an error.
//
// A pattern that is the same for all rows is compiled once for a statement.
//
// Importing the package registers the extension "regexp".
//
// https://sqlite.org/lang_expr.html#regexp
package regexp

import (
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/sqlfunc"
)

func init() { sqlfunc.MustRegisterExtension("regexp", Register) }

// Register adds the functions to a connection.
func Register(c *engine.Conn) error {
	functions := []sqlfunc.Scalar{
		{Name: "regexp", NArgs: []int{2}, Fn: match(1, 0)},
		{Name: "regexp_like", NArgs: []int{2}, Fn: match(0, 1)},
		{Name: "regexp_count", NArgs: []int{2, 3}, Fn: count},
		{Name: "regexp_instr", NArgs: []int{2, 3, 4, 5, 6}, Fn: instr},
		{Name: "regexp_substr", NArgs: []int{2, 3, 4, 5}, Fn: substr},
		{Name: "regexp_capture", NArgs: []int{2, 3}, Fn: capture},
		{Name: "regexp_replace", NArgs: []int{3, 4, 5}, Fn: replace},
	}
	for i := range functions {
		functions[i].Fn = sqlfunc.Strict(functions[i].Fn)
	}
	return sqlfunc.Register(c, sqlfunc.Pure, functions)
}

// compile compiles the pattern in argument i, and keeps it for the next rows.
func compile(ctx *engine.FuncContext, args []engine.Value, i int) (*regexp.Regexp, error) {
	if re, ok := ctx.AuxData(i).(*regexp.Regexp); ok {
		return re, nil
	}
	re, err := regexp.Compile(args[i].Text())
	if err != nil {
		return nil, fmt.Errorf("regexp: %w", err)
	}
	ctx.SetAuxData(i, re)
	return re, nil
}

func match(text, pattern int) engine.ScalarFunc {
	return func(ctx *engine.FuncContext, args []engine.Value) error {
		re, err := compile(ctx, args, pattern)
		if err != nil {
			return err
		}
		ctx.ResultBool(re.Match(args[text].Raw()))
		return nil
	}
}

func count(ctx *engine.FuncContext, args []engine.Value) error {
	re, err := compile(ctx, args, 1)
	if err != nil {
		return err
	}
	_, rest, err := from(args, 2)
	if err != nil {
		return err
	}
	ctx.ResultInt64(int64(len(re.FindAllIndex(rest, -1))))
	return nil
}

func instr(ctx *engine.FuncContext, args []engine.Value) error {
	re, err := compile(ctx, args, 1)
	if err != nil {
		return err
	}
	skipped, rest, err := from(args, 2)
	if err != nil {
		return err
	}
	begin, end, err := find(re, rest, args, 3, 5)
	if err != nil {
		return err
	}
	if begin < 0 {
		ctx.ResultInt64(0)
		return nil
	}
	if integer(args, 4, 0) != 0 {
		begin = end
	}
	ctx.ResultInt64(int64(utf8.RuneCount(skipped) + utf8.RuneCount(rest[:begin]) + 1))
	return nil
}

func substr(ctx *engine.FuncContext, args []engine.Value) error {
	re, err := compile(ctx, args, 1)
	if err != nil {
		return err
	}
	_, rest, err := from(args, 2)
	if err != nil {
		return err
	}
	begin, end, err := find(re, rest, args, 3, 4)
	if err == nil && begin >= 0 {
		ctx.ResultText(string(rest[begin:end]))
	}
	return err
}

func capture(ctx *engine.FuncContext, args []engine.Value) error {
	re, err := compile(ctx, args, 1)
	if err != nil {
		return err
	}
	text := args[0].Raw()
	begin, end, err := find(re, text, args, len(args), 2)
	if err == nil && begin >= 0 {
		ctx.ResultText(string(text[begin:end]))
	}
	return err
}

func replace(ctx *engine.FuncContext, args []engine.Value) error {
	re, err := compile(ctx, args, 1)
	if err != nil {
		return err
	}
	skipped, rest, err := from(args, 3)
	if err != nil {
		return err
	}
	n := integer(args, 4, 0)
	if n < 0 {
		return fmt.Errorf("regexp: no match number %d", n)
	}
	replacement := args[2].Raw()
	if n == 0 {
		ctx.ResultText(string(skipped) + string(re.ReplaceAll(rest, replacement)))
		return nil
	}
	groups := nth(re, rest, n)
	if groups == nil {
		ctx.ResultValue(args[0])
		return nil
	}
	result := append(append([]byte{}, skipped...), rest[:groups[0]]...)
	result = re.Expand(result, replacement, rest, groups)
	ctx.ResultText(string(append(result, rest[groups[1]:]...)))
	return nil
}

// integer returns argument i, or missing if there is none.
func integer(args []engine.Value, i int, missing int64) int64 {
	if i >= len(args) {
		return missing
	}
	return args[i].Int64()
}

// from cuts the text in argument 0 where the search begins, which argument i says.
func from(args []engine.Value, i int) (skipped, rest []byte, err error) {
	text := args[0].Raw()
	start := integer(args, i, 1)
	if start < 1 {
		return nil, nil, fmt.Errorf("regexp: no position %d in a text: the first is 1", start)
	}
	at := 0
	for ; start > 1 && at < len(text); start-- {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return text[:at], text[at:], nil
}

// find returns where the match lies that arguments n and group speak of; begin is -1 if there is none.
func find(re *regexp.Regexp, text []byte, args []engine.Value, n, group int) (begin, end int, err error) {
	number, g := integer(args, n, 1), integer(args, group, 0)
	if number < 1 {
		return 0, 0, fmt.Errorf("regexp: no match number %d: the first is 1", number)
	}
	if g < 0 || g > int64(re.NumSubexp()) {
		return 0, 0, fmt.Errorf("regexp: no group %d: the pattern has %d", g, re.NumSubexp())
	}
	groups := nth(re, text, number)
	if groups == nil {
		return -1, -1, nil
	}
	return groups[2*g], groups[2*g+1], nil
}

// nth returns the groups of match n, nil if there are not as many.
func nth(re *regexp.Regexp, text []byte, n int64) []int {
	if n == 1 {
		return re.FindSubmatchIndex(text)
	}
	if n > int64(len(text))+1 {
		return nil
	}
	matches := re.FindAllSubmatchIndex(text, int(n))
	if int64(len(matches)) < n {
		return nil
	}
	return matches[n-1]
}
