package engine

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"unsafe"

	sqlite3 "modernc.org/sqlite/lib"
)

// RawBytes is a destination for [Stmt.Scan] that borrows SQLite's own memory, as [Stmt.ColumnRaw] does.
//
// https://sqlite.org/c3ref/column_blob.html
type RawBytes []byte

// RawValue is a destination for [Stmt.Scan] that takes a value as it is, NULL included, and without a copy. It is for
// code that does not know what the columns hold.
//
// https://sqlite.org/c3ref/column_blob.html
type RawValue struct {
	Type  Type
	Int   int64    // of an INTEGER, otherwise 0
	Float float64  // of a REAL, otherwise 0
	Bytes RawBytes // of a TEXT or BLOB, otherwise nil
}

// Scan reads the row that the statement stands on, column by column, into the variables that dest points to. There
// must be as many as the row has columns. It is faster than to read the columns one by one, and allocates nothing but
// the strings, slices and pointers that it returns.
//
// A value goes in where it fits without loss:
//
//   - *int64, *int and the other integer types: INTEGER, and a REAL that is a whole number
//   - *float64, *float32: REAL and INTEGER, rounded to the nearest number of the type
//   - *bool: INTEGER, true unless it is 0
//   - *string: TEXT; INTEGER, REAL and BLOB as by CAST
//   - *[]byte: a copy of a BLOB or TEXT, not nil; INTEGER and REAL as by CAST
//   - *[RawBytes]: the same without the copy: it is valid until the next Step, Reset or Finalize
//   - *[RawValue]: every value
//   - *any: int64, float64, string, []byte or nil, as by [Stmt.ColumnValue]
//   - a pointer to a pointer, such as **int64: nil for NULL, otherwise a new variable with the value
//   - a pointer to a type whose underlying type is one of these
//   - [JSON] of a pointer: what the JSON text means
//   - nil: the column is left out
//
// NULL sets a pointer, a slice and an any to nil. For other destinations, and for a value of a type that does not
// go in, the error is an [*Error] with [Mismatch], and for a number that is too large with [Range]; it says which
// column that was. A wrong number of destinations is [Misuse], and so is a statement without a row. After an error
// the destinations of the columns before hold their values.
//
// https://sqlite.org/c3ref/column_blob.html
func (s *Stmt) Scan(dest ...any) error {
	if err := s.enter(); err != nil {
		return err
	}
	err := s.scanRow(dest)
	s.c.leave()
	return err
}

func (s *Stmt) scanRow(dest []any) error {
	p, err := s.rowFor(len(dest))
	if err != nil {
		return err
	}
	for i, d := range dest {
		if err := s.scanInto(d, i, (*sqlite3.TMem)(pointer(p))); err != nil {
			return s.scanError(i, err)
		}
		p += sizeofValue
	}
	return nil
}

// scanInto reads column i, in which m is. The usual types come first, with the form that the value usually has.
func (s *Stmt) scanInto(dest any, i int, m *sqlite3.TMem) error {
	if isNilPointer(dest) {
		return fmt.Errorf("%s is nil", typeName(dest))
	}
	switch d := dest.(type) {
	case *int64:
		if m.Fflags&(heldInt|heldNull) == heldInt {
			*d = intIn(m)
			return nil
		}
		return assign(d, m, exactInt)
	case *string:
		if m.Fflags&heldNull != 0 {
			return errNull
		}
		*d = string(s.textOf(i, m))
		return nil
	case *float64:
		return assign(d, m, number)
	case *int:
		return assignInt(d, m, math.MinInt, math.MaxInt)
	case *[]byte:
		*d = copyOf(s.rawOf(i, m))
		return nil
	case *RawBytes:
		*d = s.rawOf(i, m)
		return nil
	case *RawValue:
		s.rawValueOf(d, i, m)
		return nil
	case *any:
		*d = s.anyOf(i, m)
		return nil
	case *bool:
		return assign(d, m, truth)
	case nil:
		return nil
	}
	return s.scanSized(dest, i, m)
}

