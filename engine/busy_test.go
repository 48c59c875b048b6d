package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// lockedPair returns two connections to a file that the first holds locked for writing.
func lockedPair(t *testing.T) (holder, waiter *Conn) {
	t.Helper()
	holder, waiter = openPair(t)
	mustExec(t, holder, "CREATE TABLE t(a); BEGIN IMMEDIATE")
	return holder, waiter
}

// soon is long enough for a statement to be in its wait. Where it is not there yet, the test checks less.
const soon = 15 * time.Millisecond

func TestBusyWaitGetsTheLockWhenItIsFree(t *testing.T) {
	holder, waiter := lockedPair(t)
	waiter.SetBusyTimeout(time.Hour)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	committed := make(chan error)
	time.AfterFunc(soon, func() { committed <- holder.Exec(background, "COMMIT") })
	if err := waiter.Exec(ctx, "INSERT INTO t VALUES (1)"); err != nil {
		t.Errorf("insert: %v, want it to get the lock", err)
	}
	if err := <-committed; err != nil {
		t.Errorf("commit: %v", err)
	}
}

func TestBusyWaitEndsWithTheContext(t *testing.T) {
	_, waiter := lockedPair(t)
	waiter.SetBusyTimeout(time.Hour)
	ctx, cancel := context.WithCancel(background)
	time.AfterFunc(soon, cancel)
	err := waiter.Exec(ctx, "INSERT INTO t VALUES (1)")
	if !errors.Is(err, context.Canceled) || !errors.Is(err, Interrupt) {
		t.Errorf("insert: %v, want %v and %v", err, context.Canceled, Interrupt)
	}
	deadline, cancel := context.WithTimeout(background, soon)
	defer cancel()
	if err := waiter.Exec(deadline, "BEGIN IMMEDIATE"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("begin: %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestBusyWaitOfPrepareEndsWithTheContext(t *testing.T) {
	holder, waiter := lockedPair(t)
	mustExec(t, holder, "COMMIT; BEGIN EXCLUSIVE")
	waiter.SetBusyTimeout(time.Hour)
	ctx, cancel := context.WithTimeout(background, soon)
	defer cancel()
	_, _, err := waiter.prepareTail(ctx, "SELECT * FROM t", 0)
	var e *Error
	if !errors.As(err, &e) || e.Op != "prepare" || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, Interrupt) {
		t.Errorf("prepare: %v, want %v and %v", err, context.DeadlineExceeded, Interrupt)
	}
}

func TestBusyWaitEndsWithTheTimeout(t *testing.T) {
	_, waiter := lockedPair(t)
	for _, d := range []time.Duration{-1, 0, time.Microsecond, 5 * time.Millisecond} {
		waiter.SetBusyTimeout(d)
		ctx, cancel := context.WithCancel(background)
		for _, ctx := range []context.Context{background, ctx} {
			err := waiter.Exec(ctx, "BEGIN IMMEDIATE")
			if !errors.Is(err, Busy) || errors.Is(err, Interrupt) {
				t.Errorf("begin with timeout %v: %v, want %v", d, err, Busy)
			}
		}
		cancel()
	}
}

func TestBusyWaitEndsWithInterrupt(t *testing.T) {
	_, waiter := lockedPair(t)
	waiter.SetBusyTimeout(time.Hour)
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
				waiter.Interrupt()
			}
		}
	})
	err := waiter.Exec(background, "BEGIN IMMEDIATE")
	close(ended)
	wg.Wait()
	if !errors.Is(err, Interrupt) || errors.Is(err, context.Canceled) {
		t.Errorf("begin: %v, want %v", err, Interrupt)
	}
	waiter.SetBusyTimeout(0)
	if err := waiter.Exec(background, "BEGIN IMMEDIATE"); !errors.Is(err, Busy) || errors.Is(err, Interrupt) {
		t.Errorf("the next statement: %v, want %v alone", err, Busy)
	}
}

func TestPragmaBusyTimeoutIsTheSameTimeout(t *testing.T) {
	_, waiter := lockedPair(t)
	shown := func() any { return values(t, waiter, "PRAGMA busy_timeout")[0][0] }
	if got := shown(); got != DefaultBusyTimeout.Milliseconds() {
		t.Errorf("a new connection shows %v ms, want %d", got, DefaultBusyTimeout.Milliseconds())
	}
	waiter.SetBusyTimeout(1500 * time.Microsecond)
	if got := shown(); got != int64(2) {
		t.Errorf("after SetBusyTimeout(1.5ms) it shows %v, want 2", got)
	}
	for ms, want := range map[string]time.Duration{"3600000": time.Hour, "0": 0} {
		mustExec(t, waiter, "PRAGMA busy_timeout = "+ms)
		if waiter.busy.timeout != want {
			t.Errorf("after PRAGMA busy_timeout = %s: %v, want %v", ms, waiter.busy.timeout, want)
		}
		if got := waiter.handle().FbusyHandler.FxBusyHandler; got != busyHandler {
			t.Errorf("after PRAGMA busy_timeout = %s another busy handler is installed", ms)
		}
	}
	mustExec(t, waiter, "PRAGMA busy_timeout = 3600000")
	ctx, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	if err := waiter.Exec(ctx, "BEGIN IMMEDIATE"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("begin: %v, want %v", err, context.DeadlineExceeded)
	}
}
