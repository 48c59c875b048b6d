package frames

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes of a frame and its parts, in bytes. libSQL replicates databases of
// this page size only.
const (
	HeaderSize = 24
	PageSize   = 4096
	Size       = HeaderSize + PageSize
)

// MaxFrameNo is the highest number that a frame is believed to have. At a million
// frames a second a log reaches it in a hundred thousand years, and numbers that
// are worked with stay far from where they overflow.
const MaxFrameNo = 1<<62 - 1

// Reasons for which a frame is refused. Test for them with [errors.Is]; the
// frame they are about is in the [FrameError] around them.
var (
	// ErrChecksum means that the page is not the one the checksum was made
	// for, or that a frame before it is missing.
	ErrChecksum = errors.New("checksum mismatch")
	// ErrOutOfOrder means that the frame's number is not the expected one.
	ErrOutOfOrder = errors.New("frame out of order")
	// ErrShortFrame means that the bytes are not exactly [Size] long.
	ErrShortFrame = errors.New("not a whole frame")
	// ErrPageNumber means that the frame claims to hold page 0, which no
	// database has.
	ErrPageNumber = errors.New("invalid page number")
)

// FrameError says which frame was refused and why. Reason wraps one of
// [ErrChecksum], [ErrOutOfOrder], [ErrShortFrame], [ErrPageNumber] or
// [ErrCommit].
type FrameError struct {
	FrameNo uint64 // the number the frame carries
	PageNo  uint32 // the page the frame carries
	Reason  error
}

// Error names the frame and its page, then the reason.
func (e *FrameError) Error() string {
	return fmt.Sprintf("frame %d (page %d): %v", e.FrameNo, e.PageNo, e.Reason)
}

// Unwrap gives Reason.
func (e *FrameError) Unwrap() error { return e.Reason }

// Header is what precedes the page in a frame. On the wire and on disk it is
// [HeaderSize] bytes, little-endian, in the order of the fields.
type Header struct {
	FrameNo   uint64 // position in the log, the first is 0
	Checksum  uint64 // rolling checksum up to and including this frame, see [Checksum]
	PageNo    uint32 // number of the page, the first is 1
	SizeAfter uint32 // pages in the database after the transaction; 0 in all but its last frame
}

// IsCommit reports whether the frame ends a transaction.
func (h Header) IsCommit() bool { return h.SizeAfter != 0 }

// PutHeader writes h into the first [HeaderSize] bytes of dst. It panics when
// dst is shorter, as the Put functions of encoding/binary do.
func PutHeader(dst []byte, h Header) {
	_ = dst[HeaderSize-1]
	binary.LittleEndian.PutUint64(dst[0:], h.FrameNo)
	binary.LittleEndian.PutUint64(dst[8:], h.Checksum)
	binary.LittleEndian.PutUint32(dst[16:], h.PageNo)
	binary.LittleEndian.PutUint32(dst[20:], h.SizeAfter)
}

// Frame is a view of the [Size] bytes of a frame: header, then page. It owns
// nothing; it is valid as long as the bytes under it are. Make one with
// [AsFrame]: the methods panic on a slice of another length.
type Frame []byte

// AsFrame gives b as a Frame without copying. It returns an error wrapping
// [ErrShortFrame] when b is not [Size] bytes long.
func AsFrame(b []byte) (Frame, error) {
	if len(b) != Size {
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrShortFrame, len(b), Size)
	}
	return Frame(b[:Size:Size]), nil
}

// Header gives all four fields.
func (f Frame) Header() Header {
	return Header{f.FrameNo(), f.Checksum(), f.PageNo(), f.SizeAfter()}
}

// FrameNo is the frame's position in the log, the first is 0.
func (f Frame) FrameNo() uint64 { return binary.LittleEndian.Uint64(f[0:8]) }

// Checksum is the checksum that the frame carries, which need not be right.
func (f Frame) Checksum() uint64 { return binary.LittleEndian.Uint64(f[8:16]) }

// PageNo is the number of the page, the first of a database is 1.
func (f Frame) PageNo() uint32 { return binary.LittleEndian.Uint32(f[16:20]) }

// SizeAfter is the size of the database in pages after the transaction that
// this frame ends, 0 when it does not end one.
func (f Frame) SizeAfter() uint32 { return binary.LittleEndian.Uint32(f[20:24]) }

// IsCommit reports whether the frame ends a transaction.
func (f Frame) IsCommit() bool { return f.SizeAfter() != 0 }

// Page gives the [PageSize] bytes of the page; they alias f.
func (f Frame) Page() []byte { return f[HeaderSize:Size:Size] }

// setSizeAfter overwrites the one field that differs between a snapshot file
// and the same snapshot on the wire.
func (f Frame) setSizeAfter(pages uint32) { binary.LittleEndian.PutUint32(f[20:24], pages) }

// refuse makes the FrameError for f.
func refuse(f Frame, reason error) error {
	return &FrameError{FrameNo: f.FrameNo(), PageNo: f.PageNo(), Reason: reason}
}
