package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/floedb/floe/hooks"
	"github.com/floedb/floe/stmtcache"
)

// Stmt is a prepared statement. It belongs to its [Conn] and to the same goroutine.
//
// https://sqlite.org/c3ref/stmt.html
type Stmt struct {
	c          *Conn
	ptr        uintptr // sqlite3_stmt*; 0 once finalised
	sql        string
	prev, next *Stmt

	watch  *watch   // of the execution in progress, nil if its context cannot end
	static [][]byte // by parameter: what BindBlobStatic lent to SQLite

	cached    *stmtcache.Item[*Stmt] // nil if Finalize frees the statement
	parked    uintptr                // what ptr was, while the statement is idle in the cache
	databases int32                  // how many the connection had when this was compiled for the cache
	altered   bool                   // it does something else now than its text says
	onRow     bool                   // the execution has come to a row
}

// Prepare compiles sql, which must be exactly one statement, with comments and semicolons around it as you
// like. If more follow the error is [ErrTrailing], if there is none [ErrEmpty]; what SQLite does not compile is
// an [*Error]. The statement must be finalised, or is when the connection is closed.
//
// Compiling may read the schema from the file, and waits up to the busy timeout if that is locked.
//
// A statement that is run again and again need not be kept for that: see [Conn.PrepareCached].
//
// https://sqlite.org/c3ref/prepare.html
func (c *Conn) Prepare(sql string) (*Stmt, error) {
	return c.prepareOne(context.Background(), sql, 0)
}

// PrepareContext is [Conn.Prepare] with a context that ends the wait for a locked schema. The executions of the
// statement have contexts of their own.
//
// https://sqlite.org/c3ref/prepare.html
func (c *Conn) PrepareContext(ctx context.Context, sql string) (*Stmt, error) {
	return c.prepareOne(ctx, sql, 0)
}

// PrepareTail compiles the first statement in sql and returns the text behind it. The statement is nil, without
// an error, if the piece up to there has nothing but comments and blanks. A loop over the tail, until it is
// empty, runs through a script.
//
// https://sqlite.org/c3ref/prepare.html
func (c *Conn) PrepareTail(sql string) (s *Stmt, tail string, err error) {
	return c.prepareTail(context.Background(), sql, 0)
}

// prepareOne compiles the one statement in sql. flags are those of sqlite3_prepare_v3.
func (c *Conn) prepareOne(ctx context.Context, sql string, flags uint32) (*Stmt, error) {
	s, tail, err := c.prepareFirst(ctx, sql, flags)
	if err != nil {
		return nil, shiftOffset(err, len(sql)-len(tail))
	}
	if s == nil {
		return nil, ErrEmpty
	}
	if !isBlank(tail) {
		s.discard()
		return nil, ErrTrailing
	}
	return s, nil
}

// isBlank reports whether sql has nothing but white space, semicolons and comments. It is not compiled to find
// out, as some PRAGMAs take effect when they are.
func isBlank(sql string) bool {
	return skipBlank(sql) == ""
}

// skipBlank cuts white space, semicolons and comments off the beginning of sql.
func skipBlank(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\n\f\r;")
		switch {
		case strings.HasPrefix(sql, "--"):
			_, sql, _ = strings.Cut(sql, "\n")
		case strings.HasPrefix(sql, "/*"):
			_, sql, _ = strings.Cut(sql[2:], "*/")
		default:
			return sql
		}
	}
}

// prepareFirst compiles the first piece of sql that is a statement. On an error the tail begins with the piece
// that has it.
func (c *Conn) prepareFirst(ctx context.Context, sql string, flags uint32) (s *Stmt, tail string, err error) {
	for tail = sql; s == nil && tail != ""; {
		rest := tail
		if s, tail, err = c.prepareTail(ctx, rest, flags); err != nil {
			return nil, rest, err
		}
	}
	return s, tail, nil
}

func (c *Conn) prepareTail(ctx context.Context, sql string, flags uint32) (s *Stmt, tail string, err error) {
	if err := c.enter(); err != nil {
		return nil, "", err
	}
	defer c.leave()
	if err := ctxEnded(ctx); err != nil {
		return nil, "", cancelledError("prepare", sql, err)
	}
	return c.compile(ctx, sql, flags)
}

func (c *Conn) compile(ctx context.Context, sql string, flags uint32) (s *Stmt, tail string, err error) {
	if err := checkText(sql); err != nil {
		return nil, "", err
	}
	text := c.cString(sql)
	if text == 0 {
		return nil, "", c.lastError("prepare", sql, sqlite3.SQLITE_NOMEM)
	}
	defer c.releaseText()
	return c.compileAt(ctx, text, sql, flags)
}

