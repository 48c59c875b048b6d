// Package render writes the rows of a result: as a table, as JSON, and in the other modes that the shell has.
package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Writer writes the rows of one result. Values are int64, float64, string, []byte or nil.
type Writer interface {
	Begin(columns []string) error
	Row(values []any) error
	// End ends the result. Of a statement that writes, changes is how many rows it changed.
	End(changes int64, writes bool) error
}

// Options say how rows are written.
type Options struct {
	Mode    string  // one of Modes
	Headers bool    // names of columns are written, in modes that can do without
	Null    *string // what NULL is written as; nil for what is usual in the mode
}

// The modes, by name.
const (
	Table    = "table"
	JSON     = "json"
	CSV      = "csv"
	Tabs     = "tabs"
	List     = "list"
	Line     = "line"
	Markdown = "markdown"
)

// Modes lists the modes in the order of the alphabet.
func Modes() []string {
	return slices.Sorted(slices.Values([]string{Table, JSON, CSV, Tabs, List, Line, Markdown}))
}

// New makes the writer of a mode. The mode must be one of Modes.
func New(w io.Writer, o Options) Writer {
	null := func(usual string) string {
		if o.Null != nil {
			return *o.Null
		}
		return usual
	}
	switch o.Mode {
	case JSON:
		return &jsonRows{w: w}
	case CSV:
		return &separated{w: w, separator: ",", quote: quoteCSV, null: null(""), headers: o.Headers}
	case Tabs:
		return &separated{w: w, separator: "\t", quote: escapeTabs, null: null(""), headers: o.Headers}
	case List:
		return &separated{w: w, separator: "|", null: null(""), headers: o.Headers}
	case Line:
		return &lineRows{w: w, null: null("NULL")}
	case Markdown:
		return &tableRows{w: w, style: markdownStyle, null: null("NULL"), headers: true}
	}
	return &tableRows{w: w, style: plainStyle, null: null("NULL"), headers: o.Headers}
}

// separated writes one line a row, its values with a separator between them.
type separated struct {
	w         io.Writer
	separator string
	quote     func(string) string // nil leaves texts as they are
	null      string
	headers   bool
}

func (s *separated) Begin(columns []string) error {
	if !s.headers || len(columns) == 0 {
		return nil
	}
	cells := make([]string, len(columns))
	for i, name := range columns {
		cells[i] = s.quoted(name)
	}
	return s.line(cells)
}

func (s *separated) quoted(text string) string {
	if s.quote == nil {
		return text
	}
	return s.quote(text)
}

func (s *separated) Row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		if v == nil {
			cells[i] = s.null
		} else {
			cells[i] = s.quoted(Text(v))
		}
	}
	return s.line(cells)
}

func (s *separated) line(cells []string) error {
	_, err := io.WriteString(s.w, strings.Join(cells, s.separator)+"\n")
	return err
}

func (s *separated) End(int64, bool) error { return nil }

// quoteCSV quotes what would not come back as it is. An empty text is quoted, so that it differs from NULL.
func quoteCSV(text string) string {
	if text != "" && !strings.ContainsAny(text, ",\"\r\n") && strings.TrimSpace(text) == text {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}

var tabEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

func escapeTabs(text string) string { return tabEscapes.Replace(text) }

// lineRows writes one value a line, after the name of its column, and an empty line between rows.
type lineRows struct {
	w     io.Writer
	names []string
	width int
	null  string
	rows  int
}

func (l *lineRows) Begin(columns []string) error {
	l.names = make([]string, len(columns))
	for i, name := range columns {
		l.names[i] = Escape(name)
		l.width = max(l.width, width(l.names[i]))
	}
	return nil
}

func (l *lineRows) Row(values []any) error {
	var b strings.Builder
	if l.rows++; l.rows > 1 {
		b.WriteByte('\n')
	}
	for i, v := range values {
		text := l.null
		if v != nil {
			text = Escape(Text(v))
		}
		fmt.Fprintf(&b, "%s%s = %s\n", strings.Repeat(" ", l.width-width(l.names[i])), l.names[i], text)
	}
	_, err := io.WriteString(l.w, b.String())
	return err
}

func (l *lineRows) End(int64, bool) error { return nil }
