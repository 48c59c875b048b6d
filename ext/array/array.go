// Package array has the elements of a Go slice as a table:
//
//	SELECT * FROM users WHERE id IN (SELECT value FROM array(?))
//
// with engine.Pointer{Value: []int64{7, 11, 13}} as the argument. One statement serves lists of any length, nothing is
// made into text, and there is no limit to the number of elements as there is with parameters.
//
// A list is a slice, an array or a pointer to an array, of integers, floating point numbers, strings, bools, []byte,
// time.Time or any of these in an any, or of types that are based on them. Their SQL values are those that
// [engine.FuncContext.Result] gives; an element of another type is an error. Slices are not copied: they must not be
// changed while the statement reads them. What is not a list is an error, NULL included, and text of any kind: only Go
// code can give a list.
//
// Importing the package registers the extension "array".
//
// https://sqlite.org/carray.html
package array

import (
	"fmt"
	"reflect"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/sqlfunc"
)

func init() { sqlfunc.MustRegisterExtension("array", Register) }

// Register adds array to a connection.
func Register(c *engine.Conn) error {
	return c.CreateModule("array", engine.Module[table]{
		Kind:  engine.EponymousOnlyModule,
		Flags: engine.ModuleInnocuous,
		Connect: func(*engine.TableArgs) (table, string, error) {
			return table{}, "CREATE TABLE x(value, list HIDDEN)", nil
		},
	})
}

// columnList is the argument.
const columnList = 1

type table struct{}

// BestIndex implements engine.Table. The plan says whether there is an argument.
func (table) BestIndex(info *engine.IndexInfo) error {
	info.Plan = false
	for i := range info.Constraints {
		con := &info.Constraints[i]
		if con.Column != columnList || con.Op != engine.IndexEQ {
			continue
		}
		if !con.Usable {
			return engine.ErrNoPlan
		}
		con.ArgvIndex, con.Omit = 1, true
		info.Plan = true
		info.EstimatedCost, info.EstimatedRows = 100, 100
		return nil
	}
	return nil
}

// Open implements engine.Table.
func (table) Open() (engine.Cursor, error) { return &cursor{}, nil }

type cursor struct {
	list list
	i    int
}

// Filter implements engine.Cursor.
func (cu *cursor) Filter(plan any, args []engine.Value) (err error) {
	if plan == false {
		return fmt.Errorf("array: the argument is missing")
	}
	cu.i = 0
	cu.list, err = listOf(args[0].Pointer())
	return err
}

// Next implements engine.Cursor.
func (cu *cursor) Next() error {
	cu.i++
	return nil
}

// EOF implements engine.Cursor.
func (cu *cursor) EOF() bool { return cu.i >= cu.list.length }

// RowID is the address of the element, so that no two elements of two lists have the same.
func (cu *cursor) RowID() (int64, error) {
	return int64(cu.list.address) + int64(cu.i)*int64(cu.list.size), nil
}

// Column implements engine.Cursor. The list cannot be seen from SQL.
func (cu *cursor) Column(ctx *engine.FuncContext, i int) error {
	if i == columnList {
		return nil
	}
	return cu.list.result(ctx, cu.i)
}

// list is a slice of some type.
type list struct {
	length  int
	address uintptr // of the first element
	size    uintptr // of an element
	result  func(ctx *engine.FuncContext, i int) error
}

func listOf(v any) (list, error) {
	if v == nil {
		return list{}, fmt.Errorf("array: the argument is not an engine.Pointer with a list")
	}
	r, err := sliceOf(v)
	if err != nil {
		return list{}, err
	}
	return list{length: r.Len(), address: r.Pointer(), size: r.Type().Elem().Size(), result: results(r)}, nil
}

// sliceOf returns v as a slice.
func sliceOf(v any) (reflect.Value, error) {
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.Slice:
		return r, nil
	case r.Kind() == reflect.Pointer && r.Type().Elem().Kind() == reflect.Array && !r.IsNil():
		return r.Elem().Slice(0, r.Elem().Len()), nil
	case r.Kind() == reflect.Array:
		p := reflect.New(r.Type())
		p.Elem().Set(r)
		return p.Elem().Slice(0, r.Len()), nil
	}
	return r, fmt.Errorf("array: a value of type %T is not a list", v)
}

// results returns what makes a result of an element.
func results(r reflect.Value) func(*engine.FuncContext, int) error {
	elem := r.Type().Elem()
	switch kind := elem.Kind(); {
	case kind >= reflect.Int && kind <= reflect.Int64:
		return func(ctx *engine.FuncContext, i int) error {
			ctx.ResultInt64(r.Index(i).Int())
			return nil
		}
	case kind == reflect.Float64, kind == reflect.Float32:
		return func(ctx *engine.FuncContext, i int) error {
			ctx.ResultFloat(r.Index(i).Float())
			return nil
		}
	case kind == reflect.String:
		return func(ctx *engine.FuncContext, i int) error {
			ctx.ResultText(r.Index(i).String())
			return nil
		}
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		return func(ctx *engine.FuncContext, i int) error { return ctx.Result(r.Index(i).Uint()) }
	case kind == reflect.Bool:
		return func(ctx *engine.FuncContext, i int) error {
			ctx.ResultBool(r.Index(i).Bool())
			return nil
		}
	case kind == reflect.Slice && elem.Elem().Kind() == reflect.Uint8:
		return func(ctx *engine.FuncContext, i int) error { return ctx.Result(r.Index(i).Bytes()) }
	}
	return func(ctx *engine.FuncContext, i int) error { return ctx.Result(r.Index(i).Interface()) }
}
