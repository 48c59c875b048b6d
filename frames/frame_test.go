package frames_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/frames"
)

func TestAFrameGivesBackTheHeaderPutIntoIt(t *testing.T) {
	want := frames.Header{FrameNo: 0x0102030405060708, Checksum: 0x1112131415161718, PageNo: 0x21222324, SizeAfter: 0x31323334}
	b := make([]byte, frames.Size)
	b[frames.HeaderSize] = 0x7f
	frames.PutHeader(b, want)
	f, err := frames.AsFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, f.Header()); diff != "" {
		t.Errorf("header (-put +got):\n%s", diff)
	}
	if b[0] != 0x08 || b[23] != 0x31 {
		t.Errorf("first and last byte are %#x and %#x, want little-endian 0x8 and 0x31", b[0], b[23])
	}
	if page := f.Page(); len(page) != frames.PageSize || cap(page) != frames.PageSize || page[0] != 0x7f {
		t.Errorf("page of length %d, capacity %d, first byte %#x; want %d, %d, 0x7f", len(page), cap(page), page[0], frames.PageSize, frames.PageSize)
	}
}

func TestOnlyAWholeFrameIsAFrame(t *testing.T) {
	for _, n := range []int{0, frames.HeaderSize, frames.Size - 1, frames.Size + 1} {
		if _, err := frames.AsFrame(make([]byte, n)); !errors.Is(err, frames.ErrShortFrame) {
			t.Errorf("%d bytes: error %v, want %v", n, err, frames.ErrShortFrame)
		}
	}
}

func TestLogIDKeepsItsForms(t *testing.T) {
	const text = "01234567-89ab-cdef-1032-547698badcfe"
	id, err := frames.ParseLogID("01234567-89AB-CDEF-1032-547698badcfe")
	if err != nil {
		t.Fatal(err)
	}
	if id != testLogID || id.String() != text || id.IsZero() {
		t.Errorf("parsed %v, zero: %t; want %s", id, id.IsZero(), text)
	}
	le := id.AppendLE([]byte{0xff})
	want := []byte{0xff, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01}
	if diff := cmp.Diff(want, le); diff != "" {
		t.Errorf("little-endian form (-want +got):\n%s", diff)
	}
	if back, err := frames.LogIDFromLE(le[1:]); err != nil || back != id {
		t.Errorf("read back %v, %v; want %v", back, err, id)
	}
	if !(frames.LogID{}).IsZero() {
		t.Error("the zero value is not zero")
	}
}

func TestWhatIsNoLogIDIsRefused(t *testing.T) {
	for _, s := range []string{
		"", "0123456789abcdef1032547698badcfe", "01234567-89ab-cdef-1032-547698badcf",
		"01234567-89ab-cdef-1032-547698badcfg", "01234567089ab-cdef-1032-547698badcfe",
		"{1234567-89ab-cdef-1032-547698badcf}", "01234567-89ab-cdef-1032_547698badcfe",
	} {
		if id, err := frames.ParseLogID(s); !errors.Is(err, frames.ErrLogID) || !id.IsZero() {
			t.Errorf("%q: %v, error %v; want %v", s, id, err, frames.ErrLogID)
		}
	}
	if _, err := frames.LogIDFromLE(make([]byte, 15)); !errors.Is(err, frames.ErrLogID) {
		t.Errorf("15 bytes: error %v, want %v", err, frames.ErrLogID)
	}
}
