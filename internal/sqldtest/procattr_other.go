//go:build !linux

package sqldtest

import "syscall"

// sysProcAttr asks for nothing: only Linux has a parent-death signal.
func sysProcAttr() *syscall.SysProcAttr { return nil }
