package engine

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"unsafe"

	sqlite3 "modernc.org/sqlite/lib"
)

// BlobHandle reads and writes the bytes of one BLOB or TEXT of a row where they lie, without the rest of the row and
// without all of the value in memory. It is a file of fixed size: an [io.ReadWriteSeeker], [io.ReaderAt], [io.WriterAt],
// [io.WriterTo], [io.ReaderFrom] and [io.Closer].
//
// It belongs to its [Conn] and to the same goroutine, and holds a transaction open, one that writes if it was opened
// for that, until it is closed. Each call enters the connection by itself, so that other statements can run between
// two of them. A handle whose row was changed in the meantime, by UPDATE, DELETE or REPLACE, whatever column that was
// of, has expired: every call is an [*Error] with [Abort] from there on. [BlobHandle.Reopen] takes it to another row,
// unless it has expired.
//
// https://sqlite.org/c3ref/blob.html
type BlobHandle struct {
	resource
	op    string // what it is, for errors
	write bool
	size  int64
	pos   int64
}

// blobChunk is how much WriteTo and ReadFrom carry at a time, in bytes.
const blobChunk = 64 << 10

// OpenBlob opens the value in a column of the row with that rowid. schema is "main", "temp" or the name that a database
// was attached under; "" is "main". With write the bytes can be changed, but not their number: insert a row with
// [Stmt.BindZeroBlob] or zeroblob() first.
//
// The error is an [*Error] with [Generic] and a message that tells why, if there is no such table, column or row; if
// the value is NULL or a number; if the table is a view, virtual, has generated columns or no rowids; or if a column
// that is indexed, or part of a foreign key that is enforced, was to be written.
//
// The context covers the wait for locks. The handle must be closed, or is when the connection is.
//
// https://sqlite.org/c3ref/blob_open.html
func (c *Conn) OpenBlob(
	ctx context.Context, schema, table, column string, rowid int64, write bool,
) (*BlobHandle, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	b := &BlobHandle{write: write, op: fmt.Sprintf("blob %s.%s row %d", table, column, rowid)}
	names, err := c.cStrings("open "+b.op, schemaOr(schema), table, column)
	if err != nil {
		return nil, err
	}
	var writes int32
	if write {
		writes = 1
	}
	opened := c.slot(0) // set to zero before anything can fail
	open := func() int32 {
		if rc := c.loadSchema(names[0], names[1]); rc != sqlite3.SQLITE_OK && rc != sqlite3.SQLITE_ERROR {
			return rc
		}
		return sqlite3.Xsqlite3_blob_open(c.tls, c.db, names[0], names[1], names[2], rowid, writes, opened)
	}
	_, err = c.under(ctx, "open "+b.op, func() int32 { return c.awaitShared(open(), open) })
	ptr := c.slotPointer(0)
	if err != nil {
		sqlite3.Xsqlite3_blob_close(c.tls, ptr)
		return nil, err
	}
	b.resource = resource{c: c, ptr: ptr}
	b.size = int64(sqlite3.Xsqlite3_blob_bytes(c.tls, ptr))
	c.own(b)
	return b, nil
}

// loadSchema reads the schema, if it is not known yet. sqlite3_blob_open would do that too, and make any error on the way,
// such as a lock of others, an SQLITE_ERROR.
func (c *Conn) loadSchema(schema, table uintptr) int32 {
	return sqlite3.Xsqlite3_table_column_metadata(c.tls, c.db, schema, table, 0, 0, 0, 0, 0, 0)
}

// Size returns the number of bytes of the value.
//
// https://sqlite.org/c3ref/blob_bytes.html
func (b *BlobHandle) Size() int64 {
	if b.enter() != nil {
		return 0
	}
	defer b.c.leave()
	return b.size
}

// Reopen takes the handle to the value in the same column of another row, which costs less than to open a new one. The
// position is 0 afterwards. If there is no such row or the value is neither BLOB nor TEXT, the handle has expired.
//
// https://sqlite.org/c3ref/blob_reopen.html
func (b *BlobHandle) Reopen(rowid int64) error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.c.leave()
	rc := sqlite3.Xsqlite3_blob_reopen(b.c.tls, b.ptr, rowid)
	b.pos = 0
	b.size = int64(sqlite3.Xsqlite3_blob_bytes(b.c.tls, b.ptr))
	if rc != sqlite3.SQLITE_OK {
		return b.callError("reopen row "+strconv.FormatInt(rowid, 10)+" of", rc)
	}
	return nil
}

