package engine

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scanned steps a query to its row and scans its only column into a new T.
func scanned[T any](t *testing.T, c *Conn, expression string) (T, error) {
	t.Helper()
	s := mustPrepare(t, c, "SELECT "+expression)
	mustRow(t, s)
	var v T
	err := s.Scan(&v)
	return v, err
}

func scansAs[T any](t *testing.T, c *Conn, expression string, want T) {
	t.Helper()
	got, err := scanned[T](t, c, expression)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s into %T: error %v (-want +got):\n%s", expression, want, err, diff)
	}
}

func scanFails[T any](t *testing.T, c *Conn, expression string, want ResultCode) {
	t.Helper()
	got, err := scanned[T](t, c, expression)
	if !errors.Is(err, want) {
		t.Errorf("%s into %T: %v, error %v; want %v", expression, got, got, err, want)
	}
	var zero T
	if diff := cmp.Diff(zero, got); diff != "" {
		t.Errorf("%s into %T changed it (-want +got):\n%s", expression, got, diff)
	}
}

type (
	rowID     int64
	label     string
	weight    float64
	onOff     bool
	signature []byte
	small     uint8
)

func TestScanIntoEachType(t *testing.T) {
	c := openMemory(t)
	scansAs(t, c, "42", int64(42))
	scansAs(t, c, "-42", int(-42))
	scansAs(t, c, "-128", int8(-128))
	scansAs(t, c, "32767", int16(math.MaxInt16))
	scansAs(t, c, "-2147483648", int32(math.MinInt32))
	scansAs(t, c, "255", uint8(255))
	scansAs(t, c, "65535", uint16(math.MaxUint16))
	scansAs(t, c, "4294967295", uint32(math.MaxUint32))
	scansAs(t, c, "7", uint(7))
	scansAs(t, c, "9223372036854775807", uint64(math.MaxInt64))
	scansAs(t, c, "3.0", int64(3))
	scansAs(t, c, "-9223372036854775808.0", int64(math.MinInt64))
	scansAs(t, c, "2.5", 2.5)
	scansAs(t, c, "2", 2.0)
	scansAs(t, c, "2.5", float32(2.5))
	scansAs(t, c, "2", true)
	scansAs(t, c, "0", false)
	scansAs(t, c, "'text'", "text")
	scansAs(t, c, "42", "42")
	scansAs(t, c, "x'6162'", "ab")
	scansAs(t, c, "x'0102'", []byte{1, 2})
	scansAs(t, c, "'ab'", []byte("ab"))
	scansAs(t, c, "x''", []byte{})
	scansAs(t, c, "zeroblob(2)", []byte{0, 0})
	scansAs(t, c, "x'0102'", RawBytes{1, 2})
	scansAs(t, c, "1.5", any(1.5))
	scansAs(t, c, "42", RawValue{Type: Integer, Int: 42})
	scansAs(t, c, "2.5", RawValue{Type: Float, Float: 2.5})
	scansAs(t, c, "'ab'", RawValue{Type: Text, Bytes: RawBytes("ab")})
	scansAs(t, c, "x''", RawValue{Type: Blob, Bytes: RawBytes{}})
	scansAs(t, c, "NULL", RawValue{Type: Null})
	scansAs(t, c, "'text'", any("text"))
}

func TestScanIntoNamedTypes(t *testing.T) {
	c := openMemory(t)
	scansAs(t, c, "42", rowID(42))
	scansAs(t, c, "'text'", label("text"))
	scansAs(t, c, "2.5", weight(2.5))
	scansAs(t, c, "1", onOff(true))
	scansAs(t, c, "x'0102'", signature{1, 2})
	scansAs(t, c, "NULL", signature(nil))
	scanFails[small](t, c, "256", Range)
}

func TestScanOfNull(t *testing.T) {
	c := openMemory(t)
	scansAs(t, c, "NULL", (*int64)(nil))
	scansAs(t, c, "NULL", (*label)(nil))
	scansAs(t, c, "42", new(int64(42)))
	scansAs(t, c, "'text'", new(label("text")))
	scansAs(t, c, "42", new(new(42)))
	scansAs(t, c, "NULL", []byte(nil))
	scansAs(t, c, "NULL", RawBytes(nil))
	scansAs(t, c, "NULL", any(nil))
	scanFails[int64](t, c, "NULL", Mismatch)
	scanFails[int](t, c, "NULL", Mismatch)
	scanFails[uint16](t, c, "NULL", Mismatch)
	scanFails[float64](t, c, "NULL", Mismatch)
	scanFails[float32](t, c, "NULL", Mismatch)
	scanFails[string](t, c, "NULL", Mismatch)
	scanFails[bool](t, c, "NULL", Mismatch)
	scanFails[rowID](t, c, "NULL", Mismatch)
}

func TestScanOfNullClearsWhatWasThere(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT NULL, NULL, NULL")
	mustRow(t, s)
	p, b, v := new(int64(1)), []byte("b"), any("v")
	if err := s.Scan(&p, &b, &v); err != nil || p != nil || b != nil || v != nil {
		t.Errorf("NULL into variables with values: %v %v %v, error %v", p, b, v, err)
	}
}

