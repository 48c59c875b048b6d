package replicator

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

var (
	kernel32         = syscall.NewLazyDLL("kernel32.dll")
	procLockFileEx   = kernel32.NewProc("LockFileEx")
	procUnlockFileEx = kernel32.NewProc("UnlockFileEx")
)

const (
	lockfileFailImmediately = 0x1
	lockfileExclusiveLock   = 0x2
	errorLockViolation      = syscall.Errno(33)
	errorIOPending          = syscall.Errno(997)
)

// lockedByte gives the place of what is locked: one byte far beyond the end of the
// file. Locks are mandatory on Windows: one on the text itself would keep others
// from reading who holds it.
func lockedByte() *syscall.Overlapped { return &syscall.Overlapped{OffsetHigh: 0x40000000} }

// tryLock takes a lock, an exclusive or a shared one.
//
// See https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex
func tryLock(f *os.File, exclusive bool) error {
	how := uintptr(lockfileFailImmediately)
	if exclusive {
		how |= lockfileExclusiveLock
	}
	ok, _, err := procLockFileEx.Call(f.Fd(), how, 0, 1, 0, uintptr(unsafe.Pointer(lockedByte())))
	if ok != 0 {
		return nil
	}
	if errors.Is(err, errorLockViolation) || errors.Is(err, errorIOPending) {
		return errWouldBlock
	}
	return err
}

// unlock lets a lock go. Closing the file does so too, but at a time of the
// system's own.
func unlock(f *os.File) {
	_, _, _ = procUnlockFileEx.Call(f.Fd(), 0, 1, 0, uintptr(unsafe.Pointer(lockedByte())))
}