// Read reads the next bytes. At the end the error is [io.EOF].
//
// https://sqlite.org/c3ref/blob_read.html
func (b *BlobHandle) Read(p []byte) (n int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.c.leave()
	if len(p) > 0 && b.pos >= b.size {
		return 0, b.atEnd(io.EOF)
	}
	n, err = b.readAt(p, b.pos)
	b.pos += int64(n)
	return n, err
}

// ReadAt reads the bytes from offset off on, and leaves the position of Read alone. If there are less than p holds the
// error is [io.EOF].
//
// https://sqlite.org/c3ref/blob_read.html
func (b *BlobHandle) ReadAt(p []byte, off int64) (n int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.c.leave()
	if off < 0 {
		return 0, b.offsetError("read", off)
	}
	n, err = b.readAt(p, off)
	if err == nil && n < len(p) {
		err = b.atEnd(io.EOF)
	}
	return n, err
}

// readAt reads what there is at off, at most as much as p holds.
func (b *BlobHandle) readAt(p []byte, off int64) (int, error) {
	n := b.inside(len(p), off)
	if n == 0 {
		return 0, nil
	}
	c := b.c
	c.boundBlob = p
	to := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	rc := sqlite3.Xsqlite3_blob_read(c.tls, b.ptr, to, int32(n), int32(off))
	c.boundBlob = nil
	if rc != sqlite3.SQLITE_OK {
		return 0, b.callError("read", rc)
	}
	return n, nil
}

// inside returns how many of n bytes at off are inside the value.
func (b *BlobHandle) inside(n int, off int64) int {
	return int(max(min(int64(n), b.size-off), 0))
}

// Write writes p over the next bytes. What goes beyond the end of the value is not written, as the value cannot grow:
// the error matches [io.ErrShortWrite] then.
//
// https://sqlite.org/c3ref/blob_write.html
func (b *BlobHandle) Write(p []byte) (n int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.c.leave()
	n, err = b.writeAt(p, b.pos)
	b.pos += int64(n)
	return n, err
}

// WriteString is [BlobHandle.Write] for a string.
//
// https://sqlite.org/c3ref/blob_write.html
func (b *BlobHandle) WriteString(s string) (n int, err error) { return b.Write([]byte(s)) }

// WriteAt writes p over the bytes from offset off on, as [BlobHandle.Write] does, and leaves the position alone.
//
// https://sqlite.org/c3ref/blob_write.html
func (b *BlobHandle) WriteAt(p []byte, off int64) (n int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.c.leave()
	if off < 0 {
		return 0, b.offsetError("write", off)
	}
	return b.writeAt(p, off)
}

func (b *BlobHandle) writeAt(p []byte, off int64) (int, error) {
	// SQLite would remember the refusal, and tell Close of it.
	if !b.write {
		return 0, newError("write "+b.op, "", ReadOnly, "the handle was opened for reading")
	}
	n := b.inside(len(p), off)
	if n > 0 {
		c := b.c
		c.boundBlob = p
		c.blobWrite = blobWrite{offset: int(off), data: p[:n]}
		from := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
		rc := sqlite3.Xsqlite3_blob_write(c.tls, b.ptr, from, int32(n), int32(off))
		c.boundBlob, c.blobWrite = nil, blobWrite{}
		if rc != sqlite3.SQLITE_OK || c.failure != nil {
			return 0, b.callError("write", rc)
		}
	}
	if n < len(p) {
		return n, b.atEnd(b.shortWrite(len(p), off))
	}
	return n, nil
}

func (b *BlobHandle) shortWrite(n int, off int64) error {
	return fmt.Errorf("engine: write %d bytes at %d of %s, which has %d: %w", n, off, b.op, b.size, io.ErrShortWrite)
}

