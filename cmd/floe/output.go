package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/floedb/floe"
)

// printJSON prints v as one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// field is one line of a report.
type field struct {
	name  string
	value any
}

// printFields prints fields below each other, values aligned.
func printFields(w io.Writer, fields []field) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		fmt.Fprintf(tw, "%s\t%v\n", f.name, f.value)
	}
	return tw.Flush()
}

// frameNo gives a position's frame number, nil before the first frame.
func frameNo(p floe.Position) *uint64 {
	if !p.HasFrame {
		return nil
	}
	return &p.FrameNo
}

// frameText gives a position's frame number as words.
func frameText(p floe.Position) string {
	if !p.HasFrame {
		return "no frame yet"
	}
	return "frame " + strconv.FormatUint(p.FrameNo, 10)
}

// isTerminal tells whether what is written to w is seen on a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, ok = terminalWidth(f)
	return ok
}

// plural gives n with its noun: "1 frame", "2 frames".
func plural[N uint64 | uint32 | int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// byteText gives n bytes to three digits, in decimal units.
func byteText(n float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	for n >= 999.5 && len(units) > 1 {
		n /= 1000
		units = units[1:]
	}
	digits := 0
	if units[0] != "B" && n < 100 {
		digits = 1
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		n = 0
	}
	return strconv.FormatFloat(n, 'f', digits, 64) + " " + units[0]
}
