//go:build linux || darwin || freebsd || netbsd || openbsd

package main

import (
	"os"
	"syscall"
	"unsafe"
)

// defaultWidth is taken where a terminal does not say how wide it is.
const defaultWidth = 80

// terminalWidth gives the columns of the terminal that f is; ok is false when f
// is none.
func terminalWidth(f *os.File) (columns int, ok bool) {
	var size struct{ rows, columns, x, y uint16 }
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, false
	}
	if size.columns == 0 {
		return defaultWidth, true
	}
	return int(size.columns), true
}

// isKeyboard tells whether a person types what is read from f.
func isKeyboard(f *os.File) bool {
	_, ok := terminalWidth(f)
	return ok
}
