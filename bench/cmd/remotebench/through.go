package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"github.com/floedb/floe/bench/harness"
	"github.com/floedb/floe/internal/sqldtest"
)

// measureThrough is about a replica that writes to its primary: what its reads cost beside those of a plain file, and
// what it costs to read back what was written.
func measureThrough(h *harness.Host, s settings, emit func(harness.Result)) error {
	srv := sqldtest.Start(h)
	if err := setUp(srv, tableRows); err != nil {
		return err
	}
	dir := h.TempDir()
	replica, err := opened("file:" + filepath.Join(dir, "replica.db") + "?primary=" + srv.URL)
	if err != nil {
		return err
	}
	defer replica.Close()
	if err := measureReads(replica, dir, s, emit); err != nil {
		return err
	}
	remote, err := opened(srv.URL)
	if err != nil {
		return err
	}
	defer remote.Close()
	return measureReadBack(replica, remote, s, emit)
}

// opened opens a database with one connection that is there already.
func opened(dsn string) (*sql.DB, error) {
	db, err := sql.Open("floe", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := db.PingContext(background); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// measureReads compares a replica with a plain file of the same content.
func measureReads(replica *sql.DB, dir string, s settings, emit func(harness.Result)) error {
	path := filepath.Join(dir, "plain.db")
	if _, err := replica.ExecContext(background, "VACUUM INTO ?", path); err != nil {
		return fmt.Errorf("copy the replica: %w", err)
	}
	plain, err := opened("file:" + path + "?_journal_mode=wal")
	if err != nil {
		return err
	}
	defer plain.Close()
	dbs := map[string]*sql.DB{"replica": replica, "plain file": plain}
	runs := make(map[string][]float64)
	for i := range s.runs {
		for _, name := range harness.Rotated([]string{"replica", "plain file"}, i) {
			sec, err := harness.Timed(func() error {
				return inParallel(1, s.reads, func(k int) error { return query(dbs[name], k) })
			})
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			runs[name] = append(runs[name], sec/float64(s.reads)*1e6)
		}
	}
	r := harness.Result{
		Measure: "through", What: fmt.Sprintf("%d reads by key, time by read", s.reads),
		Series: []harness.Series{harness.NewSeries("replica", "µs", runs["replica"]), harness.NewSeries("plain file", "µs", runs["plain file"])},
	}
	r.Compare("replica", "plain file", 1.2)
	emit(r)
	return nil
}

// measureReadBack compares a write through the replica, and a read of it there, with the bare write.
func measureReadBack(replica, remote *sql.DB, s settings, emit func(harness.Result)) error {
	var bare, both []float64
	for k := range s.runs * s.writes {
		begin := time.Now()
		if err := insert(remote, k); err != nil {
			return err
		}
		bare = append(bare, ms(begin))
		begin = time.Now()
		if err := insertAndRead(replica, k); err != nil {
			return err
		}
		both = append(both, ms(begin))
	}
	write, back := harness.NewSeries("write on the primary", "ms", bare), harness.NewSeries("write through the replica, and read back", "ms", both)
	back.Goal = write.Median + 10
	emit(harness.Result{
		Measure: "through", What: fmt.Sprintf("%d writes of each kind, in turn", len(bare)),
		Series: []harness.Series{write, back},
		Notes: []string{fmt.Sprintf("99 of 100: %s ms, and %s ms", harness.Short(harness.Quantile(bare, 0.99)),
			harness.Short(harness.Quantile(both, 0.99)))},
	})
	return nil
}

func insertAndRead(db *sql.DB, k int) error {
	res, err := db.ExecContext(background, "INSERT INTO log(k, what) VALUES (?, ?)", k, "something to remember")
	if err != nil {
		return err
	}
	id, err := res.LastInsertId()
	if err != nil {
		return err
	}
	var got int
	if err := db.QueryRowContext(background, "SELECT k FROM log WHERE id = ?", id).Scan(&got); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if got != k {
		return fmt.Errorf("%d was read where %d was written", got, k)
	}
	return nil
}

func ms(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }
