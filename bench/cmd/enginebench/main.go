// Command enginebench measures floe's engine beside other SQLite packages for Go and a program in C. See bench/README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/floedb/floe/bench/work"
)

// contestants are run in turn, in this order.
var contestants = []string{"floe", "floesql", "mattn", "modernc", "zombiezen", "ncruces", "golibsql", "c"}

type settings struct {
	runs     int
	quick    bool
	of       []string
	only     []string
	out      string
	growth   bool
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
	only := flag.String("only", "", "workloads to run, separated by commas (default all); insert always is")
	flag.StringVar(&s.out, "out", "", "write engine.txt, engine.md, engine.json and engine.svg into this directory")
	flag.BoolVar(&s.growth, "growth", true, "after the runs, measure how the memory grows over a million executions; not with -quick or -only")
	flag.IntVar(&s.stream, "stream", 10_000_000, "after the runs, rows that floe's cursor streams, for its memory; 0 for none; not with -quick or -only")
	flag.Parse()
	if flag.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if s.runs < 1 {
		return s, fmt.Errorf("-runs: %d is not at least 1", s.runs)
	}
	var errOf, errOnly error
	s.of, errOf = chosen("of", *of, contestants)
	s.only, errOnly = chosen("only", *only, work.Names())
	if s.quick || len(s.only) > 0 {
		s.growth, s.stream = false, 0
	}
	return s, errors.Join(errOf, errOnly)
}

// chosen splits the value of a flag into names, which must be known.
func chosen(name, value string, known []string) ([]string, error) {
	names := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("-%s: there is no %q; there are %s", name, n, strings.Join(known, ", "))
		}
	}
	return names, nil
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
	if err := m.memoryRuns(ctx, s, programs); err != nil {
		return err
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
		r, err := runChild(ctx, programs[name], workloadArguments(name, s))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(s.progress, "run %d of %d: %-9s %5.1f s\n", i+1, s.runs, name, time.Since(start).Seconds())
		if err := m.add(name, r); err != nil {
			return err
		}
	}
	return nil
}

// memoryRuns are about memory alone, each once and in a process of its own.
func (m *measurement) memoryRuns(ctx context.Context, s settings, programs map[string]string) error {
	for _, name := range s.of {
		if !s.growth || name == "c" {
			continue
		}
		fmt.Fprintln(s.progress, "growth of the memory:", name)
		r, err := runOne(ctx, programs[name], "-growth")
		if err != nil {
			return fmt.Errorf("growth of %s: %w", name, err)
		}
		m.Growth[name] = r
	}
	if s.stream == 0 || !slices.Contains(s.of, "floe") {
		return nil
	}
	fmt.Fprintln(s.progress, "streaming", s.stream, "rows")
	r, err := runOne(ctx, programs["floe"], "-stream", strconv.Itoa(s.stream))
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	m.Stream = &r
	return nil
}
