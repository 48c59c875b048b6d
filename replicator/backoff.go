package replicator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = 5 * time.Second
)

// backoff spaces the tries of something that fails for a passing reason: twice
// as long before each, with jitter, so that many replicas of one server do not
// come back in step.
type backoff struct {
	most  int // tries without progress before it gives up; negative: never
	tries int
	log   *slog.Logger // told of each wait; may be nil
}

// progress starts the count again.
func (b *backoff) progress() { b.tries = 0 }

// wait sleeps before the next try. It returns err, with the reason for giving
// up, when err is permanent, the tries are used up or ctx ends.
func (b *backoff) wait(ctx context.Context, err error) error {
	if permanent(err) {
		return err
	}
	if ctx.Err() != nil {
		return contextError(ctx, err)
	}
	b.tries++
	if b.most >= 0 && b.tries > b.most {
		return gaveUp(b.tries, err)
	}
	pause := b.pause()
	b.tell(ctx, err, pause)
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx, err)
	}
}

// tell writes down why the server is tried again, and when.
func (b *backoff) tell(ctx context.Context, err error, pause time.Duration) {
	switch {
	case b.log == nil:
	case errors.Is(err, ErrCorrupt):
		b.log.WarnContext(ctx, "frames were refused; they are asked for again", "err", err, "try", b.tries, "in", pause)
	default:
		b.log.InfoContext(ctx, "the server is asked again", "err", err, "try", b.tries, "in", pause)
	}
}

// pause picks a time between a half and the whole of the current step.
func (b *backoff) pause() time.Duration {
	step := backoffMost
	if shift := b.tries - 1; shift < 10 {
		step = min(step, backoffFirst<<shift)
	}
	return step/2 + rand.N(step/2+1)
}

// gaveUp is the error of the last of several tries.
func gaveUp(tries int, err error) error {
	var status *StatusError
	if errors.Is(err, ErrCorrupt) || errors.As(err, &status) {
		return fmt.Errorf("after %d tries: %w", tries, err)
	}
	return fmt.Errorf("%w after %d tries: %w", ErrUnreachable, tries, err)
}

// contextError is ctx's error, with what went wrong while it lasted.
func contextError(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || errors.Is(err, cause) {
		return cause
	}
	return fmt.Errorf("%w (the last try: %w)", cause, err)
}
