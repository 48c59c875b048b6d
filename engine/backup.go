package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrBackupTarget is returned by the methods of a connection which a [Backup] is writing to, until that is closed.
var ErrBackupTarget = errors.New("engine: connection is the target of a backup")

// Backup copies a database over another one, page by page, while the source is being used. It is what
// [Conn.Backup] and its like do in one call.
//
// The target has the new content when [Backup.Step] reports that it is done, and its old one until then. Its connection
// cannot be used before the backup is closed: every method returns [ErrBackupTarget], Close too. That of the source
// can: each Step enters it by itself. What it writes between two steps goes to the target as well; what another
// connection writes to the source makes the next step begin anew.
//
// A Backup belongs to the connection of the source and to the same goroutine.
//
// https://sqlite.org/c3ref/backup.html
type Backup struct {
	resource // of the source
	target   *Conn
	op       string
}

// NewBackup begins to copy the database named srcSchema of src over the one named dstSchema of dst ("" is "main" in
// both cases). Nothing is read or written before the first Step.
//
// The two connections must be different ones, and the target may not be in use: it is an [*Error] with [Generic] while
// that database has a transaction open.
//
// https://sqlite.org/c3ref/backup_finish.html#sqlite3backupinit
func NewBackup(dst *Conn, dstSchema string, src *Conn, srcSchema string) (*Backup, error) {
	op := "backup " + schemaOr(srcSchema)
	if src == dst {
		return nil, newError(op, "", Misuse, "source and target are the same connection")
	}
	if err := src.enter(); err != nil {
		return nil, fmt.Errorf("%s: source: %w", op, err)
	}
	defer src.leave()
	// The guards never wait, so the order of the two cannot end in a deadlock.
	if err := dst.enter(); err != nil {
		return nil, fmt.Errorf("%s: target: %w", op, err)
	}
	ptr, err := initBackup(op, dst, dstSchema, src, srcSchema)
	if err != nil {
		dst.leave()
		return nil, err
	}
	dst.state.Store(stateLent)
	b := &Backup{resource: resource{c: src, ptr: ptr}, target: dst, op: op}
	src.own(b)
	return b, nil
}

// initBackup begins a backup. Both connections are entered.
func initBackup(op string, dst *Conn, dstSchema string, src *Conn, srcSchema string) (uintptr, error) {
	from, err := src.cStrings(op, schemaOr(srcSchema))
	if err != nil {
		return 0, err
	}
	to, err := dst.cStrings(op, schemaOr(dstSchema))
	if err != nil {
		return 0, err
	}
	ptr := sqlite3.Xsqlite3_backup_init(dst.tls, dst.db, to[0], src.db, from[0])
	if ptr == 0 {
		// SQLite leaves the reason in the target, also where it is about the source.
		return 0, dst.lastError(op, "", sqlite3.Xsqlite3_errcode(dst.tls, dst.db))
	}
	return ptr, nil
}

// Step copies that many pages, all that remain if it is negative, and reports whether the copy is complete. The locks
// of others, on either side, are waited for up to the busy timeout of the connection that needs them, or until the
// context ends.
//
// After an error that is [Busy] or [Locked] Step may be called again. A write transaction that the connection of the
// source has open itself is Busy too, and is not waited for. Any other error is final.
//
// https://sqlite.org/c3ref/backup_finish.html#sqlite3backupstep
func (b *Backup) Step(ctx context.Context, pages int) (done bool, err error) {
	if err := b.enter(); err != nil {
		return false, err
	}
	defer b.c.leave()
	if err := ctxEnded(ctx); err != nil {
		return false, cancelledError(b.op, "", err)
	}
	switch rc, cause := b.step(ctx, pages); {
	case b.c.failure != nil || b.target.failure != nil:
		return false, b.error(rc, cause)
	case rc == sqlite3.SQLITE_DONE:
		return true, nil
	case rc == sqlite3.SQLITE_OK:
		return false, nil
	default:
		return false, b.error(rc, cause)
	}
}

func (b *Backup) step(ctx context.Context, pages int) (rc int32, cause error) {
	src, dst := b.c, b.target
	done := doneOf(ctx)
	src.busy.done, dst.busy.done = done, done
	src.renewBusyWait()
	dst.renewBusyWait()
	rc = sqlite3.Xsqlite3_backup_step(dst.tls, b.ptr, int32(max(min(pages, math.MaxInt32), -1)))
	src.busy.done, dst.busy.done = nil, nil
	return rc, cmp.Or(ctxEnded(ctx), src.busy.takeInterrupted(), dst.busy.takeInterrupted())
}

// error is that of a step. SQLite leaves nothing about it in the connections.
func (b *Backup) error(rc int32, cause error) error {
	failure := cmp.Or(b.c.takeFailure(), b.target.takeFailure())
	if failure != nil {
		return b.c.failedError(b.op, "", rc, failure)
	}
	e := newError(b.op, "", ResultCode(rc), b.message(rc))
	if e.Code == Busy || e.Code == Interrupt {
		e.cause = cause
	}
	return e
}

func (b *Backup) message(rc int32) string {
	switch rc {
	case sqlite3.SQLITE_BUSY:
		if sqlite3.Xsqlite3_txn_state(b.c.tls, b.c.db, 0) == sqlite3.SQLITE_TXN_WRITE {
			return "the connection of the source is in a write transaction"
		}
	case sqlite3.SQLITE_READONLY:
		return "the target cannot be written, or cannot take the page size of the source"
	}
	return libc.GoString(sqlite3.Xsqlite3_errstr(b.c.tls, rc))
}

