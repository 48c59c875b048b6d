package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/floedb/floe/bench/harness"
	"github.com/floedb/floe/internal/sqldtest"
)

// measureFirst times the first sync of a database that does not exist yet.
func measureFirst(h *harness.Host, c settings, emit func(harness.Result)) error {
	s, err := startServer(h, manyLogMB)
	if err != nil {
		return err
	}
	if err := small(s, c.smallTx); err != nil {
		return err
	}
	if err := bulk(s, c.bulkMB, 1<<10); err != nil {
		return err
	}
	last, err := s.TryFrameNo()
	if err != nil {
		return err
	}
	r := harness.Result{
		Measure: "first",
		What: fmt.Sprintf("first sync, %d small transactions and %d MB in transactions of 1 MB: %d frames, %.0f MB",
			c.smallTx, c.bulkMB, last+1, float64(last+1)*4120/1e6),
	}
	runs := map[string][]float64{}
	for i := range c.runs {
		for _, name := range harness.Rotated(c.of, i) {
			sec, err := firstSync(h, s, name)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			runs[name] = append(runs[name], sec)
		}
	}
	for _, name := range c.of {
		r.Series = append(r.Series, harness.NewSeries(name, "s", runs[name]))
	}
	r.Compare(floeName, peerName, 0.30)
	r.Compare(floeName, serialName, 1.2)
	r.Notes = append(r.Notes, "timed from before opening to the return of the sync; closing is not timed")
	emit(r)
	return nil
}

// firstSync times one first sync in a directory of its own.
func firstSync(h *harness.Host, s *sqldtest.Server, name string) (float64, error) {
	dir := h.TempDir()
	defer os.RemoveAll(dir)
	var done contestant
	sec, err := harness.Timed(func() (err error) {
		done, err = opened(name, filepath.Join(dir, "replica.db"), s.URL)
		return err
	})
	if err != nil {
		return 0, err
	}
	if err := complete(s, done); err != nil {
		return 0, err
	}
	return sec, done.close()
}

// complete checks that a replica has all rows of the server.
func complete(s *sqldtest.Server, c contestant) error {
	db, ok := c.(replica)
	if !ok {
		return nil
	}
	want, err := rowCount(s)
	if err != nil {
		return err
	}
	r, err := db.reader()
	if err != nil {
		return err
	}
	defer r.close()
	got, err := r.count()
	if err == nil && got != want {
		err = fmt.Errorf("the replica has %d rows, the server %d", got, want)
	}
	return err
}
