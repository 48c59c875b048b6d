package liar

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/wal"
)

// Log is the log of a primary, from frame 0 on.
type Log struct {
	ID     frames.LogID
	Frames []frames.Frame
}

// Write gives the log of a primary that ran texts of SQL, each in a transaction of its own.
func Write(tb testing.TB, id byte, sql ...string) Log {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "primary.db")
	conn, err := engine.Open(path, engine.OpenReadWrite|engine.OpenCreate)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	run := func(text string) {
		if err := conn.Exec(context.Background(), text); err != nil {
			tb.Fatalf("%s: %v", text, err)
		}
	}
	run("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0")
	for _, text := range sql {
		run("BEGIN;" + text + ";COMMIT")
	}
	log := Log{ID: frames.LogID{0: 0xf1, 15: id}}
	if log.Frames, err = framesOf(path + "-wal"); err != nil {
		tb.Fatal(err)
	}
	return log
}

// framesOf makes frames of a write-ahead log: the same pages in the same order, numbered and chained.
func framesOf(name string) ([]frames.Frame, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r, err := wal.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var log []frames.Frame
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return Chain(0, log), nil
		}
		if err != nil {
			return nil, err
		}
		log = append(log, Frame(frames.Header{FrameNo: uint64(len(log)), PageNo: f.PageNo, SizeAfter: f.SizeAfter}, f.Page))
	}
}

// Frame makes a frame, with a copy of page.
func Frame(h frames.Header, page []byte) frames.Frame {
	f := frames.Frame(make([]byte, frames.Size))
	copy(f.Page(), page)
	frames.PutHeader(f, h)
	return f
}

// Edit is a copy of f with another header.
func Edit(f frames.Frame, edit func(*frames.Header)) frames.Frame {
	h := f.Header()
	edit(&h)
	return Frame(h, f.Page())
}

// EditPage is a copy of f with another page, and the checksum of the old one.
func EditPage(f frames.Frame, edit func(page []byte)) frames.Frame {
	f = frames.Frame(bytes.Clone(f))
	edit(f.Page())
	return f
}

// Chain gives copies of fs with the checksums that they have after a frame with checksum prev: a lie that no checksum
// finds.
func Chain(prev uint64, fs []frames.Frame) []frames.Frame {
	out := make([]frames.Frame, len(fs))
	for i, f := range fs {
		prev = frames.Checksum(prev, f.Page())
		out[i] = Edit(f, func(h *frames.Header) { h.Checksum = prev })
	}
	return out
}

// Sum is the checksum of the last of fs, 0 where there is none.
func Sum(fs []frames.Frame) uint64 {
	if len(fs) == 0 {
		return 0
	}
	return fs[len(fs)-1].Checksum()
}

// Last is the number of the last frame of the log.
func (l Log) Last() uint64 { return uint64(len(l.Frames) - 1) }

// Commits gives how many frames of the log end in each of its transactions, in their order.
func (l Log) Commits() (ends []int) {
	for i, f := range l.Frames {
		if f.IsCommit() {
			ends = append(ends, i+1)
		}
	}
	return ends
}

// Cut is the log as it was after its first n transactions.
func (l Log) Cut(n int) Log { return Log{ID: l.ID, Frames: l.Frames[:l.Commits()[n-1]]} }

// Image is the database that the first n frames make.
func (l Log) Image(n int) []byte {
	var img []byte
	for _, f := range l.Frames[:n] {
		at := int(f.PageNo()-1) * frames.PageSize
		if end := at + frames.PageSize; end > len(img) {
			img = append(img, make([]byte, end-len(img))...)
		}
		copy(img[at:], f.Page())
		if f.IsCommit() {
			img = img[:int(f.SizeAfter())*frames.PageSize]
		}
	}
	return img
}

// snapshot gives the newest version of each page in the frames from next to the one before end, newest first.
func (l Log) snapshot(next, end uint64) []frames.Frame {
	seen := map[uint32]bool{}
	var out []frames.Frame
	for _, f := range slices.Backward(l.Frames[next:end]) {
		if !seen[f.PageNo()] {
			seen[f.PageNo()] = true
			out = append(out, Edit(f, func(h *frames.Header) { h.SizeAfter = 0 }))
		}
	}
	last := &out[len(out)-1]
	*last = Edit(*last, func(h *frames.Header) { h.SizeAfter = l.Frames[end-1].SizeAfter() })
	return out
}
