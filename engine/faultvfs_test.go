package engine

import (
	"sync"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// The VFS "faulty" is the platform's own one whose calls can be made to fail. It stands in for a disk that breaks, which
// no real one does on demand. Databases are opened on it with "file:PATH?vfs=faulty".

// ioFaults says which call fails: the at-th one from now on, counted over all files, and the later ones too if it is
// sticky. Only one test at a time may use it.
var ioFaults struct {
	sync.Mutex
	at     int // 0 is never
	seen   int
	sticky bool
	full   bool // writes fail with "disk full" and not with an I/O error
}

func armIOFaults(at int, sticky, full bool) {
	ioFaults.Lock()
	defer ioFaults.Unlock()
	ioFaults.at, ioFaults.seen, ioFaults.sticky, ioFaults.full = at, 0, sticky, full
}

// disarmIOFaults returns how many calls there were since the faults were armed.
func disarmIOFaults() int {
	ioFaults.Lock()
	defer ioFaults.Unlock()
	ioFaults.at = 0
	return ioFaults.seen
}

// faultOf returns the code that a call fails with, or 0.
func faultOf(code int32) int32 {
	ioFaults.Lock()
	defer ioFaults.Unlock()
	ioFaults.seen++
	if ioFaults.at == 0 || ioFaults.seen < ioFaults.at || ioFaults.seen > ioFaults.at && !ioFaults.sticky {
		return 0
	}
	if ioFaults.full && code == sqlite3.SQLITE_IOERR_WRITE {
		return sqlite3.SQLITE_FULL
	}
	return code
}

var faultyVFS struct {
	sync.Once
	real    sqlite3.Tsqlite3_vfs
	mu      sync.Mutex
	wrapped map[uintptr]uintptr // method tables of the platform to ours
	tables  map[uintptr]*sqlite3.Tsqlite3_io_methods
}

func registerFaultyVFS(tb testing.TB) {
	tb.Helper()
	if err := initialize(); err != nil {
		tb.Fatal(err)
	}
	faultyVFS.Do(func() {
		tls := libc.NewTLS()
		defer tls.Close()
		faultyVFS.wrapped = make(map[uintptr]uintptr)
		faultyVFS.tables = make(map[uintptr]*sqlite3.Tsqlite3_io_methods)
		faultyVFS.real = *(*sqlite3.Tsqlite3_vfs)(pointer(sqlite3.Xsqlite3_vfs_find(tls, 0)))
		p := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(faultyVFS.real)))
		vfs := (*sqlite3.Tsqlite3_vfs)(pointer(p))
		*vfs = faultyVFS.real
		vfs.FpNext = 0
		vfs.FzName, _ = libc.CString("faulty")
		vfs.FxOpen = cFunc(faultyOpen)
		vfs.FxDelete = cFunc(faultyDelete)
		if rc := sqlite3.Xsqlite3_vfs_register(tls, p, 0); rc != sqlite3.SQLITE_OK {
			tb.Fatalf("register the VFS: %v", ResultCode(rc))
		}
	})
}

func faultyOpen(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32 {
	if rc := faultOf(sqlite3.SQLITE_CANTOPEN); rc != 0 {
		(*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods = 0
		return rc
	}
	open := cCall[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](faultyVFS.real.FxOpen)
	rc := open(tls, vfs, name, file, flags, out)
	if f := (*sqlite3.Tsqlite3_file)(pointer(file)); f.FpMethods != 0 {
		f.FpMethods = faultyMethods(tls, f.FpMethods)
	}
	return rc
}

func faultyDelete(tls *libc.TLS, vfs, name uintptr, sync int32) int32 {
	if rc := faultOf(sqlite3.SQLITE_IOERR_DELETE); rc != 0 {
		return rc
	}
	return cCall[func(*libc.TLS, uintptr, uintptr, int32) int32](faultyVFS.real.FxDelete)(tls, vfs, name, sync)
}

// faultyMethods returns our method table for one of the platform's. There are a few, and they stay.
func faultyMethods(tls *libc.TLS, methods uintptr) uintptr {
	faultyVFS.mu.Lock()
	defer faultyVFS.mu.Unlock()
	if p, ok := faultyVFS.wrapped[methods]; ok {
		return p
	}
	table := *(*sqlite3.Tsqlite3_io_methods)(pointer(methods))
	p := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(table)))
	ours := (*sqlite3.Tsqlite3_io_methods)(pointer(p))
	*ours = table
	ours.FxRead = cFunc(faultyRead)
	ours.FxWrite = cFunc(faultyWrite)
	ours.FxTruncate = cFunc(faultyTruncate)
	ours.FxSync = cFunc(faultySync)
	ours.FxFileSize = cFunc(faultyFileSize)
	if table.FxShmMap != 0 {
		ours.FxShmMap = cFunc(faultyShmMap)
	}
	faultyVFS.wrapped[methods] = p
	faultyVFS.tables[p] = &table
	return p
}

func realMethods(file uintptr) *sqlite3.Tsqlite3_io_methods {
	faultyVFS.mu.Lock()
	defer faultyVFS.mu.Unlock()
	return faultyVFS.tables[(*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods]
}

func faultyRead(tls *libc.TLS, file, p uintptr, n int32, offset int64) int32 {
	if rc := faultOf(sqlite3.SQLITE_IOERR_READ); rc != 0 {
		return rc
	}
	return cCall[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](realMethods(file).FxRead)(tls, file, p, n, offset)
}

func faultyWrite(tls *libc.TLS, file, p uintptr, n int32, offset int64) int32 {
	if rc := faultOf(sqlite3.SQLITE_IOERR_WRITE); rc != 0 {
		return rc
	}
	return cCall[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](realMethods(file).FxWrite)(tls, file, p, n, offset)
}

func faultyTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	if rc := faultOf(sqlite3.SQLITE_IOERR_TRUNCATE); rc != 0 {
		return rc
	}
	return cCall[func(*libc.TLS, uintptr, int64) int32](realMethods(file).FxTruncate)(tls, file, size)
}

func faultySync(tls *libc.TLS, file uintptr, flags int32) int32 {
	if rc := faultOf(sqlite3.SQLITE_IOERR_FSYNC); rc != 0 {
		return rc
	}
	return cCall[func(*libc.TLS, uintptr, int32) int32](realMethods(file).FxSync)(tls, file, flags)
}

func faultyFileSize(tls *libc.TLS, file, size uintptr) int32 {
	if rc := faultOf(sqlite3.SQLITE_IOERR_FSTAT); rc != 0 {
		return rc
	}
	return cCall[func(*libc.TLS, uintptr, uintptr) int32](realMethods(file).FxFileSize)(tls, file, size)
}

func faultyShmMap(tls *libc.TLS, file uintptr, region, size, extend int32, p uintptr) int32 {
	if rc := faultOf(sqlite3.SQLITE_IOERR_SHMMAP); rc != 0 {
		return rc
	}
	return cCall[func(*libc.TLS, uintptr, int32, int32, int32, uintptr) int32](realMethods(file).FxShmMap)(tls, file, region, size, extend, p)
}
