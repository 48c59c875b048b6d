package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/floedb/floe/bench/work"
)

// measurement is what was measured so far.
type measurement struct {
	Time     time.Time                           `json:"time"`
	Machine  string                              `json:"machine"`
	Load     string                              `json:"load,omitempty"` // averages of the machine's load before
	Go       string                              `json:"go"`
	Quick    bool                                `json:"quick"`
	Versions map[string]string                   `json:"versions"`
	SQLite   map[string]string                   `json:"sqlite"` // the version that a contestant has in it
	Settings []string                            `json:"settings"`
	Runs     map[string]map[string][]work.Result `json:"runs"` // by workload and contestant
	Growth   map[string]work.Result              `json:"growth,omitempty"`
	Stream   *work.Result                        `json:"stream,omitempty"`

	of        []string
	workloads []string // in the order in which they are run
}

func newMeasurement(s settings) *measurement {
	m := &measurement{
		Time: time.Now().UTC().Truncate(time.Second), Machine: machine(), Load: load(), Go: runtime.Version(), Quick: s.quick,
		Versions: make(map[string]string), SQLite: make(map[string]string), Growth: make(map[string]work.Result),
		Runs: make(map[string]map[string][]work.Result), of: s.of,
	}
	for _, setting := range work.Settings {
		m.Settings = append(m.Settings, setting.String())
	}
	for _, name := range s.of {
		m.Versions[name] = version(context.Background(), name)
	}
	return m
}

func machine() string {
	what := fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return what
	}
	if _, rest, ok := strings.Cut(string(text), "model name"); ok {
		model, _, _ := strings.Cut(rest, "\n")
		what += ", " + strings.TrimSpace(strings.TrimLeft(model, "\t :"))
	}
	return what
}

// load is what the machine did just before, "" where that is not known.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// add takes what one run printed. All contestants must have read the same values.
func (m *measurement) add(name string, run childRun) error {
	m.SQLite[name] = run.sqlite
	for _, r := range run.results {
		byName := m.Runs[r.Workload]
		if byName == nil {
			byName = make(map[string][]work.Result)
			m.Runs[r.Workload] = byName
			m.workloads = append(m.workloads, r.Workload)
		}
		for other, theirs := range byName {
			if theirs[0].Sum != r.Sum {
				return fmt.Errorf("%s: %s read the checksum %d and %s %d", r.Workload, name, r.Sum, other, theirs[0].Sum)
			}
		}
		byName[name] = append(byName[name], r)
	}
	return nil
}

// The measures of a workload.

type metric func(work.Result) float64

func clock(r work.Result) float64     { return r.NS }
func processor(r work.Result) float64 { return r.CPU }
func allocs(r work.Result) float64    { return r.Allocs }

// median returns the median of a metric over the runs, or 0 if there are none.
func (m *measurement) median(workload, name string, of metric) float64 {
	values := m.sorted(workload, name, of)
	if n := len(values); n > 0 {
		return (values[(n-1)/2] + values[n/2]) / 2
	}
	return 0
}

func (m *measurement) sorted(workload, name string, of metric) (values []float64) {
	for _, r := range m.Runs[workload][name] {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values
}

// peak is the most resident memory that a contestant had in any run, in bytes.
func (m *measurement) peak(name string) (most float64) {
	for _, byName := range m.Runs {
		for _, r := range byName[name] {
			most = max(most, r.Peak)
		}
	}
	return most
}

// bestGo returns the fastest Go contestant beside floe, "" if there is none.
func (m *measurement) bestGo(workload string, of metric) (best string) {
	for _, name := range m.of {
		if name == "floe" || name == "c" || m.median(workload, name, of) == 0 {
			continue
		}
		if best == "" || m.median(workload, name, of) < m.median(workload, best, of) {
			best = name
		}
	}
	return best
}

// write writes all forms of the results.
func (m *measurement) write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	all, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"engine.json": string(all) + "\n",
		"engine.txt":  m.benchstat(),
		"engine.md":   m.markdown(),
		"engine.svg":  m.svg(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// benchstat has a line for each run in the format of Go benchmarks: benchstat -col /of engine.txt compares contestants.
func (m *measurement) benchstat() string {
	var b strings.Builder
	fmt.Fprintf(&b, "goos: %s\ngoarch: %s\npkg: github.com/floedb/floe/bench\n", runtime.GOOS, runtime.GOARCH)
	for _, w := range m.workloads {
		for _, name := range m.of {
			for _, r := range m.Runs[w][name] {
				fmt.Fprintf(&b, "Benchmark%s/of=%s %d %.1f ns/op %.1f cpu-ns/op %.2f allocs/op\n",
					strings.ToUpper(w[:1])+w[1:], name, r.Ops, r.NS, r.CPU, r.Allocs)
			}
		}
	}
	return b.String()
}
