package engine

import (
	"errors"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// ReadHeader reads the beginning of the database file at path into b, and returns how many bytes there were, fewer than
// len(b) where the file is shorter, and the size of the file in bytes. It takes no lock, so that another process may be
// writing what it reads, and leaves no file behind.
//
// A program that has connections to a file must not open and close it with package os: on Unix that gives up all locks
// that the process has on it. SQLite, which this function goes through, closes a file when its last lock is gone.
//
// https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
func ReadHeader(path string, b []byte) (n int, size int64, err error) {
	c, err := Open(path, OpenReadOnly)
	if err != nil {
		return 0, 0, err
	}
	n, size, err = c.readHeader(path, b)
	return n, size, errors.Join(err, c.Close())
}

func (c *Conn) readHeader(path string, b []byte) (n int, size int64, err error) {
	if err := c.enter(); err != nil {
		return 0, 0, err
	}
	defer c.leave()
	sqlite3.Xsqlite3_file_control(c.tls, c.db, 0, sqlite3.SQLITE_FCNTL_FILE_POINTER, c.slot(0))
	file := c.slotPointer(0)
	if file == 0 || (*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods == 0 {
		return 0, 0, newError("read "+path, "", CantOpen, "it is not a file")
	}
	methods := (*sqlite3.Tsqlite3_io_methods)(pointer((*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods))
	sizeOf := cCall[func(*libc.TLS, uintptr, uintptr) int32](methods.FxFileSize)
	p := c.slot(1)
	if rc := sizeOf(c.tls, file, p); rc != sqlite3.SQLITE_OK {
		return 0, 0, c.lastError("size of "+path, "", rc)
	}
	size = *(*int64)(pointer(p))
	if n = int(min(size, int64(len(b)))); n == 0 {
		return 0, size, nil
	}
	buf := sqlite3.Xsqlite3_malloc64(c.tls, sqlite3.Tsqlite3_uint64(n))
	if buf == 0 {
		return 0, 0, c.lastError("read "+path, "", sqlite3.SQLITE_NOMEM)
	}
	defer sqlite3.Xsqlite3_free(c.tls, buf)
	read := cCall[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](methods.FxRead)
	// A file that has become shorter since is read as zeros.
	if rc := read(c.tls, file, buf, int32(n), 0); rc != sqlite3.SQLITE_OK && rc != sqlite3.SQLITE_IOERR_SHORT_READ {
		return 0, 0, c.lastError("read "+path, "", rc)
	}
	copy(b, bytesAt(buf, n))
	return n, size, nil
}
