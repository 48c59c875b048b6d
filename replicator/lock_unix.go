//go:build unix

package replicator

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes a lock on the whole file, an exclusive or a shared one. flock is
// used, not fcntl: it belongs to the open file, so that two handles in one process
// keep each other out too.
func tryLock(f *os.File, exclusive bool) error {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errWouldBlock
		}
		return err
	}
}

// unlock lets a lock go. Closing the file does so too, but not while a child that
// was being started has it open.
func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
