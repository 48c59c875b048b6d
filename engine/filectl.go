package engine

import (
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"
)

// fileControl calls the file of a database with a value, and returns what it has become. It is [NotFound] where
// there is no such database, or its VFS does not know the operation.
func fileControl[T int32 | uint32 | int64](c *Conn, op, schema string, code int32, value T) (T, error) {
	if err := c.enter(); err != nil {
		return 0, err
	}
	defer c.leave()
	name, err := c.schemaName(schema)
	if err != nil {
		return 0, err
	}
	if !c.hasSchema(name) {
		return 0, newError(op, "", NotFound, fmt.Sprintf("no such database: %q", schema))
	}
	p := c.slot(0)
	arg := (*T)(pointer(p))
	*arg = value
	switch rc := sqlite3.Xsqlite3_file_control(c.tls, c.db, name, code, p); rc {
	case sqlite3.SQLITE_OK:
		return *arg, nil
	case sqlite3.SQLITE_NOTFOUND:
		return 0, newError(op, "", NotFound, "the database's kind of file does not know that")
	default:
		return 0, c.lastError(op, "", rc)
	}
}

// DataVersion returns a number that changes when the database does, by a commit of any connection, this one included;
// PRAGMA data_version tells of others alone. A change by another connection shows when this one has read again.
// Numbers of different connections have nothing to do with each other. The schema "" is "main".
//
// https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntldataversion
func (c *Conn) DataVersion(schema string) (uint32, error) {
	return fileControl[uint32](c, "data version", schema, sqlite3.SQLITE_FCNTL_DATA_VERSION, 0)
}

// ReserveBytes returns how many bytes at the end of each page are left to extensions, such as those which encrypt. The
// schema "" is "main".
//
// https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlreservebytes
func (c *Conn) ReserveBytes(schema string) (int, error) {
	n, err := fileControl[int32](c, "reserve bytes", schema, sqlite3.SQLITE_FCNTL_RESERVE_BYTES, -1)
	return int(n), err
}

// SetReserveBytes sets what [Conn.ReserveBytes] returns, 0 to 255, for a new database, or with the next VACUUM for one
// that is not empty.
//
// https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlreservebytes
func (c *Conn) SetReserveBytes(schema string, n int) error {
	if n < 0 || n > 255 {
		return newError("reserve bytes", "", Range, fmt.Sprintf("%d bytes, not 0 to 255", n))
	}
	_, err := fileControl(c, "reserve bytes", schema, sqlite3.SQLITE_FCNTL_RESERVE_BYTES, int32(n))
	return err
}

// SetChunkSize lets a database file grow and shrink in steps of n bytes, for less fragmentation; 0 is as it comes.
// The schema "" is "main".
//
// https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlchunksize
func (c *Conn) SetChunkSize(schema string, n int32) error {
	_, err := fileControl(c, "chunk size", schema, sqlite3.SQLITE_FCNTL_CHUNK_SIZE, max(n, 0))
	return err
}

// PowersafeOverwrite reports whether a write is taken to damage nothing beside what it writes when the power fails.
// The schema "" is "main".
//
// https://sqlite.org/psow.html
func (c *Conn) PowersafeOverwrite(schema string) (bool, error) {
	on, err := fileControl[int32](c, "powersafe overwrite", schema, sqlite3.SQLITE_FCNTL_POWERSAFE_OVERWRITE, -1)
	return on != 0, err
}

// SetPowersafeOverwrite sets what [Conn.PowersafeOverwrite] returns. It is a promise about the disk, and on by default.
//
// https://sqlite.org/psow.html
func (c *Conn) SetPowersafeOverwrite(schema string, on bool) error {
	_, err := fileControl(c, "powersafe overwrite", schema, sqlite3.SQLITE_FCNTL_POWERSAFE_OVERWRITE, cBool(on))
	return err
}

// MmapSize sets how many bytes of the file are read through a memory mapping, unless n is negative, and returns what it
// was before. 0, the default, is none. The file's next use maps it. An I/O error in mapped memory is a signal that ends
// the process, and no error of a statement. The schema "" is "main".
//
// https://sqlite.org/mmap.html
func (c *Conn) MmapSize(schema string, n int64) (int64, error) {
	return fileControl(c, "mmap size", schema, sqlite3.SQLITE_FCNTL_MMAP_SIZE, n)
}

// SystemErrno returns the errno of the operating system behind the last I/O error or [CantOpen] of the connection.
//
// https://sqlite.org/c3ref/system_errno.html
func (c *Conn) SystemErrno() int {
	if c.enter() != nil {
		return 0
	}
	defer c.leave()
	return int(sqlite3.Xsqlite3_system_errno(c.tls, c.db))
}
