package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// measuredRows is how many rows of a table are looked at before the widths of
// its columns are set. Those that come later are not kept.
const measuredRows = 1000

// tableRows writes a table with aligned columns.
type tableRows struct {
	w      io.Writer
	names  []string
	widths []int
	held   [][]string
	open   bool // the widths are set, and the head is written
	err    error
}

func (t *tableRows) begin(columns []string) error {
	t.names = columns
	t.widths = make([]int, len(columns))
	t.fit(columns)
	return nil
}

// fit widens the columns for cells.
func (t *tableRows) fit(cells []string) {
	for i, cell := range cells {
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
	}
}

func (t *tableRows) row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = cellText(v)
	}
	if t.open {
		t.line(cells)
		return t.err
	}
	t.fit(cells)
	t.held = append(t.held, cells)
	if len(t.held) == measuredRows {
		t.release()
	}
	return t.err
}

// cellText gives a value on one line.
func cellText(v any) string {
	text := valueText(v)
	if !strings.ContainsAny(text, "\n\r\t") {
		return text
	}
	return strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text)
}

// release writes the head and the rows that were held back.
func (t *tableRows) release() {
	t.open = true
	t.line(t.names)
	rules := make([]string, len(t.widths))
	for i, n := range t.widths {
		rules[i] = strings.Repeat("-", n)
	}
	t.line(rules)
	for _, cells := range t.held {
		t.line(cells)
	}
	t.held = nil
}

func (t *tableRows) line(cells []string) {
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(cell)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(0, t.widths[i]-utf8.RuneCountInString(cell))+2))
		}
	}
	if _, err := fmt.Fprintln(t.w, b.String()); t.err == nil {
		t.err = err
	}
}

func (t *tableRows) end(changes int64, writes bool) error {
	if len(t.names) > 0 && !t.open {
		t.release()
	}
	if writes && t.err == nil {
		_, t.err = fmt.Fprintln(t.w, plural(changes, "row"), "changed")
	}
	return t.err
}

// jsonRows writes one JSON object, row by row.
type jsonRows struct {
	w    io.Writer
	rows int64
	buf  []byte
}

func (j *jsonRows) begin(columns []string) error {
	names, err := encode(columns)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(j.w, `{"columns":%s,"rows":[`, names)
	return err
}

func (j *jsonRows) row(values []any) error {
	j.buf = j.buf[:0]
	if j.rows > 0 {
		j.buf = append(j.buf, ',')
	}
	j.rows++
	j.buf = append(j.buf, '[')
	for i, v := range values {
		if i > 0 {
			j.buf = append(j.buf, ',')
		}
		b, err := encode(jsonValue(v))
		if err != nil {
			return err
		}
		j.buf = append(j.buf, b...)
	}
	_, err := j.w.Write(append(j.buf, ']'))
	return err
}

func (j *jsonRows) end(changes int64, _ bool) error {
	_, err := fmt.Fprintf(j.w, "],\"changes\":%d}\n", changes)
	return err
}

// blobValue is a blob in JSON.
type blobValue struct {
	Base64 string `json:"base64"`
}

// jsonValue gives what stands for a value in JSON. A real number stays one that
// readers can tell from an integer.
func jsonValue(v any) any {
	switch v := v.(type) {
	case []byte:
		return blobValue{base64.StdEncoding.EncodeToString(v)}
	case float64:
		if math.IsInf(v, 0) {
			return infinityText(v)
		}
		return json.RawMessage(realText(v))
	}
	return v
}

// encode gives v as JSON without escapes that only HTML needs.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}
