package engine

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

var background = context.Background()

// TestMain prepares the library for tests. Benchmarks are run with it as it is.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" {
		prepareLibrary()
	}
	os.Exit(m.Run())
}

// prepareLibrary turns SQLite's accounting of its memory on, which is off by default as each allocation then takes a
// global lock, and makes allocations able to fail. Both have to happen while the library is shut down.
func prepareLibrary() {
	if err := initialize(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	tls := libc.NewTLS()
	sqlite3.Xsqlite3_shutdown(tls)
	configure(tls, "turn memory accounting on", sqlite3.SQLITE_CONFIG_MEMSTATUS, int32(1))
	configure(tls, "read the allocator", sqlite3.SQLITE_CONFIG_GETMALLOC, realMalloc.address())
	configure(tls, "replace the allocator", sqlite3.SQLITE_CONFIG_MALLOC, faultyMalloc.address())
	if rc := sqlite3.Xsqlite3_initialize(tls); rc != sqlite3.SQLITE_OK {
		fmt.Fprintln(os.Stderr, "initialize again:", ResultCode(rc))
		os.Exit(1)
	}
	tls.Close()
}

func configure(tls *libc.TLS, what string, option int32, arg any) {
	args := libc.NewVaList(arg)
	defer libc.Xfree(tls, args)
	if rc := sqlite3.Xsqlite3_config(tls, option, args); rc != sqlite3.SQLITE_OK {
		fmt.Fprintln(os.Stderr, what+":", ResultCode(rc))
		os.Exit(1)
	}
}

// memoryUsed returns the bytes that SQLite holds, those of this package in it included.
func memoryUsed() int64 {
	tls := libc.NewTLS()
	defer tls.Close()
	return sqlite3.Xsqlite3_memory_used(tls)
}

// openMemory opens a database in memory that is closed with the test.
func openMemory(tb testing.TB) *Conn {
	tb.Helper()
	return openTest(tb, ":memory:", 0)
}

func openTest(tb testing.TB, name string, flags OpenFlags) *Conn {
	tb.Helper()
	c, err := Open(name, flags)
	if err != nil {
		tb.Fatalf("open %q: %v", name, err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("close %q: %v", name, err)
		}
	})
	return c
}

// openPair opens the same new file twice.
func openPair(tb testing.TB) (a, b *Conn) {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "pair.db")
	return openTest(tb, name, OpenReadWrite|OpenCreate), openTest(tb, name, OpenReadWrite|OpenCreate)
}

func mustExec(tb testing.TB, c *Conn, sql string, args ...any) {
	tb.Helper()
	if err := c.Exec(background, sql, args...); err != nil {
		tb.Fatalf("exec %q: %v", sql, err)
	}
}

func mustPrepare(tb testing.TB, c *Conn, sql string) *Stmt {
	tb.Helper()
	s, err := c.Prepare(sql)
	if err != nil {
		tb.Fatalf("prepare %q: %v", sql, err)
	}
	tb.Cleanup(func() {
		if err := s.Finalize(); err != nil {
			tb.Errorf("finalize %q: %v", sql, err)
		}
	})
	return s
}

// mustRow steps s to a row.
func mustRow(tb testing.TB, s *Stmt) {
	tb.Helper()
	if row, err := s.Step(background); !row || err != nil {
		tb.Fatalf("step %q: row %v, error %v; want a row", s.SQL(), row, err)
	}
}

// mustDone steps s to its end.
func mustDone(tb testing.TB, s *Stmt) {
	tb.Helper()
	if row, err := s.Step(background); row || err != nil {
		tb.Fatalf("step %q: row %v, error %v; want the end", s.SQL(), row, err)
	}
}

// values returns all rows of a query, each with ColumnValue.
func values(tb testing.TB, c *Conn, sql string, args ...any) [][]any {
	tb.Helper()
	var rows [][]any
	err := c.Query(background, sql, args, func(s *Stmt) error {
		row := make([]any, s.ColumnCount())
		for i := range row {
			row[i] = s.ColumnValue(i)
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		tb.Fatalf("query %q: %v", sql, err)
	}
	return rows
}
