package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrNoSavepoint is returned where a savepoint is named that is not open.
	ErrNoSavepoint = errors.New("engine: no such savepoint")

	// ErrSavepointExists is returned by [Conn.Savepoint] for the name of an open one.
	ErrSavepointExists = errors.New("engine: a savepoint of that name is open")
)

// Savepoint opens a savepoint: a part of a transaction that can be undone alone. Savepoints nest. Outside a transaction
// it begins one, as [TxDeferred] does, which the release of that savepoint commits.
//
// The name is any text, also an empty one, without a NUL byte; case makes no difference in ASCII letters. SQLite would
// open a second savepoint of the same name, which hides the first: here it is [ErrSavepointExists].
//
// https://sqlite.org/lang_savepoint.html
func (c *Conn) Savepoint(name string) error {
	open, err := c.hasSavepoint(name)
	if err != nil {
		return err
	}
	if open {
		return fmt.Errorf("%w: %q", ErrSavepointExists, name)
	}
	return c.Exec(context.Background(), "SAVEPOINT "+QuoteName(name))
}

// Release ends a savepoint and those opened after it, and keeps what was done since. The release of one that began a
// transaction is the commit, and can fail as [Tx.Commit] does: after [Busy] it is still open. The error for one that is
// not open is [ErrNoSavepoint].
//
// The context is for the commit and its wait for locks.
//
// https://sqlite.org/lang_savepoint.html
func (c *Conn) Release(ctx context.Context, name string) error {
	if err := c.checkSavepoint(name); err != nil {
		return err
	}
	return c.Exec(ctx, "RELEASE "+QuoteName(name))
}

// RollbackTo undoes what was done since a savepoint was opened, and ends those opened after it. The savepoint itself
// stays open. The error for one that is not open is [ErrNoSavepoint].
//
// https://sqlite.org/lang_savepoint.html
func (c *Conn) RollbackTo(name string) error {
	if err := c.checkSavepoint(name); err != nil {
		return err
	}
	return c.takeBack("ROLLBACK TO " + QuoteName(name))
}

// Savepoints returns the names of the open savepoints, the innermost one first, those that SQL opened too.
//
// https://sqlite.org/lang_savepoint.html
func (c *Conn) Savepoints() []string {
	if c.enter() != nil {
		return nil
	}
	defer c.leave()
	return c.savepoints()
}

// WithSavepoint runs do in a savepoint and releases it. If do returns an error, panics, or ends its goroutine, or the
// release fails, all since the savepoint is undone; the panic goes on. The context is for the release, as in
// [Conn.Release].
//
// https://sqlite.org/lang_savepoint.html
func (c *Conn) WithSavepoint(ctx context.Context, name string, do func() error) (err error) {
	if err := c.Savepoint(name); err != nil {
		return err
	}
	released := false
	defer func() {
		if !released {
			err = errors.Join(err, c.undo(name))
		}
	}()
	if err := do(); err != nil {
		return err
	}
	if err := c.Release(ctx, name); err != nil {
		return err
	}
	released = true
	return nil
}

// undo rolls back to a savepoint and ends it. SQLite may have ended it already.
func (c *Conn) undo(name string) error {
	began, err := c.beganWith(name)
	if err == nil && began {
		return c.takeBack("ROLLBACK") // a release would be a commit, which may have to wait
	}
	if err == nil {
		err = c.RollbackTo(name)
	}
	if err == nil {
		err = c.takeBack("RELEASE " + QuoteName(name))
	}
	if errors.Is(err, ErrNoSavepoint) || errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// beganWith reports whether that savepoint began the transaction.
func (c *Conn) beganWith(name string) (bool, error) {
	if err := c.enter(); err != nil {
		return false, err
	}
	defer c.leave()
	names := c.savepoints()
	return c.handle().FisTransactionSavepoint != 0 && equalNames(names[len(names)-1], name), nil
}

// checkSavepoint is [ErrNoSavepoint] for a name that no open savepoint has.
func (c *Conn) checkSavepoint(name string) error {
	open, err := c.hasSavepoint(name)
	if err == nil && !open {
		return fmt.Errorf("%w: %q", ErrNoSavepoint, name)
	}
	return err
}

func (c *Conn) hasSavepoint(name string) (bool, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return false, newError("savepoint", "", Misuse, "the name has a NUL byte inside")
	}
	if err := c.enter(); err != nil {
		return false, err
	}
	defer c.leave()
	for _, open := range c.savepoints() {
		if equalNames(open, name) {
			return true, nil
		}
	}
	return false, nil
}

// savepoints reads SQLite's own list, which follows all that SQL and a rollback do to it.
func (c *Conn) savepoints() []string {
	var names []string
	for p := c.handle().FpSavepoint; p != 0; {
		s := (*sqlite3.TSavepoint)(pointer(p))
		names = append(names, libc.GoString(s.FzName))
		p = s.FpNext
	}
	return names
}

// equalNames compares as SQLite does: without regard to case, in ASCII letters alone.
func equalNames(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

func lowerASCII(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}
