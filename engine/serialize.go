package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	sqlite3 "modernc.org/sqlite/lib"
)

// Serialize returns the database named schema ("" is "main") as the bytes of a database file. They are those that the
// running transaction sees, or the last one committed, what is still in a write-ahead log included. An empty database
// has no bytes.
//
// The context ends the wait for locks and the work. Memory is taken for the result alone; [Conn.Backup] needs none.
// An authorizer is asked for reading the virtual table sqlite_dbpage.
//
// https://sqlite.org/c3ref/serialize.html
func (c *Conn) Serialize(ctx context.Context, schema string) ([]byte, error) {
	pages, err := c.pageCount(ctx, schema)
	if err != nil {
		return nil, err
	}
	// sqlite3_serialize would put zeros in the place of pages that it cannot read, and take the memory twice.
	image := []byte{}
	err = c.Query(ctx, "SELECT data FROM sqlite_dbpage(?) ORDER BY pgno", []any{schemaOr(schema)}, func(s *Stmt) error {
		page := s.ColumnRaw(0)
		if len(image) == 0 {
			if int64(pages)*int64(len(page)) > math.MaxInt {
				return newError("serialize", "", TooBig, "the database does not fit in memory")
			}
			image = slices.Grow(image, pages*len(page))
		}
		image = append(image, page...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("serialize %s: %w", schemaOr(schema), err)
	}
	return image, nil
}

// pageCount returns the size of a database in pages. Others may change it any time.
func (c *Conn) pageCount(ctx context.Context, schema string) (n int, err error) {
	op := "serialize " + schemaOr(schema)
	if err := c.enter(); err != nil {
		return 0, err
	}
	names, err := c.cStrings(op, schemaOr(schema))
	known := err == nil && c.hasSchema(names[0])
	c.leave()
	if err != nil {
		return 0, err
	}
	if !known {
		return 0, newError(op, "", NotFound, "no such database")
	}
	err = c.QueryRow(ctx, "PRAGMA "+QuoteName(schemaOr(schema))+".page_count", nil, func(s *Stmt) error {
		n = int(s.ColumnInt64(0))
		return nil
	})
	if errors.Is(err, ErrNoRows) { // the temporary database before its first table
		return 0, nil
	}
	return n, err
}

// DeserializeOptions says how [Conn.Deserialize] takes an image. The zero value can be written, and grow to 1 GiB.
//
// https://sqlite.org/c3ref/deserialize.html
type DeserializeOptions struct {
	// ReadOnly makes every write to the database an error with [ReadOnly].
	ReadOnly bool

	// SizeLimit is how large the database may grow, in bytes; 0 stands for 1 GiB, or the size of the image if that is
	// larger. Beyond it writes are errors with [Full]. See [Conn.SizeLimit].
	SizeLimit int64
}

// Deserialize closes the database named schema ("" is "main") and puts one in memory in its place, which has the image
// as its content. The image is copied. It may be that of a database in WAL mode, which one in memory cannot have: the
// copy is marked as one without. No bytes are an empty database.
//
// That the image is no database, or a damaged one, is an error of the first statement that reads it. A damaged database
// cannot be replaced in turn, as SQLite reads the schema before it does. The database must
// not be in use: the error is [Busy] while the connection has a transaction or a statement running, an open blob, or a
// backup that reads from it. "temp" cannot be replaced; an attached database can, so that ATTACH of ':memory:' and this
// make a further one.
//
// https://sqlite.org/c3ref/deserialize.html
func (c *Conn) Deserialize(schema string, image []byte, options DeserializeOptions) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	op := "deserialize " + schemaOr(schema)
	names, err := c.cStrings(op, schemaOr(schema))
	if err != nil {
		return err
	}
	if err := c.checkReplaceable(op, names[0]); err != nil {
		return err
	}
	if err := c.deserialize(op, names[0], image, options); err != nil {
		return err
	}
	if options.SizeLimit > 0 {
		_, err = c.sizeLimit(op, names[0], options.SizeLimit)
	}
	return err
}

// checkReplaceable is an error for a database that somebody is using. SQLite would free it all the same, and leave the
// user with dangling pointers.
func (c *Conn) checkReplaceable(op string, schema uintptr) error {
	if !c.hasSchema(schema) {
		return newError(op, "", NotFound, "no such database")
	}
	if sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) == 0 ||
		sqlite3.Xsqlite3_txn_state(c.tls, c.db, schema) != sqlite3.SQLITE_TXN_NONE {
		return newError(op, "", Busy, "the database is in a transaction")
	}
	for o := range c.owned {
		if _, ok := o.(*Backup); ok {
			return newError(op, "", Busy, "a backup reads from the connection")
		}
	}
	return nil
}

