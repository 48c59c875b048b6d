// Package exttest helps the tests of extensions.
package exttest

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/floedb/floe/engine"
)

// Open opens a database in memory with the extension of that name loaded.
func Open(tb testing.TB, extension string) *engine.Conn {
	tb.Helper()
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := c.EnableExtensions(extension); err != nil {
		tb.Fatal(err)
	}
	if err := c.LoadExtension(extension); err != nil {
		tb.Fatal(err)
	}
	return c
}

// Rows returns the rows of a query.
func Rows(tb testing.TB, c *engine.Conn, sql string, args ...any) [][]any {
	tb.Helper()
	var rows [][]any
	err := c.Query(context.Background(), sql, args, func(s *engine.Stmt) error {
		row := make([]any, s.ColumnCount())
		for i := range row {
			row[i] = s.ColumnValue(i)
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// Want checks the one value of a query. Floating point numbers need to be equal to 12 digits.
func Want(tb testing.TB, c *engine.Conn, want any, sql string, args ...any) {
	tb.Helper()
	if n, ok := want.(int); ok {
		want = int64(n)
	}
	got := Rows(tb, c, sql, args...)
	if diff := cmp.Diff([][]any{{want}}, got, cmpopts.EquateApprox(1e-12, 1e-12)); diff != "" {
		tb.Errorf("%s %q (-want +got):\n%s", sql, args, diff)
	}
}

// WantError checks that a query fails, with the text in the message.
func WantError(tb testing.TB, c *engine.Conn, text, sql string, args ...any) {
	tb.Helper()
	err := c.Query(context.Background(), sql, args, func(*engine.Stmt) error { return nil })
	if err == nil || !strings.Contains(err.Error(), text) {
		tb.Errorf("%s %q: error %v, want one with %q", sql, args, err, text)
	}
}
