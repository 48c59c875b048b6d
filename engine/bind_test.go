package engine

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValuesComeBackAsTheyWereBound(t *testing.T) {
	c := openMemory(t)
	long := strings.Repeat("0123456789", 1000)
	for _, test := range []struct {
		name string
		in   any
		want any
		typ  string
	}{
		{"nil", nil, nil, "null"},
		{"nil bytes", []byte(nil), nil, "null"},
		{"zero", int64(0), int64(0), "integer"},
		{"largest integer", int64(math.MaxInt64), int64(math.MaxInt64), "integer"},
		{"smallest integer", int64(math.MinInt64), int64(math.MinInt64), "integer"},
		{"int", -5, int64(-5), "integer"},
		{"int8", int8(-8), int64(-8), "integer"},
		{"int16", int16(-16), int64(-16), "integer"},
		{"int32", int32(math.MinInt32), int64(math.MinInt32), "integer"},
		{"uint", uint(5), int64(5), "integer"},
		{"uint8", uint8(255), int64(255), "integer"},
		{"uint16", uint16(65535), int64(65535), "integer"},
		{"uint32", uint32(math.MaxUint32), int64(math.MaxUint32), "integer"},
		{"uint64", uint64(math.MaxInt64), int64(math.MaxInt64), "integer"},
		{"true", true, int64(1), "integer"},
		{"false", false, int64(0), "integer"},
		{"float", 1.5, 1.5, "real"},
		{"float32", float32(0.25), 0.25, "real"},
		{"smallest float", math.SmallestNonzeroFloat64, math.SmallestNonzeroFloat64, "real"},
		{"infinity", math.Inf(1), math.Inf(1), "real"},
		{"negative infinity", math.Inf(-1), math.Inf(-1), "real"},
		{"not a number", math.NaN(), nil, "null"},
		{"text", "žluťoučký 数据", "žluťoučký 数据", "text"},
		{"empty text", "", "", "text"},
		{"text with NUL", "a\x00b\x00", "a\x00b\x00", "text"},
		{"only a NUL", "\x00", "\x00", "text"},
		{"text that is not UTF-8", "a\xff\xfe\xc3", "a\xff\xfe\xc3", "text"},
		{"long text", long, long, "text"},
		{"blob", []byte{0, 1, 0xff}, []byte{0, 1, 0xff}, "blob"},
		{"empty blob", []byte{}, []byte{}, "blob"},
		{"long blob", []byte(long), []byte(long), "blob"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := values(t, c, "SELECT ?1, typeof(?1)", test.in)[0]
			if diff := cmp.Diff([]any{test.want, test.typ}, got); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
			mustExec(t, c, "DROP TABLE IF EXISTS stored; CREATE TABLE stored(a)")
			mustExec(t, c, "INSERT INTO stored VALUES (?)", test.in)
			got = values(t, c, "SELECT a, typeof(a) FROM stored")[0]
			if diff := cmp.Diff([]any{test.want, test.typ}, got); diff != "" {
				t.Errorf("stored value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBindRefuses(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	s := mustPrepare(t, c, "SELECT ?1, ?2")
	for _, test := range []struct {
		name string
		err  error
		want ResultCode
	}{
		{"index 0", s.BindInt64(0, 1), Range},
		{"negative index", s.BindText(-1, "x"), Range},
		{"index above the last", s.BindNull(3), Range},
		{"the largest index", s.BindFloat(math.MaxInt, 1), Range},
		{"static blob, index above the last", s.BindBlobStatic(3, []byte("x")), Range},
		{"uint64 too large", s.Bind(1, uint64(math.MaxInt64)+1), Range},
		{"unsupported type", s.Bind(1, struct{}{}), Mismatch},
		{"negative zeroblob", s.BindZeroBlob(1, -1), Range},
		{"zeroblob above the limit", s.BindZeroBlob(1, math.MaxInt64), TooBig},
	} {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, test.err, test.want)
		}
	}
	mustRow(t, s)
	for name, err := range map[string]error{"BindInt64": s.BindInt64(1, 1), "ClearBindings": s.ClearBindings()} {
		if !errors.Is(err, Misuse) {
			t.Errorf("%s during an execution: %v, want %v", name, err, Misuse)
		}
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	if err := s.BindInt64(1, 1); err != nil {
		t.Errorf("bind after reset: %v", err)
	}
}

func TestBindZeroBlob(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT ?1, length(?1)")
	for _, n := range []int64{0, 1, 70_000} {
		if err := s.BindZeroBlob(1, n); err != nil {
			t.Fatal(err)
		}
		mustRow(t, s)
		if got, want := s.ColumnBlob(0), make([]byte, n); !bytes.Equal(got, want) || got == nil {
			t.Errorf("zeroblob(%d): %d bytes, nil %v; want zeros", n, len(got), got == nil)
		}
		mustDone(t, s)
	}
}

func TestBindBlobStaticReadsTheSlice(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	s := mustPrepare(t, c, "INSERT INTO t VALUES (?)")
	page := bytes.Repeat([]byte{1}, 4096)
	if err := s.BindBlobStatic(1, page); err != nil {
		t.Fatal(err)
	}
	mustDone(t, s)
	page[0] = 2
	page = nil
	runtime.GC() // the statement alone keeps the slice now
	mustDone(t, s)
	for i, row := range values(t, c, "SELECT a FROM t") {
		want := bytes.Repeat([]byte{1}, 4096)
		want[0] = byte(i + 1)
		if diff := cmp.Diff(want, row[0]); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", i, diff)
		}
	}
	for name, unbind := range map[string]func() error{
		"another bind": func() error { return s.BindInt64(1, 1) }, "ClearBindings": s.ClearBindings,
		"an empty static blob": func() error { return s.BindBlobStatic(1, nil) },
	} {
		if err := s.BindBlobStatic(1, []byte("lent")); err != nil {
			t.Fatal(err)
		}
		if err := unbind(); err != nil {
			t.Fatal(err)
		}
		if s.static[0] != nil {
			t.Errorf("after %s the statement still holds the slice", name)
		}
	}
}

func TestBindingsStayUntilCleared(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT ?")
	if err := s.BindText(1, "kept"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		mustRow(t, s)
		if got := s.ColumnText(0); got != "kept" {
			t.Errorf("value %q, want %q", got, "kept")
		}
		mustDone(t, s)
	}
	if err := s.ClearBindings(); err != nil {
		t.Fatal(err)
	}
	mustRow(t, s)
	if got := s.ColumnValue(0); got != nil {
		t.Errorf("value after ClearBindings %v, want NULL", got)
	}
}

func TestParameterNames(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT ?, :a, @b, $c, ?7")
	if got := s.BindCount(); got != 7 {
		t.Errorf("BindCount %d, want 7", got)
	}
	names := make([]string, 9)
	for i := range names {
		names[i] = s.BindName(i)
	}
	if diff := cmp.Diff([]string{"", "", ":a", "@b", "$c", "", "", "?7", ""}, names); diff != "" {
		t.Errorf("BindName of 0 to 8 (-want +got):\n%s", diff)
	}
	for name, want := range map[string]int{":a": 2, "@b": 3, "$c": 4, "?7": 7, "a": 0, "": 0, ":a\x00": 0} {
		if got := s.BindIndex(name); got != want {
			t.Errorf("BindIndex(%q) %d, want %d", name, got, want)
		}
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a, b, c)")
	insert := mustPrepare(t, c, "INSERT INTO t VALUES (?, ?, ?)")
	blob := make([]byte, 100)
	allocs := testing.AllocsPerRun(1000, func() {
		for _, err := range [...]error{insert.BindInt64(1, 1), insert.BindText(2, "text"), insert.BindBlobStatic(3, blob)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		mustDone(t, insert)
	})
	if allocs != 0 {
		t.Errorf("an insert allocates %v times, want 0", allocs)
	}
	mustExec(t, c, "DELETE FROM t")
	query := mustPrepare(t, c, "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n) SELECT i, 1.5, 'text' FROM n")
	buf := make([]byte, 0, 64)
	allocs = testing.AllocsPerRun(1000, func() {
		mustRow(t, query)
		query.ColumnInt64(0)
		query.ColumnFloat(1)
		buf = query.ColumnBytes(2, buf[:0])
		query.ColumnRaw(2)
	})
	if allocs != 0 {
		t.Errorf("a row allocates %v times, want 0", allocs)
	}
	if allocs := testing.AllocsPerRun(1000, func() { query.ColumnText(2) }); allocs != 1 {
		t.Errorf("ColumnText allocates %v times, want 1", allocs)
	}
}

// SQLite keeps a text that it could not convert as it was given, which must not be used on.
func TestTextThatCouldNotBeConvertedIsNotBound(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a)")
	s := mustPrepare(t, c, "SELECT ?")
	armMemoryFaults(1, true)
	err := s.BindText(1, strings.Repeat("text", 10_000))
	disarmMemoryFaults()
	if !errors.Is(err, NoMem) {
		t.Fatalf("bind: %v, want %v", err, NoMem)
	}
	mustRow(t, s)
	if got := s.ColumnType(0); got != Null {
		t.Errorf("the parameter is %v, want %v", got, Null)
	}
}
