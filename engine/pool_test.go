package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// openPool makes a pool over a new file in WAL mode.
func openPool(tb testing.TB, size int) *Pool {
	tb.Helper()
	p, err := NewPool(filepath.Join(tb.TempDir(), "pool.db"), 0, size, func(c *Conn) error {
		return c.Exec(background, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS t(x)")
	})
	must(tb, err)
	tb.Cleanup(func() { must(tb, p.Close()) })
	return p
}

func mustGet(tb testing.TB, p *Pool) *Conn {
	tb.Helper()
	c, err := p.Get(background)
	if err != nil {
		tb.Fatalf("get: %v", err)
	}
	return c
}

func wantPool(tb testing.TB, p *Pool, want PoolStats) {
	tb.Helper()
	if diff := cmp.Diff(want, p.Stats(), cmpopts.IgnoreFields(PoolStats{}, "Waited")); diff != "" {
		tb.Errorf("pool (-want +got):\n%s", diff)
	}
}

func TestPoolOpensConnectionsWhenTheyAreNeeded(t *testing.T) {
	p := openPool(t, 3)
	wantPool(t, p, PoolStats{Size: 3})
	for range 3 {
		must(t, p.Put(mustGet(t, p)))
	}
	wantPool(t, p, PoolStats{Size: 3, Idle: 1, Opened: 1})
	a, b := mustGet(t, p), mustGet(t, p)
	wantPool(t, p, PoolStats{Size: 3, InUse: 2, Opened: 2})
	must(t, p.Put(a))
	must(t, p.Put(b))
	if c := mustGet(t, p); c != b {
		t.Errorf("the connection is not the one that was used last")
	} else {
		must(t, p.Put(c))
	}
	wantPool(t, p, PoolStats{Size: 3, Idle: 2, Opened: 2})
}

func TestPoolWaitsUntilTheContextEnds(t *testing.T) {
	p := openPool(t, 1)
	c := mustGet(t, p)
	ctx, cancel := context.WithCancel(background)
	errs := make(chan error)
	go func() {
		_, err := p.Get(ctx)
		errs <- err
	}()
	cancel()
	wantErr(t, "get", <-errs, context.Canceled)
	_, err := p.Get(ctx)
	wantErr(t, "get under a context that has ended", err, context.Canceled)
	wantErr(t, "write under it", p.Write(ctx, func(*Conn) error { return nil }), context.Canceled)
	go func() { errs <- p.Do(background, func(*Conn) error { return nil }) }()
	must(t, p.Put(c))
	must(t, <-errs)
}

func TestPoolPutResetsTheConnection(t *testing.T) {
	p := openPool(t, 1)
	c := mustGet(t, p)
	mustBegin(t, c, TxImmediate)
	mustExec(t, c, "INSERT INTO t VALUES (1)")
	must(t, p.Put(c))
	must(t, p.Do(background, func(c *Conn) error { wantRows(t, c); wantOver(t, c); return nil }))
}

func TestPoolRefusesWhatItHasNotHandedOut(t *testing.T) {
	p := openPool(t, 2)
	c := mustGet(t, p)
	must(t, p.Put(c))
	wantErr(t, "second put", p.Put(c), ErrNotInUse)
	wantErr(t, "put of a foreign connection", p.Put(openMemory(t)), ErrNotInUse)
	wantErr(t, "put of nil", p.Put(nil), ErrNotInUse)
	wantPool(t, p, PoolStats{Size: 2, Idle: 1, Opened: 1})
}

func TestPoolReplacesAConnectionThatWasClosed(t *testing.T) {
	p := openPool(t, 1)
	c := mustGet(t, p)
	must(t, c.Close())
	wantErr(t, "put", p.Put(c), ErrClosed)
	must(t, p.Put(mustGet(t, p)))
	wantPool(t, p, PoolStats{Size: 1, Idle: 1, Opened: 2})
}

func TestPoolKeepsAConnectionThatIsInACall(t *testing.T) {
	p := openPool(t, 1)
	c := mustGet(t, p)
	var inside error
	must(t, c.CreateFunction("put", 0, 0, func(*FuncContext, []Value) error { inside = p.Put(c); return nil }))
	mustExec(t, c, "SELECT put()")
	wantErr(t, "put in a callback", inside, ErrConcurrentUse)
	wantPool(t, p, PoolStats{Size: 1, InUse: 1, Opened: 1})
	must(t, p.Put(c))
}

func TestPoolDoGivesTheConnectionBackWhateverEndsIt(t *testing.T) {
	failure := errors.New("failure")
	for name, end := range map[string]func() error{
		"error":  func() error { return failure },
		"panic":  func() error { panic(failure) },
		"goexit": func() error { runtime.Goexit(); return nil },
	} {
		p := openPool(t, 1)
		for _, do := range []func(context.Context, func(*Conn) error) error{p.Do, p.Write} {
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				wantErr(t, name, do(background, func(*Conn) error {
					return end()
				}), failure)
			}()
			<-done
			wantPool(t, p, PoolStats{Size: 1, Idle: 1, Opened: 1})
		}
	}
}

