package stats

import (
	"math"

	"github.com/floedb/floe/engine"
)

func pairFunctions() []function {
	pair := func(name string, of func(*pairs) float64) function {
		return function{name, 2, func() engine.Window { return &pairs{of: of} }}
	}
	return []function{
		pair("covar_samp", func(p *pairs) float64 { return p.sxy() / (float64(p.n) - 1) }),
		pair("covar_pop", func(p *pairs) float64 { return p.sxy() / float64(p.n) }),
		pair("corr", (*pairs).corr),
		pair("regr_slope", (*pairs).slope),
		pair("regr_intercept", (*pairs).intercept),
		pair("regr_r2", (*pairs).r2),
		pair("regr_avgx", (*pairs).avgx),
		pair("regr_avgy", (*pairs).avgy),
		pair("regr_sxx", (*pairs).sxx),
		pair("regr_syy", (*pairs).syy),
		pair("regr_sxy", (*pairs).sxy),
		{"regr_count", 2, func() engine.Window { return &pairs{} }},
	}
}

// pairs sums up pairs of values and their products. Without a function it is their number.
type pairs struct {
	of func(*pairs) float64

	n, outside       int // pairs, and those among them that cannot be summed up
	x, y, xx, yy, xy sum
}

// Step adds a pair.
func (p *pairs) Step(_ *engine.FuncContext, args []engine.Value) error { return p.take(args, 1) }

// Inverse takes a pair back.
func (p *pairs) Inverse(_ *engine.FuncContext, args []engine.Value) error { return p.take(args, -1) }

// take counts the pair of y and x sign times.
func (p *pairs) take(args []engine.Value, sign int) error {
	y, ok, err := number(args[0])
	if err != nil || !ok {
		return err
	}
	x, ok, err := number(args[1])
	if err != nil || !ok {
		return err
	}
	p.n += sign
	if !fits(x) || !fits(y) {
		p.outside += sign
		return nil
	}
	s := float64(sign)
	p.x, p.y = p.x.plus(sum{hi: s * x}), p.y.plus(sum{hi: s * y})
	p.xx, p.yy, p.xy = p.xx.plus(product(s*x, x)), p.yy.plus(product(s*y, y)), p.xy.plus(product(s*x, y))
	return nil
}

// Value sets what the function makes of the sums.
func (p *pairs) Value(ctx *engine.FuncContext) error {
	if p.of == nil {
		ctx.ResultInt64(int64(p.n))
		return nil
	}
	if p.n == 0 || p.outside > 0 {
		return nil
	}
	if v := p.of(p); !math.IsInf(v, 0) {
		ctx.ResultFloat(v) // NaN is NULL
	}
	return nil
}

func (p *pairs) avgx() float64 { return p.x.over(float64(p.n)).float() }
func (p *pairs) avgy() float64 { return p.y.over(float64(p.n)).float() }
func (p *pairs) sxx() float64  { return max(spread(p.xx, p.x, p.x, p.n), 0) }
func (p *pairs) syy() float64  { return max(spread(p.yy, p.y, p.y, p.n), 0) }
func (p *pairs) sxy() float64  { return spread(p.xy, p.x, p.y, p.n) }

func (p *pairs) slope() float64     { return p.sxy() / p.sxx() }
func (p *pairs) intercept() float64 { return p.avgy() - p.slope()*p.avgx() }

// corr is between -1 and 1, whatever the rounding.
func (p *pairs) corr() float64 {
	r := p.sxy() / (math.Sqrt(p.sxx()) * math.Sqrt(p.syy()))
	return max(-1, min(1, r))
}

// r2 is 1 for points on a horizontal line, as the SQL standard has it.
func (p *pairs) r2() float64 {
	if p.sxx() > 0 && p.syy() == 0 {
		return 1
	}
	r := p.corr()
	return r * r
}
