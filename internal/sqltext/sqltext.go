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

	// Reads is true for SELECT and VALUES, also behind WITH, and for EXPLAIN: these change nothing, unless a function
	// does that they call. It is false for a PRAGMA, which may.
	Reads bool

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
	st = Statement{SQL: sql[s.first:s.last], Offset: s.first, Keyword: s.words[0], Params: s.params.names, Tx: s.txEffect(), Reads: s.reads()}
	return st, s.pos
}

// scanner reads one statement, token by token.
type scanner struct {
	text string
	pos  int

	first, last int // bounds of the tokens
	tokens      int
	words       [6]string // the first tokens in upper case, "" for one that is no word
	params      params
	inTrigger   bool   // semicolons belong to the statement
	bodyEnds    bool   // of a trigger, if the next token is END
	depth       int    // of parentheses
	verb        string // of a statement that begins with WITH: what follows that
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
	switch {
	case kind == param:
		s.params.add(token)
	case token == "(":
		s.depth++
	case token == ")":
		s.depth--
	case kind == word && s.depth == 0 && s.words[0] == "WITH" && s.verb == "":
		s.verb = verb(token)
	}
	switch {
	case s.inTrigger && kind == semicolon:
		s.bodyEnds = true
	case s.inTrigger && s.bodyEnds:
		s.inTrigger = kind != word || !strings.EqualFold(token, "END")
		s.bodyEnds = false
	case s.tokens <= len(s.words) && kind == word && !s.inTrigger:
		s.inTrigger = s.createsTrigger()
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

// verb gives the word in upper case when it is one that WITH can stand before.
func verb(word string) string {
	if len(word) > len("REPLACE") {
		return ""
	}
	switch w := strings.ToUpper(word); w {
	case "SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE":
		return w
	}
	return ""
}

func (s *scanner) reads() bool {
	switch s.words[0] {
	case "SELECT", "VALUES", "EXPLAIN":
		return true
	case "WITH":
		return s.verb == "SELECT" || s.verb == "VALUES"
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

// add takes the next parameter and gives its number: one with a number has that, one with a name that it had before has
// the same number again, and every other one has the number after the highest so far.
func (p *params) add(token string) int {
	switch {
	case token == "?":
		p.names = append(p.names, "")
		return len(p.names)
	case token[0] == '?':
		return p.addNumbered(token)
	case p.has(token):
		return slices.Index(p.names, token) + 1
	}
	p.names = append(p.names, token)
	return len(p.names)
}

// addNumbered takes one with a number. SQLite refuses numbers that are too high, so they are left out.
func (p *params) addNumbered(token string) int {
	n, err := strconv.Atoi(token[1:])
	if err != nil || n < 1 || n > MaxParams {
		return MaxParams + 1
	}
	for len(p.names) < n {
		p.names = append(p.names, "")
	}
	if p.names[n-1] == "" {
		p.names[n-1] = token
	}
	return n
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

// Numbered gives the text of the statement with each parameter as a question mark and its number. That changes the name
// of a column which has none but the text of an expression.
func (st Statement) Numbered() string {
	var b strings.Builder
	var p params
	for rest := st.SQL; rest != ""; {
		kind, n := next(rest)
		token := rest[:n]
		rest = rest[n:]
		if kind == param {
			token = "?" + strconv.Itoa(p.add(token))
		}
		b.WriteString(token)
	}
	return b.String()
}
