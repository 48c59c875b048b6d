package harness

import (
	"runtime"
	"time"
)

// Timed runs f after a collection, so that no contestant pays for the garbage of the one before.
func Timed(f func() error) (seconds float64, err error) {
	runtime.GC()
	begin := time.Now()
	err = f()
	return time.Since(begin).Seconds(), err
}

// Rotated gives the contestants in an order that begins with another one in each run.
func Rotated(names []string, run int) []string {
	k := run % len(names)
	return append(append([]string(nil), names[k:]...), names[:k]...)
}
