package replicator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/files"
)

// positionSuffix, appended to the database's path, names the position file. The
// name and the first 24 bytes are those of libSQL's own clients, so a replica
// that one of them began goes on with floe, and the other way round.
const positionSuffix = "-client_wal_index"

// positionSize is the length of the position file in bytes:
//
//	0   log id, 128 bits, little-endian
//	16  number of the last frame applied, 64 bits, little-endian; all ones for none
//	24  frames in flight, 32 bits, little-endian: so many frames after the last
//	    one applied may be in the database already
//	28  CRC-32C of the 28 bytes before
//
// libSQL's clients leave the last 8 bytes as they find them, and write zeros
// into a file of their own. So zeros say that another client began the replica,
// and a check value that does not fit says that another client moved it on, or
// that the file is damaged; the next sync finds out which (see tip.go).
const positionSize = 32

// noFrame is the frame number that says "none" in a position file.
const noFrame = ^uint64(0)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Position tells how far a replica has come in its primary's log.
type Position struct {
	LogID    frames.LogID
	FrameNo  uint64 // number of the last frame applied; meaningless unless HasFrame
	HasFrame bool   // false before the first frame
}

// Next returns the number of the first frame not applied yet.
func (p Position) Next() uint64 {
	if !p.HasFrame {
		return 0
	}
	return p.FrameNo + 1
}

// String gives the position as "log L frame N".
func (p Position) String() string {
	if !p.HasFrame {
		return fmt.Sprintf("log %s, no frame yet", p.LogID)
	}
	return fmt.Sprintf("log %s frame %d", p.LogID, p.FrameNo)
}

// record is what the position file holds.
type record struct {
	Position
	inFlight uint32 // see positionSize
	proven   bool   // the check value fits, or the file is another client's own
	foreign  bool   // another client wrote the file last, as far as can be told
}

// floor returns the number of the frame that the next local transaction must
// reach. Committing less could undo pages that are in the database already.
func (r record) floor() uint64 {
	if r.inFlight == 0 {
		return 0
	}
	next := r.Next()
	if more := uint64(r.inFlight) - 1; more < math.MaxUint64-next {
		return next + more
	}
	return math.MaxUint64 // no log is so long: the file is damaged, or somebody lied
}

func (r record) encode() []byte {
	b := make([]byte, 0, positionSize)
	b = r.LogID.AppendLE(b)
	n := r.FrameNo
	if !r.HasFrame {
		n = noFrame
	}
	b = binary.LittleEndian.AppendUint64(b, n)
	b = binary.LittleEndian.AppendUint32(b, r.inFlight)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeRecord(b []byte) (record, error) {
	if len(b) != positionSize {
		return record{}, fmt.Errorf("%w: %d bytes, not %d", ErrPositionFile, len(b), positionSize)
	}
	var r record
	id, err := frames.LogIDFromLE(b[:16])
	if err != nil {
		return record{}, fmt.Errorf("%w: %w", ErrPositionFile, err)
	}
	r.LogID = id
	if n := binary.LittleEndian.Uint64(b[16:]); n != noFrame {
		r.FrameNo, r.HasFrame = n, true
	}
	r.inFlight = binary.LittleEndian.Uint32(b[24:])
	check := binary.LittleEndian.Uint32(b[28:])
	switch {
	case r.inFlight == 0 && check == 0:
		r.foreign, r.proven = true, true
	case check == crc32.Checksum(b[:28], castagnoli):
		r.proven = true
	default:
		r.foreign, r.inFlight = true, 0
	}
	if r.HasFrame && r.FrameNo > frames.MaxFrameNo {
		return record{}, fmt.Errorf("%w: no log has a frame %d", ErrPositionFile, r.FrameNo)
	}
	if r.LogID.IsZero() && r.HasFrame {
		return record{}, fmt.Errorf("%w: it has a frame number, but no log id", ErrPositionFile)
	}
	return r, nil
}

// positionFile is the open position file. It is opened when first written.
type positionFile struct {
	path string
	fs   fileSystem
	f    file
}

// readPosition reads the position file at path. It returns an error that
// satisfies fs.ErrNotExist where there is none. An empty file, which libSQL's
// client leaves when it is cut off at once, counts as no frame yet.
func readPosition(path string) (record, error) {
	b, err := readBounded(path, positionSize+1)
	if err != nil {
		return record{}, err
	}
	if len(b) == 0 {
		return record{proven: true, foreign: true}, nil
	}
	r, err := decodeRecord(b)
	if err != nil {
		return record{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// readBounded reads a file, or the first most bytes of a longer one.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := files.Open(path, os.O_RDONLY, "")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// write puts r into the position file; with durable set it returns only when r
// would survive a loss of power.
func (p *positionFile) write(r record, durable bool) error {
	created := false
	if p.f == nil {
		_, err := p.fs.Lstat(p.path)
		created = errors.Is(err, fs.ErrNotExist)
		if p.f, err = p.fs.OpenFile(p.path, os.O_RDWR|os.O_CREATE, strings.TrimSuffix(p.path, positionSuffix)); err != nil {
			return fmt.Errorf("open position file: %w", err)
		}
	}
	if _, err := p.f.WriteAt(r.encode(), 0); err != nil {
		return fmt.Errorf("write position file: %w", err)
	}
	if !durable {
		return nil
	}
	if err := p.f.Sync(); err != nil {
		return fmt.Errorf("sync position file: %w", err)
	}
	if created {
		return p.fs.SyncDir(p.path)
	}
	return nil
}

// remove closes and deletes the position file.
func (p *positionFile) remove() error {
	err := p.close()
	if rmErr := p.fs.Remove(p.path); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
		return errors.Join(err, rmErr)
	}
	return errors.Join(err, p.fs.SyncDir(p.path))
}

func (p *positionFile) close() error {
	if p.f == nil {
		return nil
	}
	err := p.f.Close()
	p.f = nil
	return err
}

// file is the part of *os.File that floe writes durable data through.
type file interface {
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// fileSystem is the part of package os that floe writes durable data through. A
// test puts a file system under it that loses power.
type fileSystem interface {
	// OpenFile follows no symbolic link. A file that it makes gets the mode of the
	// one called like.
	OpenFile(name string, flag int, like string) (file, error)
	Rename(from, to string) error
	Remove(name string) error
	Lstat(name string) (fs.FileInfo, error)
	SyncDir(name string) error // makes the directory entry of name durable
}
