package fuzz

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"github.com/floedb/floe/frames"
)

// allocated says how many bytes do takes from the heap, also those that it
// gives back.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// wantBounded runs do and fails when it takes more than factor bytes for each
// byte of input, beyond a fixed base for buffers.
func wantBounded(t *testing.T, input int, base, factor uint64, do func()) {
	t.Helper()
	if got, limit := allocated(do), base+factor*uint64(input); got > limit {
		t.Errorf("%d bytes of input took %d bytes of memory, want at most %d", input, got, limit)
	}
}

// payloads gives the data messages of a captured body.
func payloads(tb testing.TB, body []byte) [][]byte {
	tb.Helper()
	e := frames.NewEnvelopeReader(bytes.NewReader(body))
	var out [][]byte
	for {
		kind, length, err := e.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			tb.Fatal(err)
		}
		message, err := e.AppendPayload(nil, int(length))
		if err != nil {
			tb.Fatal(err)
		}
		if kind == frames.EnvelopeData {
			out = append(out, message)
		}
	}
}

// smallLog is a chain of n frames, every second one a commit.
func smallLog(n int) []frames.Frame {
	log := make([]frames.Frame, n)
	sum := uint64(0)
	for i := range log {
		f := frames.Frame(make([]byte, frames.Size))
		f.Page()[0] = byte(i)
		sum = frames.Checksum(sum, f.Page())
		frames.PutHeader(f, frames.Header{FrameNo: uint64(i), Checksum: sum, PageNo: uint32(i + 1), SizeAfter: uint32(i % 2 * (i + 1))})
		log[i] = f
	}
	return log
}
