package engine

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// bindings are values, each bound through this package and through the library's own functions.
var bindings = []struct {
	name string
	ours func(*Stmt) error
	c    func(tls *libc.TLS, p uintptr) int32
}{
	{
		"null", func(s *Stmt) error { return s.BindNull(1) },
		func(tls *libc.TLS, p uintptr) int32 { return sqlite3.Xsqlite3_bind_null(tls, p, 1) },
	},
	{
		"int", func(s *Stmt) error { return s.BindInt64(1, math.MinInt64) },
		func(tls *libc.TLS, p uintptr) int32 { return sqlite3.Xsqlite3_bind_int64(tls, p, 1, math.MinInt64) },
	},
	{
		"float", func(s *Stmt) error { return s.BindFloat(1, -2.5) },
		func(tls *libc.TLS, p uintptr) int32 { return sqlite3.Xsqlite3_bind_double(tls, p, 1, -2.5) },
	},
	{
		"nan", func(s *Stmt) error { return s.BindFloat(1, math.NaN()) },
		func(tls *libc.TLS, p uintptr) int32 { return sqlite3.Xsqlite3_bind_double(tls, p, 1, math.NaN()) },
	},
	{
		"text", func(s *Stmt) error { return s.BindText(1, "žluť\x00ý") },
		func(tls *libc.TLS, p uintptr) int32 { return cBindText(tls, p, "žluť\x00ý") },
	},
	{
		"empty text", func(s *Stmt) error { return s.BindText(1, "") },
		func(tls *libc.TLS, p uintptr) int32 { return cBindText(tls, p, "") },
	},
	{
		"blob", func(s *Stmt) error { return s.BindBlob(1, []byte{0, 1, 2}) },
		func(tls *libc.TLS, p uintptr) int32 { return cBindBlob(tls, p, "\x00\x01\x02") },
	},
	{
		"large blob", func(s *Stmt) error { return s.BindBlob(1, make([]byte, 5000)) },
		func(tls *libc.TLS, p uintptr) int32 { return cBindBlob(tls, p, strings.Repeat("\x00", 5000)) },
	},
	{
		"static blob", func(s *Stmt) error { return s.BindBlobStatic(1, []byte("lent")) },
		func(tls *libc.TLS, p uintptr) int32 { return cBindBlob(tls, p, "lent") },
	},
	{
		"lent blob", func(s *Stmt) error { return bindArg(s, []byte("lent"), true) },
		func(tls *libc.TLS, p uintptr) int32 { return cBindBlob(tls, p, "lent") },
	},
	{
		"blob of an argument", func(s *Stmt) error { return bindArg(s, []byte("copied"), false) },
		func(tls *libc.TLS, p uintptr) int32 { return cBindBlob(tls, p, "copied") },
	},
	{
		"text of an argument", func(s *Stmt) error { return bindArg(s, "žluť\x00ý", true) },
		func(tls *libc.TLS, p uintptr) int32 { return cBindText(tls, p, "žluť\x00ý") },
	},
	{
		"int of an argument", func(s *Stmt) error { return bindArg(s, int64(math.MinInt64), true) },
		func(tls *libc.TLS, p uintptr) int32 { return sqlite3.Xsqlite3_bind_int64(tls, p, 1, math.MinInt64) },
	},
	{
		"float of an argument", func(s *Stmt) error { return bindArg(s, -2.5, true) },
		func(tls *libc.TLS, p uintptr) int32 { return sqlite3.Xsqlite3_bind_double(tls, p, 1, -2.5) },
	},
	{
		"null of an argument", func(s *Stmt) error { return bindArg(s, nil, true) },
		func(tls *libc.TLS, p uintptr) int32 { return sqlite3.Xsqlite3_bind_null(tls, p, 1) },
	},
	{
		"zeros", func(s *Stmt) error { return s.BindZeroBlob(1, 9) },
		func(tls *libc.TLS, p uintptr) int32 { return sqlite3.Xsqlite3_bind_zeroblob(tls, p, 1, 9) },
	},
}

