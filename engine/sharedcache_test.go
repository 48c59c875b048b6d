package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/floedb/floe/hooks"
)

// openShared opens two connections that share the cache of a database with t(x), which holds 1.
func openShared(tb testing.TB) (a, b *Conn) {
	tb.Helper()
	name := "file:" + strings.ReplaceAll(tb.Name(), "/", "-") + "?mode=memory&cache=shared"
	a, b = openTest(tb, name, 0), openTest(tb, name, 0)
	mustExec(tb, a, "CREATE TABLE t(x UNIQUE); INSERT INTO t VALUES (1)")
	for _, c := range []*Conn{a, b} {
		c.SetBusyTimeout(time.Hour) // no test waits for that
	}
	return a, b
}

// whenWaiting runs do once c waits for a lock.
func whenWaiting(tb testing.TB, c *Conn, do func()) {
	tb.Helper()
	var once sync.Once
	must(tb, c.SetBusyHandler(func(hooks.BusyEvent) (time.Duration, bool) {
		once.Do(do)
		return time.Millisecond, true
	}))
}

func TestAStatementWaitsForALockInASharedCache(t *testing.T) {
	for name, run := range map[string]func(c *Conn) error{
		"write": func(c *Conn) error { return c.Exec(background, "INSERT INTO t VALUES (3)") },
		"read":  func(c *Conn) error { return c.Exec(background, "SELECT * FROM t") },
		"begin": func(c *Conn) error { return c.WithTx(background, TxImmediate, func() error { return nil }) },
		"prepared": func(c *Conn) error {
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			return c.Query(ctx, "INSERT INTO t VALUES (?) RETURNING x", []any{3}, func(*Stmt) error { return nil })
		},
		"schema": func(c *Conn) error { return c.Exec(background, "CREATE TABLE u(x)") },
		"blob": func(c *Conn) error {
			b, err := c.OpenBlob(background, "", "blobs", "x", 1, true)
			if err == nil {
				err = b.Close()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := openShared(t)
			mustExec(t, a, "CREATE TABLE blobs(x); INSERT INTO blobs VALUES (zeroblob(10))")
			for _, schema := range []string{"", "CREATE TABLE v(x); DROP TABLE v;"} {
				for _, handler := range []bool{true, false} {
					mustExec(t, a, "BEGIN IMMEDIATE; UPDATE t SET x = 2 WHERE x = 1; UPDATE blobs SET x = zeroblob(11);"+schema)
					waiting, done := make(chan struct{}), make(chan error, 1)
					if handler {
						whenWaiting(t, b, func() { close(waiting) })
					} else {
						must(t, b.SetBusyHandler(nil))
						close(waiting)
					}
					go func() { done <- run(b) }()
					<-waiting
					mustExec(t, a, "COMMIT")
					if err := <-done; err != nil {
						t.Errorf("schema %q, handler %v: %v", schema, handler, err)
					}
					mustExec(t, b, "DELETE FROM t WHERE x = 3; DROP TABLE IF EXISTS u; UPDATE t SET x = 1")
				}
			}
		})
	}
}

func TestTheWaitForALockInASharedCacheEnds(t *testing.T) {
	a, b := openShared(t)
	mustExec(t, a, "BEGIN; INSERT INTO t VALUES (2)")
	for name, test := range map[string]struct {
		prepare func(ctx context.Context, cancel func())
		want    []error
	}{
		"without a timeout": {func(context.Context, func()) { b.SetBusyTimeout(0) }, []error{LockedSharedCache, Locked}},
		"with the timeout":  {func(context.Context, func()) { b.SetBusyTimeout(20 * time.Millisecond) }, []error{LockedSharedCache}},
		"by the handler": {func(context.Context, func()) {
			must(t, b.SetBusyHandler(func(hooks.BusyEvent) (time.Duration, bool) { return 0, false }))
		}, []error{LockedSharedCache}},
		"with the context": {func(_ context.Context, cancel func()) { whenWaiting(t, b, cancel) }, []error{context.Canceled, Interrupt}},
		"by an interrupt":  {func(context.Context, func()) { whenWaiting(t, b, b.Interrupt) }, []error{Interrupt}},
	} {
		for _, sql := range []string{"SELECT * FROM t", "INSERT INTO t VALUES (3)", "SELECT count(*) FROM missing"} {
			ctx, cancel := context.WithCancel(background)
			test.prepare(ctx, cancel)
			err := b.Exec(ctx, sql)
			cancel()
			if strings.Contains(sql, "missing") {
				wantErr(t, name+" of a table that is not there", err, Generic)
				continue
			}
			for _, want := range test.want {
				wantErr(t, name+" of "+sql, err, want)
			}
		}
	}
	mustExec(t, a, "COMMIT")
	mustExec(t, b, "INSERT INTO t VALUES (3)")
}

// Each of the two waits for the other one: the second one to wait is told, whatever its timeout.
func TestConnectionsOfASharedCacheDoNotWaitForEachOther(t *testing.T) {
	a, b := openShared(t)
	mustExec(t, a, "BEGIN; SELECT * FROM t")
	mustExec(t, b, "BEGIN; SELECT * FROM t")
	done := make(chan error, 2)
	for _, c := range []*Conn{a, b} {
		go func() {
			err := c.Exec(background, "INSERT INTO t VALUES (2)")
			if err != nil { // lets the other one go on
				err = errors.Join(err, c.Exec(background, "ROLLBACK"))
			} else {
				err = c.Exec(background, "COMMIT")
			}
			done <- err
		}()
	}
	first, second := <-done, <-done
	if first == nil {
		first, second = second, first
	}
	if !errors.Is(first, LockedSharedCache) || second != nil {
		t.Errorf("errors %v and %v, want LockedSharedCache and nil", first, second)
	}
	wantRows(t, a, int64(1), int64(2))
}

func TestWritersOfASharedCacheAllWrite(t *testing.T) {
	for _, name := range []string{
		"file:writers?mode=memory&cache=shared", "file:" + filepath.ToSlash(filepath.Join(t.TempDir(), "a.db")) + "?cache=shared",
	} {
		first := openTest(t, name, 0)
		mustExec(t, first, "PRAGMA synchronous = off; CREATE TABLE t(x)")
		const writers, rows = 8, 25
		errs := make(chan error, writers)
		for w := range writers {
			c := openTest(t, name, 0)
			c.SetBusyTimeout(time.Hour)
			go func() {
				for i := range rows {
					if err := c.Exec(background, "INSERT INTO t VALUES (?)", fmt.Sprint(w, " ", i)); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range writers {
			if err := <-errs; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := values(t, first, "SELECT count(DISTINCT x) FROM t")[0][0]; got != int64(writers*rows) {
			t.Errorf("%s: %v rows, want %d", name, got, writers*rows)
		}
	}
}
