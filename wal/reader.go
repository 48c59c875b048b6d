package wal

import (
	"bufio"
	"fmt"
	"io"
)

// readBuffer makes reads from a file large; it holds at least one frame.
const readBuffer = 4 * (FrameHeaderSize + MaxPageSize)

// End says why a log ends where it does.
type End uint8

// The ways in which a log ends.
const (
	EndUnknown End = iota // it was not read to its end
	EndClean              // the file ends with a whole frame, or has none
	EndStale              // frames of other salts follow: of before the last restart, or zeros
	EndTorn               // what follows has the right salts, or is too short to have any, and is not a whole frame
)

// String says it in words.
func (e End) String() string {
	switch e {
	case EndClean:
		return "clean"
	case EndStale:
		return "stale frames follow"
	case EndTorn:
		return "torn"
	}
	return "unknown"
}

// Frame is one frame of a log.
type Frame struct {
	FrameHeader
	Offset int64  // where the frame begins in the log, bytes
	Page   []byte // the log's page size long; valid until the next call of Next
}

// Summary is what is known of a log, as far as it was read.
type Summary struct {
	Header       Header
	Frames       int    // frames that are valid, committed or not
	Commits      int    // transactions
	Committed    int    // frames up to and including the last commit
	CommittedEnd int64  // where the last commit ends in the log, bytes; behind the header if there is none
	SizeAfter    uint32 // pages in the database after the last commit; 0 if there is none
	End          End
}

// Reader reads the valid frames of a log, front to back. It stops where SQLite
// does when it recovers the log: at the first frame that does not have the
// salts of the header, or whose checksum does not hold. That is no error, as
// every crash leaves such a log; Summary says what there was.
//
// Frames behind the last commit are not part of the database. A Reader cannot
// tell before it has read on: who needs it to must wait for the commit, or make
// a pass with [Scan] first and read Summary.Committed frames.
type Reader struct {
	buf     *bufio.Reader
	sum     Sum
	size    int // of a frame, bytes
	pending int // bytes of buf that the last frame given aliases
	summary Summary
	err     error
}

// NewReader reads the header. Its error wraps [ErrHeader], or [ErrEmpty] when
// r has no bytes, or is one of r. For an [io.ReaderAt], take an
// [io.SectionReader].
func NewReader(r io.Reader) (*Reader, error) {
	buf := bufio.NewReaderSize(r, readBuffer)
	b, err := buf.Peek(HeaderSize)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read wal header: %w", err)
	}
	if len(b) == 0 {
		return nil, fmt.Errorf("read wal header: %w", ErrEmpty)
	}
	h, sum, err := ParseHeader(b)
	if err != nil {
		return nil, fmt.Errorf("read wal header: %w", err)
	}
	return &Reader{
		buf:     buf,
		sum:     sum,
		size:    FrameHeaderSize + int(h.PageSize),
		pending: HeaderSize,
		summary: Summary{Header: h, CommittedEnd: HeaderSize},
	}, nil
}

// Header gives the header of the log.
func (r *Reader) Header() Header { return r.summary.Header }

// Summary gives what was learned so far. It is complete once Next has given
// [io.EOF].
func (r *Reader) Summary() Summary { return r.summary }

// Next gives the next frame. Its Page is valid until the next call. The error
// is [io.EOF] where the log ends, for whatever reason, and otherwise one of the
// reader under it. After an error every call returns the same one. It does not
// allocate.
func (r *Reader) Next() (Frame, error) {
	if r.err != nil {
		return Frame{}, r.err
	}
	f, err := r.next()
	if err != nil {
		r.err = err
		return Frame{}, err
	}
	r.count(f)
	return f, nil
}

func (r *Reader) next() (Frame, error) {
	// It was peeked at, so it can be discarded.
	_, _ = r.buf.Discard(r.pending)
	r.pending = 0
	b, err := r.buf.Peek(r.size)
	if err != nil && err != io.EOF {
		return Frame{}, fmt.Errorf("read wal frame %d: %w", r.summary.Frames+1, err)
	}
	h, sum, end := r.check(b)
	if end != EndUnknown {
		r.summary.End = end
		return Frame{}, io.EOF
	}
	r.sum = sum
	r.pending = r.size
	return Frame{FrameHeader: h, Offset: r.offset(), Page: b[FrameHeaderSize:r.size:r.size]}, nil
}

// check verifies what should be a frame, or says why the log ends here.
func (r *Reader) check(b []byte) (FrameHeader, Sum, End) {
	if len(b) == 0 {
		return FrameHeader{}, Sum{}, EndClean
	}
	if len(b) < FrameHeaderSize {
		return FrameHeader{}, Sum{}, EndTorn
	}
	h := parseFrameHeader(b)
	if h.Salt1 != r.summary.Header.Salt1 || h.Salt2 != r.summary.Header.Salt2 {
		return FrameHeader{}, Sum{}, EndStale
	}
	if len(b) < r.size || h.PageNo == 0 {
		return FrameHeader{}, Sum{}, EndTorn
	}
	sum := frameSum(r.sum, r.summary.Header.BigEndian, b, b[FrameHeaderSize:])
	if sum != h.Sum {
		return FrameHeader{}, Sum{}, EndTorn
	}
	return h, sum, EndUnknown
}

func (r *Reader) offset() int64 {
	return HeaderSize + int64(r.summary.Frames)*int64(r.size)
}

func (r *Reader) count(f Frame) {
	s := &r.summary
	s.Frames++
	if f.IsCommit() {
		s.Commits++
		s.Committed = s.Frames
		s.CommittedEnd = f.Offset + int64(r.size)
		s.SizeAfter = f.SizeAfter
	}
}

// Scan reads a whole log and says what is in it. It fails as [NewReader] does.
func Scan(r io.Reader) (Summary, error) {
	reader, err := NewReader(r)
	if err != nil {
		return Summary{}, err
	}
	for {
		if _, err := reader.Next(); err == io.EOF {
			return reader.Summary(), nil
		} else if err != nil {
			return reader.Summary(), err
		}
	}
}
