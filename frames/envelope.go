package frames

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrEnvelope means that the bytes at which a gRPC-web envelope should begin
// are not one that this package reads.
var ErrEnvelope = errors.New("invalid grpc-web envelope")

// EnvelopeSize is the length in bytes of what precedes each message: a flag
// byte and the message's length, big-endian.
const EnvelopeSize = 5

const trailersFlag = 0x80

// EnvelopeKind says what an envelope holds.
type EnvelopeKind uint8

// The kinds of envelope.
const (
	EnvelopeData     EnvelopeKind = iota // a message
	EnvelopeTrailers                     // trailers as text, see ParseTrailers; the last of a body
)

// AppendEnvelope appends msg as a data envelope: what a request consists of.
func AppendEnvelope(dst, msg []byte) []byte {
	return appendEnvelope(dst, 0, msg)
}

// AppendTrailers appends the envelope that ends an answer.
func AppendTrailers(dst []byte, s Status) []byte {
	return appendEnvelope(dst, trailersFlag, s.appendText(nil))
}

func appendEnvelope(dst []byte, flag byte, msg []byte) []byte {
	dst = append(dst, flag)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(msg)))
	return append(dst, msg...)
}

// EnvelopeReader splits the body of a gRPC-web answer into its envelopes. The
// payload of the current envelope is read from the EnvelopeReader itself.
type EnvelopeReader struct {
	r      io.Reader
	unread int64
	head   [EnvelopeSize]byte // here, so that reading it does not allocate
}

// NewEnvelopeReader reads envelopes from r. It does not read ahead.
func NewEnvelopeReader(r io.Reader) *EnvelopeReader { return &EnvelopeReader{r: r} }

// Next goes to the next envelope, past whatever of the current one was not
// read, and gives its kind and the length of its payload in bytes. The error
// is [io.EOF] when the body ends between envelopes, wraps
// [io.ErrUnexpectedEOF] when it ends inside one, and wraps [ErrEnvelope] for
// flags that are not understood, such as compression, which is never asked for.
func (e *EnvelopeReader) Next() (EnvelopeKind, uint32, error) {
	if err := e.discard(); err != nil {
		return 0, 0, err
	}
	switch _, err := io.ReadFull(e.r, e.head[:]); err {
	case nil:
	case io.EOF:
		return 0, 0, io.EOF
	default:
		return 0, 0, fmt.Errorf("read envelope: %w", err)
	}
	length := binary.BigEndian.Uint32(e.head[1:])
	e.unread = int64(length)
	switch flag := e.head[0]; flag {
	case 0:
		return EnvelopeData, length, nil
	case trailersFlag:
		return EnvelopeTrailers, length, nil
	default:
		return 0, 0, fmt.Errorf("%w: flags %#02x", ErrEnvelope, flag)
	}
}

// Read reads the payload of the current envelope, and gives [io.EOF] at its
// end; when the body ends before the payload does, [io.ErrUnexpectedEOF].
func (e *EnvelopeReader) Read(p []byte) (int, error) {
	if e.unread == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.unread)])
	e.unread -= int64(n)
	if err == io.EOF {
		err = nil
		if e.unread > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// AppendPayload appends what is left of the current payload to dst. A payload
// of more than limit bytes is refused with an error wrapping [ErrTooLarge].
// Memory is taken as bytes arrive, not as the envelope claims.
func (e *EnvelopeReader) AppendPayload(dst []byte, limit int) ([]byte, error) {
	if e.unread > int64(limit) {
		return dst, fmt.Errorf("read envelope: %w: %d bytes, want at most %d", ErrTooLarge, e.unread, limit)
	}
	const step = 64 << 10
	for e.unread > 0 {
		chunk := int(min(e.unread, step))
		from := len(dst)
		dst = append(dst, make([]byte, chunk)...)
		n, err := io.ReadFull(e, dst[from:])
		if err != nil {
			return dst[:from+n], fmt.Errorf("read envelope: %w", err)
		}
	}
	return dst, nil
}

func (e *EnvelopeReader) discard() error {
	if e.unread == 0 {
		return nil
	}
	if _, err := io.Copy(io.Discard, e); err != nil {
		return fmt.Errorf("skip envelope: %w", err)
	}
	return nil
}
