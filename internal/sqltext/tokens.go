package sqltext

import "iter"

// Tokens gives the tokens of a text, without white space and comments. A literal and a quoted name are each one, with
// their quotes.
func Tokens(sql string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(sql) > 0 {
			kind, n := next(sql)
			token := sql[:n]
			sql = sql[n:]
			if kind != space && !yield(token) {
				return
			}
		}
	}
}
