package frames_test

import (
	"hash/crc64"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/floedb/floe/frames"
)

func TestChecksumIsTheCRCOfTheStandardLibrary(t *testing.T) {
	table := crc64.MakeTable(crc64.ISO)
	rng := rand.NewChaCha8([32]byte{})
	for n := range 300 {
		data := make([]byte, n)
		_, _ = rng.Read(data) // never fails
		for _, prev := range []uint64{0, 1, 1 << 63, ^uint64(0), rng.Uint64()} {
			got := frames.Checksum(prev, data)
			want := crc64.Update(^bits.Reverse64(prev), table, data)
			if got != want {
				t.Fatalf("%d bytes after %016x: checksum %016x, want %016x", n, prev, got, want)
			}
		}
	}
	page := make([]byte, frames.PageSize)
	for bit := range 8 * frames.PageSize {
		page[bit/8] ^= 1 << (bit % 8)
		if got, want := frames.Checksum(0, page), crc64.Update(^uint64(0), table, page); got != want {
			t.Fatalf("bits up to %d set: checksum %016x, want %016x", bit, got, want)
		}
	}
}
