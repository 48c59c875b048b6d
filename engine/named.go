package engine

import (
	"database/sql/driver"
	"fmt"
	"reflect"
	"strings"
)

// NamedArg is an argument for the parameter with a name; see [Named].
//
// https://sqlite.org/lang_expr.html#varparam
type NamedArg struct {
	Name  string
	Value any
}

// Named makes an argument for the parameter with that name, to be used among the args of [Conn.Exec], [Conn.Query] and
// their like. With its prefix, as in ":id", "@id", "$id" or "?3", the name is that of one parameter. Without it, as in
// "id", it stands for :id, @id and $id, as many of them as there are.
//
// https://sqlite.org/lang_expr.html#varparam
func Named(name string, value any) NamedArg { return NamedArg{Name: name, Value: value} }

// BindAll binds args to all parameters of the statement. Arguments made with [Named] go to the parameters of that
// name; the others fill, in their order, the parameters that no named one has, from the lowest index up. So "?" and
// "?1" are reached by position, ":a", "@a" and "$a" in both ways.
//
// Each parameter needs one argument, and each argument a parameter: otherwise the error is an [*Error] with [Range]
// that tells which one is missing or too much. A text whose largest parameter is ?5 has five of them.
//
// The values are bound as by [Stmt.Bind]. Beyond its types an argument may be a [driver.Valuer], whose Value is bound.
// After an error some of the parameters may have been bound.
//
// https://sqlite.org/lang_expr.html#varparam
func (s *Stmt) BindAll(args ...any) error { return s.bindAll(args) }

func (s *Stmt) bindAll(args []any) error {
	n := s.BindCount()
	for _, arg := range args {
		if _, ok := arg.(NamedArg); ok {
			return s.bindMixed(args, n)
		}
	}
	for i, arg := range args[:min(n, len(args))] {
		if err := s.bindArg(i+1, arg); err != nil {
			return err
		}
	}
	switch {
	case len(args) > n:
		return s.argError(fmt.Sprintf("%d arguments for %d parameters", len(args), n))
	case len(args) < n:
		return s.argError(s.missing(len(args) + 1))
	}
	return s.usable()
}

// bindMixed binds args of which some are named to the n parameters.
func (s *Stmt) bindMixed(args []any, n int) error {
	bound := make([]bool, n+1)
	for _, arg := range args {
		if named, ok := arg.(NamedArg); ok {
			if err := s.bindNamed(named, bound); err != nil {
				return err
			}
		}
	}
	next := 1
	for _, arg := range args {
		if _, ok := arg.(NamedArg); ok {
			continue
		}
		for next <= n && bound[next] {
			next++
		}
		if next > n {
			return s.argError(fmt.Sprintf("%d arguments are more than there are parameters for", len(args)))
		}
		if err := s.bindArg(next, arg); err != nil {
			return err
		}
		bound[next] = true
	}
	for i := 1; i <= n; i++ {
		if !bound[i] {
			return s.argError(s.missing(i))
		}
	}
	return nil
}

// prefixes are what the name of a parameter can begin with, but for the '?' of a number.
const prefixes = ":@$"

func (s *Stmt) bindNamed(arg NamedArg, bound []bool) error {
	if arg.Name != "" && strings.IndexByte(prefixes+"?", arg.Name[0]) >= 0 {
		return s.bindName(arg, arg.Name, bound, true)
	}
	before := count(bound)
	for i := range len(prefixes) {
		if err := s.bindName(arg, prefixes[i:i+1]+arg.Name, bound, false); err != nil {
			return err
		}
	}
	if count(bound) == before {
		return s.unknown(arg.Name)
	}
	return nil
}

// bindName binds an argument to the parameter with exactly that name. There may be none, if it is not required.
func (s *Stmt) bindName(arg NamedArg, name string, bound []bool, required bool) error {
	i := s.BindIndex(name)
	switch {
	case i == 0 && required:
		return s.unknown(name)
	case i == 0 || i >= len(bound):
		return nil
	case bound[i]:
		return s.argError(fmt.Sprintf("two arguments for parameter %s", name))
	}
	if err := s.bindArg(i, arg.Value); err != nil {
		return err
	}
	bound[i] = true
	return nil
}

func count(bound []bool) (n int) {
	for _, is := range bound {
		if is {
			n++
		}
	}
	return n
}

func (s *Stmt) unknown(name string) error {
	if err := s.usable(); err != nil {
		return err
	}
	return s.argError(fmt.Sprintf("no parameter named %q", name))
}

// missing says that parameter i has no argument.
func (s *Stmt) missing(i int) string {
	if name := s.BindName(i); name != "" {
		return fmt.Sprintf("no argument for parameter %d, %s", i, name)
	}
	return fmt.Sprintf("no argument for parameter %d", i)
}

// argError is the error for arguments that do not fit, unless the statement cannot be used at all: it seems to have no
// parameters then.
func (s *Stmt) argError(msg string) error {
	if err := s.usable(); err != nil {
		return err
	}
	return newError("bind", s.SQL(), Range, msg)
}

// usable returns the error that any call on s would get now.
func (s *Stmt) usable() error {
	if err := s.enter(); err != nil {
		return err
	}
	s.c.leave()
	return nil
}

// bindArg binds a value as Bind does, or what it is worth.
func (s *Stmt) bindArg(i int, v any) error {
	switch v := v.(type) {
	case nil, int64, int, string, []byte, float64, bool:
		return s.Bind(i, v)
	case driver.Valuer:
		worth, err := valueOf(v)
		if err != nil {
			e := newError("bind", s.SQL(), Mismatch, fmt.Sprintf("parameter %d: value of a %T", i, v))
			e.cause = err
			return e
		}
		return s.Bind(i, worth)
	}
	return s.Bind(i, v)
}

// valueOf calls Value, but not through a nil pointer to a type that has the method: that is NULL, as in database/sql.
func valueOf(v driver.Valuer) (any, error) {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && p.IsNil() && p.Type().Elem().Implements(valuerType) {
		return nil, nil
	}
	return v.Value()
}

var valuerType = reflect.TypeFor[driver.Valuer]()
