package main

import (
	"runtime"
	"time"
)

// timed runs f after a collection, so that no contestant pays for the garbage of the one before.
func timed(f func() error) (seconds float64, err error) {
	runtime.GC()
	begin := time.Now()
	err = f()
	return time.Since(begin).Seconds(), err
}

// rotated gives the contestants in an order that begins with another one in each run.
func rotated(names []string, run int) []string {
	k := run % len(names)
	return append(append([]string(nil), names[k:]...), names[:k]...)
}
