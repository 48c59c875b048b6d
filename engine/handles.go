package engine

import (
	"sync"
	"sync/atomic"
)

// handles gives numbers to Go values, so that SQLite holds a number and never a Go pointer. A look-up takes no
// lock, as it is made for each call of a function in SQL. The numbers begin with 1 and are used again.
type handles[T any] struct {
	mu    sync.Mutex
	slots atomic.Pointer[[]*atomic.Pointer[T]]
	free  []uintptr
}

// add gives v a number.
func (h *handles[T]) add(v *T) uintptr {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.free); n > 0 {
		handle := h.free[n-1]
		h.free = h.free[:n-1]
		(*h.slots.Load())[handle-1].Store(v)
		return handle
	}
	return h.grow(v)
}

// grow makes a longer table. A reader goes on with the old one, whose slots are those of the new one.
func (h *handles[T]) grow(v *T) uintptr {
	var slots []*atomic.Pointer[T]
	if old := h.slots.Load(); old != nil {
		slots = *old
	}
	slot := new(atomic.Pointer[T])
	slot.Store(v)
	// Appending may write behind the end of the old table, which nobody reads.
	slots = append(slots, slot)
	h.slots.Store(&slots)
	return uintptr(len(slots))
}

// get returns the value of a number, nil if it has none.
func (h *handles[T]) get(handle uintptr) *T {
	slots := h.slots.Load()
	if slots == nil || handle-1 >= uintptr(len(*slots)) {
		return nil
	}
	return (*slots)[handle-1].Load()
}

// remove frees a number. It returns the value that it had.
func (h *handles[T]) remove(handle uintptr) *T {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.get(handle)
	if v != nil {
		(*h.slots.Load())[handle-1].Store(nil)
		h.free = append(h.free, handle)
	}
	return v
}

// count returns how many numbers are in use.
func (h *handles[T]) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	slots := h.slots.Load()
	if slots == nil {
		return 0
	}
	return len(*slots) - len(h.free)
}
