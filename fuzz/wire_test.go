package fuzz

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/testdata"
)

func FuzzFrameMessage(f *testing.F) {
	for _, m := range payloads(f, testdata.Read(f, "wire/stream.bin")) {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := frames.ParseFrameMessage(b)
		if err != nil {
			return
		}
		if len(m.Data) != frames.Size {
			t.Fatalf("accepted a frame of %d bytes", len(m.Data))
		}
		if again := frames.AppendFrameMessage(nil, m); len(again) <= len(b) {
			back, err := frames.ParseFrameMessage(again)
			if err != nil {
				t.Fatalf("its own message is refused: %v", err)
			}
			if !bytes.Equal(back.Data, m.Data) || back.Timestamp != m.Timestamp || back.Durable != m.Durable || back.HasDurable != m.HasDurable {
				t.Errorf("message came back with header %+v, time %d; want %+v, %d", back.Data.Header(), back.Timestamp, m.Data.Header(), m.Timestamp)
			}
		} else {
			t.Errorf("%d bytes became %d", len(b), len(again))
		}
	})
}

func FuzzHello(f *testing.F) {
	for _, name := range []string{"wire/hello.bin", "wire/hello-empty.bin"} {
		f.Add(payloads(f, testdata.Read(f, name))[0])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := frames.ParseHelloResponse(b)
		if err != nil {
			return
		}
		back, err := frames.ParseHelloResponse(frames.AppendHello(nil, h))
		if err != nil {
			t.Fatalf("its own message is refused: %v", err)
		}
		if len(h.SessionToken) == 0 {
			h.SessionToken = nil // an empty token is not sent
		}
		if diff := cmp.Diff(h, back); diff != "" {
			t.Errorf("hello (-first +again):\n%s", diff)
		}
	})
}

// collect reads a batch up to its first error. The frames are copies.
func collect(r *frames.BatchReader) ([]frames.FrameMessage, error) {
	var out []frames.FrameMessage
	for {
		m, err := r.Next()
		if err != nil {
			return out, err
		}
		m.Data = bytes.Clone(m.Data)
		out = append(out, m)
	}
}

// firstEntries is a captured batch cut down to n frames: mutating tens of
// kilobytes finds little.
func firstEntries(tb testing.TB, n int) []byte {
	tb.Helper()
	message := payloads(tb, testdata.Read(tb, "wire/batch.bin"))[0]
	entries, err := collect(frames.NewBatchReader(bytes.NewReader(message), int64(len(message)), nil))
	if err != io.EOF {
		tb.Fatal(err)
	}
	var out []byte
	for _, m := range entries[:n] {
		out = frames.AppendBatch(out, m)
	}
	return out
}

func FuzzBatchReader(f *testing.F) {
	f.Add([]byte{})
	f.Add(firstEntries(f, 1))
	f.Add(firstEntries(f, 2))
	f.Add([]byte{0x12, 0xff, 0xff, 0xff, 0xff, 0x07})
	f.Fuzz(func(t *testing.T, b []byte) {
		var got []frames.FrameMessage
		var err error
		wantBounded(t, len(b), 512<<10, 8, func() {
			got, err = collect(frames.NewBatchReader(bytes.NewReader(b), int64(len(b)), nil))
		})
		slow, slowErr := collect(frames.NewBatchReader(iotest.HalfReader(bytes.NewReader(b)), int64(len(b)), nil))
		if len(slow) != len(got) || (slowErr == io.EOF) != (err == io.EOF) {
			t.Fatalf("in parts: %d frames, %v; at once: %d, %v", len(slow), slowErr, len(got), err)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, frames.ErrMalformed) {
			t.Errorf("a whole message is said to be short: %v", err)
		}
		if err == io.EOF {
			wantSameBatch(t, got)
		}
	})
}

func wantSameBatch(t *testing.T, entries []frames.FrameMessage) {
	t.Helper()
	var message []byte
	for _, m := range entries {
		message = frames.AppendBatch(message, m)
	}
	back, err := collect(frames.NewBatchReader(bytes.NewReader(message), int64(len(message)), nil))
	if err != io.EOF || len(back) != len(entries) {
		t.Fatalf("written again: %d frames, %v; want %d", len(back), err, len(entries))
	}
	for i, m := range entries {
		if !bytes.Equal(back[i].Data, m.Data) || back[i].Timestamp != m.Timestamp || back[i].Durable != m.Durable {
			t.Fatalf("frame %d of the batch came back as %+v, want %+v", i, back[i].Data.Header(), m.Data.Header())
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add(testdata.Read(f, "wire/hello.bin"))
	f.Add(testdata.Read(f, "wire/batch-empty.bin"))
	f.Add(testdata.Read(f, "wire/stream.bin")[:5000])
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		var err error
		wantBounded(t, len(b), 512<<10, 64, func() { again, err = rewriteEnvelopes(b) })
		if !bytes.HasPrefix(b, again) {
			t.Fatalf("the %d bytes written again are not the first of the %d read", len(again), len(b))
		}
		if err == io.EOF && len(again) != len(b) {
			t.Errorf("%d bytes written again, want all %d", len(again), len(b))
		}
	})
}

// rewriteEnvelopes reads envelopes and writes them again, up to an error.
func rewriteEnvelopes(b []byte) ([]byte, error) {
	e := frames.NewEnvelopeReader(bytes.NewReader(b))
	var out, message []byte
	for {
		kind, length, err := e.Next()
		if err != nil {
			return out, err
		}
		if message, err = e.AppendPayload(message[:0], int(length)); err != nil {
			return out, err
		}
		at := len(out)
		out = frames.AppendEnvelope(out, message)
		if kind == frames.EnvelopeTrailers {
			out[at] = 0x80
		}
	}
}

func FuzzTrailers(f *testing.F) {
	f.Add([]byte("grpc-status:0\r\n"))
	f.Add([]byte("grpc-status: 13\r\ngrpc-message:No%20such%20file%\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := frames.ParseTrailers(b)
		if err != nil {
			if !errors.Is(err, frames.ErrStatus) {
				t.Fatalf("error %v, want %v", err, frames.ErrStatus)
			}
			return
		}
		e := frames.NewEnvelopeReader(bytes.NewReader(frames.AppendTrailers(nil, s)))
		if _, _, err := e.Next(); err != nil {
			t.Fatal(err)
		}
		text, err := e.AppendPayload(nil, 10+3*len(b)+100)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := frames.ParseTrailers(text); err != nil || back != s {
			t.Errorf("status %+v came back as %+v, %v", s, back, err)
		}
	})
}
