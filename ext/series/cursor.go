package series

import (
	"math"
	"strings"

	"github.com/floedb/floe/engine"
)

// defaultStop is where a series ends that is not told.
const defaultStop = math.MaxUint32

// cursor goes through one series.
type cursor struct {
	start, stop, step int64 // as they were given
	series            series
	done              bool
}

// Filter implements engine.Cursor.
func (cu *cursor) Filter(p any, args []engine.Value) error {
	cu.done = !cu.begin(p.(plan), args)
	return nil
}

// begin goes to the first row and reports whether there is one.
func (cu *cursor) begin(p plan, args []engine.Value) bool {
	cu.start, cu.stop, cu.step = 0, defaultStop, 1
	cu.openEnds(p)
	r := span{math.MinInt64, math.MaxInt64}
	limit, offset := int64(-1), int64(0)
	for i, v := range args {
		if v.IsNull() {
			return false
		}
		switch arg := p.args[i]; arg {
		case argStart:
			cu.start = v.Int64()
		case argStop:
			cu.stop = v.Int64()
		case argStep:
			cu.step = v.Int64()
		case argLimit:
			limit = v.Int64()
		case argOffset:
			offset = v.Int64()
		default:
			if !r.narrow(arg, v) {
				return false
			}
		}
	}
	if cu.step == 0 {
		cu.step = 1
	}
	return cu.series.make(cu.start, cu.stop, cu.step) && cu.series.clip(r) && cu.series.arrange(p.order) &&
		cu.series.skip(offset) && cu.series.take(limit)
}

// openEnds lets bounds of the value stand in for a start or a stop that is missing.
func (cu *cursor) openEnds(p plan) {
	has := func(args string) bool { return strings.ContainsAny(p.args, args) }
	if !has(string(argStart)+string(argStep)) && has(string(argEQ)+string(argGE)+string(argGT)) {
		cu.start = math.MinInt64
	}
	if !has(string(argStop)+string(argStep)) && has(string(argEQ)+string(argLE)+string(argLT)) {
		cu.stop = math.MaxInt64
	}
}

// Next implements engine.Cursor.
func (cu *cursor) Next() error {
	cu.done = !cu.series.next()
	return nil
}

// EOF implements engine.Cursor.
func (cu *cursor) EOF() bool { return cu.done }

// RowID is the value.
func (cu *cursor) RowID() (int64, error) { return cu.series.value, nil }

// Column implements engine.Cursor.
func (cu *cursor) Column(ctx *engine.FuncContext, i int) error {
	switch i {
	case columnStart:
		ctx.ResultInt64(cu.start)
	case columnStop:
		ctx.ResultInt64(cu.stop)
	case columnStep:
		ctx.ResultInt64(cu.step)
	default:
		ctx.ResultInt64(cu.series.value)
	}
	return nil
}

// series is what is left of a series: a value, and how many there are behind it. The sums are made without a sign, where
// they wrap around instead of overflowing: no difference of two integers is more than that holds.
type series struct {
	value int64
	more  uint64
	step  uint64
	down  bool
}

// make begins a series. Like those below, it reports whether there is anything in it.
func (s *series) make(start, stop, step int64) bool {
	*s = series{value: start, step: uint64(step), down: step < 0}
	if s.down {
		s.step = -s.step
	}
	if stop != start && stop < start != s.down {
		return false
	}
	s.more = s.distance(stop) / s.step
	return true
}

// distance is how far it is to v, which has to lie ahead.
func (s *series) distance(v int64) uint64 {
	if s.down {
		return uint64(s.value) - uint64(v)
	}
	return uint64(v) - uint64(s.value)
}

// at returns the value that comes n steps later.
func (s *series) at(n uint64) int64 {
	if s.down {
		return int64(uint64(s.value) - n*s.step)
	}
	return int64(uint64(s.value) + n*s.step)
}

// clip leaves the values in r.
func (s *series) clip(r span) bool {
	first, last := r.low, r.high
	if s.down {
		first, last = last, first
	}
	if first != s.value && first > s.value != s.down {
		d := s.distance(first)
		n := d / s.step
		if d%s.step != 0 {
			n++
		}
		if n > s.more {
			return false
		}
		s.value, s.more = s.at(n), s.more-n
	}
	if last != s.value && last < s.value != s.down {
		return false
	}
	s.more = min(s.more, s.distance(last)/s.step)
	return true
}

// arrange turns the series around if the order asks for that.
func (s *series) arrange(o order) bool {
	if o == ascending && s.down || o == descending && !s.down {
		s.value = s.at(s.more)
		s.down = !s.down
	}
	return true
}

// skip leaves the first n values out. Less than none is none, as for OFFSET.
func (s *series) skip(n int64) bool {
	if n <= 0 {
		return true
	}
	if uint64(n) > s.more {
		return false
	}
	s.value, s.more = s.at(uint64(n)), s.more-uint64(n)
	return true
}

// take leaves all but the first n values out. Less than none is all, as for LIMIT.
func (s *series) take(n int64) bool {
	if n < 0 {
		return true
	}
	if n == 0 {
		return false
	}
	s.more = min(s.more, uint64(n)-1)
	return true
}

func (s *series) next() bool {
	if s.more == 0 {
		return false
	}
	s.value, s.more = s.at(1), s.more-1
	return true
}
