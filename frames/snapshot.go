package frames

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrSnapshot is wrapped by every error about bytes that are not a whole
// snapshot file.
var ErrSnapshot = errors.New("invalid snapshot file")

// SnapshotHeaderSize is the length in bytes of the header of a snapshot file.
const SnapshotHeaderSize = 48

// SnapshotHeader begins a snapshot file, a file named LOGID-START-END.snap that
// a libSQL server makes of the part of its log that it drops. Of each page
// written in the range only the newest version is kept.
//
// In the file it is 48 bytes, little-endian: log id (128 bit), start, end and
// count (64 bit each), size after (32 bit), 4 bytes of padding. The frames
// follow it, newest first. The file is not protected by a checksum.
type SnapshotHeader struct {
	LogID     LogID
	Start     uint64 // number of the first frame covered
	End       uint64 // number of the last frame covered, which is in the file
	Count     uint64 // frames in the file
	SizeAfter uint32 // size of the database in pages at End
}

// ParseSnapshotHeader reads a header from the first [SnapshotHeaderSize] bytes
// of b and checks that it makes sense in itself. The error wraps
// [ErrSnapshot].
func ParseSnapshotHeader(b []byte) (SnapshotHeader, error) {
	if len(b) < SnapshotHeaderSize {
		return SnapshotHeader{}, fmt.Errorf("%w: header of %d bytes, want %d", ErrSnapshot, len(b), SnapshotHeaderSize)
	}
	id, err := LogIDFromLE(b[:16])
	if err != nil {
		return SnapshotHeader{}, err
	}
	h := SnapshotHeader{
		LogID:     id,
		Start:     binary.LittleEndian.Uint64(b[16:]),
		End:       binary.LittleEndian.Uint64(b[24:]),
		Count:     binary.LittleEndian.Uint64(b[32:]),
		SizeAfter: binary.LittleEndian.Uint32(b[40:]),
	}
	return h, h.validate()
}

func (h SnapshotHeader) validate() error {
	switch {
	case h.LogID.IsZero():
		return fmt.Errorf("%w: no log id", ErrSnapshot)
	case h.Start > h.End || h.End > MaxFrameNo:
		return fmt.Errorf("%w: range %d to %d", ErrSnapshot, h.Start, h.End)
	case h.Count == 0 || h.Count-1 > h.End-h.Start:
		return fmt.Errorf("%w: %d frames of the range %d to %d", ErrSnapshot, h.Count, h.Start, h.End)
	case h.SizeAfter == 0:
		return fmt.Errorf("%w: database of 0 pages", ErrSnapshot)
	}
	return nil
}

// Append appends the [SnapshotHeaderSize] bytes of h to dst.
func (h SnapshotHeader) Append(dst []byte) []byte {
	dst = h.LogID.AppendLE(dst)
	dst = binary.LittleEndian.AppendUint64(dst, h.Start)
	dst = binary.LittleEndian.AppendUint64(dst, h.End)
	dst = binary.LittleEndian.AppendUint64(dst, h.Count)
	dst = binary.LittleEndian.AppendUint32(dst, h.SizeAfter)
	return append(dst, 0, 0, 0, 0)
}

// SnapshotReader reads a snapshot file front to back.
//
// In the file no frame has SizeAfter set: the header has it. A server sets it
// on the last frame that it sends, and so does the reader, so that a snapshot
// looks the same wherever it comes from.
type SnapshotReader struct {
	r      io.Reader
	header SnapshotHeader
	run    SnapshotRun
	err    error
}

// NewSnapshotReader reads and checks the header. The error wraps
// [ErrSnapshot], and [io.ErrUnexpectedEOF] as well when r is shorter than that.
func NewSnapshotReader(r io.Reader) (*SnapshotReader, error) {
	var b [SnapshotHeaderSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return nil, fmt.Errorf("read snapshot header: %w", shortSnapshot(err))
	}
	h, err := ParseSnapshotHeader(b[:])
	if err != nil {
		return nil, fmt.Errorf("read snapshot header: %w", err)
	}
	return &SnapshotReader{r: r, header: h, run: *NewSnapshotRun(h.Start)}, nil
}

// Header gives the header.
func (s *SnapshotReader) Header() SnapshotHeader { return s.header }

