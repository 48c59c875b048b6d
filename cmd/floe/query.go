package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/floedb/floe/cmd/floe/internal/render"
	"github.com/floedb/floe/cmd/floe/internal/session"
)

func newQuery() *cobra.Command {
	var (
		asJSON bool
		on     remote
	)
	cmd := &cobra.Command{
		Use:   "query PATH|URL SQL [ARG...]",
		Short: "Run one SQL statement",
		Long: `Query runs one statement on the database at PATH, which must exist, or on that of
the server at URL. A local or a frozen database may be written to, and a server's.
A replica is opened for reading only, unless --primary names its server: then the
statement runs there if it writes, and the replica is brought up to it.

Each ARG is bound to the next parameter of the statement:

  NULL                 NULL
  42, -7               an integer, if it fits in 64 bits
  3.5, 1e9             a real number
  x'00ff'              a blob
  'text', "text"       the text between the quotes, such as '42' for a text
  anything else        a text, as it is

Put -- before an ARG that begins with a minus sign.

Rows are printed as a table. With --json the result is one object, written as the
rows come: "columns", "rows" (an array of values a row) and "changes", the number
of rows that were changed. Integers are exact; a byte of a text that is not UTF-8
becomes U+FFFD. A blob is {"base64": "..."}, and a
real number that JSON has no word for is "Inf" or "-Inf". Should the
statement fail after its first rows, the object is not complete and the exit
status is 1.`,
		Example: `  floe query app.db 'SELECT * FROM users WHERE name = ?' ada
  floe query app.db 'SELECT * FROM readings WHERE celsius < ?' -- -10
  floe query app.db 'SELECT count(*) AS n FROM users' --json
  FLOE_AUTH_TOKEN=... floe query libsql://db.example.com 'DELETE FROM users WHERE id = ?' 42`,
		Args: takes("PATH|URL", "SQL", "ARG..."),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			on.log = newLogger(cmd, nil)
			target := on.target(args[0])
			target.MustExist = true
			return query(cmd, target, args[1], args[2:], asJSON)
		}),
	}
	on.addPrimary(cmd)
	on.addAccess(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func query(cmd *cobra.Command, target session.Target, sql string, args []string, asJSON bool) (err error) {
	if err := session.CheckArgs(sql, len(args)); err != nil {
		return err
	}
	ctx := cmd.Context()
	sess, err := target.Open(ctx)
	if err != nil {
		return err
	}
	buf := bufio.NewWriter(cmd.OutOrStdout())
	defer func() { err = errors.Join(err, buf.Flush(), sess.Close()) }()
	rows := render.New(safeFor(cmd.OutOrStdout(), buf), render.Options{Mode: modeOf(asJSON), Headers: true})
	res, err := sess.Run(ctx, sql, bindings(args), rows)
	if err != nil {
		return err
	}
	if res.Warning != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "floe:", res.Warning)
	}
	return rows.End(res.Changes, res.Writes)
}

func modeOf(asJSON bool) string {
	if asJSON {
		return render.JSON
	}
	return render.Table
}

// safeFor gives a writer to buf that keeps commands to the terminal out of what is written, if out is a terminal.
func safeFor(out, buf io.Writer) io.Writer {
	if isTerminal(out) {
		return render.Terminal(buf)
	}
	return buf
}

var (
	integerPattern = regexp.MustCompile(`^[+-]?[0-9]+$`)
	realPattern    = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
	blobPattern    = regexp.MustCompile(`^[xX]'(([0-9a-fA-F]{2})*)'$`)
	quotedPattern  = regexp.MustCompile(`(?s)^('.*'|".*")$`)
)

// bindings turns arguments of the command line into values, as the help of the
// command says.
func bindings(args []string) []any {
	values := make([]any, len(args))
	for i, arg := range args {
		values[i] = binding(arg)
	}
	return values
}

func binding(arg string) any {
	if arg == "NULL" {
		return nil
	}
	if integerPattern.MatchString(arg) {
		if n, err := strconv.ParseInt(arg, 10, 64); err == nil {
			return n
		}
	}
	if realPattern.MatchString(arg) {
		if x, err := strconv.ParseFloat(arg, 64); err == nil {
			return x
		}
	}
	if m := blobPattern.FindStringSubmatch(arg); m != nil {
		if b, err := hex.DecodeString(m[1]); err == nil {
			return b
		}
	}
	if len(arg) >= 2 && quotedPattern.MatchString(arg) {
		return arg[1 : len(arg)-1]
	}
	return arg
}
