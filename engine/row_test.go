package engine

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// readings are the ways to read a column, each through this package and through the library's own functions. They
// change what they read: the order in which they are used counts.
var readings = []struct {
	name string
	ours func(*Stmt, int) any
	c    func(*libc.TLS, uintptr, int32) any
}{
	{
		"type", func(s *Stmt, i int) any { return s.ColumnType(i) },
		func(tls *libc.TLS, p uintptr, i int32) any { return Type(sqlite3.Xsqlite3_column_type(tls, p, i)) },
	},
	{
		"int", func(s *Stmt, i int) any { return s.ColumnInt64(i) },
		func(tls *libc.TLS, p uintptr, i int32) any { return sqlite3.Xsqlite3_column_int64(tls, p, i) },
	},
	{
		"float", func(s *Stmt, i int) any { return math.Float64bits(s.ColumnFloat(i)) },
		func(tls *libc.TLS, p uintptr, i int32) any {
			return math.Float64bits(sqlite3.Xsqlite3_column_double(tls, p, i))
		},
	},
	{
		"text", func(s *Stmt, i int) any { return s.ColumnText(i) },
		func(tls *libc.TLS, p uintptr, i int32) any {
			text := sqlite3.Xsqlite3_column_text(tls, p, i)
			return string(cBytes(tls, p, i, text))
		},
	},
	{
		"blob", func(s *Stmt, i int) any { return string(s.ColumnBlob(i)) },
		func(tls *libc.TLS, p uintptr, i int32) any { return string(cRaw(tls, p, i)) },
	},
	{
		"raw", func(s *Stmt, i int) any { return string(s.ColumnRaw(i)) },
		func(tls *libc.TLS, p uintptr, i int32) any { return string(cRaw(tls, p, i)) },
	},
	{
		"value", func(s *Stmt, i int) any { return s.ColumnValue(i) },
		func(tls *libc.TLS, p uintptr, i int32) any { return cValue(tls, p, i) },
	},
}

func cBytes(tls *libc.TLS, p uintptr, i int32, at uintptr) []byte {
	n := sqlite3.Xsqlite3_column_bytes(tls, p, i)
	if at == 0 || n == 0 {
		return nil
	}
	return bytesAt(at, int(n))
}

func cRaw(tls *libc.TLS, p uintptr, i int32) []byte {
	if sqlite3.Xsqlite3_column_type(tls, p, i) == sqlite3.SQLITE_BLOB {
		return cBytes(tls, p, i, sqlite3.Xsqlite3_column_blob(tls, p, i))
	}
	return cBytes(tls, p, i, sqlite3.Xsqlite3_column_text(tls, p, i))
}

func cValue(tls *libc.TLS, p uintptr, i int32) any {
	switch sqlite3.Xsqlite3_column_type(tls, p, i) {
	case sqlite3.SQLITE_INTEGER:
		return sqlite3.Xsqlite3_column_int64(tls, p, i)
	case sqlite3.SQLITE_FLOAT:
		return sqlite3.Xsqlite3_column_double(tls, p, i)
	case sqlite3.SQLITE_TEXT:
		return string(cRaw(tls, p, i))
	case sqlite3.SQLITE_BLOB:
		return append([]byte{}, cRaw(tls, p, i)...)
	}
	return nil
}

// rowShapes are expressions whose values SQLite holds in different ways. ?1 to ?4 are an integer, a floating point
// number, a text and a blob, ?5 is a blob of zeros that does not exist before it is read.
var rowShapes = []string{
	"?1", "?2", "?3", "?4", "?5", "NULL",
	"CAST(?1 AS REAL)", "CAST(?1 AS TEXT)", "CAST(?1 AS BLOB)", "CAST(?2 AS INTEGER)", "CAST(?2 AS TEXT)",
	"CAST(?3 AS INTEGER)", "CAST(?3 AS REAL)", "CAST(?3 AS BLOB)", "CAST(?4 AS TEXT)", "CAST(?4 AS REAL)",
	"?3 || ?1", "?3 || ?4", "substr(?3, 2)", "substr(?4, 2, 3)", "zeroblob(5)", "zeroblob(0)", "zeroblob(3) || ?3",
	"upper(?3)", "hex(?4)", "quote(?2)", "json_quote(?3)", "json_extract('[1, 2.5, \"x\"]', '$[1]')", "?1 + ?2",
	"(SELECT i FROM t)", "(SELECT r FROM t)", "(SELECT x FROM t)", "(SELECT b FROM t)", "(SELECT z FROM t)",
	"max(?1, ?2)", "coalesce(NULL, ?3)", "iif(?1, ?3, ?4)", "printf('%s', ?3)", "char(0, 65, 0)", "1e999", "-1e999",
	"0.0", "-0.0", "9223372036854775807", "-9223372036854775808", "9223372036854775808.0", "group_concat(?3)",
	"sum(?1)", "avg(?2)", "count(*)", "min(?3)", "x'00ff'", "'12x'", "''", "x''",
}

