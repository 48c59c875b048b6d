package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/floedb/floe/bench/harness"
	"github.com/floedb/floe/internal/sqldtest"
)

// memoryVariant is a shape of data whose first sync is measured.
type memoryVariant struct {
	name string
	what string
	// logMB bounds the server's log.
	logMB int
	load  func(s *sqldtest.Server, c settings) error
}

const (
	mediumKB      = 256 // a medium transaction
	fewLogMB      = 64  // a log that is soon compacted into snapshots
	smallInMemory = 2000
)

var memoryVariants = []memoryVariant{
	{"medium", "small transactions and such of 256 KB", manyLogMB, loadMedium},
	{"huge", "the same, then one huge transaction of new rows", manyLogMB, func(s *sqldtest.Server, c settings) error {
		return loadHuge(s, c, insertRows(c.hugeMB<<20/rowBytes))
	}},
	{"rewrite", "the same, then one huge transaction that rewrites rows", manyLogMB, func(s *sqldtest.Server, c settings) error {
		return loadHuge(s, c, fmt.Sprintf(`UPDATE t SET v = randomblob(%d) WHERE id <= %d`, rowBytes, c.hugeMB<<20/rowBytes))
	}},
	{"snapshots", "the same as medium from a server that has compacted its log, so that snapshots are sent", fewLogMB, loadMedium},
}

func loadMedium(s *sqldtest.Server, c settings) error {
	if err := small(s, smallInMemory); err != nil {
		return err
	}
	return bulk(s, c.sizeMB, mediumKB)
}

// loadHuge leaves about c.sizeMB MB in the log, c.hugeMB of them in one transaction.
func loadHuge(s *sqldtest.Server, c settings, sql string) error {
	if err := small(s, smallInMemory); err != nil {
		return err
	}
	if err := bulk(s, max(c.sizeMB-c.hugeMB, c.hugeMB), mediumKB); err != nil {
		return err
	}
	return s.TryExec(sql)
}

// measureMemory takes the peak memory of processes that do nothing but a first sync.
func measureMemory(_ *harness.Host, c settings, emit func(harness.Result)) error {
	for _, name := range c.variants {
		i := slices.IndexFunc(memoryVariants, func(v memoryVariant) bool { return v.name == name })
		if i < 0 {
			return fmt.Errorf("no variant is called %q", name)
		}
		r, err := memoryVariants[i].measure(c)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		emit(r)
	}
	return nil
}

// measure runs a variant on a server of its own, whose data is gone afterwards.
func (v memoryVariant) measure(c settings) (r harness.Result, err error) {
	h := harness.NewHost()
	defer func() {
		if e := h.Finish(recover()); err == nil {
			err = e
		}
	}()
	s, err := startServer(h, v.logMB)
	if err != nil {
		return r, err
	}
	if err := v.load(s, c); err != nil {
		return r, err
	}
	last, err := s.TryFrameNo()
	if err != nil {
		return r, err
	}
	r = harness.Result{
		Measure: "memory/" + v.name,
		What:    fmt.Sprintf("peak memory of a process that does one first sync: %s; %d frames", v.what, last+1),
		Notes:   []string{"resident memory as the kernel counts it (VmHWM), the program's text and mapped files included"},
	}
	for _, name := range c.memoryOf {
		if err := v.run(h, s, c, name, &r); err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	return r, nil
}

// run runs the children of one contestant.
func (v memoryVariant) run(h *harness.Host, s *sqldtest.Server, c settings, name string, r *harness.Result) error {
	want, err := rowCount(s)
	if err != nil {
		return err
	}
	var peak, seconds []float64
	for range c.memoryRuns {
		dir := h.TempDir()
		one, err := inChild(name, filepath.Join(dir, "replica.db"), s.URL)
		os.RemoveAll(dir)
		if err != nil {
			return err
		}
		if one.Rows != want {
			return fmt.Errorf("the replica has %d rows, the server %d", one.Rows, want)
		}
		peak, seconds = append(peak, one.PeakMB), append(seconds, one.Seconds)
	}
	memory := harness.NewSeries(name, "MB", peak)
	if name == floeName {
		memory.Goal = 100
	}
	r.Series = append(r.Series, memory, harness.NewSeries(name+", time", "s", seconds))
	return nil
}
