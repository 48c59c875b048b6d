package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/floedb/floe/bench/work"
)

// markdown is the report: medians and ratios, how widely the runs spread, and what the hooks and the memory come to.
func (m *measurement) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s; %s", m.Machine, m.Go, m.Time.Format(time.DateOnly))
	if m.Load != "" {
		fmt.Fprintf(&b, "; load before: %s", m.Load)
	}
	if m.Quick {
		b.WriteString("; quick: not to be quoted")
	}
	b.WriteString("\n\n")
	m.times(&b, "median for each operation", clock)
	m.hooks(&b)
	m.memory(&b)
	details(&b, "Least and most of the runs", m.spread)
	details(&b, "Processor time", func(b *strings.Builder) { m.times(b, "median for each operation, all threads", processor) })
	m.built(&b)
	return b.String()
}

// details folds a part of the report away.
func details(b *strings.Builder, title string, part func(*strings.Builder)) {
	fmt.Fprintf(b, "\n<details><summary>%s</summary>\n\n", title)
	part(b)
	b.WriteString("\n</details>\n")
}

// header begins a table with a column for each contestant.
func (m *measurement) header(b *strings.Builder, title string, more ...string) {
	columns := append(append([]string{title}, m.of...), more...)
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

// row is one with a cell for each contestant.
func (m *measurement) row(b *strings.Builder, title string, cell func(name string) string, more ...string) {
	fmt.Fprintf(b, "| %s |", title)
	for _, name := range m.of {
		fmt.Fprintf(b, " %s |", cell(name))
	}
	for _, text := range more {
		fmt.Fprintf(b, " %s |", text)
	}
	b.WriteString("\n")
}

func (m *measurement) times(b *strings.Builder, title string, of metric) {
	m.header(b, title, "floe / mattn", "floe / c", "floe / best other Go")
	for _, w := range m.workloads {
		best := m.bestGo(w, of)
		m.row(b, w, func(name string) string { return duration(m.median(w, name, of)) },
			m.ratio(w, "floe", "mattn", of), m.ratio(w, "floe", "c", of), strings.TrimSpace(m.ratio(w, "floe", best, of)+" "+best))
	}
}

// ratio is that of two contestants' medians, as text.
func (m *measurement) ratio(workload, name, other string, of metric) string {
	a, b := m.median(workload, name, of), m.median(workload, other, of)
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func (m *measurement) spread(b *strings.Builder) {
	m.header(b, "for each operation")
	for _, w := range m.workloads {
		m.row(b, w, func(name string) string {
			values := m.sorted(w, name, clock)
			if len(values) == 0 {
				return "-"
			}
			return duration(values[0]) + " to " + duration(values[len(values)-1])
		})
	}
}

// hooks says what each hook costs: with it, by without it, in the same run.
func (m *measurement) hooks(b *strings.Builder) {
	var hooks []string
	for _, w := range m.workloads {
		if hook, ok := strings.CutSuffix(w, "-on"); ok {
			hooks = append(hooks, hook)
		}
	}
	if len(hooks) == 0 {
		return
	}
	b.WriteString("\n")
	m.header(b, "with / without")
	for _, hook := range hooks {
		m.row(b, hook, func(name string) string { return m.cost(hook, name) })
	}
}

func (m *measurement) cost(hook, name string) string {
	on, off := m.Runs[hook+"-on"][name], m.Runs[hook+"-off"][name]
	ratios := &measurement{Runs: map[string]map[string][]work.Result{hook: {}}}
	for i := range min(len(on), len(off)) {
		ratios.Runs[hook][name] = append(ratios.Runs[hook][name], work.Result{NS: on[i].NS / off[i].NS})
	}
	if len(ratios.Runs[hook][name]) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", ratios.median(hook, name, clock))
}

func (m *measurement) memory(b *strings.Builder) {
	b.WriteString("\n")
	m.header(b, "memory")
	m.row(b, "peak of the resident memory in all workloads", func(name string) string { return megabytes(m.peak(name)) })
	for _, w := range []string{"insert", "read", "point", "exec"} {
		if m.Runs[w] == nil {
			continue
		}
		m.row(b, w+": Go allocations for each operation", func(name string) string {
			if name == "c" || len(m.Runs[w][name]) == 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f", m.median(w, name, allocs))
		})
	}
	m.growth(b)
	if m.Stream != nil {
		fmt.Fprintf(b, "\nfloe's cursor streamed %d rows in %.1f s, with a peak of %s of resident memory.\n",
			m.Stream.Ops, m.Stream.NS*float64(m.Stream.Ops)/1e9, megabytes(m.Stream.Peak))
	}
}

// growth is that of the memory from the first executions of a statement to the last.
func (m *measurement) growth(b *strings.Builder) {
	if len(m.Growth) == 0 {
		return
	}
	title := fmt.Sprintf("growth from %d to %d executions: ", work.From, work.To)
	m.growthRow(b, title+"resident", func(g *work.Growth) *float64 { return &g.Resident })
	m.growthRow(b, title+"Go's heap", func(g *work.Growth) *float64 { return &g.Heap })
	m.growthRow(b, title+"SQLite's pages, schema and statements", func(g *work.Growth) *float64 { return g.SQLite })
}

func (m *measurement) growthRow(b *strings.Builder, title string, of func(*work.Growth) *float64) {
	m.row(b, title, func(name string) string {
		g := m.Growth[name].Growth
		if g == nil || of(g) == nil {
			return "-"
		}
		return fmt.Sprintf("%.1f kB", *of(g)/1e3)
	})
}

// built is what the contestants are.
func (m *measurement) built(b *strings.Builder) {
	b.WriteString("\n| contestant | version | SQLite |\n|---|---|---|\n")
	for _, name := range m.of {
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, m.Versions[name], m.SQLite[name])
	}
	fmt.Fprintf(b, "\nSettings of all: `%s`\n", strings.Join(m.Settings, "; "))
}

func megabytes(n float64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f MB", n/1e6)
}

func duration(ns float64) string {
	switch {
	case ns == 0:
		return "-"
	case ns < 10_000:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	case ns < 1e8:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	}
	return fmt.Sprintf("%.0f ms", ns/1e6)
}
