package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/floedb/floe/hooks"
)

// endless is a query without an end that gives no row.
const endless = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n) SELECT i FROM n WHERE i < 0"

// rowsForever gives rows without an end.
const rowsForever = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n) SELECT i FROM n"

func TestContextEndsAnEndlessQuery(t *testing.T) {
	c := openMemory(t)
	for name, test := range map[string]struct {
		make func() (context.Context, context.CancelFunc)
		want error
	}{
		"cancel": {func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(background)
			time.AfterFunc(5*time.Millisecond, cancel)
			return ctx, cancel
		}, context.Canceled},
		"deadline": {func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(background, 5*time.Millisecond)
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := test.make()
			defer cancel()
			err := c.Exec(ctx, endless)
			if !errors.Is(err, test.want) || !errors.Is(err, Interrupt) {
				t.Errorf("error %v, want %v and %v", err, test.want, Interrupt)
			}
			mustExec(t, c, "SELECT 1")
		})
	}
}

func TestEndedContextRunsNothing(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	ctx, cancel := context.WithCancel(background)
	cancel()
	s := mustPrepare(t, c, "INSERT INTO t VALUES (1)")
	_, stepErr := s.Step(ctx)
	for call, err := range map[string]error{"Step": stepErr, "Exec": c.Exec(ctx, "INSERT INTO t VALUES (1)"),
		"Query": c.Query(ctx, "INSERT INTO t VALUES (1) RETURNING a", nil, func(*Stmt) error { return nil })} {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, Interrupt) {
			t.Errorf("%s: %v, want %v and %v", call, err, context.Canceled, Interrupt)
		}
	}
	if got := values(t, c, "SELECT count(*) FROM t")[0][0]; got != int64(0) {
		t.Errorf("%v rows were inserted", got)
	}
}

func TestContextEndsAnExecutionBetweenRows(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, rowsForever)
	ctx, cancel := context.WithCancel(background)
	for range 3 {
		if row, err := s.Step(ctx); !row || err != nil {
			t.Fatalf("step: %v, %v", row, err)
		}
	}
	cancel()
	if row, err := s.Step(ctx); row || !errors.Is(err, context.Canceled) {
		t.Errorf("step after cancel: %v, %v; want %v", row, err, context.Canceled)
	}
	mustRow(t, s)
	if got := s.ColumnInt64(0); got != 1 {
		t.Errorf("the step after that gives row %d, want a new execution", got)
	}
}

// The context of one execution ends while another one is in the middle of its rows: only its own is interrupted.
func TestInterruptReachesItsOwnExecutionAlone(t *testing.T) {
	c := openMemory(t)
	other := mustPrepare(t, c, rowsForever)
	mustRow(t, other)
	for i := range 200 {
		ctx, cancel := context.WithCancel(background)
		s := mustPrepare(t, c, "SELECT 1 UNION ALL SELECT 2")
		if row, err := s.Step(ctx); !row || err != nil {
			t.Fatalf("round %d: %v, %v", i, row, err)
		}
		go cancel()
		for range 20 {
			mustRow(t, other)
		}
		if _, err := s.Step(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("round %d: %v", i, err)
		}
		for range 20 {
			mustRow(t, other)
		}
		if err := s.Finalize(); err != nil {
			t.Fatal(err)
		}
	}
}

// A context ends at about the time its statement does: the next statement never sees the interrupt.
func TestLateInterruptNeverHitsALaterStatement(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	other := mustPrepare(t, c, rowsForever)
	mustRow(t, other) // keeps SQLite from taking an interrupt back by itself
	insert := mustPrepare(t, c, "INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n LIMIT 50) SELECT i FROM n")
	interrupted := 0
	for i := range 1000 {
		ctx, cancel := context.WithCancel(background)
		var wg sync.WaitGroup
		wg.Go(cancel)
		if _, err := insert.Step(ctx); errors.Is(err, context.Canceled) {
			interrupted++
		} else if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		mustRow(t, other)
		mustExec(t, c, "DELETE FROM t")
		wg.Wait()
		mustRow(t, other)
	}
	t.Logf("%d of 1000 were interrupted", interrupted)
}

func TestStepTakesAnotherContextInTheMiddle(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, rowsForever)
	first, cancelFirst := context.WithCancel(background)
	second, cancelSecond := context.WithCancel(background)
	defer cancelFirst()
	defer cancelSecond()
	for i, ctx := range []context.Context{first, second, background, nil, second} {
		if row, err := s.Step(ctx); !row || err != nil {
			t.Fatalf("step %d: %v, %v", i, row, err)
		}
		if i == 1 {
			cancelFirst()
		}
	}
	if got := s.ColumnInt64(0); got != 5 {
		t.Errorf("row %d, want 5: the execution began anew", got)
	}
}

func TestContextThatCannotEndIsNotWatched(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, rowsForever)
	for _, ctx := range []context.Context{background, nil, context.WithValue(background, c, 1)} {
		if row, err := s.Step(ctx); !row || err != nil {
			t.Fatalf("step: %v, %v", row, err)
		}
		if s.watch != nil {
			t.Errorf("an execution under %v is watched", ctx)
		}
	}
}

