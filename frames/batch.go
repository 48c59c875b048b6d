package frames

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrTooLarge means that a message claims a length that no valid one has.
var ErrTooLarge = errors.New("message too large")

// MaxFrameMessage is the longest frame message accepted, in bytes: a frame and
// generous room for fields that are not known yet.
const MaxFrameMessage = 2 * Size

const (
	maxFieldHead  = 2 * binary.MaxVarintLen64 // a tag and a length
	minBatchBuf   = MaxFrameMessage + maxFieldHead
	defBatchBuf   = 16 * Size
	batchEntryNum = 1
)

// BatchReader reads the answer to BatchLogEntries frame by frame, without
// holding the whole of it, which can be tens of megabytes.
//
// It checks the encoding and that each entry holds one frame, not that the
// frames follow each other; [Chain] does.
type BatchReader struct {
	r         io.Reader
	unread    int64 // bytes of the message not yet taken from r
	buf       []byte
	pos, have int // buf[pos:have] is read but not parsed
	err       error
}

// NewBatchReader reads a Frames message of length bytes from r, and not a byte
// more. It reads through buf, whose contents it overwrites; a nil or small buf
// is replaced by one of a fitting size (some 64 KiB).
func NewBatchReader(r io.Reader, length int64, buf []byte) *BatchReader {
	buf = buf[:cap(buf)]
	if len(buf) < minBatchBuf {
		buf = make([]byte, defBatchBuf)
	}
	return &BatchReader{r: r, unread: length, buf: buf}
}

// Next gives the next frame. Its Data aliases the reader's buffer and is valid
// until the next call. At the exact end of the message the error is [io.EOF];
// when r ends before it is, [io.ErrUnexpectedEOF]. After an error every call
// returns the same one.
func (b *BatchReader) Next() (FrameMessage, error) {
	if b.err != nil {
		return FrameMessage{}, b.err
	}
	m, err := b.next()
	if err != nil {
		b.err = err
		return FrameMessage{}, err
	}
	return m, nil
}

// NextInto is Next with the frame copied into dst, which must have room for
// [Size] bytes; Data is then dst[:Size] and stays valid. It is the only copy
// made after r.Read.
func (b *BatchReader) NextInto(dst []byte) (FrameMessage, error) {
	if len(dst) < Size {
		return FrameMessage{}, fmt.Errorf("read frame into %d bytes: %w", len(dst), io.ErrShortBuffer)
	}
	m, err := b.Next()
	if err != nil {
		return FrameMessage{}, err
	}
	copy(dst, m.Data)
	m.Data = Frame(dst[:Size:Size])
	return m, nil
}

func (b *BatchReader) next() (FrameMessage, error) {
	for {
		num, typ, length, err := b.fieldHead()
		if err != nil {
			return FrameMessage{}, err
		}
		if num == batchEntryNum && typ == protowire.BytesType {
			return b.entry(length)
		}
		if err := b.skip(length); err != nil {
			return FrameMessage{}, err
		}
	}
}

// fieldHead parses a tag and gives the length of the value behind it, with the
// head consumed. A varint is consumed with it, since it is its own length.
func (b *BatchReader) fieldHead() (protowire.Number, protowire.Type, uint64, error) {
	if err := b.fill(maxFieldHead); err != nil {
		return 0, 0, 0, err
	}
	head := b.buf[b.pos:b.have]
	if len(head) == 0 {
		return 0, 0, 0, io.EOF
	}
	num, typ, tagLen := protowire.ConsumeTag(head)
	if tagLen < 0 {
		return 0, 0, 0, fmt.Errorf("parse batch: %w: %w", ErrMalformed, protowire.ParseError(tagLen))
	}
	length, n, err := valueLength(num, typ, head[tagLen:])
	if err != nil {
		return 0, 0, 0, err
	}
	b.pos += tagLen + n
	return num, typ, length, nil
}

// valueLength says how many bytes of b belong to the head of the value, and
// how many bytes of value come after them.
func valueLength(num protowire.Number, typ protowire.Type, b []byte) (length uint64, n int, err error) {
	switch typ {
	case protowire.BytesType:
		length, n = protowire.ConsumeVarint(b)
	case protowire.VarintType:
		_, n = protowire.ConsumeVarint(b)
	case protowire.Fixed32Type:
		return 4, 0, nil
	case protowire.Fixed64Type:
		return 8, 0, nil
	default:
		return 0, 0, fmt.Errorf("parse batch: %w: field %d has wire type %d", ErrMalformed, num, typ)
	}
	if n < 0 {
		return 0, 0, fmt.Errorf("parse batch: field %d: %w: %w", num, ErrMalformed, protowire.ParseError(n))
	}
	return length, n, nil
}

func (b *BatchReader) entry(length uint64) (FrameMessage, error) {
	if length > MaxFrameMessage {
		return FrameMessage{}, fmt.Errorf("parse batch: %w: frame of %d bytes", ErrTooLarge, length)
	}
	n := int(length)
	if err := b.fill(n); err != nil {
		return FrameMessage{}, err
	}
	if b.have-b.pos < n {
		return FrameMessage{}, b.overrun(length)
	}
	m, err := ParseFrameMessage(b.buf[b.pos : b.pos+n])
	b.pos += n
	return m, err
}

// skip passes over a value of a field that is not known, of any length.
func (b *BatchReader) skip(length uint64) error {
	if length > uint64(b.have-b.pos)+uint64(b.unread) {
		return b.overrun(length)
	}
	for length > 0 {
		if err := b.fill(1); err != nil {
			return err
		}
		n := min(length, uint64(b.have-b.pos))
		b.pos += int(n)
		length -= n
	}
	return nil
}

func (b *BatchReader) overrun(length uint64) error {
	return fmt.Errorf("parse batch: %w: a value of %d bytes goes beyond the end", ErrMalformed, length)
}

// fill sees to it that at least n bytes are buffered, or all that are left of
// the message when they are fewer. n is at most minBatchBuf.
func (b *BatchReader) fill(n int) error {
	if b.have-b.pos >= n || b.unread <= 0 {
		return nil
	}
	b.have = copy(b.buf, b.buf[b.pos:b.have]) // less than n bytes: keeps the reads large
	b.pos = 0
	need := int(min(int64(n-b.have), b.unread))
	room := int(min(int64(len(b.buf)-b.have), b.unread))
	got, err := io.ReadAtLeast(b.r, b.buf[b.have:b.have+room], need)
	b.have += got
	b.unread -= int64(got)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read batch: %w", err)
	}
	return nil
}
