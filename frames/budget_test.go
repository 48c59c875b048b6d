package frames

import (
	"bytes"
	"encoding/binary"
	"io"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
)

// claims is a sender that claims much and gives little: some bytes, and then nothing.
func claims(head []byte, more int) io.Reader {
	return io.MultiReader(bytes.NewReader(head), bytes.NewReader(make([]byte, more)))
}

// archiveClaiming is an archive whose compressed part is content, with a window that
// its writer says is as large as one may be.
func archiveClaiming(t *testing.T, content []byte) []byte {
	t.Helper()
	b := appendArchiveHeader(nil, LogID{1})
	var z bytes.Buffer
	enc, err := zstd.NewWriter(&z, zstd.WithWindowSize(maxArchiveWindow))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enc.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return append(b, z.Bytes()...)
}

// Each decoder is given little that claims much, and may take memory for what is
// there, and a fixed amount.
func TestDecodersTakeMemoryForWhatIsThere(t *testing.T) {
	const fixed, archive = 512 << 10, 24 << 20 // what a reader takes for itself
	bytesField := func(num protowire.Number, length uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.BytesType), length)
	}
	head := func(length uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0}, length) }
	snapshot := SnapshotHeader{LogID: LogID{1}, End: MaxFrameNo, Count: MaxFrameNo, SizeAfter: 1<<32 - 1}.Append(nil)
	segment := appendSegmentHead(nil, Segment{Kind: SegmentSnapshot})
	short, zeros := archiveClaiming(t, segment), archiveClaiming(t, make([]byte, 64<<20))
	for _, tt := range []struct {
		name   string
		budget uint64
		decode func() error
	}{
		{"envelope of 4 GB", fixed, func() error {
			e := NewEnvelopeReader(claims(head(1<<32-1), 100))
			_, _, err := e.Next()
			if err == nil {
				_, err = e.AppendPayload(nil, 1<<31-1)
			}
			return err
		}},
		{"envelope of 1 GB that is read", fixed, func() error {
			e := NewEnvelopeReader(claims(head(1<<30), 100))
			_, _, err := e.Next()
			if err == nil {
				_, err = e.AppendPayload(nil, 1<<30)
			}
			return err
		}},
		{"envelope of 4 GB that is passed over", fixed, func() error {
			e := NewEnvelopeReader(claims(head(1<<32-1), 1000))
			_, _, err := e.Next()
			if err == nil {
				_, _, err = e.Next()
			}
			return err
		}},
		{"batch with an entry of 2^63 bytes", fixed, func() error {
			_, err := NewBatchReader(claims(bytesField(1, 1<<63), 100), 1<<40, nil).Next()
			return err
		}},
		{"batch with an unknown field of 1 TB", fixed, func() error {
			_, err := NewBatchReader(claims(bytesField(9, 1<<40), 100), 1<<41, nil).Next()
			return err
		}},
		{"frame message of 2^62 bytes", fixed, func() error {
			_, err := ParseFrameMessage(bytesField(1, 1<<62))
			return err
		}},
		{"hello with a token of 2^62 bytes", fixed, func() error {
			_, err := ParseHelloResponse(bytesField(4, 1<<62))
			return err
		}},
		{"trailers of 100,000 lines", 100_000 * 200, func() error {
			_, err := ParseTrailers(bytes.Repeat([]byte("x:y\n"), 100_000))
			return err
		}},
		{"snapshot file of 2^62 frames", fixed, func() error {
			r, err := NewSnapshotReader(bytes.NewReader(snapshot))
			if err == nil {
				_, err = r.Next(make([]byte, Size))
			}
			return err
		}},
		{"archive that ends in a segment", archive, func() error {
			_, err := VerifyArchive(bytes.NewReader(short))
			return err
		}},
		{"archive of 64 MB of zeros", archive, func() error {
			_, err := VerifyArchive(bytes.NewReader(zeros))
			return err
		}},
	} {
		var err error
		_ = tt.decode() // what is made once
		cost := allocated(func() { err = tt.decode() })
		if err == nil {
			t.Errorf("%s: no error", tt.name)
		}
		if cost > tt.budget {
			t.Errorf("%s: %d bytes of memory, at most %d are right", tt.name, cost, tt.budget)
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
