package sqldtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"
)

// Sizes of the database and write-ahead-log files, in bytes: https://sqlite.org/fileformat2.html#walformat
const (
	pageSize        = 4096
	walHeaderSize   = 32
	frameHeaderSize = 24
	walMagic        = 0x377f0682 // the lowest bit tells the byte order of the checksums
)

// PrimaryImage gives the bytes of the view's database as it stands now, the pages of the write-ahead log merged in,
// page count times 4,096 bytes long. No write may be under way; the server may run or not. The files are copied, not
// opened with SQLite: an SQLite reader could checkpoint them.
func (s *Server) PrimaryImage(t testing.TB) []byte {
	t.Helper()
	img, err := s.TryPrimaryImage()
	if err != nil {
		t.Fatalf("%v: image of the database: %v", s, err)
	}
	return img
}

// TryPrimaryImage is [Server.PrimaryImage] with the error returned, for any goroutine.
func (s *Server) TryPrimaryImage() ([]byte, error) {
	db, wal, err := copyQuiet(s.DataPath(s.Namespace))
	if err != nil {
		return nil, err
	}
	return mergeWAL(db, wal)
}

// copyQuiet reads a database file and its log, again when either changed meanwhile: the server checkpoints after the
// answer to the commit that filled the log.
func copyQuiet(path string) (db, wal []byte, err error) {
	const attempts = 50
	for range attempts {
		if db, wal, err = copyBoth(path); err != nil {
			return nil, nil, err
		}
		again, walAgain, err := copyBoth(path)
		if err != nil {
			return nil, nil, err
		}
		if bytes.Equal(db, again) && bytes.Equal(wal, walAgain) {
			return db, wal, nil
		}
		time.Sleep(pollInterval)
	}
	return nil, nil, fmt.Errorf("%s changes while it is copied", path)
}

func copyBoth(path string) (db, wal []byte, err error) {
	if db, err = os.ReadFile(path); err != nil {
		return nil, nil, err
	}
	wal, err = os.ReadFile(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return db, nil, nil
	}
	return db, wal, err
}

// mergeWAL writes the committed frames of a log over a database image and cuts or grows it to the committed size.
// Frames of an earlier life of the log, which have other salts, and frames after the last commit do not count. The
// image is changed in place where it is long enough.
func mergeWAL(img, wal []byte) ([]byte, error) {
	if len(wal) < walHeaderSize {
		return sizeFromHeader(img)
	}
	order, err := checksumOrder(wal)
	if err != nil {
		return nil, err
	}
	sum := checksum(order, [2]uint32{}, wal[:24])
	if !sumIs(sum, wal[24:32]) {
		return sizeFromHeader(img) // a header that was being written when the server ended
	}
	salts, frames := wal[16:24], wal[walHeaderSize:]
	pending := map[uint32][]byte{} // pages of the transaction being read
	committed := false
	for ; len(frames) >= frameHeaderSize+pageSize; frames = frames[frameHeaderSize+pageSize:] {
		head, page := frames[:frameHeaderSize], frames[frameHeaderSize:frameHeaderSize+pageSize]
		sum = checksum(order, checksum(order, sum, head[:8]), page)
		if !bytes.Equal(head[8:16], salts) || !sumIs(sum, head[16:24]) {
			break
		}
		pending[binary.BigEndian.Uint32(head[0:4])] = page
		if size := binary.BigEndian.Uint32(head[4:8]); size != 0 {
			img = commit(img, pending, size)
			clear(pending)
			committed = true
		}
	}
	if !committed {
		return sizeFromHeader(img)
	}
	return img, nil
}

// commit writes a transaction's pages into the image and makes it size pages long.
func commit(img []byte, pages map[uint32][]byte, size uint32) []byte {
	want := int(size) * pageSize
	if len(img) < want {
		img = append(img, make([]byte, want-len(img))...)
	}
	for no, page := range pages {
		if no >= 1 && no <= size {
			copy(img[int(no-1)*pageSize:], page)
		}
	}
	return img[:want]
}

