package shell

import (
	"context"
	"io"
)

// chunk is what one read gave.
type chunk struct {
	b   []byte
	err error
}

// readChunks reads on until an error, which is in the last chunk, or the end of the context.
func readChunks(ctx context.Context, in io.Reader) <-chan chunk {
	chunks := make(chan chunk)
	go func() {
		for {
			b := make([]byte, 1<<16)
			n, err := in.Read(b)
			select {
			case chunks <- chunk{b[:n], err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return chunks
}

// inputReader reads as in does, but the end of the context ends it, though nothing comes.
type inputReader struct {
	ctx    context.Context
	chunks <-chan chunk
	last   chunk
}

func newInputReader(ctx context.Context, in io.Reader) *inputReader {
	return &inputReader{ctx: ctx, chunks: readChunks(ctx, in)}
}

func (r *inputReader) Read(p []byte) (int, error) {
	for len(r.last.b) == 0 {
		if r.last.err != nil {
			return 0, r.last.err
		}
		select {
		case r.last = <-r.chunks:
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		}
	}
	n := copy(p, r.last.b)
	r.last.b = r.last.b[n:]
	return n, nil
}
