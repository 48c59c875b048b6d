package hrana

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unsafe"
)

// Kind is the storage class of a [Value]: https://sqlite.org/datatype3.html
type Kind uint8

// The storage classes of SQLite.
const (
	KindNull Kind = iota
	KindInteger
	KindFloat
	KindText
	KindBlob
)

var kindNames = [...]string{"null", "integer", "float", "text", "blob"}

// String gives the name that the protocol has for the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Value is one SQL value. The zero value is NULL.
//
// Values are compared with [Value.Equal], not with ==. A Value that came out of a decoder owns its memory.
type Value struct {
	_    [0]func() // not comparable
	data *byte     // of a text or blob; nil for an empty one
	num  uint64    // of an integer its bits, of a float its IEEE 754 bits, of a text or blob its length
	kind Kind
}

// Null is the SQL NULL.
func Null() Value { return Value{} }

// Integer is a 64-bit signed integer.
func Integer(i int64) Value { return Value{kind: KindInteger, num: uint64(i)} }

// Float is a 64-bit float. A NaN is NULL, as SQLite has no NaN: https://sqlite.org/floatingpoint.html
//
// An infinity reaches the server only in the encoding [Protobuf]: a number of JSON has no infinity, so in [JSON] it
// is an error that wraps [ErrNotEncodable].
func Float(f float64) Value {
	if math.IsNaN(f) {
		return Value{}
	}
	return lostInfinity(f)
}

// lostInfinity is a float that may be NaN: what is left of an infinity that a server wrote as JSON.
func lostInfinity(f float64) Value { return Value{kind: KindFloat, num: math.Float64bits(f)} }

// Text is a string, which must be UTF-8 and may hold NUL.
func Text(s string) Value {
	if s == "" {
		return Value{kind: KindText}
	}
	return Value{kind: KindText, data: unsafe.StringData(s), num: uint64(len(s))}
}

// Blob is a byte string. It keeps b, which must not change while the Value is in use. A nil b is the empty blob.
func Blob(b []byte) Value {
	if len(b) == 0 {
		return Value{kind: KindBlob}
	}
	return Value{kind: KindBlob, data: unsafe.SliceData(b), num: uint64(len(b))}
}

// Kind gives the storage class.
func (v Value) Kind() Kind { return v.kind }

// IsNull tells whether the value is NULL.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Int64 gives an integer, and 0 for every other kind.
func (v Value) Int64() int64 {
	if v.kind != KindInteger {
		return 0
	}
	return int64(v.num)
}

// Float64 gives a float, and 0 for every other kind.
//
// It is NaN only for an infinity that came in the encoding [JSON]: the server writes both infinities as null there,
// and which one it was is lost. In [Protobuf] infinities arrive as they are.
func (v Value) Float64() float64 {
	if v.kind != KindFloat {
		return 0
	}
	return math.Float64frombits(v.num)
}

// Text gives a text, and "" for every other kind.
func (v Value) Text() string {
	if v.kind != KindText {
		return ""
	}
	return unsafe.String(v.data, int(v.num))
}

// Blob gives a blob, not a copy of it, and nil for every other kind. An empty blob can be nil: see [Value.Kind].
func (v Value) Blob() []byte {
	if v.kind != KindBlob {
		return nil
	}
	return unsafe.Slice(v.data, int(v.num))
}

// Any gives the value as nil, int64, float64, string or []byte, which are the types of database/sql/driver. An empty
// blob is not nil.
func (v Value) Any() any {
	switch v.kind {
	case KindInteger:
		return int64(v.num)
	case KindFloat:
		return math.Float64frombits(v.num)
	case KindText:
		return v.Text()
	case KindBlob:
		if b := v.Blob(); b != nil {
			return b
		}
		return []byte{}
	}
	return nil
}

// Equal tells whether two values are of one kind and hold the same: floats by their bits, so that a NaN is itself.
func (v Value) Equal(w Value) bool {
	return v.kind == w.kind && v.num == w.num && v.Text() == w.Text() && bytes.Equal(v.Blob(), w.Blob())
}

// String describes the value for messages: a text is quoted and a blob is given as x'HEX'.
func (v Value) String() string {
	switch v.kind {
	case KindInteger:
		return strconv.FormatInt(int64(v.num), 10)
	case KindFloat:
		return strconv.FormatFloat(v.Float64(), 'g', -1, 64)
	case KindText:
		return strconv.Quote(v.Text())
	case KindBlob:
		return fmt.Sprintf("x'%x'", v.Blob())
	}
	return "NULL"
}
