package replicator

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/floedb/floe/internal/sqldtest"
)

// held takes the lock of a replica as another handle would.
func held(t *testing.T, path string) *fileLock {
	t.Helper()
	l, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ends waits for the end of something that was begun.
func ends(t *testing.T, what string, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-t.Context().Done():
		t.Fatalf("%s does not end", what)
		return nil
	}
}

func begun(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

func TestAFreezeByAnotherEndsASyncThatWaitsForIt(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	first := openTest(t, srv)
	mustSync(t, first)
	at := first.Position()
	other := open(t, first.cfg)
	fill(t, srv, 3, 0)
	l := held(t, first.cfg.Path)
	defer l.release(false)
	l.beat((&session{r: first}).progress(true)) // at work
	sync := begun(func() error { _, err := other.Sync(t.Context()); return err })
	watch := begun(func() error { return other.Watch(t.Context()) })
	for !other.Stats().HasPrimary { // the sync has asked, and waits
		moved := other.movement()
		<-moved
	}
	s := &session{r: first}
	if err := s.writeOrigin(Origin{LogID: at.LogID, FrameNo: at.FrameNo}, nil); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]<-chan error{"sync": sync, "watch": watch} {
		if err := ends(t, what, c); !errors.Is(err, ErrFrozen) {
			t.Errorf("%s gives %v, want %v", what, err, ErrFrozen)
		}
	}
	if _, err := other.Flush(t.Context()); !errors.Is(err, ErrFrozen) {
		t.Errorf("flush gives %v, want %v", err, ErrFrozen)
	}
}

func TestAHandleThatWasMovedOnByAnotherGoesOnFromThere(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	a := openTest(t, srv)
	b := open(t, a.cfg)
	for round := range 6 {
		r := []*Replicator{a, b}[round%2]
		srv.Exec(t, "CREATE TABLE IF NOT EXISTS extra"+string(rune('a'+round))+"(x)")
		fill(t, srv, 2, round*200_000)
		if res := mustSync(t, r); res.Position != a.Position() || res.Position != b.Position() {
			t.Errorf("round %d: a sync to %v, the handles say %v and %v", round, res.Position, a.Position(), b.Position())
		}
		checkEqual(t, a.cfg.Path, srv)
	}
	if _, err := a.Seal(t.Context()); err != nil {
		t.Fatal("freeze:", err)
	}
	if _, err := b.Sync(t.Context()); !errors.Is(err, ErrFrozen) {
		t.Errorf("sync by the other handle gives %v, want %v", err, ErrFrozen)
	}
}

func TestASyncDoesNotWaitForAHolderThatDoesNothing(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	r := openTest(t, srv)
	mustSync(t, r)
	fill(t, srv, 3, 0)
	l := held(t, r.cfg.Path)
	r.holderPatience, r.lockPatience = 1, 1
	calls := map[string]func() error{
		"sync":       func() error { _, err := r.Sync(t.Context()); return err },
		"try sync":   func() error { _, err := r.TrySync(t.Context()); return err },
		"sync until": func() error { _, err := r.SyncUntil(t.Context(), srv.FrameNo(t)); return err },
		"freeze":     func() error { _, err := r.Seal(t.Context()); return err },
		"apply file": func() error { _, err := r.ApplyFile(t.Context(), filepath.Join(t.TempDir(), "none")); return err },
	}
	for what, call := range calls {
		var locked *LockedError
		if err := call(); !errors.As(err, &locked) || locked.Holder == "" {
			t.Errorf("%s gives %v, want a LockedError with the holder's name", what, err)
		}
	}
	l.release(false)
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
}

func TestWaitingForAHolderEndsWithTheContext(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	r := openTest(t, srv)
	mustSync(t, r)
	fill(t, srv, 3, 0)
	l := held(t, r.cfg.Path)
	defer l.release(false)
	l.beat((&session{r: r}).progress(true))
	calls := map[string]func(context.Context) error{
		"sync":       func(ctx context.Context) error { _, err := r.Sync(ctx); return err },
		"sync until": func(ctx context.Context) error { _, err := r.SyncUntil(ctx, srv.FrameNo(t)+9); return err },
		"watch":      r.Watch,
		"freeze":     func(ctx context.Context) error { _, err := r.Seal(ctx); return err },
		"await":      func(ctx context.Context) error { _, err := r.AwaitChange(ctx, r.Position()); return err },
	}
	for what, call := range calls {
		ctx, cancel := context.WithCancel(t.Context())
		c := begun(func() error { return call(ctx) })
		cancel()
		if err := ends(t, what, c); !errors.Is(err, context.Canceled) {
			t.Errorf("%s gives %v, want %v", what, err, context.Canceled)
		}
	}
}

// brokenTarget fails to apply, as a disk does that is full, and forgets what was
// spilled to it.
type brokenTarget struct{ applied, fails int }

func (b *brokenTarget) spill(*pageSet) error { return nil }
func (b *brokenTarget) abort()               {}
func (b *brokenTarget) bare() bool           { return false }
func (b *brokenTarget) apply(*pageSet, uint64, uint32) error {
	if b.fails--; b.fails >= 0 {
		return errNoDisk
	}
	b.applied++
	return nil
}

func TestTheRestOfASpilledTransactionIsNotAppliedAlone(t *testing.T) {
	to := &brokenTarget{fails: 1}
	b := batch{to: to}
	const pages = batchPages + 10
	page := make([]byte, 4096)
	for n := range uint64(pages) {
		if err := b.put(n, uint32(n+2), page); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.commit(pages-1, pages); !errors.Is(err, errNoDisk) {
		t.Fatalf("commit gives %v, want %v", err, errNoDisk)
	}
	if err := b.flush(); err != nil || to.applied != 0 {
		t.Errorf("a flush after that gives %v and applies %d times, want none: the spilled pages are gone", err, to.applied)
	}
}
