package hrana

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/floedb/floe/internal/faultproxy"
	"github.com/floedb/floe/internal/sqldtest"
)

// networkFaults is the plan of faults of a network: answers are delayed, cut off, changed and garbled, requests are
// delayed and cut off. Requests are not garbled, as that would have the server run other statements.
func networkFaults(seed uint64) faultproxy.Plan {
	answers := faultproxy.RandomPlan(seed, 2500)
	requests := faultproxy.RandomPlan(seed+1, 2500, faultproxy.Cut, faultproxy.Truncate, faultproxy.Delay)
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

// TestNoWriteIsLostOrRunsTwice writes numbered rows over a network with a thousand faults, again whenever the error
// says that a write did not run. Each row that was acknowledged must be there, and none twice.
func TestNoWriteIsLostOrRunsTwice(t *testing.T) {
	want := 1000/len(variants) + 1
	if testing.Short() {
		want = 20
	}
	for i, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			srv := sqldtest.Start(t)
			srv.Exec(t, "CREATE TABLE t(id)")
			w := &faultyWriter{acknowledged: map[int64]bool{}}
			proxy := faultproxy.Start(t, srv.Addr, networkFaults(uint64(100*i)))
			w.connect = func() *Client { return v.open(t, proxy.Addr, WithPingInterval(300*time.Millisecond)) }
			for proxy.Injected() < want && w.id < 20000 {
				w.write()
			}
			w.close()
			w.check(t, srv)
			t.Logf("%d faults in %d writes: %d acknowledged, %d sent again, %d of unknown fate",
				proxy.Injected(), w.id, len(w.acknowledged), w.again, w.unknown)
			if proxy.Injected() < want || len(w.acknowledged) == 0 || w.unknown == 0 {
				t.Errorf("%d faults, %d acknowledged, %d unknown: want %d faults and some of both", proxy.Injected(),
					len(w.acknowledged), w.unknown, want)
			}
		})
	}
}

// faultyWriter inserts numbered rows and remembers what became of them.
type faultyWriter struct {
	connect        func() *Client
	client         *Client
	stream         *Stream // nil when the last one was lost
	id             int64
	acknowledged   map[int64]bool
	again, unknown int
}

// write inserts the next number.
func (w *faultyWriter) write() {
	if w.id%writesPerClient == 0 {
		w.renew()
	}
	w.id++
	for range 100 {
		err := w.try()
		switch {
		case err == nil:
			w.acknowledged[w.id] = true
			return
		case !errors.Is(err, ErrNotExecuted):
			w.unknown++
			return
		}
		w.again++
	}
}

// writesPerClient is about how many writes it takes to come to the end of a connection's faults.
const writesPerClient = 8

// renew goes on with a client, and so with connections, of its own.
func (w *faultyWriter) renew() {
	if w.client != nil {
		w.close()
	}
	w.client = w.connect()
}

func (w *faultyWriter) try() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if w.stream == nil || w.stream.Err() != nil {
		var err error
		if w.stream, err = w.client.OpenStream(ctx); err != nil {
			w.stream = nil
			return err
		}
	}
	insert := Stmt{SQL: "INSERT INTO t VALUES(?)", Args: []Value{Integer(w.id)}}
	switch w.id % 4 {
	case 0:
		return w.transaction(ctx, insert)
	case 1:
		return w.cursor(ctx, insert)
	}
	_, err := w.stream.Execute(ctx, insert)
	return err
}

func (w *faultyWriter) transaction(ctx context.Context, insert Stmt) error {
	res, err := w.stream.Batch(ctx, Transaction("BEGIN IMMEDIATE", insert))
	if err == nil {
		err = res.Err()
	}
	return err
}

func (w *faultyWriter) cursor(ctx context.Context, insert Stmt) error {
	cur, err := w.stream.Cursor(ctx, Batch{Steps: []BatchStep{{Stmt: insert}}})
	if err != nil {
		return err
	}
	defer cur.Close()
	res, err := cur.Collect()
	if err == nil {
		err = res.Err()
	}
	return err
}

func (w *faultyWriter) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if w.stream != nil {
		w.stream.Close(ctx)
	}
	w.client.Close()
	w.stream = nil
}

func (w *faultyWriter) check(t *testing.T, srv *sqldtest.Server) {
	counts := map[int64]int64{}
	for _, row := range srv.Query(t, "SELECT id, count(*) FROM t GROUP BY id") {
		counts[row[0].(int64)] = row[1].(int64)
	}
	for id := int64(1); id <= w.id; id++ {
		if counts[id] > 1 {
			t.Errorf("write %d ran %d times", id, counts[id])
		}
		if w.acknowledged[id] && counts[id] == 0 {
			t.Errorf("write %d was acknowledged and is lost", id)
		}
	}
}
