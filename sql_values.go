package floe

import (
	"database/sql"
	"database/sql/driver"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/box"
)

// columnKind says what the declared type of a column makes of some of its values.
type columnKind uint8

const (
	columnPlain columnKind = iota // nothing: a value is what its storage class says
	columnBool                    // INTEGER 0 and 1 are false and true
	columnTime                    // TEXT and INTEGER are times
)

// columnKindOf looks at the first word of a declared type: DATETIME(6) and "timestamp with time zone" are times too.
func columnKindOf(declared string) columnKind {
	switch strings.ToUpper(firstWord(declared)) {
	case "BOOLEAN", "BOOL":
		return columnBool
	case "DATE", "DATETIME", "TIMESTAMP":
		return columnTime
	}
	return columnPlain
}

func firstWord(declared string) string {
	declared = strings.TrimLeft(declared, " \t\n\r")
	if i := strings.IndexAny(declared, " \t\n\r("); i >= 0 {
		return declared[:i]
	}
	return declared
}

// valueMaker makes the values of rows. One goroutine at a time uses it.
type valueMaker struct {
	ints   box.Batch[int64]
	floats box.Batch[float64]
	texts  box.Batch[string]
	blobs  box.Batch[[]byte]
	times  box.Batch[time.Time]
}

// maxBatched is the length in bytes up to which a text or blob may be kept alive by another value of its rows.
const maxBatched = 256

// ofInt makes the value of an INTEGER. loc is the zone of times, nil for UTC.
func (m *valueMaker) ofInt(k columnKind, v int64, loc *time.Location) driver.Value {
	switch {
	case k == columnPlain:
		return m.ints.Any(v)
	case k == columnTime:
		return m.ofTime(unixTime(v), loc)
	case v == 0 || v == 1:
		return v == 1
	}
	return m.ints.Any(v)
}

func (m *valueMaker) ofTime(t time.Time, loc *time.Location) driver.Value {
	if loc != nil {
		t = t.In(loc)
	}
	return m.times.Any(t)
}

func (m *valueMaker) ofFloat(v float64) driver.Value { return m.floats.Any(v) }

// ofText makes the value of a TEXT. One that is no time stays what it is.
func (m *valueMaker) ofText(k columnKind, v string, loc *time.Location) driver.Value {
	if k == columnTime {
		if t, ok := parseTime(v); ok {
			return m.ofTime(t, loc)
		}
	}
	return m.ofString(v)
}

// ofRawText is ofText for bytes that belong to another.
func (m *valueMaker) ofRawText(k columnKind, v []byte, loc *time.Location) driver.Value {
	if k == columnTime {
		if t, ok := parseTime(v); ok {
			return m.ofTime(t, loc)
		}
	}
	return m.ofString(string(v))
}

func (m *valueMaker) ofString(v string) driver.Value {
	if len(v) > maxBatched {
		return v
	}
	return m.texts.Any(v)
}

// ofBlob makes the value of a BLOB, which is not nil.
func (m *valueMaker) ofBlob(v []byte) driver.Value {
	if len(v) > maxBatched {
		return v
	}
	return m.blobs.Any(v)
}

// maxUnixSeconds is the largest number, and the negative one the least, that are seconds since 1970 and not
// milliseconds. It is a time in the year 33658 in the one, and 2001 in the other.
const maxUnixSeconds = 1e12

func unixTime(v int64) time.Time {
	if v > maxUnixSeconds || v < -maxUnixSeconds {
		return time.UnixMilli(v).UTC()
	}
	return time.Unix(v, 0).UTC()
}

// shape is what the rows of a statement look like, with what is needed to read them one after the other.
type shape struct {
	names []string
	columnTypes
	kinds []columnKind
	valueMaker

	compiled int               // of a local statement: how often SQLite had compiled it anew
	raw      []engine.RawValue // of a local statement: the row being read
}

func newShape(columns int) *shape {
	return &shape{
		names: make([]string, columns), columnTypes: make(columnTypes, columns), kinds: make([]columnKind, columns),
	}
}

// set says what column i is.
func (s *shape) set(i int, name, declared string) {
	s.names[i], s.columnTypes[i], s.kinds[i] = name, declared, columnKindOf(declared)
}

// columnTypes are the declared types of the columns of a result, "" for an expression. Rows of every mode have it
// inside, for what database/sql tells about columns. There is no precision and scale: DECIMAL(10, 2) is a number to
// SQLite as any other, and GORM makes a table anew where its model has the same two written otherwise.
type columnTypes []string

// ColumnTypeDatabaseTypeName implements [driver.RowsColumnTypeDatabaseTypeName]: the declared type in upper case,
// without a length.
func (c columnTypes) ColumnTypeDatabaseTypeName(i int) string {
	name, rest, ok := strings.Cut(c[i], "(")
	if _, behind, closed := strings.Cut(rest, ")"); ok && closed {
		name = strings.TrimRight(name, " ") + behind
	}
	return strings.ToUpper(strings.TrimSpace(name))
}

// ColumnTypeScanType implements [driver.RowsColumnTypeScanType].
func (c columnTypes) ColumnTypeScanType(i int) reflect.Type { return scanTypeOf(c[i]) }

// ColumnTypeNullable implements [driver.RowsColumnTypeNullable]: every column of a result can be NULL, as an outer join
// makes those of a table NULL that cannot be there.
func (c columnTypes) ColumnTypeNullable(int) (nullable, ok bool) { return true, true }

// ColumnTypeLength implements [driver.RowsColumnTypeLength]: the N of VARCHAR(N), which SQLite does not enforce. It says
// nothing of a type without one: GORM would take the largest number for another length than that of its model, and
// make the table anew each time that a program starts.
func (c columnTypes) ColumnTypeLength(i int) (length int64, ok bool) {
	if t := scanTypeOf(c[i]); t != typeString && t != typeBytes {
		return 0, false
	}
	return lengthOf(c[i])
}

// lengthOf returns the number in the parentheses of a declared type.
func lengthOf(declared string) (length int64, ok bool) {
	_, number, _ := strings.Cut(declared, "(")
	number, _, closed := strings.Cut(number, ")")
	length, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	return length, err == nil && closed
}

var (
	typeInt    = reflect.TypeFor[sql.NullInt64]()
	typeFloat  = reflect.TypeFor[sql.NullFloat64]()
	typeString = reflect.TypeFor[sql.NullString]()
	typeBytes  = reflect.TypeFor[[]byte]()
	typeBool   = reflect.TypeFor[sql.NullBool]()
	typeTime   = reflect.TypeFor[sql.NullTime]()
	typeAny    = reflect.TypeFor[any]()
)

// scanTypeOf follows SQLite's rules of affinity, see https://sqlite.org/datatype3.html#affinity_name_examples. Numbers
// that may be INTEGER or REAL, and expressions, are an any.
func scanTypeOf(declared string) reflect.Type {
	switch columnKindOf(declared) {
	case columnBool:
		return typeBool
	case columnTime:
		return typeTime
	}
	declared = strings.ToUpper(declared)
	has := func(part string) bool { return strings.Contains(declared, part) }
	switch {
	case has("INT"):
		return typeInt
	case has("CHAR") || has("CLOB") || has("TEXT"):
		return typeString
	case has("BLOB"):
		return typeBytes
	case has("REAL") || has("FLOA") || has("DOUB"):
		return typeFloat
	}
	return typeAny
}