// checkText refuses a text that SQLite would not see the whole of.
func checkText(sql string) error {
	if strings.IndexByte(sql, 0) >= 0 {
		return newError("prepare", sql, Misuse, "the text has a NUL byte inside")
	}
	if len(sql) >= math.MaxInt32 {
		return newError("prepare", sql, TooBig, "the text is too long")
	}
	return nil
}

// compileAt compiles sql, which is in SQLite's memory at text.
func (c *Conn) compileAt(ctx context.Context, text uintptr, sql string, flags uint32) (s *Stmt, tail string, err error) {
	c.busy.done = doneOf(ctx)
	rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, text, int32(len(sql)+1), flags, c.slot(0), c.slot(1))
	if rc == sqlite3.SQLITE_LOCKED_SHAREDCACHE {
		rc = c.awaitShared(rc, func() int32 {
			return sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, text, int32(len(sql)+1), flags, c.slot(0), c.slot(1))
		})
	}
	c.busy.done = nil
	interrupted := c.busy.takeInterrupted()
	if rc != sqlite3.SQLITE_OK || c.failure != nil {
		sqlite3.Xsqlite3_finalize(c.tls, c.slotPointer(0))
		err := c.endedError("prepare", sql, rc, cmp.Or(ctxEnded(ctx), interrupted))
		c.adoptPragmas()
		return nil, "", err
	}
	c.raised.err = nil // a table that SQLite did well without
	c.adoptPragmas()
	used := int(c.slotPointer(1) - text)
	if ptr := c.slotPointer(0); ptr != 0 {
		s = c.newStmt(ptr, sql[:used])
	}
	return s, sql[used:], nil
}

// adoptPragmas is called after SQL was compiled, which is when some PRAGMAs take effect.
func (c *Conn) adoptPragmas() {
	c.adoptBusyTimeout()
	c.adoptAutoCheckpoint()
	c.tx.refuseWrites()
}

func (c *Conn) newStmt(ptr uintptr, sql string) *Stmt {
	s := &Stmt{c: c, ptr: ptr, sql: sql, next: c.stmts}
	if s.next != nil {
		s.next.prev = s
	}
	c.stmts = s
	return s
}

// enter claims the connection for one call on s.
func (s *Stmt) enter() error {
	if s == nil || s.c == nil {
		return ErrFinalized
	}
	if !s.c.state.CompareAndSwap(stateFree, stateEntered) {
		return s.c.refused()
	}
	if s.ptr == 0 {
		s.c.leave()
		return ErrFinalized
	}
	return nil
}

// Step runs the statement to its next row, and reports whether there is one. When it returns false or an error
// the execution is over and the statement is reset: it can be bound and stepped again.
//
// The context covers the execution from the first Step to its end: it ends the work and the wait for locks; see
// the package's documentation. Steps of one execution normally get the same context; another one takes the
// place of the earlier.
//
// https://sqlite.org/c3ref/step.html
func (s *Stmt) Step(ctx context.Context) (row bool, err error) {
	done := doneOf(ctx)
	if err := s.enter(); err != nil {
		return false, err
	}
	row, err = s.step(ctx, done)
	s.c.leave()
	return row, err
}

func (s *Stmt) step(ctx context.Context, done <-chan struct{}) (bool, error) {
	if done != nil || s.watch != nil {
		return s.stepWatched(ctx, done)
	}
	rc := s.stepOnce()
	if rc == sqlite3.SQLITE_ROW && s.c.failure == nil {
		return true, nil
	}
	return false, s.end(rc, nil)
}

// stepOnce runs the statement to its next row. It waits for a lock in a shared cache before the first one: from there on the
// execution cannot be begun again unseen.
func (s *Stmt) stepOnce() int32 {
	rc := sqlite3.Xsqlite3_step(s.c.tls, s.ptr)
	if rc == sqlite3.SQLITE_LOCKED_SHAREDCACHE && !s.onRow {
		rc = s.c.awaitShared(rc, func() int32 {
			sqlite3.Xsqlite3_reset(s.c.tls, s.ptr)
			return sqlite3.Xsqlite3_step(s.c.tls, s.ptr)
		})
	}
	s.onRow = rc == sqlite3.SQLITE_ROW
	return rc
}

