package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/floedb/floe/bench/harness"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

const (
	readRows    = 20000       // rows that the readers read, there from the start
	quietTime   = time.Second // how long the readers run without a sync, in each run
	readRowsSQL = `INSERT INTO t (k, v) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20000)
		SELECT hex(randomblob(8)), randomblob(100) FROM n`
	touchSQL = `UPDATE t SET v = randomblob(100) WHERE id % 97 = 0 AND id <= 20000`
)

// measureReaders compares the latency of queries with and without a sync running in the process.
func measureReaders(h *harness.Host, c settings, emit func(harness.Result)) error {
	s, err := startServer(h, manyLogMB)
	if err != nil {
		return err
	}
	if err := s.TryExec(readRowsSQL); err != nil {
		return err
	}
	var contenders []*readBench
	for _, name := range c.of {
		if name == serialName {
			continue
		}
		b, err := newReadBench(h, s, c, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer b.close()
		contenders = append(contenders, b)
	}
	for i := range c.runs {
		if err := backlog(s, c.backlogMB); err != nil {
			return err
		}
		for k := range contenders {
			b := contenders[(i+k)%len(contenders)]
			if err := b.round(s); err != nil {
				return fmt.Errorf("%s: %w", b.name, err)
			}
		}
	}
	r := harness.Result{
		Measure: "readers",
		What: fmt.Sprintf("%d readers (row by key, then a sum over 20 rows, without pause) while a backlog of %d MB in transactions of 256 KB is synced",
			c.readers, c.backlogMB),
		Notes: []string{
			"figures are medians of the medians of each run; \"download\" is a plain download of the same frames in the process instead of a sync: the same load by the server",
		},
	}
	for _, b := range contenders {
		b.report(&r)
	}
	emit(r)
	return nil
}

// backlog commits new rows, and changes to those that are read.
func backlog(s *sqldtest.Server, mb int) error {
	for range 4 {
		if err := bulk(s, max(1, mb/4), mediumKB); err != nil {
			return err
		}
		if err := s.TryExec(touchSQL); err != nil {
			return err
		}
	}
	return nil
}

// phase is what goes on while the readers read.
type phase int

const (
	quiet phase = iota
	downloading
	syncing
	phases
)

var phaseNames = [phases]string{"no sync", "download", "sync"}

// queryKinds are the queries that a reader runs in turn.
var queryKinds = [...]string{"row", "sum"}

// readBench runs the readers of one contestant.
type readBench struct {
	name     string
	replica  replica
	download *serial
	readers  []reader

	medians [phases][len(queryKinds)][]float64 // in µs, one for each run
	worst   [phases][]float64                  // slowest query of each run, in ms
	p99     [phases][]float64                  // in µs
	rate    [phases][]float64                  // queries a second
	length  [phases][]float64                  // of the phase, in s
	queries int
	busy    int
	failed  int
	lastErr error
}

func newReadBench(h *harness.Host, s *sqldtest.Server, c settings, name string) (*readBench, error) {
	done, err := opened(name, filepath.Join(h.TempDir(), "replica.db"), s.URL)
	if err != nil {
		return nil, err
	}
	db, ok := done.(replica)
	if !ok {
		return nil, errors.New("it has no database")
	}
	b := &readBench{name: name, replica: db}
	if b.download, err = openSerial(s.URL); err != nil {
		return nil, err
	}
	if err := b.download.sync(); err != nil {
		return nil, err
	}
	for range c.readers {
		r, err := db.reader()
		if err != nil {
			return nil, err
		}
		b.readers = append(b.readers, r)
	}
	return b, nil
}

func (b *readBench) close() {
	for _, r := range b.readers {
		r.close()
	}
	b.download.close()
	b.replica.close()
}

// round runs the phases one after the other and checks what the sync brought.
func (b *readBench) round(s *sqldtest.Server) error {
	work := [phases]func() error{
		quiet:       func() error { time.Sleep(quietTime); return nil },
		downloading: b.download.sync,
		syncing:     b.replica.sync,
	}
	for p := range phases {
		if err := b.during(p, work[p]); err != nil {
			return fmt.Errorf("%s: %w", phaseNames[p], err)
		}
	}
	return complete(s, b.replica)
}

// during runs the readers while work runs.
func (b *readBench) during(p phase, work func() error) error {
	samples := make([]*sample, len(b.readers))
	var (
		stop atomic.Bool
		all  sync.WaitGroup
	)
	for i, r := range b.readers {
		samples[i] = &sample{}
		all.Go(func() { samples[i].collect(r, &stop) })
	}
	length, err := harness.Timed(work)
	stop.Store(true)
	all.Wait()
	b.note(p, length, samples)
	return err
}

// note sums the samples of all readers up.
func (b *readBench) note(p phase, length float64, samples []*sample) {
	var all []float64
	for kind := range queryKinds {
		var us []float64
		for _, s := range samples {
			us = append(us, s.us[kind]...)
		}
		b.medians[p][kind] = append(b.medians[p][kind], harness.Quantile(us, 0.5))
		all = append(all, us...)
	}
	for _, s := range samples {
		b.busy += s.busy
		b.failed += s.failed
		if s.lastErr != nil {
			b.lastErr = s.lastErr
		}
	}
	b.queries += len(all)
	b.length[p] = append(b.length[p], length)
	b.rate[p] = append(b.rate[p], float64(len(all))/length)
	if len(all) > 0 {
		b.p99[p] = append(b.p99[p], harness.Quantile(all, 0.99))
		b.worst[p] = append(b.worst[p], slices.Max(all)/1e3)
	}
}

// sample is what one reader measured in one phase.
type sample struct {
	us      [len(queryKinds)][]float64
	busy    int
	failed  int
	lastErr error
}

// collect queries until stop is set. A query under way then counts.
func (s *sample) collect(r reader, stop *atomic.Bool) {
	for !stop.Load() {
		id := rand.Int64N(readRows-20) + 1
		for kind, query := range [...]func(int64) error{r.point, r.aggregate} {
			begin := time.Now()
			err := query(id)
			if err != nil {
				s.fail(err)
				continue
			}
			s.us[kind] = append(s.us[kind], float64(time.Since(begin))/1e3)
		}
	}
}

func (s *sample) fail(err error) {
	s.lastErr = err
	if errors.Is(err, engine.Busy) || strings.Contains(err.Error(), "database is locked") {
		s.busy++
		return
	}
	s.failed++
}

// report adds the series of the contestant.
func (b *readBench) report(r *harness.Result) {
	for kind, query := range queryKinds {
		series := func(p phase) string { return fmt.Sprintf("%s, %s, %s", b.name, query, phaseNames[p]) }
		for p := range phases {
			r.Series = append(r.Series, harness.NewSeries(series(p), "µs", b.medians[p][kind]))
		}
		goal := 0.0
		if b.name == floeName {
			goal = 1.5
		}
		r.Compare(series(syncing), series(quiet), goal)
		r.Compare(series(syncing), series(downloading), 0)
	}
	for p := range phases {
		of := fmt.Sprintf("%s, %s", b.name, phaseNames[p])
		r.Series = append(r.Series,
			harness.NewSeries(of+": 99 of 100 queries", "µs", b.p99[p]),
			harness.NewSeries(of+": slowest query", "ms", b.worst[p]),
			harness.NewSeries(of+": queries a second", "1/s", b.rate[p]),
			harness.NewSeries(of+": length", "s", b.length[p]))
	}
	note := fmt.Sprintf("%s: %d queries, %d SQLITE_BUSY, %d other errors", b.name, b.queries, b.busy, b.failed)
	if b.lastErr != nil {
		note += fmt.Sprintf(" (last: %v)", b.lastErr)
	}
	r.Notes = append(r.Notes, note)
}
