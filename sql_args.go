package floe

import (
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/floedb/floe/engine"
)

// timeFormat is how a time is written: what SQLite's own date functions read, with the zone.
const timeFormat = "2006-01-02 15:04:05.999999999-07:00"

// checkArg makes an argument one of the kinds that every mode can send to its database: nil, int64, float64, string
// and []byte, which is never nil then. An [engine.Pointer] stays what it is, for a local database.
func checkArg(v *driver.NamedValue) (err error) {
	switch a := v.Value.(type) {
	case nil, int64, float64, string:
		return nil
	case []byte:
		if a == nil {
			v.Value = nil
		}
		return nil
	case int:
		v.Value = int64(a)
		return nil
	}
	v.Value, err = argOf(v.Value, maxIndirections)
	return err
}

// maxIndirections bounds how many pointers and Valuers are followed: a Valuer can return itself.
const maxIndirections = 16

func argOf(a any, depth int) (driver.Value, error) {
	switch a := a.(type) {
	case nil, int64, float64, string, engine.Pointer:
		return a, nil
	case []byte:
		return argOfBytes(a), nil
	case bool:
		return argOfBool(a), nil
	case time.Time:
		return argOfTime(a), nil
	case driver.Valuer:
		return argOfValuer(a, depth)
	}
	return argOfKind(reflect.ValueOf(a), depth)
}

func argOfBytes(b []byte) driver.Value {
	if b == nil {
		return nil
	}
	return b
}

func argOfBool(b bool) driver.Value {
	if b {
		return int64(1)
	}
	return int64(0)
}

// argOfTime writes a time with its zone, and in UTC where the zone's offset has seconds, which cannot be written.
func argOfTime(t time.Time) driver.Value {
	if _, offset := t.Zone(); offset%60 != 0 {
		t = t.UTC()
	}
	var buf [len(timeFormat) + 16]byte
	return string(t.AppendFormat(buf[:0], timeFormat))
}

var valuerType = reflect.TypeFor[driver.Valuer]()

// argOfValuer does not call Value through a nil pointer to a type that has the method: that is NULL.
func argOfValuer(a driver.Valuer, depth int) (driver.Value, error) {
	if depth == 0 {
		return nil, fmt.Errorf("%T: its Value is again and again a driver.Valuer or a pointer", a)
	}
	if p := reflect.ValueOf(a); p.Kind() == reflect.Pointer && p.IsNil() && p.Type().Elem().Implements(valuerType) {
		return nil, nil
	}
	worth, err := a.Value()
	if err != nil {
		return nil, err
	}
	return argOf(worth, depth-1)
}

// argOfKind is for pointers, the smaller numbers, and types that have one of the known ones under them.
func argOfKind(v reflect.Value, depth int) (driver.Value, error) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		if depth == 0 {
			return nil, fmt.Errorf("a %s points to pointers without an end", v.Type())
		}
		return argOf(v.Elem().Interface(), depth-1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return argOfUint(v.Uint())
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.Bool:
		return argOfBool(v.Bool()), nil
	case reflect.String:
		return v.String(), nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return argOfBytes(v.Bytes()), nil
		}
	}
	return nil, fmt.Errorf("unsupported type %s", v.Type())
}

func argOfUint(n uint64) (driver.Value, error) {
	if n > math.MaxInt64 {
		return nil, fmt.Errorf("%d is more than the largest INTEGER, %d", n, int64(math.MaxInt64))
	}
	return int64(n), nil
}
