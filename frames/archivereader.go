package frames

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// ArchiveReader reads a frame archive front to back, with a few megabytes of
// memory whatever its size.
//
// Each frame is verified as [Chain] and [SnapshotRun] do, but frames of a
// snapshot have no checksum of their own: what protects them is the digest at
// the archive's end. So who is about to change something must make a whole pass
// first, with [VerifyArchive], and read again.
type ArchiveReader struct {
	src   *sourceReader
	dec   *zstd.Decoder
	sum   hash.Hash
	logID LogID
	run   *segmentRun // nil between segments
	last  Segment     // the segment read before
	info  ArchiveInfo
	buf   [64]byte
	err   error
}

// ArchiveInfo is what a whole pass over an archive learns.
type ArchiveInfo struct {
	LogID     LogID
	Segments  uint64
	Snapshots uint64            // how many of the segments are snapshots
	Frames    uint64            // frames in the archive
	First     uint64            // number of the first frame covered
	Last      uint64            // number of the last frame covered
	SizeAfter uint32            // size of the database in pages after Last
	Digest    [sha256.Size]byte // SHA-256 of the archive's uncompressed form
}

// sourceReader remembers why its reader failed, so that a stick that was
// pulled out is not taken for a damaged file.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// NewArchiveReader reads the header of an archive. Its error wraps
// [ErrArchive] unless it is one of r.
func NewArchiveReader(r io.Reader) (*ArchiveReader, error) {
	a := &ArchiveReader{src: &sourceReader{r: r}, sum: sha256.New()}
	header := a.buf[:archiveHeaderSize]
	if _, err := io.ReadFull(a.src, header); err != nil {
		return nil, a.damaged(err)
	}
	if err := a.parseHeader(header); err != nil {
		return nil, fmt.Errorf("read archive header: %w", err)
	}
	a.sum.Write(header)
	dec, err := zstd.NewReader(a.src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxArchiveWindow))
	if err != nil {
		return nil, a.damaged(err)
	}
	a.dec = dec
	return a, nil
}

