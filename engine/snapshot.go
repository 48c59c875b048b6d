package engine

import (
	"context"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Snapshot names a state that a database in WAL mode was in. It keeps nothing alive: the state can be opened for as long
// as its frames are in the write-ahead log, which a checkpoint ends once no reader needs them. A transaction that stands
// on a snapshot is such a reader.
//
// A Snapshot is a value without any memory of SQLite's: it can be copied, given to other connections to the same
// database, and need not be closed. It may be used by any goroutine.
//
// https://sqlite.org/c3ref/snapshot.html
type Snapshot struct {
	header [snapshotSize]byte
}

// snapshotSize is that of the structure sqlite3_snapshot, in bytes.
const snapshotSize = 48

// Snapshot returns the state that the read transaction of the connection on the database named schema ("" is "main")
// stands on. Call it in a transaction with [TxReadOnly], or in another one that has not written: it begins to read if
// nothing was read yet. The log must hold at least one transaction, which that of a database that was just opened may
// not. Otherwise the error is one with [Generic] that tells why.
//
// The context covers the wait for locks.
//
// https://sqlite.org/c3ref/snapshot_get.html
func (c *Conn) Snapshot(ctx context.Context, schema string) (*Snapshot, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	op := "snapshot of " + schemaOr(schema)
	name, err := c.snapshotName(op, schema)
	if err != nil {
		return nil, err
	}
	rc, err := c.under(ctx, op, func() int32 {
		return sqlite3.Xsqlite3_snapshot_get(c.tls, c.db, name, c.slot(0))
	})
	if err != nil {
		return nil, c.snapshotError(op, rc, err)
	}
	p := c.slotPointer(0)
	defer sqlite3.Xsqlite3_snapshot_free(c.tls, p)
	return &Snapshot{header: [snapshotSize]byte(bytesAt(p, snapshotSize))}, nil
}

// OpenSnapshot makes the transaction that the connection has open, as by [Conn.Begin], read the state of a snapshot in
// the database named schema ("" is "main"), until it ends. It must not have written, and no statement may be running on
// the connection. What it has read so far it reads anew from the snapshot; it cannot write.
//
// The error matches [GenericSnapshot] if the state is gone, as a checkpoint has overwritten it or the snapshot is one of
// another database, and [BusySnapshot] if a checkpoint is at it. The transaction stays open, and should be rolled back.
//
// https://sqlite.org/c3ref/snapshot_open.html
func (c *Conn) OpenSnapshot(ctx context.Context, schema string, snapshot *Snapshot) error {
	op := "open snapshot of " + schemaOr(schema)
	if snapshot == nil || *snapshot == (Snapshot{}) {
		return newError(op, "", Misuse, "the snapshot is empty")
	}
	if err := c.readForSnapshot(ctx, op, schema); err != nil {
		return err
	}
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	name, err := c.snapshotName(op, schema)
	if err != nil {
		return err
	}
	p := c.tls.Alloc(snapshotSize)
	defer c.tls.Free(snapshotSize)
	putBytes(p, snapshot.header[:])
	rc, err := c.under(ctx, op, func() int32 {
		return sqlite3.Xsqlite3_snapshot_open(c.tls, c.db, name, p)
	})
	if err != nil {
		return c.snapshotError(op, rc, err)
	}
	return nil
}

// readForSnapshot reads something: a connection that has read nothing yet does not know of the log.
func (c *Conn) readForSnapshot(ctx context.Context, op, schema string) error {
	if err := checkNULs(op, schema); err != nil {
		return err
	}
	return c.Query(ctx, "PRAGMA "+QuoteName(schemaOr(schema))+".schema_version", nil, ignoreRow)
}

// RecoverSnapshots makes snapshots usable again after the last connection to the database was closed, which normally ends
// them, if it left the log behind: see [Conn.SetPersistWAL] and [DBConfigNoCheckpointOnClose]. No transaction may be open
// on the database.
//
// https://sqlite.org/c3ref/snapshot_recover.html
func (c *Conn) RecoverSnapshots(ctx context.Context, schema string) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	op := "recover snapshots of " + schemaOr(schema)
	names, err := c.cStrings(op, schemaOr(schema))
	if err != nil {
		return err
	}
	rc, err := c.under(ctx, op, func() int32 {
		return sqlite3.Xsqlite3_snapshot_recover(c.tls, c.db, names[0])
	})
	if rc == sqlite3.SQLITE_ERROR {
		return newError(op, "", Generic, "it is in a transaction, not in WAL mode, or there is no such database")
	}
	return err
}

// snapshotName checks what SQLite would answer with a bare SQLITE_ERROR.
func (c *Conn) snapshotName(op, schema string) (uintptr, error) {
	names, err := c.cStrings(op, schemaOr(schema))
	if err != nil {
		return 0, err
	}
	switch {
	case !c.hasSchema(names[0]):
		return 0, newError(op, "", NotFound, "no such database")
	case sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) != 0:
		return 0, newError(op, "", Generic, "no transaction is open: BEGIN comes first")
	case sqlite3.Xsqlite3_txn_state(c.tls, c.db, names[0]) == sqlite3.SQLITE_TXN_WRITE:
		return 0, newError(op, "", Generic, "the transaction writes")
	}
	return names[0], nil
}

func (c *Conn) snapshotError(op string, rc int32, err error) error {
	switch rc {
	case sqlite3.SQLITE_ERROR:
		return newError(op, "", Generic,
			"the database is not in WAL mode, nothing is in the log yet, or a statement is running")
	case sqlite3.SQLITE_ERROR_SNAPSHOT:
		return newError(op, "", GenericSnapshot, "the state is no longer in the log")
	}
	return err
}

// Compare returns -1, 0 or 1, as s is older than other, the same, or newer. Both must be of the same database, and no
// checkpoint may have begun the log anew between them: otherwise the result means nothing.
//
// https://sqlite.org/c3ref/snapshot_cmp.html
func (s *Snapshot) Compare(other *Snapshot) int {
	tls := libc.NewTLS()
	defer tls.Close()
	p := tls.Alloc(2 * snapshotSize)
	defer tls.Free(2 * snapshotSize)
	putBytes(p, s.header[:])
	putBytes(p+snapshotSize, other.header[:])
	switch rc := sqlite3.Xsqlite3_snapshot_cmp(tls, p, p+snapshotSize); {
	case rc < 0:
		return -1
	case rc > 0:
		return 1
	}
	return 0
}

// putBytes copies into SQLite's memory. It is no part of its callers: with a size that is known there, and two copies side
// by side, Go 1.26's compiler ends in an internal error.
//
//go:noinline
func putBytes(p uintptr, b []byte) { copy(bytesAt(p, len(b)), b) }
