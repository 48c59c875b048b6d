// Package sqltext takes SQL text apart without understanding it: into statements, of which it tells the parameters and
// what they begin with. It follows the tokenizer of SQLite, so that text which SQLite compiles falls apart as it does
// there. Of text that SQLite refuses it only gives pieces that SQLite refuses as well.
//
// See https://sqlite.org/lang.html.
package sqltext

import (
	"slices"
	"strconv"
	"strings"
)

// Statement is one statement of a text.
type Statement struct {
	SQL     string   // from the first token to the last, without comments around it and without the semicolon
	Offset  int      // of SQL in the text, in bytes
	Keyword string   // the first word in upper case, such as SELECT; empty when it begins with something else
	Tx      TxEffect // what it does to the transaction it runs in, when it succeeds

	// Params has the name of each parameter, with its prefix, as SQLite has it: ":a", "@a", "$a", "?5", and "" for one
	// without a name. The first is that of parameter 1.
	Params []string
}

// TxEffect is what a statement does to a transaction.
type TxEffect uint8

// The effects there are.
const (
	TxNone      TxEffect = iota // it neither begins nor ends one
	TxBegin                     // BEGIN
	TxEnd                       // COMMIT, END, and ROLLBACK of the whole
	TxSavepoint                 // SAVEPOINT, which begins one outside of a transaction
	TxRelease                   // RELEASE, which ends one that began with the savepoint
)

// MaxParams is the highest number that a parameter can have.
// See https://sqlite.org/limits.html#max_variable_number.
const MaxParams = 32766

// Split gives the statements of a text. Pieces without one, of blanks and comments, are left out.
func Split(sql string) []Statement {
	var list []Statement
	for offset := 0; ; {
		st, n := First(sql[offset:])
		if st.SQL == "" {
			return list
		}
		st.Offset += offset
		offset += n
		list = append(list, st)
	}
}

// First gives the first statement of a text, and how many bytes of the text are over with it and the semicolon behind
// it. Its SQL is empty where there is no statement.
func First(sql string) (st Statement, n int) {
	s := scanner{text: sql}
	s.statement()
	if s.tokens == 0 {
		return Statement{}, len(sql)
	}
	st = Statement{SQL: sql[s.first:s.last], Offset: s.first, Keyword: s.words[0], Params: s.params.names, Tx: s.txEffect()}
	return st, s.pos
}

// scanner reads one statement, token by token.
type scanner struct {
	text string
	pos  int

	first, last int // bounds of the tokens
	tokens      int
	words       [5]string // the first tokens in upper case, "" for one that is no word
	params      params
	inTrigger   bool // semicolons belong to the statement
}

// statement reads up to the end of the first statement, and over the semicolon there.
func (s *scanner) statement() {
	for s.pos < len(s.text) {
		kind, n := next(s.text[s.pos:])
		token := s.text[s.pos : s.pos+n]
		s.pos += n
		switch {
		case kind == space:
		case kind == semicolon && s.tokens == 0:
		case kind == semicolon && !s.inTrigger:
			return
		default:
			s.take(kind, token)
		}
		if kind == semicolon && s.inTrigger {
			s.inTrigger = !s.atEnd()
		}
	}
}

// take notes a token of the statement.
func (s *scanner) take(kind tokenKind, token string) {
	if s.tokens == 0 {
		s.first = s.pos - len(token)
	}
	s.last = s.pos
	if s.tokens < len(s.words) && kind == word {
		s.words[s.tokens] = strings.ToUpper(token)
	}
	s.tokens++
	if kind == param {
		s.params.add(token)
	}
	if s.tokens <= len(s.words) && kind == word {
		s.inTrigger = s.inTrigger || s.createsTrigger()
	}
}

// createsTrigger tells whether the words up to here begin a CREATE TRIGGER, whose body has statements of its own.
func (s *scanner) createsTrigger() bool {
	w := s.words[:s.tokens]
	if w[0] == "EXPLAIN" {
		w = w[1:]
		if len(w) > 1 && w[0] == "QUERY" && w[1] == "PLAN" {
			w = w[2:]
		}
	}
	if len(w) < 2 || w[0] != "CREATE" {
		return false
	}
	if len(w) > 2 && (w[1] == "TEMP" || w[1] == "TEMPORARY") {
		w = w[1:]
	}
	return w[1] == "TRIGGER"
}

// atEnd tells whether END is the next token: the statements of a trigger's body are over.
func (s *scanner) atEnd() bool {
	for rest := s.text[s.pos:]; rest != ""; {
		kind, n := next(rest)
		if kind != space && kind != semicolon {
			return kind == word && strings.EqualFold(rest[:n], "END")
		}
		rest = rest[n:]
	}
	return false
}

func (s *scanner) txEffect() TxEffect {
	switch s.words[0] {
	case "BEGIN":
		return TxBegin
	case "COMMIT", "END":
		return TxEnd
	case "SAVEPOINT":
		return TxSavepoint
	case "RELEASE":
		return TxRelease
	case "ROLLBACK":
		if slices.Contains(s.words[1:], "TO") {
			return TxNone
		}
		return TxEnd
	}
	return TxNone
}

// params numbers the parameters of a statement.
// See https://sqlite.org/lang_expr.html#varparam.
type params struct {
	names []string
	named map[string]bool // those with a name that is no number, once there are many parameters
}

// add takes the next parameter: one with a number has that, one with a name that it had before has the same number
// again, and every other one has the number after the highest so far.
func (p *params) add(token string) {
	if token[0] != '?' {
		if !p.has(token) {
			p.names = append(p.names, token)
		}
		return
	}
	if token == "?" {
		p.names = append(p.names, "")
		return
	}
	n, err := strconv.Atoi(token[1:])
	if err != nil || n < 1 || n > MaxParams {
		return // SQLite refuses it
	}
	for len(p.names) < n {
		p.names = append(p.names, "")
	}
	if p.names[n-1] == "" {
		p.names[n-1] = token
	}
}

// has tells whether a parameter with a name was there before. A search through many would take too long.
func (p *params) has(name string) bool {
	const many = 32
	if p.named == nil && len(p.names) < many {
		return slices.Contains(p.names, name)
	}
	if p.named == nil {
		p.named = make(map[string]bool)
		for _, n := range p.names {
			p.named[n] = true
		}
	}
	had := p.named[name]
	p.named[name] = true
	return had
}
