package main

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/floedb/floe/bench/work"
)

// measured is a measurement with a run of read for each of the times given, in nanoseconds.
func measured(t *testing.T, times map[string][]float64) *measurement {
	t.Helper()
	m := &measurement{SQLite: make(map[string]string), Runs: make(map[string]map[string][]work.Result)}
	for _, name := range contestants {
		if times[name] == nil {
			continue
		}
		m.of = append(m.of, name)
		for _, ns := range times[name] {
			if err := m.add(name, childRun{results: []work.Result{{Workload: "read", NS: ns, Ops: 10, Sum: 7}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m
}

func TestMedianIsOfAllRuns(t *testing.T) {
	m := measured(t, map[string][]float64{"floe": {9, 1, 2}, "mattn": {4, 1, 3, 2}})
	for name, want := range map[string]float64{"floe": 2, "mattn": 2.5, "c": 0} {
		if got := m.median("read", name, clock); got != want {
			t.Errorf("median of %s = %v, want %v", name, got, want)
		}
	}
}

func TestRatiosAreOfFloeToTheOthers(t *testing.T) {
	m := measured(t, map[string][]float64{"floe": {300}, "mattn": {600}, "zombiezen": {200}, "c": {100}})
	want := "| read | 300 ns | 600 ns | 200 ns | 100 ns | 0.50 | 3.00 | 1.50 zombiezen |"
	if got := m.markdown(); !strings.Contains(got, want) {
		t.Errorf("no line %q in\n%s", want, got)
	}
}

func TestRatioWithoutTheOtherIsADash(t *testing.T) {
	m := measured(t, map[string][]float64{"floe": {300}, "c": {100}})
	want := "| read | 300 ns | 100 ns | - | 3.00 | - |"
	if got := m.markdown(); !strings.Contains(got, want) {
		t.Errorf("no line %q in\n%s", want, got)
	}
}

func TestHookCostsAreRatiosWithinARun(t *testing.T) {
	m := measured(t, map[string][]float64{"floe": {1}})
	for _, ns := range []float64{100, 200, 900} {
		off, on := work.Result{Workload: "progress-off", NS: ns}, work.Result{Workload: "progress-on", NS: 1.5 * ns}
		if err := m.add("floe", childRun{results: []work.Result{off, on}}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := m.markdown(), "| progress | 1.50 |"; !strings.Contains(got, want) {
		t.Errorf("no line %q in\n%s", want, got)
	}
}

func TestDifferentChecksumsAreAnError(t *testing.T) {
	m := measured(t, map[string][]float64{"floe": {1}})
	err := m.add("mattn", childRun{results: []work.Result{{Workload: "read", Sum: 8}}})
	if err == nil || !strings.Contains(err.Error(), "read: mattn read the checksum 8 and floe 7") {
		t.Errorf("add with another checksum = %v, want an error that has both", err)
	}
}

func TestLinesAreInTheFormatOfGoBenchmarks(t *testing.T) {
	m := measured(t, map[string][]float64{"floe": {12.5, 13}, "c": {3}})
	line := regexp.MustCompile(`^BenchmarkRead/of=(floe|c) 10 [0-9.]+ ns/op [0-9.]+ cpu-ns/op [0-9.]+ allocs/op$`)
	lines := strings.Split(strings.TrimSpace(m.benchstat()), "\n")[3:] // behind goos, goarch and pkg
	if len(lines) != 3 {
		t.Errorf("%d lines for 3 runs: %q", len(lines), lines)
	}
	for _, l := range lines {
		if !line.MatchString(l) {
			t.Errorf("line %q does not match %v", l, line)
		}
	}
}

func TestPlotIsXMLWithABarForEachContestant(t *testing.T) {
	m := measured(t, map[string][]float64{"floe": {300}, "mattn": {600}, "c": {100000}})
	m.Machine = `<&"`
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(m.svg())); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 1+3 {
		t.Errorf("%d rectangles, want the background and 3 bars", bars)
	}
}

func TestOutputOfAContestantIsRead(t *testing.T) {
	r, err := parseRun([]byte("{\"sqlite\":\"3.1\"}\n{\"result\":{\"workload\":\"read\",\"ns\":2,\"sum\":18446744073709551615}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := work.Result{Workload: "read", NS: 2, Sum: 1<<64 - 1}
	if r.sqlite != "3.1" || !slices.Equal(r.results, []work.Result{want}) {
		t.Errorf("read %q and %v, want 3.1 and %v", r.sqlite, r.results, want)
	}
	if _, err := parseRun([]byte("panic: x\n")); err == nil || !strings.Contains(err.Error(), "panic: x") {
		t.Errorf("a line that is no JSON = %v, want an error with the line", err)
	}
}

func TestUnknownNamesAreRefused(t *testing.T) {
	if got, err := chosen("only", "point, read", work.Names()); err != nil || !slices.Equal(got, []string{"point", "read"}) {
		t.Errorf("chosen = %q, %v, want point and read", got, err)
	}
	if _, err := chosen("only", "raed", work.Names()); err == nil || !strings.Contains(err.Error(), `"raed"`) {
		t.Errorf("a name that is none = %v, want an error with it", err)
	}
}

func TestDurationsHaveUnits(t *testing.T) {
	for ns, want := range map[float64]string{0: "-", 9999: "9999 ns", 12_340: "12.3 µs", 6_728_800: "6.73 ms", 263e6: "263 ms"} {
		if got := duration(ns); got != want {
			t.Errorf("duration(%v) = %q, want %q", ns, got, want)
		}
	}
}
