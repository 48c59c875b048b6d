package replicator

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
)

// A libSQL schema can hold DDL that plain SQLite does not parse: one table with
// the option RANDOM ROWID makes the whole database "malformed" for every plain
// reader. The option says how the primary picks new rowids and nothing about how
// rows are stored, so a replica blanks it out in sqlite_schema, with spaces, in
// place: the record keeps its length, and no other byte of the file changes. For
// vector indexes see vector.go.

// schemaWatch finds out which transactions may bring such DDL.
type schemaWatch struct {
	known   bool            // pages and cookie are those of the last adapted state
	pages   map[uint32]bool // the pages of sqlite_schema but page 1
	cookie  uint32          // the schema cookie that the primary had then
	root    []byte          // the primary's page 1 then, but for the database's header; nil: not known
	touched bool
}

// note looks at pages about to be written. Every change of a schema changes the
// cookie on page 1; only a vacuum moves schema pages without it.
func (w *schemaWatch) note(pages *pageSet) {
	if w.touched || !w.known {
		w.touched = true
		return
	}
	if first, ok := pages.get(1); ok && (schemaCookie(first) != w.cookie || !bytes.Equal(first[headerSize:], w.root) || holdsForeign(first)) {
		w.touched = true
		return
	}
	for no := range w.pages {
		if _, ok := pages.get(no); ok {
			w.touched = true
			return
		}
	}
}

// schemaCookie reads the cookie from page 1, https://sqlite.org/fileformat2.html#schema_cookie
func schemaCookie(first []byte) uint32 { return binary.BigEndian.Uint32(first[offCookie:]) }

// withCookie returns page 1 with another schema cookie.
func withCookie(first []byte, cookie uint32) []byte {
	first = bytes.Clone(first)
	binary.BigEndian.PutUint32(first[offCookie:], cookie)
	return first
}

// nextCookie gives the schema cookie for a page 1 on which the primary has
// theirs, where the local file has ours. A connection goes on with the schema it
// has read for as long as the cookie is the same, so no cookie may come back with
// another schema, as it would where another database replaces the one there is.
// Until the primary's cookie has overtaken it, such a replica counts by itself.
func (w *schemaWatch) nextCookie(theirs, ours uint32, replaced bool) uint32 {
	switch unchanged := theirs == ours || w.known && theirs == w.cookie; {
	case theirs > ours:
		return theirs
	case unchanged && !replaced:
		return ours
	}
	return ours + 1
}

// holdsForeign tells whether a page may hold DDL that is adapted.
func holdsForeign(page []byte) bool {
	upper := bytes.ToUpper(page)
	return bytes.Contains(upper, []byte("RANDOM")) || bytes.Contains(upper, []byte("LIBSQL_VECTOR_IDX"))
}

// adapted gives a statement of the schema as plain SQLite needs it, and tells
// whether that is another one.
func adapted(kind, sql string) (string, bool) {
	if kind == "index" {
		return withoutVectorCall(sql)
	}
	return withoutRandomRowid(sql)
}

// adapt rewrites the schema in the open transaction where it was touched.
func (w *schemaWatch) adapt(ctx context.Context, conn *engine.Conn) error {
	if !w.touched {
		return nil
	}
	if err := rereadSchema(ctx, conn); err != nil {
		return err
	}
	if _, err := adaptSchema(ctx, conn); err != nil {
		return err
	}
	if err := w.learn(ctx, conn); err != nil {
		return err
	}
	w.touched, w.known = false, true
	return nil
}

// rereadSchema has SQLite see the schema as the pages written have it. A page
// written through sqlite_dbpage changes under the b-tree layer, which goes on
// with the size of the database, and with the number and places of a page's
// cells, that it found before. A rollback to a savepoint makes it look again: at
// the size always, at a page when that is put back, here to what it is already.
// Nothing may ask SQLite for the schema before, not even dbstat, so the pages are
// found without it.
func rereadSchema(ctx context.Context, conn *engine.Conn) error {
	if err := rewriteSchema(ctx, conn); err != nil {
		return fmt.Errorf("read the schema anew: %w", err)
	}
	return nil
}

