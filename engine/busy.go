package engine

import (
	"math"
	"time"
	"unsafe"

	"github.com/floedb/floe/hooks"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// DefaultBusyTimeout is how long a new connection waits for the locks of others.
const DefaultBusyTimeout = 5 * time.Second

// busyDelays are the pauses before the first retries; the last one is used from there on. They are those of
// SQLite's own handler, which grow so that short locks cost little and long ones are not polled to death.
var busyDelays = [...]time.Duration{
	1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond,
	15 * time.Millisecond, 20 * time.Millisecond, 25 * time.Millisecond, 25 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
}

// busyWait is what a connection knows about its waits for locks.
type busyWait struct {
	handle  uintptr // how the callback finds the connection
	timeout time.Duration
	started time.Time

	call   func() error // asks the handler that SetBusyHandler was given; nil if the timeout decides
	event  hooks.BusyEvent
	answer busyAnswer

	done        <-chan struct{} // ends the running statement's waits; nil if nothing does
	interrupted bool            // Interrupt ended a wait of the running statement

	shared   bool          // the wait is for a lock in a shared cache
	unlocked chan struct{} // tells that it may be free; nil before the first such wait
}

// busyAnswer is what a handler wants.
type busyAnswer struct {
	pause time.Duration
	again bool
}

var busyHandler = cFunc(onBusy)

// cFunc makes a C function pointer of f as the transpiled library has them: the address of a Go function value that
// takes the library's thread state first. f has to be a function at package level: nothing keeps a closure alive.
func cFunc[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// cCall makes a Go function of a C function pointer of the transpiled library.
func cCall[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{p})) }

// onBusy is called by SQLite when a lock is held by others. 1 asks for another try, 0 gives up.
func onBusy(_ *libc.TLS, handle uintptr, count int32) int32 {
	c := conns.get(handle)
	if c == nil {
		return 0
	}
	if count == 0 {
		c.busy.noteWait()
	}
	if c.waitBusy(int(count)) {
		return 1
	}
	return 0
}

// waitBusy pauses before retry number count and reports whether to try again.
func (c *Conn) waitBusy(count int) bool {
	if c.noteInterrupt() {
		return false
	}
	if c.busy.call != nil {
		return c.askBusyHandler(count)
	}
	return c.busy.wait(count)
}

// noteInterrupt reports whether the running statement is to end.
func (c *Conn) noteInterrupt() bool {
	if sqlite3.Xsqlite3_is_interrupted(c.tls, c.db) == 0 {
		return false
	}
	c.busy.interrupted = true
	return true
}

func (w *busyWait) noteWait() { w.started = time.Now() }

// left is how long may still be waited.
func (w *busyWait) left() time.Duration { return w.timeout - time.Since(w.started) }

// wait pauses before retry number count and reports whether to try again.
func (w *busyWait) wait(count int) bool {
	left := w.left()
	if left <= 0 {
		return false
	}
	return w.pause(min(left, busyDelays[min(count, len(busyDelays)-1)]))
}

func (w *busyWait) pause(d time.Duration) bool {
	if d <= 0 {
		return !w.ended()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.unlocks():
		return true
	case <-w.done:
		return false
	}
}

// unlocks is what ends a pause early.
func (w *busyWait) unlocks() <-chan struct{} {
	if w.shared {
		return w.unlocked
	}
	return nil
}

// ended reports whether the statement's waits have to end.
func (w *busyWait) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// askBusyHandler does what the handler wants before retry number count, and reports whether to try again.
func (c *Conn) askBusyHandler(count int) bool {
	w := &c.busy
	w.event = hooks.BusyEvent{Attempt: count, Waited: time.Since(w.started)}
	if c.failure != nil || !c.callGo(w.call) || !w.answer.again {
		return false
	}
	return w.pause(w.answer.pause)
}

// SetBusyHandler sets the function that decides, each time when a lock is held by another connection, whether to try
// again, and after what pause. If it does not want to, or panics, the error of the statement is [Busy]. The pause ends
// at once when the context of the statement does, and the function is not asked again; a function that waits by itself
// does not see that. Inside a callback it is [ErrConcurrentUse].
//
// It takes the place of an earlier one, and of the busy timeout. [Conn.SetBusyTimeout] and "PRAGMA busy_timeout" in
// turn take its place; the latter shows 0 while there is a function. nil removes it: the timeout that was set last
// is in force again.
//
// https://sqlite.org/c3ref/busy_handler.html
func (c *Conn) SetBusyHandler(decide func(hooks.BusyEvent) (pause time.Duration, again bool)) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	w := &c.busy
	if decide == nil {
		c.installBusyHandler(w.timeout)
		return nil
	}
	w.call = func() error {
		w.answer.pause, w.answer.again = decide(w.event)
		return nil
	}
	c.handle().FbusyTimeout = 0
	return nil
}

// SetBusyTimeout sets how long a statement waits for a lock that another connection holds, before its error is
// [Busy]. Zero or less does not wait at all; a new connection has [DefaultBusyTimeout]. The wait ends at once
// when the context of the statement does. "PRAGMA busy_timeout" sets and shows the same value, in milliseconds.
//
// A lock in a cache that connections share (cache=shared) is waited for, too; its error is [LockedSharedCache], at once
// where the one that holds it waits for this connection.
//
// https://sqlite.org/c3ref/busy_timeout.html
func (c *Conn) SetBusyTimeout(d time.Duration) {
	if c.enter() != nil {
		return
	}
	defer c.leave()
	c.installBusyHandler(d)
}

func (c *Conn) installBusyHandler(timeout time.Duration) {
	if c.busy.handle == 0 {
		c.busy.handle = conns.add(c)
	}
	c.busy.timeout = max(timeout, 0)
	c.busy.call = nil
	sqlite3.Xsqlite3_busy_handler(c.tls, c.db, busyHandler, c.busy.handle)
	// Installing a handler clears the number that PRAGMA busy_timeout shows.
	ms := (c.busy.timeout + time.Millisecond - 1) / time.Millisecond
	c.handle().FbusyTimeout = int32(min(ms, math.MaxInt32))
}

// adoptBusyTimeout is called after SQL was compiled: PRAGMA busy_timeout takes effect then, and puts SQLite's
// own handler in the place of ours, which would sleep through the end of a context.
func (c *Conn) adoptBusyTimeout() {
	db := c.handle()
	if db.FbusyHandler.FxBusyHandler != busyHandler {
		c.installBusyHandler(time.Duration(db.FbusyTimeout) * time.Millisecond)
	}
}

func (c *Conn) removeBusyHandler() {
	if c.busy.handle != 0 {
		conns.remove(c.busy.handle)
		c.busy.handle = 0
	}
}

// takeInterrupted returns [Interrupt] if it ended a wait of the statement that has just been run, otherwise nil.
func (w *busyWait) takeInterrupted() error {
	if !w.interrupted {
		return nil
	}
	w.interrupted = false
	return Interrupt
}

// handle is SQLite's own structure of the connection.
func (c *Conn) handle() *sqlite3.Tsqlite3 { return (*sqlite3.Tsqlite3)(pointer(c.db)) }