// ScanRaw reads the row that the statement stands on into dest, which must have as many elements as the row has
// columns: it is [Stmt.Scan] with a *[RawValue] for each of them, in less time. The error is that of a wrong number of
// destinations, or of a statement without a row: [Misuse].
//
// https://sqlite.org/c3ref/column_blob.html
func (s *Stmt) ScanRaw(dest []RawValue) error {
	if err := s.enter(); err != nil {
		return err
	}
	err := s.scanRaw(dest)
	s.c.leave()
	return err
}

func (s *Stmt) scanRaw(dest []RawValue) error {
	p, err := s.rowFor(len(dest))
	if err != nil {
		return err
	}
	for i := range dest {
		s.rawValueOf(&dest[i], i, (*sqlite3.TMem)(pointer(p)))
		p += sizeofValue
	}
	return nil
}

// rowFor returns where the row is, if it has n columns.
func (s *Stmt) rowFor(n int) (uintptr, error) {
	v := (*sqlite3.TVdbe)(pointer(s.ptr))
	if v.FpResultRow == 0 {
		return 0, newError("scan", s.sql, Misuse, "the statement has no row")
	}
	if columns := int(v.FnResColumn); columns != n {
		return 0, newError("scan", s.sql, Misuse, fmt.Sprintf("%d destinations for %d columns", n, columns))
	}
	return v.FpResultRow, nil
}

func (s *Stmt) rawValueOf(d *RawValue, i int, m *sqlite3.TMem) {
	*d = RawValue{Type: typeOf(m)}
	switch d.Type {
	case Integer:
		d.Int = intIn(m)
	case Float:
		d.Float = s.floatOf(i, m)
	case Text, Blob:
		d.Bytes = s.rawOf(i, m)
	}
}

func (s *Stmt) scanSized(dest any, i int, m *sqlite3.TMem) error {
	switch d := dest.(type) {
	case *int8:
		return assignInt(d, m, math.MinInt8, math.MaxInt8)
	case *int16:
		return assignInt(d, m, math.MinInt16, math.MaxInt16)
	case *int32:
		return assignInt(d, m, math.MinInt32, math.MaxInt32)
	case *uint8:
		return assignInt(d, m, 0, math.MaxUint8)
	case *uint16:
		return assignInt(d, m, 0, math.MaxUint16)
	case *uint32:
		return assignInt(d, m, 0, math.MaxUint32)
	case *uint:
		return assignInt(d, m, 0, min(math.MaxUint, math.MaxInt64))
	case *uint64:
		return assignInt(d, m, 0, math.MaxInt64)
	case *float32:
		v, err := number(m)
		if err == nil {
			*d = float32(v)
		}
		return err
	}
	return s.scanReflected(onStack(dest), i, m)
}

// onStack returns v without the compiler's knowledge that it does: it would take the variables that a caller of Scan
// points to for ones that reflection keeps, and allocate each of them for each row. Reflection keeps none.
func onStack(v any) any {
	p := uintptr(unsafe.Pointer(&v))
	return *(*any)(pointer(p))
}

// isNilPointer reports whether v is a pointer to nothing. It is not for an any without a type.
func isNilPointer(v any) bool {
	words := (*[2]uintptr)(unsafe.Pointer(&v))
	return words[0] != 0 && words[1] == 0
}

func typeName(v any) string { return reflect.TypeOf(onStack(v)).String() }

// scanReflected is for pointers to pointers and to named types.
func (s *Stmt) scanReflected(dest any, i int, m *sqlite3.TMem) error {
	if j, ok := dest.(*JSONValue); ok {
		return s.scanJSON(j, i, m)
	}
	v := reflect.ValueOf(dest)
	if v.Kind() != reflect.Pointer {
		return fmt.Errorf("%s is no pointer", v.Type())
	}
	target := v.Elem()
	if target.Kind() == reflect.Pointer {
		return s.scanPointer(target, i, m)
	}
	plain, ok := plainTypes[target.Kind()]
	if target.Kind() == reflect.Slice && v.CanConvert(bytesPointerType) {
		plain, ok = bytesType, true
	}
	if !ok || target.Type() == plain {
		return fmt.Errorf("unsupported destination %s", v.Type())
	}
	return s.scanInto(v.Convert(reflect.PointerTo(plain)).Interface(), i, m)
}

// scanJSON runs methods of the caller's types: a panic in one must not leave the connection entered.
func (s *Stmt) scanJSON(j *JSONValue, i int, m *sqlite3.TMem) error {
	returned := false
	defer func() {
		if !returned {
			s.c.leave()
		}
	}()
	err := j.Scan(s.anyOf(i, m))
	returned = true
	return err
}

