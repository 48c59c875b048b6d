package floe_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

func TestSyncTellsWhereTheReplicaIs(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	r := openNew(t, srv)
	if n, ok := r.FrameNo(); ok {
		t.Errorf("before the first sync the frame number is %d, want none", n)
	}
	res := mustSync(t, r)
	want := srv.FrameNo(t)
	n, ok := r.FrameNo()
	if !ok || n != want || r.Position() != res.Position || res.Position.FrameNo != want || res.Frames != want+1 {
		t.Errorf("frame %d (%v), position %v, result %+v; want frame %d everywhere", n, ok, r.Position(), res, want)
	}
	if res := mustSync(t, r); res.Frames != 0 {
		t.Errorf("a second sync applied %d frames, want 0", res.Frames)
	}
	wantEqual(t, r.Path(), srv)
}

func TestSyncUntilWaitsForThePrimary(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	r := openNew(t, srv)
	want := srv.FrameNo(t) + 1
	done := begin(func() error { _, err := r.SyncUntil(limit(t), want); return err })
	eventually(t, "the replica reaches what the primary has", func() bool {
		n, ok := r.FrameNo()
		return ok && n == want-1
	})
	fill(t, srv, 1)
	if err := within(t, "SyncUntil", done); err != nil {
		t.Fatal(err)
	}
	if n, _ := r.FrameNo(); n < want {
		t.Errorf("frame %d after SyncUntil(%d)", n, want)
	}
	wantQuery(t, r, "SELECT count(*) FROM t", "4")
}

func TestSyncUntilEndsWithItsContext(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	r := openNew(t, srv)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := r.SyncUntil(ctx, 1<<40)
	wantErrorIs(t, err, context.DeadlineExceeded)
	fill(t, srv, 3)
	mustSync(t, r)
	wantEqual(t, r.Path(), srv)
}

func TestSyncUntilOfAFrameThatIsThereNeedsNoServer(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	r := openNew(t, srv, floe.WithRetries(0))
	at := mustSync(t, r).Position.FrameNo
	srv.Kill()
	if _, err := r.SyncUntil(limit(t), at); err != nil {
		t.Error("a frame that is there:", err)
	}
	_, err := r.SyncUntil(limit(t), at+1)
	wantErrorIs(t, err, floe.ErrUnreachable)
}

// A Flush in the middle of a sync makes visible what has come so far.
func TestFlushDuringABigSync(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	about, cut := make(chan struct{}), false
	r := openNew(t, srv, floe.WithProgress(func(p floe.Progress) {
		if p.Frames < 1024 {
			return
		}
		if !cut {
			cut = true
			close(about)
		}
		time.Sleep(10 * time.Millisecond) // a sync that takes its time
	}))
	from := mustSync(t, r).Position.FrameNo
	for range 12 {
		fillPages(t, srv, 300)
	}
	end := srv.FrameNo(t)
	done := begin(func() error { _, err := r.Sync(limit(t)); return err })
	within(t, "progress", about)
	at, err := r.Flush(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	if at.FrameNo <= from || at.FrameNo >= end {
		t.Errorf("Flush gives %v, want a frame between %d and %d", at, from, end)
	}
	if got := query(t, r, "SELECT count(*) % 300, count(*) > 0 FROM bulk"); got != "0|1" {
		t.Errorf("after the flush a part of a transaction is visible, or none: %s", got)
	}
	if err := within(t, "Sync", done); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, r.Path(), srv)
}

func TestFlushOfAnIdleReplicaGivesThePosition(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	r := openNew(t, srv)
	want := mustSync(t, r).Position
	srv.Kill()
	if at, err := r.Flush(limit(t)); at != want || err != nil {
		t.Errorf("Flush gives %v, %v; want %v", at, err, want)
	}
}

