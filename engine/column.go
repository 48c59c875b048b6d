package engine

import (
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"
)

// Columns are counted from 0. Where there is no row, no such column, or the statement may not be used, they
// read as NULL.

// Type is the storage class of a value.
//
// https://sqlite.org/datatype3.html#storage_classes_and_datatypes
type Type uint8

// The storage classes, with SQLite's numbers.
const (
	Integer Type = sqlite3.SQLITE_INTEGER
	Float   Type = sqlite3.SQLITE_FLOAT
	Text    Type = sqlite3.SQLITE_TEXT
	Blob    Type = sqlite3.SQLITE_BLOB
	Null    Type = sqlite3.SQLITE_NULL
)

// String returns the name that SQLite's typeof() has for the type, in upper case.
func (t Type) String() string {
	switch t {
	case Integer:
		return "INTEGER"
	case Float:
		return "REAL"
	case Text:
		return "TEXT"
	case Blob:
		return "BLOB"
	case Null:
		return "NULL"
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// ColumnType returns the type of the value in column i. Reading the column as another type may change it.
//
// https://sqlite.org/c3ref/column_blob.html
func (s *Stmt) ColumnType(i int) Type {
	if s.enter() != nil {
		return Null
	}
	t := Null
	if m := s.cell(i); m != nil {
		t = typeOf(m)
	}
	s.c.leave()
	return t
}

// ColumnInt64 returns column i as an integer, converted as by CAST if it is none.
//
// https://sqlite.org/c3ref/column_blob.html
func (s *Stmt) ColumnInt64(i int) int64 {
	if s.enter() != nil {
		return 0
	}
	v := s.intOf(i, s.cell(i))
	s.c.leave()
	return v
}

// ColumnFloat returns column i as a floating point number, converted as by CAST if it is none.
//
// https://sqlite.org/c3ref/column_blob.html
func (s *Stmt) ColumnFloat(i int) float64 {
	if s.enter() != nil {
		return 0
	}
	v := s.floatOf(i, s.cell(i))
	s.c.leave()
	return v
}

// ColumnText returns column i as text, "" for NULL. The bytes are those of the database, valid UTF-8 or not.
//
// https://sqlite.org/c3ref/column_blob.html
func (s *Stmt) ColumnText(i int) string {
	if s.enter() != nil {
		return ""
	}
	v := string(s.textOf(i, s.cell(i)))
	s.c.leave()
	return v
}

// ColumnBlob returns a copy of column i as a blob: nil for NULL, not nil for an empty blob. A text gives its
// bytes.
//
// https://sqlite.org/c3ref/column_blob.html
func (s *Stmt) ColumnBlob(i int) []byte {
	if s.enter() != nil {
		return nil
	}
	v := copyOf(s.rawOf(i, s.cell(i)))
	s.c.leave()
	return v
}

// ColumnBytes appends the bytes of column i to dst, which may be nil, and returns the extended slice. NULL has
// none.
//
// https://sqlite.org/c3ref/column_blob.html
func (s *Stmt) ColumnBytes(i int, dst []byte) []byte {
	if s.enter() != nil {
		return dst
	}
	dst = append(dst, s.rawOf(i, s.cell(i))...)
	s.c.leave()
	return dst
}

// ColumnRaw returns the bytes of column i in SQLite's own memory: nil for NULL, not nil for an empty value. They
// must not be changed, and are valid until the next Step, Reset or Finalize of the statement, or until the
// column is read as another type. After that the memory may be gone, and reading it may crash the program.
//
// https://sqlite.org/c3ref/column_blob.html
func (s *Stmt) ColumnRaw(i int) []byte {
	if s.enter() != nil {
		return nil
	}
	v := s.rawOf(i, s.cell(i))
	s.c.leave()
	return v
}

// ColumnValue returns column i as the Go type of its storage class: int64, float64, string, []byte (a copy, not
// nil) or nil.
//
// https://sqlite.org/c3ref/column_blob.html
func (s *Stmt) ColumnValue(i int) any {
	if s.enter() != nil {
		return nil
	}
	v := s.anyOf(i, s.cell(i))
	s.c.leave()
	return v
}
