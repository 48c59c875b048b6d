package floe

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqltext"
)

// statements gives the statements of a text the arguments of a call, by the rules of a local database: arguments by
// position go to the statements one after the other, those with a name to every parameter of that name.
func (t *sqlText) statements(args []driver.NamedValue) ([]hrana.Stmt, error) {
	if len(t.stmts) == 1 && plainArgs(&t.stmts[0], args) {
		values, err := hranaValues(args)
		return []hrana.Stmt{{SQL: t.stmts[0].SQL, Args: values}}, err
	}
	d := argDealer{args: args, used: make([]bool, len(args))}
	list := make([]hrana.Stmt, len(t.stmts))
	for i := range t.stmts {
		var err error
		if list[i], err = d.deal(&t.stmts[i]); err != nil {
			return nil, numbered(err, i, len(t.stmts))
		}
	}
	return list, d.allUsed()
}

// plainArgs tells whether nothing has a name, and there is one argument for each parameter.
func plainArgs(st *sqltext.Statement, args []driver.NamedValue) bool {
	if len(args) != len(st.Params) {
		return false
	}
	for i := range args {
		if args[i].Name != "" || st.Params[i] != "" {
			return false
		}
	}
	return true
}

func hranaValues(args []driver.NamedValue) ([]hrana.Value, error) {
	if len(args) == 0 {
		return nil, nil
	}
	values := make([]hrana.Value, len(args))
	for i := range args {
		var err error
		if values[i], err = hranaValue(args[i].Value); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// hranaValue takes what checkArg lets through.
func hranaValue(v driver.Value) (hrana.Value, error) {
	switch v := v.(type) {
	case nil:
		return hrana.Null(), nil
	case int64:
		return hrana.Integer(v), nil
	case float64:
		return hrana.Float(v), nil
	case string:
		return hrana.Text(v), nil
	case []byte:
		return hrana.Blob(v), nil
	case bool:
		if v {
			return hrana.Integer(1), nil
		}
		return hrana.Integer(0), nil
	case time.Time:
		return hrana.Text(v.Format("2006-01-02 15:04:05.999999999-07:00")), nil
	}
	return hrana.Value{}, argError(engine.Mismatch, fmt.Sprintf("a %T cannot be sent to a server", v))
}

// argDealer deals out the arguments of a call.
type argDealer struct {
	args []driver.NamedValue
	next int    // the first argument by position that no statement had yet
	used []bool // by argument: those with a name, which every statement may have
}

// deal gives a statement its arguments.
func (d *argDealer) deal(st *sqltext.Statement) (hrana.Stmt, error) {
	values := make([]hrana.Value, len(st.Params))
	bound := make([]bool, len(st.Params))
	if err := d.dealNamed(st, values, bound); err != nil {
		return hrana.Stmt{}, err
	}
	if err := d.dealRest(st, values, bound); err != nil {
		return hrana.Stmt{}, err
	}
	return withArgs(st, values), nil
}

func (d *argDealer) dealNamed(st *sqltext.Statement, values []hrana.Value, bound []bool) (err error) {
	for i, a := range d.args {
		if a.Name == "" {
			continue
		}
		for p, name := range st.Params {
			if !isNamed(name, a.Name) {
				continue
			}
			if bound[p] {
				return argError(engine.Range, fmt.Sprintf("two arguments for parameter %s", name))
			}
			if values[p], err = hranaValue(a.Value); err != nil {
				return err
			}
			bound[p], d.used[i] = true, true
		}
	}
	return nil
}

// isNamed tells whether a parameter is meant by a name, which goes without the prefix.
func isNamed(param, name string) bool {
	return param != "" && strings.IndexByte(":@$", param[0]) >= 0 && param[1:] == name
}

func (d *argDealer) dealRest(st *sqltext.Statement, values []hrana.Value, bound []bool) (err error) {
	for p := range values {
		if bound[p] {
			continue
		}
		i := d.nextByPosition()
		if i < 0 {
			return missingArg(p, st.Params[p])
		}
		if values[p], err = hranaValue(d.args[i].Value); err != nil {
			return err
		}
	}
	return nil
}

func (d *argDealer) nextByPosition() int {
	for d.next < len(d.args) {
		i := d.next
		d.next++
		if d.args[i].Name == "" {
			d.used[i] = true
			return i
		}
	}
	return -1
}

func missingArg(p int, name string) error {
	if name == "" {
		return argError(engine.Range, fmt.Sprintf("no argument for parameter %d", p+1))
	}
	return argError(engine.Range, fmt.Sprintf("no argument for parameter %d, %s", p+1, name))
}

// allUsed tells about an argument that no statement had a parameter for.
func (d *argDealer) allUsed() error {
	i := slices.Index(d.used, false)
	switch {
	case i < 0:
		return nil
	case d.args[i].Name != "":
		return argError(engine.Range, fmt.Sprintf("no parameter named %q", d.args[i].Name))
	}
	return argError(engine.Range, fmt.Sprintf("%d arguments are more than there are parameters for", len(d.args)))
}

// argError is the error of arguments that do not fit their statement, as a local database gives it.
func argError(code engine.ResultCode, msg string) error {
	return &engine.Error{Code: code, Extended: code, Msg: msg, Op: "bind", Offset: -1}
}

// withArgs makes the statement to send. libSQL's server takes a parameter with a name by its name alone, and refuses a
// statement with arguments of both kinds: where there are both, all parameters become numbers.
func withArgs(st *sqltext.Statement, values []hrana.Value) hrana.Stmt {
	names := 0
	for _, name := range st.Params {
		if name != "" && name[0] != '?' {
			names++
		}
	}
	switch {
	case names == 0:
		return hrana.Stmt{SQL: st.SQL, Args: values}
	case names < len(values):
		return hrana.Stmt{SQL: st.Numbered(), Args: values}
	}
	named := make([]hrana.NamedArg, len(values))
	for i, v := range values {
		named[i] = hrana.NamedArg{Name: st.Params[i], Value: v}
	}
	return hrana.Stmt{SQL: st.SQL, NamedArgs: named}
}
