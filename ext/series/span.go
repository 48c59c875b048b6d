package series

import (
	"math"

	"github.com/floedb/floe/engine"
)

// span is the integers from low to high.
type span struct{ low, high int64 }

// narrow applies a condition on the value, and reports whether there is anything left.
func (r *span) narrow(arg byte, v engine.Value) bool {
	switch v.NumericType() {
	case engine.Integer:
		return r.narrowInt(arg, v.Int64())
	case engine.Float:
		return r.narrowFloat(arg, v.Float())
	}
	return arg == argLT || arg == argLE // a text is more than all numbers
}

func (r *span) narrowInt(arg byte, v int64) bool {
	switch arg {
	case argGT:
		if v == math.MaxInt64 {
			return false
		}
		v++
	case argLT:
		if v == math.MinInt64 {
			return false
		}
		v--
	}
	if arg == argEQ || arg == argGE || arg == argGT {
		r.low = max(r.low, v)
	}
	if arg == argEQ || arg == argLE || arg == argLT {
		r.high = min(r.high, v)
	}
	return r.low <= r.high
}

// narrowFloat makes a condition with a fraction one with an integer.
func (r *span) narrowFloat(arg byte, v float64) bool {
	const beyond = 1 << 63 // the smallest number above all integers
	switch {
	case v >= beyond:
		return arg == argLT || arg == argLE
	case v < -beyond:
		return arg == argGT || arg == argGE
	case v == math.Trunc(v):
		return r.narrowInt(arg, int64(v))
	case arg == argEQ:
		return false
	case arg == argGE || arg == argGT:
		return r.narrowInt(argGE, int64(math.Ceil(v)))
	}
	return r.narrowInt(argLE, int64(math.Floor(v)))
}
