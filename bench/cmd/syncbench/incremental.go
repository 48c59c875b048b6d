package main

import (
	"fmt"
	"path/filepath"

	"github.com/floedb/floe/bench/harness"
)

// measureIncremental times syncs of new transactions by contestants that are open and in step.
func measureIncremental(h *harness.Host, c settings, emit func(harness.Result)) error {
	s, err := startServer(h, manyLogMB)
	if err != nil {
		return err
	}
	if err := small(s, 1000); err != nil {
		return err
	}
	open := map[string]contestant{}
	for _, name := range c.of {
		if open[name], err = opened(name, filepath.Join(h.TempDir(), "replica.db"), s.URL); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer open[name].close()
	}
	runs := map[string][]float64{}
	var frames []float64
	for i := range c.runs {
		before, err := s.TryFrameNo()
		if err != nil {
			return err
		}
		if err := small(s, c.newTx); err != nil {
			return err
		}
		after, err := s.TryFrameNo()
		if err != nil {
			return err
		}
		frames = append(frames, float64(after-before))
		for _, name := range harness.Rotated(c.of, i) {
			sec, err := harness.Timed(open[name].sync)
			if err == nil {
				err = complete(s, open[name])
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			runs[name] = append(runs[name], sec)
		}
	}
	r := harness.Result{
		Measure: "incremental",
		What: fmt.Sprintf("sync of %d new one-row transactions (%.0f frames) in a running process",
			c.newTx, harness.Quantile(frames, 0.5)),
	}
	for _, name := range c.of {
		r.Series = append(r.Series, harness.NewSeries(name, "s", runs[name]))
	}
	r.Compare(floeName, peerName, 0.2)
	r.Compare(floeName, serialName, 0)
	emit(r)
	return nil
}
