package work

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
)

// Main is the main function of a contestant. It runs the workloads on a new database and prints one Result for each as
// a line of JSON. open opens a connection to the database at a path.
func Main(name string, open func(path string) (Session, error)) {
	if err := run(open); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

func run(open func(path string) (Session, error)) error {
	dir := flag.String("dir", "", "where to make the database")
	quick := flag.Bool("quick", false, "do a tenth")
	only := flag.String("only", "", "workloads to run, separated by commas; insert always is")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the -only workloads to this file")
	stream := flag.Int("stream", 0, "stream that many rows instead, and report the peak of the resident memory")
	flag.Parse()
	path := filepath.Join(*dir, "bench.db")
	b := &bench{size: Full, report: printJSON, skipped: func(string) {}}
	if *quick {
		b.size = Quick
	}
	b.open = func() (Session, error) { return opened(open, path) }
	var err error
	if b.s, err = b.open(); err != nil {
		return err
	}
	defer b.s.Close()
	if *stream > 0 {
		return b.stream(*stream)
	}
	return b.runAll(*only, *profile)
}

func opened(open func(path string) (Session, error), path string) (Session, error) {
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	for _, sql := range Settings {
		if err := s.Exec(sql); err != nil {
			return nil, fmt.Errorf("%s: %w", sql, err)
		}
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
		stop := func() {}
		if profile != "" && wanted {
			var err error
			if stop, err = startProfile(profile); err != nil {
				return err
			}
		}
		err := w.run(b)
		stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func startProfile(path string) (stop func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}

func printJSON(r Result) {
	line, err := json.Marshal(r)
	if err != nil {
		panic(err) // a Result has nothing that JSON does not know
	}
	fmt.Println(string(line))
}

// stream reads rows that are made as they are read.
func (b *bench) stream(rows int) error {
	q := Query{
		SQL: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) " +
			"SELECT i, 'row number ' || i, i * 0.5 FROM n",
		Kinds: "itf", Times: 1,
		Args: func(int) []int64 { return []int64{int64(rows)} },
	}
	each := b.s.Each
	if s, ok := b.s.(Streamer); ok {
		each = s.Stream
	}
	r, err := b.timed("stream", rows, func() (uint64, error) { return each(q) })
	if err != nil {
		return err
	}
	r.Extra = peak()
	b.report(r)
	return nil
}

// settle makes a workload pay for its own garbage only.
func settle() { runtime.GC() }

// resident and peak return the resident memory of the process in bytes now, and the most it ever was; 0 where there
// is no /proc.
func resident() float64 {
	settle()
	return status("VmRSS:")
}

func peak() float64 { return status("VmHWM:") }

func status(field string) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), field)
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kB, _ := strconv.ParseFloat(number, 64)
	return kB * 1024
}
