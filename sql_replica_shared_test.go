package floe_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// watchUntilToldToEnd is a process that keeps a replica in step, until its standard
// input ends.
func watchUntilToldToEnd(args []string) error {
	r, err := floe.OpenReplica(context.Background(), args[0], args[1])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := r.Watch(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return r.Close()
}

// watcher begins such a process, and waits until it holds the replica.
func watcher(t *testing.T, path string, srv *sqldtest.Server) *exec.Cmd {
	t.Helper()
	cmd := child(t, "watch", path, srv.URL)
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	eventually(t, "a replica in the watcher's hands", func() bool { return heldBy(t, path, cmd) && mustExist(path) })
	return cmd
}

func mustExist(path string) bool { _, err := os.Stat(path); return err == nil }

func heldBy(t *testing.T, path string, cmd *exec.Cmd) bool {
	t.Helper()
	st, err := floe.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.HasPrefix(st.Holder, fmt.Sprintf("process %d ", cmd.Process.Pid))
}

// insertAndCount writes rows with a tag, and reads each one back at once.
func insertAndCount(ctx context.Context, db *sql.DB, tag string, n int) error {
	for i := range n {
		if _, err := db.ExecContext(ctx, "INSERT INTO t(a) VALUES (?)", tag); err != nil {
			return fmt.Errorf("write %d of %s: %w", i, tag, err)
		}
		var got int
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM t WHERE a = ?", tag).Scan(&got); err != nil || got != i+1 {
			return fmt.Errorf("after write %d of %s: read %d rows, %w", i+1, tag, got, err)
		}
	}
	return nil
}

// insertAndCountHere is a process that does so, through a replica that it syncs too.
func insertAndCountHere(args []string) error {
	db, err := sql.Open(floe.DriverName, "file:"+args[0]+"?syncInterval=5ms&primary="+url.QueryEscape(args[1]))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(insertAndCount(ctx, db, args[2], 25), db.Close())
}

func TestOwnWritesAreReadBesideAWatchOfAnotherProcess(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	path := newPath(t)
	cmd := watcher(t, path, srv)
	db, r := openReplicaDBAt(t, path, srv.URL)
	if err := insertAndCount(limit(t), db, "mine", 25); err != nil {
		t.Error(err)
	}
	if !heldBy(t, path, cmd) {
		t.Error("the watch no longer holds the replica")
	}
	fill(t, srv, 1)
	res := mustSync(t, r)
	if want := srv.FrameNo(t); res.Position.FrameNo != want || mustFrameNo(t, r) != want || r.Stats().Lag() != 0 {
		t.Errorf("a sync beside the watch gives %+v, frame %d, lag %d; want frame %d and no lag", res, mustFrameNo(t, r), r.Stats().Lag(), want)
	}
	from := r.Position()
	fill(t, srv, 1)
	if at, err := r.AwaitChange(limit(t), from); err != nil || at.FrameNo <= from.FrameNo {
		t.Errorf("the change that the watch made: %v, %v; want one from %v", at, err, from)
	}
	wantEqual(t, path, srv)
}

func TestTwoProgramsShareAReplica(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	path := newPath(t)
	other := child(t, "write", path, srv.URL, "theirs")
	out, err := other.StderrPipe()
	if err == nil {
		err = other.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := insertAndCountHere([]string{path, srv.URL, "ours"}); err != nil {
		t.Error(err)
	}
	said, _ := io.ReadAll(bufio.NewReader(out))
	if err := other.Wait(); err != nil {
		t.Errorf("the other program: %v: %s", err, said)
	}
	wantEqual(t, path, srv)
	if st, err := floe.Inspect(path); err != nil || st.Holder != "" {
		t.Errorf("holder %q, %v; want nobody", st.Holder, err)
	}
}

func TestTwoHandlesOfOneProcessShareAReplica(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	path := newPath(t)
	var dbs []*sql.DB
	var reps []*floe.Replica
	for range 3 {
		db, r := openReplicaDBAt(t, path, srv.URL)
		dbs, reps = append(dbs, db), append(reps, r)
	}
	for _, watched := range []bool{false, true} {
		ctx, cancel := context.WithCancel(limit(t))
		var watches, writers sync.WaitGroup
		if watched {
			for _, r := range reps[:2] { // one streams, the other one follows
				watches.Go(func() {
					if err := r.Watch(ctx); !errors.Is(err, context.Canceled) {
						t.Errorf("watch: %v", err)
					}
				})
			}
		}
		for i, db := range dbs {
			writers.Go(func() {
				if err := insertAndCount(ctx, db, fmt.Sprint("handle ", i, watched), 15); err != nil {
					t.Errorf("watched: %v: %v", watched, err)
				}
			})
		}
		writers.Wait()
		cancel()
		watches.Wait()
	}
	for _, r := range reps {
		if got, want := mustFrameNo(t, r), srv.FrameNo(t); got != want {
			t.Errorf("a handle is at frame %d, want %d", got, want)
		}
	}
	wantEqual(t, path, srv)
}

func TestAWatchTakesOverFromAProcessThatWasKilled(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	path := newPath(t)
	cmd := watcher(t, path, srv)
	db, r := openReplicaDBAt(t, path, srv.URL)
	ctx, cancel := context.WithCancel(limit(t))
	defer cancel()
	watch := begin(func() error { return r.Watch(ctx) })
	if err := insertAndCount(ctx, db, "before", 5); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := insertAndCount(ctx, db, "after", 5); err != nil {
		t.Error(err)
	}
	eventually(t, "a watch in this process", func() bool {
		st, err := floe.Inspect(path)
		return err == nil && strings.HasPrefix(st.Holder, fmt.Sprintf("process %d ", os.Getpid()))
	})
	from := r.Position()
	fill(t, srv, 1)
	if _, err := r.AwaitChange(ctx, from); err != nil {
		t.Error(err)
	}
	cancel()
	if err := within(t, "watch", watch); !errors.Is(err, context.Canceled) {
		t.Error("watch:", err)
	}
	wantEqual(t, path, srv)
}

func TestAReplicaIsNotFrozenUnderALiveWatchOfAnother(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	path := newPath(t)
	cmd := watcher(t, path, srv)
	r := openAt(t, path, srv)
	_, err := r.Freeze(limit(t))
	var locked *floe.LockedError
	if !errors.As(err, &locked) || !strings.Contains(locked.Holder, fmt.Sprint("process ", cmd.Process.Pid)) {
		t.Errorf("a freeze under a watch gives %v, want a LockedError that names process %d", err, cmd.Process.Pid)
	}
	fill(t, srv, 1)
	mustSync(t, r)
	wantEqual(t, path, srv)
}

func TestAFreezeEndsTheOtherHandles(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	path := newPath(t)
	r := openAt(t, path, srv)
	mustSync(t, r)
	db, other := openReplicaDBAt(t, path, srv.URL)
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	waits := begin(func() error { _, err := other.AwaitChange(limit(t), other.Position()); return err })
	own, err := r.Freeze(limit(t))
	if err != nil {
		t.Fatal("freeze:", err)
	}
	if err := own.Close(); err != nil {
		t.Error(err)
	}
	wantErrorIs(t, within(t, "await change", waits), floe.ErrFrozen)
	_, err = other.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrFrozen)
	wantErrorIs(t, other.Watch(limit(t)), floe.ErrFrozen)
	_, err = other.Conn(limit(t))
	wantErrorIs(t, err, floe.ErrFrozen)
	_, err = other.Freeze(limit(t))
	wantErrorIs(t, err, floe.ErrFrozen)
}
