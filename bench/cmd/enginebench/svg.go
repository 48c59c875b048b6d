package main

import (
	"fmt"
	"html"
	"strings"
)

// The plot has a group of bars for each workload: the medians as multiples of mattn's, or of the slowest contestant's
// where mattn has none. A bar that is shorter is faster.

const (
	barHeight  = 9
	groupSpace = 10
	labelWidth = 110
	plotWidth  = 640
	mostShown  = 2.0 // multiples; longer bars are cut, and say how long they are
)

var barColors = map[string]string{"floe": "#0b6e99", "mattn": "#c0c0c0", "modernc": "#e0b070", "zombiezen": "#c98c5a",
	"ncruces": "#b58bb5", "golibsql": "#9a9ac8", "c": "#404040"}

func (m *measurement) svg() string {
	var b strings.Builder
	y := 40
	for _, w := range m.workloads {
		y = m.group(&b, w, y) + groupSpace
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">
<rect width="100%%" height="100%%" fill="white"/>
<text x="10" y="18" font-size="13">time for each operation, mattn = 1 (shorter is faster); %s</text>
%s%s</svg>
`, labelWidth+plotWidth+90, y+10, html.EscapeString(m.Machine), b.String(), gridLine(y))
}

func gridLine(bottom int) string {
	x := labelWidth + plotWidth/mostShown
	return fmt.Sprintf(`<line x1="%.0f" y1="30" x2="%.0f" y2="%d" stroke="#808080" stroke-dasharray="3 3"/>`+"\n", x, x, bottom)
}

// group draws the bars of one workload and returns where they end.
func (m *measurement) group(b *strings.Builder, workload string, y int) int {
	base := m.median(workload, "mattn", clock)
	for _, name := range m.of {
		if m.median(workload, "mattn", clock) == 0 {
			base = max(base, m.median(workload, name, clock))
		}
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-8, y+barHeight, html.EscapeString(workload))
	for _, name := range m.of {
		v := m.median(workload, name, clock)
		if v == 0 {
			continue
		}
		bar(b, name, v/base, y)
		y += barHeight
	}
	return y
}

func bar(b *strings.Builder, name string, multiple float64, y int) {
	width := min(multiple, mostShown) / mostShown * plotWidth
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", labelWidth, y, width, barHeight-1, barColors[name])
	fmt.Fprintf(b, `<text x="%.1f" y="%d" font-size="8">%s %.2f</text>`+"\n", labelWidth+width+3, y+barHeight-2, name, multiple)
}