func bindArg(s *Stmt, v driver.Value, lent bool) error {
	return s.BindArgs([]driver.NamedValue{{Ordinal: 1, Value: v}}, lent)
}

func withC(tls *libc.TLS, text string, f func(p uintptr, n int32) int32) int32 {
	p := sqlite3.Xsqlite3_malloc64(tls, sqlite3.Tsqlite3_uint64(len(text)+1))
	defer sqlite3.Xsqlite3_free(tls, p)
	copy(bytesAt(p, len(text)+1), text)
	return f(p, int32(len(text)))
}

func cBindText(tls *libc.TLS, stmt uintptr, text string) int32 {
	return withC(tls, text, func(p uintptr, n int32) int32 {
		return sqlite3.Xsqlite3_bind_text(tls, stmt, 1, p, n, sqlite3.SQLITE_TRANSIENT)
	})
}

func cBindBlob(tls *libc.TLS, stmt uintptr, blob string) int32 {
	return withC(tls, blob, func(p uintptr, n int32) int32 {
		return sqlite3.Xsqlite3_bind_blob(tls, stmt, 1, p, n, sqlite3.SQLITE_TRANSIENT)
	})
}

// TestValuesBindAsTheLibraryBindsThem binds each value after each other one, as what a parameter had is in the way of
// what it gets.
func TestValuesBindAsTheLibraryBindsThem(t *testing.T) {
	const sql = "SELECT typeof(?1), quote(?1), length(?1), ?1, ?1 + 1, CAST(?1 AS TEXT), CAST(?1 AS BLOB)"
	for _, encoding := range []string{"UTF-8", "UTF-16le"} {
		c := openMemory(t)
		mustExec(t, c, "PRAGMA encoding = '"+encoding+"'; CREATE TABLE t(a)")
		ours, theirs := mustPrepare(t, c, sql), mustPrepare(t, c, sql)
		for _, before := range bindings {
			for _, b := range bindings {
				if err := errors.Join(before.ours(ours), rowOf(ours), ours.Reset(), b.ours(ours)); err != nil {
					t.Fatal(err)
				}
				if rc := b.c(c.tls, theirs.ptr); rc != sqlite3.SQLITE_OK {
					t.Fatal(ResultCode(rc))
				}
				mustRow(t, ours)
				mustRow(t, theirs)
				if diff := cmp.Diff(columnValues(theirs), columnValues(ours)); diff != "" {
					t.Errorf("%s: %s after %s (-library +got):\n%s", encoding, b.name, before.name, diff)
				}
				mustDone(t, ours)
				mustDone(t, theirs)
			}
		}
	}
}

// rowOf steps to a row, and reads it as text, which changes how SQLite holds the values.
func rowOf(s *Stmt) error {
	_, err := s.Step(background)
	for i := range s.ColumnCount() {
		s.ColumnText(i)
	}
	return err
}

func columnValues(s *Stmt) []string {
	var values []string
	for i := range s.ColumnCount() {
		values = append(values, fmt.Sprintf("%v %q", s.ColumnType(i), s.ColumnText(i)))
	}
	return values
}

