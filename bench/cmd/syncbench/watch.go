package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/bench/harness"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

const (
	watchPause    = 3 * time.Millisecond // between commits, so that each finds the stream idle
	warmUpCommits = 20                   // not timed
	watchPatience = 10 * time.Second     // for one commit to be seen
)

// measureWatch times how long a commit on the server takes to be seen by a query of a replica that is watching.
func measureWatch(h *harness.Host, c settings, emit func(harness.Result)) error {
	if !c.has(floeName) {
		return nil
	}
	s, err := startServer(h, manyLogMB)
	if err != nil {
		return err
	}
	if err := small(s, 100); err != nil {
		return err
	}
	f, err := openFloe(filepath.Join(h.TempDir(), "replica.db"), s.URL)
	if err != nil {
		return err
	}
	defer f.close()
	bare, err := opened(serialName, "", s.URL)
	if err != nil {
		return err
	}
	defer bare.close()
	ctx, cancel := context.WithCancel(context.Background())
	arrived := make(chan time.Time, c.commits+warmUpCommits)
	ended := make(chan error, 2)
	go func() { ended <- f.Watch(ctx) }()
	go func() { ended <- bare.(*serial).listen(ctx, arrived) }()
	var total commitTimes
	err = timeCommits(s, f, c.commits, arrived, &total)
	cancel()
	for range cap(ended) {
		if endErr := <-ended; err == nil && !errors.Is(endErr, context.Canceled) {
			err = fmt.Errorf("stream: %w", endErr)
		}
	}
	if err == nil {
		emit(total.result(c.commits))
	}
	return err
}

// commitTimes are the times of commits, in milliseconds.
type commitTimes struct {
	fromSend   []float64 // from before the request was sent to the row being seen
	fromAnswer []float64 // from the answer's arrival to the row being seen
	request    []float64 // from before the request was sent to the answer's arrival
	stream     []float64 // from before the request was sent to the frames' arrival at a bare stream
}

// timeCommits commits rows one after the other, each when the one before was seen.
func timeCommits(s *sqldtest.Server, f *floeReplica, n int, arrived <-chan time.Time, total *commitTimes) error {
	conn, err := f.Conn(context.Background())
	if err != nil {
		return err
	}
	defer conn.Close()
	p := &poller{ask: make(chan int64), seen: make(chan sighting)}
	go p.run(conn)
	defer close(p.ask)
	id := int64(1 << 40)
	for i := range n + warmUpCommits {
		id++
		one, err := p.time(s, id)
		if err != nil {
			return err
		}
		if one.arrived, err = within(arrived, watchPatience); err != nil {
			return err
		}
		if i >= warmUpCommits {
			total.add(one)
		}
		time.Sleep(watchPause)
	}
	return nil
}

// within receives a time, and waits for it for d at most.
func within(c <-chan time.Time, d time.Duration) (time.Time, error) {
	select {
	case at := <-c:
		return at, nil
	case <-time.After(d):
		return time.Time{}, fmt.Errorf("the bare stream brought nothing within %v", d)
	}
}

// commitTime is when one commit was sent, answered, seen in the replica and received by a bare stream.
type commitTime struct{ sent, answered, seen, arrived time.Time }

func (t *commitTimes) add(c commitTime) {
	ms := func(a, b time.Time) float64 { return b.Sub(a).Seconds() * 1e3 }
	t.fromSend = append(t.fromSend, ms(c.sent, c.seen))
	t.fromAnswer = append(t.fromAnswer, ms(c.answered, c.seen))
	t.request = append(t.request, ms(c.sent, c.answered))
	t.stream = append(t.stream, ms(c.sent, c.arrived))
}

func (t *commitTimes) result(n int) harness.Result {
	r := harness.Result{
		Measure: "watch",
		What:    fmt.Sprintf("%d one-row commits on the server, seen by a query of a replica that watches", n),
		Notes: []string{
			"a reader polls SELECT max(id) without pause; a commit counts as seen when the query that returns its row has returned",
			"a negative time means that the row was seen before the writer had its answer",
			"the bare stream is a second one in the same process, whose frames are not applied: the least a client can take",
		},
	}
	send := harness.NewSeries("write request sent to row seen", "ms", t.fromSend)
	answer := harness.NewSeries("write request answered to row seen", "ms", t.fromAnswer)
	answer.Goal = 5
	r.Series = []harness.Series{
		send, answer,
		harness.NewSeries("write request sent to answered", "ms", t.request),
		harness.NewSeries("write request sent to frames at a bare stream", "ms", t.stream),
	}
	r.Notes = append(r.Notes, fmt.Sprintf("sent to seen, 99 of 100 commits: %s ms", harness.Short(harness.Quantile(t.fromSend, 0.99))))
	return r
}

// poller queries a replica in a goroutine of its own.
type poller struct {
	ask  chan int64
	seen chan sighting
}

type sighting struct {
	at  time.Time
	err error
}

// time commits the row with the id and waits until the poller has seen it.
func (p *poller) time(s *sqldtest.Server, id int64) (c commitTime, err error) {
	p.ask <- id
	c.sent = time.Now()
	err = s.TryExecArgs(`INSERT INTO t (id, k, v) VALUES (?, 'watch', zeroblob(100))`, id)
	c.answered = time.Now()
	seen := <-p.seen
	c.seen = seen.at
	return c, errors.Join(err, seen.err)
}

// run answers each id asked for with the time at which the replica had it.
func (p *poller) run(conn *floe.Conn) {
	stmt, err := conn.Prepare(`SELECT max(id) FROM t`)
	for id := range p.ask {
		if err == nil {
			err = pollFor(stmt, id)
		}
		p.seen <- sighting{time.Now(), err}
	}
}

func pollFor(stmt *engine.Stmt, id int64) error {
	ctx := context.Background()
	for deadline := time.Now().Add(watchPatience); time.Now().Before(deadline); {
		if _, err := stmt.Step(ctx); err != nil {
			return err
		}
		got := stmt.ColumnInt64(0)
		if err := stmt.Reset(); err != nil {
			return err
		}
		if got >= id {
			return nil
		}
	}
	return fmt.Errorf("row %d was not seen within %v", id, watchPatience)
}