func TestInterruptEndsRunningStatementsAlone(t *testing.T) {
	c := openMemory(t)
	c.Interrupt()
	mustExec(t, c, "SELECT 1")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				c.Interrupt()
			}
		}
	})
	err := c.Exec(background, endless)
	close(stop)
	wg.Wait()
	if !errors.Is(err, Interrupt) || errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v and no context's", err, Interrupt)
	}
	mustExec(t, c, "SELECT 1")
}

func TestStatementsOwnErrorIsNotTheContexts(t *testing.T) {
	c := openMemory(t)
	ctx, cancel := context.WithCancel(background)
	s := mustPrepare(t, c, "SELECT abs(-9223372036854775808)")
	w := c.newWatch(ctx, ctx.Done())
	s.watch = w
	cancel()
	<-w.finished
	rc := sqlite3.Xsqlite3_step(c.tls, s.ptr)
	w.finish()
	if err := s.end(rc, ctx.Err()); !errors.Is(err, Generic) || errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v and not the context's", err, Generic)
	}
}

func ExampleStmt_Step() {
	conn, err := Open(":memory:", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	stmt, err := conn.Prepare(endless)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = stmt.Step(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, Interrupt))
	// Output: true true
}

// countingContext counts who waits for its end.
type countingContext struct {
	context.Context
	done         chan struct{}
	added, ended atomic.Int32
}

func (c *countingContext) Done() <-chan struct{} { return c.done }

// AfterFunc is what context.AfterFunc calls.
func (c *countingContext) AfterFunc(func()) func() bool {
	c.added.Add(1)
	return func() bool {
		c.ended.Add(1)
		return true
	}
}

func (c *countingContext) waiting() int32 { return c.added.Load() - c.ended.Load() }

func newCounting() *countingContext {
	return &countingContext{Context: background, done: make(chan struct{})}
}

func TestExecutionsWithOneContextWatchItOnce(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1")
	first, second := newCounting(), newCounting()
	for range 5 {
		stepTwice(t, s, first)
	}
	if n := first.added.Load(); n != 1 {
		t.Errorf("5 executions watched their context %d times, want once", n)
	}
	stepTwice(t, s, second)
	if first.waiting() != 0 || second.waiting() != 1 {
		t.Errorf("after another context: %d watches of the first and %d of the second, want 0 and 1", first.waiting(), second.waiting())
	}
	if err := errors.Join(s.Finalize(), c.Close()); err != nil {
		t.Fatal(err)
	}
	if second.waiting() != 0 {
		t.Errorf("%d watches are left behind a closed connection, want none", second.waiting())
	}
}

func stepTwice(t *testing.T, s *Stmt, ctx context.Context) {
	t.Helper()
	for _, want := range []bool{true, false} {
		if row, err := s.Step(ctx); row != want || err != nil {
			t.Fatalf("step: %v, error %v; want %v", row, err, want)
		}
	}
}

func TestExecutionsWithAContextAllocateNothing(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1")
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	stepTwice(t, s, ctx)
	if allocs := testing.AllocsPerRun(100, func() { stepTwice(t, s, ctx) }); allocs != 0 {
		t.Errorf("%v allocations for an execution with the context of the one before, want none", allocs)
	}
}

// TestContextThatEndsBetweenExecutions ends it when nothing runs: only executions with that context see it.
func TestContextThatEndsBetweenExecutions(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1")
	for range 100 {
		ctx, cancel := context.WithCancel(background)
		stepTwice(t, s, ctx)
		cancel()
		stepTwice(t, s, background)
		if row, err := s.Step(ctx); row || !errors.Is(err, context.Canceled) {
			t.Fatalf("step with an ended context: %v, error %v; want %v", row, err, context.Canceled)
		}
	}
}

func TestExecutionsWithOneContextAtOnce(t *testing.T) {
	c := openMemory(t)
	outer, inner := mustPrepare(t, c, "VALUES (1), (2), (3)"), mustPrepare(t, c, endless)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	for range 3 {
		if row, err := outer.Step(ctx); !row || err != nil {
			t.Fatal(row, err)
		}
		stepTwice(t, mustPrepare(t, c, "SELECT 1"), ctx)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := inner.Step(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("an execution beside another one with the same context: %v, want %v", err, context.Canceled)
	}
	if row, err := outer.Step(ctx); row || !errors.Is(err, context.Canceled) {
		t.Errorf("the other execution: %v, error %v; want %v", row, err, context.Canceled)
	}
	stepTwice(t, mustPrepare(t, c, "SELECT 1"), background)
}

// SQLite forgets an interrupt that comes before it has begun with a statement, as while it is compiled anew.
func TestContextThatEndsBeforeTheStatementHasBegunEndsIt(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n")
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	err := c.SetAuthorizer(func(hooks.Action) hooks.Verdict {
		cancel()
		for !c.isInterrupted() {
			runtime.Gosched()
		}
		return hooks.Allow
	})
	if err != nil {
		t.Fatal(err)
	}
	if row, err := s.Step(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("row %v, error %v; want %v", row, err, context.Canceled)
	}
}
