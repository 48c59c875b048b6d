package shell

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/floedb/floe/internal/sqltext"
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

// readPiece reads lines up to a dot command, or to the end of a line behind which no statement goes on. Blanks and
// comments before it are passed over. At the end of the input, with the error of line, the piece may be without its end.
func readPiece(line func(prompt string) (string, int, error), prompt, more string) (p piece, err error) {
	var b strings.Builder
	var lines sqltext.Lines
	ask := prompt
	for begun := false; ; {
		text, no, err := line(ask)
		if err != nil && !errors.Is(err, io.EOF) {
			return piece{}, err
		}
		p.lines = append(p.lines, text)
		if first := lines.Add(text); first >= 0 {
			text = text[first:]
			begun, p.line, p.isCommand = true, no, strings.HasPrefix(text, ".")
		}
		if begun {
			b.WriteString(text)
		}
		complete := lines.Complete() || p.isCommand
		switch {
		case err != nil && !begun:
			return piece{}, err
		case err != nil || begun && complete:
			p.text, p.cutShort = b.String(), !complete
			return p, err
		case begun:
			b.WriteByte('\n')
			ask = more
		case complete:
			ask, p.lines = prompt, nil
		default:
			ask = more
		}
	}
}
