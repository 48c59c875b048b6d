package replicator

import (
	"context"
	"errors"
	"time"
)

// patience is how long a server may keep silent that has something to say. The
// longest silence seen is before a batch with one huge transaction: 10 s for a
// gigabyte.
const patience = time.Minute

// errSilent says that a server accepts requests and does not answer them, or
// that a fault on the way has hidden where its answer ends.
var errSilent = errors.New("the server keeps silent")

// silence ends a request when the waits for one message of its answer take too
// long together: a server that sends a byte now and then is not heard either. Only
// the waits count, not the time in which what came is applied.
type silence struct {
	ctx   context.Context
	leave context.CancelCauseFunc
	most  time.Duration // 0: there is no bound
	left  time.Duration // of it, for the message that is waited for
	since time.Time     // when the wait began
	timer *time.Timer
}

// watchSilence returns the context of a request, which waits longer than most for
// one message end. It must be ended.
func watchSilence(ctx context.Context, most time.Duration) (context.Context, *silence) {
	ctx, leave := context.WithCancelCause(ctx)
	s := &silence{ctx: ctx, leave: leave, most: most, left: most}
	if most > 0 {
		s.timer = time.AfterFunc(most, func() { leave(errSilent) })
		s.timer.Stop()
	}
	return ctx, s
}

// message says that another message is waited for from now on.
func (s *silence) message() { s.left = s.most }

// atMost bounds what is left of the answer: it is of no great use.
func (s *silence) atMost(d time.Duration) {
	if s.timer == nil {
		s.timer = time.AfterFunc(d, func() { s.leave(errSilent) })
	}
	s.left = d
}

// begin says that a wait begins.
func (s *silence) begin() {
	if s.timer != nil {
		s.since = time.Now()
		s.timer.Reset(max(s.left, 0))
	}
}

// heard says that it has ended.
func (s *silence) heard() {
	if s.timer != nil {
		s.timer.Stop()
		s.left -= time.Since(s.since)
	}
}

// reason gives errSilent for the error that ended a request for that.
func (s *silence) reason(err error) error {
	if err != nil && context.Cause(s.ctx) == errSilent {
		return errSilent
	}
	return err
}

// end lets the request go.
func (s *silence) end() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.leave(nil)
}
