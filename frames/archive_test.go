package frames_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/testdata"
)

// archiveOf is an archive of three segments: log, snapshot, log.
func archiveOf(t *testing.T) (data []byte, segments []frames.Segment, content [][]frames.Frame) {
	t.Helper()
	log := makeLog(12, 3)
	content = [][]frames.Frame{log[:3], makeSnapshot(log, 3, 9), log[9:]}
	var out bytes.Buffer
	w, err := frames.NewArchiveWriter(&out, testLogID)
	if err != nil {
		t.Fatal(err)
	}
	begin := []func() error{
		func() error { return w.BeginLog(frames.NewChain(0, 0)) },
		func() error { return w.BeginSnapshot(3) },
		func() error { return w.BeginLog(frames.NewOpenChain(9)) },
	}
	for i, run := range content {
		segments = append(segments, writeSegment(t, w, begin[i], run))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), segments, content
}

// readArchive reads a whole archive, with frames of their own.
func readArchive(r io.Reader) (segments []frames.Segment, content [][]frames.Frame, info frames.ArchiveInfo, err error) {
	a, err := frames.NewArchiveReader(r)
	if err != nil {
		return nil, nil, frames.ArchiveInfo{}, err
	}
	for {
		if _, err := a.NextSegment(); err == io.EOF {
			return segments, content, a.Info(), nil
		} else if err != nil {
			return nil, nil, a.Info(), err
		}
		var run []frames.Frame
		for {
			f, err := a.NextFrame(make([]byte, frames.Size))
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, nil, a.Info(), err
			}
			run = append(run, f)
		}
		segments = append(segments, a.Segment())
		content = append(content, run)
	}
}

func TestAnArchiveGivesBackWhatWasPutIntoIt(t *testing.T) {
	data, wantSegments, wantContent := archiveOf(t)
	segments, content, info, err := readArchive(iotest.HalfReader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantSegments, segments); diff != "" {
		t.Errorf("segments (-written +read):\n%s", diff)
	}
	if diff := cmp.Diff(wantContent, content, sameFrame); diff != "" {
		t.Errorf("frames (-written +read):\n%s", diff)
	}
	want := frames.ArchiveInfo{LogID: testLogID, Segments: 3, Snapshots: 1, Frames: 12, First: 0, Last: 11, SizeAfter: 100, Digest: info.Digest}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	verified, err := frames.VerifyArchive(bytes.NewReader(data))
	if diff := cmp.Diff(info, verified); diff != "" || err != nil {
		t.Errorf("VerifyArchive: %v, info (-read +verified):\n%s", err, diff)
	}
}

func TestAnArchiveOfVersion1StaysReadable(t *testing.T) {
	segments, content, info, err := readArchive(bytes.NewReader(testdata.Read(t, "archive/version1.frames")))
	if err != nil {
		t.Fatal(err)
	}
	header, snapshot, err := readSnapshot(bytes.NewReader(testdata.Read(t, "wire/snapshot.snap")))
	if err != nil {
		t.Fatal(err)
	}
	var log []frames.Frame
	for _, m := range capturedBatch(t, "wire/batch-after-snapshot.bin") {
		log = append(log, m.Data)
	}
	if diff := cmp.Diff([][]frames.Frame{snapshot, log}, content, sameFrame); diff != "" {
		t.Errorf("frames (-captured +archived):\n%s", diff)
	}
	if info.LogID != header.LogID || info.First != header.Start || segments[0].Last != header.End || info.Last != log[len(log)-1].FrameNo() {
		t.Errorf("info %+v of segments %+v; the snapshot is %+v", info, segments, header)
	}
}

