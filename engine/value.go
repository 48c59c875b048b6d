package engine

import (
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Value is a value that SQLite lends to a callback. It is gone when the callback returns and must not be used after
// that; what its methods return belongs to the callback, but for [Value.Raw].
//
// https://sqlite.org/c3ref/value.html
type Value struct {
	tls *libc.TLS
	ptr uintptr // sqlite3_value*
}

// Type returns the storage class of the value.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) Type() Type {
	if v.ptr == 0 {
		return Null
	}
	return Type(sqlite3.Xsqlite3_value_type(v.tls, v.ptr))
}

// IsNull reports whether the value is NULL.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) IsNull() bool { return v.Type() == Null }

// Int64 returns the value as an integer, converted as by CAST if it is none.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) Int64() int64 {
	if v.ptr == 0 {
		return 0
	}
	return sqlite3.Xsqlite3_value_int64(v.tls, v.ptr)
}

// Bool reports whether the value is an integer other than 0, converted as by CAST if it is none.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) Bool() bool { return v.Int64() != 0 }

// Float returns the value as a floating point number, converted as by CAST if it is none.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) Float() float64 {
	if v.ptr == 0 {
		return 0
	}
	return sqlite3.Xsqlite3_value_double(v.tls, v.ptr)
}

// Text returns the value as text, "" for NULL. The bytes are those of the database, valid UTF-8 or not.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) Text() string {
	if v.ptr == 0 {
		return ""
	}
	// The text comes before its length: the conversion to UTF-8 may change the latter.
	p := sqlite3.Xsqlite3_value_text(v.tls, v.ptr)
	if p == 0 {
		return ""
	}
	return string(bytesAt(p, int(sqlite3.Xsqlite3_value_bytes(v.tls, v.ptr))))
}

// Blob returns a copy of the value's bytes: nil for NULL, not nil for an empty value. A text gives its bytes.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) Blob() []byte {
	raw := v.Raw()
	if raw == nil {
		return nil
	}
	return append(make([]byte, 0, len(raw)), raw...)
}

// Raw returns the value's bytes in SQLite's own memory: nil for NULL, not nil for an empty value. They must not be
// changed, and are gone when the callback returns or the value is read as another type.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) Raw() []byte {
	var p uintptr
	switch v.Type() {
	case Null:
		return nil
	case Blob:
		p = sqlite3.Xsqlite3_value_blob(v.tls, v.ptr)
	default:
		// As a blob, text of a UTF-16 database would be UTF-16.
		p = sqlite3.Xsqlite3_value_text(v.tls, v.ptr)
	}
	n := int(sqlite3.Xsqlite3_value_bytes(v.tls, v.ptr))
	if p == 0 || n == 0 {
		return []byte{}
	}
	return bytesAt(p, n)
}

// Any returns the value as the Go type of its storage class: int64, float64, string, []byte (a copy, not nil) or nil.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) Any() any {
	switch v.Type() {
	case Integer:
		return v.Int64()
	case Float:
		return v.Float()
	case Text:
		return v.Text()
	case Blob:
		return v.Blob()
	}
	return nil
}

// NumericType returns the storage class that the value has after an attempt to make a number of it: a text that looks
// like one is one, for good.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) NumericType() Type {
	if v.ptr == 0 {
		return Null
	}
	return Type(sqlite3.Xsqlite3_value_numeric_type(v.tls, v.ptr))
}

// Subtype returns what the function that made the value put on it with [FuncContext.ResultSubtype], 0 if nothing. The
// function that asks needs the flag [Subtype].
//
// https://sqlite.org/c3ref/value_subtype.html
func (v Value) Subtype() uint {
	if v.ptr == 0 {
		return 0
	}
	return uint(sqlite3.Xsqlite3_value_subtype(v.tls, v.ptr))
}

// FromBind reports whether the value was bound to a parameter.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) FromBind() bool {
	return v.ptr != 0 && sqlite3.Xsqlite3_value_frombind(v.tls, v.ptr) != 0
}

// NoChange reports whether the value is that of a column which an UPDATE of a virtual table leaves as it is.
//
// https://sqlite.org/c3ref/value_blob.html
func (v Value) NoChange() bool {
	return v.ptr != 0 && sqlite3.Xsqlite3_value_nochange(v.tls, v.ptr) != 0
}