func (s *Stmt) scanPointer(target reflect.Value, i int, m *sqlite3.TMem) error {
	if m.Fflags&heldNull != 0 {
		target.SetZero()
		return nil
	}
	v := reflect.New(target.Type().Elem())
	if err := s.scanInto(v.Interface(), i, m); err != nil {
		return err
	}
	target.Set(v)
	return nil
}

var (
	bytesType        = reflect.TypeFor[[]byte]()
	bytesPointerType = reflect.TypeFor[*[]byte]()
)

// plainTypes are the types that scanInto knows without reflection.
var plainTypes = map[reflect.Kind]reflect.Type{
	reflect.Bool:    reflect.TypeFor[bool](),
	reflect.Int:     reflect.TypeFor[int](),
	reflect.Int8:    reflect.TypeFor[int8](),
	reflect.Int16:   reflect.TypeFor[int16](),
	reflect.Int32:   reflect.TypeFor[int32](),
	reflect.Int64:   reflect.TypeFor[int64](),
	reflect.Uint:    reflect.TypeFor[uint](),
	reflect.Uint8:   reflect.TypeFor[uint8](),
	reflect.Uint16:  reflect.TypeFor[uint16](),
	reflect.Uint32:  reflect.TypeFor[uint32](),
	reflect.Uint64:  reflect.TypeFor[uint64](),
	reflect.Float32: reflect.TypeFor[float32](),
	reflect.Float64: reflect.TypeFor[float64](),
	reflect.String:  reflect.TypeFor[string](),
}

// Why a value does not go into a destination.
var (
	errNull     = errors.New("NULL needs a pointer, a slice or an any")
	errNotWhole = errors.New("REAL is no whole number")
	errTooLarge = errors.New("the number is too large")
)

type notNumber struct{ t Type }

func (e notNumber) Error() string { return e.t.String() + " is no number" }

func (s *Stmt) scanError(i int, err error) error {
	code := Mismatch
	if err == errTooLarge {
		code = Range
	}
	e := newError("scan", s.sql, code, fmt.Sprintf("column %d: %v", i, err))
	e.cause = err
	return e
}

func assign[T any](d *T, m *sqlite3.TMem, read func(*sqlite3.TMem) (T, error)) error {
	v, err := read(m)
	if err == nil {
		*d = v
	}
	return err
}

func assignInt[T int | int8 | int16 | int32 | uint | uint8 | uint16 | uint32 | uint64](
	d *T, m *sqlite3.TMem, least, most int64,
) error {
	v, err := exactInt(m)
	if err != nil {
		return err
	}
	if v < least || v > most {
		return errTooLarge
	}
	*d = T(v)
	return nil
}

// exactInt returns a number that is an integer.
func exactInt(m *sqlite3.TMem) (int64, error) {
	switch t := typeOf(m); t {
	case Integer:
		return intIn(m), nil
	case Float:
		return wholeOf(m)
	case Null:
		return 0, errNull
	default:
		return 0, notNumber{t}
	}
}

func wholeOf(m *sqlite3.TMem) (int64, error) {
	if m.Fflags&heldFloat == 0 {
		return intIn(m), nil
	}
	v := floatIn(m)
	if v != math.Trunc(v) {
		return 0, errNotWhole
	}
	// The largest int64 has no float64 of its own: 1<<63 is the first that is too large.
	if v < math.MinInt64 || v >= 1<<63 {
		return 0, errTooLarge
	}
	return int64(v), nil
}

func number(m *sqlite3.TMem) (float64, error) {
	switch t := typeOf(m); t {
	case Float:
		if m.Fflags&heldFloat != 0 {
			return floatIn(m), nil
		}
		return float64(intIn(m)), nil
	case Integer:
		return float64(intIn(m)), nil
	case Null:
		return 0, errNull
	default:
		return 0, notNumber{t}
	}
}

func truth(m *sqlite3.TMem) (bool, error) {
	switch t := typeOf(m); t {
	case Integer:
		return intIn(m) != 0, nil
	case Null:
		return false, errNull
	default:
		return false, fmt.Errorf("%v is no truth value", t)
	}
}
