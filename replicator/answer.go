package replicator

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/floedb/floe/frames"
)

// answer is the body of one answer.
type answer struct {
	body    io.ReadCloser
	token   string // the request's
	r       *bufio.Reader
	env     *frames.EnvelopeReader
	counter *atomic.Int64
	watch   *silence
}

// countingReader counts what an answer brings.
type countingReader struct{ a *answer }

func (c countingReader) Read(p []byte) (int, error) {
	c.a.watch.begin()
	n, err := c.a.body.Read(p)
	c.a.watch.heard()
	c.a.counter.Add(int64(n))
	return n, c.a.watch.reason(err)
}

// Read reads the payload of the message that next announced.
func (a *answer) Read(p []byte) (int, error) { return a.env.Read(p) }

// Close gives the answer up.
func (a *answer) Close() error {
	defer a.watch.end()
	return a.body.Close()
}

// next reads on to the next message and returns its length in bytes; io.EOF
// after the last one, when the server says that all went well.
func (a *answer) next() (uint32, error) {
	kind, size, err := a.env.Next()
	if err != nil {
		return 0, unexpected(err)
	}
	if kind == frames.EnvelopeData {
		return size, nil
	}
	if size > maxTrailers {
		return 0, fmt.Errorf("%w: trailers of %d bytes", ErrCorrupt, size)
	}
	b, err := a.env.AppendPayload(nil, maxTrailers)
	if err != nil {
		return 0, unexpected(err)
	}
	s, err := frames.ParseTrailers(b)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if s.Code != 0 {
		s.Message = quote(s.Message, a.token)
		return 0, &trailerError{s}
	}
	return 0, io.EOF
}

// maxTrailers bounds the end of an answer, in bytes.
const maxTrailers = 64 << 10

// trailerError carries a status from an answer's end to the method's name.
type trailerError struct{ status frames.Status }

func (e *trailerError) Error() string { return e.status.Message }

// unexpected makes a body that ends before its trailers an error.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// frameReader gives the frames of an answer one after the other; io.EOF after
// the last one.
type frameReader interface {
	// next reads the next frame into dst, of frames.Size bytes.
	next(dst []byte) (timestamp int64, err error)
	// buffered tells how many bytes have arrived beyond the last frame read.
	buffered() int
	Close() error
}

// batchStream reads the one message of a BatchLogEntries answer.
type batchStream struct {
	c    *client
	body *answer
	r    *frames.BatchReader
}

func (s *batchStream) next(dst []byte) (int64, error) {
	s.body.watch.message()
	m, err := s.r.NextInto(dst)
	switch {
	case err == nil:
		return m.Timestamp, nil
	case errors.Is(err, io.EOF):
		return 0, s.end()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return 0, s.c.describe("BatchLogEntries", err)
	}
	return 0, s.c.frameFault("BatchLogEntries", err)
}

// end reads the trailers, so that the connection can be used again.
func (s *batchStream) end() error {
	_, err := s.body.next()
	return s.c.endOf("BatchLogEntries", err)
}

func (s *batchStream) buffered() int { return s.body.r.Buffered() }
func (s *batchStream) Close() error  { return s.body.Close() }

// messageStream reads an answer that has one message a frame.
type messageStream struct {
	c      *client
	method string
	body   *answer
	msg    []byte
}

func (s *messageStream) next(dst []byte) (int64, error) {
	s.body.watch.message()
	size, err := s.body.next()
	if err != nil {
		return 0, s.c.endOf(s.method, err)
	}
	if size > maxMessage {
		return 0, fmt.Errorf("%s: %w: a message of %d bytes where a frame has %d", s.method, ErrCorrupt, size, frames.Size)
	}
	if s.msg == nil {
		s.msg = make([]byte, maxMessage)
	}
	msg := s.msg[:size]
	if _, err := io.ReadFull(s.body, msg); err != nil {
		return 0, s.c.describe(s.method, unexpected(err))
	}
	m, err := frames.ParseFrameMessage(msg)
	if err != nil {
		return 0, s.c.frameFault(s.method, err)
	}
	copy(dst[:frames.Size], m.Data)
	return m.Timestamp, nil
}

func (s *messageStream) buffered() int { return s.body.r.Buffered() }
func (s *messageStream) Close() error  { return s.body.Close() }

// maxMessage bounds a message that holds one frame: the frame, and 64 bytes of
// fields around it.
const maxMessage = frames.Size + 64

// endOf gives the error that an answer ended with; io.EOF for a good end.
func (c *client) endOf(method string, err error) error {
	var trailer *trailerError
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case err == nil:
		return fmt.Errorf("%s: %w: a second message", method, ErrCorrupt)
	case errors.As(err, &trailer):
		return statusError(method, trailer.status)
	}
	return c.describe(method, err)
}

// noMessage is the error of an answer that has no message, which began with err.
func (c *client) noMessage(method string, err error) error {
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w: an answer without a message", method, ErrCorrupt)
	}
	return c.endOf(method, err)
}

// frameFault is the error of a message that holds no frame.
func (c *client) frameFault(method string, err error) error {
	return fmt.Errorf("%s: %w: %w", method, ErrCorrupt, err)
}
