// Remotebench measures floe's driver against a real libSQL server that it starts itself: as a client beside
// libsql-client-go, and as a replica that writes through its primary. See the README of the bench module.
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

const peerModule = "github.com/tursodatabase/libsql-client-go"

// settings are the command's flags.
type settings struct {
	measures []string
	of       []string
	runs     int
	requests int
	rows     int
	reads    int
	writes   int
	out      string
	profile  string
}

type measure struct {
	name string
	run  func(h *harness.Host, s settings, emit func(harness.Result)) error
}

var measures = []measure{
	{"requests", measureRequests},
	{"stream", measureStream},
	{"through", measureThrough},
}

func main() {
	if name := os.Getenv(childEnv); name != "" {
		exit(runChild(name, os.Args[1:]))
		return
	}
	exit(run(parseFlags()))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "remotebench:", err)
		os.Exit(1)
	}
}

func parseFlags() settings {
	var s settings
	var all []string
	for _, m := range measures {
		all = append(all, m.name)
	}
	which := flag.String("measures", strings.Join(all, ","), "what to measure")
	of := flag.String("of", strings.Join(clientNames(), ","), "requests and stream: clients to run")
	quick := flag.Bool("quick", false, "a tenth of the work, for a look: the figures are not to be quoted")
	flag.IntVar(&s.runs, "runs", 5, "runs of each contestant; medians are given")
	flag.IntVar(&s.requests, "requests", 4000, "requests: how many in a run of each kind")
	flag.IntVar(&s.rows, "rows", 1_000_000, "stream: rows of the result")
	flag.IntVar(&s.reads, "reads", 100_000, "through: local reads in a run")
	flag.IntVar(&s.writes, "writes", 500, "through: writes in a run")
	flag.StringVar(&s.out, "out", "", "directory to write a table and a JSON file of each measure to")
	flag.StringVar(&s.profile, "cpuprofile", "", "write a CPU profile of this process to the file; best with -of and one measure")
	flag.Parse()
	s.measures, s.of = harness.Split(*which), harness.Split(*of)
	if *quick {
		s.requests, s.rows, s.reads, s.writes = s.requests/10, s.rows/10, s.reads/10, s.writes/10
	}
	return s
}

func run(s settings) error {
	if min(s.runs, s.requests, s.rows, s.reads, s.writes) < 1 {
		return errors.New("-runs, -requests, -rows, -reads and -writes must be at least 1")
	}
	for _, name := range s.of {
		if _, err := clientNamed(name); err != nil {
			return err
		}
	}
	stop, err := harness.Profile(s.profile)
	if err != nil {
		return err
	}
	defer stop()
	for _, name := range s.measures {
		i := slices.IndexFunc(measures, func(m measure) bool { return m.name == name })
		if i < 0 {
			return fmt.Errorf("no measure is called %q", name)
		}
		m := harness.Measure{Name: name, Run: func(h *harness.Host, emit func(harness.Result)) error { return measures[i].run(h, s, emit) }}
		if err := m.Report("remotebench", s.out, peerModule); err != nil {
			return fmt.Errorf("measure %s: %w", name, err)
		}
	}
	return nil
}
