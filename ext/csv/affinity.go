package csv

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/floedb/floe/engine"
)

// affinity is what SQLite makes of the values in a column, by its type.
//
// https://sqlite.org/datatype3.html#determination_of_column_affinity
type affinity uint8

const (
	textual affinity = iota // blobs too: a field is a text in any case
	numeric                 // integers where there is no fraction
	floating
)

func affinityOf(declared string) affinity {
	declared = strings.ToUpper(declared)
	has := func(part string) bool { return strings.Contains(declared, part) }
	switch {
	case has("INT"):
		return numeric
	case has("CHAR"), has("CLOB"), has("TEXT"), has("BLOB"), declared == "":
		return textual
	case has("REAL"), has("FLOA"), has("DOUB"):
		return floating
	}
	return numeric
}

// columnList matches the beginning of a CREATE TABLE that is not one AS SELECT, which could run for ever.
var columnList = regexp.MustCompile(`(?is)^\s*CREATE\s+TABLE\s+("(?:[^"]|"")*"|[^\s("'.]+)\s*\(`)

// schemaAffinities returns the affinities of the columns in a CREATE TABLE. SQLite itself reads it, in a database of its
// own.
func schemaAffinities(schema string) (affinities []affinity, err error) {
	if !columnList.MatchString(schema) {
		return nil, fmt.Errorf("csv: schema: not a CREATE TABLE with a list of columns: %q", schema)
	}
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s, err := c.Prepare(schema)
	if err != nil {
		return nil, fmt.Errorf("csv: schema: %w", err)
	}
	if _, err := s.Step(context.Background()); err != nil {
		return nil, fmt.Errorf("csv: schema: %w", err)
	}
	columns := "SELECT c.type FROM sqlite_schema s, pragma_table_info(s.name) c WHERE s.type = 'table' ORDER BY c.cid"
	err = c.Query(context.Background(), columns, nil, func(s *engine.Stmt) error {
		affinities = append(affinities, affinityOf(s.ColumnText(0)))
		return nil
	})
	return affinities, err
}

// result sets a field as the result, as a number if it is for a column of numbers.
func (a affinity) result(ctx *engine.FuncContext, field string) {
	if a == textual {
		ctx.ResultText(field)
		return
	}
	number := strings.Trim(field, " \t\n\v\f\r")
	if number == "" {
		ctx.ResultNull()
		return
	}
	if a == numeric {
		if v, err := strconv.ParseInt(number, 10, 64); err == nil {
			ctx.ResultInt64(v)
			return
		}
	}
	v, ok := parseFloat(number)
	switch {
	case !ok:
		ctx.ResultText(field)
	case a == numeric && v == math.Trunc(v) && math.Abs(v) < 1<<53:
		ctx.ResultInt64(int64(v))
	default:
		ctx.ResultFloat(v)
	}
}

// parseFloat takes what is a number to SQLite, which has no names and no hexadecimal digits for fractions.
func parseFloat(s string) (float64, bool) {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}
