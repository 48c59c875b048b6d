package engine

import (
	"fmt"
)

// Reset makes the connection ready for its next user: it rolls back an open transaction, ends the executions in
// progress, and finalises the statements that are still in use; those of [Conn.PrepareCached] go back to the cache, which
// keeps what it has. It closes the blobs, backups, sessions and other handles that are open. Nothing in it waits.
//
// All else stays: temporary tables, attached databases, PRAGMAs, limits, the busy timeout, functions, collations, virtual
// tables and hooks.
//
// An execution in progress outside a transaction is ended as by [Stmt.Reset]: if it writes, what it did is committed. An
// error, such as that of a hook, comes when all is done, except for [ErrClosed] and [ErrConcurrentUse].
func (c *Conn) Reset() error {
	if err := c.enter(); err != nil {
		return err
	}
	open := c.handle().FautoCommit == 0
	c.leave()
	var rollbackErr error
	if open {
		rollbackErr = c.takeBack("ROLLBACK")
	}
	if err := c.resetUses(); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	if rollbackErr != nil {
		return fmt.Errorf("reset: %w", rollbackErr)
	}
	return nil
}

// resetUses ends what is in use. The error is the first one.
func (c *Conn) resetUses() error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	var first error
	for s, next := c.stmts, (*Stmt)(nil); s != nil; s = next {
		next = s.next
		if s.ptr == 0 {
			continue // idle in the cache
		}
		if err := s.release(); err != nil && first == nil {
			first = err
		}
	}
	c.discardOwned()
	c.followTx(nil)
	return first
}
