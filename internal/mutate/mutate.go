// Package mutate damages databases with a plan, for tests: in the places that SQLite goes by, with the values that are
// hard on it. https://sqlite.org/fileformat2.html
package mutate

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// interesting are values that a number in a page is set to.
var interesting = []uint32{0, 1, 2, 3, 7, 127, 128, 255, 256, 4094, 4095, 4096, 32767, 32768, 65535, 65536, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 2, 1<<32 - 1}

// pageTypes are the types of b-tree pages, and what is none.
var pageTypes = []byte{2, 5, 10, 13, 0, 1, 6, 14, 255}

// Image gives a copy of a database, or of its log, with some changes: of pages, or in the order and number of them.
func Image(rnd *rand.Rand, img []byte, pageSize int) []byte {
	img = bytes.Clone(img)
	for range 1 + rnd.IntN(4) {
		n := len(img) / pageSize
		if n == 0 {
			return img
		}
		at := func(i int) []byte { return img[i*pageSize : (i+1)*pageSize] }
		i, j := rnd.IntN(n), rnd.IntN(n)
		switch rnd.IntN(16) {
		case 0:
			copy(at(i), at(j))
		case 1:
			one := bytes.Clone(at(i))
			copy(at(i), at(j))
			copy(at(j), one)
		case 2:
			img = img[:rnd.IntN(len(img)+1)]
		case 3:
			img = append(img, bytes.Repeat([]byte{byte(rnd.IntN(256))}, rnd.IntN(3*pageSize))...)
		case 4, 5, 6:
			header(rnd, img)
		default:
			Page(rnd, at(i), i == 0)
		}
	}
	return img
}

// header changes a number of the database's header.
func header(rnd *rand.Rand, img []byte) {
	if len(img) < 100 {
		return
	}
	at := 16 + 4*rnd.IntN(21)
	switch rnd.IntN(3) {
	case 0:
		img[at+rnd.IntN(4)] = byte(rnd.IntN(256))
	default:
		binary.BigEndian.PutUint32(img[at:], interesting[rnd.IntN(len(interesting))])
	}
}

// Page changes a page in place; that of a database's header is the first one.
func Page(rnd *rand.Rand, page []byte, first bool) {
	tree := 0
	if first && len(page) > 112 {
		tree = 100
	}
	cells := 8
	if page[tree] == 2 || page[tree] == 5 {
		cells = 12
	}
	value := interesting[rnd.IntN(len(interesting))]
	at := rnd.IntN(len(page) - 16)
	switch rnd.IntN(11) {
	case 0:
		page[at] ^= 1 << rnd.IntN(8)
	case 1:
		page[at] = byte(rnd.IntN(256))
	case 2:
		page[tree] = pageTypes[rnd.IntN(len(pageTypes))]
	case 3: // the first free block, the number of cells, where their content begins
		binary.BigEndian.PutUint16(page[tree+1+2*rnd.IntN(3):], uint16(value))
	case 4: // the last child, or the first cells
		binary.BigEndian.PutUint32(page[tree+8:], value)
	case 5: // where a cell is
		binary.BigEndian.PutUint16(page[tree+cells+2*rnd.IntN(10):], uint16(rnd.IntN(len(page)+2)))
	case 6: // a page number, or the first bytes of a cell, somewhere
		binary.BigEndian.PutUint32(page[at:], value)
	case 7:
		copy(page[at:], bytes.Clone(page[rnd.IntN(len(page)):]))
	case 8:
		clear(page[at:min(len(page), at+rnd.IntN(200))])
	case 9: // the greatest number of variable length
		copy(page[at:], bytes.Repeat([]byte{0xff}, 9))
	case 10: // in a cell: its length, its key, the types of its columns
		cell := int(binary.BigEndian.Uint16(page[min(tree+cells+2*rnd.IntN(6), len(page)-2):]))
		if cell+8 < len(page) {
			page[cell+rnd.IntN(8)] = []byte{0, 1, 12, 13, 127, 128, 129, 254, 255}[rnd.IntN(9)]
		}
	}
}
