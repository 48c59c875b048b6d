package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Command is a statement of a list that is run as a whole, with its arguments; see [Conn.ExecCommands].
type Command struct {
	SQL  string
	Args []any
}

// BatchError is the error of one statement of a batch.
type BatchError struct {
	Index  int   // of the statement, counted from 0; an empty one between two semicolons does not count
	Offset int   // where the statement begins in the script, in bytes; 0 in a list
	Err    error // what went wrong with it; the offset in an *Error is one in the whole script
}

// Error returns which statement it was, and its error.
func (e *BatchError) Error() string {
	return fmt.Sprintf("engine: statement %d at offset %d: %s", e.Index, e.Offset, strings.TrimPrefix(e.Err.Error(), "engine: "))
}

// Unwrap returns the error of the statement.
func (e *BatchError) Unwrap() error { return e.Err }

// ExecBatch runs the statements of a script one after the other, as [Conn.Exec] does, and drops the rows they return.
// It stops at the first error, which is a [*BatchError]. What earlier statements did stays, and so does a transaction
// that the script has begun and not ended.
func (c *Conn) ExecBatch(ctx context.Context, script string) error {
	return c.script(ctx, script, nil)
}

// ExecTransactionalBatch runs the statements of a script in one transaction: all of them, or none. An error of a
// statement is a [*BatchError]; another one is that of the begin or the commit. After an error, a panic, or the end of
// the context all that the batch did is rolled back.
//
// Outside a transaction the batch begins with BEGIN IMMEDIATE: it waits for the write lock once, and finds nothing
// locked later. Within one it is a savepoint, and what it did is committed with the transaction around it.
//
// A BEGIN, COMMIT, END or ROLLBACK in the script is an [*Error] with [Misuse]. Savepoints can be used, but not those from
// outside the batch: to release one, or to roll back to it, would end the batch in the middle. A statement that
// makes SQLite roll the whole transaction back, such as an INSERT OR ROLLBACK or an INSERT that is interrupted, ends a
// transaction around the batch too.
//
// https://sqlite.org/lang_transaction.html
func (c *Conn) ExecTransactionalBatch(ctx context.Context, script string) error {
	return c.transact(ctx, func() error { return c.script(ctx, script, refuseTransactions) })
}

// ExecCommands is [Conn.ExecBatch] for a list of statements with arguments, which are bound as by [Stmt.BindAll]. Each
// text must be exactly one statement. They come from the cache of the connection: see [Conn.PrepareCached].
func (c *Conn) ExecCommands(ctx context.Context, commands []Command) error {
	return c.commands(ctx, commands, nil)
}

// ExecTransactionalCommands is [Conn.ExecTransactionalBatch] for a list of statements, as by [Conn.ExecCommands].
func (c *Conn) ExecTransactionalCommands(ctx context.Context, commands []Command) error {
	return c.transact(ctx, func() error { return c.commands(ctx, commands, refuseTransactions) })
}

func (c *Conn) script(ctx context.Context, script string, admit func(*Stmt) error) error {
	at, err := c.runScript(ctx, script, admit)
	if err != nil {
		return &BatchError{Index: at.index, Offset: at.offset, Err: err}
	}
	return nil
}

func (c *Conn) commands(ctx context.Context, commands []Command, admit func(*Stmt) error) error {
	for i, command := range commands {
		s, err := c.prepareCached(ctx, command.SQL)
		if err == nil {
			err = s.finish(ctx, command.Args, admit)
		}
		if err != nil {
			return &BatchError{Index: i, Err: err}
		}
	}
	return nil
}

// refuseTransactions keeps a batch from ending the transaction that it is run in.
func refuseTransactions(s *Stmt) error {
	word, rest := cutWord(skipBlank(s.SQL()))
	switch strings.ToUpper(word) {
	case "BEGIN", "COMMIT", "END":
	case "ROLLBACK":
		if isRollbackTo(rest) {
			return nil
		}
	default:
		return nil
	}
	return newError("batch", s.SQL(), Misuse, "a transactional batch begins and ends its transaction itself")
}

// isRollbackTo reports whether rest is what follows ROLLBACK in ROLLBACK [TRANSACTION] TO.
func isRollbackTo(rest string) bool {
	word, rest := cutWord(skipBlank(rest))
	if strings.EqualFold(word, "TRANSACTION") {
		word, _ = cutWord(skipBlank(rest))
	}
	return strings.EqualFold(word, "TO")
}

// transact runs do within a transaction, or a savepoint if there is one already.
func (c *Conn) transact(ctx context.Context, do func() error) (err error) {
	begin, commit, rollback := "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"
	if !c.AutoCommit() {
		begin, commit, rollback = "SAVEPOINT floe_batch", "RELEASE floe_batch", "ROLLBACK TO floe_batch; RELEASE floe_batch"
	}
	if err := c.Exec(ctx, begin); err != nil {
		return fmt.Errorf("begin batch: %w", err)
	}
	committed := false
	defer func() {
		// SQLite may have rolled back all there was by itself.
		if committed || c.AutoCommit() {
			return
		}
		if e := c.takeBack(rollback); e != nil {
			err = errors.Join(err, fmt.Errorf("roll back batch: %w", e))
		}
	}()
	if err := do(); err != nil {
		return err
	}
	if err := c.Exec(ctx, commit); err != nil {
		return fmt.Errorf("commit batch: %w", err)
	}
	committed = true
	return nil
}
