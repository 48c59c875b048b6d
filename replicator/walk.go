package replicator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"
	"time"

	"github.com/floedb/floe/frames"
)

// ErrCompacted says that the server compacted its log, or a snapshot of it,
// while it was read, so that what was read and what is left do not fit together.
// Reading once more from the start helps.
var ErrCompacted = errors.New("the server compacted its log meanwhile")

// walk reads a range of a primary's log in order and hands it to a taker: the
// log's frames, and where the log no longer reaches back, the snapshots that
// stand for them. Unlike a session it has no database.
type walk struct {
	client  *client
	retries int
	twice   bool
	log     frames.LogID
	next    uint64 // number of the first frame not handed over
	to      uint64 // number of the last frame wanted
	taker   taker
	report  func(Progress) // may be nil

	sum      uint64 // checksum of the frame before next
	sumOK    bool
	taken    uint64
	received atomic.Uint64
}

// taker takes what a walk reads. Frames are valid until the call returns.
type taker interface {
	// takeFrame takes the next frame of the log. prev is the chain before it.
	takeFrame(prev *frames.Chain, f frames.Frame) error
	// beginSnapshot says that a snapshot follows, of the log from frame first on.
	beginSnapshot(first uint64) error
	// takeSnapshotFrame takes its next frame. The snapshot ends at frame last.
	takeSnapshotFrame(f frames.Frame, last uint64) error
	// endSnapshot says that all of the snapshot came.
	endSnapshot() error
}

// greet says hello to the server, trying again where it cannot be reached.
func (c *client) greet(ctx context.Context, retries int, twice bool) (frames.Hello, error) {
	wait := backoff{most: retries, log: c.logger}
	for {
		h, err := c.sureHello(ctx, twice)
		if err == nil {
			return h, nil
		}
		if err := wait.wait(ctx, err); err != nil {
			return frames.Hello{}, err
		}
	}
}

// run reads up to the last frame wanted, or beyond where a snapshot does.
func (w *walk) run(ctx context.Context) error {
	wait := backoff{most: w.retries, log: w.client.logger}
	for w.next <= w.to {
		before := w.next
		err := w.readLog(ctx)
		if errors.Is(err, errNeedSnapshot) {
			err = w.readSnapshot(ctx)
		}
		if errors.Is(err, errNoHello) {
			err = greetAgain(ctx, w.greet, w.log, err, &wait)
		}
		if err != nil {
			return err
		}
		if w.next > before {
			wait.progress()
		}
	}
	return nil
}

func (w *walk) greet(ctx context.Context) (frames.Hello, error) {
	return w.client.greet(ctx, w.retries, w.twice)
}

// greetAgain opens a new session, by hello, after the server has said that it
// knows none. The log must still be the one with the id log.
func greetAgain(ctx context.Context, hello func(context.Context) (frames.Hello, error), log frames.LogID, cause error, wait *backoff) error {
	// errNoHello is not worth a retry elsewhere; here it is what is retried.
	if err := wait.wait(ctx, errors.New(cause.Error())); err != nil {
		return err
	}
	h, err := hello(ctx)
	if err != nil {
		return err
	}
	if h.LogID != log {
		return fmt.Errorf("%w: %s became %s meanwhile", errLogChanged, log, h.LogID)
	}
	return nil
}

func (w *walk) readLog(ctx context.Context) error {
	f := w.client.fetch(ctx, fetchRange{
		from: w.next, to: w.to,
		prev: w.sum, prevOK: w.sumOK,
		twice:    w.twice,
		retries:  w.retries,
		received: &w.received,
	})
	defer f.close()
	for {
		ch, err := f.next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range ch.n {
			if err := w.takeFrame(ch.frame(i)); err != nil {
				return err
			}
		}
		f.release(ch)
		w.progress()
	}
}

func (w *walk) takeFrame(f frames.Frame) error {
	prev := frames.NewOpenChain(w.next)
	if w.sumOK {
		prev = frames.NewChain(w.next, w.sum)
	}
	if err := w.taker.takeFrame(prev, f); err != nil {
		return err
	}
	w.next, w.sum, w.sumOK = f.FrameNo()+1, f.Checksum(), true
	w.taken++
	return nil
}

// snapshotPass is how much of a snapshot was handed over. A try that breaks off
// is followed by one that passes over as many frames, if they are the same.
type snapshotPass struct {
	first  uint64
	count  uint64
	sum    hash.Hash
	newest frames.Header
	taker  error // what the taker refused a frame with: no further try helps
}

// readSnapshot reads the snapshot that covers the next frame.
func (w *walk) readSnapshot(ctx context.Context) error {
	pass := snapshotPass{first: w.next, sum: sha256.New()}
	if err := w.taker.beginSnapshot(pass.first); err != nil {
		return err
	}
	readings := 1
	if w.twice {
		readings = 2
	}
	for range readings {
		if err := w.passSnapshot(ctx, &pass); err != nil {
			return fmt.Errorf("snapshot from frame %d: %w", pass.first, err)
		}
	}
	if last := pass.newest.FrameNo; last > w.to {
		if err := inLog(ctx, w.greet, w.log, last); err != nil {
			return fmt.Errorf("snapshot from frame %d: %w", pass.first, err)
		}
	}
	w.next, w.sum, w.sumOK = pass.newest.FrameNo+1, pass.newest.Checksum, true
	w.progress()
	return w.taker.endSnapshot()
}

// passSnapshot reads a snapshot to its end, in as many tries as that takes.
func (w *walk) passSnapshot(ctx context.Context, pass *snapshotPass) error {
	wait := backoff{most: w.retries, log: w.client.logger}
	ready := time.Now().Add(snapshotPatience)
	for {
		before := pass.count
		err := w.trySnapshot(ctx, pass)
		if err == nil || pass.taker != nil || errors.Is(err, ErrCompacted) {
			return err
		}
		if pass.count > before || errors.Is(err, errSnapshotPending) && time.Now().Before(ready) {
			wait.progress()
		}
		if errors.Is(err, errNoHello) {
			err = greetAgain(ctx, w.greet, w.log, err, &wait)
		} else {
			err = wait.wait(ctx, err)
		}
		if err != nil {
			return err
		}
	}
}

func (w *walk) trySnapshot(ctx context.Context, pass *snapshotPass) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	again := sha256.New()
	have, seen := pass.count, uint64(0)
	run, err := w.client.eachSnapshotFrame(ctx, pass.first, again, func(f frames.Frame, last uint64) error {
		seen++
		switch {
		case seen > have:
			return w.takeSnapshotFrame(pass, f, last)
		case seen == have && !bytes.Equal(again.Sum(nil), pass.sum.Sum(nil)):
			return ErrCompacted
		}
		return nil
	})
	if err == nil && run.Count() < have {
		return ErrCompacted
	}
	return err
}

func (w *walk) takeSnapshotFrame(pass *snapshotPass, f frames.Frame, last uint64) error {
	if pass.taker = w.taker.takeSnapshotFrame(f, last); pass.taker != nil {
		return pass.taker
	}
	if pass.count == 0 {
		pass.newest = f.Header()
	}
	pass.sum.Write(f)
	w.received.Add(1)
	w.taken++
	if pass.count++; pass.count%chunkFrames == 0 {
		w.progress()
	}
	return nil
}

func (w *walk) progress() {
	if w.report == nil {
		return
	}
	w.report(Progress{FrameNo: max(w.next, 1) - 1, Primary: w.to, Frames: w.taken, Bytes: w.client.bytes.Load()})
}
