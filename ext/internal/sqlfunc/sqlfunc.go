// Package sqlfunc has what the extensions share.
package sqlfunc

import "github.com/floedb/floe/engine"

// Pure are the flags of a function that depends on its arguments alone and has no side effects.
const Pure = engine.Deterministic | engine.Innocuous

// Scalar is a scalar function to register.
type Scalar struct {
	Name  string
	NArgs []int // the numbers of arguments that it takes; -1 for any
	Fn    engine.ScalarFunc
}

// Register creates the functions, each with flags.
func Register(c *engine.Conn, flags engine.FunctionFlags, functions []Scalar) error {
	for _, f := range functions {
		for _, n := range f.NArgs {
			if err := c.CreateFunction(f.Name, n, flags, f.Fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// Strict makes a function that is NULL when one of its arguments is.
func Strict(fn engine.ScalarFunc) engine.ScalarFunc {
	return func(ctx *engine.FuncContext, args []engine.Value) error {
		for _, arg := range args {
			if arg.IsNull() {
				return nil
			}
		}
		return fn(ctx, args)
	}
}

// MustRegisterExtension registers an extension from an init function. It panics if the name is taken, which only a
// program that has the same package twice can bring about.
func MustRegisterExtension(name string, register func(*engine.Conn) error) {
	if err := engine.RegisterExtension(name, register); err != nil {
		panic(err)
	}
}
