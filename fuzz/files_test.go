package fuzz

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/testdata"
	"github.com/floedb/floe/wal"
)

func FuzzSnapshot(f *testing.F) {
	snapshot := testdata.Read(f, "wire/snapshot.snap")
	h, err := frames.ParseSnapshotHeader(snapshot)
	if err != nil {
		f.Fatal(err)
	}
	for h.Count = range uint64(3) {
		seed := h.Append(nil)
		f.Add(append(seed, snapshot[len(seed):][:h.Count*frames.Size]...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := frames.NewSnapshotReader(bytes.NewReader(b))
		if err != nil {
			wantIs(t, err, frames.ErrSnapshot)
			return
		}
		h := r.Header()
		again := &memoryFile{}
		w, err := frames.NewSnapshotWriter(again, h.LogID, h.Start)
		if err != nil {
			t.Fatal(err)
		}
		if err := copySnapshot(t, w, r); err != io.EOF {
			wantIs(t, err, frames.ErrSnapshot)
			return
		}
		if _, err := w.Close(); err != nil {
			t.Fatalf("what was read is no snapshot: %v", err)
		}
		copy(again.data[44:48], b[44:48]) // padding
		if !bytes.Equal(again.data, b) {
			t.Errorf("%d bytes written again differ from the %d read", len(again.data), len(b))
		}
		if kind := frames.DetectFile(b, int64(len(b))); kind != frames.FileSnapshot {
			t.Errorf("a whole snapshot is detected as %v", kind)
		}
	})
}

// copySnapshot copies frames and gives the error that ends them. The numbers
// must fall and stay in the range.
func copySnapshot(t *testing.T, w *frames.SnapshotWriter, r *frames.SnapshotReader) error {
	t.Helper()
	dst := make([]byte, frames.Size)
	prev := r.Header().End
	for first := true; ; first = false {
		f, err := r.Next(dst)
		if err != nil {
			return err
		}
		if f.PageNo() == 0 || f.FrameNo() < r.Header().Start || f.FrameNo() > prev || !first && f.FrameNo() == prev {
			t.Fatalf("frame %+v behind frame %d in %+v", f.Header(), prev, r.Header())
		}
		prev = f.FrameNo()
		if err := w.WriteFrame(f); err != nil {
			t.Fatalf("a frame that was read is refused: %v", err)
		}
	}
}

func wantIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want one of %v", err, want)
	}
}

// memoryFile is an io.WriteSeeker that can go back to its start.
type memoryFile struct {
	data []byte
	at   int
}

func (m *memoryFile) Write(p []byte) (int, error) {
	n := copy(m.data[m.at:], p)
	m.data = append(m.data, p[n:]...)
	m.at += len(p)
	return len(p), nil
}

func (m *memoryFile) Seek(int64, int) (int64, error) {
	m.at = 0
	return 0, nil
}

// seedArchive holds a log segment and a snapshot.
func seedArchive(tb testing.TB) []byte {
	tb.Helper()
	log := smallLog(4)
	var out bytes.Buffer
	w, err := frames.NewArchiveWriter(&out, frames.LogID{1})
	if err != nil {
		tb.Fatal(err)
	}
	end := func() error { _, err := w.EndSegment(); return err }
	for _, step := range []func() error{
		func() error { return w.BeginLog(frames.NewChain(0, 0)) },
		func() error { return w.WriteFrame(log[0]) },
		func() error { return w.WriteFrame(log[1]) },
		end,
		func() error { return w.BeginSnapshot(2) },
		func() error { return w.WriteFrame(log[3]) },
		end,
		w.Close,
	} {
		if err := step(); err != nil {
			tb.Fatal(err)
		}
	}
	return out.Bytes()
}

func FuzzArchive(f *testing.F) {
	f.Add(seedArchive(f))
	f.Fuzz(wantArchiveKept)
}

// archiveHeader is the length of what comes before the compressed stream.
const archiveHeader = 32

// FuzzArchiveRecords fuzzes the stream inside the compression, which mutations
// of the file itself hardly reach: the input is compressed, with the digest
// that it should have.
func FuzzArchiveRecords(f *testing.F) {
	seed := seedArchive(f)
	header := seed[:archiveHeader]
	dec, err := zstd.NewReader(bytes.NewReader(seed[archiveHeader:]))
	if err != nil {
		f.Fatal(err)
	}
	defer dec.Close()
	stream, err := io.ReadAll(dec)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stream[:len(stream)-sha256.Size])
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	defer enc.Close()
	f.Fuzz(func(t *testing.T, stream []byte) {
		digest := sha256.Sum256(slices.Concat(header, stream))
		wantArchiveKept(t, enc.EncodeAll(slices.Concat(stream, digest[:]), bytes.Clone(header)))
	})
}

