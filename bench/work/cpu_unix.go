//go:build unix

package work

import (
	"syscall"
	"time"
)

// processorTime is what all threads of the process have taken so far. On a busy machine it says more than the clock.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
