// Command enginebench measures floe's engine beside other SQLite packages for Go and a program in C. See bench/README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// contestants are run in turn, in this order.
var contestants = []string{"floe", "mattn", "modernc", "zombiezen", "ncruces", "golibsql", "c"}

type settings struct {
	runs     int
	quick    bool
	of       []string
	only     string
	out      string
	stream   int
	progress io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := parseFlags()
	if err == nil {
		err = run(ctx, s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "enginebench:", err)
		os.Exit(1)
	}
}

func parseFlags() (settings, error) {
	s := settings{progress: os.Stderr}
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "usage: go run ./cmd/enginebench [flags]\n\n"+
			"Measures floe's engine beside its peers and prints a table. Run it in bench/, with a C compiler.\n\n")
		flag.PrintDefaults()
	}
	flag.IntVar(&s.runs, "runs", 5, "how often each contestant is run")
	flag.BoolVar(&s.quick, "quick", false, "a tenth of the work, for a look: the figures are not to be quoted")
	of := flag.String("of", strings.Join(contestants, ","), "the contestants to run, separated by commas")
	flag.StringVar(&s.only, "only", "", "workloads to run, separated by commas (default all); insert always is")
	flag.StringVar(&s.out, "out", "", "write engine.txt, engine.md, engine.json and engine.svg into this directory")
	flag.IntVar(&s.stream, "stream", 10_000_000, "rows that floe's cursor streams, for its memory; 0 for none")
	flag.Parse()
	s.of = strings.Split(*of, ",")
	for _, name := range s.of {
		if !slices.Contains(contestants, name) {
			return s, fmt.Errorf("-of: there is no %q; there are %s", name, strings.Join(contestants, ", "))
		}
	}
	if flag.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	return s, nil
}

func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp("", "enginebench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	programs, err := buildAll(ctx, dir, s)
	if err != nil {
		return err
	}
	m := newMeasurement(s)
	for i := range s.runs {
		if err := m.oneRun(ctx, s, programs, i); err != nil {
			return err
		}
	}
	if s.stream > 0 && slices.Contains(s.of, "floe") {
		if err := m.stream(ctx, s, programs["floe"]); err != nil {
			return err
		}
	}
	fmt.Print(m.markdown())
	if s.out == "" {
		return nil
	}
	return m.write(s.out)
}

// oneRun runs each contestant once. Another one begins each time, so that none always has the warm or the busy machine.
func (m *measurement) oneRun(ctx context.Context, s settings, programs map[string]string, i int) error {
	for j := range s.of {
		name := s.of[(i+j)%len(s.of)]
		start := time.Now()
		results, err := runChild(ctx, name, programs[name], s)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(s.progress, "run %d of %d: %-9s %5.1f s\n", i+1, s.runs, name, time.Since(start).Seconds())
		if err := m.add(name, results); err != nil {
			return err
		}
	}
	return nil
}
