package main

import (
	"os"
	"testing"

	"github.com/floedb/floe/bench/harness"
	"github.com/floedb/floe/internal/sqldtest"
)

// TestMain lets the test program be its own child, as the command is.
func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		exit(runChild(name, os.Args[1:]))
		return
	}
	os.Exit(m.Run())
}

// TestEveryMeasureRuns runs all measures with little data: what they read is checked.
func TestEveryMeasureRuns(t *testing.T) {
	sqldtest.Start(t) // skips the test where there is no server
	s := settings{of: clientNames(), runs: 1, requests: 16, rows: 100, reads: 10, writes: 3}
	for _, m := range measures {
		var results []harness.Result
		hosted := harness.Measure{Name: m.name, Run: func(h *harness.Host, emit func(harness.Result)) error { return m.run(h, s, emit) }}
		if err := hosted.Hosted(func(r harness.Result) { results = append(results, r) }); err != nil {
			t.Fatalf("measure %s: %v", m.name, err)
		}
		if len(results) == 0 {
			t.Errorf("measure %s: no result", m.name)
		}
		for _, r := range results {
			for _, series := range r.Series {
				if len(series.Runs) == 0 {
					t.Errorf("%s: no run of %s", r.What, series.Name)
				}
			}
		}
	}
}
