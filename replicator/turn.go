package replicator

import (
	"context"
	"errors"
	"time"
)

const (
	// lockPatience is how long a call that needs no server waits for another
	// handle or process that has the lock.
	lockPatience = 2 * time.Second
	// turnLength is how long a call that waits for the server keeps its turn at
	// least, when one that does not need the server wants it.
	turnLength = 100 * time.Millisecond
	// filesTries is how often a call begins again when its files, or the primary, were
	// replaced meanwhile.
	filesTries = 3
)

// work is a call that has the turn and waits for the server.
type work struct {
	since time.Time
	leave context.CancelCauseFunc
}

// inTurn runs call with the session, when it is this call's turn and nobody else
// has the lock.
func (r *Replicator) inTurn(ctx context.Context, urgent bool, call func(*session) error) error {
	if err := r.take(ctx, urgent); err != nil {
		return err
	}
	defer func() { r.turn <- struct{}{} }()
	r.session.retries = r.cfg.Retries
	if err := r.session.begin(ctx, urgent); err != nil {
		return err
	}
	defer r.session.unlock()
	err := call(&r.session)
	return r.session.settle(ctx, err)
}

// online runs a call that waits for the server. It gives way, with errYield, to
// one that does not.
func (r *Replicator) online(ctx context.Context, call func(context.Context, *session) error) error {
	return r.inTurn(ctx, false, func(s *session) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		r.change(func() { r.busy = &work{time.Now(), cancel} })
		err := call(ctx, s)
		r.change(func() { r.busy = nil })
		if err != nil && context.Cause(ctx) == errYield {
			return errYield
		}
		return err
	})
}

// offline runs a call that needs no server. A call that waits for one gives way,
// another process only if it is done soon.
func (r *Replicator) offline(ctx context.Context, call func(*session) error) error {
	until := time.Now().Add(r.lockPatience)
	var pause poll
	for {
		err := r.inTurn(ctx, true, call)
		if !errors.Is(err, ErrLocked) || time.Now().After(until) {
			return err
		}
		if err := pause.wait(ctx, nil); err != nil {
			return err
		}
	}
}

// sync makes one sync, or sees somebody else make it.
func (r *Replicator) sync(ctx context.Context, retries int) error {
	if done, err := r.syncByWatch(ctx); done {
		return err
	}
	for tries := 1; ; {
		err := r.online(ctx, func(ctx context.Context, s *session) error {
			s.retries = retries
			return s.sync(ctx)
		})
		switch {
		case errors.Is(err, errYield):
			r.standBack(ctx)
		case errors.Is(err, errFilesChanged) && tries < filesTries:
			r.cfg.Logger.Warn("the replica's files were replaced during a sync; it begins again", "path", r.cfg.Path)
			tries++
		case errors.Is(err, errLogChanged) && tries < filesTries:
			tries++
		case errors.Is(err, ErrLocked):
			if done, err := r.syncByHolder(ctx, retries); done {
				return err
			}
		default:
			return err
		}
	}
}

// standBack lets those have the turn that it was given up for.
func (r *Replicator) standBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, turnLength)
	defer cancel()
	for {
		r.mu.Lock()
		wanted, moved := r.wanted, r.moved
		r.mu.Unlock()
		if wanted == 0 {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}

// take waits for the turn. A live stream gives way, and a call that waits for the
// server where this one is urgent.
func (r *Replicator) take(ctx context.Context, urgent bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if urgent {
		r.change(func() { r.wanted++ })
		defer r.change(func() { r.wanted-- })
	}
	for {
		moved, late := r.giveWay(urgent)
		select {
		case <-r.turn:
			return nil
		case <-moved: // a stream may have begun meanwhile
		case <-late:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// giveWay ends a live stream, so that the turn becomes free, and where that is
// urgent a call that waits for the server. It returns a channel that is closed at
// the next change, and one that is ready when a call has had its turn for long
// enough.
func (r *Replicator) giveWay(urgent bool) (moved <-chan struct{}, late <-chan time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.yield != nil {
		r.yield(errYield)
	}
	if urgent && r.busy != nil {
		if had := time.Since(r.busy.since); had < turnLength {
			return r.moved, time.After(turnLength - had)
		}
		r.busy.leave(errYield)
	}
	return r.moved, nil
}

// movement returns a channel that is closed at the next change.
func (r *Replicator) movement() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moved
}

// change runs f under the lock and wakes whoever waits for a change.
func (r *Replicator) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changeLocked(f)
}

func (r *Replicator) changeLocked(f func()) {
	f()
	r.changes++
	close(r.moved)
	r.moved = make(chan struct{})
}

// syncByWatch waits until a live stream has brought all that the primary has.
// It reports whether there was one that did.
func (r *Replicator) syncByWatch(ctx context.Context) (done bool, err error) {
	r.mu.Lock()
	live := r.live
	r.mu.Unlock()
	if !live {
		return false, nil
	}
	h, err := r.client.sureHello(ctx, r.client.doubleRead(r.cfg.DoubleRead))
	if err != nil || !h.HasCurrent || h.LogID != r.position().LogID {
		return false, nil // the ordinary way has the better errors
	}
	if done, err = r.awaitWatch(ctx, h.Current); done && err == nil {
		r.noteSynced(h)
	}
	return done, err
}

// awaitWatch waits for a live stream to reach frameNo. It reports whether one did.
func (r *Replicator) awaitWatch(ctx context.Context, frameNo uint64) (done bool, err error) {
	for {
		r.mu.Lock()
		at, live, moved := r.at, r.live, r.moved
		r.mu.Unlock()
		switch {
		case at.HasFrame && at.FrameNo >= frameNo:
			return true, nil
		case !live:
			return false, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return true, context.Cause(ctx)
		}
	}
}