func (s *Stmt) stepWatched(ctx context.Context, done <-chan struct{}) (bool, error) {
	s.watchOver(ctx, done)
	w := s.watch
	if w == nil {
		return s.step(ctx, nil)
	}
	if !w.begin() {
		w.finish()
		s.reset()
		return false, cancelledError("step", s.sql, ctxEnded(ctx))
	}
	rc := s.stepOnce()
	w.finish()
	if rc == sqlite3.SQLITE_ROW && s.c.failure == nil {
		return true, nil
	}
	var cause error
	if w.cancelled() {
		cause = ctxEnded(ctx)
	}
	return false, s.end(rc, cause)
}

// watchOver makes done the channel that ends the execution in progress.
func (s *Stmt) watchOver(ctx context.Context, done <-chan struct{}) {
	if s.watch != nil {
		if s.watch.done == done {
			return
		}
		s.endWatch()
	}
	if done != nil {
		s.watch = s.c.newWatch(ctx, done)
	}
}

func (s *Stmt) endWatch() {
	if s.watch != nil {
		s.watch.end()
		s.watch = nil
	}
}

// end finishes an execution whose last step returned rc. cause is the error of a context that has ended.
func (s *Stmt) end(rc int32, cause error) error {
	if s.c.attach.ask != nil {
		s.c.followAttached()
	}
	interrupted := s.c.busy.takeInterrupted()
	if rc == sqlite3.SQLITE_DONE && s.c.failure == nil {
		s.c.followTx(nil)
		s.reset()
		// A rollback that the reset ended in may have called a callback too.
		if s.c.failure != nil {
			return s.c.endedError("step", s.sql, sqlite3.SQLITE_ABORT, nil)
		}
		return nil
	}
	if rc == sqlite3.SQLITE_ROW {
		// The reset would commit what the statement has done. It does not while the failure is noted.
		s.reset()
	}
	err := s.c.endedError("step", s.sql, rc, cmp.Or(cause, interrupted))
	if err.Code == ReadOnly && err.cause == nil {
		err.cause = s.c.whyReadOnly()
	}
	s.reset()
	s.c.failure = nil // of a callback that was told about the reset: the statement has its error
	s.c.distrustCache(err.Code)
	s.c.followFeed()
	s.c.followTx(err)
	return err
}

// distrustCache drops the clean pages of the cache after an error that may have come in the middle of a rollback.
//
// SQLite 3.54.1 needs it in WAL mode: if the rollback of a statement fails after it has cut its frames off the WAL, the
// rollback of the transaction that follows no longer finds the pages of those frames, and they stay in the cache with
// what was never committed. The next commit could write it out.
func (c *Conn) distrustCache(code ResultCode) {
	if code == IOErr || code == Full || code == NoMem {
		sqlite3.Xsqlite3_db_release_memory(c.tls, c.db)
	}
}

// endedError is the error of a call that returned rc, with the cause that ended it early, if rc is what such an
// end looks like: a statement can fail by itself in the moment in which its context ends.
//
// A callback that failed is the cause before all others. It may have no way to make SQLite fail, so that rc is one of
// success: the error is Abort then.
func (c *Conn) endedError(op, sql string, rc int32, cause error) *Error {
	if failure := c.takeFailure(); failure != nil {
		if failure == hooks.ErrWaitEnded {
			return cancelledError(op, sql, cmp.Or(cause, error(Interrupt)))
		}
		return c.failedError(op, sql, rc, failure)
	}
	e := c.lastError(op, sql, rc)
	if err := c.takeRaised(e); err != nil {
		e.cause, e.raised = err, true
		return e
	}
	if e.Code == Interrupt || e.Code == Busy || e.Extended == LockedSharedCache {
		e.cause = cause
	}
	return e
}

func (c *Conn) failedError(op, sql string, rc int32, failure error) *Error {
	var e *Error
	switch rc {
	case sqlite3.SQLITE_OK, sqlite3.SQLITE_ROW, sqlite3.SQLITE_DONE, sqlite3.SQLITE_NOMEM: // NOMEM: see halt
		e = newError(op, sql, Abort, "a callback failed")
	default:
		e = c.lastError(op, sql, rc)
	}
	e.cause = failure
	return e
}

func cancelledError(op, sql string, cause error) *Error {
	e := newError(op, sql, Interrupt, "interrupted")
	e.cause = cause
	return e
}

// ctxEnded is the error of a context that has ended, with the cause that it may have been given, and nil while it has
// not.
func ctxEnded(ctx context.Context) error {
	if ctx == nil || ctx.Err() == nil {
		return nil
	}
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

func doneOf(ctx context.Context) <-chan struct{} {
	if ctx == nil {
		return nil
	}
	return ctx.Done()
}

// Reset ends an execution in progress, so that the statement can be bound and stepped from the start. The
// bindings stay. A statement that is not being executed is left as it is.
//
// https://sqlite.org/c3ref/reset.html
func (s *Stmt) Reset() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.c.leave()
	if rc := s.reset(); rc != sqlite3.SQLITE_OK || s.c.failure != nil {
		return s.c.endedError("reset", s.sql, rc, nil)
	}
	return nil
}

