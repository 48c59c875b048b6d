package replicator

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
)

// caller calls a replica's methods in any order until it ends.
type caller struct {
	r       *Replicator
	rnd     *rand.Rand
	archive string
	newest  uint64 // a frame that the primary has
}

// call makes one call, which may wait for 200 ms at most.
func (c *caller) call(ctx context.Context) (what string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(1+c.rnd.IntN(200))*time.Millisecond)
	defer cancel()
	switch c.rnd.IntN(9) {
	case 0:
		return "Watch", c.r.Watch(ctx)
	case 1:
		_, err = c.r.SyncUntil(ctx, c.newest+uint64(c.rnd.IntN(200)))
		return "SyncUntil", err
	case 2:
		_, err = c.r.Flush(ctx)
		return "Flush", err
	case 3:
		_, err = c.r.ApplyFile(ctx, c.archive)
		return "ApplyFile", err
	case 4:
		_, err = c.r.AwaitChange(ctx, c.r.Position())
		return "AwaitChange", err
	case 5:
		_, err = c.r.Verify(ctx)
		return "Verify", err
	case 6:
		_, err = c.r.Primary(ctx)
		return "Primary", err
	}
	_, err = c.r.Sync(ctx)
	_ = c.r.Stats().Lag()
	return "Sync", err
}

// expected tells whether a call may end with err.
func expected(err error) bool {
	for _, e := range []error{nil, context.DeadlineExceeded, context.Canceled, ErrFrozen, ErrClosed, ErrNotComparable, ErrNoData} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// callAll has many goroutines call everything for some time, and then last.
func callAll(t *testing.T, last func(*Replicator) error) (string, *ledger) {
	t.Helper()
	l := newLedger(t, sqldtest.Start(t), 300)
	var buf bytes.Buffer
	if _, err := Pull(t.Context(), Config{Remote: Remote{URL: l.srv.URL}}, 0, &buf); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(archive, buf.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	r := openTest(t, l.srv)
	newest := l.srv.FrameNo(t)
	stop := l.run(t, 1)
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for n := range 64 {
		c := caller{r: r, rnd: rand.New(rand.NewPCG(1, uint64(n))), archive: archive, newest: newest}
		wg.Go(func() {
			for ctx.Err() == nil {
				if what, err := c.call(ctx); !expected(err) {
					t.Errorf("%s: %v", what, err)
					return
				}
			}
		})
	}
	beyond := func(p Position) bool { return p.HasFrame && p.FrameNo > newest }
	for n := 0; n < 20 || !beyond(r.Position()); n++ { // however crowded, it moves on
		time.Sleep(100 * time.Millisecond)
		checkLedger(t, r.cfg.Path, "while all are at it")
	}
	var lasts sync.WaitGroup
	for range 4 {
		lasts.Go(func() {
			if err := last(r); err != nil {
				t.Error("the last call:", err)
			}
		})
	}
	lasts.Wait()
	cancel()
	wg.Wait()
	checkLedger(t, r.cfg.Path, "at the end")
	return r.cfg.Path, l
}

func TestCallsOfAllKindsAtOnceEndWithClose(t *testing.T) {
	path, l := callAll(t, (*Replicator).Close)
	settleReplica(t, path, l.srv)
}

func TestCallsOfAllKindsAtOnceEndWithSeal(t *testing.T) {
	path, _ := callAll(t, func(r *Replicator) error {
		_, err := r.Seal(context.Background())
		if errors.Is(err, ErrFrozen) {
			return nil // another one was first
		}
		return err
	})
	if _, err := ReadOrigin(path); err != nil {
		t.Error("origin:", err)
	}
	if _, err := Open(Config{Path: path}); !errors.Is(err, ErrFrozen) {
		t.Errorf("open gives %v, want %v", err, ErrFrozen)
	}
}
