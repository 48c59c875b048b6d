// Package series has the numbers from one to another as a table:
//
//	SELECT value FROM generate_series(start, stop, step)
//
// are the integers start, start+step, start+2*step and so on, up to stop or down to it. It is the function that SQLite's
// shell has.
//
// stop is 4294967295 if it is missing, and step 1; a step of 0 is one of 1. start can only be left out if a condition
// on value has a lower bound, which stands in for it: "FROM generate_series WHERE value BETWEEN 10 AND 20". If any argument
// is NULL there are no rows. The arguments are taken as integers, as by CAST; the columns start, stop and step, which
// SELECT * leaves out, show them.
//
// Conditions on value, its order, and LIMIT and OFFSET do not cost the rows that they leave out, so that a series over
// all integers is no problem: the sums do not overflow, and a series ends with the largest or smallest integer. The rowid
// is the value.
//
// A condition on value takes a text that looks like a number as one. Any other text is more than all numbers, as it is
// elsewhere in SQL.
//
// Importing the package registers the extension "series".
//
// https://sqlite.org/series.html
package series

import (
	"errors"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/sqlfunc"
)

func init() { sqlfunc.MustRegisterExtension("series", Register) }

// Register adds generate_series to a connection.
func Register(c *engine.Conn) error {
	return c.CreateModule("generate_series", engine.Module[table]{
		Kind:  engine.EponymousOnlyModule,
		Flags: engine.ModuleInnocuous,
		Connect: func(*engine.TableArgs) (table, string, error) {
			return table{}, "CREATE TABLE x(value, start HIDDEN, stop HIDDEN, step HIDDEN)", nil
		},
	})
}

var errNoStart = errors.New(`first argument to "generate_series()" missing or unusable`)

// The columns.
const (
	columnValue = iota
	columnStart
	columnStop
	columnStep
)

type table struct{}

func (table) Open() (engine.Cursor, error) { return &cursor{}, nil }

// plan is what the arguments of Filter are, a letter for each, and the order of the rows.
type plan struct {
	args  string
	order order
}

// The letters of a plan's arguments.
const (
	argStart  = 'a'
	argStop   = 'b'
	argStep   = 'c'
	argEQ     = '='
	argGE     = 'g'
	argGT     = '>'
	argLE     = 'l'
	argLT     = '<'
	argLimit  = 'L'
	argOffset = 'O'
)

// order is how the rows are to come.
type order byte

const (
	asGiven order = iota
	ascending
	descending
)

// planner is what BestIndex finds out.
type planner struct {
	info               *engine.IndexInfo
	args               []byte
	seen               map[byte]bool
	limit, offset      int // the constraints, -1 for none
	startSeen, partial bool
	unusable           bool
}

// BestIndex implements engine.Table.
func (table) BestIndex(info *engine.IndexInfo) error {
	p := &planner{info: info, seen: make(map[byte]bool), limit: -1, offset: -1}
	for i := range info.Constraints {
		p.constraint(i)
	}
	if !p.startSeen {
		return errNoStart
	}
	if p.unusable {
		return engine.ErrNoPlan
	}
	p.useLimit()
	info.Plan = plan{args: string(p.args), order: p.order()}
	info.Explain = string(p.args)
	p.estimate()
	return nil
}

func (p *planner) use(i int, arg byte) {
	p.args = append(p.args, arg)
	p.seen[arg] = true
	p.info.Constraints[i].ArgvIndex = len(p.args)
	p.info.Constraints[i].Omit = true
}

func (p *planner) constraint(i int) {
	con := &p.info.Constraints[i]
	switch {
	case con.Op == engine.IndexLimit:
		p.limit = i
	case con.Op == engine.IndexOffset:
		p.offset = i
	case con.Column >= columnStart:
		p.argument(i, con)
	default:
		p.bound(i, con)
	}
}

// argument takes one of the three. Of two values for the same one, the second is left to SQLite to compare.
func (p *planner) argument(i int, con *engine.IndexConstraint) {
	arg := byte(argStart + con.Column - columnStart)
	if con.Op != engine.IndexEQ {
		p.partial = true
		return
	}
	p.startSeen = p.startSeen || arg == argStart
	switch {
	case !con.Usable:
		p.unusable = p.unusable || !p.seen[arg]
	case p.seen[arg]:
		p.partial = true
	default:
		p.use(i, arg)
	}
}

var bounds = map[engine.IndexOp]byte{engine.IndexEQ: argEQ, engine.IndexIs: argEQ, engine.IndexGE: argGE,
	engine.IndexGT: argGT, engine.IndexLE: argLE, engine.IndexLT: argLT}

// bound takes a condition on the value.
func (p *planner) bound(i int, con *engine.IndexConstraint) {
	arg := bounds[con.Op]
	if arg == 0 || !con.Usable {
		p.partial = true
		return
	}
	p.startSeen = p.startSeen || arg == argEQ || arg == argGE || arg == argGT
	p.use(i, arg)
}

// useLimit leaves the rows out that SQLite would skip, if there is no condition that it has still to look at.
func (p *planner) useLimit() {
	if p.partial || p.limit < 0 || !p.usable(p.limit) || p.offset >= 0 && !p.usable(p.offset) {
		return
	}
	if len(p.info.OrderBy) > 0 && p.order() == asGiven {
		return
	}
	p.use(p.limit, argLimit)
	if p.offset >= 0 {
		p.use(p.offset, argOffset)
	}
}

func (p *planner) usable(i int) bool { return p.info.Constraints[i].Usable }

// order is what SQLite wants, where it is an order of the values: as they are all different, nothing else matters.
func (p *planner) order() order {
	if len(p.info.OrderBy) == 0 || p.info.OrderBy[0].Column > columnValue {
		return asGiven
	}
	p.info.OrderByConsumed = true
	if p.info.OrderBy[0].Desc {
		return descending
	}
	return ascending
}

// estimate makes a series without an end so dear that any other plan is better.
func (p *planner) estimate() {
	switch {
	case p.seen[argEQ]:
		p.info.EstimatedCost, p.info.EstimatedRows, p.info.Unique = 1, 1, true
	case p.seen[argStart] && p.seen[argStop]:
		p.info.EstimatedCost, p.info.EstimatedRows = 2, 1000
		if p.seen[argStep] {
			p.info.EstimatedCost = 1
		}
	case p.seen[argLimit]:
		p.info.EstimatedRows = 2500
	default:
		p.info.EstimatedRows = 1<<31 - 1
	}
}