func TestStatsCountWhatASyncDoes(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 10)
	r := openNew(t, srv, floe.WithRetries(0))
	mustSync(t, r)
	last := srv.FrameNo(t)
	s := r.Stats()
	if s.Frames != last+1 || s.Received < last+1 || s.Bytes < int64(last+1)*4096 || s.Syncs != 1 || s.LastSync.IsZero() || s.LastError != nil {
		t.Errorf("after one sync of %d frames: %+v", last+1, s)
	}
	if !s.HasPrimary || s.Primary != last || s.Position != r.Position() || s.Lag() != 0 || s.Watching {
		t.Errorf("after one sync up to frame %d: %+v, lag %d", last, s, s.Lag())
	}
	srv.Kill()
	_, err := r.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrUnreachable)
	if s := r.Stats(); !errors.Is(s.LastError, floe.ErrUnreachable) || s.Syncs != 1 {
		t.Errorf("after a sync that failed: %+v, want the error %v", s, err)
	}
	srv.Restart(t)
	mustSync(t, r)
	if s := r.Stats(); s.LastError != nil || s.Syncs != 2 {
		t.Errorf("after the server came back: %+v, want no error and 2 syncs", s)
	}
}

func TestStatsTellTheLagOfASyncThatWasCutOff(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	ctx, cancel := context.WithCancel(t.Context())
	r := openNew(t, srv, floe.WithProgress(func(p floe.Progress) {
		if p.Frames >= 1024 {
			cancel()
		}
	}))
	mustSync(t, r)
	for range 12 {
		fillPages(t, srv, 300)
	}
	_, err := r.Sync(ctx)
	wantErrorIs(t, err, context.Canceled)
	s, last := r.Stats(), srv.FrameNo(t)
	if s.Primary != last || s.Lag() == 0 || s.Lag() != last-s.Position.FrameNo {
		t.Errorf("primary %d, position %v, lag %d; the primary is at %d", s.Primary, s.Position, s.Lag(), last)
	}
	if got := query(t, r, "SELECT count(*) % 300, count(*) > 0 FROM bulk"); got != "0|1" {
		t.Errorf("what came whole is not there, or a part of a transaction is: %s", got)
	}
}

func TestIntervalSyncsInTheBackground(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	r := openNew(t, srv, floe.WithSyncInterval(10*time.Millisecond), floe.WithRetries(0))
	reaches := func(what string) {
		t.Helper()
		want := srv.FrameNo(t)
		eventually(t, what, func() bool { n, ok := r.FrameNo(); return ok && n == want })
	}
	reaches("the first sync")
	fill(t, srv, 3)
	reaches("a later one")
	srv.Kill()
	eventually(t, "the stats tell that the server is gone", func() bool {
		return errors.Is(r.Stats().LastError, floe.ErrUnreachable)
	})
	srv.Restart(t)
	fill(t, srv, 3)
	reaches("the server is back")
	wantQuery(t, r, "SELECT count(*) FROM t", "7")
}

func TestAnIntervalEndsWithClose(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	r := openNew(t, srv, floe.WithSyncInterval(time.Millisecond))
	eventually(t, "a sync", func() bool { return r.Stats().Syncs > 2 })
	closeReplica(t, r)
	before := r.Stats().Syncs
	fill(t, srv, 3)
	if after := r.Stats().Syncs; after != before {
		t.Errorf("%d syncs after Close, %d at Close", after, before)
	}
}

// watch begins a Watch and waits for it to have caught up.
func watch(t *testing.T, r *floe.Replica) (done <-chan error, cancel context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(limit(t))
	t.Cleanup(cancel)
	done = begin(func() error { return r.Watch(ctx) })
	awaitPrimary(t, r)
	return done, cancel
}

