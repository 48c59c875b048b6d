package main

import (
	"os"
	"syscall"
	"unsafe"
)

var procGetConsoleScreenBufferInfo = syscall.NewLazyDLL("kernel32.dll").NewProc("GetConsoleScreenBufferInfo")

// terminalWidth gives the columns of the console that f is; ok is false when f is
// none.
//
// See https://learn.microsoft.com/windows/console/getconsolescreenbufferinfo
func terminalWidth(f *os.File) (columns int, ok bool) {
	var info struct {
		sizeX, sizeY, cursorX, cursorY int16
		attributes                     uint16
		left, top, right, bottom       int16
		maxX, maxY                     int16
	}
	found, _, _ := procGetConsoleScreenBufferInfo.Call(f.Fd(), uintptr(unsafe.Pointer(&info)))
	if found == 0 {
		return 0, false
	}
	return int(info.right-info.left) + 1, true
}

// isKeyboard tells whether a person types what is read from f.
func isKeyboard(f *os.File) bool {
	var mode uint32
	return syscall.GetConsoleMode(syscall.Handle(f.Fd()), &mode) == nil
}