func (c *Conn) deserialize(op string, schema uintptr, image []byte, options DeserializeOptions) error {
	p, err := c.imageCopy(op, image)
	if err != nil {
		return err
	}
	flags := uint32(sqlite3.SQLITE_DESERIALIZE_FREEONCLOSE | sqlite3.SQLITE_DESERIALIZE_RESIZEABLE)
	if options.ReadOnly {
		flags |= sqlite3.SQLITE_DESERIALIZE_READONLY
	}
	n := sqlite3.Tsqlite3_int64(len(image))
	// SQLite frees the copy also where it refuses it.
	if rc := sqlite3.Xsqlite3_deserialize(c.tls, c.db, schema, p, n, n, flags); rc != sqlite3.SQLITE_OK || c.failure != nil {
		return c.endedError(op, "", rc, nil)
	}
	return nil
}

// The bytes of a database's header that say how it is written and read: 1 for a rollback journal, 2 for a WAL.
//
// https://sqlite.org/fileformat2.html#file_format_version_numbers
const (
	writeVersionOffset = 18
	readVersionOffset  = 19
	versionWAL         = 2
	versionLegacy      = 1
	headerSize         = 100
)

// imageCopy copies an image into SQLite's memory.
func (c *Conn) imageCopy(op string, image []byte) (uintptr, error) {
	p := sqlite3.Xsqlite3_malloc64(c.tls, sqlite3.Tsqlite3_uint64(max(len(image), 1)))
	if p == 0 {
		return 0, c.lastError(op, "", sqlite3.SQLITE_NOMEM)
	}
	b := bytesAt(p, len(image))
	copy(b, image)
	if len(b) >= headerSize && b[writeVersionOffset] == versionWAL && b[readVersionOffset] == versionWAL {
		b[writeVersionOffset], b[readVersionOffset] = versionLegacy, versionLegacy
	}
	return p, nil
}

// SizeLimit sets how large the database named schema ("" is "main") may grow, in bytes, and returns what the limit is
// now, which is never below the size it has. A negative limit leaves it as it is. Databases that [Conn.Deserialize]
// made have one, and those of the "memdb" VFS; for others the error is an [*Error] with [NotFound]. See
// "PRAGMA max_page_count" for them.
//
// https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlsizelimit
func (c *Conn) SizeLimit(schema string, limit int64) (int64, error) {
	if err := c.enter(); err != nil {
		return 0, err
	}
	defer c.leave()
	op := "size limit of " + schemaOr(schema)
	names, err := c.cStrings(op, schemaOr(schema))
	if err != nil {
		return 0, err
	}
	if !c.hasSchema(names[0]) {
		return 0, newError(op, "", NotFound, "no such database")
	}
	return c.sizeLimit(op, names[0], limit)
}

func (c *Conn) sizeLimit(op string, schema uintptr, limit int64) (int64, error) {
	arg := c.slot(0)
	*(*int64)(pointer(arg)) = limit
	if rc := sqlite3.Xsqlite3_file_control(c.tls, c.db, schema, sqlite3.SQLITE_FCNTL_SIZE_LIMIT, arg); rc != sqlite3.SQLITE_OK {
		return 0, newError(op, "", ResultCode(rc), "the database has no limit of its size")
	}
	return *(*int64)(pointer(arg)), nil
}
