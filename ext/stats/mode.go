package stats

import (
	"cmp"

	"github.com/floedb/floe/engine"
)

// value is a value of SQL that can be the key of a map.
type value struct {
	class int // numbers, texts, blobs: in SQLite's order
	float bool
	i     int64
	f     float64
	bytes string
}

func valueOf(v engine.Value) value {
	switch v.Type() {
	case engine.Integer:
		return value{i: v.Int64(), f: v.Float()}
	case engine.Float:
		// A number that is an integer counts as that one, as 1.0 = 1.
		if f := v.Float(); f >= -1<<63 && f < 1<<63 && f == float64(int64(f)) {
			return value{i: int64(f), f: f}
		}
		return value{float: true, f: v.Float()}
	case engine.Text:
		return value{class: 1, bytes: v.Text()}
	}
	return value{class: 2, bytes: string(v.Raw())}
}

func (v value) compare(w value) int {
	if c := cmp.Compare(v.class, w.class); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(v.f, w.f), cmp.Compare(v.i, w.i), cmp.Compare(v.bytes, w.bytes))
}

func (v value) result(ctx *engine.FuncContext) {
	switch {
	case v.class == 1:
		ctx.ResultText(v.bytes)
	case v.class == 2:
		ctx.ResultBlob([]byte(v.bytes))
	case v.float:
		ctx.ResultFloat(v.f)
	default:
		ctx.ResultInt64(v.i)
	}
}

// mode counts values.
type mode struct{ counts map[value]int }

// Step adds a value.
func (m *mode) Step(_ *engine.FuncContext, args []engine.Value) error {
	if args[0].IsNull() {
		return nil
	}
	if m.counts == nil {
		m.counts = make(map[value]int)
	}
	m.counts[valueOf(args[0])]++
	return nil
}

// Inverse takes a value back.
func (m *mode) Inverse(_ *engine.FuncContext, args []engine.Value) error {
	if args[0].IsNull() {
		return nil
	}
	v := valueOf(args[0])
	if m.counts[v]--; m.counts[v] <= 0 {
		delete(m.counts, v)
	}
	return nil
}

// Value sets the most frequent value.
func (m *mode) Value(ctx *engine.FuncContext) error {
	var most value
	count := 0
	for v, n := range m.counts {
		if n > count || n == count && v.compare(most) < 0 {
			most, count = v, n
		}
	}
	if count > 0 {
		most.result(ctx)
	}
	return nil
}