func TestASegmentSaysFromTheStartWhereItBegins(t *testing.T) {
	data, want, _ := archiveOf(t)
	a, err := frames.NewArchiveReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if a.LogID() != testLogID {
		t.Errorf("log id %v, want %v", a.LogID(), testLogID)
	}
	for _, w := range want {
		got, err := a.NextSegment() // passes over the frames of the one before
		if err != nil {
			t.Fatal(err)
		}
		w.Last, w.Count, w.SizeAfter = 0, 0, 0
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("segment (-want +got):\n%s", diff)
		}
	}
	for range 2 {
		if _, err := a.NextSegment(); err != io.EOF {
			t.Errorf("behind the last segment: error %v, want %v", err, io.EOF)
		}
		if _, err := a.NextFrame(make([]byte, frames.Size)); err != io.EOF {
			t.Errorf("frame behind the last segment: error %v, want %v", err, io.EOF)
		}
	}
}

func TestATruncatedArchiveIsFoundWhereverItIsCut(t *testing.T) {
	data, _, _ := archiveOf(t)
	for cut := 0; cut < len(data); cut += 1 + cut%61 {
		if _, err := frames.VerifyArchive(bytes.NewReader(data[:cut])); !errors.Is(err, frames.ErrArchive) {
			t.Fatalf("cut at %d of %d: error %v, want %v", cut, len(data), err, frames.ErrArchive)
		}
	}
	if _, err := frames.VerifyArchive(bytes.NewReader(data[:len(data)-1])); !errors.Is(err, frames.ErrArchive) {
		t.Errorf("last byte missing: error %v, want %v", err, frames.ErrArchive)
	}
}

func TestAFlippedBitInAnArchiveIsFound(t *testing.T) {
	data, _, _ := archiveOf(t)
	for at := 0; at < len(data); at += 1 + at%61 {
		bad := bytes.Clone(data)
		bad[at] ^= 1 << (at % 8)
		if _, err := frames.VerifyArchive(bytes.NewReader(bad)); !errors.Is(err, frames.ErrArchive) {
			t.Fatalf("bit of byte %d of %d: error %v, want %v", at, len(data), err, frames.ErrArchive)
		}
	}
}

func TestBytesBehindAnArchiveAreFound(t *testing.T) {
	data, _, _ := archiveOf(t)
	again := repack(t, data, func(stream []byte) []byte { return append(stream, 0) })
	for name, bad := range map[string][]byte{
		"garbage":           append(bytes.Clone(data), "garbage"...),
		"itself":            append(bytes.Clone(data), data...),
		"inside the stream": again,
		"a second stream":   append(bytes.Clone(data), again[32:]...),
	} {
		if _, err := frames.VerifyArchive(bytes.NewReader(bad)); !errors.Is(err, frames.ErrArchive) {
			t.Errorf("%s: error %v, want %v", name, err, frames.ErrArchive)
		}
	}
}

// repack edits the uncompressed stream of an archive, so that the compression's
// own checks do not hide those of the archive.
func repack(t *testing.T, archive []byte, edit func([]byte) []byte) []byte {
	t.Helper()
	dec, err := zstd.NewReader(bytes.NewReader(archive[32:]))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	stream, err := io.ReadAll(dec)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	return enc.EncodeAll(edit(stream), bytes.Clone(archive[:32]))
}

func TestEveryByteOfTheStreamIsChecked(t *testing.T) {
	data, _, _ := archiveOf(t)
	size := 0
	whole := repack(t, data, func(s []byte) []byte { size = len(s); return s })
	if _, err := frames.VerifyArchive(bytes.NewReader(whole)); err != nil {
		t.Fatalf("repacked without an edit: %v", err)
	}
	for at := 0; at < size; at += 1 + at%397 {
		bad := repack(t, data, func(s []byte) []byte { s[at] ^= 0x10; return s })
		if _, err := frames.VerifyArchive(bytes.NewReader(bad)); !errors.Is(err, frames.ErrArchive) {
			t.Fatalf("byte %d of %d: error %v, want %v", at, size, err, frames.ErrArchive)
		}
	}
	for cut := 0; cut < size; cut += 1 + cut%1997 {
		bad := repack(t, data, func(s []byte) []byte { return s[:cut] })
		if _, err := frames.VerifyArchive(bytes.NewReader(bad)); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, frames.ErrArchive) {
			t.Fatalf("stream cut at %d of %d: error %v, want %v", cut, size, err, io.ErrUnexpectedEOF)
		}
	}
}

