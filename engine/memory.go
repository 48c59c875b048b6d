package engine

import (
	"fmt"
	"math"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SetMemoryAccounting turns SQLite's accounting of its memory on or off. It is off by default, as each allocation then
// takes a lock that all connections share. [MemoryUsed], [LibraryStatus] and the heap limits do nothing without it.
//
// It has to be called before the first [Open], or other use of the library: later it is [Misuse].
//
// https://sqlite.org/c3ref/c_config_covering_index_scan.html#sqliteconfigmemstatus
func SetMemoryAccounting(on bool) error {
	tls := libc.NewTLS()
	defer tls.Close()
	args := libc.NewVaList(cBool(on))
	defer libc.Xfree(tls, args)
	if rc := sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_MEMSTATUS, args); rc != sqlite3.SQLITE_OK {
		return newError("set memory accounting", "", ResultCode(rc), "the library is in use already")
	}
	return nil
}

// MemoryUsed returns the bytes that SQLite holds for all connections, 0 without [SetMemoryAccounting]. It may be called
// from any goroutine.
//
// https://sqlite.org/c3ref/memory_highwater.html
func MemoryUsed() int64 {
	return library(func(tls *libc.TLS) int64 { return sqlite3.Xsqlite3_memory_used(tls) })
}

// MemoryHighwater returns the largest value that [MemoryUsed] had since the library was brought up, or since the last
// call with reset.
//
// https://sqlite.org/c3ref/memory_highwater.html
func MemoryHighwater(reset bool) int64 {
	return library(func(tls *libc.TLS) int64 { return sqlite3.Xsqlite3_memory_highwater(tls, cBool(reset)) })
}

// SoftHeapLimit sets how many bytes SQLite may hold before it gives pages of its caches up, unless n is negative, and
// returns what the limit was. 0 is none, the default. It needs [SetMemoryAccounting]. What cannot be given up goes
// beyond the limit.
//
// https://sqlite.org/c3ref/hard_heap_limit64.html
func SoftHeapLimit(n int64) int64 {
	return library(func(tls *libc.TLS) int64 { return sqlite3.Xsqlite3_soft_heap_limit64(tls, n) })
}

// HardHeapLimit is [SoftHeapLimit] with an end: what would go beyond the limit fails with [NoMem]. A soft limit above it
// is lowered to it, and 0 removes both.
//
// https://sqlite.org/c3ref/hard_heap_limit64.html
func HardHeapLimit(n int64) int64 {
	return library(func(tls *libc.TLS) int64 { return sqlite3.Xsqlite3_hard_heap_limit64(tls, n) })
}

// ReleaseMemory gives up to n bytes of page caches free that nothing needs, of all connections, and returns how many it
// were. It may be called from any goroutine.
//
// https://sqlite.org/c3ref/release_memory.html
func ReleaseMemory(n int) int {
	return int(library(func(tls *libc.TLS) int64 {
		return int64(sqlite3.Xsqlite3_release_memory(tls, int32(max(min(n, math.MaxInt32), 0))))
	}))
}

func library(call func(*libc.TLS) int64) (n int64) {
	_ = withLibrary(func(tls *libc.TLS) error { // a library that does not come up holds nothing
		n = call(tls)
		return nil
	})
	return n
}

// LibraryCounter names something that SQLite counts about the library, with all of its connections.
//
// https://sqlite.org/c3ref/c_status_malloc_count.html
type LibraryCounter int32

// The counters. They need the accounting of memory: see [SetMemoryAccounting].
const (
	LibraryMemoryUsed        LibraryCounter = sqlite3.SQLITE_STATUS_MEMORY_USED        // bytes of memory in use
	LibraryMallocSize        LibraryCounter = sqlite3.SQLITE_STATUS_MALLOC_SIZE        // the largest allocation; the mark alone counts
	LibraryMallocCount       LibraryCounter = sqlite3.SQLITE_STATUS_MALLOC_COUNT       // allocations in use
	LibraryPageCacheUsed     LibraryCounter = sqlite3.SQLITE_STATUS_PAGECACHE_USED     // pages of memory set aside for caches, in use
	LibraryPageCacheOverflow LibraryCounter = sqlite3.SQLITE_STATUS_PAGECACHE_OVERFLOW // bytes of page caches beside that
	LibraryPageCacheSize     LibraryCounter = sqlite3.SQLITE_STATUS_PAGECACHE_SIZE     // the largest request for a page; the mark counts
)

// LibraryStatus returns a counter about the library and its high-water mark. reset sets the mark to the current value. An unknown
// counter is an [*Error] with [Misuse]. It may be called from any goroutine.
//
// https://sqlite.org/c3ref/status.html
func LibraryStatus(counter LibraryCounter, reset bool) (current, highwater int64, err error) {
	err = withLibrary(func(tls *libc.TLS) error {
		p := sqlite3.Xsqlite3_malloc64(tls, 16)
		if p == 0 {
			return newError("library status", "", NoMem, "out of memory")
		}
		defer sqlite3.Xsqlite3_free(tls, p)
		if rc := sqlite3.Xsqlite3_status64(tls, int32(counter), p, p+8, cBool(reset)); rc != sqlite3.SQLITE_OK {
			return newError("library status", "", ResultCode(rc), fmt.Sprintf("no such counter: %d", counter))
		}
		current, highwater = *(*int64)(pointer(p)), *(*int64)(pointer(p + 8))
		return nil
	})
	return current, highwater, err
}
