package floe

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/faultproxy"
	"github.com/floedb/floe/internal/sqldtest"
)

// sqlFaults is the plan of faults of a network: answers are delayed, cut off and garbled, requests are delayed and cut
// off. Requests are not garbled: the server would run other statements, which nothing but TLS can tell.
func sqlFaults(seed uint64) faultproxy.Plan {
	const span = 4000
	answers := faultproxy.RandomPlan(seed, span)
	requests := faultproxy.RandomPlan(seed+1, span, faultproxy.Cut, faultproxy.Truncate, faultproxy.Delay)
	return func(n int) []faultproxy.Fault {
		faults := answers(n)
		if rand.New(rand.NewPCG(seed, uint64(n))).IntN(2) == 0 {
			faults = requests(n)
			for i := range faults {
				faults[i].Dir = faultproxy.ToServer
			}
		}
		for i := range faults {
			faults[i].Pause /= 10
		}
		return faults
	}
}

// TestNoWriteThroughAPoolIsLostOrRunsTwice writes over a network with many faults. What was acknowledged must be
// there, nothing twice, and of each transaction all or nothing. Once the network is whole again, so is the pool.
func TestNoWriteThroughAPoolIsLostOrRunsTwice(t *testing.T) {
	for i, mode := range []string{"http", "ws", "replica"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			want := 120
			if testing.Short() {
				want = 15
			}
			srv := sqldtest.Start(t)
			srv.Exec(t, "CREATE TABLE t(op INTEGER, part INTEGER)")
			proxy := faultproxy.Start(t, srv.Addr, faultproxy.None)
			w := newPoolWriter(t, mode, proxy.Addr)
			proxy.SetPlan(sqlFaults(uint64(1000 * (i + 1))))
			for proxy.Injected() < want && w.ops < 50_000 {
				w.writeSome()
			}
			proxy.SetPlan(faultproxy.None)
			w.check(srv)
			t.Logf("%d faults in %d writes: %d acknowledged, %d certainly not run, %d of unknown fate",
				proxy.Injected(), w.ops, len(w.acknowledged), len(w.refused), w.unknown)
			if proxy.Injected() < want || len(w.acknowledged) == 0 || w.unknown == 0 {
				t.Errorf("%d faults, %d acknowledged, %d unknown: want %d faults and some of both",
					proxy.Injected(), len(w.acknowledged), w.unknown, want)
			}
		})
	}
}

// poolWriter writes through pools, and remembers what became of each write.
type poolWriter struct {
	t   *testing.T
	dsn string
	db  *sql.DB
	ops int

	mu           sync.Mutex
	acknowledged map[int]int // the rows of each
	refused      map[int]bool
	unknown      int
}

func newPoolWriter(t *testing.T, mode, addr string) *poolWriter {
	dsn := mode + "://" + addr
	if mode == "replica" {
		dsn = "file:" + filepath.ToSlash(filepath.Join(t.TempDir(), "replica.db")) + "?primary=http://" + addr
	}
	w := &poolWriter{t: t, dsn: dsn, acknowledged: map[int]int{}, refused: map[int]bool{}}
	w.open()
	t.Cleanup(w.close)
	if err := w.db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *poolWriter) open() {
	db, err := sql.Open(DriverName, w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	db.SetMaxOpenConns(writers)
	w.db = db
}

// close ends the pool, which has to have all connections back soon: database/sql rolls back in the background what a
// context has ended.
func (w *poolWriter) close() {
	deadline := time.Now().Add(time.Minute)
	for w.db.Stats().InUse != 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := w.db.Stats().InUse; n != 0 {
		w.t.Errorf("after write %d %d connections are still in use", w.ops, n)
	}
	if err := w.db.Close(); err != nil {
		w.t.Errorf("close after write %d: %v", w.ops, err)
	}
}

const (
	writers = 6 // at once
	// writesPerPool is about how many writes of each it takes to come to the end of a connection's faults. A new pool
	// has connections, and faults, of its own.
	writesPerPool = 6
)

// writeSome writes through a new pool, from several goroutines.
func (w *poolWriter) writeSome() {
	w.close()
	w.open()
	var wait sync.WaitGroup
	for g := range writers {
		first := w.ops + 1 + g*writesPerPool
		wait.Go(func() {
			for op := first; op < first+writesPerPool; op++ {
				w.write(op)
			}
		})
	}
	wait.Wait()
	w.ops += writers * writesPerPool
}

func (w *poolWriter) write(op int) {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	rows, err := w.run(ctx, op)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.acknowledged[op] = rows
	case errors.Is(err, hrana.ErrNotExecuted):
		w.refused[op] = true
	default:
		w.unknown++
	}
}

// run writes in one of the ways there are, and gives the number of rows.
func (w *poolWriter) run(ctx context.Context, op int) (rows int, err error) {
	const insert = "INSERT INTO t VALUES (?, ?)"
	switch op % 4 {
	case 0:
		return 3, w.transaction(ctx, insert, op)
	case 1: // prepared
		stmt, err := w.db.PrepareContext(ctx, insert)
		if err != nil {
			return 1, err
		}
		defer stmt.Close()
		_, err = stmt.ExecContext(ctx, op, 1)
		return 1, err
	case 2: // with rows
		var part int
		return 1, w.db.QueryRowContext(ctx, insert+" RETURNING part", op, 1).Scan(&part)
	}
	_, err = w.db.ExecContext(ctx, insert, op, 1)
	return 1, err
}

func (w *poolWriter) transaction(ctx context.Context, insert string, op int) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for part := range 3 {
		if _, err := tx.ExecContext(ctx, insert, op, part+1); err != nil {
			return errors.Join(fmt.Errorf("part %d: %w", part, hideNotExecuted{err}), tx.Rollback())
		}
	}
	return tx.Commit()
}

// hideNotExecuted takes out of an error that its own statement did not run: others of the transaction may have.
type hideNotExecuted struct{ error }

func (w *poolWriter) check(srv *sqldtest.Server) {
	w.t.Helper()
	w.checkPool()
	parts := make(map[int][]int)
	for _, row := range srv.Query(w.t, "SELECT op, part FROM t ORDER BY op, part") {
		op, part := int(row[0].(int64)), int(row[1].(int64))
		parts[op] = append(parts[op], part)
	}
	for op := 1; op <= w.ops; op++ {
		got, whole := len(parts[op]), 1
		if op%4 == 0 {
			whole = 3
		}
		switch rows, ok := w.acknowledged[op]; {
		case ok && got != rows:
			w.t.Errorf("write %d was acknowledged: %d rows %v, want %d", op, got, parts[op], rows)
		case w.refused[op] && got != 0:
			w.t.Errorf("write %d was said not to have run: rows %v", op, parts[op])
		case got != 0 && got != whole:
			w.t.Errorf("write %d: rows %v, want all %d or none", op, parts[op], whole)
		}
	}
}

// checkPool looks for connections that were lost, and uses all there may be.
func (w *poolWriter) checkPool() {
	w.t.Helper()
	w.db.SetMaxIdleConns(-1)
	for range writers {
		c, err := w.db.Conn(w.t.Context())
		if err != nil {
			w.t.Errorf("a connection over a network that is whole again: %v", err)
			continue
		}
		defer c.Close()
		var n int
		if err := c.QueryRowContext(w.t.Context(), "SELECT count(*) FROM t").Scan(&n); err != nil {
			w.t.Errorf("a query over a network that is whole again: %v", err)
		}
	}
}
