package main

import (
	"fmt"
	"path/filepath"
)

// measureIncremental times syncs of new transactions by contestants that are open and in step.
func measureIncremental(h *host, c settings, emit func(result)) error {
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
		for _, name := range rotated(c.of, i) {
			sec, err := timed(open[name].sync)
			if err == nil {
				err = complete(s, open[name])
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			runs[name] = append(runs[name], sec)
		}
	}
	r := result{
		Measure: "incremental",
		What: fmt.Sprintf("sync of %d new one-row transactions (%.0f frames) in a running process",
			c.newTx, quantile(frames, 0.5)),
	}
	for _, name := range c.of {
		r.Series = append(r.Series, newSeries(name, "s", runs[name]))
	}
	r.compare(floeName, peerName, 0.2)
	r.compare(floeName, serialName, 0)
	emit(r)
	return nil
}
