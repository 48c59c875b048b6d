package frames_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/floedb/floe/frames"
)

const benchFrames = 1024

// benchBatch is a log of benchFrames frames and the same as a Frames message.
func benchBatch() (log []frames.Frame, message []byte) {
	log = makeLog(benchFrames, 4)
	for _, f := range log {
		message = frames.AppendBatch(message, frames.FrameMessage{Data: f})
	}
	return log, message
}

func BenchmarkChecksum(b *testing.B) {
	page := make([]byte, frames.PageSize)
	b.SetBytes(frames.PageSize)
	b.ReportAllocs()
	var sum uint64
	for b.Loop() {
		sum = frames.Checksum(sum, page)
	}
}

func BenchmarkChainVerify(b *testing.B) {
	log, _ := benchBatch()
	b.SetBytes(benchFrames * frames.Size)
	b.ReportAllocs()
	for b.Loop() {
		chain := frames.NewChain(0, 0)
		for _, f := range log {
			if err := chain.Verify(f); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkBatchReader(b *testing.B) {
	_, message := benchBatch()
	buf := make([]byte, 128<<10)
	dst := make([]byte, frames.Size)
	for _, c := range []struct {
		name string
		next func(*frames.BatchReader) (frames.FrameMessage, error)
	}{
		{"Next", (*frames.BatchReader).Next},
		{"NextInto", func(r *frames.BatchReader) (frames.FrameMessage, error) { return r.NextInto(dst) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				r := frames.NewBatchReader(bytes.NewReader(message), int64(len(message)), buf)
				n := 0
				for {
					if _, err := c.next(r); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != benchFrames {
					b.Fatalf("%d frames, want %d", n, benchFrames)
				}
			}
		})
	}
}

func BenchmarkArchive(b *testing.B) {
	log, _ := benchBatch()
	archive := writeLogArchive(b, log)
	b.Run("Write", func(b *testing.B) {
		b.SetBytes(benchFrames * frames.Size)
		b.ReportAllocs()
		for b.Loop() {
			writeLogArchive(b, log)
		}
	})
	b.Run("Verify", func(b *testing.B) {
		b.SetBytes(benchFrames * frames.Size)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := frames.VerifyArchive(bytes.NewReader(archive)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
