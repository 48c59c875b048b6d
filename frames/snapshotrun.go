package frames

import (
	"errors"
	"fmt"
)

// ErrCommit means that a run of frames does not end where a transaction does,
// or goes on behind the frame that ends it.
var ErrCommit = errors.New("misplaced commit frame")

// SnapshotRun verifies the frames of a snapshot as they are sent: what [Chain]
// is for the log. Their numbers fall, none is below the first one asked for,
// and the last frame, and no other, has SizeAfter set. Their checksums are those
// of the log and verify nothing here, as the frames between them are missing.
//
// A snapshot holds each page once. Should a page come twice, the first one
// that comes is the newest.
type SnapshotRun struct {
	first     uint64
	last      uint64
	prev      uint64
	count     uint64
	sizeAfter uint32
}

// NewSnapshotRun begins a snapshot that covers the log from frame first on.
func NewSnapshotRun(first uint64) *SnapshotRun { return &SnapshotRun{first: first} }

// Verify checks that f may come next. The error is a [*FrameError]; after one
// the run stays where it was.
func (s *SnapshotRun) Verify(f Frame) error {
	if len(f) != Size {
		return &FrameError{FrameNo: s.prev, Reason: fmt.Errorf("%w: %d bytes, want %d", ErrShortFrame, len(f), Size)}
	}
	if f.PageNo() == 0 {
		return refuse(f, ErrPageNumber)
	}
	no := f.FrameNo()
	switch {
	case s.Done():
		return refuse(f, fmt.Errorf("%w: the snapshot ended at frame %d", ErrCommit, s.prev))
	case no > MaxFrameNo:
		return refuse(f, fmt.Errorf("%w: no log is that long", ErrOutOfOrder))
	case no < s.first:
		return refuse(f, fmt.Errorf("%w: the snapshot goes down to frame %d", ErrOutOfOrder, s.first))
	case s.count > 0 && no >= s.prev:
		return refuse(f, fmt.Errorf("%w: want less than %d", ErrOutOfOrder, s.prev))
	}
	if s.count == 0 {
		s.last = no
	}
	s.prev = no
	s.count++
	s.sizeAfter = f.SizeAfter()
	return nil
}

// Done reports whether the frame that ends the snapshot was seen. A snapshot
// that stops before it is not whole and must not be applied.
func (s *SnapshotRun) Done() bool { return s.sizeAfter != 0 }

// Last is the number of the newest frame the snapshot covers, which is the
// first one that comes. The log goes on at Last()+1. It means nothing while
// Count is 0.
func (s *SnapshotRun) Last() uint64 { return s.last }

// Count is how many frames were verified.
func (s *SnapshotRun) Count() uint64 { return s.count }

// SizeAfter is the size of the database in pages once the snapshot is applied,
// 0 while it is not Done.
func (s *SnapshotRun) SizeAfter() uint32 { return s.sizeAfter }
