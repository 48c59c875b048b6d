package replicator

import (
	"errors"
	"fmt"
	"os"

	"github.com/floedb/floe/frames"
)

// errFilesChanged says that the files of a replica were deleted, moved or replaced
// while it was at work on them.
var errFilesChanged = errors.New("the replica's files were deleted or replaced during the call")

// identity tells which files a connection has open.
type identity struct{ db, wal os.FileInfo }

// identify finds out which files a connection to the database at path, just made,
// has open.
func identify(path string) identity {
	db, _ := os.Stat(path)
	wal, _ := os.Stat(path + "-wal")
	return identity{db, wal}
}

// filePages gives the number of pages in a database file, which may be nil. Its log
// may make it longer, or shorter.
func filePages(db os.FileInfo) pageCount {
	if db == nil {
		return 0
	}
	return pageCount(db.Size() / frames.PageSize)
}

// isDatabase reports whether the database at path is that one.
func (id identity) isDatabase(path string) bool {
	db, err := os.Stat(path)
	return err == nil && id.db != nil && os.SameFile(db, id.db)
}

// is reports whether the files at path are those. A connection to a database in WAL
// mode keeps its log in place for as long as it is open.
func (id identity) is(path string) bool {
	if !id.isDatabase(path) {
		return false
	}
	if id.wal == nil {
		return true
	}
	wal, err := os.Stat(path + "-wal")
	return err == nil && os.SameFile(wal, id.wal)
}

// intact makes sure that what was applied, or is about to be, is in the files that
// are at the replica's path.
func (s *session) intact() error {
	path := s.r.cfg.Path
	if s.lock != nil && !sameFile(s.lock.f, path+lockSuffix) {
		return fmt.Errorf("%s: %w", path+lockSuffix, errFilesChanged) // somebody else may have taken another
	}
	if s.applier == nil {
		return nil
	}
	if !s.files.is(path) {
		return fmt.Errorf("%s: %w", path, errFilesChanged)
	}
	if _, err := os.Lstat(path + positionSuffix); err != nil {
		return fmt.Errorf("%s: %w", path+positionSuffix, errFilesChanged)
	}
	return nil
}
