package frames_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/testdata"
)

// capturedBatch gives the frames of a captured BatchLogEntries answer.
func capturedBatch(t *testing.T, name string) []frames.FrameMessage {
	t.Helper()
	e := frames.NewEnvelopeReader(bytes.NewReader(testdata.Read(t, name)))
	kind, length, err := e.Next()
	if err != nil || kind != frames.EnvelopeData {
		t.Fatalf("first envelope of %s: kind %d, %v; want data", name, kind, err)
	}
	return readBatch(t, frames.NewBatchReader(e, int64(length), nil))
}

func verifyAll(t *testing.T, chain *frames.Chain, batch []frames.FrameMessage) {
	t.Helper()
	if len(batch) == 0 {
		t.Fatal("no frames to verify")
	}
	for _, m := range batch {
		if err := chain.Verify(m.Data); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheLogOfARealServerIsAChain(t *testing.T) {
	batch := capturedBatch(t, "wire/batch.bin")
	chain := frames.NewChain(0, 0)
	verifyAll(t, chain, batch)
	last := batch[len(batch)-1].Data
	if chain.Next() != uint64(len(batch)) || chain.Sum() != last.Checksum() || !last.IsCommit() {
		t.Errorf("after %d frames: next %d, sum %016x, last commits: %t; want %d, %016x, true",
			len(batch), chain.Next(), chain.Sum(), last.IsCommit(), len(batch), last.Checksum())
	}
	tail := capturedBatch(t, "wire/batch-tail.bin")
	verifyAll(t, frames.NewOpenChain(5), tail)
	verifyAll(t, frames.NewChain(5, batch[4].Data.Checksum()), tail)
}

func TestTheChainGoesOnBehindASnapshot(t *testing.T) {
	r, err := frames.NewSnapshotReader(bytes.NewReader(testdata.Read(t, "wire/snapshot.snap")))
	if err != nil {
		t.Fatal(err)
	}
	newest, err := r.Next(make([]byte, frames.Size))
	if err != nil {
		t.Fatal(err)
	}
	chain := frames.NewChain(r.Header().End+1, newest.Checksum())
	verifyAll(t, chain, capturedBatch(t, "wire/batch-after-snapshot.bin"))
}

func TestAChainMayBeginAnewBehindACommitOnly(t *testing.T) {
	log := makeLog(4, 2)
	anew := withHeader(log[2], func(h *frames.Header) { h.Checksum = frames.Checksum(0, log[2].Page()) })
	inside := withHeader(log[1], func(h *frames.Header) { h.Checksum = frames.Checksum(0, log[1].Page()) })
	chain := frames.NewChain(0, 0)
	if err := chain.Verify(log[0]); err != nil {
		t.Fatal(err)
	}
	if err := chain.Verify(inside); !errors.Is(err, frames.ErrChecksum) {
		t.Errorf("anew inside a transaction: error %v, want %v", err, frames.ErrChecksum)
	}
	if err := chain.Verify(log[1]); err != nil {
		t.Fatal(err)
	}
	if err := chain.Verify(anew); err != nil || chain.Sum() != anew.Checksum() {
		t.Errorf("anew behind a commit: %v, sum %016x; want %016x", err, chain.Sum(), anew.Checksum())
	}
}

func TestAChainRefusesWhatDoesNotFollow(t *testing.T) {
	log := makeLog(4, 2)
	other := withHeader(withFlip(log[2], 17), func(h *frames.Header) { h.Checksum++ })
	cases := []struct {
		name  string
		frame frames.Frame
		want  error
	}{
		{"first bit of the page", withFlip(log[2], 0), frames.ErrChecksum},
		{"last byte of the page", withFlip(log[2], frames.PageSize-1), frames.ErrChecksum},
		{"its checksum", withHeader(log[2], func(h *frames.Header) { h.Checksum ^= 1 << 63 }), frames.ErrChecksum},
		{"foreign", other, frames.ErrChecksum},
		{"the frame before again", log[1], frames.ErrOutOfOrder},
		{"the frame after", log[3], frames.ErrOutOfOrder},
		{"page 0", withHeader(log[2], func(h *frames.Header) { h.PageNo = 0 }), frames.ErrPageNumber},
		{"one byte short", log[2][:frames.Size-1], frames.ErrShortFrame},
		{"nothing", nil, frames.ErrShortFrame},
	}
	chain := frames.NewChain(0, 0)
	for _, f := range log[:2] {
		if err := chain.Verify(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range cases {
		err := chain.Verify(c.frame)
		var detail *frames.FrameError
		if !errors.Is(err, c.want) || !errors.As(err, &detail) {
			t.Errorf("%s: error %v, want a FrameError of %v", c.name, err, c.want)
			continue
		}
		if len(c.frame) == frames.Size && (detail.FrameNo != c.frame.FrameNo() || detail.PageNo != c.frame.PageNo()) {
			t.Errorf("%s: about frame %d, page %d; want %d, %d", c.name, detail.FrameNo, detail.PageNo, c.frame.FrameNo(), c.frame.PageNo())
		}
	}
	if chain.Next() != 2 || chain.Sum() != log[1].Checksum() {
		t.Errorf("refused frames moved the chain to %d, %016x", chain.Next(), chain.Sum())
	}
	if err := chain.Verify(log[2]); err != nil {
		t.Errorf("the right frame after refused ones: %v", err)
	}
}

func TestAnOpenChainTrustsItsFirstFrameOnly(t *testing.T) {
	log := makeLog(4, 2)
	chain := frames.NewOpenChain(1)
	if err := chain.Verify(withFlip(log[1], 0)); err != nil {
		t.Errorf("first frame: %v, want it taken on trust", err)
	}
	if err := chain.Verify(withFlip(log[2], 0)); !errors.Is(err, frames.ErrChecksum) {
		t.Errorf("damaged second frame: error %v, want %v", err, frames.ErrChecksum)
	}
	if err := chain.Verify(log[2]); err != nil {
		t.Errorf("second frame: %v", err)
	}
	if err := frames.NewOpenChain(0).Verify(withFlip(log[0], 0)); !errors.Is(err, frames.ErrChecksum) {
		t.Errorf("damaged frame 0: error %v, want %v: nothing is before it", err, frames.ErrChecksum)
	}
}

func TestVerifyingAFrameDoesNotAllocate(t *testing.T) {
	log := makeLog(64, 2)
	chain := frames.NewChain(0, 0)
	next := 0
	if n := testing.AllocsPerRun(len(log)-1, func() {
		if err := chain.Verify(log[next]); err != nil {
			t.Error(err)
		}
		next++
	}); n != 0 {
		t.Errorf("Verify allocates %v times, want 0", n)
	}
}
