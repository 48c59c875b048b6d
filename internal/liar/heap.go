package liar

import (
	"runtime/metrics"
	"time"
)

// HeapPeak gives how much the heap grows while f runs, as far as a look at it every few milliseconds finds.
func HeapPeak(f func()) (grown uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before := heap()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if now := heap(); now > before {
			grown = max(grown, now-before)
		}
		select {
		case <-done:
			return grown
		case <-tick.C:
		}
	}
}
