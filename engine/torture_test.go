package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tortureTime is how long a test with Torture in its name goes on.
func tortureTime() time.Duration {
	if os.Getenv("FLOE_TORTURE") != "" {
		return 2 * time.Minute
	}
	return time.Second
}

const tortureRows = 8

// torture is a database of accounts, each with the number of transactions that touched it. Money moves between them.
type torture struct {
	*testing.T
	pool  *Pool
	until context.Context
	moved [tortureRows]atomic.Int64 // transactions that were committed, by account
	reads atomic.Int64
}

// newTorture opens a pool for as long as the test lasts, over a database that setup has prepared.
func newTorture(t *testing.T, name, setup string, size int) *torture {
	pool, err := NewPool(name, 0, size, func(c *Conn) error { return c.Exec(background, setup) })
	must(t, err)
	t.Cleanup(func() { must(t, pool.Close()) })
	must(t, pool.Write(background, func(c *Conn) error {
		mustExec(t, c, "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INT, moves INT)")
		for i := range tortureRows {
			mustExec(t, c, "INSERT INTO account VALUES (?, 100, 0)", i)
		}
		return nil
	}))
	until, cancel := context.WithTimeout(background, tortureTime())
	t.Cleanup(cancel)
	return &torture{T: t, pool: pool, until: until}
}

// run runs readers and writers until the time is over. The contexts of the transactions do not end with it.
func (w *torture) run(readers, writers int, write func(context.Context, func(*Conn) error) error) {
	var all sync.WaitGroup
	loop := func(work func(round int) error) {
		all.Go(func() {
			for round := 0; w.until.Err() == nil; round++ {
				if err := work(round); err != nil {
					w.Errorf("round %d: %v", round, err)
					return
				}
			}
		})
	}
	for range readers {
		loop(func(int) error { return w.pool.Do(background, w.check) })
	}
	for n := range writers {
		loop(func(round int) error {
			return w.move(write, (n+round)%tortureRows, (n+3*round+1)%tortureRows, round%5 == 4)
		})
	}
	all.Wait()
	must(w, w.pool.Do(background, w.compare))
	w.Logf("%d reads, %+v", w.reads.Load(), w.pool.Stats())
}

var errChangedItsMind = errors.New("the transaction changed its mind")

// move takes one from an account and gives it to another, with values that it has read before, as a lost update needs.
func (w *torture) move(write func(context.Context, func(*Conn) error) error, from, to int, giveUp bool) error {
	err := write(background, func(c *Conn) error {
		for id, change := range map[int]int64{from: -1, to: 1} {
			if from == to {
				change = 0
			}
			var balance, moves int64
			if err := c.QueryRow(background, "SELECT balance, moves FROM account WHERE id = ?", []any{id}, func(s *Stmt) error {
				balance, moves = s.ColumnInt64(0), s.ColumnInt64(1)
				return nil
			}); err != nil {
				return err
			}
			err := c.Exec(background, "UPDATE account SET balance = ?, moves = ? WHERE id = ?", balance+change, moves+1, id)
			if err != nil {
				return err
			}
		}
		if giveUp {
			return errChangedItsMind
		}
		return nil
	})
	if err != nil {
		if giveUp && errors.Is(err, errChangedItsMind) && !errors.Is(err, Busy) {
			return nil
		}
		return err
	}
	w.moved[from].Add(1)
	if from != to {
		w.moved[to].Add(1)
	}
	return nil
}

// check reads all accounts twice in one transaction.
func (w *torture) check(c *Conn) error {
	return c.WithTx(background, TxReadOnly, func() error {
		var first int64
		for n := range 2 {
			var sum, moves int64
			if err := c.QueryRow(background, "SELECT sum(balance), sum(moves) FROM account", nil, func(s *Stmt) error {
				sum, moves = s.ColumnInt64(0), s.ColumnInt64(1)
				return nil
			}); err != nil {
				return err
			}
			if sum != 100*tortureRows || n > 0 && moves != first {
				return fmt.Errorf("sum %d, want %d; moves %d and %d in one transaction", sum, 100*tortureRows, first, moves)
			}
			first = moves
		}
		w.reads.Add(1)
		return nil
	})
}

// compare looks for lost updates.
func (w *torture) compare(c *Conn) error {
	for i := range w.moved {
		if got := values(w, c, "SELECT moves FROM account WHERE id = ?", i)[0][0]; got != w.moved[i].Load() {
			w.Errorf("account %d was touched %v times, want %d: an update is lost", i, got, w.moved[i].Load())
		}
	}
	return w.check(c)
}

const tortureWAL = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL"

func TestPoolTortureLosesNoUpdate(t *testing.T) {
	for name, test := range map[string]struct{ file, setup string }{
		"wal": {filepath.Join(t.TempDir(), "torture.db"), tortureWAL},
		// With a rollback journal readers poll for the lock too, and one of 32 can go without it for a while.
		"delete": {filepath.Join(t.TempDir(), "torture.db"), "PRAGMA synchronous = OFF; PRAGMA busy_timeout = 60000"},
		"memory": {"file:/torture?vfs=memdb", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTorture(t, test.file, test.setup, 8)
			w.run(32, 32, w.pool.Write)
		})
	}
}

// Writers that come past the queue, as other processes do, poll for the lock.
func TestPoolTortureWritersWithoutAQueue(t *testing.T) {
	w := newTorture(t, filepath.Join(t.TempDir(), "torture.db"), tortureWAL, 8)
	w.run(32, 32, func(ctx context.Context, do func(*Conn) error) error {
		return w.pool.Do(ctx, func(c *Conn) error {
			return c.WithTx(ctx, TxImmediate, func() error { return do(c) })
		})
	})
}