// Remaining returns how many pages were still to be copied at the end of the last Step.
//
// https://sqlite.org/c3ref/backup_finish.html#sqlite3backupremaining
func (b *Backup) Remaining() int {
	if b.enter() != nil {
		return 0
	}
	defer b.c.leave()
	return int(sqlite3.Xsqlite3_backup_remaining(b.c.tls, b.ptr))
}

// PageCount returns how many pages the source had at the end of the last Step.
//
// https://sqlite.org/c3ref/backup_finish.html#sqlite3backuppagecount
func (b *Backup) PageCount() int {
	if b.enter() != nil {
		return 0
	}
	defer b.c.leave()
	return int(sqlite3.Xsqlite3_backup_pagecount(b.c.tls, b.ptr))
}

// Close ends the backup and gives the target's connection back. If the copy is not complete the target keeps its old
// content. Closing a closed backup does nothing and returns nil, and so does closing a nil one.
//
// https://sqlite.org/c3ref/backup_finish.html#sqlite3backupfinish
func (b *Backup) Close() error {
	if b == nil {
		return nil
	}
	open, err := b.enterClose()
	if !open {
		return err
	}
	defer b.c.leave()
	b.c.disown(b)
	// Each failure was that of a step, but for one of a callback that the rollback of the target ran.
	if failure := cmp.Or(b.finish(), b.c.takeFailure()); failure != nil {
		return b.c.failedError("close "+b.op, "", sqlite3.SQLITE_OK, failure)
	}
	return nil
}

// discard implements owned.
func (b *Backup) discard() { b.finish() }

// finish frees the backup and gives the target back, which another goroutine may use from then on. It returns why a
// callback of the target failed, if one did.
func (b *Backup) finish() error {
	sqlite3.Xsqlite3_backup_finish(b.target.tls, b.ptr)
	b.ptr = 0
	failure := b.target.takeFailure()
	b.target.state.CompareAndSwap(stateLent, stateFree)
	return failure
}

// BackupOptions says how [Conn.Backup] and its like go about it. The zero value copies the main database at one go.
//
// https://sqlite.org/backup.html
type BackupOptions struct {
	// Source and Target name the databases of the two connections: "main", "temp" or what they are attached as. "" is
	// "main". A path has but a main database.
	Source, Target string

	// PagesPerStep is how many pages are copied before others may write to the source again; 0 or less are all. A
	// large database that others write to all the time may never be through in small steps, as it begins anew then.
	PagesPerStep int

	// Pause is waited after each step.
	Pause time.Duration

	// Progress is called after each step with the number of pages that remain and that of all. An error ends the
	// backup, and is returned. It may use the connection of the source, not that of the target.
	Progress func(remaining, total int) error
}

// Backup copies a database of the connection over the file at path, which is made if there is none. The path is taken
// literally. The file has the copy when Backup returns nil. After an error it is what it was before: if it was not
// there, it is removed again.
//
// The context is looked at between the steps, and ends the waits. The connection can be used in between by Progress.
//
// https://sqlite.org/backup.html
func (c *Conn) Backup(ctx context.Context, path string, options BackupOptions) (err error) {
	_, statErr := os.Lstat(path)
	made := errors.Is(statErr, os.ErrNotExist)
	dst, err := c.openOther(path, OpenReadWrite|OpenCreate)
	if err != nil {
		return err
	}
	defer func() {
		if e := dst.Close(); err == nil {
			err = e
		}
		if err != nil && made {
			os.Remove(path)
		}
	}()
	options.Target = ""
	return c.BackupTo(ctx, dst, options)
}

// BackupTo is [Conn.Backup] into a database of another connection, which may be one in memory. That connection cannot be
// used meanwhile.
//
// https://sqlite.org/backup.html
func (c *Conn) BackupTo(ctx context.Context, dst *Conn, options BackupOptions) (err error) {
	b, err := NewBackup(dst, options.Target, c, options.Source)
	if err != nil {
		return err
	}
	defer func() {
		if e := b.Close(); err == nil {
			err = e
		}
	}()
	return b.run(ctx, options)
}

// Restore copies the main database of the file at path over a database of the connection, the one that Target names.
// The connection cannot be used meanwhile. What it held is gone when Restore returns nil, and still there after an
// error.
//
// https://sqlite.org/backup.html
func (c *Conn) Restore(ctx context.Context, path string, options BackupOptions) (err error) {
	src, err := c.openOther(path, OpenReadOnly)
	if err != nil {
		return err
	}
	defer func() {
		if e := src.Close(); err == nil {
			err = e
		}
	}()
	options.Source = ""
	return src.BackupTo(ctx, c, options)
}

// openOther opens the file of the other side, which waits for locks as long as c does.
func (c *Conn) openOther(path string, flags OpenFlags) (*Conn, error) {
	if path == "" || path == ":memory:" {
		return nil, newError("backup "+strconv.Quote(path), "", CantOpen, "not the path of a file")
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	timeout := c.busy.timeout
	c.leave()
	other, err := Open(path, flags)
	if err != nil {
		return nil, err
	}
	other.SetBusyTimeout(timeout)
	return other, nil
}

func (b *Backup) run(ctx context.Context, options BackupOptions) error {
	pages := options.PagesPerStep
	if pages <= 0 {
		pages = -1
	}
	for {
		done, err := b.Step(ctx, pages)
		if err != nil {
			return err
		}
		if options.Progress != nil {
			if err := options.Progress(b.Remaining(), b.PageCount()); err != nil {
				return err
			}
		}
		if done {
			return nil
		}
		if err := pause(ctx, options.Pause); err != nil {
			return cancelledError(b.op, "", err)
		}
	}
}

// pause waits, and returns the error of the context if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-doneOf(ctx):
		return ctxEnded(ctx)
	}
}
