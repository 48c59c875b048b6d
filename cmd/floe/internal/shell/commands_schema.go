package shell

import (
	"context"
	"fmt"
	"strings"

	"github.com/floedb/floe/cmd/floe/internal/render"
	"github.com/floedb/floe/cmd/floe/internal/session"
	"github.com/floedb/floe/engine"
)

// schemaCommands tell what a database has.
var schemaCommands = []command{
	{
		name: "tables", args: "[PATTERN]", summary: "list tables and views", more: patternHelp,
		kinds: []argKind{argTable}, max: 1, run: (*Shell).tables,
	},
	{
		name: "schema", args: "[PATTERN]", summary: "show the statements that make tables, indexes, views and triggers", more: patternHelp,
		kinds: []argKind{argTable}, max: 1, run: (*Shell).schema,
	},
	{
		name: "indexes", aliases: []string{"indices"}, args: "[PATTERN]", summary: "list indexes, of tables whose name matches",
		more: patternHelp, kinds: []argKind{argTable}, max: 1, run: (*Shell).indexes,
	},
	{name: "databases", summary: "list the databases that are attached", run: (*Shell).databases},
}

const patternHelp = "PATTERN is that of LIKE: % stands for any characters, _ for one."

func patternOf(args []string) string {
	if len(args) == 0 {
		return "%"
	}
	return args[0]
}

func (sh *Shell) tables(ctx context.Context, args []string) error {
	return sh.list(ctx, `SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')
		AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name LIKE ? ORDER BY name`, patternOf(args))
}

func (sh *Shell) indexes(ctx context.Context, args []string) error {
	return sh.list(ctx, `SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name LIKE ? ORDER BY name`, patternOf(args))
}

// list writes the first column of a query, one value a line.
func (sh *Shell) list(ctx context.Context, sql string, args ...any) error {
	out := sh.current()
	_, err := sh.sess.Run(ctx, sql, args, session.RowFunc(func(row []any) error {
		_, err := fmt.Fprintln(out, render.Escape(render.Text(row[0])))
		return err
	}))
	return sh.done(err)
}

// done ends a command that wrote to where results go.
func (sh *Shell) done(err error) error {
	if flushErr := sh.flush(); err == nil {
		err = flushErr
	}
	return err
}

func (sh *Shell) schema(ctx context.Context, args []string) error {
	out := sh.current()
	_, err := sh.sess.Run(ctx, `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name LIKE ?
		AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY tbl_name, type DESC, name`, []any{patternOf(args)},
		session.RowFunc(func(row []any) error {
			_, err := fmt.Fprintln(out, terminated(render.Text(row[0])))
			return err
		}))
	return sh.done(err)
}

// terminated gives a statement its semicolon. One that ends in a comment has it on the next line.
func terminated(sql string) string {
	if engine.CompleteSQL(sql + ";") {
		return sql + ";"
	}
	return sql + "\n;"
}

func (sh *Shell) databases(ctx context.Context, _ []string) error {
	out := sh.current()
	_, err := sh.sess.Run(ctx, "PRAGMA database_list", nil, session.RowFunc(func(row []any) error {
		file := render.Text(row[2])
		if file == "" {
			file = `""`
		}
		_, err := fmt.Fprintf(out, "%s: %s\n", render.Escape(render.Text(row[1])), render.Escape(file))
		return err
	}))
	return sh.done(err)
}

// quoteName quotes a name where SQL needs it.
func quoteName(name string) string {
	if plainName(name) && !isKeyword(name) {
		return name
	}
	return engine.QuoteName(name)
}

func plainName(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

func isKeyword(name string) bool {
	_, ok := keywords[strings.ToUpper(name)]
	return ok
}
