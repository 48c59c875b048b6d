package frames

import "bytes"

// FileKind is what a file of frames is.
type FileKind uint8

// The kinds of file that DetectFile tells apart.
const (
	FileUnknown  FileKind = iota
	FileArchive           // a frame archive, for ArchiveReader
	FileSnapshot          // a libSQL snapshot file, for SnapshotReader
)

// String gives the name of the kind.
func (k FileKind) String() string {
	switch k {
	case FileArchive:
		return "archive"
	case FileSnapshot:
		return "snapshot"
	}
	return "unknown"
}

// DetectFile tells from the first bytes of a file, at least
// [SnapshotHeaderSize] of them, and from its size in bytes (below 0 when not
// known) what it is. A snapshot file has no magic number: it is taken for one
// when its header makes sense and its size is the one the header calls for. So
// it is a guess, and the reader has the last word.
func DetectFile(prefix []byte, size int64) FileKind {
	if bytes.HasPrefix(prefix, []byte(archiveMagic)) {
		return FileArchive
	}
	h, err := ParseSnapshotHeader(prefix)
	if err != nil {
		return FileUnknown
	}
	if size >= 0 && !h.fits(uint64(size)) {
		return FileUnknown
	}
	return FileSnapshot
}

// fits reports whether a file with this header is size bytes long. It divides
// because Count is any number.
func (h SnapshotHeader) fits(size uint64) bool {
	if size < SnapshotHeaderSize {
		return false
	}
	body := size - SnapshotHeaderSize
	return body%Size == 0 && body/Size == h.Count
}
