package wal_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/testdata"
	"github.com/floedb/floe/wal"
)

type page struct {
	no, sizeAfter uint32
	data          []byte
}

// readAll gives all valid frames of a log, with pages of their own.
func readAll(t *testing.T, log []byte) ([]page, wal.Summary) {
	t.Helper()
	r, err := wal.NewReader(bytes.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	var pages []page
	for {
		f, err := r.Next()
		if err == io.EOF {
			return pages, r.Summary()
		}
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page{f.PageNo, f.SizeAfter, bytes.Clone(f.Page)})
	}
}

// apply does to a database what a checkpoint of the committed frames does.
func apply(db []byte, pages []page, s wal.Summary) []byte {
	size := int(s.Header.PageSize)
	out := make([]byte, int(s.SizeAfter)*size)
	copy(out, db)
	for _, p := range pages[:s.Committed] {
		if at := int(p.no-1) * size; at < len(out) {
			copy(out[at:], p.data)
		}
	}
	return out
}

// diffPages numbers the pages in which two databases differ, for messages that
// can be read.
func diffPages(a, b []byte, size int) []int {
	var diff []int
	for at := 0; at < max(len(a), len(b)); at += size {
		if !bytes.Equal(a[min(at, len(a)):min(at+size, len(a))], b[min(at, len(b)):min(at+size, len(b))]) {
			diff = append(diff, at/size+1)
		}
	}
	return diff
}

var captures = []struct {
	name     string
	pageSize uint32
	end      wal.End
	open     bool // frames behind the last commit
}{
	{"clean-512", 512, wal.EndClean, false},
	{"clean-4096", 4096, wal.EndClean, false},
	{"clean-65536", 65536, wal.EndClean, false},
	{"stale-tail", 4096, wal.EndStale, false},
	{"uncommitted-tail", 4096, wal.EndClean, true},
	{"shrunk", 4096, wal.EndClean, false},
}

func TestReaderFindsInLogsOfSQLiteWhatSQLiteRecovers(t *testing.T) {
	for _, c := range captures {
		t.Run(c.name, func(t *testing.T) {
			pages, s := readAll(t, testdata.Read(t, "wal/"+c.name+".wal"))
			if s.Header.PageSize != c.pageSize || s.End != c.end {
				t.Errorf("page size %d, end %v; want %d, %v", s.Header.PageSize, s.End, c.pageSize, c.end)
			}
			if open := s.Frames > s.Committed; open != c.open || s.Commits == 0 {
				t.Errorf("%d frames, %d committed by %d commits; want frames behind the last: %t", s.Frames, s.Committed, s.Commits, c.open)
			}
			got := apply(testdata.Read(t, "wal/"+c.name+".db"), pages, s)
			want := testdata.Read(t, "wal/"+c.name+".recovered.db")
			if diff := diffPages(got, want, int(c.pageSize)); len(diff) > 0 {
				t.Errorf("pages %v differ; sizes %d and %d bytes", diff, len(got), len(want))
			}
		})
	}
}

func TestScanSaysWhatTheReaderReads(t *testing.T) {
	log := testdata.Read(t, "wal/uncommitted-tail.wal")
	_, want := readAll(t, log)
	got, err := wal.Scan(iotest.OneByteReader(bytes.NewReader(log)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Scan (-reader +scan):\n%s", diff)
	}
	if end := int64(wal.HeaderSize + got.Committed*(wal.FrameHeaderSize+4096)); got.CommittedEnd != end {
		t.Errorf("CommittedEnd is %d, want %d", got.CommittedEnd, end)
	}
}

// rewrite makes the same log again with the Writer.
func rewrite(t *testing.T, h wal.Header, pages []page) []byte {
	t.Helper()
	var log bytes.Buffer
	w, err := wal.NewWriter(&log, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if err := w.WriteFrame(p.no, p.data, p.sizeAfter); err != nil {
			t.Fatal(err)
		}
	}
	return log.Bytes()
}

func TestWriterMakesTheBytesThatSQLiteMakes(t *testing.T) {
	for _, c := range captures {
		t.Run(c.name, func(t *testing.T) {
			want := testdata.Read(t, "wal/"+c.name+".wal")
			pages, s := readAll(t, want)
			got := rewrite(t, s.Header, pages)
			if !bytes.HasPrefix(want, got) {
				t.Errorf("the %d bytes written are not the first of the %d that SQLite wrote", len(got), len(want))
			}
		})
	}
}

func TestSQLiteRecoversALogOfTheWriter(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("no sqlite3 shell on this machine: recovery by SQLite itself is not tested")
	}
	for _, c := range captures {
		for _, bigEndian := range []bool{false, true} {
			name := c.name + map[bool]string{false: "/little-endian", true: "/big-endian"}[bigEndian]
			t.Run(name, func(t *testing.T) {
				pages, s := readAll(t, testdata.Read(t, "wal/"+c.name+".wal"))
				header := wal.Header{PageSize: c.pageSize, CheckpointSeq: 7, Salt1: 0xdeadbeef, Salt2: 0x12345678, BigEndian: bigEndian}
				log := rewrite(t, header, pages)
				got := recoverWith(t, shell, testdata.Read(t, "wal/"+c.name+".db"), log)
				want := apply(testdata.Read(t, "wal/"+c.name+".db"), pages, s)
				if diff := diffPages(got, want, int(c.pageSize)); len(diff) > 0 {
					t.Errorf("pages %v differ; sizes %d and %d bytes", diff, len(got), len(want))
				}
			})
		}
	}
}