func rewriteSchema(ctx context.Context, conn *engine.Conn) error {
	if err := conn.Exec(ctx, "SAVEPOINT reread; ROLLBACK TO reread"); err != nil {
		return err
	}
	read := func(no uint32) ([]byte, error) { return readPage(ctx, conn, no) }
	pages, err := schemaTree(read) // all before the first is written
	if err != nil {
		return err
	}
	for _, no := range pages {
		data, err := read(no)
		if err != nil {
			return err
		}
		if err := conn.Exec(ctx, "INSERT INTO sqlite_dbpage(pgno, data) VALUES (?1, ?2)", int64(no), data); err != nil {
			return err
		}
	}
	return conn.Exec(ctx, "ROLLBACK TO reread; RELEASE reread")
}

// The table b-tree pages, https://sqlite.org/fileformat2.html#b_tree_pages
const (
	interiorTable = 0x05
	leafTable     = 0x0d
)

// schemaTree gives the interior and leaf pages of sqlite_schema, whose root is
// page 1. It does not look at overflow pages.
func schemaTree(read func(no uint32) ([]byte, error)) ([]uint32, error) {
	var tree []uint32
	var seen pageBits
	for todo := []uint32{1}; len(todo) > 0; {
		no := todo[0]
		todo = todo[1:]
		data, err := read(no)
		if err != nil {
			return nil, err
		}
		if len(data) != frames.PageSize || !seen.add(no) {
			return nil, fmt.Errorf("%w: page %d is no page of the schema", ErrCorrupt, no)
		}
		tree = append(tree, no)
		children, err := childPages(no, data)
		if err != nil {
			return nil, err
		}
		todo = append(todo, children...)
	}
	return tree, nil
}

// childPages gives the pages below a page of a table b-tree.
func childPages(no uint32, data []byte) ([]uint32, error) {
	header := headerOf(no)
	if err := checkCells(no, data); err != nil || data[header] == leafTable {
		return nil, err
	}
	children := []uint32{binary.BigEndian.Uint32(data[header+8:])}
	for i := range int(binary.BigEndian.Uint16(data[header+3:])) {
		at := binary.BigEndian.Uint16(data[header+12+2*i:])
		children = append(children, binary.BigEndian.Uint32(data[at:]))
	}
	return children, nil
}

// readPage reads a page as the open transaction has it; nil beyond the end.
func readPage(ctx context.Context, conn *engine.Conn, no uint32) (page []byte, err error) {
	err = conn.Query(ctx, "SELECT data FROM sqlite_dbpage WHERE pgno = ?1", []any{int64(no)}, func(s *engine.Stmt) error {
		page = bytes.Clone(s.ColumnRaw(0))
		return nil
	})
	return page, err
}

