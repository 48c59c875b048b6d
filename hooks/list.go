package hooks

import (
	"slices"
	"sync"
	"sync/atomic"
)

// List is a list of listeners that fits into one slot for a callback, by its method [List.Call]:
//
//	var updates hooks.List[hooks.RowUpdate]
//	err := conn.SetUpdateHook(updates.Call)
//	remove := updates.Add(listener)
//
// The zero value is an empty list. Its methods may be called from any goroutine, and also by a listener. A List
// must not be copied after it was used.
type List[E any] struct {
	mu        sync.Mutex
	listeners atomic.Pointer[[]*listener[E]]
}

type listener[E any] struct{ call func(E) error }

// Add puts a listener at the end of the list, and returns what takes it off again. To take it off twice does
// nothing more. A call that is under way goes through the list as it was.
func (l *List[E]) Add(call func(E) error) (remove func()) {
	added := &listener[E]{call}
	l.change(func(old []*listener[E]) []*listener[E] { return append(old, added) })
	return func() {
		l.change(func(old []*listener[E]) []*listener[E] {
			return slices.DeleteFunc(old, func(e *listener[E]) bool { return e == added })
		})
	}
}

// change replaces the list by a copy, as calls may be going through the old one.
func (l *List[E]) change(edit func([]*listener[E]) []*listener[E]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var old []*listener[E]
	if p := l.listeners.Load(); p != nil {
		old = slices.Clone(*p)
	}
	edited := edit(old)
	l.listeners.Store(&edited)
}

// Call tells the listeners about event, in the order in which they were added. The first error ends it, and is
// returned.
func (l *List[E]) Call(event E) error {
	listeners := l.listeners.Load()
	if listeners == nil {
		return nil
	}
	for _, e := range *listeners {
		if err := e.call(event); err != nil {
			return err
		}
	}
	return nil
}
