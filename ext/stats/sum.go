package stats

import "math"

// sum is a floating point number with twice the digits: hi is the nearest float64, and lo what is missing.
//
// See Dekker, A floating-point technique for extending the available precision, Numer. Math. 18 (1971).
type sum struct{ hi, lo float64 }

// twoSum returns a + b without an error.
func twoSum(a, b float64) sum {
	hi := a + b
	part := hi - a
	return sum{hi, (a - (hi - part)) + (b - part)}
}

// product returns a * b without an error. The conversion rounds: without it the multiplication may become one with an
// addition that follows it, as it does on arm64, and hi would not be the same number everywhere.
func product(a, b float64) sum {
	hi := float64(a * b)
	return sum{hi, math.FMA(a, b, -hi)}
}

func (s sum) plus(t sum) sum {
	hi, lo := twoSum(s.hi, t.hi), twoSum(s.lo, t.lo)
	hi = twoSum(hi.hi, hi.lo+lo.hi)
	return twoSum(hi.hi, hi.lo+lo.lo)
}

func (s sum) negative() sum { return sum{-s.hi, -s.lo} }

func (s sum) minus(t sum) sum { return s.plus(t.negative()) }

func (s sum) times(t sum) sum {
	p := product(s.hi, t.hi)
	return twoSum(p.hi, p.lo+s.hi*t.lo+s.lo*t.hi)
}

// over divides by a float64.
func (s sum) over(d float64) sum {
	q := s.hi / d
	rest := s.minus(product(q, d))
	return twoSum(q, rest.hi/d)
}

func (s sum) float() float64 { return s.hi + s.lo }

// limit is the largest value whose square can be summed up.
const limit = 1e150

func fits(x float64) bool { return math.Abs(x) <= limit }
