package frames_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/floedb/floe/frames"
)

// batchOf is a Frames message of the log, every second entry with all fields.
func batchOf(log []frames.Frame) (message []byte, entries []frames.FrameMessage) {
	for i, f := range log {
		m := frames.FrameMessage{Data: f}
		if i%2 == 1 {
			m.Timestamp, m.Durable, m.HasDurable = int64(i)*1000, uint64(i), true
		}
		entries = append(entries, m)
		message = frames.AppendBatch(message, m)
	}
	return message, entries
}

func TestBatchReaderGivesEveryFrameOfTheMessage(t *testing.T) {
	message, want := batchOf(makeLog(100, 5))
	readers := map[string]func(io.Reader) io.Reader{
		"whole":         func(r io.Reader) io.Reader { return r },
		"byte by byte":  iotest.OneByteReader,
		"half of it":    iotest.HalfReader,
		"EOF with data": iotest.DataErrReader,
	}
	for name, wrap := range readers {
		for _, size := range []int{0, 10_000, 1 << 20} {
			r := frames.NewBatchReader(wrap(bytes.NewReader(message)), int64(len(message)), make([]byte, size))
			got := readBatch(t, r)
			if diff := cmp.Diff(want, got, sameFrame); diff != "" {
				t.Errorf("%s through %d bytes (-want +got):\n%s", name, size, diff)
			}
		}
	}
}

func TestBatchReaderLeavesWhatFollowsTheMessage(t *testing.T) {
	message, want := batchOf(makeLog(3, 1))
	src := bytes.NewReader(append(message, "trailers"...))
	r := frames.NewBatchReader(src, int64(len(message)), nil)
	if got := readBatch(t, r); len(got) != len(want) {
		t.Errorf("%d frames, want %d", len(got), len(want))
	}
	rest, err := io.ReadAll(src)
	if string(rest) != "trailers" || err != nil {
		t.Errorf("left %q, %v; want %q", rest, err, "trailers")
	}
	for range 2 {
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("behind the end: error %v, want %v", err, io.EOF)
		}
	}
}

func TestAnEmptyBatchIsAtItsEnd(t *testing.T) {
	if got := capturedBatch(t, "wire/batch-empty.bin"); len(got) != 0 {
		t.Errorf("%d frames, want none", len(got))
	}
}

func TestNextAliasesItsBufferAndNextIntoDoesNot(t *testing.T) {
	log := makeLog(40, 1) // more than the buffer holds
	message, _ := batchOf(log)
	dst := make([]byte, frames.Size)
	r := frames.NewBatchReader(bytes.NewReader(message), int64(len(message)), nil)
	m, err := r.NextInto(dst)
	if err != nil {
		t.Fatal(err)
	}
	if &m.Data[0] != &dst[0] {
		t.Error("NextInto gave a frame outside of dst")
	}
	for range 30 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(dst, log[0]) {
		t.Error("the frame in dst has changed")
	}
	if _, err := r.NextInto(dst[:frames.Size-1]); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("one byte too small: error %v, want %v", err, io.ErrShortBuffer)
	}
	if m, err = r.Next(); err != nil || m.Data.FrameNo() != 31 {
		t.Errorf("after a short buffer: %v, want frame 31", err)
	}
}

// drain reads until an error and says how many frames came before it.
func drain(r *frames.BatchReader) (int, error) {
	for n := 0; ; n++ {
		if _, err := r.Next(); err != nil {
			return n, err
		}
	}
}

func TestABatchCutShortIsFoundWhereverItIsCut(t *testing.T) {
	message, _ := batchOf(makeLog(3, 1))
	entry := len(message) / 3
	for cut := range len(message) {
		if cut > 30 && cut%entry > 30 && cut%97 != 0 {
			continue // inside a page one place is like another
		}
		n, err := drain(frames.NewBatchReader(bytes.NewReader(message[:cut]), int64(len(message)), nil))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: error %v after %d frames, want %v", cut, err, n, io.ErrUnexpectedEOF)
		}
	}
}

func TestALengthThatCutsAFrameIsMalformed(t *testing.T) {
	message, _ := batchOf(makeLog(2, 1))
	for _, cut := range []int{1, 2, 3, 4, 100, len(message) - 1} {
		n, err := drain(frames.NewBatchReader(bytes.NewReader(message), int64(cut), nil))
		if !errors.Is(err, frames.ErrMalformed) {
			t.Errorf("length %d: error %v after %d frames, want %v", cut, err, n, frames.ErrMalformed)
		}
	}
}

func TestUnknownFieldsOfABatchAreSkippedWhateverTheirSize(t *testing.T) {
	f := makeLog(1, 1)[0]
	message := frames.AppendBatch(unknownFields(), frames.FrameMessage{Data: f})
	message = protowire.AppendTag(message, 7, protowire.BytesType)
	message = protowire.AppendBytes(message, make([]byte, 300_000))
	message = frames.AppendBatch(message, frames.FrameMessage{Data: f})
	n, err := drain(frames.NewBatchReader(bytes.NewReader(message), int64(len(message)), nil))
	if n != 2 || err != io.EOF {
		t.Errorf("%d frames, %v; want 2, %v", n, err, io.EOF)
	}
}

func TestBadBatchesAreRefused(t *testing.T) {
	f := makeLog(1, 1)[0]
	cases := []struct {
		name    string
		message []byte
		want    error
	}{
		{"entry of 1 GB", []byte{0x0a, 0x80, 0x80, 0x80, 0x80, 0x04, 0x00}, frames.ErrTooLarge},
		{"unknown field of 8 EB", []byte{0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, frames.ErrMalformed},
		{"short frame", frames.AppendBatch(nil, frames.FrameMessage{Data: f[:100]}), frames.ErrShortFrame},
		{"group", []byte{0x0b, 0x0c}, frames.ErrMalformed},
		{"tag of number 0", []byte{0x02, 0x00}, frames.ErrMalformed},
		{"fixed64 cut", []byte{0x11, 0x00}, frames.ErrMalformed},
	}
	for _, c := range cases {
		r := frames.NewBatchReader(bytes.NewReader(c.message), int64(len(c.message)), nil)
		_, first := r.Next()
		_, second := r.Next()
		if !errors.Is(first, c.want) || second != first {
			t.Errorf("%s: errors %v, then %v; want %v twice", c.name, first, second, c.want)
		}
	}
}

func TestBatchReaderGivesTheErrorOfItsReader(t *testing.T) {
	message, _ := batchOf(makeLog(3, 1))
	broken := errors.New("connection reset")
	src := io.MultiReader(bytes.NewReader(message[:5000]), iotest.ErrReader(broken))
	if n, err := drain(frames.NewBatchReader(src, int64(len(message)), nil)); n != 1 || !errors.Is(err, broken) {
		t.Errorf("%d frames, %v; want 1, %v", n, err, broken)
	}
}

func TestReadingABatchDoesNotAllocate(t *testing.T) {
	message, _ := batchOf(makeLog(64, 1))
	r := frames.NewBatchReader(bytes.NewReader(message), int64(len(message)), nil)
	dst := make([]byte, frames.Size)
	if n := testing.AllocsPerRun(60, func() {
		if _, err := r.NextInto(dst); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("NextInto allocates %v times, want 0", n)
	}
}
