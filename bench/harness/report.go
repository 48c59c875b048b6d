package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Result is what a measure found out about one thing.
type Result struct {
	Measure string   `json:"measure"`
	What    string   `json:"what"`
	Series  []Series `json:"series"`
	Ratios  []Ratio  `json:"ratios,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// Series are the runs of one contestant.
type Series struct {
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Goal   float64   `json:"goal,omitempty"` // the median is to be at most this; 0 for none
	Runs   []float64 `json:"runs"`
}

// Ratio compares two medians.
type Ratio struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Goal  float64 `json:"goal,omitempty"` // at most; 0 for none
}

// NewSeries sums runs up.
func NewSeries(name, unit string, runs []float64) Series {
	s := Series{Name: name, Unit: unit, Runs: runs}
	if len(runs) > 0 {
		s.Median, s.Min, s.Max = Quantile(runs, 0.5), slices.Min(runs), slices.Max(runs)
	}
	return s
}

// Quantile gives the value that the share q of the values is at most; for the median of an even number of values,
// the mean of the two in the middle.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if q == 0.5 && n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[min(n-1, int(q*float64(n)))]
}

// Compare adds the ratio of the medians of two series, where both were run.
func (r *Result) Compare(name, base string, goal float64) {
	a, okA := r.find(name)
	b, okB := r.find(base)
	if okA && okB && b.Median > 0 {
		r.Ratios = append(r.Ratios, Ratio{Name: name + " / " + base, Value: a.Median / b.Median, Goal: goal})
	}
}

func (r *Result) find(name string) (Series, bool) {
	i := slices.IndexFunc(r.Series, func(s Series) bool { return s.Name == name })
	if i < 0 {
		return Series{}, false
	}
	return r.Series[i], len(r.Series[i].Runs) > 0
}

// Write writes the result as a table.
func (r *Result) Write(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s\n", r.Measure, r.What)
	fmt.Fprintf(w, "  %-44s %10s %10s %10s %6s  %s\n", "", "median", "min", "max", "runs", "unit")
	for _, s := range r.Series {
		fmt.Fprintf(w, "  %-44s %10s %10s %10s %6d  %s%s\n", s.Name, Short(s.Median), Short(s.Min), Short(s.Max), len(s.Runs), s.Unit, verdict(s.Median, s.Goal))
	}
	for _, q := range r.Ratios {
		fmt.Fprintf(w, "  ratio %-38s %10.3f%s\n", q.Name, q.Value, verdict(q.Value, q.Goal))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  %s\n", n)
	}
}

// Short prints a value with three decimals, or as an integer where there are enough digits before them.
func Short(v float64) string {
	if v >= 1000 || v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func verdict(v, goal float64) string {
	switch {
	case goal == 0:
		return ""
	case v <= goal:
		return fmt.Sprintf("  (goal %v: met)", goal)
	}
	return fmt.Sprintf("  (goal %v: MISSED)", goal)
}

// Report is what one run of a measure found out.
type Report struct {
	Measure string    `json:"measure"`
	Time    time.Time `json:"time"`
	Command string    `json:"command"`
	Machine string    `json:"machine"`
	Load    string    `json:"load"` // averages before the measure: of what else the machine did
	Go      string    `json:"go"`
	Peers   []string  `json:"peers"`
	Results []Result  `json:"results"`
}

// NewReport begins the report of a measure by a program, beside the modules named.
func NewReport(program, measure string, now time.Time, peers ...string) *Report {
	r := &Report{
		Measure: measure,
		Time:    now.UTC().Truncate(time.Second),
		Command: strings.Join(append([]string{program}, os.Args[1:]...), " "),
		Machine: fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpuModel()),
		Load:    loadAverages(),
		Go:      runtime.Version(),
	}
	for _, path := range peers {
		r.Peers = append(r.Peers, path+" "+moduleVersion(path))
	}
	return r
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return ""
}

// cpuModel names the processor on Linux.
func cpuModel() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// loadAverages gives those of the last 1, 5 and 15 minutes on Linux.
func loadAverages() string {
	data, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(data))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// WriteHead writes what the report is of.
func (r *Report) WriteHead(w io.Writer) {
	fmt.Fprintf(w, "%s\n%s; %s; load before: %s\npeers: %s\n%s\n",
		r.Command, r.Machine, r.Go, r.Load, strings.Join(r.Peers, ", "), r.Time.Format(time.RFC3339))
}

// Save writes the table and the JSON into dir.
func (r *Report) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var table strings.Builder
	r.WriteHead(&table)
	for _, res := range r.Results {
		res.Write(&table)
	}
	if err := os.WriteFile(filepath.Join(dir, r.Measure+".txt"), []byte(table.String()), 0o644); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.Measure+".json"), append(data, '\n'), 0o644)
}
