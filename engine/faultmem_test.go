package engine

import (
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// memoryFaults says which allocation fails: the one that makes left zero, and the later ones too if it is sticky. Only
// one test at a time may use it.
var memoryFaults struct {
	armed, sticky atomic.Bool
	seen, at      atomic.Int64
}

func armMemoryFaults(at int, sticky bool) {
	memoryFaults.seen.Store(0)
	memoryFaults.at.Store(int64(at))
	memoryFaults.sticky.Store(sticky)
	memoryFaults.armed.Store(true)
}

// disarmMemoryFaults returns how many allocations there were since the faults were armed.
func disarmMemoryFaults() int {
	if !memoryFaults.armed.Swap(false) {
		return 0
	}
	return int(memoryFaults.seen.Load())
}

func outOfMemory() bool {
	if !memoryFaults.armed.Load() {
		return false
	}
	seen, at := memoryFaults.seen.Add(1), memoryFaults.at.Load()
	return seen == at || seen > at && memoryFaults.sticky.Load()
}

// methodTable is the allocator's function table in memory that does not move.
type methodTable struct{ *sqlite3.Tsqlite3_mem_methods }

func (m methodTable) address() uintptr { return uintptr(unsafe.Pointer(m.Tsqlite3_mem_methods)) }

// realMalloc is filled with the allocator that the engine uses. faultyMalloc is the one in its place.
var (
	realMalloc   = methodTable{new(sqlite3.Tsqlite3_mem_methods)}
	faultyMalloc = methodTable{&sqlite3.Tsqlite3_mem_methods{
		FxMalloc: cFunc(func(tls *libc.TLS, n int32) uintptr {
			if outOfMemory() {
				return 0
			}
			return cCall[func(*libc.TLS, int32) uintptr](realMalloc.FxMalloc)(tls, n)
		}),
		FxRealloc: cFunc(func(tls *libc.TLS, p uintptr, n int32) uintptr {
			if outOfMemory() {
				return 0
			}
			return cCall[func(*libc.TLS, uintptr, int32) uintptr](realMalloc.FxRealloc)(tls, p, n)
		}),
		FxFree: cFunc(func(tls *libc.TLS, p uintptr) {
			cCall[func(*libc.TLS, uintptr)](realMalloc.FxFree)(tls, p)
		}),
		FxSize: cFunc(func(tls *libc.TLS, p uintptr) int32 {
			return cCall[func(*libc.TLS, uintptr) int32](realMalloc.FxSize)(tls, p)
		}),
		FxRoundup: cFunc(func(tls *libc.TLS, n int32) int32 {
			return cCall[func(*libc.TLS, int32) int32](realMalloc.FxRoundup)(tls, n)
		}),
		FxInit: cFunc(func(tls *libc.TLS, data uintptr) int32 {
			return cCall[func(*libc.TLS, uintptr) int32](realMalloc.FxInit)(tls, realMalloc.FpAppData)
		}),
		FxShutdown: cFunc(func(tls *libc.TLS, data uintptr) {
			cCall[func(*libc.TLS, uintptr)](realMalloc.FxShutdown)(tls, realMalloc.FpAppData)
		}),
	}}
)