// atEnd is the error of a call that ended at the end of the value, where SQLite need not have been asked. An expired
// handle has no size any more.
func (b *BlobHandle) atEnd(err error) error {
	if b.size > 0 && sqlite3.Xsqlite3_blob_bytes(b.c.tls, b.ptr) == 0 {
		return b.callError("use", sqlite3.SQLITE_ABORT)
	}
	return err
}

// Seek sets the position of the next Read or Write. It may lie behind the end, where there is nothing to read and no
// room to write.
func (b *BlobHandle) Seek(offset int64, whence int) (int64, error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.c.leave()
	var base int64
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		base = b.pos
	case io.SeekEnd:
		base = b.size
	default:
		return 0, newError("seek in "+b.op, "", Misuse, fmt.Sprintf("no such whence: %d", whence))
	}
	if offset > math.MaxInt64-base || base+offset < 0 {
		return 0, b.offsetError("seek in", offset)
	}
	b.pos = base + offset
	return b.pos, nil
}

// WriteTo writes all from the position to the end to w. It enters the connection for each piece of 64 KiB alone, so that
// w may use it.
//
// https://sqlite.org/c3ref/blob_read.html
func (b *BlobHandle) WriteTo(w io.Writer) (n int64, err error) {
	buf := make([]byte, b.chunk(0))
	for {
		read, err := b.Read(buf)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		written, err := w.Write(buf[:read])
		n += int64(written)
		if err == nil && written < read {
			err = io.ErrShortWrite
		}
		if err != nil {
			return n, err
		}
	}
}

// ReadFrom writes what r has until its end, from the position on. If that is more than there is room for, the error
// matches [io.ErrShortWrite], and r is read one byte at least beyond what was written. It enters the connection for
// each piece of 64 KiB alone, so that r may use it.
//
// https://sqlite.org/c3ref/blob_write.html
func (b *BlobHandle) ReadFrom(r io.Reader) (n int64, err error) {
	buf := make([]byte, b.chunk(1))
	for {
		read, err := r.Read(buf)
		if read > 0 {
			written, writeErr := b.Write(buf[:min(max(read, 0), len(buf))])
			n += int64(written)
			if writeErr != nil {
				return n, writeErr
			}
		}
		switch {
		case err == io.EOF:
			return n, b.check()
		case err != nil:
			return n, err
		}
	}
}

// chunk is the size of a buffer for what is left, and as much more.
func (b *BlobHandle) chunk(more int64) int64 {
	if b.enter() != nil {
		return 1
	}
	defer b.c.leave()
	return max(min(b.size-b.pos+more, blobChunk), 1)
}

// check is an error if the handle cannot be used.
func (b *BlobHandle) check() error {
	err := b.enter()
	if err == nil {
		b.c.leave()
	}
	return err
}

// Close ends the use of the value. If the handle was the last thing that kept the transaction open, outside of an
// explicit one, it is committed; the error is that of the commit, and what was written is lost then. Closing a closed
// handle does nothing and returns nil, and so does closing a nil one.
//
// https://sqlite.org/c3ref/blob_close.html
func (b *BlobHandle) Close() error {
	if b == nil {
		return nil
	}
	open, err := b.enterClose()
	if !open {
		return err
	}
	defer b.c.leave()
	rc := sqlite3.Xsqlite3_blob_close(b.c.tls, b.ptr)
	b.ptr = 0
	b.c.disown(b)
	if rc != sqlite3.SQLITE_OK && rc != sqlite3.SQLITE_ABORT || b.c.failure != nil {
		return b.callError("close", rc)
	}
	return nil
}

func (b *BlobHandle) discard() {
	sqlite3.Xsqlite3_blob_close(b.c.tls, b.ptr)
	b.ptr = 0
}

func (b *BlobHandle) offsetError(op string, off int64) error {
	return newError(op+" "+b.op, "", Range, fmt.Sprintf("no such offset: %d", off))
}

// callError is the error of a call that returned rc. The message SQLite has for an expired handle is about queries.
func (b *BlobHandle) callError(op string, rc int32) error {
	e := b.c.endedError(op+" "+b.op, "", rc, b.c.busy.takeInterrupted())
	if rc == sqlite3.SQLITE_ABORT {
		e.Msg = "the handle has expired, as its row was changed"
	}
	return e
}
