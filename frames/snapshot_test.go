package frames_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/testdata"
)

// readSnapshot gives the frames of a snapshot file up to the first error.
func readSnapshot(file io.Reader) (frames.SnapshotHeader, []frames.Frame, error) {
	r, err := frames.NewSnapshotReader(file)
	if err != nil {
		return frames.SnapshotHeader{}, nil, err
	}
	var out []frames.Frame
	for {
		f, err := r.Next(make([]byte, frames.Size))
		if err == io.EOF {
			return r.Header(), out, nil
		}
		if err != nil {
			return r.Header(), out, err
		}
		out = append(out, f)
	}
}

// capturedStream gives the frames of a captured Snapshot answer.
func capturedStream(t *testing.T, name string) []frames.Frame {
	t.Helper()
	e := frames.NewEnvelopeReader(bytes.NewReader(testdata.Read(t, name)))
	var out []frames.Frame
	for {
		kind, length, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		if kind == frames.EnvelopeTrailers {
			return out
		}
		message, err := e.AppendPayload(nil, int(length))
		if err != nil {
			t.Fatal(err)
		}
		m, err := frames.ParseFrameMessage(message)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m.Data)
	}
}

// writeSnapshot writes a snapshot file and gives its bytes.
func writeSnapshot(t *testing.T, id frames.LogID, first uint64, run []frames.Frame) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "snapshot")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := frames.NewSnapshotWriter(file, id, first)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range run {
		if err := w.WriteFrame(f); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestASnapshotIsTheSameInItsFileAndOnTheWire(t *testing.T) {
	file := testdata.Read(t, "wire/snapshot.snap")
	header, fromFile, err := readSnapshot(iotest.HalfReader(bytes.NewReader(file)))
	if err != nil {
		t.Fatal(err)
	}
	fromWire := capturedStream(t, "wire/snapshot.bin")
	if diff := cmp.Diff(fromWire, fromFile, sameFrame); diff != "" {
		t.Errorf("frames (-wire +file):\n%s", diff)
	}
	if header.End != fromFile[0].FrameNo() || header.Count != uint64(len(fromFile)) {
		t.Errorf("header %+v; first frame %d of %d", header, fromFile[0].FrameNo(), len(fromFile))
	}
	if got := writeSnapshot(t, header.LogID, header.Start, fromWire); !bytes.Equal(got, file) {
		t.Error("the file written from the wire is not the one of the server")
	}
}

func TestPartOfASnapshotIsARunOfItsOwn(t *testing.T) {
	part := capturedStream(t, "wire/snapshot-part.bin")
	run := frames.NewSnapshotRun(part[len(part)-1].FrameNo())
	for i, f := range part {
		if run.Done() {
			t.Fatalf("done after %d of %d frames", i, len(part))
		}
		if err := run.Verify(f); err != nil {
			t.Fatal(err)
		}
	}
	last := part[len(part)-1]
	if !run.Done() || run.Last() != part[0].FrameNo() || run.Count() != uint64(len(part)) || run.SizeAfter() != last.SizeAfter() {
		t.Errorf("done %t, last %d, count %d, size %d; want true, %d, %d, %d",
			run.Done(), run.Last(), run.Count(), run.SizeAfter(), part[0].FrameNo(), len(part), last.SizeAfter())
	}
}

func TestASnapshotRunRefusesWhatDoesNotFollow(t *testing.T) {
	log := makeLog(10, 5)
	cases := []struct {
		name  string
		run   []frames.Frame
		frame frames.Frame
		want  error
	}{
		{"a higher number", []frames.Frame{withSize(log[5], 0)}, log[6], frames.ErrOutOfOrder},
		{"the same number", []frames.Frame{withSize(log[5], 0)}, log[5], frames.ErrOutOfOrder},
		{"below the range", []frames.Frame{withSize(log[5], 0)}, log[2], frames.ErrOutOfOrder},
		{"behind the end", []frames.Frame{withSize(log[5], 9)}, log[4], frames.ErrCommit},
		{"page 0", nil, withHeader(log[5], func(h *frames.Header) { h.PageNo = 0 }), frames.ErrPageNumber},
		{"short", nil, log[5][:10], frames.ErrShortFrame},
	}
	for _, c := range cases {
		run := frames.NewSnapshotRun(3)
		for _, f := range c.run {
			if err := run.Verify(f); err != nil {
				t.Fatal(err)
			}
		}
		var detail *frames.FrameError
		if err := run.Verify(c.frame); !errors.Is(err, c.want) || !errors.As(err, &detail) {
			t.Errorf("%s: error %v, want a FrameError of %v", c.name, err, c.want)
		}
		if run.Count() != uint64(len(c.run)) {
			t.Errorf("%s: a refused frame was counted: %d, want %d", c.name, run.Count(), len(c.run))
		}
	}
}

func TestSnapshotWriterAndReaderAgree(t *testing.T) {
	log := makeLog(250, 10)
	want := makeSnapshot(log, 20, 200)
	header, got, err := readSnapshot(bytes.NewReader(writeSnapshot(t, testLogID, 20, want)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameFrame); diff != "" {
		t.Errorf("frames (-written +read):\n%s", diff)
	}
	wantHeader := frames.SnapshotHeader{LogID: testLogID, Start: 20, End: 199, Count: uint64(len(want)), SizeAfter: 100}
	if diff := cmp.Diff(wantHeader, header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

func TestDamagedSnapshotFilesAreRefused(t *testing.T) {
	log := makeLog(20, 5)
	good := writeSnapshot(t, testLogID, 0, makeSnapshot(log, 0, 20))
	edit := func(at int, b ...byte) []byte {
		bad := bytes.Clone(good)
		copy(bad[at:], b)
		return bad
	}
	second := frames.SnapshotHeaderSize + frames.Size
	cases := []struct {
		name string
		file []byte
		want error
	}{
		{"no byte", nil, io.ErrUnexpectedEOF},
		{"header cut", good[:47], io.ErrUnexpectedEOF},
		{"no frame", good[:48], io.ErrUnexpectedEOF},
		{"cut in a frame", good[:len(good)-1], io.ErrUnexpectedEOF},
		{"cut behind a frame", good[:len(good)-frames.Size], io.ErrUnexpectedEOF},
		{"a byte too long", append(bytes.Clone(good), 0), frames.ErrSnapshot},
		{"header of zeros", edit(0, make([]byte, 48)...), frames.ErrSnapshot},
		{"start behind the end", edit(16, 0xff), frames.ErrSnapshot},
		{"end is not the first frame", edit(24, 0xff), frames.ErrOutOfOrder},
		{"start above the frames", edit(16, 5), frames.ErrSnapshot},
		{"count too high", edit(32, 21), frames.ErrSnapshot},
		{"count of 2^63", edit(39, 0x80), frames.ErrSnapshot},
		{"count too low", edit(32, 19), frames.ErrSnapshot},
		{"count 0", edit(32, 0), frames.ErrSnapshot},
		{"size 0", edit(40, 0), frames.ErrSnapshot},
		{"numbers rise", edit(second, 0x7f), frames.ErrOutOfOrder},
		{"page 0", edit(second+16, 0, 0), frames.ErrPageNumber},
		{"a size in the file", edit(second+20, 1), frames.ErrCommit},
	}
	for _, c := range cases {
		_, _, err := readSnapshot(bytes.NewReader(c.file))
		if !errors.Is(err, c.want) || !errors.Is(err, frames.ErrSnapshot) {
			t.Errorf("%s: error %v, want %v in %v", c.name, err, c.want, frames.ErrSnapshot)
		}
	}
}

func TestErrorsOfTheDiskAreNotADamagedSnapshot(t *testing.T) {
	good := testdata.Read(t, "wire/snapshot.snap")
	broken := errors.New("input/output error")
	for _, n := range []int{0, 10, 48, 5000, len(good)} {
		_, _, err := readSnapshot(io.MultiReader(bytes.NewReader(good[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || errors.Is(err, frames.ErrSnapshot) {
			t.Errorf("after %d bytes: error %v, want %v alone", n, err, broken)
		}
	}
}

func TestASnapshotThatWasNotFinishedIsNotTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := frames.NewSnapshotWriter(file, testLogID, 0)
	if err != nil {
		t.Fatal(err)
	}
	log := makeLog(2, 2)
	if err := w.WriteFrame(withSize(log[1], 0)); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteFrame(log[1]); !errors.Is(err, frames.ErrOutOfOrder) {
		t.Errorf("the same frame again: error %v, want %v", err, frames.ErrOutOfOrder)
	}
	if _, err := w.Close(); !errors.Is(err, frames.ErrCommit) {
		t.Errorf("close inside the snapshot: error %v, want %v", err, frames.ErrCommit)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := readSnapshot(bytes.NewReader(data)); !errors.Is(err, frames.ErrSnapshot) {
		t.Errorf("the file: error %v, want %v", err, frames.ErrSnapshot)
	}
}

func TestDetectFileTellsFilesApart(t *testing.T) {
	snapshot := testdata.Read(t, "wire/snapshot.snap")
	archive := writeLogArchive(t, makeLog(2, 2))
	cases := []struct {
		name string
		data []byte
		size int64
		want frames.FileKind
	}{
		{"snapshot", snapshot, int64(len(snapshot)), frames.FileSnapshot},
		{"snapshot of unknown size", snapshot[:48], -1, frames.FileSnapshot},
		{"snapshot cut", snapshot, int64(len(snapshot) - 1), frames.FileUnknown},
		{"snapshot with a frame more", snapshot, int64(len(snapshot) + frames.Size), frames.FileUnknown},
		{"header cut", snapshot[:47], -1, frames.FileUnknown},
		{"archive", archive, int64(len(archive)), frames.FileArchive},
		{"archive of unknown size", archive, -1, frames.FileArchive},
		{"database", testdata.Read(t, "wal/clean-4096.db"), 4096, frames.FileUnknown},
		{"database of unknown size", testdata.Read(t, "wal/clean-4096.db"), -1, frames.FileUnknown},
		{"wal", testdata.Read(t, "wal/clean-4096.wal"), -1, frames.FileUnknown},
		{"nothing", nil, 0, frames.FileUnknown},
		{"zeros", make([]byte, 4168), 4168, frames.FileUnknown},
	}
	for _, c := range cases {
		if got := frames.DetectFile(c.data, c.size); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
