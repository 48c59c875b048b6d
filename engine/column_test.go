package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestColumnsReadAsOtherTypes(t *testing.T) {
	c := openMemory(t)
	type reading struct {
		Type  Type
		Int   int64
		Float float64
		Text  string
		Blob  []byte
	}
	for sql, want := range map[string]reading{
		"42":          {Integer, 42, 42, "42", []byte("42")},
		"1.5":         {Float, 1, 1.5, "1.5", []byte("1.5")},
		"'12x'":       {Text, 12, 12, "12x", []byte("12x")},
		"x'3132'":     {Blob, 12, 12, "12", []byte("12")},
		"NULL":        {Null, 0, 0, "", nil},
		"''":          {Text, 0, 0, "", []byte{}},
		"x''":         {Blob, 0, 0, "", []byte{}},
		"zeroblob(2)": {Blob, 0, 0, "\x00\x00", []byte{0, 0}},
	} {
		// Reading one column as several types changes it, so each reading has its own.
		s := mustPrepare(t, c, "SELECT "+sql+", "+sql+", "+sql+", "+sql+", "+sql)
		mustRow(t, s)
		got := reading{s.ColumnType(0), s.ColumnInt64(1), s.ColumnFloat(2), s.ColumnText(3), s.ColumnBlob(4)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sql, diff)
		}
		if diff := cmp.Diff(want.Blob, s.ColumnRaw(4)); diff != "" {
			t.Errorf("ColumnRaw of %s (-want +got):\n%s", sql, diff)
		}
		if diff := cmp.Diff(append([]byte("before "), want.Blob...), s.ColumnBytes(4, []byte("before "))); diff != "" {
			t.Errorf("ColumnBytes of %s (-want +got):\n%s", sql, diff)
		}
	}
}

func TestColumnsThatAreNotThereAreNull(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1")
	check := func(when string, i int) {
		t.Helper()
		if typ, v := s.ColumnType(i), s.ColumnValue(i); typ != Null || v != nil {
			t.Errorf("%s, column %d: %v %v, want NULL", when, i, typ, v)
		}
		if s.ColumnInt64(i) != 0 || s.ColumnFloat(i) != 0 || s.ColumnText(i) != "" || s.ColumnBlob(i) != nil ||
			s.ColumnRaw(i) != nil || s.ColumnBytes(i, nil) != nil {
			t.Errorf("%s, column %d: a value where there is none", when, i)
		}
	}
	check("before the first step", 0)
	mustRow(t, s)
	for _, i := range []int{-1, 1, 1 << 20, -1 << 31} {
		check("on a row", i)
	}
	mustDone(t, s)
	check("after the end", 0)
}

func TestTextInAUTF16DatabaseComesAsUTF8(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a)")
	mustExec(t, c, "INSERT INTO t VALUES (?)", "žluť")
	s := mustPrepare(t, c, "SELECT a, a, a FROM t")
	mustRow(t, s)
	got := []string{s.ColumnText(0), string(s.ColumnRaw(1)), string(s.ColumnBlob(2))}
	if diff := cmp.Diff([]string{"žluť", "žluť", "žluť"}, got); diff != "" {
		t.Errorf("ColumnText, ColumnRaw, ColumnBlob (-want +got):\n%s", diff)
	}
}

func TestColumnCopiesOutliveTheStatement(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 'text', x'0102'")
	mustRow(t, s)
	text, blob := s.ColumnText(0), s.ColumnBlob(1)
	if err := s.Finalize(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "SELECT 'TEXT', x'0a0b'")
	if text != "text" || !cmp.Equal(blob, []byte{1, 2}) {
		t.Errorf("after the statement's end: %q and %v", text, blob)
	}
}

func TestTypeNames(t *testing.T) {
	for typ, want := range map[Type]string{Integer: "INTEGER", Float: "REAL", Text: "TEXT", Blob: "BLOB", Null: "NULL", 9: "Type(9)"} {
		if got := typ.String(); got != want {
			t.Errorf("String of %d: %q, want %q", uint8(typ), got, want)
		}
	}
}
