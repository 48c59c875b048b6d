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

// silence ends a request when one wait for its answer takes too long. Only the
// waits count, not the time in which what came is applied.
type silence struct {
	ctx   context.Context
	leave context.CancelCauseFunc
	most  time.Duration
	timer *time.Timer // nil: there is no bound
}

// watchSilence returns the context of a request, which a silence longer than
// most ends. It must be ended.
func watchSilence(ctx context.Context, most time.Duration) (context.Context, *silence) {
	ctx, leave := context.WithCancelCause(ctx)
	s := &silence{ctx: ctx, leave: leave, most: most}
	if most > 0 {
		s.timer = time.AfterFunc(most, func() { leave(errSilent) })
	}
	return ctx, s
}

// begin says that a wait begins.
func (s *silence) begin() {
	if s.timer != nil {
		s.timer.Reset(s.most)
	}
}

// heard says that it has ended.
func (s *silence) heard() {
	if s.timer != nil {
		s.timer.Stop()
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
	s.heard()
	s.leave(nil)
}
