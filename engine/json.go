package engine

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// JSONValue is a Go value that goes into SQL, or comes out of it, as JSON. [JSON] makes one. It also is a
// [driver.Valuer] and a [database/sql.Scanner].
//
// https://sqlite.org/json1.html
type JSONValue struct{ v any }

var _ driver.Valuer = (*JSONValue)(nil)

// JSON makes v an argument that is bound as the text that [encoding/json] makes of it, and a pointer v a destination of
// [Stmt.Scan] that is decoded from such a text:
//
//	err = conn.Exec(ctx, "INSERT INTO t VALUES (?)", engine.JSON(order))
//	err = row.Scan(&id, engine.JSON(&order))
//
// A nil v is the JSON null and not NULL. Around the parameter, jsonb(?) stores SQLite's binary form, which is smaller and
// faster to search; json(column) makes it text again, and has to stand around such a column where it is read.
//
// https://sqlite.org/json1.html
//
//go:noinline
func JSON(v any) *JSONValue {
	// Inlined, it would leave v on the stack of a caller of Stmt.Scan, which hides from the compiler what it does with
	// its destinations: see onStack. Here v goes to the heap, where encoding/json and methods of v may keep it.
	return &JSONValue{v}
}

// Value returns the JSON text, NULL for a nil JSONValue.
func (j *JSONValue) Value() (driver.Value, error) {
	if j == nil {
		return nil, nil
	}
	text, err := json.Marshal(j.v)
	if err != nil {
		return nil, err
	}
	return string(text), nil
}

// Scan decodes a value from SQL into the variable that was given to [JSON], which is set to its zero value before. NULL
// leaves it there; a number is that number in JSON.
func (j *JSONValue) Scan(src any) error {
	if j == nil {
		return errors.New("JSON destination is nil")
	}
	p := reflect.ValueOf(j.v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("JSON destination is no pointer but %T", j.v)
	}
	p.Elem().SetZero()
	switch src := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(src), j.v)
	case []byte:
		if !json.Valid(src) {
			return errors.New("BLOB is no JSON text; if it is JSONB, json() makes it one")
		}
		return json.Unmarshal(src, j.v)
	}
	text, err := json.Marshal(src)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, j.v)
}
