package floe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/floedb/floe/hrana"
)

const (
	// unreachablePause is how long a primary that could not be reached is left
	// alone: not every read of a replica is to wait for it in vain.
	unreachablePause = time.Second
	// catchUpPatience is how long reads wait for a catch-up that receives nothing.
	catchUpPatience = 2 * time.Second
)

// errSilentPrimary says that a catch-up goes on, but is no longer waited for.
var errSilentPrimary = errors.New("the primary keeps silent")

// ownWrites brings a replica to what was written through it. A write begins a
// catch-up in the background; a read that comes before its end waits for it.
type ownWrites struct {
	r    *Replica
	life context.Context // of the replica

	behind atomic.Bool // something was written that the file may not hold yet

	mu       sync.Mutex
	newest   hrana.Index // the latest that a write was acknowledged with, in the log that is followed
	last     hrana.Index // what the last one was acknowledged with
	log      LogID       // that was followed then
	written  uint64      // writes, and what may have been one
	sure     uint64      // the last of them that was acknowledged
	held     uint64      // as many of them are in the file
	attempt  *attempt    // the catch-up under way
	failure  error       // why the last one did not get there
	failedAt time.Time
}

// attempt is one catch-up.
type attempt struct {
	over  chan struct{}      // closed at its end
	end   context.CancelFunc // has another one take its place
	since time.Time          // when it began, or was last found to receive something
	bytes int64              // received by the replica until then
	at    Position           // of the file then, which others may move
}

// note takes down that the primary acknowledged a write.
func (w *ownWrites) note(index hrana.Index) {
	log := w.r.Position().LogID
	w.mu.Lock()
	defer w.mu.Unlock()
	if log != w.log {
		w.log, w.newest = log, hrana.Index{}
	}
	w.newest, w.last = w.newest.Later(index), index
}

// follow takes down that something was written, or, unless that was acknowledged, may
// have been. If atOnce is set the file is on its way to it then, and not only when a
// read waits for it.
func (w *ownWrites) follow(acknowledged, atOnce bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written++
	if acknowledged {
		w.sure = w.written
	}
	w.behind.Store(true)
	switch {
	case w.attempt == nil:
		w.failure = nil // the primary was there a moment ago
		if atOnce {
			w.begin()
		}
	case acknowledged && w.failure != nil: // it is there again: what goes on may wait for an answer that was lost
		w.failure = nil
		w.attempt.end()
	}
}

// latest returns the latest index that a write was acknowledged with.
func (w *ownWrites) latest() hrana.Index {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newest
}

// wait returns when the file holds what was written before the call. It returns
// early, and without an error, while the primary cannot be reached, or refuses the
// token: then reads take what there is.
func (w *ownWrites) wait(ctx context.Context) error {
	if !w.behind.Load() {
		return nil
	}
	w.mu.Lock()
	want := w.written
	w.mu.Unlock()
	for {
		over, err := w.await(want)
		if over == nil {
			return err
		}
		select {
		case <-over:
		case <-time.After(catchUpPatience):
			w.doubt()
		case <-ctx.Done():
			return fmt.Errorf("%s: catch up with what was written: %w", w.r.path, ended(ctx))
		}
	}
}

// await returns what has to be waited for until the first want writes are in the
// file: nil when nothing.
func (w *ownWrites) await(want uint64) (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.held >= want:
		return nil, nil
	case w.failure == nil:
		w.begin()
		if w.failure == nil {
			return w.attempt.over, nil
		}
	case time.Since(w.failedAt) >= unreachablePause:
		w.begin()
	}
	if passes(w.failure) || w.held >= min(want, w.sure) {
		return nil, nil
	}
	return nil, fmt.Errorf("%s: catch up with what was written: %w", w.r.path, w.failure)
}

// passes tells whether reads take what there is when a catch-up has failed. They
// fail only where file and log do not fit together, so that no later sync can bring
// what the primary has acknowledged.
func passes(err error) bool {
	for _, stays := range []error{ErrFrozen, ErrAhead, ErrDiverged, ErrPositionFile, ErrPageSize, ErrNotReplica} {
		if errors.Is(err, stays) {
			return false
		}
	}
	return true
}

// begin sees to it that a catch-up is under way.
func (w *ownWrites) begin() {
	if w.attempt != nil {
		return
	}
	st := w.r.rep.Stats()
	a := &attempt{over: make(chan struct{}), since: time.Now(), bytes: st.Bytes, at: st.Position}
	ctx, cancel := context.WithCancel(w.life)
	a.end = cancel
	if w.r.inBackground(func() { w.catchUp(ctx, a) }) {
		w.attempt = a
	} else {
		cancel()
		w.failure = ErrClosed
	}
}

// catchUp brings the file to what the primary has. It does not go by the index of
// a write: a primary that was killed, or replaced, can begin to count anew, and the
// file seem to be further on than it.
func (w *ownWrites) catchUp(ctx context.Context, a *attempt) {
	defer close(a.over)
	defer a.end()
	w.mu.Lock()
	goal := w.written
	w.mu.Unlock()
	res, err := w.r.rep.TrySync(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempt, w.failure = nil, err
	if err != nil && w.life.Err() == nil && (ctx.Err() != nil || w.sure > goal && passes(err)) {
		w.failure = nil // what was acknowledged meanwhile has an attempt of its own
		w.begin()
		return
	}
	if err != nil {
		w.failedAt = time.Now()
		if w.life.Err() == nil {
			w.r.cfg.Logger.Warn("the replica could not catch up with what was written through it", "path", w.r.path, "err", err)
		}
		return
	}
	w.held = goal
	w.adopt(res.Position)
	if w.written > goal {
		w.begin()
	} else {
		w.behind.Store(false)
	}
}

// adopt forgets the index of writes to another log than the one that was found to
// be the primary's.
func (w *ownWrites) adopt(at Position) {
	if at.LogID == w.log {
		return
	}
	w.log, w.newest = at.LogID, w.last
	if w.written == w.held && w.last.FrameNo > at.FrameNo {
		w.newest = hrana.Index{}
	}
}

// doubt ends the wait for a catch-up that has not received anything for long.
func (w *ownWrites) doubt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.attempt
	if a == nil || time.Since(a.since) < catchUpPatience {
		return
	}
	if st := w.r.rep.Stats(); st.Bytes != a.bytes || st.Position != a.at {
		a.since, a.bytes, a.at = time.Now(), st.Bytes, st.Position
		return
	}
	w.failure, w.failedAt = errSilentPrimary, time.Now()
}
