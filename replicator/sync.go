package replicator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/floedb/floe/frames"
)

// sync brings the file to the primary's end, as hello finds it.
func (s *session) sync(ctx context.Context) error {
	err := s.syncOver(ctx)
	if !errors.Is(err, errOtherLayout) {
		return err
	}
	// SQLite cannot go over from one to the other under the connections that are
	// open: a new file takes the old one's place.
	if err := s.leaveApplier(); err != nil {
		return err
	}
	s.startOver()
	return s.syncOver(ctx)
}

// syncOver is sync in the file that there is.
func (s *session) syncOver(ctx context.Context) error {
	h, err := s.hello(ctx)
	if err != nil {
		return err
	}
	if err := s.adopt(h); err != nil {
		return err
	}
	if err := s.catchUp(ctx, h); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	if s.builder == nil {
		if err := s.intact(); err != nil {
			return err
		}
	}
	s.r.noteSynced(h)
	return nil
}

// hello opens a session with the server, trying again where it cannot be reached.
func (s *session) hello(ctx context.Context) (frames.Hello, error) {
	if s.r.client == nil {
		return frames.Hello{}, ErrNoServer
	}
	h, err := s.r.client.greet(ctx, s.retries, s.doubleRead())
	if err == nil {
		s.r.change(func() { s.r.stats.Primary, s.r.stats.HasPrimary = h.Current, h.HasCurrent })
	}
	return h, err
}

// adopt compares the replica's position with what the server has.
func (s *session) adopt(h frames.Hello) error {
	s.goal = h.Current
	switch {
	case !s.rec.HasFrame:
		s.setReceived(Position{LogID: h.LogID})
	case s.log != h.LogID:
		s.r.cfg.Logger.Warn("the primary has another log now: the replica begins anew", "path", s.r.cfg.Path, "log", s.log, "new", h.LogID)
		s.restart(h.LogID)
	case !h.HasCurrent && s.any, s.any && h.Current < max(s.last, s.rec.floor()):
		return aheadError(max(s.last, s.rec.floor()), h)
	}
	return nil
}

func aheadError(at uint64, h frames.Hello) error {
	return fmt.Errorf("%w: the replica is at frame %d of log %s, the primary has %s", ErrAhead, at, h.LogID, lastFrame(h))
}

func lastFrame(h frames.Hello) string {
	if !h.HasCurrent {
		return "none"
	}
	return fmt.Sprintf("frame %d as its last", h.Current)
}

// catchUp fetches up to the primary's end. A server that has restarted is asked
// for a new session; a log that no longer reaches back, for its snapshots.
func (s *session) catchUp(ctx context.Context, h frames.Hello) error {
	if !h.HasCurrent {
		return s.createEmpty(ctx, h.LogID)
	}
	wait := backoff{most: s.retries, log: s.r.cfg.Logger}
	for s.next() <= h.Current || !s.proven {
		before := s.next()
		err := s.pull(ctx, h.Current)
		if errors.Is(err, errNeedSnapshot) {
			err = s.pullSnapshot(ctx, h.Current)
		}
		if errors.Is(err, errNoHello) {
			err = greetAgain(ctx, s.hello, h.LogID, err, &wait)
		}
		if err != nil {
			return err
		}
		switch {
		case s.next() > before:
			wait.progress()
		case s.next() > h.Current && s.proven:
			return nil // there was only the last frame to compare
		default:
			if err := wait.wait(ctx, errNoProgress); err != nil {
				return err
			}
		}
	}
	return nil
}

// errNoProgress says that the server answers, and gives nothing.
var errNoProgress = errors.New("the server gives no frames though it has some")

// pull fetches frames up to the one numbered to and takes them in. The first
// time, it begins at the last frame applied, to see whether file and log agree.
func (s *session) pull(ctx context.Context, to uint64) error {
	if s.any && !s.proven {
		switch err := s.pullFrom(ctx, s.last, to); {
		case errors.Is(err, errNeedSnapshot) && s.rec.proven:
			s.proven = true // the log begins after it: nothing to compare
		case errors.Is(err, errNeedSnapshot):
			return fmt.Errorf("%w, or another program wrote it: its check value does not fit, and the primary no longer has frame %d to compare with", ErrPositionFile, s.last)
		case errors.Is(err, ErrDiverged), errors.Is(err, ErrPositionFile):
			// The checksum of the first frame fetched does not vouch for its page.
			// Alone it is read twice: then the verdict stands.
			if err := s.pullFrom(ctx, s.last, s.last); err != nil {
				return err
			}
		default:
			return err
		}
	}
	s.proven = true
	if s.next() > to {
		return nil
	}
	err := s.pullFrom(ctx, s.next(), to)
	if errors.Is(err, ErrCorrupt) && s.any && s.rec.HasFrame && s.last == s.rec.FrameNo {
		// What does not follow the last frame applied may be the log of a primary
		// that lost it, and went on with others.
		if tipErr := s.pullFrom(ctx, s.last, s.last); errors.Is(tipErr, ErrDiverged) {
			return tipErr
		}
	}
	return err
}