// Next reads the next frame into dst, which must have room for [Size] bytes,
// and gives it as a view of dst. The error is [io.EOF] behind the last frame,
// when the file ends there too. Other errors wrap [ErrSnapshot], a [FrameError]
// where they are about one frame, and [io.ErrUnexpectedEOF] when the file is too
// short; only errors of r itself come without ErrSnapshot. After an error every
// call returns the same one.
func (s *SnapshotReader) Next(dst []byte) (Frame, error) {
	if len(dst) < Size {
		return nil, fmt.Errorf("read snapshot into %d bytes: %w", len(dst), io.ErrShortBuffer)
	}
	if s.err != nil {
		return nil, s.err
	}
	f := Frame(dst[:Size:Size])
	if s.err = s.next(f); s.err != nil {
		return nil, s.err
	}
	return f, nil
}

func (s *SnapshotReader) next(f Frame) error {
	if s.run.Done() {
		return s.atEnd(f[:1])
	}
	if _, err := io.ReadFull(s.r, f); err != nil {
		return fmt.Errorf("read snapshot frame %d of %d: %w", s.run.Count()+1, s.header.Count, shortSnapshot(err))
	}
	if f.IsCommit() {
		return fmt.Errorf("%w: %w", ErrSnapshot, refuse(f, fmt.Errorf("%w: no frame of a file has a size", ErrCommit)))
	}
	if s.run.Count()+1 == s.header.Count {
		f.setSizeAfter(s.header.SizeAfter)
	}
	if err := s.run.Verify(f); err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if s.run.Last() != s.header.End {
		return fmt.Errorf("%w: %w", ErrSnapshot, refuse(f, fmt.Errorf("%w: the snapshot ends at %d", ErrOutOfOrder, s.header.End)))
	}
	return nil
}

// atEnd says io.EOF when the file has no byte more.
func (s *SnapshotReader) atEnd(scratch []byte) error {
	switch _, err := io.ReadFull(s.r, scratch); err {
	case nil:
		return fmt.Errorf("%w: longer than its %d frames", ErrSnapshot, s.header.Count)
	case io.EOF:
		return io.EOF
	default:
		return fmt.Errorf("read snapshot: %w", err)
	}
}

// shortSnapshot tells a file that is too short from a reader that fails.
func shortSnapshot(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: %w", ErrSnapshot, io.ErrUnexpectedEOF)
	}
	return err
}

// SnapshotWriter writes a snapshot file. The header is written last: until
// Close has returned nil the file has one of zeros, which no reader takes.
type SnapshotWriter struct {
	w   io.WriteSeeker
	id  LogID
	run SnapshotRun
	buf [Size]byte
}

// NewSnapshotWriter begins a snapshot that covers the log id from frame first
// on. w must be at its start. It makes one Write of [Size] bytes a frame.
func NewSnapshotWriter(w io.WriteSeeker, id LogID, first uint64) (*SnapshotWriter, error) {
	if _, err := w.Write(make([]byte, SnapshotHeaderSize)); err != nil {
		return nil, fmt.Errorf("write snapshot header: %w", err)
	}
	return &SnapshotWriter{w: w, id: id, run: *NewSnapshotRun(first)}, nil
}

// WriteFrame writes the next frame, in the order and with the SizeAfter that
// [SnapshotRun] wants. It does not keep f. A frame out of order is a
// [*FrameError] and changes nothing.
func (s *SnapshotWriter) WriteFrame(f Frame) error {
	if err := s.run.Verify(f); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	copy(s.buf[:], f)
	Frame(s.buf[:]).setSizeAfter(0)
	if _, err := s.w.Write(s.buf[:]); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

// Close writes the header and gives it. It fails with [ErrCommit] when the last
// frame written did not end the snapshot. It does not close the writer under it.
func (s *SnapshotWriter) Close() (SnapshotHeader, error) {
	if !s.run.Done() {
		return SnapshotHeader{}, fmt.Errorf("write snapshot: %w: the last frame has no size", ErrCommit)
	}
	h := SnapshotHeader{
		LogID:     s.id,
		Start:     s.run.first,
		End:       s.run.Last(),
		Count:     s.run.Count(),
		SizeAfter: s.run.SizeAfter(),
	}
	if err := h.validate(); err != nil {
		return SnapshotHeader{}, fmt.Errorf("write snapshot: %w", err)
	}
	if _, err := s.w.Seek(0, io.SeekStart); err != nil {
		return SnapshotHeader{}, fmt.Errorf("write snapshot header: %w", err)
	}
	if _, err := s.w.Write(h.Append(nil)); err != nil {
		return SnapshotHeader{}, fmt.Errorf("write snapshot header: %w", err)
	}
	return h, nil
}
