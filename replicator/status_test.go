package replicator

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/liar"
)

// answering has a primary end the answers of some methods with a status, without a
// message before it.
func answering(code int, message string, methods ...string) liar.PrimaryLie {
	return sayAtOnce(liar.PrimaryLie{Status: func(method string) *frames.Status {
		for _, m := range methods {
			if m == method {
				return &frames.Status{Code: code, Message: message}
			}
		}
		return nil
	}})
}

// A real server cannot be made to give most of these.
func TestStatusThatLastsIsNotTriedAgain(t *testing.T) {
	log := lieLogs(t)["one request"]
	for _, tt := range []struct {
		code    int
		message string
		want    error
	}{
		{3, "Invalid namespace name", ErrRefused},
		{5, "no such thing", ErrRefused},
		{6, "there already", ErrRefused},
		{7, "no", ErrAuth},
		{9, "cannot replicate a shared schema db", ErrRefused},
		{11, "frame not yet available", ErrRefused},
		{12, "", ErrRefused},
		{12, "", ErrNotLibSQL},
		{15, "the disk is gone", ErrRefused},
		{16, "AuthError", ErrAuth},
	} {
		for _, method := range []string{"Hello", "BatchLogEntries"} {
			what := fmt.Sprintf("status %d of %s", tt.code, method)
			s := newLieScene(t, what, log)
			s.patience = time.Minute
			r := s.open()
			r.cfg.Retries = DefaultRetries
			s.p.Lie(answering(tt.code, tt.message, method))
			_, err := r.Sync(t.Context())
			var status *StatusError
			if !errors.Is(err, tt.want) || !errors.As(err, &status) || status.Code != tt.code {
				t.Errorf("%s: sync gives %v, want %v", what, err, tt.want)
			}
			if n := s.p.Asked(method); n != 1 {
				t.Errorf("%s: asked %d times, want once", what, n)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := r.Watch(ctx); !errors.Is(err, tt.want) {
				t.Errorf("%s: watch ends with %v, want %v", what, err, tt.want)
			}
			cancel()
			s.recovers(r, &lieTest{})
		}
	}
}

func TestStatusThatPassesIsTriedAgain(t *testing.T) {
	log := lieLogs(t)["one request"]
	for _, code := range []int{1, 2, 4, 8, 10, 13, 14} {
		for _, method := range []string{"Hello", "BatchLogEntries"} {
			s := newLieScene(t, fmt.Sprintf("status %d of %s", code, method), log)
			s.patience = time.Minute
			r := s.open()
			r.cfg.Retries = 1
			s.p.Lie(answering(code, "not now", method))
			_, err := r.Sync(t.Context())
			if err == nil || permanent(err) {
				t.Errorf("%s: sync gives %v, want an error that passes", s.what, err)
			}
			if n := s.p.Asked(method); n != 2 {
				t.Errorf("%s: asked %d times, want twice", s.what, n)
			}
		}
	}
}

// A server that lacks the live stream ends a watch, which has caught up before.
func TestWatchEndsWhereThereIsNoLiveStream(t *testing.T) {
	log := lieLogs(t)["one request"]
	s := newLieScene(t, "watch", log)
	s.patience = time.Minute
	r := s.open()
	s.p.Lie(answering(12, "", "LogEntries"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Watch(ctx); !errors.Is(err, ErrRefused) {
		t.Errorf("watch ends with %v, want %v", err, ErrRefused)
	}
	if p := r.Position(); p.FrameNo != log.Last() {
		t.Errorf("it has come to %v, want frame %d", p, log.Last())
	}
}
