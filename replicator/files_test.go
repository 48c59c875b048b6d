package replicator

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// replaceFiles does something to the files of a replica, behind its back.
type replaceFiles struct {
	do   func(t *testing.T, path string)
	want error // of the next sync; nil where that begins again
}

func removeFiles(suffixes ...string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		for _, suffix := range suffixes {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
}

var allFiles = removeFiles("", "-wal", "-shm", positionSuffix, lockSuffix)

func makeDatabase(t *testing.T, path string) {
	t.Helper()
	c, err := engine.Open(path, engine.OpenReadWrite|engine.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec(t.Context(), "CREATE TABLE own(a); INSERT INTO own VALUES (1)"), c.Close()); err != nil {
		t.Fatal(err)
	}
}

var replacements = map[string]replaceFiles{
	"all deleted":                {allFiles, nil},
	"the database deleted":       {removeFiles("", "-wal", "-shm"), nil},
	"the database alone deleted": {removeFiles(""), nil},
	"the position deleted":       {removeFiles(positionSuffix), ErrNotReplica},
	"the log deleted":            {removeFiles("-wal", "-shm"), nil},
	"moved": {func(t *testing.T, path string) {
		for _, suffix := range []string{"", "-wal", "-shm", positionSuffix} {
			if err := os.Rename(path+suffix, path+".moved"+suffix); err != nil {
				t.Fatal(err)
			}
		}
	}, nil},
	"replaced by another database": {func(t *testing.T, path string) {
		allFiles(t, path)
		makeDatabase(t, path)
	}, ErrNotReplica},
	"replaced under its position": {func(t *testing.T, path string) {
		removeFiles("", "-wal", "-shm")(t, path)
		makeDatabase(t, path)
	}, ErrDiverged},
}

// notOnWindows skips a test that does to open files what Windows forbids.
func notOnWindows(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("files that are open cannot be removed")
	}
}

func TestFilesReplacedBetweenSyncsAreNoticed(t *testing.T) {
	notOnWindows(t)
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	for name, tt := range replacements {
		t.Run(name, func(t *testing.T) {
			r := openTest(t, srv)
			mustSync(t, r)
			fill(t, srv, 3, 0)
			mustSync(t, r) // with a connection to the database
			tt.do(t, r.cfg.Path)
			checkReplaced(t, r, srv, tt.want)
		})
	}
}

// checkReplaced syncs once its files were replaced.
func checkReplaced(t *testing.T, r *Replicator, srv *sqldtest.Server, want error) {
	t.Helper()
	_, err := r.Sync(t.Context())
	if !errors.Is(err, want) {
		t.Fatalf("sync gives %v, want %v", err, want)
	}
	if want != nil {
		if got := queryText(t, r.cfg.Path, "SELECT count(*) FROM sqlite_schema"); errors.Is(want, ErrNotReplica) && got == "0" {
			t.Error("somebody's own database was emptied")
		}
		return
	}
	checkEqual(t, r.cfg.Path, srv)
	fill(t, srv, 3, 0)
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
}

func TestFilesReplacedUnderASyncAreNoticed(t *testing.T) {
	notOnWindows(t)
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	for name, tt := range replacements {
		t.Run(name, func(t *testing.T) {
			var strike atomic.Bool
			r := openTest(t, srv, func(c *Config) {
				path := &c.Path
				c.Progress = func(Progress) {
					if strike.CompareAndSwap(true, false) {
						tt.do(t, *path)
					}
				}
			})
			mustSync(t, r)
			fill(t, srv, 3, 0)
			mustSync(t, r)
			fill(t, srv, 3, 400<<10)
			strike.Store(true)
			checkReplaced(t, r, srv, tt.want)
		})
	}
}

func TestFilesReplacedUnderAWatchAreNoticed(t *testing.T) {
	notOnWindows(t)
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	r := openTest(t, srv)
	mustSync(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	watch := begun(func() error { return r.Watch(ctx) })
	for !isLive(r) {
		time.Sleep(time.Millisecond)
	}
	allFiles(t, r.cfg.Path)
	fill(t, srv, 3, 0)
	want := srv.FrameNo(t)
	for at, err := PositionOf(r.cfg.Path); err != nil || at.FrameNo < want; at, err = PositionOf(r.cfg.Path) {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := ends(t, "watch", watch); !errors.Is(err, context.Canceled) {
		t.Error("watch:", err)
	}
	checkEqual(t, r.cfg.Path, srv)
}

func isLive(r *Replicator) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live
}

func TestADatabaseMadeDuringTheFirstSyncIsNotReplaced(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	made := false
	r := openTest(t, srv, func(c *Config) {
		path := c.Path
		c.Progress = func(Progress) {
			if !made {
				made = true
				makeDatabase(t, path)
			}
		}
	})
	if _, err := r.Sync(t.Context()); !errors.Is(err, ErrNotReplica) {
		t.Errorf("sync gives %v, want %v", err, ErrNotReplica)
	}
	if got := queryText(t, r.cfg.Path, "SELECT a FROM own"); got != "1" {
		t.Errorf("the database holds %q, want its own row", got)
	}
}

// closeCounter is a transport of a user's own.
type closeCounter struct {
	http.RoundTripper
	closed atomic.Int32
}

func (c *closeCounter) CloseIdleConnections() { c.closed.Add(1) }

func TestCloseLeavesNoGoroutineAndNoSocket(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 2<<20)
	srv.FrameNo(t)
	before := runtime.NumGoroutine()
	for _, last := range []func(*Replicator) error{(*Replicator).Close, freeze} {
		r, err := Open(Config{Path: filepath.Join(t.TempDir(), "replica.db"), Remote: Remote{URL: srv.URL}})
		if err != nil {
			t.Fatal(err)
		}
		mustSync(t, r)
		if _, err := Pull(t.Context(), r.cfg, 0, nothing{}); err != nil {
			t.Fatal(err)
		}
		watch := begun(func() error { return r.Watch(t.Context()) })
		for !isLive(r) {
			time.Sleep(time.Millisecond)
		}
		if err := errors.Join(last(r), r.Close()); err != nil {
			t.Fatal(err)
		}
		ends(t, "watch", watch)
		// Each connection has two goroutines, which end a moment after it does.
		for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				b := make([]byte, 1<<20)
				t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, b[:runtime.Stack(b, true)])
			}
		}
	}
	own := &closeCounter{RoundTripper: http.DefaultTransport}
	r := openTest(t, srv, func(c *Config) { c.Remote.HTTPClient = &http.Client{Transport: own} })
	mustSync(t, r)
	if err := r.Close(); err != nil || own.closed.Load() != 0 {
		t.Errorf("close gives %v and closed the connections of the user's client %d times, want never", err, own.closed.Load())
	}
}

// nothing takes what is written to it.
type nothing struct{}

func (nothing) Write(b []byte) (int, error) { return len(b), nil }
