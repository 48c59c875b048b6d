package replicator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/floedb/floe/frames"
)

// buildSuffix, appended to the database's path, names the file that a first sync
// builds. One that a crash left is removed by the next first sync.
const buildSuffix = "-floe-bootstrap"

// builder is the target of a first sync: it writes pages straight into a new
// file beside the database's name and gives it that name when it is whole. That
// takes half the time of going through SQLite, and no reader can see a part.
type builder struct {
	fs   fileSystem
	path string // the database
	f    file
	size uint32 // pages, after the last transaction applied
	last uint64 // its last frame
	any  bool   // there was one
	torn bool   // pages of a transaction without its end were written
	anew bool   // what was spilled may be wrong: begin anew after an abort
}

func newBuilder(fsys fileSystem, path string) (*builder, error) {
	if err := removeStaleWAL(fsys, path+buildSuffix); err != nil {
		return nil, err
	}
	if err := fsys.Remove(path + buildSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove what a crash left: %w", err)
	}
	f, err := fsys.OpenFile(path+buildSuffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, path)
	if err != nil {
		return nil, fmt.Errorf("create database: %w", err)
	}
	return &builder{fs: fsys, path: path, f: f}, nil
}

func (b *builder) spill(pages *pageSet) error {
	b.torn = true
	return b.write(pages)
}

func (b *builder) apply(pages *pageSet, frameNo uint64, size uint32) error {
	// Should a write fail half-way, the file holds part of a transaction.
	b.torn = true
	if err := b.write(pages); err != nil {
		return err
	}
	b.size, b.last, b.any, b.torn = size, frameNo, true, false
	return nil
}

// abort leaves the file torn: pages of the transaction before may be gone, until
// the same transaction comes again. Where what was spilled may have been wrong in
// its page numbers, nothing would write over it: all is to come again then.
func (b *builder) abort() {
	if b.anew {
		b.size, b.last, b.any = 0, 0, false
	}
}

func (b *builder) write(pages *pageSet) error {
	for _, no := range pages.numbers() {
		page, _ := pages.get(no)
		if _, err := b.f.WriteAt(page, int64(no-1)*frames.PageSize); err != nil {
			return fmt.Errorf("write page %d: %w", no, err)
		}
	}
	return nil
}

func (b *builder) bare() bool { return !b.any }

// usable tells whether the file holds a state that the primary committed.
func (b *builder) usable() bool { return b.any && !b.torn }

// finish makes the file durable and ready for every SQLite reader. It does not
// give it its name yet.
func (b *builder) finish() error {
	if err := b.f.Truncate(int64(b.size) * frames.PageSize); err != nil {
		return fmt.Errorf("cut database to %d pages: %w", b.size, err)
	}
	if err := b.f.Sync(); err != nil {
		return fmt.Errorf("sync database: %w", err)
	}
	if err := b.close(); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return madeBy(adaptFile(b.path + buildSuffix))
}

// publish gives the finished file its name, durably.
func (b *builder) publish() error {
	if err := removeStaleWAL(b.fs, b.path); err != nil {
		return err
	}
	if err := b.fs.Rename(b.path+buildSuffix, b.path); err != nil {
		return fmt.Errorf("put database in place: %w", err)
	}
	return b.fs.SyncDir(b.path)
}

// removeStaleWAL removes, durably, what a deleted database or a crash left:
// SQLite would take its log for the new file's.
func removeStaleWAL(fsys fileSystem, path string) error {
	removed := false
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		switch err := fsys.Remove(path + suffix); {
		case err == nil:
			removed = true
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("remove left-over file: %w", err)
		}
	}
	if !removed {
		return nil
	}
	return fsys.SyncDir(path)
}

// removeDatabase removes a database that cannot be read, with its log.
func removeDatabase(fsys fileSystem, path string) error {
	if err := removeStaleWAL(fsys, path); err != nil {
		return err
	}
	if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a database that cannot be read: %w", err)
	}
	return fsys.SyncDir(path)
}

// discard removes the file.
func (b *builder) discard() error {
	err := errors.Join(b.close(), removeStaleWAL(b.fs, b.path+buildSuffix))
	if rmErr := b.fs.Remove(b.path + buildSuffix); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
		return errors.Join(err, rmErr)
	}
	return err
}

func (b *builder) close() error {
	if b.f == nil {
		return nil
	}
	err := b.f.Close()
	b.f = nil
	return err
}
