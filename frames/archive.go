package frames

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// ErrArchive is wrapped by every error about bytes that are not a whole,
// undamaged frame archive.
var ErrArchive = errors.New("invalid frame archive")

// ErrArchiveVersion means that an archive is of a format that this package
// does not know. It comes together with [ErrArchive].
var ErrArchiveVersion = errors.New("unknown archive version")

// ErrArchiveState means that the calls of an [ArchiveWriter] came in an order
// that makes no archive. It is an error of the program, not of the data.
var ErrArchiveState = errors.New("archive writer used out of order")

// The parts of an archive, in bytes. ARCHIVE.md has the layout.
const (
	archiveMagic   = "floe\xf1\x0d\x0a\x1a" // not text; damaged by line-end conversion
	archiveVersion = 1

	archiveHeaderSize = 32
	segmentHeadSize   = 1 + 1 + 8 + 8
	segmentEndSize    = 8 + 8 + 4

	// archiveWindow bounds what reading and writing an archive takes in memory.
	archiveWindow    = 4 << 20
	maxArchiveWindow = 8 << 20
)

// Tags: the byte before each record of the compressed stream.
const (
	tagSegment = 'S'
	tagFrame   = 'F'
	tagEnd     = 'E'
	tagTrailer = 'Z'
)

const flagSumKnown = 1

// SegmentKind says what the frames of a segment are.
type SegmentKind uint8

// The kinds of segment.
const (
	SegmentLog      SegmentKind = 1 // frames of the log, a checksum chain: see Chain
	SegmentSnapshot SegmentKind = 2 // a snapshot, newest frame first: see SnapshotRun
)

// String gives the name of the kind.
func (k SegmentKind) String() string {
	switch k {
	case SegmentLog:
		return "log"
	case SegmentSnapshot:
		return "snapshot"
	}
	return fmt.Sprintf("SegmentKind(%d)", uint8(k))
}

// Segment describes one run of frames in an archive. Last, Count and SizeAfter
// are known once its last frame was read.
type Segment struct {
	Kind      SegmentKind
	First     uint64 // number of the first frame covered
	Sum       uint64 // checksum of the frame before First; of a log segment only
	SumKnown  bool   // false: the first frame's checksum was taken on trust
	Last      uint64 // number of the last frame covered
	Count     uint64 // frames in the segment
	SizeAfter uint32 // size of the database in pages after Last
}

// canonical reports whether the beginning of a segment is written the one way
// there is: a checksum only where it is known, and known before frame 0.
func (s Segment) canonical() bool {
	if s.Kind == SegmentSnapshot {
		return !s.SumKnown && s.Sum == 0
	}
	return s.SumKnown || s.Sum == 0 && s.First != 0
}

// segmentRun verifies the frames of one segment, for the writer and the reader
// alike: what one writes the other takes.
type segmentRun struct {
	seg   Segment
	chain Chain
	snap  SnapshotRun
}

func newSegmentRun(s Segment) *segmentRun {
	run := &segmentRun{seg: s, snap: *NewSnapshotRun(s.First)}
	if s.SumKnown {
		run.chain = *NewChain(s.First, s.Sum)
	} else {
		run.chain = *NewOpenChain(s.First)
	}
	return run
}

func (r *segmentRun) verify(f Frame) error {
	if r.seg.Kind == SegmentSnapshot {
		if err := r.snap.Verify(f); err != nil {
			return err
		}
		r.seg.Last = r.snap.Last()
	} else {
		if err := r.chain.Verify(f); err != nil {
			return err
		}
		r.seg.Last = f.FrameNo()
	}
	r.seg.Count++
	r.seg.SizeAfter = f.SizeAfter()
	return nil
}

// whole says whether the segment may end here: behind a whole transaction.
func (r *segmentRun) whole() error {
	if r.seg.SizeAfter == 0 {
		return fmt.Errorf("%w: the %s segment from frame %d has %d frames and ends inside a transaction",
			ErrCommit, r.seg.Kind, r.seg.First, r.seg.Count)
	}
	return nil
}

func appendArchiveHeader(dst []byte, id LogID) []byte {
	dst = append(dst, archiveMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, archiveVersion)
	dst = binary.LittleEndian.AppendUint16(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, PageSize)
	return append(dst, id[:]...)
}

func appendSegmentHead(dst []byte, s Segment) []byte {
	var flags byte
	if s.SumKnown {
		flags |= flagSumKnown
	}
	dst = append(dst, tagSegment, byte(s.Kind), flags)
	dst = binary.LittleEndian.AppendUint64(dst, s.First)
	return binary.LittleEndian.AppendUint64(dst, s.Sum)
}

func appendSegmentEnd(dst []byte, s Segment) []byte {
	dst = append(dst, tagEnd)
	dst = binary.LittleEndian.AppendUint64(dst, s.Last)
	dst = binary.LittleEndian.AppendUint64(dst, s.Count)
	return binary.LittleEndian.AppendUint32(dst, s.SizeAfter)
}

