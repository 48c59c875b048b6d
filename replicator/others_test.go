package replicator

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
)

// fullDisk has no room for a new database until it is given some.
type fullDisk struct {
	fileSystem
	room atomic.Bool
}

func (d *fullDisk) OpenFile(name string, flag int, like string) (file, error) {
	f, err := d.fileSystem.OpenFile(name, flag, like)
	if err != nil || !strings.HasSuffix(name, buildSuffix) {
		return f, err
	}
	return fullDiskFile{f, d}, nil
}

type fullDiskFile struct {
	file
	disk *fullDisk
}

func (f fullDiskFile) WriteAt(b []byte, off int64) (int, error) {
	if !f.disk.room.Load() {
		return 0, errNoDisk
	}
	return f.file.WriteAt(b, off)
}

// What a first sync that failed has built is not met by another handle's.
func TestFirstSyncsThatFailedDoNotMeet(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 1<<20)
	disk := &fullDisk{fileSystem: osFS{}}
	one := openTest(t, srv, func(c *Config) { c.fs = disk })
	other := open(t, one.cfg)
	for name, r := range map[string]*Replicator{"one": one, "the other": other} {
		if _, err := r.Sync(t.Context()); !errors.Is(err, errNoDisk) {
			t.Fatalf("%s: sync on a full disk: %v, want %v", name, err, errNoDisk)
		}
		if _, err := os.Stat(one.cfg.Path + buildSuffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a sync that failed leaves its file: %v", name, err)
		}
	}
	disk.room.Store(true)
	mustSync(t, one)
	fill(t, srv, 3, 1<<20)
	mustSync(t, other)
	checkEqual(t, one.cfg.Path, srv)
	mustSync(t, one)
}

// proxyBefore gives the URL of a proxy that calls f once, before the first request for
// method reaches the server.
func proxyBefore(t *testing.T, srv *sqldtest.Server, method string, f func()) (front string) {
	t.Helper()
	to, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, method) {
			once.Do(f)
		}
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A primary that is replaced under a sync is followed by that sync.
func TestAPrimaryReplacedUnderASyncIsFollowed(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 1<<20)
	front := proxyBefore(t, srv, "LogEntries", func() {
		srv.Wipe(t)
		fill(t, srv, 3, 0)
	})
	r := openTest(t, srv, func(c *Config) { c.Remote.URL = front })
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
}

// A primary that was never written to makes no replica of a database that somebody
// else has made while it was asked.
func TestADatabaseMadeWhileAnEmptyPrimaryIsAskedIsNotTaken(t *testing.T) {
	srv := sqldtest.Start(t)
	var path string
	front := proxyBefore(t, srv, "Hello", func() { makeDatabase(t, path) })
	r := openTest(t, srv, func(c *Config) { path, c.Remote.URL = c.Path, front })
	if _, err := r.Sync(t.Context()); !errors.Is(err, ErrNotReplica) {
		t.Errorf("sync gives %v, want %v", err, ErrNotReplica)
	}
	if role, err := RoleOf(path); role != RoleLocal || err != nil {
		t.Errorf("the database is %v now (%v), want %v", role, err, RoleLocal)
	}
	fill(t, srv, 3, 0)
	if _, err := r.Sync(t.Context()); !errors.Is(err, ErrNotReplica) {
		t.Errorf("a second sync gives %v, want %v", err, ErrNotReplica)
	}
	if got := queryText(t, path, "SELECT a FROM own"); got != "1" {
		t.Errorf("the database holds %q, want its own row", got)
	}
}

// progressTarget finds out whether a session looks alive while it works on the files.
type progressTarget struct {
	progress func() int64
	seen     []bool
}

func (p *progressTarget) look() {
	before := p.progress()
	p.seen = append(p.seen, p.progress() != before)
}