// learn finds the pages that hold the schema now.
func (w *schemaWatch) learn(ctx context.Context, conn *engine.Conn) error {
	w.pages = make(map[uint32]bool)
	err := conn.Query(ctx, "SELECT pageno FROM dbstat('main') WHERE name = 'sqlite_schema'", nil, func(s *engine.Stmt) error {
		if no := uint32(s.ColumnInt64(0)); no != 1 {
			w.pages[no] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find the schema's pages: %w", err)
	}
	return conn.Query(ctx, "PRAGMA schema_version", nil, func(s *engine.Stmt) error {
		w.cookie = uint32(s.ColumnInt64(0))
		return nil
	})
}

// adaptSchema rewrites what plain SQLite does not parse, or would read wrongly,
// and tells whether there was any. The connection must have writable_schema on.
func adaptSchema(ctx context.Context, conn *engine.Conn) (bool, error) {
	changed := make(map[int64]string)
	const find = `SELECT rowid, type, sql FROM sqlite_schema
		WHERE type = 'table' AND sql LIKE '%random%rowid%' OR type = 'index' AND sql LIKE '%libsql_vector_idx%'`
	err := conn.Query(ctx, find, nil, func(s *engine.Stmt) error {
		if sql, ok := adapted(s.ColumnText(1), s.ColumnText(2)); ok {
			changed[s.ColumnInt64(0)] = sql
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read the schema: %w", err)
	}
	for rowid, sql := range changed {
		if err := conn.Exec(ctx, "UPDATE sqlite_schema SET sql = ?1 WHERE rowid = ?2", sql, rowid); err != nil {
			return false, fmt.Errorf("adapt the schema: %w", err)
		}
	}
	return len(changed) > 0, nil
}

// adaptFile does the same for a database file that nobody else has open.
func adaptFile(path string) error {
	conn, err := engine.Open(path, engine.OpenReadWrite|engine.OpenNoFollow)
	if err != nil {
		return fmt.Errorf("open new database: %w", err)
	}
	err = adaptConn(conn)
	if closeErr := conn.Close(); err == nil {
		err = closeErr
	}
	return err
}

func adaptConn(conn *engine.Conn) error {
	ctx := context.Background()
	if err := conn.Exec(ctx, "PRAGMA writable_schema = ON; PRAGMA synchronous = FULL; BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("adapt new database: %w", err)
	}
	changed, err := adaptSchema(ctx, conn)
	if err != nil {
		return err
	}
	if !changed {
		return conn.Exec(ctx, "ROLLBACK")
	}
	if err := conn.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("adapt new database: %w", err)
	}
	if _, _, err := conn.Checkpoint("main", engine.CheckpointTruncate); err != nil {
		return fmt.Errorf("adapt new database: %w", err)
	}
	return nil
}

// withoutRandomRowid blanks the table option RANDOM ROWID, and the comma that
// joins it to other options, in a CREATE TABLE statement. The result has the
// length of sql. It tells whether there was anything to blank.
func withoutRandomRowid(sql string) (string, bool) {
	var opts []token
	depth, closed := 0, false
	for t := range tokens(sql) {
		switch word := sql[t.from:t.to]; {
		case word == "(":
			depth++
		case word == ")":
			depth--
			closed = closed || depth == 0
		case closed && depth == 0:
			opts = append(opts, t)
		}
	}
	out := []byte(sql)
	found := false
	for i := 0; i+1 < len(opts); i++ {
		if !opts[i].is(sql, "RANDOM") || !opts[i+1].is(sql, "ROWID") {
			continue
		}
		found = true
		blank(out, opts[i])
		blank(out, opts[i+1])
		switch {
		case i+2 < len(opts) && opts[i+2].is(sql, ","):
			blank(out, opts[i+2])
		case i > 0 && opts[i-1].is(sql, ","):
			blank(out, opts[i-1])
		}
	}
	return string(out), found
}

func blank(b []byte, t token) {
	for i := t.from; i < t.to; i++ {
		b[i] = ' '
	}
}

// token is a part of an SQL text: a word, a quoted name or string, or one other
// character. Blanks and comments are none.
type token struct{ from, to int }

func (t token) is(sql, word string) bool { return strings.EqualFold(sql[t.from:t.to], word) }

// tokens gives the tokens of sql in order.
func tokens(sql string) func(yield func(token) bool) {
	return func(yield func(token) bool) {
		for i := 0; i < len(sql); {
			end, isToken := tokenEnd(sql, i)
			if isToken && !yield(token{i, end}) {
				return
			}
			i = end
		}
	}
}

// tokenEnd returns where what begins at i ends, and whether it is a token.
func tokenEnd(sql string, i int) (end int, isToken bool) {
	rest := sql[i:]
	switch c := sql[i]; {
	case strings.HasPrefix(rest, "--"):
		return i + span(rest, "\n", 1), false
	case strings.HasPrefix(rest, "/*"):
		return i + 2 + span(rest[2:], "*/", 2), false
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
		return i + 1, false
	case c == '\'' || c == '"' || c == '`':
		return i + quoted(rest, c), true
	case c == '[':
		return i + span(rest, "]", 1), true
	case wordChar(c):
		n := 1
		for n < len(rest) && wordChar(rest[n]) {
			n++
		}
		return i + n, true
	}
	return i + 1, true
}

// span returns the length of s through its first mark, or all of it.
func span(s, mark string, n int) int {
	if at := strings.Index(s, mark); at >= 0 {
		return at + n
	}
	return len(s)
}

// quoted returns the length of the quoted text that s begins with; a doubled
// quote stands for one.
func quoted(s string, q byte) int {
	for i := 1; i < len(s); i++ {
		if s[i] != q {
			continue
		}
		if i+1 < len(s) && s[i+1] == q {
			i++
			continue
		}
		return i + 1
	}
	return len(s)
}

func wordChar(c byte) bool {
	return c >= 0x80 || c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
