package frames_test

import (
	"bytes"
	"fmt"
	"io"
	"log"

	"github.com/floedb/floe/frames"
)

func ExampleChain() {
	page := make([]byte, frames.PageSize)
	frame := make([]byte, frames.Size)
	copy(frame[frames.HeaderSize:], page)
	frames.PutHeader(frame, frames.Header{FrameNo: 0, Checksum: frames.Checksum(0, page), PageNo: 1, SizeAfter: 1})

	chain := frames.NewChain(0, 0)
	fmt.Println(chain.Verify(frame), chain.Next())
	fmt.Println(chain.Verify(frame))
	// Output:
	// <nil> 1
	// frame 0 (page 1): frame out of order: want frame 1
}

func ExampleEnvelopeReader() {
	// What a server answers to BatchLogEntries: one message, then trailers.
	var message []byte
	for _, f := range makeLog(3, 3) {
		message = frames.AppendBatch(message, frames.FrameMessage{Data: f})
	}
	body := frames.AppendEnvelope(nil, message)
	body = frames.AppendTrailers(body, frames.Status{})

	envelopes := frames.NewEnvelopeReader(bytes.NewReader(body))
	for {
		kind, length, err := envelopes.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		if kind == frames.EnvelopeTrailers {
			text, err := envelopes.AppendPayload(nil, 4096)
			if err != nil {
				log.Fatal(err)
			}
			status, err := frames.ParseTrailers(text)
			fmt.Println("status", status.Code, err)
			continue
		}
		batch := frames.NewBatchReader(envelopes, int64(length), nil)
		for {
			m, err := batch.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("frame", m.Data.FrameNo(), "page", m.Data.PageNo(), "commit", m.Data.IsCommit())
		}
	}
	// Output:
	// frame 0 page 1 commit false
	// frame 1 page 2 commit false
	// frame 2 page 3 commit true
	// status 0 <nil>
}

func ExampleArchiveWriter() {
	var file bytes.Buffer
	w, err := frames.NewArchiveWriter(&file, testLogID)
	if err != nil {
		log.Fatal(err)
	}
	if err := w.BeginLog(frames.NewChain(0, 0)); err != nil {
		log.Fatal(err)
	}
	for _, f := range makeLog(6, 3) {
		if err := w.WriteFrame(f); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := w.EndSegment(); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	info, err := frames.VerifyArchive(&file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("log %v, frames %d to %d, %d pages\n", info.LogID, info.First, info.Last, info.SizeAfter)
	// Output:
	// log 01234567-89ab-cdef-1032-547698badcfe, frames 0 to 5, 100 pages
}

func ExampleArchiveReader() {
	archive, err := logArchive(makeLog(6, 3))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := frames.VerifyArchive(bytes.NewReader(archive)); err != nil {
		log.Fatal(err) // before anything of it was used
	}
	r, err := frames.NewArchiveReader(bytes.NewReader(archive))
	if err != nil {
		log.Fatal(err)
	}
	frame := make([]byte, frames.Size)
	for {
		segment, err := r.NextSegment()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(segment.Kind, "from frame", segment.First)
		for {
			f, err := r.NextFrame(frame)
			if err == io.EOF {
				break
			}
			if err != nil {
				log.Fatal(err)
			}
			if f.IsCommit() {
				fmt.Println("transaction up to frame", f.FrameNo())
			}
		}
	}
	// Output:
	// log from frame 0
	// transaction up to frame 2
	// transaction up to frame 5
}

func ExampleSnapshotReader() {
	header := frames.SnapshotHeader{LogID: testLogID, Start: 0, End: 8, Count: 1, SizeAfter: 3}
	frame := make([]byte, frames.Size)
	frames.PutHeader(frame, frames.Header{FrameNo: 8, PageNo: 2})
	file := append(header.Append(nil), frame...)

	r, err := frames.NewSnapshotReader(bytes.NewReader(file))
	if err != nil {
		log.Fatal(err)
	}
	for {
		f, err := r.Next(frame)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("page %d of frame %d, database of %d pages\n", f.PageNo(), f.FrameNo(), f.SizeAfter())
	}
	// Output:
	// page 2 of frame 8, database of 3 pages
}