// ArchiveWriter writes a frame archive: floe's file for carrying frames where
// there is no network. Frames come in segments, each of them whole transactions,
// each going on where the one before it ended. The format is written down in
// ARCHIVE.md.
//
// It streams: it takes a few megabytes whatever the archive's size, and needs to
// know no count in advance. An archive that was not closed is found to be
// damaged by every reader.
type ArchiveWriter struct {
	enc      *zstd.Encoder
	sum      hash.Hash
	run      *segmentRun // nil between segments
	last     Segment     // the segment before
	segments uint64
	frames   uint64
	buf      []byte
	err      error
}

// NewArchiveWriter begins an archive of the log id. It writes nothing after
// Close and never closes w.
func NewArchiveWriter(w io.Writer, id LogID) (*ArchiveWriter, error) {
	if id.IsZero() {
		return nil, fmt.Errorf("write archive: %w: no log id", ErrArchiveState)
	}
	header := appendArchiveHeader(nil, id)
	if _, err := w.Write(header); err != nil {
		return nil, fmt.Errorf("write archive header: %w", err)
	}
	enc, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(archiveWindow))
	if err != nil {
		return nil, fmt.Errorf("write archive: %w", err)
	}
	a := &ArchiveWriter{enc: enc, sum: sha256.New(), buf: make([]byte, 0, 1+Size)}
	a.sum.Write(header)
	return a, nil
}

// BeginLog begins a segment of log frames at the place where chain stands,
// which knows the checksum before it or does not. It must be the frame after
// the segment before, if there is one. The chain is copied.
func (a *ArchiveWriter) BeginLog(chain *Chain) error {
	return a.begin(Segment{Kind: SegmentLog, First: chain.Next(), Sum: chain.Sum(), SumKnown: !chain.open})
}

// BeginSnapshot begins a segment that holds a snapshot of the log from frame
// first on, which must be the frame after the segment before, if there is one.
func (a *ArchiveWriter) BeginSnapshot(first uint64) error {
	return a.begin(Segment{Kind: SegmentSnapshot, First: first})
}

func (a *ArchiveWriter) begin(s Segment) error {
	switch {
	case a.err != nil:
		return a.err
	case a.run != nil:
		return fmt.Errorf("begin segment: %w: the one before it was not ended", ErrArchiveState)
	case a.segments > 0 && s.First != a.last.Last+1:
		return fmt.Errorf("begin segment: %w: at frame %d, want %d", ErrArchiveState, s.First, a.last.Last+1)
	}
	a.run = newSegmentRun(s)
	return a.write(appendSegmentHead(a.buf, s))
}

// WriteFrame adds the next frame of the segment. It verifies it as [Chain] or
// [SnapshotRun] does; a frame refused with a [*FrameError] changes nothing. It
// does not keep f.
func (a *ArchiveWriter) WriteFrame(f Frame) error {
	if a.err != nil {
		return a.err
	}
	if a.run == nil {
		return fmt.Errorf("write frame: %w: outside a segment", ErrArchiveState)
	}
	if err := a.run.verify(f); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	a.frames++
	return a.write(append(append(a.buf, tagFrame), f...))
}

// EndSegment ends the segment. It fails with [ErrCommit] when the last frame
// did not end a transaction; more frames can be written then.
func (a *ArchiveWriter) EndSegment() (Segment, error) {
	if a.err != nil {
		return Segment{}, a.err
	}
	if a.run == nil {
		return Segment{}, fmt.Errorf("end segment: %w: outside a segment", ErrArchiveState)
	}
	if err := a.run.whole(); err != nil {
		return Segment{}, fmt.Errorf("end segment: %w", err)
	}
	a.last = a.run.seg
	a.run = nil
	a.segments++
	return a.last, a.write(appendSegmentEnd(a.buf, a.last))
}

// Close writes what makes the archive complete. It fails when a segment was
// begun and not ended, or when there is none.
func (a *ArchiveWriter) Close() error {
	if a.err != nil {
		return a.err
	}
	if a.run != nil || a.segments == 0 {
		return fmt.Errorf("close archive: %w: %d segments, one open: %t", ErrArchiveState, a.segments, a.run != nil)
	}
	b := append(a.buf, tagTrailer)
	b = binary.LittleEndian.AppendUint64(b, a.segments)
	b = binary.LittleEndian.AppendUint64(b, a.frames)
	a.sum.Write(b)
	if _, err := a.enc.Write(a.sum.Sum(b)); err != nil {
		return a.fail(err)
	}
	if err := a.enc.Close(); err != nil {
		return a.fail(err)
	}
	a.err = fmt.Errorf("%w: archive is closed", ErrArchiveState)
	return nil
}

func (a *ArchiveWriter) write(b []byte) error {
	a.sum.Write(b)
	if _, err := a.enc.Write(b); err != nil {
		return a.fail(err)
	}
	return nil
}

func (a *ArchiveWriter) fail(err error) error {
	a.err = fmt.Errorf("write archive: %w", err)
	return a.err
}
