package frames_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/frames"
)

var testLogID = frames.LogID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe}

// sameFrame makes cmp take frames as a whole: byte by byte it takes seconds.
var sameFrame = cmp.Comparer(func(a, b frames.Frame) bool { return bytes.Equal(a, b) })

// makeLog gives n frames of a log, from frame 0, with a commit at every
// perTx-th frame. Pages are half noise, so that they compress as real ones do.
func makeLog(n, perTx int) []frames.Frame {
	rng := rand.NewChaCha8([32]byte{})
	log := make([]frames.Frame, n)
	sum := uint64(0)
	for i := range log {
		f := frames.Frame(make([]byte, frames.Size))
		_, _ = rng.Read(f.Page()[:frames.PageSize/2]) // never fails
		sum = frames.Checksum(sum, f.Page())
		h := frames.Header{FrameNo: uint64(i), Checksum: sum, PageNo: uint32(i%100 + 1)}
		if (i+1)%perTx == 0 {
			h.SizeAfter = 100
		}
		frames.PutHeader(f, h)
		log[i] = f
	}
	return log
}

// makeSnapshot gives the newest version of each page of log[from:to], newest
// first, as a server sends it.
func makeSnapshot(log []frames.Frame, from, to int) []frames.Frame {
	seen := map[uint32]bool{}
	var out []frames.Frame
	for i := to - 1; i >= from; i-- {
		f := log[i]
		if seen[f.PageNo()] {
			continue
		}
		seen[f.PageNo()] = true
		out = append(out, withSize(f, 0))
	}
	last := len(out) - 1
	out[last] = withSize(out[last], log[to-1].SizeAfter())
	return out
}

// withSize is a copy of f with another SizeAfter.
func withSize(f frames.Frame, size uint32) frames.Frame {
	return withHeader(f, func(h *frames.Header) { h.SizeAfter = size })
}

// withHeader is a copy of f with its header edited.
func withHeader(f frames.Frame, edit func(*frames.Header)) frames.Frame {
	g := frames.Frame(bytes.Clone(f))
	h := g.Header()
	edit(&h)
	frames.PutHeader(g, h)
	return g
}

// withFlip is a copy of f with one bit of its page flipped.
func withFlip(f frames.Frame, at int) frames.Frame {
	g := frames.Frame(bytes.Clone(f))
	g.Page()[at] ^= 1
	return g
}

// logArchive is an archive of one segment, of a log from frame 0 on.
func logArchive(log []frames.Frame) ([]byte, error) {
	var out bytes.Buffer
	w, err := frames.NewArchiveWriter(&out, testLogID)
	if err != nil {
		return nil, err
	}
	if err := w.BeginLog(frames.NewChain(0, 0)); err != nil {
		return nil, err
	}
	for _, f := range log {
		if err := w.WriteFrame(f); err != nil {
			return nil, err
		}
	}
	if _, err := w.EndSegment(); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

func writeLogArchive(tb testing.TB, log []frames.Frame) []byte {
	tb.Helper()
	data, err := logArchive(log)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func writeSegment(tb testing.TB, w *frames.ArchiveWriter, begin func() error, run []frames.Frame) frames.Segment {
	tb.Helper()
	if err := begin(); err != nil {
		tb.Fatal(err)
	}
	for _, f := range run {
		if err := w.WriteFrame(f); err != nil {
			tb.Fatal(err)
		}
	}
	seg, err := w.EndSegment()
	if err != nil {
		tb.Fatal(err)
	}
	return seg
}

// readBatch gives the frames of a Frames message, with bytes of their own.
func readBatch(tb testing.TB, r *frames.BatchReader) []frames.FrameMessage {
	tb.Helper()
	var out []frames.FrameMessage
	for {
		m, err := r.NextInto(make([]byte, frames.Size))
		if err == io.EOF {
			return out
		}
		if err != nil {
			tb.Fatalf("frame %d of the batch: %v", len(out), err)
		}
		out = append(out, m)
	}
}
