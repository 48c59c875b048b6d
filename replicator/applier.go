package replicator

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
)

// checkpointPages is the length of the WAL, in pages, at which SQLite copies it
// back into the database file after a commit: 16 MB. Checkpoints are passive:
// they do as much as readers allow and never wait.
const checkpointPages = 4096

// commitHook is called around the commit of a local transaction that brings the
// file to the end of the primary's frame frameNo.
type commitHook interface {
	// beforeCommit must make durable that the file may be at frameNo from now on.
	beforeCommit(frameNo uint64) error
	// afterCommit records that it is.
	afterCommit(frameNo uint64) error
}

// applier is the target for a database that exists: pages go through SQLite's
// own pager by way of the sqlite_dbpage table, so that locks, the wal-index and
// recovery stay SQLite's, and readers keep their snapshots.
//
// See https://sqlite.org/dbpage.html.
type applier struct {
	ctx    context.Context // of the call that applies, set by use
	conn   *engine.Conn
	insert *engine.Stmt
	hook   commitHook
	open   bool // a transaction is open
	// spilled says that it holds pages that may lie beyond the database's end.
	spilled bool
	pages   uint32 // of the last committed state
	// replaces says that the pages to come are of another database than those
	// that are there.
	replaces bool
	compat   schemaWatch
}

