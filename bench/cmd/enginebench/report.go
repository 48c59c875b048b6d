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
	Go       string                              `json:"go"`
	Quick    bool                                `json:"quick"`
	Versions map[string]string                   `json:"versions"`
	Settings []string                            `json:"settings"`
	Runs     map[string]map[string][]work.Result `json:"runs"` // by workload and contestant
	Stream   *work.Result                        `json:"stream,omitempty"`

	of        []string
	workloads []string // in the order in which they are run
}

func newMeasurement(s settings) *measurement {
	m := &measurement{
		Time: time.Now().UTC().Truncate(time.Second), Machine: machine(), Go: runtime.Version(), Quick: s.quick,
		Versions: make(map[string]string), Settings: work.Settings,
		Runs: make(map[string]map[string][]work.Result), of: s.of,
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

// add takes the results of one run. All contestants must have read the same values.
func (m *measurement) add(name string, results []work.Result) error {
	for _, r := range results {
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

// median returns the median of a workload's times in nanoseconds for each operation, or 0 if there are none.
func (m *measurement) median(workload, name string) float64 {
	return medianOf(m.Runs[workload][name], func(r work.Result) float64 { return r.NS })
}

func medianOf(results []work.Result, of func(work.Result) float64) float64 {
	if len(results) == 0 {
		return 0
	}
	values := make([]float64, len(results))
	for i, r := range results {
		values[i] = of(r)
	}
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

// ratio is that of two contestants' medians, as text.
func (m *measurement) ratio(workload, name, other string) string {
	a, b := m.median(workload, name), m.median(workload, other)
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// bestGo returns the fastest Go contestant beside floe.
func (m *measurement) bestGo(workload string) string {
	best := ""
	for _, name := range m.of {
		if name == "floe" || name == "c" || m.median(workload, name) == 0 {
			continue
		}
		if best == "" || m.median(workload, name) < m.median(workload, best) {
			best = name
		}
	}
	return best
}

// markdown is the table of medians and ratios.
func (m *measurement) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s; %s", m.Machine, m.Go, m.Time.Format(time.DateOnly))
	if m.Quick {
		b.WriteString("; quick: not to be quoted")
	}
	b.WriteString("\n\n")
	m.times(&b)
	m.hooks(&b)
	m.memory(&b)
	return b.String()
}

func (m *measurement) times(b *strings.Builder) {
	fmt.Fprintf(b, "| median for each operation | %s | floe / mattn | floe / c | floe / best other Go |\n", strings.Join(m.of, " | "))
	fmt.Fprintf(b, "|---|%s---|---|---|\n", strings.Repeat("---|", len(m.of)))
	for _, w := range m.workloads {
		fmt.Fprintf(b, "| %s |", w)
		for _, name := range m.of {
			fmt.Fprintf(b, " %s |", duration(m.median(w, name)))
		}
		best := m.bestGo(w)
		fmt.Fprintf(b, " %s | %s | %s %s |\n", m.ratio(w, "floe", "mattn"), m.ratio(w, "floe", "c"), m.ratio(w, "floe", best), best)
	}
}

// hooks says what each hook costs: with it, by without it, in the same run.
func (m *measurement) hooks(b *strings.Builder) {
	fmt.Fprintf(b, "\n| with / without | %s |\n|---|%s\n", strings.Join(m.of, " | "), strings.Repeat("---|", len(m.of)))
	for _, w := range m.workloads {
		hook, ok := strings.CutSuffix(w, "-on")
		if !ok {
			continue
		}
		fmt.Fprintf(b, "| %s |", hook)
		for _, name := range m.of {
			fmt.Fprintf(b, " %s |", m.cost(hook, name))
		}
		b.WriteString("\n")
	}
}

func (m *measurement) cost(hook, name string) string {
	on, off := m.Runs[hook+"-on"][name], m.Runs[hook+"-off"][name]
	var ratios []work.Result
	for i := range min(len(on), len(off)) {
		ratios = append(ratios, work.Result{NS: on[i].NS / off[i].NS})
	}
	if len(ratios) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", medianOf(ratios, func(r work.Result) float64 { return r.NS }))
}

func (m *measurement) memory(b *strings.Builder) {
	fmt.Fprintf(b, "\n| exec | %s |\n|---|%s\n| Go allocations for each |", strings.Join(m.of, " | "), strings.Repeat("---|", len(m.of)))
	for _, name := range m.of {
		fmt.Fprintf(b, " %.2f |", medianOf(m.Runs["exec"][name], func(r work.Result) float64 { return r.Allocs }))
	}
	b.WriteString("\n| resident memory, growth from 10,000 to 1,000,000, MB |")
	for _, name := range m.of {
		fmt.Fprintf(b, " %.1f |", medianOf(m.Runs["exec"][name], func(r work.Result) float64 { return r.Extra })/1e6)
	}
	b.WriteString("\n")
	if m.Stream != nil {
		fmt.Fprintf(b, "\nfloe streamed %d rows in %.1f s, with a peak of %.0f MB of resident memory.\n",
			m.Stream.Ops, m.Stream.NS*float64(m.Stream.Ops)/1e9, m.Stream.Extra/1e6)
	}
}

func duration(ns float64) string {
	switch {
	case ns == 0:
		return "-"
	case ns < 10_000:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 10_000_000:
		return fmt.Sprintf("%.1f us", ns/1e3)
	}
	return fmt.Sprintf("%.0f ms", ns/1e6)
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
				fmt.Fprintf(&b, "Benchmark/work=%s/of=%s %d %.1f ns/op %.2f allocs/op\n", w, name, r.Ops, r.NS, r.Allocs)
			}
		}
	}
	return b.String()
}
