package main

import (
	"os"
	"testing"
	"time"

	"github.com/floedb/floe/bench/harness"
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
		rep := harness.NewReport("syncbench", m.name, time.Now())
		if err := m.hosted(c).Hosted(func(r harness.Result) { rep.Results = append(rep.Results, r) }); err != nil {
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
		if err := rep.Save(t.TempDir()); err != nil {
			t.Error(err)
		}
	}
}
