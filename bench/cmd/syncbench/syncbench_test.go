package main

import (
	"os"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
)

// TestMain lets the test program be its own child, as the command is.
func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		exit(runChild(job, os.Args[1:]))
		return
	}
	os.Exit(m.Run())
}

func TestQuantileIsOfSortedValues(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{nil, 0.5, 0},
		{[]float64{3}, 0.5, 3},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{4, 1, 3, 2}, 0.99, 4},
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.values, c.q, got, c.want)
		}
	}
}

func TestRatioIsOfMedians(t *testing.T) {
	r := result{Series: []series{
		newSeries(floeName, "s", []float64{9, 1, 2}),
		newSeries(peerName, "s", []float64{8, 8, 1}),
	}}
	r.compare(floeName, peerName, 0.3)
	r.compare(floeName, serialName, 1.2) // was not run
	if want := (ratio{Name: "floe / peer", Value: 0.25, Goal: 0.3}); len(r.Ratios) != 1 || r.Ratios[0] != want {
		t.Errorf("ratios %v, want only %v", r.Ratios, want)
	}
}

// TestEveryMeasureRuns runs all measures with little data: their checks of what the replicas hold must pass.
func TestEveryMeasureRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("starts several servers")
	}
	sqldtest.Start(t) // skips the test where there is no server
	c := settings{
		of:       []string{floeName, peerName, serialName},
		memoryOf: []string{floeName},
		variants: []string{"medium", "huge", "rewrite", "snapshots"},
		runs:     1, memoryRuns: 1, smallTx: 20, bulkMB: 1, newTx: 10, commits: 3,
		sizeMB: 2, hugeMB: 1, readers: 1, backlogMB: 1,
	}
	for _, m := range measures {
		rep := newReport(m.name, time.Now())
		if err := runHosted(m, c, func(r result) { rep.Results = append(rep.Results, r) }); err != nil {
			t.Fatalf("measure %s: %v", m.name, err)
		}
		if len(rep.Results) == 0 {
			t.Errorf("measure %s: no result", m.name)
		}
		for _, r := range rep.Results {
			for _, s := range r.Series {
				if len(s.Runs) == 0 {
					t.Errorf("%s: no run of %s", r.Measure, s.Name)
				}
			}
		}
		if err := rep.save(t.TempDir()); err != nil {
			t.Error(err)
		}
	}
}
