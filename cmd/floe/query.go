package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
)

func newQuery() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "query PATH SQL [ARG...]",
		Short: "Run one SQL statement",
		Long: `Query runs one statement on the database at PATH, which must exist. A replica is
opened for reading only; a local or a frozen database may be written to.

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
  floe query app.db 'SELECT count(*) AS n FROM users' --json`,
		Args: takes("PATH", "SQL", "ARG..."),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			return query(cmd, args[0], args[1], args[2:], asJSON)
		}),
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func query(cmd *cobra.Command, path, sql string, args []string, asJSON bool) error {
	ctx := cmd.Context()
	st, err := inspectExisting(path)
	if err != nil {
		return err
	}
	open := floe.Open
	if st.Role == floe.RoleReplica {
		open = floe.OpenReadOnly
	}
	db, err := open(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	err = runStatement(ctx, conn, st.Role, sql, bindings(args), newRowWriter(out, asJSON))
	return errors.Join(err, out.Flush(), conn.Close())
}

// runStatement runs the one statement in sql and writes what it gives.
func runStatement(ctx context.Context, conn *floe.Conn, role floe.Role, sql string, args []any, w rowWriter) error {
	s, err := conn.Prepare(sql)
	if err != nil {
		return err
	}
	defer s.Finalize()
	writes := !s.ReadOnly()
	if writes && role == floe.RoleReplica {
		return floe.ErrIsReplica
	}
	if n := s.BindCount(); n != len(args) {
		return fmt.Errorf("the statement has %s, and %d were given", plural(n, "parameter"), len(args))
	}
	for i, v := range args {
		if err := s.Bind(i+1, v); err != nil {
			return err
		}
	}
	before := conn.TotalChanges()
	if err := writeRows(ctx, s, w); err != nil {
		return err
	}
	return w.end(conn.TotalChanges()-before, writes)
}

func writeRows(ctx context.Context, s *engine.Stmt, w rowWriter) error {
	more, err := s.Step(ctx)
	if err != nil {
		return err
	}
	names := make([]string, s.ColumnCount())
	for i := range names {
		names[i] = s.ColumnName(i)
	}
	if err := w.begin(names); err != nil {
		return err
	}
	row := make([]any, len(names))
	for more {
		for i := range row {
			row[i] = s.ColumnValue(i)
		}
		if err := w.row(row); err != nil {
			return err
		}
		if more, err = s.Step(ctx); err != nil {
			return err
		}
	}
	return nil
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

// rowWriter writes the rows of a result.
type rowWriter interface {
	begin(columns []string) error
	row(values []any) error // values are int64, float64, string, []byte or nil
	end(changes int64, writes bool) error
}

func newRowWriter(w io.Writer, asJSON bool) rowWriter {
	if asJSON {
		return &jsonRows{w: w}
	}
	return &tableRows{w: w}
}

// valueText gives a value as a table shows it.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return realText(v)
	case []byte:
		return "x'" + hex.EncodeToString(v) + "'"
	}
	return fmt.Sprint(v)
}

// realText gives a real number so that it is seen to be one, and comes back the
// same when it is read.
func realText(x float64) string {
	if math.IsInf(x, 0) {
		return infinityText(x)
	}
	text := strconv.FormatFloat(x, 'g', -1, 64)
	if integerPattern.MatchString(text) {
		text += ".0"
	}
	return text
}

func infinityText(x float64) string {
	if x < 0 {
		return "-Inf"
	}
	return "Inf"
}
