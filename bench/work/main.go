package work

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
)

// Line is what a contestant prints, one as JSON on each line: first the version of SQLite, then a result each.
type Line struct {
	SQLite string  `json:"sqlite,omitempty"`
	Result *Result `json:"result,omitempty"`
}

// flags are those of a contestant.
type flags struct {
	dir     string
	quick   bool
	only    string
	profile string
	growth  bool
	stream  int
}

func parseFlags() (f flags) {
	flag.StringVar(&f.dir, "dir", "", "where to make the database")
	flag.BoolVar(&f.quick, "quick", false, "do a tenth")
	flag.StringVar(&f.only, "only", "", "workloads to run, separated by commas; insert always is")
	flag.StringVar(&f.profile, "cpuprofile", "", "write a CPU profile of the -only workloads to this file")
	flag.BoolVar(&f.growth, "growth", false, "execute a statement a million times instead, and report how the memory grew")
	flag.IntVar(&f.stream, "stream", 0, "stream that many rows instead, and report the peak of the resident memory")
	flag.Parse()
	return f
}

// Main is the main function of a contestant. It runs the workloads on a new database and prints what they took. open
// opens a connection to the database at a path.
func Main(name string, open func(path string) (Session, error)) {
	if err := run(parseFlags(), open); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

func run(f flags, open func(path string) (Session, error)) (err error) {
	b := &bench{size: Full, report: func(r Result) { printLine(Line{Result: &r}) }}
	if f.quick {
		b.size = Quick
	}
	b.open = func() (Session, error) { return opened(open, filepath.Join(f.dir, "bench.db")) }
	if b.s, err = b.open(); err != nil {
		return err
	}
	defer b.s.Close()
	version, err := b.s.Text("SELECT sqlite_version()")
	if err != nil {
		return err
	}
	printLine(Line{SQLite: version})
	switch {
	case f.stream > 0:
		return b.stream(f.stream)
	case f.growth:
		return b.growth()
	}
	return b.runAll(f.only, f.profile)
}

func opened(open func(path string) (Session, error), path string) (Session, error) {
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := apply(s); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (b *bench) runAll(only, profile string) error {
	chosen := strings.Split(only, ",")
	for _, w := range workloads {
		wanted := only == "" || slices.Contains(chosen, w.name)
		if !wanted && w.name != "insert" {
			continue
		}
		run := func() error { return w.run(b) }
		if wanted && profile != "" {
			run = func() error { return profiled(profile, func() error { return w.run(b) }) }
		}
		if err := run(); err != nil {
			return err
		}
	}
	return nil
}

// Names are those of the workloads, in the order in which they are run.
func Names() (names []string) {
	for _, w := range workloads {
		names = append(names, w.name)
	}
	return names
}

func profiled(path string, f func() error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

func printLine(l Line) {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // a Line has nothing that JSON does not know
	}
	fmt.Println(string(text))
}
