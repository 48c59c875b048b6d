// Package dbheader tells from the first bytes of a file whether it is a SQLite database. SQLite only reads them: where it
// uses a database, it leaves files beside it.
package dbheader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/floedb/floe/engine"
)

// Size is how long the header is, in bytes. See https://sqlite.org/fileformat2.html#the_database_header.
const Size = 100

// magic begins each database that is not encrypted.
const magic = "SQLite format 3\x00"

// Header is what the header of a database says that is not empty.
type Header struct {
	PageSize int64 // in bytes, a power of two from 512 to 65536
	Pages    int64 // of the database; 0 when the header does not know, as old versions of SQLite left it
}

// Parse reads the first Size bytes of a database, or fewer where there are no more. What SQLite does not take for a
// database is an [engine.NotADB].
func Parse(b []byte) (Header, error) {
	if n := min(len(b), len(magic)); n == 0 || string(b[:n]) != magic[:n] {
		return Header{}, notADatabase("it does not begin as one does")
	}
	if len(b) < Size {
		return Header{}, notADatabase("its header ends after %d of %d bytes", len(b), Size)
	}
	h := Header{PageSize: int64(binary.BigEndian.Uint16(b[16:]))}
	if h.PageSize == 1 {
		h.PageSize = 65536
	}
	reserved := int64(b[20])
	switch {
	case h.PageSize < 512 || h.PageSize&(h.PageSize-1) != 0:
		return Header{}, notADatabase("its header is damaged: it has a page size of %d bytes", h.PageSize)
	case h.PageSize-reserved < 480:
		return Header{}, notADatabase("its header is damaged: it leaves %d of %d bytes of a page", h.PageSize-reserved, h.PageSize)
	case b[19] > 2:
		return Header{}, notADatabase("its header has the format version %d, which SQLite does not read", b[19])
	case string(b[21:24]) != "\x40\x20\x20":
		return Header{}, notADatabase("its header is damaged: it has the payload fractions %d, %d and %d", b[21], b[22], b[23])
	}
	if string(b[24:28]) == string(b[92:96]) { // else an old version wrote last, which did not keep it
		h.Pages = int64(binary.BigEndian.Uint32(b[28:]))
	}
	return h, nil
}

func notADatabase(format string, args ...any) error {
	return fmt.Errorf("not a SQLite database: %s (%w)", fmt.Sprintf(format, args...), engine.NotADB)
}

// File is a database file that was looked at.
type File struct {
	Header
	Bytes int64 // its size; an empty file is an empty database, without a header
	// Pending is whether a log or a journal beside it has a part of the database, so that the file by itself may be
	// anything, and only SQLite can tell.
	Pending bool
}

// Read looks at the file at path, which another process may be writing to. Its name must be the one that SQLite opens it
// by, with no symbolic link. A file with less than what its header says is an [engine.Corrupt], and what is no file an
// [engine.CantOpen].
func Read(path string) (f File, err error) {
	for range 2 { // what seems to be damage may be the work of a writer between two looks
		if f, err = read(path); !errors.Is(err, engine.NotADB) && !errors.Is(err, engine.Corrupt) {
			break
		}
	}
	return f, err
}

func read(path string) (File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("not a regular file (%w)", engine.CantOpen)
	}
	if err != nil {
		return File{}, err
	}
	b, size, err := readStart(path)
	if err != nil {
		return File{}, err
	}
	f := File{Bytes: size}
	if f.Pending, err = pending(path); err != nil {
		return f, err
	}
	if size <= 1 { // SQLite takes a single byte for nothing
		return f, nil
	}
	f.Header, err = Parse(b)
	switch {
	case f.Pending:
		return f, nil
	case err == nil && f.Pages*f.PageSize > size:
		err = fmt.Errorf("the database is cut short: there are %d bytes of %d pages of %d bytes (%w)", size, f.Pages, f.PageSize, engine.Corrupt)
	}
	return f, err
}

// readStart gives the first bytes of a file, and its size when these were read.
func readStart(path string) (b []byte, size int64, err error) {
	b = make([]byte, Size)
	n, size, err := engine.ReadHeader(path, b)
	if err != nil {
		return nil, 0, err
	}
	return b[:n], size, nil
}

// pending tells whether there is a write-ahead log or a journal that holds something.
func pending(path string) (bool, error) {
	for _, suffix := range []string{"-wal", "-journal"} {
		info, err := os.Stat(path + suffix)
		switch {
		case err == nil && info.Size() > 0:
			return true, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return false, err
		}
	}
	return false, nil
}