func (a *ArchiveReader) parseHeader(b []byte) error {
	if !bytes.HasPrefix(b, []byte(archiveMagic)) {
		return fmt.Errorf("%w: it does not begin like one", ErrArchive)
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != archiveVersion {
		return fmt.Errorf("%w: %w %d", ErrArchive, ErrArchiveVersion, v)
	}
	if flags := binary.LittleEndian.Uint16(b[10:]); flags != 0 {
		return fmt.Errorf("%w: %w: flags %#x", ErrArchive, ErrArchiveVersion, flags)
	}
	if size := binary.LittleEndian.Uint32(b[12:]); size != PageSize {
		return fmt.Errorf("%w: pages of %d bytes, want %d", ErrArchive, size, PageSize)
	}
	copy(a.logID[:], b[16:])
	if a.logID.IsZero() {
		return fmt.Errorf("%w: no log id", ErrArchive)
	}
	a.info.LogID = a.logID
	return nil
}

// LogID names the log that the frames are of.
func (a *ArchiveReader) LogID() LogID { return a.logID }

// NextSegment goes to the next segment, past whatever of the current one was
// not read. Of the Segment it gives, Last, Count and SizeAfter are not known
// yet. The error is [io.EOF] at the end of a whole archive, and only then was
// the digest found right. Other errors wrap [ErrArchive], unless they are
// those of the reader under it. After an error every call returns the same one.
func (a *ArchiveReader) NextSegment() (Segment, error) {
	if err := a.skipFrames(); err != nil {
		return Segment{}, err
	}
	seg, err := a.nextSegment()
	if err != nil {
		a.err = err
		return Segment{}, err
	}
	return seg, nil
}

// NextFrame reads the next frame of the segment into dst, which must have room
// for [Size] bytes, and gives it as a view of dst. The error is [io.EOF] at the
// end of the segment; [ArchiveReader.Segment] then knows everything about it.
// Other errors are as those of NextSegment; one about a frame is a
// [*FrameError] too.
func (a *ArchiveReader) NextFrame(dst []byte) (Frame, error) {
	if len(dst) < Size {
		return nil, fmt.Errorf("read archive into %d bytes: %w", len(dst), io.ErrShortBuffer)
	}
	if a.err != nil {
		return nil, a.err
	}
	if a.run == nil {
		return nil, io.EOF
	}
	f := Frame(dst[:Size:Size])
	more, err := a.nextFrame(f)
	if err != nil {
		a.err = err
		return nil, err
	}
	if !more {
		return nil, io.EOF
	}
	return f, nil
}

// Segment describes the current segment as far as it was read.
func (a *ArchiveReader) Segment() Segment {
	if a.run != nil {
		return a.run.seg
	}
	return a.last
}

// Info is what was learned so far; it is complete once NextSegment has given
// [io.EOF].
func (a *ArchiveReader) Info() ArchiveInfo { return a.info }

// VerifyArchive reads the whole archive and checks everything about it:
// counts, order, checksum chains, digest, and that nothing follows. It fails as
// NextSegment and NextFrame do.
func VerifyArchive(r io.Reader) (ArchiveInfo, error) {
	a, err := NewArchiveReader(r)
	if err != nil {
		return ArchiveInfo{}, err
	}
	for {
		if _, err := a.NextSegment(); err == io.EOF {
			return a.Info(), nil
		} else if err != nil {
			return ArchiveInfo{}, err
		}
	}
}

func (a *ArchiveReader) skipFrames() error {
	if a.err != nil || a.run == nil {
		return a.err
	}
	scratch := make([]byte, Size)
	for {
		if _, err := a.NextFrame(scratch); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (a *ArchiveReader) nextSegment() (Segment, error) {
	tag, err := a.tag()
	if err != nil {
		return Segment{}, err
	}
	switch tag {
	case tagSegment:
		return a.segmentHead()
	case tagTrailer:
		return Segment{}, a.trailer()
	}
	return Segment{}, fmt.Errorf("%w: record %q between segments", ErrArchive, tag)
}

func (a *ArchiveReader) segmentHead() (Segment, error) {
	b := a.buf[:segmentHeadSize]
	if err := a.read(b); err != nil {
		return Segment{}, err
	}
	seg := Segment{
		Kind:     SegmentKind(b[0]),
		SumKnown: b[1] == flagSumKnown,
		First:    binary.LittleEndian.Uint64(b[2:]),
		Sum:      binary.LittleEndian.Uint64(b[10:]),
	}
	switch {
	case seg.Kind != SegmentLog && seg.Kind != SegmentSnapshot:
		return Segment{}, fmt.Errorf("%w: %v", ErrArchive, seg.Kind)
	case b[1]&^flagSumKnown != 0 || !seg.canonical():
		return Segment{}, fmt.Errorf("%w: %s segment with flags %#x and checksum %#x", ErrArchive, seg.Kind, b[1], seg.Sum)
	case seg.First > MaxFrameNo:
		return Segment{}, fmt.Errorf("%w: segment at frame %d: no log is that long", ErrArchive, seg.First)
	case a.info.Segments > 0 && seg.First != a.last.Last+1:
		return Segment{}, fmt.Errorf("%w: segment at frame %d, want %d", ErrArchive, seg.First, a.last.Last+1)
	}
	a.count(seg)
	a.run = newSegmentRun(seg)
	return seg, nil
}

func (a *ArchiveReader) count(s Segment) {
	if a.info.Segments == 0 {
		a.info.First = s.First
	}
	if s.Kind == SegmentSnapshot {
		a.info.Snapshots++
	}
	a.info.Segments++
}

// nextFrame reads a frame, or else the end of the segment.
func (a *ArchiveReader) nextFrame(f Frame) (more bool, err error) {
	tag, err := a.tag()
	if err != nil {
		return false, err
	}
	switch tag {
	case tagFrame:
		return true, a.frame(f)
	case tagEnd:
		return false, a.segmentEnd()
	}
	return false, fmt.Errorf("%w: record %q in a segment", ErrArchive, tag)
}

func (a *ArchiveReader) frame(f Frame) error {
	if err := a.read(f); err != nil {
		return err
	}
	if err := a.run.verify(f); err != nil {
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	a.info.Frames++
	return nil
}

func (a *ArchiveReader) segmentEnd() error {
	b := a.buf[:segmentEndSize]
	if err := a.read(b); err != nil {
		return err
	}
	if err := a.run.whole(); err != nil {
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	got, want := a.run.seg, a.run.seg
	want.Last = binary.LittleEndian.Uint64(b[0:])
	want.Count = binary.LittleEndian.Uint64(b[8:])
	want.SizeAfter = binary.LittleEndian.Uint32(b[16:])
	if got != want {
		return fmt.Errorf("%w: segment %+v says at its end that it is %+v", ErrArchive, got, want)
	}
	a.last, a.run = got, nil
	a.info.Last, a.info.SizeAfter = got.Last, got.SizeAfter
	return nil
}

// trailer checks counts and digest, and that nothing follows. Its good result
// is io.EOF.
func (a *ArchiveReader) trailer() error {
	counts := a.buf[:16]
	if err := a.read(counts); err != nil {
		return err
	}
	a.sum.Sum(a.info.Digest[:0])
	segments, frames := binary.LittleEndian.Uint64(counts), binary.LittleEndian.Uint64(counts[8:])
	if segments != a.info.Segments || frames != a.info.Frames || segments == 0 {
		return fmt.Errorf("%w: %d segments and %d frames, its end says %d and %d",
			ErrArchive, a.info.Segments, a.info.Frames, segments, frames)
	}
	digest := a.buf[16 : 16+sha256.Size]
	if err := a.read(digest); err != nil {
		return err
	}
	if !bytes.Equal(digest, a.info.Digest[:]) {
		return fmt.Errorf("%w: digest %x, its end says %x", ErrArchive, a.info.Digest, digest)
	}
	return a.atEnd()
}

func (a *ArchiveReader) atEnd() error {
	switch _, err := io.ReadFull(a.dec, a.buf[:1]); err {
	case nil:
		return fmt.Errorf("%w: more bytes behind its end", ErrArchive)
	case io.EOF:
		return io.EOF
	default:
		return a.damaged(err)
	}
}

func (a *ArchiveReader) tag() (byte, error) {
	err := a.read(a.buf[:1])
	return a.buf[0], err
}

func (a *ArchiveReader) read(b []byte) error {
	if _, err := io.ReadFull(a.dec, b); err != nil {
		return a.damaged(err)
	}
	a.sum.Write(b)
	return nil
}

// damaged wraps an error of reading: the source's own when it has failed,
// otherwise the bytes are at fault.
func (a *ArchiveReader) damaged(err error) error {
	if a.src.err != nil {
		return fmt.Errorf("read archive: %w", a.src.err)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read archive: %w: %w", ErrArchive, err)
}