// wantArchiveKept fails when b is taken for an archive and does not come back
// the same when it is written again.
func wantArchiveKept(t *testing.T, b []byte) {
	t.Helper()
	var info frames.ArchiveInfo
	var err error
	// A window of 8 MB, and what the decoder keeps around it.
	wantBounded(t, len(b), 48<<20, 64, func() { info, err = frames.VerifyArchive(bytes.NewReader(b)) })
	if err != nil {
		wantIs(t, err, frames.ErrArchive)
		return
	}
	if kind := frames.DetectFile(b, int64(len(b))); kind != frames.FileArchive {
		t.Errorf("a whole archive is detected as %v", kind)
	}
	again := rewriteArchive(t, b)
	back, err := frames.VerifyArchive(bytes.NewReader(again))
	if err != nil || back != info {
		t.Errorf("written again it is %+v, %v; want %+v", back, err, info)
	}
}

// rewriteArchive reads an archive known to be whole and writes it again.
func rewriteArchive(t *testing.T, b []byte) []byte {
	t.Helper()
	r, err := frames.NewArchiveReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := frames.NewArchiveWriter(&out, r.LogID())
	if err != nil {
		t.Fatal(err)
	}
	for {
		seg, err := r.NextSegment()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		copySegment(t, w, r, seg)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func copySegment(t *testing.T, w *frames.ArchiveWriter, r *frames.ArchiveReader, seg frames.Segment) {
	t.Helper()
	if err := beginAs(w, seg); err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, frames.Size)
	for {
		f, err := r.NextFrame(dst)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteFrame(f); err != nil {
			t.Fatalf("a frame that was read is refused: %v", err)
		}
	}
	if got, err := w.EndSegment(); err != nil || got != r.Segment() {
		t.Fatalf("segment %+v, %v; want %+v", got, err, r.Segment())
	}
}

func beginAs(w *frames.ArchiveWriter, seg frames.Segment) error {
	switch {
	case seg.Kind == frames.SegmentSnapshot:
		return w.BeginSnapshot(seg.First)
	case seg.SumKnown:
		return w.BeginLog(frames.NewChain(seg.First, seg.Sum))
	default:
		return w.BeginLog(frames.NewOpenChain(seg.First))
	}
}

func FuzzWAL(f *testing.F) {
	const frameSize = wal.FrameHeaderSize + 512
	log := testdata.Read(f, "wal/clean-512.wal")
	f.Add(log[:wal.HeaderSize])
	f.Add(log[:wal.HeaderSize+3*frameSize])
	f.Add(log[:wal.HeaderSize+3*frameSize-100])
	stale := bytes.Clone(log[:wal.HeaderSize+3*frameSize])
	stale[len(stale)-frameSize+8]++ // the first salt
	f.Add(stale)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := wal.NewReader(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, wal.ErrEmpty) {
				wantIs(t, err, wal.ErrHeader)
			}
			return
		}
		again := rewriteWAL(t, b, r)
		if !bytes.HasPrefix(b, again) {
			t.Errorf("the %d bytes written again are not the first of the %d read", len(again), len(b))
		}
		s := r.Summary()
		if clean := len(again) == len(b); clean != (s.End == wal.EndClean) {
			t.Errorf("end is %v with %d of %d bytes valid", s.End, len(again), len(b))
		}
		if s.Committed > s.Frames || s.CommittedEnd > int64(len(again)) || (s.Commits == 0) != (s.SizeAfter == 0) {
			t.Errorf("summary %+v of %d valid bytes", s, len(again))
		}
	})
}

// rewriteWAL writes what the reader gives. Each checksum is made anew here, by
// the definition and not by package wal, and must be the one of the frame.
func rewriteWAL(t *testing.T, b []byte, r *wal.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := wal.NewWriter(&out, r.Header())
	if err != nil {
		t.Fatal(err)
	}
	bigEndian := r.Header().BigEndian
	sum := plainSum(wal.Sum{}, bigEndian, b[:24])
	for {
		f, err := r.Next()
		if err == io.EOF {
			return out.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		sum = plainSum(plainSum(sum, bigEndian, b[f.Offset:f.Offset+8]), bigEndian, f.Page)
		if f.Sum != sum || f.PageNo == 0 {
			t.Fatalf("frame of page %d with checksum %v, its bytes give %v", f.PageNo, f.Sum, sum)
		}
		if err := w.WriteFrame(f.PageNo, f.Page, f.SizeAfter); err != nil {
			t.Fatal(err)
		}
	}
}

// plainSum is the checksum as SQLite's documentation has it.
func plainSum(s wal.Sum, bigEndian bool, b []byte) wal.Sum {
	word := func(at int) uint32 {
		if bigEndian {
			return uint32(b[at])<<24 | uint32(b[at+1])<<16 | uint32(b[at+2])<<8 | uint32(b[at+3])
		}
		return uint32(b[at+3])<<24 | uint32(b[at+2])<<16 | uint32(b[at+1])<<8 | uint32(b[at])
	}
	for at := 0; at < len(b); at += 8 {
		s.S1 += word(at) + s.S2
		s.S2 += word(at+4) + s.S1
	}
	return s
}