func rowShapesSQL() string {
	sql := "SELECT "
	for i, e := range rowShapes {
		if i > 0 {
			sql += ", "
		}
		sql += e
	}
	return sql
}

// openShapes returns a connection whose database has that encoding and a row with a REAL that SQLite holds as an
// integer, and with values that do not fit on one page.
func openShapes(tb testing.TB, encoding string) *Conn {
	c := openMemory(tb)
	mustExec(tb, c, "PRAGMA encoding = '"+encoding+"'; PRAGMA page_size = 512;"+
		"CREATE TABLE t(i INTEGER, r REAL, x TEXT, b BLOB, z BLOB);"+
		"INSERT INTO t VALUES (7, 7, printf('%.*c', 3000, 'ž'), randomblob(3000), zeroblob(2000))")
	return c
}

// checkReadings steps one statement that is read through this package and one that is read through the library, in
// the order that the bytes of order give.
func checkReadings(tb testing.TB, c *Conn, args []any, order []byte) {
	tb.Helper()
	ours, theirs := mustPrepare(tb, c, rowShapesSQL()), mustPrepare(tb, c, rowShapesSQL())
	for _, s := range []*Stmt{ours, theirs} {
		if err := s.bindAll(append(args[:4:4], nil)); err != nil {
			tb.Fatal(err)
		}
		if err := s.BindZeroBlob(5, 7); err != nil {
			tb.Fatal(err)
		}
		mustRow(tb, s)
	}
	for _, b := range order {
		r := readings[int(b)%len(readings)]
		for i, expression := range rowShapes {
			got, want := r.ours(ours, i), r.c(c.tls, theirs.ptr, int32(i))
			if diff := cmp.Diff(want, got); diff != "" {
				tb.Fatalf("%s of %s with %v, read in order %v (-library +got):\n%s", r.name, expression, args, order, diff)
			}
		}
	}
}

func TestColumnsReadAsTheLibraryReadsThem(t *testing.T) {
	args := []any{int64(42), 2.5, "žluť\x00ý", []byte("12\x00\xff")}
	for _, encoding := range []string{"UTF-8", "UTF-16le", "UTF-16be"} {
		c := openShapes(t, encoding)
		for first := range readings {
			for second := range readings {
				checkReadings(t, c, args, []byte{byte(first), byte(second), 0, 1, 2, 3, 4, 5, 6})
			}
		}
	}
}

func FuzzColumns(f *testing.F) {
	f.Add(int64(0), 0.0, "", []byte(nil), []byte{0, 1, 2, 3, 4, 5, 6}, false)
	f.Add(int64(-1), math.Inf(1), "1e3 \xff", []byte("7"), []byte{3, 1, 4, 0}, true)
	f.Fuzz(func(t *testing.T, i int64, r float64, x string, b []byte, order []byte, wide bool) {
		encoding := "UTF-8"
		if wide {
			encoding = "UTF-16le"
		}
		if len(order) > 16 {
			order = order[:16]
		}
		checkReadings(t, openShapes(t, encoding), []any{i, r, x, b}, order)
	})
}

// TestColumnsOfARowThatShrinks has a statement that is compiled anew, with fewer columns, between two executions.
func TestColumnsOfARowThatShrinks(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a, b, c); INSERT INTO t VALUES (1, 2, 3)")
	s := mustPrepare(t, c, "SELECT * FROM t")
	mustRow(t, s)
	mustDone(t, s)
	mustExec(t, c, "ALTER TABLE t DROP COLUMN b")
	mustRow(t, s)
	got := fmt.Sprint(s.ColumnValue(0), s.ColumnValue(1), s.ColumnValue(2), s.ColumnType(2))
	if want := "1 3 <nil> NULL"; got != want {
		t.Errorf("after the column went: %s, want %s", got, want)
	}
}