func TestScanRefusesWhatDoesNotFit(t *testing.T) {
	c := openMemory(t)
	scanFails[int8](t, c, "128", Range)
	scanFails[int32](t, c, "2147483648", Range)
	scanFails[uint](t, c, "-1", Range)
	scanFails[uint64](t, c, "-1", Range)
	scanFails[int64](t, c, "2.5", Mismatch)
	scanFails[int64](t, c, "9223372036854775808.0", Range)
	scanFails[int64](t, c, "1e999", Range)
	scanFails[int64](t, c, "'42'", Mismatch)
	scanFails[float64](t, c, "'2.5'", Mismatch)
	scanFails[float64](t, c, "x'00'", Mismatch)
	scanFails[bool](t, c, "'true'", Mismatch)
	scanFails[bool](t, c, "1.0", Mismatch)
	scanFails[struct{}](t, c, "1", Mismatch)
	scanFails[[]int](t, c, "1", Mismatch)
	scanFails[map[string]int](t, c, "1", Mismatch)
	scanFails[*chan int](t, c, "1", Mismatch)
}

func TestScanOfAColumnKeptAsAnInteger(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(r REAL); INSERT INTO t VALUES (7)")
	scansAs(t, c, "(SELECT r FROM t)", 7.0)
	scansAs(t, c, "(SELECT r FROM t)", int64(7))
	scansAs(t, c, "(SELECT r FROM t)", "7.0")
	scansAs(t, c, "(SELECT r FROM t)", any(7.0))
}

func TestScanNamesTheColumn(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1, 'two'")
	mustRow(t, s)
	var a, b int64
	err := s.Scan(&a, &b)
	want := `engine: scan: column 1: TEXT is no number (SQLITE_MISMATCH)`
	if err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
		t.Errorf("error %v, want it to begin with %s", err, want)
	}
	if a != 1 {
		t.Errorf("the column before the error: %d, want 1", a)
	}
}

func TestScanOfAWrongCount(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1, 2")
	var a, b, d int64
	if err := s.Scan(&a, &b); !errors.Is(err, Misuse) {
		t.Errorf("before the first step: %v, want %v", err, Misuse)
	}
	mustRow(t, s)
	for _, dest := range [][]any{{}, {&a}, {&a, &b, &d}} {
		if err := s.Scan(dest...); !errors.Is(err, Misuse) {
			t.Errorf("%d destinations for 2 columns: %v, want %v", len(dest), err, Misuse)
		}
	}
	if err := s.Scan(nil, &b); err != nil || a != 0 || b != 2 {
		t.Errorf("a column left out: %d %d, error %v; want 0 2", a, b, err)
	}
	mustDone(t, s)
	if err := s.Scan(&a, &b); !errors.Is(err, Misuse) {
		t.Errorf("after the end: %v, want %v", err, Misuse)
	}
	if err := s.Finalize(); err != nil {
		t.Fatal(err)
	}
	if err := s.Scan(&a, &b); !errors.Is(err, ErrFinalized) {
		t.Errorf("after Finalize: %v, want %v", err, ErrFinalized)
	}
}

func TestScanIntoNothing(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1")
	mustRow(t, s)
	for _, dest := range []any{(*int64)(nil), (*string)(nil), (**int64)(nil), (*rowID)(nil), (*uint8)(nil), 7, "x", int64(0)} {
		if err := s.Scan(dest); !errors.Is(err, Mismatch) {
			t.Errorf("into %T %v: %v, want %v", dest, dest, err, Mismatch)
		}
	}
}

// TestScanAllocatesOnlyValues also has variables that live for one row, which must not move to the heap.
func TestScanAllocatesOnlyValues(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1, 2.5, x'0102', 'text', 3, 4")
	mustRow(t, s)
	allocs := testing.AllocsPerRun(100, func() {
		var (
			i    int64
			f    float64
			b    RawBytes
			n    int
			name rowID
		)
		if err := s.Scan(&i, &f, &b, nil, &n, &name); err != nil || i != 1 || f != 2.5 || len(b) != 2 || name != 4 {
			t.Fatal(i, f, b, n, name, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a row without strings, want none", allocs)
	}
}

type letter byte

// unreadable panics when it is decoded.
type unreadable struct{}

func (*unreadable) UnmarshalJSON([]byte) error { panic("unreadable") }

func TestScanLeavesTheConnectionUsable(t *testing.T) {
	s := mustPrepare(t, openMemory(t), "SELECT '1'")
	mustRow(t, s)
	var letters []letter
	if err := s.Scan(&letters); !errors.Is(err, Mismatch) {
		t.Errorf("scan into %T: %v, want %v", &letters, err, Mismatch)
	}
	func() {
		defer func() {
			if v := recover(); v != "unreadable" {
				t.Errorf("a destination that panics: %v, want its panic", v)
			}
		}()
		_ = s.Scan(JSON(&unreadable{}))
	}()
	if n := s.ColumnInt64(0); n != 1 {
		t.Errorf("the column is %d after that, want 1", n)
	}
}
