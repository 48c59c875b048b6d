package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/faultproxy"
	"github.com/floedb/floe/internal/sqldtest"
)

func TestSoak(t *testing.T) {
	d := 3 * time.Second
	if testing.Short() {
		d /= 3
	}
	soak(t, d)
}

func TestTortureSoak(t *testing.T) {
	if os.Getenv("FLOE_TORTURE") != "1" {
		t.Skip("FLOE_TORTURE=1 runs it: ten minutes")
	}
	soak(t, 10*time.Minute)
}

// The ceilings of a soak: what it may hold more at its end than after its first round.
const (
	soakHeap       = 24 << 20
	soakRSS        = 128 << 20
	soakHandles    = 24
	soakGoroutines = 40
	soakLog        = 64 << 20 // bytes of the write-ahead log, ever
)

// soaker is a replica in use: it follows its primary live, over a network that fails, while it is read, written
// through and checkpointed. Two tables agree in every committed state.
type soaker struct {
	t       *testing.T
	path    string
	proxy   *faultproxy.Proxy
	ctx     context.Context
	reads   atomic.Int64
	writes  atomic.Int64
	refused atomic.Int64 // calls that failed, as they may while the network is away
}

// footprint is what a process holds. What a system does not tell is 0.
type footprint struct {
	heap, rss           int64
	handles, goroutines int
}

func (f footprint) String() string {
	return fmt.Sprintf("heap %d KB, resident %d KB, %d handles, %d goroutines", f.heap>>10, f.rss>>10, f.handles, f.goroutines)
}

func measure() footprint {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := footprint{heap: int64(m.HeapAlloc), goroutines: runtime.NumGoroutine()}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.handles = len(open)
	}
	status, _ := os.ReadFile("/proc/self/status")
	if _, after, ok := strings.Cut(string(status), "VmRSS:"); ok {
		kb, _ := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
		f.rss = kb << 10
	}
	return f
}

func soak(t *testing.T, d time.Duration) {
	srv := sqldtest.Start(t)
	srv.Transaction(t, "CREATE TABLE a(id INTEGER PRIMARY KEY, v INTEGER, pad BLOB)", "CREATE TABLE b(id INTEGER PRIMARY KEY, v INTEGER, pad BLOB)")
	s := &soaker{t: t, path: newPath(t), proxy: faultproxy.Start(t, srv.Addr, faultproxy.None)}
	before := measure()
	s.round(d / 4)
	warm := measure()
	s.round(d)
	end := measure()
	t.Logf("before: %v\nafter a round: %v\nat the end: %v\n%d reads, %d writes, %d calls refused", before, warm, end, s.reads.Load(), s.writes.Load(), s.refused.Load())
	if end.heap > warm.heap+soakHeap || end.rss > warm.rss+soakRSS || end.handles > warm.handles+soakHandles || end.goroutines > warm.goroutines+soakGoroutines {
		t.Errorf("it holds %v at the end, after the first round %v", end, warm)
	}
	if s.reads.Load() == 0 || s.writes.Load() == 0 {
		t.Errorf("%d reads and %d writes went through", s.reads.Load(), s.writes.Load())
	}
	s.settled(srv)
}

// round has everything at work for a time, and lets all of it go.
func (s *soaker) round(d time.Duration) {
	s.t.Helper()
	r := openSoaked(s.t, s.path, s.proxy.URL)
	ctx, cancel := context.WithTimeout(s.t.Context(), d)
	defer cancel()
	s.ctx = ctx
	db := sql.OpenDB(r.Connector())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Watch(ctx); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			s.t.Error("watch:", err)
		}
	})
	for range 2 {
		wg.Go(func() { s.until(func() error { return s.read(db) }) })
	}
	for i := range 2 {
		rnd := rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() { s.until(func() error { return s.write(db, rnd) }) })
	}
	wg.Go(func() { s.until(func() error { return s.readFile() }) })
	wg.Go(s.breakNetwork)
	wg.Wait()
	s.proxy.SetDown(false)
	if err := errors.Join(db.Close(), r.Close()); err != nil {
		s.t.Error("close:", err)
	}
}

func openSoaked(t *testing.T, path, url string) *floe.Replica {
	t.Helper()
	r, err := floe.OpenReplica(t.Context(), path, url)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// until repeats a call until the round ends. It may fail, as the network does, but only so often without a success that
// a fault which stays is found.
func (s *soaker) until(call func() error) {
	failed := 0
	for s.ctx.Err() == nil {
		if err := call(); err == nil {
			failed = 0
			continue
		} else if failed++; failed > 500 {
			s.t.Error("500 calls have failed, the last one with:", err)
			return
		}
		s.refused.Add(1)
		pause(s.ctx, 5*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

const soakAgrees = "SELECT (SELECT total(v) FROM a) = (SELECT total(v) FROM b) AND (SELECT count(*) FROM a) = (SELECT count(*) FROM b)"

// read looks whether the tables agree.
func (s *soaker) read(db *sql.DB) error {
	var agree bool
	if err := db.QueryRowContext(s.ctx, soakAgrees).Scan(&agree); err != nil {
		return err
	}
	if !agree {
		s.t.Error("the replica shows a part of a transaction")
	}
	s.reads.Add(1)
	return nil
}

// write changes both tables alike in one transaction, and keeps them small.
func (s *soaker) write(db *sql.DB, rnd *rand.Rand) error {
	tx, err := db.BeginTx(s.ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	id, v, size := rnd.IntN(500), rnd.IntN(1000), rnd.IntN(3000)
	for _, table := range []string{"a", "b"} {
		if _, err := tx.ExecContext(s.ctx, "INSERT OR REPLACE INTO "+table+" VALUES (?, ?, zeroblob(?))", id, v, size); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.writes.Add(1)
	return nil
}

// readFile reads the file as another program would, which opens it each time, and checkpoints it now and then.
func (s *soaker) readFile() error {
	info, err := os.Stat(s.path + "-wal")
	if err == nil && info.Size() > soakLog {
		s.t.Errorf("the write-ahead log has %d bytes", info.Size())
	}
	conn, err := engine.Open(s.path, engine.OpenReadWrite)
	if err != nil {
		return err // there is none yet
	}
	defer conn.Close()
	err = conn.Query(s.ctx, soakAgrees, nil, func(row *engine.Stmt) error {
		if row.ColumnInt64(0) != 1 {
			s.t.Error("the file shows a part of a transaction")
		}
		return nil
	})
	if err == nil {
		_, _, err = conn.Checkpoint("main", engine.CheckpointPassive)
	}
	pause(s.ctx, 20*time.Millisecond)
	return err
}

// breakNetwork takes the network away for moments.
func (s *soaker) breakNetwork() {
	for s.ctx.Err() == nil {
		pause(s.ctx, 400*time.Millisecond)
		s.proxy.SetDown(true)
		pause(s.ctx, 60*time.Millisecond)
		s.proxy.SetDown(false)
	}
}

// settled fails unless the replica becomes what the primary is.
func (s *soaker) settled(srv *sqldtest.Server) {
	s.t.Helper()
	r := openSoaked(s.t, s.path, srv.URL)
	defer closeReplica(s.t, r)
	mustSync(s.t, r)
	wantEqual(s.t, s.path, srv)
}
