package sqldtest

import "syscall"

// sysProcAttr makes the kernel end the server with the test process, also when that one is killed and runs no
// cleanup.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
