package replicator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/floedb/floe/frames"
)

// A replica's state belongs to its file, not to a handle. While another handle, in
// this process or in another one, has the lock, this one waits for the file to get
// to where it is wanted, by looking at the position file.

// holderPatience is how long a call waits for somebody else who has the lock and
// makes no progress: a process that was stopped, or one that hangs.
const holderPatience = 4 * time.Second

// slowWait is when a wait for somebody else is told to the log.
const slowWait = time.Second

const (
	pollFirst = 2 * time.Millisecond
	pollMost  = 50 * time.Millisecond
)

// poll spaces looks at a file, from 2 ms to 50 ms apart.
type poll struct{ next time.Duration }

// soon has the next looks follow quickly again.
func (p *poll) soon() { p.next = 0 }

// wait waits before the next look, or for moved.
func (p *poll) wait(ctx context.Context, moved <-chan struct{}) error {
	p.next = min(max(2*p.next, pollFirst), pollMost)
	t := time.NewTimer(p.next)
	defer t.Stop()
	select {
	case <-t.C:
	case <-moved:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// look takes over what the position file says, unless the lock is this handle's:
// then this handle knows better. It fails as Open does where the file is no
// replica any more.
func (r *Replicator) look() error {
	r.mu.Lock()
	holding, changes := r.holding || r.life.Err() != nil, r.changes
	r.mu.Unlock()
	if holding {
		return nil
	}
	found, err := inspect(r.cfg.Path)
	if err != nil {
		return err
	}
	// Read while it was being written, perhaps: its check value tells.
	for range 3 {
		if found.rec.proven || !found.rec.HasFrame {
			break
		}
		if found, err = inspect(r.cfg.Path); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changes == changes && !r.holding && r.at != found.rec.Position {
		r.changeLocked(func() { r.at = found.rec.Position })
	}
	return nil
}

// AwaitChange waits until the position is another one than from, and returns it.
// Several changes in a row may be seen as one.
func (r *Replicator) AwaitChange(ctx context.Context, from Position) (Position, error) {
	if err := r.enter(); err != nil {
		return r.position(), err
	}
	defer r.calls.Done()
	ctx, stop := r.join(ctx)
	defer stop()
	var pause poll
	for {
		moved := r.movement()
		if err := r.look(); errors.Is(err, ErrFrozen) {
			return r.position(), err
		}
		if at := r.position(); at != from {
			return at, nil
		}
		var err error
		if r.isHolding() { // the file is not to be looked at: nobody else moves it
			err = await(ctx, moved)
		} else {
			err = pause.wait(ctx, moved)
		}
		if err != nil {
			return r.position(), err
		}
	}
}

func (r *Replicator) isHolding() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holding
}

// await waits for moved.
func await(ctx context.Context, moved <-chan struct{}) error {
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// syncByHolder waits for whoever has the lock to bring the file to where the
// primary is now. It reports whether that is done, or the lock is free.
func (r *Replicator) syncByHolder(ctx context.Context, retries int) (done bool, err error) {
	if r.client == nil {
		return true, ErrNoServer
	}
	_ = r.look()
	before := r.position()
	h, err := r.client.greet(ctx, retries, r.client.doubleRead(r.cfg.DoubleRead))
	if err != nil {
		return true, err
	}
	r.change(func() { r.stats.Primary, r.stats.HasPrimary = h.Current, h.HasCurrent })
	if before.LogID == h.LogID && (before.HasFrame && !h.HasCurrent || h.HasCurrent && before.Next() > h.Current+1) {
		return true, aheadError(before.FrameNo, h)
	}
	done, err = r.awaitHolder(ctx, func(at Position) bool { return reached(at, h) })
	if done && err == nil {
		r.noteSynced(h)
	}
	return done, err
}

// reached reports whether a replica at at has all that hello told of.
func reached(at Position, h frames.Hello) bool {
	return at.LogID == h.LogID && (!h.HasCurrent || at.HasFrame && at.FrameNo >= h.Current)
}

// followHolder follows the file while somebody else has the lock: to frame until,
// or until the lock is free.
func (r *Replicator) followHolder(ctx context.Context, until *uint64) (done bool, err error) {
	there := func(at Position) bool { return until != nil && at.HasFrame && at.FrameNo >= *until }
	for {
		done, err := r.awaitHolder(ctx, there)
		if !errors.Is(err, ErrLocked) {
			return done, err
		}
		r.change(func() { r.stats.LastError = err })
		if until == nil || r.client == nil {
			continue // a watch has time
		}
		h, helloErr := r.client.greet(ctx, r.cfg.Retries, r.client.doubleRead(r.cfg.DoubleRead))
		if helloErr != nil {
			return true, helloErr
		}
		if h.HasCurrent && h.Current >= *until {
			return true, err
		}
	}
}

// awaitHolder waits until the file is there, or the lock is free. It reports
// whether the file is. The error is a LockedError where the holder of the lock
// makes no progress.
func (r *Replicator) awaitHolder(ctx context.Context, there func(Position) bool) (done bool, err error) {
	var (
		pause poll
		mark  = holderMark(r.cfg.Path)
		began = time.Now()
		since = began // of the last progress
		told  bool
	)
	for {
		moved := r.movement()
		if err := r.look(); err != nil {
			return true, err
		}
		if there(r.position()) {
			return true, nil
		}
		who, err := lockHolder(r.cfg.Path)
		if err != nil || who == "" {
			return false, nil // taking it gives the error
		}
		if !told && time.Since(began) > slowWait {
			told = true
			r.cfg.Logger.Info("waiting for another one at work on the replica", "path", r.cfg.Path, "holder", who)
		}
		if now := holderMark(r.cfg.Path); now != mark {
			mark, since = now, time.Now()
			pause.soon()
		} else if time.Since(since) > r.holderPatience {
			return true, &LockedError{Path: r.cfg.Path + lockSuffix, Holder: who}
		}
		if err := pause.wait(ctx, moved); err != nil {
			return true, err
		}
	}
}

// holderMark is what the work of a lock's holder changes.
func holderMark(path string) string {
	mark := ""
	for _, suffix := range []string{lockSuffix, positionSuffix, buildSuffix, "-wal"} {
		if info, err := os.Stat(path + suffix); err == nil {
			mark += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), ";")
		}
	}
	return mark
}
