package replicator

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/floedb/floe/internal/files"
)

// lockSuffix, appended to the database's path, names the lock file. The file
// stays when the lock is let go, but for one beside what is no replica.
const lockSuffix = "-floe-lock"

// errWouldBlock is what a platform's tryLock gives when somebody has the lock.
var errWouldBlock = errors.New("lock held")

// lock takes the replica at path for this handle, or says who has it. The
// operating system lets the lock go when the process ends, however it ends.
func lock(path string) (*os.File, error) {
	name := path + lockSuffix
	f, err := files.Open(name, os.O_RDWR|os.O_CREATE, path)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := tryLock(f); err != nil {
		defer f.Close()
		if errors.Is(err, errWouldBlock) {
			return nil, &LockedError{Path: name, Holder: holder(f)}
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	if !sameFile(f, name) {
		f.Close() // removed by its last holder, between open and lock
		return lock(path)
	}
	if err := signLock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("sign lock file %s: %w", name, err)
	}
	return f, nil
}

// sameFile tells whether name still is the file that f has open.
func sameFile(f *os.File, name string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	theirs, err := os.Lstat(name)
	return err == nil && os.SameFile(ours, theirs)
}

// signLock writes who holds the lock, for the error of whoever is kept out.
func signLock(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	sign := fmt.Sprintf("process %d on host %s\n", os.Getpid(), host)
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(sign), 0)
	return err
}

func holder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 256))
	if who := strings.TrimSpace(string(b)); err == nil && who != "" {
		return who
	}
	return "an unknown process"
}
