package stats

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/floedb/floe/engine"
)

func percentileFunctions() []function {
	list := []function{
		{"percentile", 2, func() engine.Window { return &percentile{scale: 100} }},
		{"percentile_cont", 2, func() engine.Window { return &percentile{scale: 1} }},
		{"percentile_disc", 2, func() engine.Window { return &percentile{scale: 1, discrete: true} }},
		{"median", 1, func() engine.Window { return &percentile{p: 0.5, known: true} }},
	}
	for _, n := range []int{25, 75, 90, 95, 99} {
		p := float64(n) / 100
		list = append(list, function{fmt.Sprint("percentile_", n), 1,
			func() engine.Window { return &percentile{p: p, known: true} }})
	}
	return list
}

// percentile keeps the values of its frame: those in order, and those that came since they were last put in order.
type percentile struct {
	scale    float64 // what the argument P is for all values
	discrete bool

	p      float64 // 0 to 1
	known  bool
	sorted []float64
	recent []float64
}

var errPercentileChanges = errors.New("the percentile is not the same in all rows")

// Step adds a value.
func (f *percentile) Step(_ *engine.FuncContext, args []engine.Value) error {
	if err := f.learn(args); err != nil {
		return err
	}
	x, ok, err := number(args[0])
	if err == nil && ok {
		f.recent = append(f.recent, x)
	}
	return err
}

// learn takes P from the arguments.
func (f *percentile) learn(args []engine.Value) error {
	if len(args) < 2 {
		return nil
	}
	p, ok, err := number(args[1])
	switch {
	case err != nil:
		return fmt.Errorf("percentile: %w", err)
	case !ok || !(p >= 0 && p <= f.scale):
		return fmt.Errorf("percentile %s is not between 0 and %v", args[1].Text(), f.scale)
	case f.known && p/f.scale != f.p:
		return errPercentileChanges
	}
	f.p, f.known = p/f.scale, true
	return nil
}

// Inverse takes a value back.
func (f *percentile) Inverse(_ *engine.FuncContext, args []engine.Value) error {
	x, ok, err := number(args[0])
	if err != nil || !ok {
		return err
	}
	f.order()
	if i, found := slices.BinarySearch(f.sorted, x); found {
		f.sorted = slices.Delete(f.sorted, i, i+1)
	}
	return nil
}

// fewRecent is up to how many values are put into place one by one, as in a frame that moves by a row or two.
const fewRecent = 8

func (f *percentile) order() {
	if len(f.recent) > fewRecent {
		f.sorted = append(f.sorted, f.recent...)
		slices.Sort(f.sorted)
	} else {
		for _, x := range f.recent {
			i, _ := slices.BinarySearch(f.sorted, x)
			f.sorted = slices.Insert(f.sorted, i, x)
		}
	}
	f.recent = f.recent[:0]
}

// Value sets the percentile.
func (f *percentile) Value(ctx *engine.FuncContext) error {
	f.order()
	n := len(f.sorted)
	switch {
	case n == 0:
	case f.discrete:
		ctx.ResultFloat(f.sorted[max(int(math.Ceil(f.p*float64(n)))-1, 0)])
	default:
		ctx.ResultFloat(f.interpolate(f.p * float64(n-1)))
	}
	return nil
}

// interpolate returns the value at a place between two values.
func (f *percentile) interpolate(at float64) float64 {
	i := int(at)
	low, part := f.sorted[i], at-float64(i)
	if part == 0 || i+1 == len(f.sorted) || f.sorted[i+1] == low {
		return low
	}
	return low*(1-part) + f.sorted[i+1]*part
}