func (s *session) pullFrom(ctx context.Context, from, to uint64) error {
	if err := s.ready(ctx, s.log, to); err != nil {
		return err
	}
	f := s.r.client.fetch(ctx, fetchRange{
		from: from, to: to,
		prev: s.sum, prevOK: s.sumOK && from == s.next(),
		twice:    s.doubleRead(),
		tip:      s.any && from == s.last,
		retries:  s.retries,
		received: &s.r.received,
		flush:    s.r.flushes,
		onFlush:  s.flush,
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
		if err := s.takeChunk(ch); err != nil {
			return err
		}
		f.release(ch)
		s.report()
	}
}

func (s *session) doubleRead() bool { return s.r.client.doubleRead(s.r.cfg.DoubleRead) }

// doubleRead tells whether frames of this server are to be read twice.
func (c *client) doubleRead(mode DoubleRead) bool {
	switch mode {
	case DoubleReadAlways:
		return true
	case DoubleReadNever:
		return false
	}
	return !c.trusted()
}

// takeChunk takes in the frames of a chunk, the first of which may be the tip.
func (s *session) takeChunk(ch *chunk) error {
	for i := range ch.n {
		f := ch.frame(i)
		if s.any && f.FrameNo() == s.last {
			if s.sumOK && s.sum != f.Checksum() {
				return fmt.Errorf("%w: the primary has another frame %d now", ErrDiverged, s.last)
			}
			if err := s.checkTip(f); err != nil {
				return err
			}
			s.proven, s.sum, s.sumOK = true, f.Checksum(), true
			continue
		}
		if err := s.accept(f); err != nil {
			return err
		}
	}
	return nil
}

// snapshotPatience bounds how long a server may take to make a snapshot.
const snapshotPatience = 2 * time.Minute

// pullSnapshot takes in the snapshot that covers the next frame: the last
// version of every page that a range of the log changed, as one transaction.
func (s *session) pullSnapshot(ctx context.Context, to uint64) error {
	if err := s.flush(); err != nil {
		return err
	}
	s.batch.dropTail()
	s.rewind()
	next := s.next()
	if err := s.ready(ctx, s.log, to); err != nil {
		return err
	}
	wait := backoff{most: s.retries, log: s.r.cfg.Logger}
	ready := time.Now().Add(snapshotPatience)
	for {
		newest, err := s.readSnapshot(ctx, next)
		if err == nil {
			s.last, s.any, s.proven = newest.FrameNo, true, true
			s.sum, s.sumOK = newest.Checksum, true
			s.report()
			return nil
		}
		s.batch.dropTail()
		if s.rewind(); s.next() != next {
			return wait.wait(ctx, err) // what came before the snapshot went with it: start over
		}
		if errors.Is(err, errSnapshotPending) && time.Now().Before(ready) {
			wait.progress()
		}
		if err := wait.wait(ctx, err); err != nil {
			return fmt.Errorf("snapshot from frame %d: %w", next, err)
		}
	}
}

// readSnapshot reads one snapshot into the batch and returns the header of the
// newest frame in it, which the log goes on from.
func (s *session) readSnapshot(ctx context.Context, next uint64) (newest frames.Header, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sum := sha256.New()
	var seen pageBits
	run, err := s.r.client.eachSnapshotFrame(ctx, next, sum, func(f frames.Frame, last uint64) error {
		s.r.received.Add(1)
		if s.count++; s.count%chunkFrames == 0 {
			s.report()
		}
		if f.FrameNo() == last {
			newest = f.Header()
		}
		if !seen.add(f.PageNo()) {
			return nil // what comes first is the newest
		}
		return s.put(last, f.PageNo(), f.Page())
	})
	if err == nil && s.doubleRead() {
		err = s.confirmSnapshot(ctx, next, sum.Sum(nil))
	}
	if err == nil && run.Last() > s.goal {
		err = inLog(ctx, s.hello, s.log, run.Last())
	}
	if err != nil {
		return newest, err
	}
	return newest, s.commit(run.Last(), run.SizeAfter())
}

// inLog asks by hello whether the server has frame last of a log: nothing else vouches for the number that a snapshot
// goes up to, and a replica with too high a one is ahead of its primary for good.
func inLog(ctx context.Context, hello func(context.Context) (frames.Hello, error), log frames.LogID, last uint64) error {
	h, err := hello(ctx)
	switch {
	case err != nil:
		return err
	case h.LogID != log:
		return fmt.Errorf("%w: %s became %s meanwhile", errLogChanged, log, h.LogID)
	case !h.HasCurrent || h.Current < last:
		return fmt.Errorf("%w: the snapshot goes up to frame %d, the primary has %s", ErrCorrupt, last, lastFrame(h))
	}
	return nil
}

// confirmSnapshot reads the snapshot once more and compares.
func (s *session) confirmSnapshot(ctx context.Context, next uint64, want []byte) error {
	sum := sha256.New()
	nothing := func(frames.Frame, uint64) error { return nil }
	if _, err := s.r.client.eachSnapshotFrame(ctx, next, sum, nothing); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return fmt.Errorf("%w: the snapshot came as two different ones", ErrCorrupt)
	}
	return nil
}

// eachSnapshotFrame calls take for each frame of the snapshot that covers next,
// with the number of the last frame that the snapshot stands for.
func (c *client) eachSnapshotFrame(ctx context.Context, next uint64, sum hash.Hash, take func(f frames.Frame, last uint64) error) (*frames.SnapshotRun, error) {
	stream, err := c.snapshot(ctx, next)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	run := frames.NewSnapshotRun(next)
	f := make(frames.Frame, frames.Size)
	for {
		_, err := stream.next(f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := run.Verify(f); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		sum.Write(f)
		if err := take(f, run.Last()); err != nil {
			return nil, err
		}
	}
	if !run.Done() {
		return nil, fmt.Errorf("%w: the snapshot breaks off after %d frames", ErrCorrupt, run.Count())
	}
	return run, nil
}