// checksumOrder checks a log's header and gives the byte order of its checksums.
func checksumOrder(wal []byte) (binary.ByteOrder, error) {
	magic := binary.BigEndian.Uint32(wal)
	if magic&^1 != walMagic {
		return nil, fmt.Errorf("write-ahead log has magic number %#x, want %#x", magic, walMagic)
	}
	if size := binary.BigEndian.Uint32(wal[8:]); size != pageSize {
		return nil, fmt.Errorf("write-ahead log has pages of %d bytes, want %d", size, pageSize)
	}
	if magic&1 == 1 {
		return binary.BigEndian, nil
	}
	return binary.LittleEndian, nil
}

// checksum continues the log's checksum over b: https://sqlite.org/fileformat2.html#checksum_algorithm
func checksum(order binary.ByteOrder, sum [2]uint32, b []byte) [2]uint32 {
	for ; len(b) >= 8; b = b[8:] {
		sum[0] += order.Uint32(b) + sum[1]
		sum[1] += order.Uint32(b[4:]) + sum[0]
	}
	return sum
}

func sumIs(sum [2]uint32, stored []byte) bool {
	return sum[0] == binary.BigEndian.Uint32(stored) && sum[1] == binary.BigEndian.Uint32(stored[4:])
}

// sizeFromHeader cuts an image without a log to the page count in its header.
func sizeFromHeader(img []byte) ([]byte, error) {
	if len(img) == 0 {
		return img, nil
	}
	if len(img) < pageSize {
		return nil, fmt.Errorf("database file of %d bytes is shorter than a page", len(img))
	}
	size := int(binary.BigEndian.Uint32(img[28:32])) * pageSize
	if size > len(img) {
		return nil, fmt.Errorf("database file has %d bytes, its header says %d", len(img), size)
	}
	return img[:size], nil
}

// DiffPages compares two database images page by page and describes the first difference, or gives "" when there is
// none. It leaves out what SQLite sets by itself when it commits a page 1 that it was given: the file change counter
// (bytes 24-27), and the version-valid-for number and the library's version (bytes 92-99). It also leaves out the
// schema cookie (bytes 40-43), which a replica counts by itself once its primary was replaced.
// https://sqlite.org/fileformat2.html#the_database_header
func DiffPages(a, b []byte) string {
	for off := 0; off < min(len(a), len(b)); off += pageSize {
		pa, pb := pageAt(a, off), pageAt(b, off)
		if off == 0 {
			pa, pb = withoutCounters(pa), withoutCounters(pb)
		}
		if i := firstDifference(pa, pb); i >= 0 {
			return fmt.Sprintf("page %d differs first at offset %d: %s and %s", off/pageSize+1, i, byteAt(pa, i), byteAt(pb, i))
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%d bytes (%s pages) and %d bytes (%s pages), equal as far as both go",
			len(a), pages(len(a)), len(b), pages(len(b)))
	}
	return ""
}

func pageAt(img []byte, off int) []byte { return img[off:min(off+pageSize, len(img))] }

func withoutCounters(page []byte) []byte {
	page = bytes.Clone(page)
	clear(page[min(24, len(page)):min(28, len(page))])
	clear(page[min(40, len(page)):min(44, len(page))])
	clear(page[min(92, len(page)):min(100, len(page))])
	return page
}

// firstDifference gives the index of the first byte that differs in the common part of a and b, or -1.
func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	if bytes.Equal(a[:n], b[:n]) {
		return -1
	}
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

func byteAt(page []byte, i int) string {
	return fmt.Sprintf("%#02x (%x…)", page[i], page[i:min(i+8, len(page))])
}

func pages(size int) string {
	if size%pageSize == 0 {
		return fmt.Sprint(size / pageSize)
	}
	return fmt.Sprintf("%.2f", float64(size)/pageSize)
}
