//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !windows

package main

import "os"

// terminalWidth knows no terminals on this platform.
func terminalWidth(*os.File) (columns int, ok bool) { return 0, false }

func isKeyboard(*os.File) bool { return false }