// recoverWith lets SQLite recover and checkpoint a database and its log, and
// gives the file that comes of it.
func recoverWith(t *testing.T, shell string, db, log []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	for name, data := range map[string][]byte{path: db, path + "-wal": log} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(shell, "-batch", "-bail", path, "PRAGMA integrity_check").CombinedOutput()
	if err != nil || string(out) != "ok\n" {
		t.Fatalf("integrity check: %q, %v; want ok", out, err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// synthetic is a log of four transactions of 1 to 4 frames, with where each
// ends.
func synthetic(t *testing.T, pageSize uint32) (log []byte, commits []int) {
	t.Helper()
	var buf bytes.Buffer
	w, err := wal.NewWriter(&buf, wal.Header{PageSize: pageSize, Salt1: 1, Salt2: 2})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, pageSize)
	for tx := range 4 {
		for n := range tx + 1 {
			data[0], data[pageSize-1] = byte(tx), byte(n)
			sizeAfter := uint32(0)
			if n == tx {
				sizeAfter = uint32(tx + 1)
			}
			if err := w.WriteFrame(uint32(n+1), data, sizeAfter); err != nil {
				t.Fatal(err)
			}
		}
		commits = append(commits, buf.Len())
	}
	return buf.Bytes(), commits
}

func TestATornTailIsCutAtTheLastWholeCommit(t *testing.T) {
	const pageSize = 512
	const frameSize = wal.FrameHeaderSize + pageSize
	log, commits := synthetic(t, pageSize)
	for cut := wal.HeaderSize; cut <= len(log); cut++ {
		s, err := wal.Scan(bytes.NewReader(log[:cut]))
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		want := int64(wal.HeaderSize)
		for _, end := range commits {
			if end <= cut {
				want = int64(end)
			}
		}
		wantEnd := wal.EndTorn
		if (cut-wal.HeaderSize)%frameSize == 0 {
			wantEnd = wal.EndClean
		}
		if s.CommittedEnd != want || s.End != wantEnd {
			t.Fatalf("cut at %d: committed up to %d, %v; want %d, %v", cut, s.CommittedEnd, s.End, want, wantEnd)
		}
	}
}

func TestAFlippedBitEndsTheLogAtItsFrame(t *testing.T) {
	const frameSize = wal.FrameHeaderSize + 512
	log, _ := synthetic(t, 512)
	const third = wal.HeaderSize + 2*frameSize // inside the second transaction
	fields := []struct {
		name string
		at   int
		end  wal.End
	}{
		{"page number", 3, wal.EndTorn},
		{"size after", 7, wal.EndTorn},
		{"first salt", 11, wal.EndStale},
		{"second salt", 15, wal.EndStale},
		{"first sum", 16, wal.EndTorn},
		{"second sum", 23, wal.EndTorn},
		{"first byte of the page", 24, wal.EndTorn},
		{"last byte of the page", frameSize - 1, wal.EndTorn},
	}
	for _, f := range fields {
		bad := bytes.Clone(log)
		bad[third+f.at] ^= 1
		s, err := wal.Scan(bytes.NewReader(bad))
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		if s.Frames != 2 || s.Committed != 1 || s.End != f.end {
			t.Errorf("%s: %d frames, %d committed, %v; want 2, 1, %v", f.name, s.Frames, s.Committed, s.End, f.end)
		}
	}
}

func TestWhatIsNoHeaderIsRefused(t *testing.T) {
	good := wal.Header{PageSize: 4096, Salt1: 1, Salt2: 2}.Append(nil)
	flip := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	cases := []struct {
		name string
		log  []byte
		want error
	}{
		{"no bytes", nil, wal.ErrEmpty},
		{"one byte short", good[:wal.HeaderSize-1], wal.ErrHeader},
		{"magic", flip(0), wal.ErrHeader},
		{"other byte order", flip(3), wal.ErrHeader},
		{"version", flip(7), wal.ErrHeader},
		{"page size no power of two", flip(11), wal.ErrHeader},
		{"page size 256", wal.Header{PageSize: 256}.Append(nil), wal.ErrHeader},
		{"page size 131072", wal.Header{PageSize: 131072}.Append(nil), wal.ErrHeader},
		{"salt", flip(17), wal.ErrHeader},
		{"checksum", flip(31), wal.ErrHeader},
	}
	for _, c := range cases {
		if _, err := wal.NewReader(bytes.NewReader(c.log)); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
}

func TestErrorsOfTheReaderUnderItAreNotAnEndOfTheLog(t *testing.T) {
	log, _ := synthetic(t, 512)
	broken := errors.New("unplugged")
	for _, n := range []int{0, 10, wal.HeaderSize + 5, len(log) - 1} {
		_, err := wal.Scan(io.MultiReader(bytes.NewReader(log[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: error %v, want %v", n, err, broken)
		}
	}
}

type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left == 0 {
		return 0, w.err
	}
	w.left--
	return len(p), nil
}

func TestWriterRefusesWhatNoLogMayHold(t *testing.T) {
	if _, err := wal.NewWriter(io.Discard, wal.Header{PageSize: 1000}); !errors.Is(err, wal.ErrHeader) {
		t.Errorf("page size 1000: error %v, want %v", err, wal.ErrHeader)
	}
	w, err := wal.NewWriter(io.Discard, wal.Header{PageSize: 512})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		no  uint32
		len int
	}{{0, 512}, {1, 511}, {1, 4096}} {
		if err := w.WriteFrame(c.no, make([]byte, c.len), 0); !errors.Is(err, wal.ErrPage) {
			t.Errorf("page %d of %d bytes: error %v, want %v", c.no, c.len, err, wal.ErrPage)
		}
	}
	if err := w.WriteFrame(1, make([]byte, 512), 1); err != nil {
		t.Errorf("a good page after refused ones: %v", err)
	}
}

func TestWriterStopsAtItsFirstFailure(t *testing.T) {
	full := errors.New("disk full")
	w, err := wal.NewWriter(&failingWriter{left: 2, err: full}, wal.Header{PageSize: 512})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 512)
	for i, want := range []error{nil, full, full} {
		if err := w.WriteFrame(1, data, 1); !errors.Is(err, want) {
			t.Errorf("write %d: error %v, want %v", i, err, want)
		}
	}
}

func TestReadingAndWritingAFrameDoesNotAllocate(t *testing.T) {
	w, err := wal.NewWriter(io.Discard, wal.Header{PageSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 4096)
	if n := testing.AllocsPerRun(100, func() { _ = w.WriteFrame(1, data, 1) }); n != 0 {
		t.Errorf("WriteFrame allocates %v times, want 0", n)
	}
	log, _ := synthetic(t, 4096)
	r, err := wal.NewReader(bytes.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(8, func() {
		if _, err := r.Next(); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("Next allocates %v times, want 0", n)
	}
}

func benchmarkLog(b *testing.B) []byte {
	var buf bytes.Buffer
	w, err := wal.NewWriter(&buf, wal.Header{PageSize: 4096, Salt1: 1})
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 4096)
	for i := range 1000 {
		data[i] = byte(i)
		if err := w.WriteFrame(uint32(i+1), data, uint32(i+1)); err != nil {
			b.Fatal(err)
		}
	}
	return buf.Bytes()
}

func BenchmarkScan(b *testing.B) {
	log := benchmarkLog(b)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		if s, err := wal.Scan(bytes.NewReader(log)); err != nil || s.Frames != 1000 {
			b.Fatal(s, err)
		}
	}
}

func BenchmarkWriteFrame(b *testing.B) {
	w, err := wal.NewWriter(io.Discard, wal.Header{PageSize: 4096})
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 4096)
	b.SetBytes(4096)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.WriteFrame(1, data, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	data := make([]byte, 4096)
	for _, bigEndian := range []bool{false, true} {
		b.Run(map[bool]string{false: "little", true: "big"}[bigEndian], func(b *testing.B) {
			b.SetBytes(4096)
			b.ReportAllocs()
			var sum wal.Sum
			for b.Loop() {
				sum = sum.Update(bigEndian, data)
			}
			_ = sum
		})
	}
}
