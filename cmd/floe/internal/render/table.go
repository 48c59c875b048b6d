package render

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MeasuredRows is how many rows of a table are looked at before the widths of its columns are set. Those that come
// later are not kept.
const MeasuredRows = 1000

// maxWidth is how far a column is widened at most. A longer value moves the rest of its own line only.
const maxWidth = 300

// tableStyle is how the lines of a table are drawn.
type tableStyle struct {
	left, between, right string
	padLast              bool
	escape               func(string) string
}

var (
	plainStyle    = tableStyle{between: "  ", escape: Escape}
	markdownStyle = tableStyle{left: "| ", between: " | ", right: " |", padLast: true, escape: escapeMarkdown}
)

func escapeMarkdown(text string) string { return strings.ReplaceAll(Escape(text), "|", `\|`) }

// tableRows writes a table with aligned columns.
type tableRows struct {
	w       io.Writer
	style   tableStyle
	null    string
	headers bool
	names   []string
	widths  []int
	held    [][]string
	open    bool // the widths are set, and the head is written
	err     error
}

func (t *tableRows) Begin(columns []string) error {
	t.names = make([]string, len(columns))
	for i, name := range columns {
		t.names[i] = t.style.escape(name)
	}
	t.widths = make([]int, len(columns))
	if t.headers {
		t.fit(t.names)
	}
	return nil
}

// fit widens the columns for cells.
func (t *tableRows) fit(cells []string) {
	for i, cell := range cells {
		t.widths[i] = min(max(t.widths[i], width(cell)), maxWidth)
	}
}

func (t *tableRows) Row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		if v == nil {
			cells[i] = t.null
		} else {
			cells[i] = t.style.escape(Text(v))
		}
	}
	if t.open {
		t.line(cells)
		return t.err
	}
	t.fit(cells)
	t.held = append(t.held, cells)
	if len(t.held) == MeasuredRows {
		t.release()
	}
	return t.err
}

// release writes the head and the rows that were held back.
func (t *tableRows) release() {
	t.open = true
	if t.headers {
		t.line(t.names)
		rules := make([]string, len(t.widths))
		for i, n := range t.widths {
			rules[i] = strings.Repeat("-", n)
		}
		t.line(rules)
	}
	for _, cells := range t.held {
		t.line(cells)
	}
	t.held = nil
}

func (t *tableRows) line(cells []string) {
	var b strings.Builder
	b.WriteString(t.style.left)
	for i, cell := range cells {
		b.WriteString(cell)
		last := i == len(cells)-1
		if !last || t.style.padLast {
			b.WriteString(strings.Repeat(" ", max(0, t.widths[i]-width(cell))))
		}
		if !last {
			b.WriteString(t.style.between)
		}
	}
	b.WriteString(t.style.right)
	b.WriteByte('\n')
	if _, err := io.WriteString(t.w, b.String()); t.err == nil {
		t.err = err
	}
}

func (t *tableRows) End(changes int64, writes bool) error {
	if len(t.names) > 0 && !t.open {
		t.release()
	}
	if writes && t.err == nil {
		_, t.err = fmt.Fprintln(t.w, rowsChanged(changes))
	}
	return t.err
}

func rowsChanged(n int64) string {
	if n == 1 {
		return "1 row changed"
	}
	return fmt.Sprintf("%d rows changed", n)
}

// width is how many columns of a terminal a text takes, as far as its characters take one each.
func width(text string) int { return utf8.RuneCountInString(text) }