// openApplier opens the replica's database for writing.
func openApplier(ctx context.Context, path string, hook commitHook) (*applier, error) {
	conn, err := engine.Open(path, engine.OpenReadWrite|engine.OpenCreate|engine.OpenNoFollow)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	a := &applier{ctx: ctx, conn: conn, hook: hook}
	if err := a.prepare(); err != nil {
		a.close()
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return a, nil
}

// applierPragmas make commits durable, let SQLite write out the pages of a
// transaction that does not fit its cache of 8 MB, and keep a schema that only
// libSQL can parse from stopping the connection.
const applierPragmas = `
	PRAGMA writable_schema = ON;
	PRAGMA trusted_schema = OFF;
	PRAGMA synchronous = FULL;
	PRAGMA cache_size = -8000;
	PRAGMA cache_spill = ON;
	PRAGMA foreign_keys = OFF`

func (a *applier) prepare() error {
	if err := a.conn.Exec(a.ctx, applierPragmas); err != nil {
		return err
	}
	size, err := a.pragma("page_size")
	if err != nil {
		return err
	}
	if size != frames.PageSize {
		return fmt.Errorf("%w but %d", ErrPageSize, size)
	}
	pages, err := a.pragma("page_count") // before there is one for the journal mode
	if err != nil {
		return err
	}
	a.pages = uint32(pages)
	if err := a.conn.Exec(a.ctx, fmt.Sprintf("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = %d", checkpointPages)); err != nil {
		return err
	}
	// A schema that holds DDL of libSQL fails the first statement that reads it, and
	// only that one.
	_ = a.conn.Exec(a.ctx, "SELECT 1 FROM sqlite_schema LIMIT 0")
	if a.insert, err = a.conn.Prepare("INSERT INTO sqlite_dbpage(pgno, data) VALUES (?1, ?2)"); err != nil {
		return err
	}
	return a.look()
}

// look finds out whether SQLite can read the schema of the database, without which
// no change to it can be checked.
func (a *applier) look() error {
	first, err := a.page(1)
	if err != nil || first == nil {
		return err
	}
	if err = checkFirst(first); err == nil {
		_, err = schemaTree(a.page)
	}
	if errors.Is(err, ErrCorrupt) {
		// It is not what came that is damaged.
		return fmt.Errorf("%w: %v", engine.Corrupt, err)
	}
	return err
}

func (a *applier) pragma(name string) (n int64, err error) {
	err = a.conn.Query(a.ctx, "PRAGMA "+name, nil, func(s *engine.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	})
	return n, err
}

func (a *applier) bare() bool { return a.replaces || a.pages == 0 }

// use sets the context that the next calls wait under.
func (a *applier) use(ctx context.Context) { a.ctx = ctx }

func (a *applier) begin() error {
	if a.open {
		return nil
	}
	if err := a.conn.Exec(a.ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	a.open, a.spilled = true, false
	return nil
}

func (a *applier) spill(pages *pageSet) error {
	if err := a.begin(); err != nil {
		return err
	}
	a.spilled = true
	a.compat.note(pages)
	if err := a.write(pages); err != nil {
		a.abort()
		return err
	}
	return nil
}

// madeBy says of an error of writing pages that they are what is damaged, and not
// the database that they would go to.
func madeBy(err error) error {
	if unreadable(err) && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w: they make a damaged schema: %w", ErrCorrupt, err)
	}
	return err
}

// unreadable tells whether an error says that a file is no database, or a damaged one.
func unreadable(err error) bool {
	return errors.Is(err, engine.NotADB) || errors.Is(err, engine.Corrupt)
}

func (a *applier) apply(pages *pageSet, frameNo uint64, size uint32) error {
	err := a.begin()
	if err == nil {
		err = madeBy(a.writeAll(pages, size))
	}
	if err == nil {
		err = a.hook.beforeCommit(frameNo)
	}
	if err == nil {
		err = a.commit()
	}
	if err != nil {
		a.abort()
		return fmt.Errorf("apply up to frame %d: %w", frameNo, err)
	}
	a.pages = size
	return a.hook.afterCommit(frameNo)
}

func (a *applier) commit() error {
	if err := a.conn.Exec(a.ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	a.open = false
	return nil
}

// writeAll writes the pages, page 1 last: written first, its changed schema
// cookie would make the next statement read a schema whose pages are not there.
func (a *applier) writeAll(pages *pageSet, size uint32) error {
	a.compat.note(pages)
	have, err := a.pragma("page_count")
	if err != nil {
		return fmt.Errorf("page count: %w", err)
	}
	first, hasFirst := pages.get(1)
	pages.remove(1)
	err = a.write(pages)
	if hasFirst {
		pages.set(1, first)
	}
	if err == nil && hasFirst {
		err = a.writeFirst(first, size)
	} else if err == nil {
		err = a.compat.adapt(a.ctx, a.conn)
	}
	if err == nil && !hasFirst && have != int64(size) {
		err = a.checkCount(size)
	}
	if err == nil && (have != int64(size) || a.spilled) {
		// The last thing written: each page makes SQLite forget the cut.
		err = a.writePage(size+1, nil)
	}
	return err
}

// checkCount checks a size that comes without a page 1 by the one that is there.
func (a *applier) checkCount(size uint32) error {
	first, err := a.page(1)
	if err != nil || first == nil {
		return err
	}
	return checkCount(first, noFrame, 0, size)
}

// writeFirst writes page 1, with a schema cookie that readers can go by. Where
// the schema may have to be adapted, the cookie stays as it is meanwhile: a new
// one has the next statement read the schema, and SQLite allows no more writes in
// a transaction in which it has found a b-tree that looks damaged.
func (a *applier) writeFirst(first []byte, size uint32) error {
	have, err := a.pragma("schema_version")
	if err != nil {
		return fmt.Errorf("schema cookie: %w", err)
	}
	if err := a.checkLayout(first); err != nil {
		return err
	}
	theirs, root := schemaCookie(first), bytes.Clone(first[headerSize:])
	if !countsPages(first) {
		// SQLite sets on commit what makes it believe the number.
		first = withPages(first, size)
	}
	cookie := a.compat.nextCookie(theirs, uint32(have), a.replaces)
	if a.compat.touched {
		if err := a.writePage(1, withCookie(first, uint32(have))); err != nil {
			return err
		}
		if err := a.compat.adapt(a.ctx, a.conn); err != nil {
			return err
		}
		if first, err = a.page(1); err != nil {
			return err
		}
	}
	a.compat.cookie, a.compat.root = theirs, root
	return a.writePage(1, withCookie(first, cookie))
}

// checkLayout refuses a page 1 that changes how all pages are read: SQLite goes on
// with what the connection, and those of readers, found in the old one.
func (a *applier) checkLayout(first []byte) error {
	now, err := a.page(1)
	if err != nil || now == nil {
		return err
	}
	why := ErrCorrupt
	if a.replaces {
		why = errOtherLayout // that is the new primary's right
	}
	if was, is := now[offReserved], first[offReserved]; was != is {
		return fmt.Errorf("%w: page 1 reserves %d bytes of each page, where it was %d", why, is, was)
	}
	if was, is := textEncoding(now), textEncoding(first); was != is && was != 0 && is != 0 {
		return fmt.Errorf("%w: page 1 has text encoding %d, where it was %d", why, is, was)
	}
	return nil
}

func (a *applier) write(pages *pageSet) error {
	for _, no := range pages.numbers() {
		page, _ := pages.get(no)
		if err := a.writePage(no, page); err != nil {
			return err
		}
	}
	return nil
}

// writePage writes one page; a nil one ends the database before it.
func (a *applier) writePage(no uint32, page []byte) error {
	err := a.insert.BindInt64(1, int64(no))
	if err == nil && page == nil {
		err = a.insert.BindNull(2)
	} else if err == nil {
		err = a.insert.BindBlobStatic(2, page)
	}
	if err == nil {
		_, err = a.insert.Step(a.ctx)
	}
	if resetErr := a.insert.Reset(); err == nil {
		err = resetErr
	}
	if err != nil {
		return fmt.Errorf("write page %d: %w", no, err)
	}
	return nil
}

// abort rolls the open transaction back.
func (a *applier) abort() {
	if !a.open {
		return
	}
	a.open = false
	a.compat = schemaWatch{}
	if a.conn.AutoCommit() {
		return // SQLite has rolled back by itself, as on a full disk
	}
	// Should this fail too, closing the connection rolls back.
	_ = a.conn.Exec(context.Background(), "ROLLBACK")
}

// page reads one page of the last committed state; nil beyond the end.
func (a *applier) page(no uint32) ([]byte, error) { return readPage(a.ctx, a.conn, no) }

// checkpoint copies what it can of the WAL into the database file.
func (a *applier) checkpoint() error {
	_, _, err := a.conn.Checkpoint("main", engine.CheckpointPassive)
	return err
}

// leave closes the connection and leaves the files at its path alone.
func (a *applier) leave() {
	a.abort()
	_, _ = a.conn.DBConfig(engine.DBConfigNoCheckpointOnClose, true)
	_ = a.conn.Close()
}

func (a *applier) close() error {
	a.abort()
	return a.conn.Close()
}
