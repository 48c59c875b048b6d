package replicator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/floedb/floe/frames"
)

// pulse is how often an idle stream is doubted: the server is then asked what it
// has, and a stream that has not brought it is left.
const pulse = 15 * time.Second

// errStalled says that a stream stays silent though the primary has moved on.
var errStalled = errors.New("the live stream has stalled")

// follow keeps the file in step with the primary, until it has reached frame
// until, where that is given. One call at a time does so; others wait for it to
// have come far enough, or to end.
func (r *Replicator) follow(ctx context.Context, until *uint64) error {
	for {
		moved := r.movement()
		if p := r.position(); until != nil && p.HasFrame && p.FrameNo >= *until {
			return nil
		}
		select {
		case r.following <- struct{}{}:
			defer func() { <-r.following }()
			return r.followAlone(ctx, until)
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *Replicator) followAlone(ctx context.Context, until *uint64) error {
	wait := backoff{most: -1, log: r.cfg.Logger}
	if until != nil {
		wait.most = r.cfg.Retries
	}
	missing := 0
	for {
		before := r.position()
		err := r.online(ctx, func(ctx context.Context, s *session) error { return s.follow(ctx, until) })
		if errors.Is(err, ErrLocked) {
			var done bool
			if done, err = r.followHolder(ctx, until); !done && err == nil {
				continue // the lock is free
			}
		}
		if err == nil || ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
			return err
		}
		if r.position() != before {
			wait.progress()
			missing = 0
		}
		switch {
		case errors.Is(err, errYield):
			r.standBack(ctx)
			continue
		case errors.Is(err, ErrNamespaceNotFound) && r.Stats().HasPrimary && missing < DefaultRetries:
			// A server that shuts down forgets its namespaces before it ends.
			missing++
			err = errors.New(err.Error())
		case errors.Is(err, ErrNotLibSQL) && !errors.Is(err, ErrRefused) && r.client.greeted():
			// It was a libSQL server once: something between is being changed.
			err = errors.New(err.Error())
		case errors.Is(err, errNeedSnapshot), errors.Is(err, errNoHello), errors.Is(err, errLogChanged):
			// The next round's hello and catch-up know what to do.
			err = errors.New(err.Error())
		case !permanent(err):
			r.change(func() { r.stats.LastError = err })
		}
		if err := wait.wait(ctx, err); err != nil {
			return err
		}
	}
}

// follow catches up and then takes in what the live stream brings.
func (s *session) follow(ctx context.Context, until *uint64) error {
	if err := s.sync(ctx); err != nil {
		return err
	}
	if s.builder != nil {
		// Readers are not to wait for a new database until the stream ends.
		if err := s.place(ctx); err != nil {
			return err
		}
	}
	if s.reached(until) {
		return nil
	}
	ctx, stop := s.goLive(ctx)
	defer stop()
	err := s.stream(ctx, until)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (s *session) reached(until *uint64) bool {
	return until != nil && s.rec.HasFrame && s.rec.FrameNo >= *until
}

// goLive says that a stream is open, and lets it be ended by whoever wants the
// turn, or when it has stalled.
func (s *session) goLive(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.r.change(func() { s.r.yield, s.r.live = cancel, true })
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.doubtStream(ctx, cancel)
	}()
	s.r.cfg.Logger.Debug("the replica follows its primary live", "path", s.r.cfg.Path)
	return ctx, func() {
		s.r.change(func() { s.r.yield, s.r.live = nil, false })
		cancel(nil)
		<-done
	}
}

// doubtStream ends a live stream that does not bring what the primary has, or whose
// files are gone.
func (s *session) doubtStream(ctx context.Context, leave context.CancelCauseFunc) {
	r := s.r
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		before := r.position()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := s.intact(); err != nil {
			leave(err)
			return
		}
		if r.position() != before {
			continue
		}
		h, err := r.client.hello(ctx)
		if err != nil {
			continue // the stream's own reading tells
		}
		r.change(func() { r.stats.Primary, r.stats.HasPrimary = h.Current, h.HasCurrent })
		moved := h.LogID != before.LogID || h.HasCurrent && h.Current >= before.Next()
		if moved && r.position() == before {
			leave(errStalled)
		}
	}
}

// stream takes in frames as the primary commits them.
func (s *session) stream(ctx context.Context, until *uint64) error {
	next := s.next()
	stream, err := s.r.client.live(ctx, next)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := s.ready(ctx, s.log, 0); err != nil {
		return err
	}
	chain := s.chain(next)
	f := make(frames.Frame, frames.Size)
	for !s.reached(until) {
		if _, err := stream.next(f); err != nil {
			return streamEnd(err)
		}
		if err := chain.Verify(f); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		s.r.received.Add(1)
		if err := s.acceptLive(ctx, f, stream.buffered() < frames.Size); err != nil {
			return err
		}
	}
	return nil
}

// chain returns what verifies the frames from next on.
func (s *session) chain(next uint64) *frames.Chain {
	switch {
	case next == 0:
		return frames.NewChain(0, 0)
	case s.sumOK:
		return frames.NewChain(next, s.sum)
	}
	return frames.NewOpenChain(next)
}

// acceptLive takes in one frame of the stream. A commit is applied when no more
// frames have arrived behind it. Where frames are read twice, the stream only
// tells that there is something to fetch.
func (s *session) acceptLive(ctx context.Context, f frames.Frame, idle bool) error {
	if f.IsCommit() {
		s.r.change(func() { s.r.stats.Primary, s.r.stats.HasPrimary = f.FrameNo(), true })
	}
	if s.doubleRead() {
		if !f.IsCommit() {
			return nil
		}
		if err := s.pull(ctx, f.FrameNo()); err != nil {
			return err
		}
		return s.flush()
	}
	if err := s.accept(f); err != nil {
		return err
	}
	if f.IsCommit() && idle {
		s.report()
		return s.flush()
	}
	return nil
}

// streamEnd makes the end of a stream, which has none, an error.
func streamEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("LogEntries: the server ended the stream")
	}
	return err
}
