package shell

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// csvReader reads records of fields with a separator between them, as https://www.rfc-editor.org/rfc/rfc4180 has them.
// It keeps every byte of a field, line ends in quotes too.
type csvReader struct {
	in        *bufio.Reader
	separator byte
	line      int // that the reader is at, from 1
	begun     int // line that the last record begins on
}

func newCSVReader(in io.Reader, separator byte) (*csvReader, error) {
	r := &csvReader{in: bufio.NewReaderSize(in, 1<<16), separator: separator, line: 1}
	if mark, err := r.in.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, err := r.in.Discard(3)
		return r, err
	}
	return r, nil
}

// record gives the next record, and io.EOF behind the last.
func (r *csvReader) record() (fields []string, err error) {
	r.begun = r.line
	if _, err := r.in.Peek(1); err != nil {
		return nil, err
	}
	for {
		field, last, err := r.field()
		if err != nil {
			return nil, err
		}
		fields = append(fields, field)
		if last {
			return fields, nil
		}
	}
}

// field reads a field and the separator or line end behind it. The end of the input ends a field too.
func (r *csvReader) field() (field string, last bool, err error) {
	var b []byte
	first, err := r.in.Peek(1)
	if err == nil && first[0] == '"' {
		_, _ = r.in.ReadByte()
		if b, err = r.quoted(); err != nil {
			return "", false, err
		}
	}
	quoted := len(b)
	for {
		c, err := r.in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return string(b), true, nil
		case err != nil:
			return "", false, err
		case c == r.separator:
			return string(b), false, nil
		case c == '\n':
			r.line++
			if n := len(b); n > quoted && b[n-1] == '\r' {
				b = b[:n-1]
			}
			return string(b), true, nil
		}
		b = append(b, c)
	}
}

// quoted reads up to the closing quote.
func (r *csvReader) quoted() (b []byte, err error) {
	begun := r.line
	for {
		c, err := r.in.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("line %d: the quote that begins here does not end", begun)
		}
		if err != nil {
			return nil, err
		}
		if c == '\n' {
			r.line++
		}
		if c != '"' {
			b = append(b, c)
			continue
		}
		if next, err := r.in.Peek(1); err != nil || next[0] != '"' {
			return b, nil
		}
		_, _ = r.in.ReadByte()
		b = append(b, '"')
	}
}
