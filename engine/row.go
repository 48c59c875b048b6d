package engine

import (
	"unsafe"

	sqlite3 "modernc.org/sqlite/lib"
)

// The functions sqlite3_column_* each look for the row, the column and its form anew, and see to an allocation that
// failed, which is about as much work as the step that made the row. The usual forms of a value are therefore read
// where SQLite itself keeps them: the row that a statement stands on is an array of sqlite3_value. What has to be
// converted goes through sqlite3_column_*.

// sizeofValue is the distance between the columns of a row, in bytes.
const sizeofValue = unsafe.Sizeof(sqlite3.TMem{})

// How a value is held: Mem.flags of SQLite.
const (
	heldNull    = sqlite3.MEM_Null
	heldText    = sqlite3.MEM_Str // with blob: a text that was read as a blob
	heldInt     = sqlite3.MEM_Int
	heldFloat   = sqlite3.MEM_Real
	heldBlob    = sqlite3.MEM_Blob
	heldInteger = sqlite3.MEM_IntReal // a REAL whose value is kept as an integer
	heldZeros   = sqlite3.MEM_Zero    // a blob whose tail of zeros does not exist yet
)

// cell returns the value in column i of the row, nil if there is no row or no such column.
func (s *Stmt) cell(i int) *sqlite3.TMem {
	v := (*sqlite3.TVdbe)(pointer(s.ptr))
	if v.FpResultRow == 0 || uint(i) >= uint(v.FnResColumn) {
		return nil
	}
	return (*sqlite3.TMem)(pointer(v.FpResultRow + uintptr(i)*sizeofValue))
}

// typeOf returns the storage class of a value. It may be held in several forms at once, after it was converted.
func typeOf(m *sqlite3.TMem) Type { return typesOfForms[m.Fflags&sqlite3.MEM_AffMask] }

// typesOfForms is what the library makes of each combination of forms. The function only looks at the forms.
var typesOfForms = func() (types [sqlite3.MEM_AffMask + 1]Type) {
	for forms := range types {
		formProbe.Fflags = uint16(forms)
		types[forms] = Type(sqlite3.Xsqlite3_value_type(nil, uintptr(unsafe.Pointer(&formProbe))))
	}
	return types
}()

var formProbe sqlite3.TMem

func intIn(m *sqlite3.TMem) int64     { return *(*int64)(unsafe.Pointer(&m.Fu)) }
func floatIn(m *sqlite3.TMem) float64 { return *(*float64)(unsafe.Pointer(&m.Fu)) }

// isPlainText reports whether m is a text whose bytes can be read as they are. SQLite would also put a NUL behind
// them, and copy them for that if need be.
func isPlainText(m *sqlite3.TMem) bool {
	return m.Fflags&(heldText|heldNull|heldZeros) == heldText && m.Fenc == sqlite3.SQLITE_UTF8
}

// isPlainBlob reports whether m is a blob that exists to its end.
func isPlainBlob(m *sqlite3.TMem) bool {
	const others = heldNull | heldText | heldInt | heldFloat | heldInteger | heldZeros
	return m.Fflags&(heldBlob|others) == heldBlob
}

// bytesIn returns the bytes of a plain text or blob in SQLite's memory.
func bytesIn(m *sqlite3.TMem) []byte {
	if m.Fn <= 0 {
		return []byte{}
	}
	return bytesAt(m.Fz, int(m.Fn))
}

// intOf returns column i, in which m is, as an integer.
func (s *Stmt) intOf(i int, m *sqlite3.TMem) int64 {
	if m == nil || m.Fflags&heldNull != 0 {
		return 0
	}
	if m.Fflags&(heldInt|heldInteger) != 0 {
		return intIn(m)
	}
	return sqlite3.Xsqlite3_column_int64(s.c.tls, s.ptr, int32(i))
}

// floatOf returns column i, in which m is, as a floating point number.
func (s *Stmt) floatOf(i int, m *sqlite3.TMem) float64 {
	if m == nil || m.Fflags&heldNull != 0 {
		return 0
	}
	if m.Fflags&heldFloat != 0 {
		return floatIn(m)
	}
	return sqlite3.Xsqlite3_column_double(s.c.tls, s.ptr, int32(i))
}

// textOf returns the text of column i, in which m is, without a copy. It asks for the text before its length: the
// conversion to UTF-8 may change the latter.
func (s *Stmt) textOf(i int, m *sqlite3.TMem) []byte {
	if m == nil || m.Fflags&heldNull != 0 {
		return nil
	}
	if isPlainText(m) {
		return bytesIn(m)
	}
	return s.bytesOf(i, sqlite3.Xsqlite3_column_text(s.c.tls, s.ptr, int32(i)))
}

// rawOf returns the bytes of column i, in which m is, without a copy: nil for NULL. A blob is never read as text: that
// would write a NUL behind it, and copy it for that. All else is: as a blob, text in a UTF-16 database would be UTF-16.
func (s *Stmt) rawOf(i int, m *sqlite3.TMem) []byte {
	switch {
	case m == nil || m.Fflags&heldNull != 0:
		return nil
	case isPlainBlob(m):
		return bytesIn(m)
	case typeOf(m) == Blob:
		return s.bytesOf(i, sqlite3.Xsqlite3_column_blob(s.c.tls, s.ptr, int32(i)))
	}
	return s.textOf(i, m)
}

// bytesOf returns the bytes at p, which sqlite3_column_* gave for column i.
func (s *Stmt) bytesOf(i int, p uintptr) []byte {
	n := sqlite3.Xsqlite3_column_bytes(s.c.tls, s.ptr, int32(i))
	if p == 0 || n == 0 {
		return []byte{}
	}
	return bytesAt(p, int(n))
}

// anyOf returns column i, in which m is, as the Go type of its storage class.
func (s *Stmt) anyOf(i int, m *sqlite3.TMem) any {
	if m == nil {
		return nil
	}
	switch typeOf(m) {
	case Integer:
		return s.intOf(i, m)
	case Float:
		return s.floatOf(i, m)
	case Text:
		return string(s.textOf(i, m))
	case Blob:
		return copyOf(s.rawOf(i, m))
	}
	return nil
}

// copyOf keeps the difference between nil and empty.
func copyOf(raw []byte) []byte {
	if raw == nil {
		return nil
	}
	return append(make([]byte, 0, len(raw)), raw...)
}
