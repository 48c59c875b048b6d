package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/floedb/floe/bench/harness"
	"github.com/floedb/floe/internal/sqldtest"
)

var background = context.Background()

// How many goroutines the parallel kinds of requests have, each with a connection. From three writers on, libSQL's server
// can deadlock, as docs/remote.md tells: it did so here with eight.
const readersAtOnce, writersAtOnce = 8, 2

const tableRows = 10_000

// kinds are the requests that are measured.
var kinds = []struct {
	name     string
	parallel int
	request  func(db *sql.DB, k int) error
}{
	{"query", 1, query},
	{"query, 8 at once", readersAtOnce, query},
	{"insert", 1, insert},
	{"insert, 2 at once", writersAtOnce, insert},
}

func query(db *sql.DB, k int) error {
	id, got, name := int64(k%tableRows+1), int64(0), ""
	if err := db.QueryRowContext(background, "SELECT id, name FROM item WHERE id = ?", id).Scan(&got, &name); err != nil {
		return err
	}
	if got != id {
		return fmt.Errorf("row %d came for row %d", got, id)
	}
	return nil
}

// locked counts the inserts that had to be sent again because the database was locked, and that the client did not send
// again by itself.
var locked atomic.Int64

func insert(db *sql.DB, k int) error {
	exec := func() (sql.Result, error) {
		return db.ExecContext(background, "INSERT INTO log(k, what) VALUES (?, ?)", k, "something to remember")
	}
	res, err := exec()
	for err != nil && strings.Contains(err.Error(), "database is locked") {
		locked.Add(1)
		res, err = exec()
	}
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%d rows inserted: %w", n, err)
	}
	return nil
}

func setUp(s *sqldtest.Server, rows int) error {
	return s.TryExec("CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT NOT NULL, count INTEGER NOT NULL, score REAL NOT NULL)",
		"CREATE TABLE log(id INTEGER PRIMARY KEY, k INTEGER, what TEXT)",
		fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "+
			"INSERT INTO item SELECT i, printf('name-of-row-%%08x', i), i * 7 %% 100000, i / 4.0 FROM n", rows))
}

// measureRequests times small requests, one after the other and several at once.
func measureRequests(h *harness.Host, s settings, emit func(harness.Result)) error {
	srv := sqldtest.Start(h)
	if err := setUp(srv, tableRows); err != nil {
		return err
	}
	for _, kind := range kinds {
		runs := make(map[string][]float64)
		refused := make(map[string]int64)
		for i := range s.runs {
			for _, name := range harness.Rotated(s.of, i) {
				sec, err := requests(srv.URL, name, kind.parallel, s.requests, kind.request)
				if err != nil {
					return fmt.Errorf("%s of %s: %w", kind.name, name, err)
				}
				runs[name] = append(runs[name], sec/float64(s.requests)*1e6)
				refused[name] += locked.Swap(0)
			}
		}
		r := harness.Result{Measure: "requests", What: fmt.Sprintf("%s: %d requests in a run, time by request", kind.name, s.requests)}
		for _, name := range s.of {
			r.Series = append(r.Series, harness.NewSeries(name, "µs", runs[name]))
			if n := refused[name]; n > 0 {
				r.Notes = append(r.Notes, fmt.Sprintf("%s: %d inserts failed with \"database is locked\" and were sent again", name, n))
			}
		}
		r.Compare("floe-http", "client-http", 1)
		r.Compare("floe-ws", "client-ws", 1)
		emit(r)
	}
	return nil
}

func requests(url, name string, parallel, n int, request func(*sql.DB, int) error) (seconds float64, err error) {
	c, err := clientNamed(name)
	if err != nil {
		return 0, err
	}
	db, err := c.open(url, parallel)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if err := inParallel(parallel, parallel, func(k int) error { return request(db, k) }); err != nil { // connects
		return 0, err
	}
	return harness.Timed(func() error { return inParallel(parallel, n, func(k int) error { return request(db, k) }) })
}

// inParallel calls f with the numbers below n, from several goroutines.
func inParallel(goroutines, n int, f func(k int) error) error {
	errs := make([]error, goroutines)
	var wait sync.WaitGroup
	for g := range goroutines {
		wait.Go(func() {
			for k := g; k < n && errs[g] == nil; k += goroutines {
				errs[g] = f(k)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}
