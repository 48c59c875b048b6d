package replicator

import (
	"bytes"
	"strings"
)

// A libSQL vector index is an entry of sqlite_schema whose b-tree stays empty:
// the vectors are in tables of their own. Plain SQLite takes it for an ordinary
// index on an expression, and a query that such an index could answer, such as
// SELECT count(*), for one that finds no row. So a replica makes it a partial
// index that covers no row, which is what the empty b-tree says, and keeps the
// rest of the DDL as a comment:
//
//	CREATE INDEX i ON t(libsql_vector_idx(e, 'metric=cosine'))
//	CREATE INDEX i ON t(e)WHERE 0--libsql_v, 'metric=cosine'))
//
// Both have the same length, so that no other byte of the file changes.
const (
	vectorCall = "libsql_vector_idx("
	vectorMark = ")WHERE 0--libsql_v" // as long as vectorCall
)

// withoutVectorCall makes the DDL of a vector index that of an empty one. It
// tells whether sql was that of a vector index.
func withoutVectorCall(sql string) (string, bool) {
	call, ok := findVectorCall(sql)
	if !ok {
		return sql, false
	}
	// A line end would end the comment.
	rest := strings.NewReplacer("\n", " ", "\r", " ").Replace(sql[call.column.to:])
	return sql[:call.word.from] + call.emptied(sql) + rest, true
}

// vectorCallAt is where an index's DDL calls libsql_vector_idx.
type vectorCallAt struct{ word, column token }

// emptied gives what comes in the place of the call, up to the column's end.
func (c vectorCallAt) emptied(sql string) string {
	column := sql[c.column.from:c.column.to]
	pad := c.column.to - c.word.from - len(vectorCall) - len(column)
	return column + strings.Repeat(" ", pad) + vectorMark
}

// findVectorCall finds CREATE INDEX ... ( libsql_vector_idx ( column and then a
// comma or a closing parenthesis.
func findVectorCall(sql string) (vectorCallAt, bool) {
	var last [5]token
	for t := range tokens(sql) {
		last = [5]token{last[1], last[2], last[3], last[4], t}
		ends := t.is(sql, ",") || t.is(sql, ")")
		if ends && last[0].is(sql, "(") && last[1].is(sql, vectorCall[:len(vectorCall)-1]) && last[2].is(sql, "(") {
			return vectorCallAt{word: last[1], column: last[3]}, true
		}
	}
	return vectorCallAt{}, false
}

// adaptVectorCalls does to a page of the schema what withoutVectorCall does to
// the DDL on it, but for line ends.
func adaptVectorCalls(page []byte) []byte {
	word := []byte(vectorCall[:len(vectorCall)-1])
	lower := bytes.Clone(page) // bytes.ToLower keeps no lengths where the text is not UTF-8
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	page = bytes.Clone(page)
	for from := 0; ; {
		at := bytes.Index(lower[from:], word)
		if at < 0 {
			return page
		}
		at += from
		from = at + len(word)
		text := "(" + string(page[at:])
		if call, ok := findVectorCall(text); ok && call.word.from == 1 {
			copy(page[at:], call.emptied(text))
		}
	}
}

// withVectorCalls undoes withoutVectorCall, but for blanks and line ends.
func withVectorCalls(ddl string) string {
	at := strings.Index(ddl, vectorMark)
	open := strings.LastIndexByte(ddl[:max(at, 0)], '(')
	if open < 0 {
		return ddl
	}
	column := strings.TrimLeft(ddl[open+1:at], " \t\r\n")
	return ddl[:at-len(column)] + vectorCall + strings.TrimRight(column, " ") + ddl[at+len(vectorMark):]
}
