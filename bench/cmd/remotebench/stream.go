package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/floedb/floe/bench/harness"
	"github.com/floedb/floe/internal/sqldtest"
)

// childEnv, in the environment, makes the command the child of itself that reads all rows with the client named, so
// that the peak memory of nothing else is measured.
const childEnv = "FLOE_REMOTEBENCH_CHILD"

// childResult is what a child prints.
type childResult struct {
	Seconds float64 `json:"seconds"`
	PeakMB  float64 `json:"peak_mb"` // VmHWM
}

// measureStream reads one large result.
func measureStream(h *harness.Host, s settings, emit func(harness.Result)) error {
	srv := sqldtest.Start(h)
	if err := setUp(srv, s.rows); err != nil {
		return err
	}
	seconds, peaks, unable := make(map[string][]float64), make(map[string][]float64), make(map[string]error)
	for i := range s.runs {
		for _, name := range harness.Rotated(s.of, i) {
			if unable[name] != nil {
				continue
			}
			res, err := inChild(name, srv.URL, s.rows)
			if err != nil && strings.HasPrefix(name, "client") {
				unable[name] = err // it asks for all at once, which the server refuses
				continue
			}
			if err != nil {
				return err
			}
			seconds[name] = append(seconds[name], res.Seconds)
			peaks[name] = append(peaks[name], res.PeakMB)
		}
	}
	r := harness.Result{Measure: "stream", What: fmt.Sprintf("one result of %d rows with four columns, time to read it", s.rows)}
	m := harness.Result{Measure: "stream", What: "the same, peak of the resident memory"}
	for _, name := range s.of {
		if err := unable[name]; err != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("%s cannot: %v", name, err))
			continue
		}
		r.Series = append(r.Series, harness.NewSeries(name, "s", seconds[name]))
		m.Series = append(m.Series, harness.NewSeries(name, "MB", peaks[name]))
	}
	for _, res := range []*harness.Result{&r, &m} {
		res.Compare("floe-http", "client-http", 1)
		res.Compare("floe-ws", "client-ws", 1)
		emit(*res)
	}
	return nil
}

func inChild(name, url string, rows int) (res childResult, err error) {
	exe, err := os.Executable()
	if err != nil {
		return res, err
	}
	cmd := exec.Command(exe, url, strconv.Itoa(rows))
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return res, fmt.Errorf("%w: %s", err, strings.Join(strings.Fields(stderr.String()), " "))
	}
	return res, json.Unmarshal(out, &res)
}

// runChild reads the rows, prints a childResult and ends.
func runChild(name string, args []string) error {
	if len(args) != 2 {
		return errors.New("a child takes a URL and a number of rows")
	}
	want, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	c, err := clientNamed(name)
	if err != nil {
		return err
	}
	begin := time.Now()
	if n, err := c.readAll(args[0]); err != nil || n != want {
		return fmt.Errorf("%d rows of %d: %w", n, want, err)
	}
	res := childResult{Seconds: time.Since(begin).Seconds()}
	if res.PeakMB, err = harness.PeakMB(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

func (c client) readAll(url string) (n int, err error) {
	db, err := c.open(url, 1)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	rows, err := db.QueryContext(background, "SELECT id, name, count, score FROM item")
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var id, count int64
	var name string
	var score float64
	for ; rows.Next(); n++ {
		if err := rows.Scan(&id, &name, &count, &score); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}
