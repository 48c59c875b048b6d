package shell

import (
	"cmp"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/floedb/floe/cmd/floe/internal/render"
	"github.com/floedb/floe/cmd/floe/internal/session"
	"github.com/floedb/floe/internal/sqltext"
)

const (
	// completionTime is how long a person waits for names, at most.
	completionTime = time.Second
	// completionNames is how many names are asked for, at most.
	completionNames = 20_000
)

// nameCache keeps the names of a database until a statement may have changed them.
type nameCache struct {
	known   bool
	tables  []string
	columns map[string][]string // by the name of their table in lower case
}

// forget drops the names after a statement that does more than read and write rows.
func (n *nameCache) forget(sql string) {
	st, _ := sqltext.First(sql)
	switch st.Keyword {
	case "SELECT", "VALUES", "WITH", "EXPLAIN", "INSERT", "REPLACE", "UPDATE", "DELETE":
		return
	}
	*n = nameCache{}
}

// complete gives what the word before the cursor can become. pos is the cursor, in characters. A word that can become
// only one thing is followed by a blank.
func (sh *Shell) complete(ctx context.Context, line string, pos int) (head string, completions []string, tail string) {
	runes := []rune(line)
	before, tail := string(runes[:pos]), string(runes[pos:])
	head, completions = sh.candidates(ctx, before)
	keepTyped(completions, before[len(head):])
	if len(completions) == 1 && isNameRune(rune(completions[0][len(completions[0])-1])) && !strings.HasPrefix(tail, " ") {
		completions[0] += " "
	}
	return head, completions, tail
}

// completeTyped is complete for lines as the editor has them.
func (sh *Shell) completeTyped(ctx context.Context, line string, pos int) (head string, completions []string, tail string) {
	head, completions, tail = sh.complete(ctx, fromEditor.Replace(line), pos)
	for i, c := range completions {
		completions[i] = toEditor.Replace(c)
	}
	return toEditor.Replace(head), completions, toEditor.Replace(tail)
}

// keepTyped has candidates that differ in case begin as the word was typed: the part that all have in common replaces it.
func keepTyped(candidates []string, word string) {
	for _, c := range candidates {
		if len(candidates) > 1 && !strings.HasPrefix(c, word) {
			for i, c := range candidates {
				candidates[i] = word + c[len(word):]
			}
			return
		}
	}
}

func (sh *Shell) candidates(ctx context.Context, before string) (head string, completions []string) {
	if strings.HasPrefix(before, ".") {
		return sh.completeCommand(ctx, before)
	}
	at := strings.LastIndexFunc(before, func(r rune) bool { return !isNameRune(r) && r != '.' }) + 1
	if strings.HasSuffix(before[:at], `"`) {
		return before[:at], sh.completeQuoted(ctx, before[at:])
	}
	return before[:at], sh.completeSQL(ctx, before[at:])
}

func isNameRune(r rune) bool {
	return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r > 0x7f
}

// completeCommand completes a dot command, and its arguments by what they are.
func (sh *Shell) completeCommand(ctx context.Context, before string) (head string, list []string) {
	at := strings.LastIndexByte(before, ' ') + 1
	head, word := before[:at], before[at:]
	if at == 0 {
		return "", withPrefix(prefixed(".", sh.commandNames()), word)
	}
	c, err := sh.find(strings.Fields(before)[0])
	n := len(strings.Fields(head)) - 1
	if err != nil || n >= len(c.kinds) {
		return head, nil
	}
	switch c.kinds[n] {
	case argFile:
		return head, fileNames(word)
	case argTable:
		return head, withPrefix(sh.knownNames(ctx).tables, word)
	case argOnOff:
		return head, withPrefix([]string{"on", "off"}, word)
	case argMode:
		return head, withPrefix(render.Modes(), word)
	case argCommand:
		return head, withPrefix(sh.commandNames(), strings.TrimPrefix(word, "."))
	}
	return head, nil
}

func prefixed(prefix string, words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = prefix + w
	}
	return out
}

// withPrefix gives the words that begin with prefix, whatever the case, in order and each once.
func withPrefix(words []string, prefix string) (list []string) {
	for _, w := range words {
		if len(w) >= len(prefix) && strings.EqualFold(w[:len(prefix)], prefix) {
			list = append(list, w)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// fileNames gives the files whose path begins with a word; folders end in a slash.
func fileNames(word string) (list []string) {
	dir, base := filepath.Split(word)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), base) || base == "" && strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := dir + e.Name()
		if e.IsDir() {
			name += string(filepath.Separator)
		}
		list = append(list, name)
	}
	return list
}

// completeSQL completes a word of a statement: TABLE.COLUMN, a keyword in the case that it was begun in, the name of a
// table, a column or a function.
func (sh *Shell) completeSQL(ctx context.Context, word string) []string {
	if word == "" {
		return nil
	}
	names := sh.knownNames(ctx)
	if table, column, ok := strings.Cut(word, "."); ok {
		return prefixed(table+".", withPrefix(quoted(names.columns[strings.ToLower(table)]), column))
	}
	list := keywordsLike(word)
	list = append(list, withPrefix(quoted(names.tables), word)...)
	for _, columns := range names.columns {
		list = append(list, withPrefix(quoted(columns), word)...)
	}
	for _, f := range withPrefix(slices.Collect(maps.Keys(functions)), word) {
		list = append(list, f+"(")
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// completeQuoted completes a name whose quote is open.
func (sh *Shell) completeQuoted(ctx context.Context, word string) (list []string) {
	names := sh.knownNames(ctx)
	list = withPrefix(names.tables, word)
	for _, columns := range names.columns {
		list = append(list, withPrefix(columns, word)...)
	}
	slices.Sort(list)
	for i, name := range list {
		list[i] = strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return slices.Compact(list)
}

func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = quoteName(n)
	}
	return out
}

func keywordsLike(word string) []string {
	list := withPrefix(slices.Collect(maps.Keys(keywords)), word)
	if word == strings.ToLower(word) {
		for i, k := range list {
			list[i] = strings.ToLower(k)
		}
	}
	return list
}

// knownNames gives the names of tables and columns, as far as they can be had quickly.
func (sh *Shell) knownNames(ctx context.Context) *nameCache {
	// In a transaction on a server, giving up a request could cost the transaction.
	if sh.names.known || sh.sess.InTx() {
		return &sh.names
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	n := nameCache{columns: make(map[string][]string)}
	_, err := sh.sess.Run(ctx, `SELECT m.name, c.name FROM sqlite_schema AS m LEFT JOIN pragma_table_info(m.name) AS c
		WHERE m.type IN ('table', 'view') LIMIT ?`, []any{int64(completionNames)}, session.RowFunc(func(row []any) error {
		table, _ := row[0].(string)
		if !slices.Contains(n.tables[max(0, len(n.tables)-1):], table) {
			n.tables = append(n.tables, table)
		}
		if column, ok := row[1].(string); ok {
			key := strings.ToLower(table)
			n.columns[key] = append(n.columns[key], column)
		}
		return nil
	}))
	// A view whose table is gone ends the list; the names up to there are better than none.
	n.known = err == nil || len(n.tables) > 0
	sh.names = n
	return &sh.names
}
