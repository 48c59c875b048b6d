// Package testdata holds small captures of real servers and of real SQLite for
// the tests of floe. README.md says what each file is.
package testdata

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"testing"
)

//go:embed wire wal archive
var files embed.FS

// Read gives the content of a file, named without its ".gz" if it has one:
// "wire/batch.bin". It ends the test when there is none.
func Read(tb testing.TB, name string) []byte {
	tb.Helper()
	if data, err := files.ReadFile(name); err == nil {
		return data
	}
	packed, err := files.ReadFile(name + ".gz")
	if err != nil {
		tb.Fatalf("read %s: %v", name, err)
	}
	data, err := unpack(packed)
	if err != nil {
		tb.Fatalf("read %s: %v", name, err)
	}
	return data
}

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return io.ReadAll(r)
}