// awaitPrimary waits for a Watch to bring what the primary has. A server that
// was killed may begin its log anew, so the log counts as well as the frame.
func awaitPrimary(t *testing.T, r *floe.Replica) {
	t.Helper()
	want, err := r.Primary(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	for at := r.Position(); at.LogID != want.LogID || !at.HasFrame || at.FrameNo < want.FrameNo; {
		if at, err = r.AwaitChange(limit(t), at); err != nil {
			t.Fatalf("waiting for %v at %v: %v (last error %v)", want, at, err, r.Stats().LastError)
		}
	}
}

func TestWatchMakesCommitsVisible(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	r := openNew(t, srv)
	done, cancel := watch(t, r)
	if !r.Stats().Watching {
		t.Error("the stats do not tell that a Watch runs")
	}
	for i := range 10 {
		fill(t, srv, 1)
		awaitPrimary(t, r)
		wantQuery(t, r, "SELECT count(*) FROM t", fmt.Sprint(i+2))
	}
	fillPages(t, srv, 3000)
	awaitPrimary(t, r)
	wantEqual(t, r.Path(), srv)
	cancel()
	wantErrorIs(t, within(t, "Watch", done), context.Canceled)
	if r.Stats().Watching {
		t.Error("the stats tell of a Watch that has ended")
	}
}

func TestWatchOutlivesTheServer(t *testing.T) {
	for name, end := range map[string]func(*sqldtest.Server){
		"restarted": (*sqldtest.Server).Stop,
		"killed":    (*sqldtest.Server).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			srv := sqldtest.Start(t)
			fill(t, srv, 1)
			r := openNew(t, srv)
			done, cancel := watch(t, r)
			for i := range 2 {
				end(srv)
				wantQuery(t, r, "SELECT count(*) FROM t", fmt.Sprint(3*i+1))
				srv.Restart(t)
				fill(t, srv, 3)
				awaitPrimary(t, r)
			}
			wantEqual(t, r.Path(), srv)
			cancel()
			wantErrorIs(t, within(t, "Watch", done), context.Canceled)
		})
	}
}

func TestWatchFollowsAReplacedPrimary(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 10)
	r := openNew(t, srv)
	watch(t, r)
	old := r.Position().LogID
	srv.Wipe(t)
	fill(t, srv, 2)
	eventually(t, "the new log is followed", func() bool {
		p := r.Position()
		return p.LogID != old && p.HasFrame && p.FrameNo == srv.FrameNo(t)
	})
	wantEqual(t, r.Path(), srv)
}

func TestSyncWhileWatching(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	r := openNew(t, srv)
	watch(t, r)
	for i := range 10 {
		fill(t, srv, 1)
		want := srv.FrameNo(t)
		if res := mustSync(t, r); res.Position.FrameNo < want {
			t.Fatalf("Sync came back at %v, the primary was at %d", res.Position, want)
		}
		wantQuery(t, r, "SELECT count(*) FROM t", fmt.Sprint(i+2))
	}
}

func TestApplyFileWhileWatching(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	r := openNew(t, srv)
	watch(t, r)
	// One that holds nothing new interrupts the live stream, no more.
	if _, err := r.ApplyFile(limit(t), pullFile(t, srv, 0)); err != nil {
		t.Fatal(err)
	}
	fill(t, srv, 3)
	awaitPrimary(t, r)
	wantEqual(t, r.Path(), srv)
}

func TestApplyFileBringsWhatAWatchCannotReach(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	r := openNew(t, srv)
	at := mustSync(t, r).Position
	fill(t, srv, 3)
	archive, want := pullFile(t, srv, at.Next()), srv.FrameNo(t)
	srv.Kill()
	ctx, cancel := context.WithCancel(limit(t))
	defer cancel()
	done := begin(func() error { return r.Watch(ctx) })
	eventually(t, "Watch misses the server", func() bool { return r.Stats().LastError != nil })
	res, err := r.ApplyFile(limit(t), archive)
	if err != nil || res.Position.FrameNo != want || res.Frames != want-at.FrameNo {
		t.Fatalf("ApplyFile gives %+v, %v; want to go from frame %d to %d", res, err, at.FrameNo, want)
	}
	wantQuery(t, r, "SELECT count(*) FROM t", "6")
	srv.Restart(t)
	fill(t, srv, 1)
	awaitPrimary(t, r)
	wantEqual(t, r.Path(), srv)
	cancel()
	wantErrorIs(t, within(t, "Watch", done), context.Canceled)
}

