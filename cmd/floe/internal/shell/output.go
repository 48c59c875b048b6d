package shell

import (
	"bufio"
	"errors"
	"io"
	"os"

	"github.com/floedb/floe/cmd/floe/internal/render"
)

// output is a place that results go to.
type output struct {
	io.Writer
	buf  *bufio.Writer
	file *os.File // closed with the output; nil for the standard output
}

// newOutput writes to w, which is not closed. What goes to a terminal is made safe to show.
func newOutput(w io.Writer, terminal bool) *output {
	buf := bufio.NewWriterSize(w, 1<<16)
	if terminal {
		return &output{Writer: render.Terminal(buf), buf: buf}
	}
	return &output{Writer: buf, buf: buf}
}

func createOutput(name string) (*output, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	o := newOutput(f, false)
	o.file = f
	return o, nil
}

func (o *output) Flush() error { return o.buf.Flush() }

func (o *output) close() error {
	if o.file == nil {
		return o.Flush()
	}
	return errors.Join(o.Flush(), o.file.Close())
}