func (s *Stmt) reset() int32 {
	rc := sqlite3.Xsqlite3_reset(s.c.tls, s.ptr)
	s.onRow = false
	s.c.raised.err = nil // it was of this execution at the latest
	s.endWatch()
	return rc
}

// Finalize frees the statement, or gives it back if it comes from the cache: see [Conn.PrepareCached]. An execution
// in progress ends. A statement that is finalised already, or whose connection is closed, is left as it is, and so
// is a nil one.
//
// The error is that of the end of an execution in progress, which commits what it did if it is a transaction of its
// own. The statement is finalised all the same.
//
// https://sqlite.org/c3ref/finalize.html
func (s *Stmt) Finalize() error {
	switch err := s.enter(); err {
	case nil:
		err = s.release()
		s.c.leave()
		return err
	case ErrFinalized, ErrClosed:
		return nil
	default:
		return err
	}
}

// release ends the use of a statement. The connection is entered.
func (s *Stmt) release() error {
	c := s.c
	rc := s.reset()
	var err error
	if rc != sqlite3.SQLITE_OK || c.failure != nil {
		err = c.endedError("finalize", s.sql, rc, nil)
	}
	if s.cached != nil {
		c.cache.Put(s.cached)
	} else {
		s.finalize()
	}
	return err
}

// finalize frees a statement, in use or idle. The connection is entered.
func (s *Stmt) finalize() {
	sqlite3.Xsqlite3_finalize(s.c.tls, max(s.ptr, s.parked))
	s.c.raised.err = nil
	s.endWatch()
	s.ptr, s.parked = 0, 0
	s.static = nil
	if s.cached != nil {
		s.c.cache.Remove(s.cached)
	}
	s.unlink()
}

func (s *Stmt) unlink() {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		s.c.stmts = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

// discard finalises a statement that no caller has seen.
func (s *Stmt) discard() {
	if s.enter() == nil {
		s.finalize()
		s.c.leave()
	}
}

// SQL returns the text the statement was compiled from, with the blanks and comments around it. It also works
// on a finalised statement.
//
// https://sqlite.org/c3ref/expanded_sql.html
func (s *Stmt) SQL() string {
	if s == nil {
		return ""
	}
	return s.sql
}

// ReadOnly reports whether the statement writes no database file directly.
//
// https://sqlite.org/c3ref/stmt_readonly.html
func (s *Stmt) ReadOnly() bool {
	if s.enter() != nil {
		return false
	}
	defer s.c.leave()
	return sqlite3.Xsqlite3_stmt_readonly(s.c.tls, s.ptr) != 0
}

// ColumnCount returns the number of columns of the result, 0 for a statement that returns no rows. The schema
// can change between two executions, and the count of a "SELECT *" with it.
//
// https://sqlite.org/c3ref/column_count.html
func (s *Stmt) ColumnCount() int {
	if s.enter() != nil {
		return 0
	}
	defer s.c.leave()
	return int(sqlite3.Xsqlite3_column_count(s.c.tls, s.ptr))
}

// ColumnName returns the name of column i of the result, counted from 0, or "" if there is none.
//
// https://sqlite.org/c3ref/column_name.html
func (s *Stmt) ColumnName(i int) string {
	if !s.enterIndexed(i) {
		return ""
	}
	defer s.c.leave()
	return libc.GoString(sqlite3.Xsqlite3_column_name(s.c.tls, s.ptr, int32(i)))
}

// ColumnDeclType returns the declared type of the table column behind column i of the result, as it stands in
// the CREATE TABLE, or "" if it is an expression or has no type.
//
// https://sqlite.org/c3ref/column_decltype.html
func (s *Stmt) ColumnDeclType(i int) string {
	if !s.enterIndexed(i) {
		return ""
	}
	defer s.c.leave()
	return libc.GoString(sqlite3.Xsqlite3_column_decltype(s.c.tls, s.ptr, int32(i)))
}

// enterIndexed enters for a call with an index, unless that is none which SQLite's int could hold. SQLite checks
// the rest of the range.
func (s *Stmt) enterIndexed(i int) bool {
	if uint(i) > math.MaxInt32 {
		return false
	}
	return s.enter() == nil
}
