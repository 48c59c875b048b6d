package shell

import (
	"bufio"
	"errors"
	"fmt"
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

// createOutput empties the file called name, or makes it. It is not to be the database.
func (sh *Shell) createOutput(name string) (*output, error) {
	if path := sh.cfg.Target.File(); path != "" {
		for _, own := range []string{path, path + "-wal"} {
			if isSameFile(name, own) {
				return nil, fmt.Errorf("%s is a file of the database", name)
			}
		}
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	o := newOutput(f, false)
	o.file = f
	return o, nil
}

func isSameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

func (o *output) Flush() error { return o.buf.Flush() }

func (o *output) close() error {
	if o.file == nil {
		return o.Flush()
	}
	return errors.Join(o.Flush(), o.file.Close())
}
