package frames

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math/bits"
)

// isoTable serves what is left of a page behind its last whole stride, which
// of a page of PageSize is nothing.
var isoTable = crc64.MakeTable(crc64.ISO)

// stride is how many bytes crcStrides takes at a time: four lanes of 64 bits.
const stride = 32

// Checksum gives the checksum of the frame that holds page and follows a frame
// with the checksum prev. The first frame of a log follows 0.
//
// It is CRC-64/GO-ISO with prev as the initial value of the register. libSQL's
// implementation takes that value unreflected, and this CRC keeps its register
// reflected, hence the reversal; hash/crc64 inverts what it is given, hence the
// complement. It gives the same as
//
//	crc64.Update(^bits.Reverse64(prev), crc64.MakeTable(crc64.ISO), page)
//
// several times as fast, and does not allocate.
func Checksum(prev uint64, page []byte) uint64 {
	whole := len(page) / stride * stride
	reg := crcStrides(bits.Reverse64(prev), page[:whole])
	return crc64.Update(^reg, isoTable, page[whole:])
}

// crcStrides takes b, a multiple of stride long, into the register.
//
// The polynomial is P = x^64 + x^4 + x^3 + x + 1. So x^64 mod P is
// x^4 + x^3 + x + 1, and multiplying by it takes three shifts where other CRCs
// need tables. Squaring it twice gives x^256 mod P = x^16 + x^12 + x^4 + 1,
// since cross terms vanish: as sparse, and a whole stride further. Thus four
// words are carried side by side, which the processor does at once, and are
// put together at the end.
func crcStrides(reg uint64, b []byte) uint64 {
	if len(b) < stride {
		return reg
	}
	l0 := reg ^ binary.LittleEndian.Uint64(b)
	l1 := binary.LittleEndian.Uint64(b[8:])
	l2 := binary.LittleEndian.Uint64(b[16:])
	l3 := binary.LittleEndian.Uint64(b[24:])
	for b = b[stride:]; len(b) >= stride; b = b[stride:] {
		l0 = timesX256(l0) ^ binary.LittleEndian.Uint64(b)
		l1 = timesX256(l1) ^ binary.LittleEndian.Uint64(b[8:])
		l2 = timesX256(l2) ^ binary.LittleEndian.Uint64(b[16:])
		l3 = timesX256(l3) ^ binary.LittleEndian.Uint64(b[24:])
	}
	reg = timesX64(l0) ^ l1
	reg = timesX64(reg) ^ l2
	reg = timesX64(reg) ^ l3
	return timesX64(reg)
}

// timesX64 multiplies by x^64 modulo P. The register is reflected, x^0 is its
// highest bit: a shift to the right multiplies by a power of x. What falls out
// of it is worth x^64 and more, so it is multiplied by the same factor; the
// shifts to the left find it. Being that small, it does not fall out again.
func timesX64(v uint64) uint64 {
	v ^= v<<63 ^ v<<61 ^ v<<60
	v ^= v >> 1 // x^4 + x^3 + x + 1 = (x + 1)(x^3 + 1)
	return v ^ v>>3
}

// timesX256 multiplies by x^256 modulo P. What falls out here is worth x^64,
// not x^256, and has up to 16 terms; timesX64 of it falls out no more.
func timesX256(v uint64) uint64 {
	out := v<<60 ^ v<<52 ^ v<<48
	v ^= v >> 4 // x^16 + x^12 + x^4 + 1 = (x^4 + 1)(x^12 + 1)
	out ^= out >> 1
	return v ^ v>>12 ^ out ^ out>>3
}

// Chain verifies a run of log frames: their numbers follow each other without
// a gap, and each checksum follows from the one before it. Frames of a
// snapshot are not a chain.
//
// A chain may begin anew from 0 behind a commit: libsql-server 0.24 does so
// whenever it compacts its log, with the first frame behind the snapshot. A
// client that read the log up to there sees it between two answers.
//
// A Chain that has refused a frame stays where it was.
type Chain struct {
	next   uint64
	sum    uint64
	open   bool
	inside bool // the last frame did not end its transaction
}

// NewChain begins at frame number next, after a frame with the checksum prev.
// For frame 0, prev is 0.
func NewChain(next, prev uint64) *Chain { return &Chain{next: next, sum: prev} }

// NewOpenChain begins at frame number next when the checksum of the frame
// before it is not known. The first frame's own checksum is then taken on
// trust: damage to its page goes unseen, damage to any later one does not.
func NewOpenChain(next uint64) *Chain { return &Chain{next: next, open: next != 0} }

// Verify checks that f is the next frame of the chain, and moves on to the one
// after it. The error is a [*FrameError]. It does not look at whether PageNo is
// inside the database: a transaction may write pages that it then cuts off.
func (c *Chain) Verify(f Frame) error {
	if len(f) != Size {
		return &FrameError{FrameNo: c.next, Reason: fmt.Errorf("%w: %d bytes, want %d", ErrShortFrame, len(f), Size)}
	}
	if f.FrameNo() != c.next {
		return refuse(f, fmt.Errorf("%w: want frame %d", ErrOutOfOrder, c.next))
	}
	if c.next > MaxFrameNo {
		return refuse(f, fmt.Errorf("%w: no log is that long", ErrOutOfOrder))
	}
	if f.PageNo() == 0 {
		return refuse(f, ErrPageNumber)
	}
	if err := c.verifySum(f); err != nil {
		return err
	}
	c.next++
	c.sum = f.Checksum()
	c.open = false
	c.inside = !f.IsCommit()
	return nil
}

func (c *Chain) verifySum(f Frame) error {
	if c.open {
		return nil
	}
	sum := Checksum(c.sum, f.Page())
	if sum == f.Checksum() {
		return nil
	}
	if !c.inside && Checksum(0, f.Page()) == f.Checksum() {
		return nil
	}
	return refuse(f, fmt.Errorf("%w: frame has %016x, its page gives %016x", ErrChecksum, f.Checksum(), sum))
}

// Next is the number of the frame that Verify expects.
func (c *Chain) Next() uint64 { return c.next }

// Sum is the checksum of the last frame verified; before the first one what
// the chain began with, which is 0 for an open chain.
func (c *Chain) Sum() uint64 { return c.sum }
