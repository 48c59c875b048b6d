package wal_test

import (
	"bytes"
	"fmt"
	"io"
	"log"

	"github.com/floedb/floe/wal"
)

func ExampleReader() {
	var file bytes.Buffer
	w, err := wal.NewWriter(&file, wal.Header{PageSize: 512, Salt1: 1, Salt2: 2})
	if err != nil {
		log.Fatal(err)
	}
	if err := w.WriteFrame(1, make([]byte, 512), 0); err != nil {
		log.Fatal(err)
	}
	if err := w.WriteFrame(2, make([]byte, 512), 2); err != nil {
		log.Fatal(err)
	}

	r, err := wal.NewReader(&file)
	if err != nil {
		log.Fatal(err)
	}
	for {
		f, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("page %d, commit: %t\n", f.PageNo, f.IsCommit())
	}
	s := r.Summary()
	fmt.Printf("%d of %d frames committed, then: %v\n", s.Committed, s.Frames, s.End)
	// Output:
	// page 1, commit: false
	// page 2, commit: true
	// 2 of 2 frames committed, then: clean
}