// TestBoundValuesChooseThePlan has a statement whose plan depends on the value of its parameter: SQLite compiles it
// anew when another value is bound.
func TestBoundValuesChooseThePlan(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, `CREATE TABLE t(a TEXT COLLATE NOCASE, b INTEGER); CREATE INDEX t_a ON t(a); CREATE INDEX t_b ON t(b);
		WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
		INSERT INTO t SELECT 'name ' || i, iif(i % 100, 1, i) FROM n; ANALYZE`)
	s := mustPrepare(t, c, "SELECT count(*) FROM t WHERE a LIKE ?1 AND b >= ?2")
	changed := false
	for _, q := range []struct {
		pattern string
		least   int64
		want    int64
	}{
		{"name 1%", 0, 112}, {"%99", 0, 10}, {"name 1%", 2, 2}, {"NAME 2%", 2, 1}, {"%", 2, 10}, {"%", 1, 1000},
	} {
		if err := errors.Join(s.BindText(1, q.pattern), s.BindInt64(2, q.least)); err != nil {
			t.Fatal(err)
		}
		if !changed {
			// The plan is made for the values that are bound when the schema has changed.
			mustExec(t, c, "CREATE TABLE change(a)")
			changed = true
		}
		mustRow(t, s)
		if got := s.ColumnInt64(0); got != q.want {
			t.Errorf("rows like %q from %d: %d, want %d", q.pattern, q.least, got, q.want)
		}
		mustDone(t, s)
	}
}

func TestBindRefusals(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT ?1")
	refuse := func(when string, i int, want ResultCode) {
		t.Helper()
		for _, err := range []error{
			s.BindNull(i), s.BindInt64(i, 1), s.BindFloat(i, 1), s.BindText(i, "x"), s.BindText(i, ""), s.BindBlob(i, []byte("x")),
		} {
			if !errors.Is(err, want) {
				t.Errorf("%s: error %v, want %v", when, err, want)
			}
		}
	}
	if err := s.BindText(1, "kept"); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, -1, 2, math.MinInt32, math.MaxInt32} {
		refuse(fmt.Sprintf("parameter %d of 1", i), i, Range)
	}
	mustRow(t, s)
	refuse("during an execution", 1, Misuse)
	if got := s.ColumnText(0); got != "kept" {
		t.Errorf("the value after binds that were refused: %q, want %q", got, "kept")
	}
	mustDone(t, s)
}

func TestBoundTextAboveTheLimit(t *testing.T) {
	c := openMemory(t)
	c.Limit(LimitLength, 100)
	s := mustPrepare(t, c, "SELECT length(?1)")
	for n, want := range map[int]error{100: nil, 101: TooBig} {
		err := s.BindText(1, strings.Repeat("x", n))
		if want == nil && err != nil || want != nil && !errors.Is(err, want) {
			t.Errorf("a text of %d bytes where 100 are allowed: %v, want %v", n, err, want)
		}
	}
}

func TestBoundTextIsReadWhereItIs(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT ?1")
	text := strings.Repeat("x", 1<<20)
	before := memoryUsed()
	if err := s.BindText(1, text); err != nil {
		t.Fatal(err)
	}
	mustRow(t, s)
	if used := memoryUsed() - before; used > 1<<16 {
		t.Errorf("a text of %d bytes took %d bytes of SQLite's memory, want none", len(text), used)
	}
	if got := s.ColumnText(0); got != text {
		t.Errorf("%d bytes came back, want the %d that were bound", len(got), len(text))
	}
}

func TestExecutingAgainAllocatesNothing(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, n INTEGER, r REAL)")
	insert := mustPrepare(t, c, "INSERT INTO t VALUES (?, ?, ?, ?)")
	find := mustPrepare(t, c, "SELECT n, r FROM t WHERE id = ?")
	id := int64(0)
	allocs := testing.AllocsPerRun(1000, func() {
		id++
		if err := errors.Join(
			insert.BindInt64(1, id), insert.BindText(2, "name"), insert.BindInt64(3, id*2), insert.BindFloat(4, 2.5),
		); err != nil {
			t.Fatal(err)
		}
		mustDone(t, insert)
		if err := find.BindInt64(1, id); err != nil {
			t.Fatal(err)
		}
		mustRow(t, find)
		var n int64
		var r float64
		if err := find.Scan(&n, &r); err != nil || n != id*2 || r != 2.5 {
			t.Fatal(n, r, err)
		}
		mustDone(t, find)
	})
	if allocs != 0 {
		t.Errorf("%v allocations for an INSERT and a SELECT of numbers, want none", allocs)
	}
}
