package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// interrupts is the side of a connection that other goroutines may touch.
type interrupts struct {
	mu sync.Mutex
	db uintptr // 0 while there is nothing to interrupt

	// running is the watch of the execution whose step is being run, nil between steps.
	running atomic.Pointer[watch]

	// idle is the watch of an execution that is over, still tied to its context: the next execution mostly has the
	// same one. Only the goroutine that uses the connection touches it.
	idle *watch
}

func (i *interrupts) attach(db uintptr) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.db = db
}

// detach makes later interrupts do nothing. When it returns none is under way.
func (i *interrupts) detach() {
	i.running.Store(nil) // of a step that never returned
	i.dropIdle()
	i.attach(0)
}

func (i *interrupts) interrupt() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.db != 0 {
		// It only stores a flag, and so needs no thread state of its own.
		sqlite3.Xsqlite3_interrupt(nil, i.db)
	}
}

// Interrupt makes the statements that are running on the connection end with [Interrupt] soon. With none
// running it does nothing. It may be called from any goroutine at any time, also on a closed connection.
//
// https://sqlite.org/c3ref/interrupt.html
func (c *Conn) Interrupt() { c.interrupts.interrupt() }

// watch ties one execution of a statement to a context.
//
// An interrupt of SQLite's hits whatever runs on the connection when it is seen. For it to reach this execution
// alone, the watch raises it only during a step of this execution, and that step does not return before the
// watch is through and the flag is taken back.
type watch struct {
	c        *Conn
	done     <-chan struct{}
	stop     func() bool
	fired    atomic.Bool
	finished chan struct{}
}

func (c *Conn) newWatch(ctx context.Context, done <-chan struct{}) *watch {
	if w := c.interrupts.idle; w != nil {
		c.interrupts.idle = nil
		if w.done == done && !w.fired.Load() {
			return w
		}
		w.stop()
	}
	w := &watch{c: c, done: done, finished: make(chan struct{})}
	w.stop = context.AfterFunc(ctx, w.fire)
	return w
}

// fire ends the step that is being run. It does not stop before that is over: SQLite forgets an interrupt that comes
// just before it begins with a statement.
func (w *watch) fire() {
	defer close(w.finished)
	w.fired.Store(true)
	// Either this sees the step, or the begin of the step sees that the context has ended.
	for pause := minInterruptPause; w.c.interrupts.running.Load() == w; pause = min(2*pause, maxInterruptPause) {
		w.c.interrupts.interrupt()
		time.Sleep(pause)
	}
}

// How long an interrupt may take before it is raised again.
const (
	minInterruptPause = 10 * time.Microsecond
	maxInterruptPause = time.Millisecond
)

// cancelled reports whether the context has ended.
func (w *watch) cancelled() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// begin lets the context end what is run from here to finish. It reports false if the context has ended already: then
// nothing may be run.
func (w *watch) begin() bool {
	w.c.busy.done = w.done
	w.c.interrupts.running.Store(w)
	return !w.cancelled()
}

func (w *watch) finish() {
	w.c.interrupts.running.Store(nil)
	w.c.busy.done = nil
	if w.fired.Load() {
		w.settle()
	}
}

// settle waits until a watch that fired is through, and takes its interrupt back.
func (w *watch) settle() {
	<-w.finished
	atomic.StoreInt32(&w.c.handle().Fu1.FisInterrupted, 0)
}

// end is called when the execution is over. A watch that has not fired stays tied to its context: to tie one costs
// more than a short execution. While it is idle it does nothing when it fires.
func (w *watch) end() {
	if w.c.interrupts.idle == nil && !w.fired.Load() {
		w.c.interrupts.idle = w
		return
	}
	if !w.stop() {
		w.settle()
	}
}

// dropIdle leaves the context of the last execution.
func (i *interrupts) dropIdle() {
	if i.idle != nil {
		i.idle.stop()
		i.idle = nil
	}
}
