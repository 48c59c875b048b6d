package shell

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/floedb/floe/engine"
)

// reader gives the lines of a script.
type reader struct {
	in   *bufio.Reader
	name string // of the file; "" for the standard input
	no   int    // of the line read last
}

// line gives the next line without its end. The last line may come with io.EOF.
func (r *reader) line(string) (string, int, error) {
	text, err := r.in.ReadString('\n')
	r.no++
	if r.no == 1 {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), r.no, err
}

// at says where in the script err was.
func (r *reader) at(line int, err error) error {
	var located *locatedError
	if err == nil || errors.As(err, &located) {
		return err
	}
	return &locatedError{name: r.name, line: line, err: err}
}

// locatedError is an error at a line of a script.
type locatedError struct {
	name string
	line int
	err  error
}

func (e *locatedError) Error() string {
	if e.name == "" {
		return fmt.Sprintf("line %d: %v", e.line, e.err)
	}
	return fmt.Sprintf("%s:%d: %v", e.name, e.line, e.err)
}

func (e *locatedError) Unwrap() error { return e.err }

// readPiece reads lines up to the end of a dot command or statement. At the end of the input, with the error of line,
// the piece may be without its end.
func readPiece(line func(prompt string) (string, int, error), prompt, more string) (p piece, err error) {
	var b strings.Builder
	for {
		text, no, err := line(prompt)
		if err != nil && !errors.Is(err, io.EOF) {
			return piece{}, err
		}
		if len(p.lines) == 0 && isBlank(text) {
			if err != nil {
				return piece{}, err
			}
			continue
		}
		if len(p.lines) == 0 {
			p.line = no
		} else {
			b.WriteByte('\n')
		}
		p.lines = append(p.lines, text)
		b.WriteString(text)
		if err != nil || strings.HasPrefix(p.lines[0], ".") || ends(&b, text) {
			p.text = b.String()
			return p, err
		}
		prompt = more
	}
}

// isBlank tells whether a line begins nothing: a comment before a dot command must not make it a part of a statement.
func isBlank(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.HasPrefix(line, "--")
}

// ends tells whether the text is complete. Only a line with a semicolon can make it so.
func ends(text *strings.Builder, lastLine string) bool {
	return strings.Contains(lastLine, ";") && engine.CompleteSQL(text.String())
}
