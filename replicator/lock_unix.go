//go:build unix

package replicator

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes an exclusive lock on the whole file. flock is used, not fcntl:
// it belongs to the open file, so that two handles in one process keep each
// other out too.
func tryLock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errWouldBlock
		}
		return err
	}
}