func TestPoolRefusesDatabasesThatAreNotShared(t *testing.T) {
	for _, name := range []string{"", ":memory:", "file::memory:", "file::memory:?cache=shared", "file:x?mode=memory", "file:", "file:x?vfs=memdb"} {
		p, err := NewPool(name, 0, 1, nil)
		if err == nil {
			_, err = p.Get(background)
			wantPool(t, p, PoolStats{Size: 1})
		}
		if !errors.Is(err, Misuse) || !strings.Contains(err.Error(), "memdb") {
			t.Errorf("%q: %v; want an error that says what to do", name, err)
		}
	}
	_, err := NewPool("label", OpenMemory, 1, nil)
	wantErr(t, "a pool in memory", err, Misuse)
	_, err = NewPool("x.db", 0, 0, nil)
	wantErr(t, "a pool of nothing", err, Misuse)
	_, err = NewPool("x.db", 1<<30, 1, nil)
	wantErr(t, "a pool with unknown flags", err, Misuse)
}

func TestPoolSharesADatabaseInMemory(t *testing.T) {
	p, err := NewPool(fmt.Sprintf("file:/%s?vfs=memdb", t.Name()), 0, 2, nil)
	must(t, err)
	defer p.Close()
	a, b := mustGet(t, p), mustGet(t, p)
	mustExec(t, a, "CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	wantRows(t, b, int64(1))
	must(t, p.Put(a))
	must(t, p.Put(b))
}

func TestPoolReturnsTheErrorOfOnConnect(t *testing.T) {
	failure := errors.New("failure")
	p, err := NewPool(filepath.Join(t.TempDir(), "pool.db"), 0, 1, func(*Conn) error { return failure })
	must(t, err)
	for range 2 { // the first one must not have taken the only place
		_, err := p.Get(background)
		wantErr(t, "get", err, failure)
	}
	must(t, p.Close())
}

func TestPoolCloseInterruptsAndClosesWhatIsPutBack(t *testing.T) {
	p := openPool(t, 2)
	idle := mustGet(t, p)
	started, errs := make(chan struct{}), make(chan error)
	c := mustGet(t, p)
	must(t, c.CreateFunction("started", 0, 0, func(*FuncContext, []Value) error { close(started); return nil }))
	go func() {
		errs <- c.Exec(background, "WITH RECURSIVE n(i) AS (SELECT started() UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n")
	}()
	waiting := make(chan error)
	go func() {
		_, err := p.Get(background)
		waiting <- err
	}()
	<-started
	must(t, p.Put(idle))
	if err := <-waiting; err != nil {
		t.Errorf("get of the connection that was put back: %v", err)
	}
	go func() {
		_, err := p.Get(background)
		waiting <- err
	}()
	must(t, p.Close())
	wantErr(t, "what ran", <-errs, Interrupt)
	wantErr(t, "the one who waited", <-waiting, ErrPoolClosed)
	must(t, p.Put(c))
	wantErr(t, "exec after the put", c.Exec(background, "SELECT 1"), ErrClosed)
	_, err := p.Get(background)
	wantErr(t, "get", err, ErrPoolClosed)
	wantErr(t, "write", p.Write(background, func(*Conn) error { return nil }), ErrPoolClosed)
	must(t, p.Put(idle))
	must(t, p.Close())
	wantPool(t, p, PoolStats{Size: 2, Opened: 2, Waits: p.Stats().Waits})
}
