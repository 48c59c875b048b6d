package replicator

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/floedb/floe/frames"
)

// A checksum says that a frame is the one that was sent, not that it makes sense.
// What would leave a file that nobody can read, or that no further transaction
// could mend, is refused before it is part of one.

// unspilled is how many pages of a transaction may come behind one with a higher
// number: SQLite writes what does not fit its page cache in the order in which it
// was used. It is a cache of a gigabyte.
const unspilled = 1 << 18

// pageCount bounds the pages that a database can have by what is known of it: those
// that are there, and one for each frame that came since, for SQLite writes each
// page that it adds. (All but one: https://sqlite.org/fileformat2.html#the_lock_byte_page.)
type pageCount uint64

// checkPage says whether a frame can be of page no.
func (n pageCount) checkPage(no uint32) error {
	if uint64(no) > uint64(n)+1+unspilled {
		return fmt.Errorf("%w: page %d of a database that cannot have more than %d pages yet", ErrCorrupt, no, n+1)
	}
	return nil
}

// checkSize says whether the database can have size pages.
func (n pageCount) checkSize(size uint32) error {
	if uint64(size) > uint64(n)+1 {
		return fmt.Errorf("%w: a transaction that leaves %d pages, of which %d at most can have come", ErrCorrupt, size, n+1)
	}
	return nil
}

// The header of a database, https://sqlite.org/fileformat2.html#the_database_header
const (
	headerMagic    = "SQLite format 3\x00"
	headerSize     = 100
	offPageSize    = 16
	offWriteFormat = 18 // 1 or 2; so is the one to read
	offReserved    = 20
	offFractions   = 21 // three bytes that are always the same
	offChanges     = 24
	offPages       = 28
	offCookie      = 40
	offEncoding    = 56
	offValidFor    = 92
)

// checkFirst says why SQLite would take no file that begins with this page 1 for a
// database.
func checkFirst(page []byte) error {
	size := binary.BigEndian.Uint16(page[offPageSize:])
	write, read := page[offWriteFormat], page[offWriteFormat+1]
	switch {
	case !bytes.HasPrefix(page, []byte(headerMagic)):
		return fmt.Errorf("%w: page 1 does not begin as a database does", ErrCorrupt)
	case size != frames.PageSize:
		return fmt.Errorf("%w: page 1 says that pages have %d bytes", ErrCorrupt, size)
	case write < 1 || write > 2 || read < 1 || read > 2:
		return fmt.Errorf("%w: page 1 is of format version %d for writing and %d for reading, where 1 and 2 are known", ErrCorrupt, write, read)
	case !bytes.Equal(page[offFractions:offChanges], []byte{64, 32, 32}):
		return fmt.Errorf("%w: page 1 has payload fractions %v", ErrCorrupt, page[offFractions:offChanges])
	case binary.BigEndian.Uint32(page[offEncoding:]) > 3:
		return fmt.Errorf("%w: page 1 has text encoding %d", ErrCorrupt, binary.BigEndian.Uint32(page[offEncoding:]))
	}
	return checkCells(1, page)
}

// checkCount says why a database with this page 1 cannot have size pages, where it
// had before of them, 0 for an unknown number, and the transaction ends with its
// log's frame frameNo.
//
// SQLite takes a file that is shorter than its page 1 says for damaged. One that is
// longer is none to it, and stays so until the database has grown over it: a log
// that was made of such a file begins with each of its pages, in order.
func checkCount(page []byte, frameNo uint64, before, size uint32) error {
	pages := binary.BigEndian.Uint32(page[offPages:])
	longer := pages < size && (size == before || before == 0 || frameNo+1 == uint64(size))
	if !countsPages(page) || pages == size || longer {
		return nil
	}
	return fmt.Errorf("%w: page 1 counts %d pages, and its transaction %d", ErrCorrupt, pages, size)
}

// countsPages tells whether SQLite believes the number of pages that page 1 has.
// See https://sqlite.org/fileformat2.html#in_header_database_size
func countsPages(page []byte) bool {
	return binary.BigEndian.Uint32(page[offPages:]) != 0 &&
		bytes.Equal(page[offChanges:offPages], page[offValidFor:offValidFor+4])
}

// withPages returns page 1 with another number of pages.
func withPages(page []byte, n uint32) []byte {
	page = bytes.Clone(page)
	binary.BigEndian.PutUint32(page[offPages:], n)
	return page
}

// textEncoding is 1 for UTF-8, 2 and 3 for the two forms of UTF-16. A database
// without a table has none yet.
func textEncoding(page []byte) uint32 { return binary.BigEndian.Uint32(page[offEncoding:]) }

// checkCells says why a page of a table's b-tree, or what its header says of its
// cells, cannot be right.
func checkCells(no uint32, page []byte) error {
	at, head := headerOf(no), 8
	switch page[at] {
	case leafTable:
	case interiorTable:
		head = 12
	default:
		return fmt.Errorf("%w: page %d of the schema is of type %#02x", ErrCorrupt, no, page[at])
	}
	cells := int(binary.BigEndian.Uint16(page[at+3:]))
	first := at + head + 2*cells
	if first > len(page) {
		return fmt.Errorf("%w: page %d of the schema has %d cells", ErrCorrupt, no, cells)
	}
	for i := range cells {
		cell := int(binary.BigEndian.Uint16(page[at+head+2*i:]))
		if cell < first || cell+4 > len(page) {
			return fmt.Errorf("%w: page %d of the schema has a cell at %d", ErrCorrupt, no, cell)
		}
	}
	return nil
}

// headerOf gives where a b-tree page's header is: on page 1 behind the database's.
func headerOf(no uint32) int {
	if no == 1 {
		return headerSize
	}
	return 0
}

// pageBits is a set of page numbers. It takes memory for those that are in it, some
// 600 bytes for each at worst, not for those below.
type pageBits map[uint32]*[64]uint64

// add puts no into the set and tells whether it is new.
func (b *pageBits) add(no uint32) bool {
	if *b == nil {
		*b = make(pageBits)
	}
	block := (*b)[no/4096]
	if block == nil {
		block = new([64]uint64)
		(*b)[no/4096] = block
	}
	word, bit := no%4096/64, uint64(1)<<(no%64)
	isNew := block[word]&bit == 0
	block[word] |= bit
	return isNew
}
