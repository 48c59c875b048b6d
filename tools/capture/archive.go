package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/floedb/floe/frames"
)

// makeArchive puts a snapshot file, and the answer with the frames behind it,
// into a frame archive.
func makeArchive(snapshot, batchBody []byte) ([]byte, error) {
	r, err := frames.NewSnapshotReader(bytes.NewReader(snapshot))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := frames.NewArchiveWriter(&out, r.Header().LogID)
	if err != nil {
		return nil, err
	}
	if err := w.BeginSnapshot(r.Header().Start); err != nil {
		return nil, err
	}
	if err := copyFrames(w, r.Next); err != nil {
		return nil, err
	}
	batch, err := batchOf(batchBody)
	if err != nil {
		return nil, err
	}
	if err := w.BeginLog(frames.NewOpenChain(r.Header().End + 1)); err != nil {
		return nil, err
	}
	err = copyFrames(w, func(dst []byte) (frames.Frame, error) {
		m, err := batch.NextInto(dst)
		return m.Data, err
	})
	if err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

// copyFrames fills the segment that was begun, and ends it.
func copyFrames(w *frames.ArchiveWriter, next func([]byte) (frames.Frame, error)) error {
	dst := make([]byte, frames.Size)
	for {
		f, err := next(dst)
		if err == io.EOF {
			_, err = w.EndSegment()
			return err
		}
		if err != nil {
			return err
		}
		if err := w.WriteFrame(f); err != nil {
			return err
		}
	}
}

// batchOf gives the batch in the body of a BatchLogEntries answer.
func batchOf(body []byte) (*frames.BatchReader, error) {
	e := frames.NewEnvelopeReader(bytes.NewReader(body))
	kind, length, err := e.Next()
	if err != nil {
		return nil, err
	}
	if kind != frames.EnvelopeData {
		return nil, fmt.Errorf("envelope of kind %d, want a message", kind)
	}
	return frames.NewBatchReader(e, int64(length), nil), nil
}