func TestCloseEndsEveryCall(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	r := openNew(t, srv)
	watching, _ := watch(t, r)
	until := begin(func() error { _, err := r.SyncUntil(limit(t), 1<<40); return err })
	change := begin(func() error { _, err := r.AwaitChange(limit(t), r.Position()); return err })
	conn, err := r.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	closeReplica(t, r)
	for what, done := range map[string]<-chan error{"Watch": watching, "SyncUntil": until, "AwaitChange": change} {
		if err := within(t, what, done); !errors.Is(err, floe.ErrClosed) {
			t.Errorf("%s ends with %v, want %v", what, err, floe.ErrClosed)
		}
	}
	for what, err := range callAll(t, r) {
		if !errors.Is(err, floe.ErrClosed) {
			t.Errorf("%s after Close gives %v, want %v", what, err, floe.ErrClosed)
		}
	}
	if rows, err := readAll(limit(t), conn.Conn, "SELECT count(*) FROM t"); err != nil || flat(rows) != "3" {
		t.Errorf("a connection opened before Close gives %q, %v; want 3 rows", flat(rows), err)
	}
}

// callAll makes every call that can end with an error, by name.
func callAll(t *testing.T, r *floe.Replica) map[string]error {
	t.Helper()
	errs := make(map[string]error)
	ctx := limit(t)
	_, errs["Sync"] = r.Sync(ctx)
	_, errs["SyncUntil"] = r.SyncUntil(ctx, 0)
	errs["Watch"] = r.Watch(ctx)
	_, errs["Flush"] = r.Flush(ctx)
	_, errs["ApplyFile"] = r.ApplyFile(ctx, filepath.Join("testdata", "archive", "users.floe"))
	_, errs["ApplyFrames"] = r.ApplyFrames(ctx, floe.LogID{1}, nil)
	_, errs["Conn"] = r.Conn(ctx)
	_, errs["Freeze"] = r.Freeze(ctx)
	_, errs["Primary"] = r.Primary(ctx)
	_, errs["Verify"] = r.Verify(ctx)
	return errs
}

func TestCallsOfAllKindsAtOnce(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	r := openNew(t, srv, floe.WithSyncInterval(5*time.Millisecond))
	mustSync(t, r)
	archive := pullFile(t, srv, 0)
	ctx, cancel := context.WithCancel(limit(t))
	defer cancel()
	watching := begin(func() error { return r.Watch(ctx) })

	var reads atomic.Int64
	calls := map[string]func() error{
		"Sync":      func() error { _, err := r.Sync(ctx); return err },
		"SyncUntil": func() error { n, _ := r.FrameNo(); _, err := r.SyncUntil(ctx, n); return err },
		"Flush":     func() error { _, err := r.Flush(ctx); return err },
		"ApplyFile": func() error { _, err := r.ApplyFile(ctx, archive); return err },
		"Primary":   func() error { _, err := r.Primary(ctx); return err },
		"Stats":     func() error { s := r.Stats(); _ = s.Lag(); return nil },
		"read": func() error {
			c, err := r.Conn(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = readAll(ctx, c.Conn, "SELECT count(*) FROM t")
			reads.Add(1)
			return err
		},
		"write": func() error { return srv.TryExec("INSERT INTO t(a) VALUES ('x')") },
	}
	var wg sync.WaitGroup
	for name, call := range calls {
		wg.Go(func() {
			for range rounds {
				if err := call(); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if reads.Load() != int64(rounds) {
		t.Errorf("%d reads, want %d", reads.Load(), rounds)
	}
	cancel()
	wantErrorIs(t, within(t, "Watch", watching), context.Canceled)
	mustSync(t, r)
	wantEqual(t, r.Path(), srv)
}

func TestConnBeforeTheFirstSync(t *testing.T) {
	srv := sqldtest.Start(t)
	r := openNew(t, srv)
	_, err := r.Conn(limit(t))
	wantErrorIs(t, err, floe.ErrNoData)
}

func TestConnOfAReplicaRefusesToWrite(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	r := openNew(t, srv)
	mustSync(t, r)
	c, err := r.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Exec(limit(t), "DELETE FROM t"); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("DELETE gives %v, want a refusal", err)
	}
	_, err = floe.Open(limit(t), r.Path())
	wantErrorIs(t, err, floe.ErrIsReplica)
}
