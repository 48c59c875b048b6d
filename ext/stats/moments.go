package stats

import (
	"math"

	"github.com/floedb/floe/engine"
)

func momentFunctions() []function {
	moment := func(name string, samp, root bool) function {
		return function{name, 1, func() engine.Window { return &moments{samp: samp, root: root} }}
	}
	return []function{
		moment("var_samp", true, false), moment("variance", true, false), moment("var_pop", false, false),
		moment("stddev_samp", true, true), moment("stddev", true, true), moment("stddev_pop", false, true),
	}
}

// moments sums up values and their squares.
type moments struct {
	samp, root bool

	n, outside int // values, and those among them that cannot be summed up
	x, xx      sum
}

// Step adds a value.
func (m *moments) Step(_ *engine.FuncContext, args []engine.Value) error {
	x, ok, err := number(args[0])
	if err == nil && ok {
		m.add(x, 1)
	}
	return err
}

// Inverse takes a value back.
func (m *moments) Inverse(_ *engine.FuncContext, args []engine.Value) error {
	x, ok, err := number(args[0])
	if err == nil && ok {
		m.add(x, -1)
	}
	return err
}

// add counts x sign times.
func (m *moments) add(x float64, sign int) {
	m.n += sign
	if !fits(x) {
		m.outside += sign
		return
	}
	m.x = m.x.plus(sum{hi: float64(sign) * x})
	m.xx = m.xx.plus(product(float64(sign)*x, x))
}

// Value sets the variance or its root.
func (m *moments) Value(ctx *engine.FuncContext) error {
	n := m.n
	if m.samp {
		n--
	}
	if n <= 0 || m.outside > 0 {
		return nil
	}
	v := max(spread(m.xx, m.x, m.x, m.n)/float64(n), 0)
	if m.root {
		v = math.Sqrt(v)
	}
	ctx.ResultFloat(v)
	return nil
}

// spread returns the sum of (x - mean(x)) * (y - mean(y)) for n pairs.
func spread(xy, x, y sum, n int) float64 { return xy.minus(x.times(y).over(float64(n))).float() }
