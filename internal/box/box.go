// Package box puts values into interfaces without an allocation for each of
// them.
//
// A number, text or time that goes into an any is moved to memory of its own: 8
// to 24 bytes, which cost as much as what they hold when a million rows are
// read. Here many of them share one piece of memory.
package box

import "unsafe"

// maxBatch bounds how many values share memory. One that is kept keeps its
// neighbours alive.
const maxBatch = 64

// Batch makes interfaces of values of type T, which is not itself a pointer, an
// interface, or something else that an any holds without memory of its own. The
// zero Batch is ready to use; one goroutine at a time uses it.
type Batch[T any] struct {
	free []T
	size int // of the last piece of memory
}

// Any returns v as an any. The pieces of memory begin with room for one value and
// double: a reader of one row pays for no more.
func (b *Batch[T]) Any(v T) any {
	if len(b.free) == 0 {
		b.size = min(max(1, 2*b.size), maxBatch)
		b.free = make([]T, b.size)
	}
	p := &b.free[0]
	b.free = b.free[1:]
	*p = v
	return at(p)
}

// at returns an any that holds *p, which must not change any more. An any is two
// words: what its type is, and where the value is.
func at[T any](p *T) (v any) {
	var zero T
	v = zero
	(*[2]unsafe.Pointer)(unsafe.Pointer(&v))[1] = unsafe.Pointer(p)
	return v
}
