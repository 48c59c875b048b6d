// Package wal reads and writes SQLite's write-ahead log, the file beside a
// database whose name ends in "-wal".
//
// A log is a header and frames; a frame is a page of the database behind a
// header of its own. A frame whose SizeAfter is not zero commits the frames
// since the commit before it. A log is reused from its start after a
// checkpoint: then new salts in the header and in the new frames tell them
// from those that are left over behind them. The checksum of a frame covers
// the header of the log and every frame before it.
//
// The package works on readers and writers. It takes no lock, does not know
// the wal-index, and needs no SQLite.
//
// https://sqlite.org/fileformat2.html#the_write_ahead_log
package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes, in bytes. Page sizes are the powers of two between the two limits.
const (
	HeaderSize      = 32
	FrameHeaderSize = 24
	MinPageSize     = 512
	MaxPageSize     = 65536
)

// The first four bytes of a log, read as a big-endian number. They say how
// checksums take the bytes they are made of; every stored number is big-endian
// in both cases. SQLite writes the one that is native to the machine.
const (
	MagicLittleEndian = 0x377f0682
	MagicBigEndian    = 0x377f0683
)

// Version is the one version of the format there is.
const Version = 3007000

var (
	// ErrHeader means that the bytes are not the header of a log. SQLite takes
	// such a log for an empty one.
	ErrHeader = errors.New("invalid wal header")
	// ErrEmpty means that the log has no byte at all: what SQLite leaves after
	// a checkpoint that truncates. ErrHeader does not match it.
	ErrEmpty = errors.New("empty wal")
	// ErrPage means that a frame cannot be written: page 0, or a page that is
	// not of the log's page size.
	ErrPage = errors.New("invalid wal page")
)

// Header is the first [HeaderSize] bytes of a log.
type Header struct {
	PageSize      uint32 // bytes, see MinPageSize and MaxPageSize
	CheckpointSeq uint32 // how often the log was restarted
	Salt1         uint32 // goes up by one with every restart
	Salt2         uint32 // random, new with every restart
	BigEndian     bool   // how checksums take bytes, see MagicBigEndian
}

// FrameHeader is what precedes the page in a frame, [FrameHeaderSize] bytes.
type FrameHeader struct {
	PageNo    uint32 // the first page of a database is 1
	SizeAfter uint32 // pages in the database after the commit; 0 when the frame commits nothing
	Salt1     uint32 // those of the log's header, or the frame is left over
	Salt2     uint32
	Sum       Sum // of the log up to and including this frame
}

// IsCommit reports whether the frame ends a transaction.
func (h FrameHeader) IsCommit() bool { return h.SizeAfter != 0 }

// ParseHeader reads a header from the first [HeaderSize] bytes of b and gives
// its checksum too, which those of the frames go on from. The error wraps
// [ErrHeader].
func ParseHeader(b []byte) (Header, Sum, error) {
	if len(b) < HeaderSize {
		return Header{}, Sum{}, fmt.Errorf("%w: %d bytes, want %d", ErrHeader, len(b), HeaderSize)
	}
	magic := binary.BigEndian.Uint32(b)
	if magic != MagicLittleEndian && magic != MagicBigEndian {
		return Header{}, Sum{}, fmt.Errorf("%w: magic %#08x", ErrHeader, magic)
	}
	h := Header{
		PageSize:      binary.BigEndian.Uint32(b[8:]),
		CheckpointSeq: binary.BigEndian.Uint32(b[12:]),
		Salt1:         binary.BigEndian.Uint32(b[16:]),
		Salt2:         binary.BigEndian.Uint32(b[20:]),
		BigEndian:     magic == MagicBigEndian,
	}
	if v := binary.BigEndian.Uint32(b[4:]); v != Version {
		return Header{}, Sum{}, fmt.Errorf("%w: version %d, want %d", ErrHeader, v, Version)
	}
	if err := checkPageSize(h.PageSize); err != nil {
		return Header{}, Sum{}, err
	}
	sum := Sum{}.Update(h.BigEndian, b[:24])
	if stored := parseSum(b[24:]); stored != sum {
		return Header{}, Sum{}, fmt.Errorf("%w: checksum %v, its bytes give %v", ErrHeader, stored, sum)
	}
	return h, sum, nil
}

// Append appends the [HeaderSize] bytes of h to dst.
func (h Header) Append(dst []byte) []byte {
	from := len(dst)
	magic := uint32(MagicLittleEndian)
	if h.BigEndian {
		magic = MagicBigEndian
	}
	dst = binary.BigEndian.AppendUint32(dst, magic)
	dst = binary.BigEndian.AppendUint32(dst, Version)
	dst = binary.BigEndian.AppendUint32(dst, h.PageSize)
	dst = binary.BigEndian.AppendUint32(dst, h.CheckpointSeq)
	dst = binary.BigEndian.AppendUint32(dst, h.Salt1)
	dst = binary.BigEndian.AppendUint32(dst, h.Salt2)
	return Sum{}.Update(h.BigEndian, dst[from:]).append(dst)
}

func checkPageSize(n uint32) error {
	if n < MinPageSize || n > MaxPageSize || n&(n-1) != 0 {
		return fmt.Errorf("%w: page size %d", ErrHeader, n)
	}
	return nil
}

// parseFrameHeader reads a frame header from b, which is long enough.
func parseFrameHeader(b []byte) FrameHeader {
	return FrameHeader{
		PageNo:    binary.BigEndian.Uint32(b),
		SizeAfter: binary.BigEndian.Uint32(b[4:]),
		Salt1:     binary.BigEndian.Uint32(b[8:]),
		Salt2:     binary.BigEndian.Uint32(b[12:]),
		Sum:       parseSum(b[16:]),
	}
}

func (h FrameHeader) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, h.PageNo)
	dst = binary.BigEndian.AppendUint32(dst, h.SizeAfter)
	dst = binary.BigEndian.AppendUint32(dst, h.Salt1)
	dst = binary.BigEndian.AppendUint32(dst, h.Salt2)
	return h.Sum.append(dst)
}

// frameSum is the checksum of a frame that follows sum: over the page number
// and the size, then over the page. The salts are not part of it.
func frameSum(sum Sum, bigEndian bool, frameHeader, page []byte) Sum {
	return sum.Update(bigEndian, frameHeader[:8]).Update(bigEndian, page)
}