func (p *progressTarget) spill(*pageSet) error                 { p.look(); return nil }
func (p *progressTarget) apply(*pageSet, uint64, uint32) error { p.look(); return nil }
func (p *progressTarget) bare() bool                           { return false }
func (p *progressTarget) abort()                               {}

// Whoever waits for the lock is not to take its holder for stopped while a slow disk
// writes what came.
func TestWorkOnTheFilesShowsThatTheHolderIsAlive(t *testing.T) {
	s := &session{r: &Replicator{}}
	to := &progressTarget{progress: s.progress(false)}
	s.batch = batch{to: to}
	page := make([]byte, 4096)
	for n := range uint64(batchPages + 1) { // the last one is spilled before
		if err := s.put(n, uint32(n+2), page); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.commit(batchPages, batchPages); err != nil {
		t.Fatal(err)
	}
	if err := s.put(batchPages+1, 2, page); err != nil {
		t.Fatal(err)
	}
	if err := s.commit(batchPages+1, batchPages); err != nil {
		t.Fatal(err)
	}
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	if len(to.seen) < 3 {
		t.Fatalf("there were %d pieces of work, want spills, a commit and a flush", len(to.seen))
	}
	for i, alive := range to.seen {
		if !alive {
			t.Errorf("piece %d of the work makes no progress for those who wait", i)
		}
	}
	if before := to.progress(); to.progress() != before {
		t.Error("a session that does nothing makes progress")
	}
}

// Where the lock file is deleted under its holder, another one can take a new one: the
// holder leaves the file to that.
func TestAHolderWhoseLockFileIsDeletedCommitsNothing(t *testing.T) {
	notOnWindows(t)
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	var theirs *fileLock
	steal := false
	r := openTest(t, srv, func(c *Config) {
		path := c.Path
		c.Progress = func(Progress) {
			if !steal || theirs != nil {
				return
			}
			if err := os.Remove(path + lockSuffix); err != nil {
				t.Error(err)
			}
			theirs = held(t, path)
		}
	})
	mustSync(t, r)
	at := r.Position()
	steal = true
	r.holderPatience = 100 * time.Millisecond
	fill(t, srv, 3, 0)
	if _, err := r.Sync(t.Context()); !errors.Is(err, ErrLocked) {
		t.Errorf("sync gives %v, want %v", err, ErrLocked)
	}
	if theirs == nil {
		t.Fatal("nothing was received")
	}
	if got := r.Position(); got != at {
		t.Errorf("the replica went on to %v", got)
	}
	theirs.release(false)
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
}

// A replica's own file is no archive. It is not even opened: to close it would give up
// the locks of all connections that the process has to it.
func TestAReplicaIsNotAppliedToItself(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("no sqlite3 to be another process")
	}
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	r := openTest(t, srv)
	mustSync(t, r) // its connection to the database stays open
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(r.cfg.Path, link); err != nil {
		t.Skip("this system makes no symbolic links:", err)
	}
	for _, name := range []string{r.cfg.Path, r.cfg.Path + "-wal", r.cfg.Path + "-shm", link} {
		if _, err := r.ApplyFile(t.Context(), name); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want %v", name, err, ErrCorrupt)
		}
		out, err := exec.CommandContext(t.Context(), shell, "-batch", r.cfg.Path, "PRAGMA busy_timeout = 1; PRAGMA journal_mode = DELETE").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "locked") {
			t.Fatalf("%s: another process changed the journal mode of an open database: %s (%v)", name, out, err)
		}
	}
}

// The lock file may be another user's, whose members of a group share the replica.
func TestTheLockFileOfAnotherUserIsTouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replica.db")
	l := held(t, path)
	defer l.release(true)
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(l.f.Name(), long, long); err != nil {
		t.Fatal(err)
	}
	before, want := holderMark(path), holder(l.f)
	touch(l.f)
	if holderMark(path) == before {
		t.Error("the lock file was not changed")
	}
	if got := holder(l.f); got != want {
		t.Errorf("the lock file names %q now, want %q", got, want)
	}
}
