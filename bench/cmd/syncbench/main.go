// Syncbench measures how floe's replica syncs, beside the C-backed Go client and a plain download of the same
// frames, against a real libSQL server that it starts itself. See the README of the bench module.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/floedb/floe/bench/harness"
)

// settings are the command's flags.
type settings struct {
	measures   []string
	of         []string
	runs       int
	smallTx    int
	bulkMB     int
	newTx      int
	commits    int
	sizeMB     int
	hugeMB     int
	variants   []string
	memoryOf   []string
	memoryRuns int
	readers    int
	backlogMB  int
	out        string
	cpuprofile string
}

// has tells whether a contestant takes part.
func (c settings) has(contestant string) bool { return slices.Contains(c.of, contestant) }

// The contestants, as -of names them.
const (
	floeName   = "floe"
	peerName   = "peer"
	serialName = "serial"
)

// measure is one kind of measurement, on servers of its own.
type measure struct {
	name string
	run  func(h *harness.Host, c settings, emit func(harness.Result)) error
}

var measures = []measure{
	{"first", measureFirst},
	{"incremental", measureIncremental},
	{"watch", measureWatch},
	{"memory", measureMemory},
	{"readers", measureReaders},
}

func main() {
	if job := os.Getenv(childEnv); job != "" {
		exit(runChild(job, os.Args[1:]))
		return
	}
	exit(run(parseFlags()))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "syncbench:", err)
		os.Exit(1)
	}
}

func parseFlags() settings {
	var c settings
	names := make([]string, len(measures))
	for i, m := range measures {
		names[i] = m.name
	}
	which := flag.String("measures", strings.Join(names, ","), "what to measure")
	of := flag.String("of", strings.Join([]string{floeName, peerName, serialName}, ","), "contestants to run")
	flag.IntVar(&c.runs, "runs", 7, "runs of each contestant; medians are given")
	flag.IntVar(&c.smallTx, "small", 5000, "first: one-row transactions on the server")
	flag.IntVar(&c.bulkMB, "bulk", 25, "first: MB in large transactions on the server")
	flag.IntVar(&c.newTx, "new", 1000, "incremental: new one-row transactions for each run")
	flag.IntVar(&c.commits, "commits", 500, "watch: commits timed")
	flag.IntVar(&c.sizeMB, "size", 1024, "memory: MB of data on the server")
	flag.IntVar(&c.hugeMB, "huge", 400, "memory: MB of the huge transaction")
	variants := flag.String("variants", "medium,huge,rewrite,snapshots", "memory: variants to run")
	flag.IntVar(&c.memoryRuns, "memory-runs", 5, "memory: runs of each contestant")
	memoryOf := flag.String("memory-of", floeName, "memory: contestants to run, of floe and peer")
	flag.IntVar(&c.readers, "readers", 2, "readers: connections that query at once")
	flag.IntVar(&c.backlogMB, "backlog", 32, "readers: MB of new transactions for each run")
	flag.StringVar(&c.out, "out", "", "directory to write a table and a JSON file of each measure to")
	flag.StringVar(&c.cpuprofile, "cpuprofile", "", "write a CPU profile of this process to the file; best with -of floe and one measure")
	flag.Parse()
	c.measures, c.of, c.variants, c.memoryOf = harness.Split(*which), harness.Split(*of), harness.Split(*variants), harness.Split(*memoryOf)
	return c
}

// run runs the measures asked for and reports each as it ends.
func run(c settings) error {
	if c.runs < 1 || c.memoryRuns < 1 || c.readers < 1 {
		return errors.New("-runs, -memory-runs and -readers must be at least 1")
	}
	stop, err := harness.Profile(c.cpuprofile)
	if err != nil {
		return err
	}
	defer stop()
	for _, name := range c.measures {
		i := slices.IndexFunc(measures, func(m measure) bool { return m.name == name })
		if i < 0 {
			return fmt.Errorf("no measure is called %q", name)
		}
		if err := measures[i].hosted(c).Report("syncbench", c.out, "github.com/tursodatabase/go-libsql"); err != nil {
			return fmt.Errorf("measure %s: %w", name, err)
		}
	}
	return nil
}

// hosted is the measure with its settings.
func (m measure) hosted(c settings) harness.Measure {
	return harness.Measure{Name: m.name, Run: func(h *harness.Host, emit func(harness.Result)) error { return m.run(h, c, emit) }}
}
