package engine

import (
	"context"
	"strconv"
	"strings"
)

// QuoteName returns a name as an identifier in SQL, whatever is in it. A NUL byte cannot be part of an SQL text: a name
// with one gives a statement that is refused.
//
// https://sqlite.org/lang_keywords.html
func QuoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// QuoteText returns a text as a literal in SQL, whatever is in it but NUL bytes: see [QuoteName]. A parameter is the
// better choice wherever SQL takes one.
//
// https://sqlite.org/lang_expr.html#literal_values_constants_
func QuoteText(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }

// Attach opens a further database on the connection, under the name schema. name is what [Open] takes: a path,
// ":memory:", "" for a temporary one, or a URI if the connection was opened with [OpenURI], as it is by default: put
// "./" before a relative path that might begin with "file:".
//
// https://sqlite.org/lang_attach.html
func (c *Conn) Attach(ctx context.Context, name, schema string) error {
	op := "attach " + strconv.Quote(name)
	if err := checkNULs(op, name, schema); err != nil {
		return err
	}
	if schema == "" {
		return newError(op, "", Misuse, "the name of the database is empty")
	}
	return c.Exec(ctx, "ATTACH ? AS ?", name, schema)
}

// Detach closes a database that was attached. It must not be in use; the error is an [*Error] with [Generic] then.
//
// https://sqlite.org/lang_detach.html
func (c *Conn) Detach(ctx context.Context, schema string) error {
	if err := checkNULs("detach", schema); err != nil {
		return err
	}
	return c.Exec(ctx, "DETACH ?", schema)
}

// VacuumInto writes a copy of the database named schema ("" is "main") to a new file, without the free pages, as small
// as it gets. The file must not exist, or be empty. name is a path, or a URI as in [Conn.Attach].
//
// It is a read transaction on the source. The context ends it; a file that was begun may be left then. The new
// database is not in WAL mode.
//
// https://sqlite.org/lang_vacuum.html#vacuum_with_an_into_clause
func (c *Conn) VacuumInto(ctx context.Context, schema, name string) error {
	op := "vacuum into " + strconv.Quote(name)
	if err := checkNULs(op, schema, name); err != nil {
		return err
	}
	if name == "" {
		return newError(op, "", CantOpen, "the name of the file is empty")
	}
	return c.Exec(ctx, "VACUUM "+QuoteName(schemaOr(schema))+" INTO ?", name)
}

// checkNULs refuses names that SQLite would cut at a NUL byte.
func checkNULs(op string, names ...string) error {
	for _, name := range names {
		if strings.IndexByte(name, 0) >= 0 {
			return newError(op, "", CantOpen, "a name has a NUL byte inside")
		}
	}
	return nil
}