// TestRecordsThatContradictEachOtherAreRefused makes the digest right, so that
// nothing but the rule that is broken can refuse the archive.
func TestRecordsThatContradictEachOtherAreRefused(t *testing.T) {
	data, _, _ := archiveOf(t)
	const (
		segmentHead = 1 + 18
		frame       = 1 + frames.Size
		segmentEnd  = 1 + 20
		end         = segmentHead + 3*frame                   // of the first segment
		snapshot    = end + segmentEnd                        // where the second begins
		last        = 3*segmentHead + 12*frame + 3*segmentEnd // where the trailer is
	)
	cases := []struct {
		name string
		at   int
		to   byte
		want error
	}{
		{"tag between segments", 0, 'F', frames.ErrArchive},
		{"segment kind", 1, 3, frames.ErrArchive},
		{"segment flags", 2, 3, frames.ErrArchive},
		{"frame 0 without a checksum before it", 2, 0, frames.ErrArchive},
		{"first frame", 3, 1, frames.ErrOutOfOrder},
		{"checksum before", 11, 1, nil}, // a chain may begin anew
		{"tag in a segment", segmentHead, 'S', frames.ErrArchive},
		{"frame number", segmentHead + frame + 1, 9, frames.ErrOutOfOrder},
		{"page", segmentHead + frame + 1 + frames.HeaderSize + 9, 0xee, frames.ErrChecksum},
		{"end inside a transaction", segmentHead + frame, 'E', frames.ErrCommit},
		{"last frame number", end + 1, 9, frames.ErrArchive},
		{"frame count", end + 9, 9, frames.ErrArchive},
		{"database size", end + 17, 9, frames.ErrArchive},
		{"snapshot with a checksum", snapshot + 11, 9, frames.ErrArchive},
		{"snapshot with a flag", snapshot + 2, 1, frames.ErrArchive},
		{"gap between segments", snapshot + 3, 4, frames.ErrArchive},
		{"number of segments", last + 1, 9, frames.ErrArchive},
		{"number of frames", last + 9, 9, frames.ErrArchive},
	}
	for _, c := range cases {
		bad := repack(t, data, func(stream []byte) []byte {
			stream[c.at] = c.to
			stream = stream[:len(stream)-sha256.Size]
			digest := sha256.Sum256(slices.Concat(data[:32], stream))
			return append(stream, digest[:]...)
		})
		_, err := frames.VerifyArchive(bytes.NewReader(bad))
		if !errors.Is(err, c.want) || c.want != nil && !errors.Is(err, frames.ErrArchive) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
}

func TestAHeaderOfAnotherFormatIsRefused(t *testing.T) {
	data, _, _ := archiveOf(t)
	cases := []struct {
		name string
		at   int
		want error
	}{
		{"magic", 0, frames.ErrArchive},
		{"version", 8, frames.ErrArchiveVersion},
		{"flags", 10, frames.ErrArchiveVersion},
		{"page size", 13, frames.ErrArchive},
	}
	for _, c := range cases {
		bad := bytes.Clone(data)
		bad[c.at] ^= 2
		if _, err := frames.NewArchiveReader(bytes.NewReader(bad)); !errors.Is(err, c.want) || !errors.Is(err, frames.ErrArchive) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
	anonymous := append(bytes.Clone(data[:16]), make([]byte, 16)...)
	if _, err := frames.NewArchiveReader(bytes.NewReader(anonymous)); !errors.Is(err, frames.ErrArchive) {
		t.Errorf("no log id: error %v, want %v", err, frames.ErrArchive)
	}
}

func TestErrorsOfTheDiskAreNotADamagedArchive(t *testing.T) {
	data, _, _ := archiveOf(t)
	broken := errors.New("input/output error")
	for _, n := range []int{0, 10, 32, 40, len(data) / 2} {
		_, err := frames.VerifyArchive(io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || errors.Is(err, frames.ErrArchive) {
			t.Errorf("after %d bytes: error %v, want %v alone", n, err, broken)
		}
	}
}

func TestArchiveWriterRefusesWhatIsNoArchive(t *testing.T) {
	if _, err := frames.NewArchiveWriter(io.Discard, frames.LogID{}); !errors.Is(err, frames.ErrArchiveState) {
		t.Errorf("no log id: error %v, want %v", err, frames.ErrArchiveState)
	}
	log := makeLog(6, 3)
	w, err := frames.NewArchiveWriter(io.Discard, testLogID)
	if err != nil {
		t.Fatal(err)
	}
	end := func() error { _, err := w.EndSegment(); return err }
	steps := []struct {
		name string
		do   func() error
		want error
	}{
		{"close without a segment", w.Close, frames.ErrArchiveState},
		{"frame outside a segment", func() error { return w.WriteFrame(log[0]) }, frames.ErrArchiveState},
		{"end outside a segment", end, frames.ErrArchiveState},
		{"begin", func() error { return w.BeginLog(frames.NewChain(0, 0)) }, nil},
		{"begin twice", func() error { return w.BeginSnapshot(0) }, frames.ErrArchiveState},
		{"end without a frame", end, frames.ErrCommit},
		{"first frame", func() error { return w.WriteFrame(log[0]) }, nil},
		{"first frame again", func() error { return w.WriteFrame(log[0]) }, frames.ErrOutOfOrder},
		{"damaged frame", func() error { return w.WriteFrame(withFlip(log[1], 5)) }, frames.ErrChecksum},
		{"end inside a transaction", end, frames.ErrCommit},
		{"close inside a segment", w.Close, frames.ErrArchiveState},
		{"second frame", func() error { return w.WriteFrame(log[1]) }, nil},
		{"third frame", func() error { return w.WriteFrame(log[2]) }, nil},
		{"end", end, nil},
		{"a gap between segments", func() error { return w.BeginSnapshot(4) }, frames.ErrArchiveState},
		{"close", w.Close, nil},
		{"close again", w.Close, frames.ErrArchiveState},
		{"begin when closed", func() error { return w.BeginSnapshot(3) }, frames.ErrArchiveState},
		{"frame when closed", func() error { return w.WriteFrame(log[3]) }, frames.ErrArchiveState},
		{"end when closed", end, frames.ErrArchiveState},
	}
	for _, s := range steps {
		if err := s.do(); !errors.Is(err, s.want) {
			t.Errorf("%s: error %v, want %v", s.name, err, s.want)
		}
	}
}

type fullWriter struct{ left int }

var errFull = errors.New("no space left")

func (w *fullWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestArchiveWriterGivesTheErrorOfItsWriter(t *testing.T) {
	log := makeLog(3, 3)
	for _, room := range []int{0, 40, 5000} {
		w, err := frames.NewArchiveWriter(&fullWriter{room}, testLogID)
		if err == nil {
			writeSegment(t, w, func() error { return w.BeginLog(frames.NewChain(0, 0)) }, log)
			err = w.Close()
		}
		if !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: error %v, want %v", room, err, errFull)
		}
	}
}

func TestReadingAFrameOfAnArchiveDoesNotAllocate(t *testing.T) {
	data := writeLogArchive(t, makeLog(300, 3))
	a, err := frames.NewArchiveReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.NextSegment(); err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, frames.Size)
	if n := testing.AllocsPerRun(200, func() {
		if _, err := a.NextFrame(dst); err != nil {
			t.Error(err)
		}
	}); n >= 1 {
		t.Errorf("NextFrame allocates %v times, want less than once a frame", n)
	}
	if _, err := a.NextFrame(dst[:100]); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("100 bytes: error %v, want %v", err, io.ErrShortBuffer)
	}
}
