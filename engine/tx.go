package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrInTransaction is returned by [Conn.Begin] inside a transaction.
	ErrInTransaction = errors.New("engine: a transaction is open already: use a savepoint within it")

	// ErrTxEnded is returned by [Tx.Commit] when the transaction has ended before: by Commit or Rollback, or by a
	// COMMIT or ROLLBACK that was run as SQL.
	ErrTxEnded = errors.New("engine: transaction has ended")

	// ErrTxRolledBack is returned by [Tx.Commit] when SQLite itself has rolled the transaction back before that. The
	// error of the statement at which it did so is in the error too, for [errors.Is] and [errors.As].
	ErrTxRolledBack = errors.New("engine: SQLite has rolled the transaction back")
)

// TxMode says what a transaction locks when it begins.
//
// https://sqlite.org/lang_transaction.html#deferred_immediate_and_exclusive_transactions
type TxMode uint8

// The modes.
const (
	// TxDeferred locks nothing before the first statement. A write after a read then fails with [BusySnapshot], and
	// without a wait, if another connection has written in between: begin what will write with TxImmediate.
	TxDeferred TxMode = iota

	// TxImmediate waits for the write lock when it begins. In it no statement and no commit finds the database
	// locked by another writer.
	TxImmediate

	// TxExclusive is TxImmediate that keeps readers out too, except in WAL mode, where it is the same.
	TxExclusive

	// TxReadOnly begins to read when it begins: what it reads is the state of that moment, in all databases of the
	// connection. What would write in it fails with [ReadOnly].
	TxReadOnly
)

func (m TxMode) begin() (string, error) {
	switch m {
	case TxDeferred, TxReadOnly:
		return "BEGIN", nil
	case TxImmediate:
		return "BEGIN IMMEDIATE", nil
	case TxExclusive:
		return "BEGIN EXCLUSIVE", nil
	}
	return "", newError("begin", "", Misuse, fmt.Sprintf("no such mode: %d", m))
}

// Tx is a transaction that [Conn.Begin] began. It belongs to its connection and to the same goroutine. All statements
// of the connection are run in it until it ends.
//
// https://sqlite.org/lang_transaction.html
type Tx struct {
	c         *Conn
	mode      TxMode
	queryOnly bool // what PRAGMA query_only was before

	// end is set when the transaction has ended. It is read without the connection: that can be in use by another
	// goroutine by then, and Rollback is to do nothing.
	end atomic.Pointer[txEnd]
}

// txEnd is why a transaction cannot be committed any more.
type txEnd struct{ why error }

// over returns why the transaction has ended, nil while it is open.
func (tx *Tx) over() error {
	if end := tx.end.Load(); end != nil {
		return end.why
	}
	return nil
}

func (tx *Tx) setOver(why error) { tx.end.Store(&txEnd{why}) }

// Begin begins a transaction. Its end is [Tx.Commit] or [Tx.Rollback]; [Conn.WithTx] cannot forget them. The context
// covers the beginning alone, with the wait for locks. Inside a transaction the error is [ErrInTransaction]; see
// [Conn.Savepoint] for what can be nested.
//
// SQLite rolls a transaction back by itself when the disk is full ([Full]), on an I/O error, without memory ([NoMem]),
// when a statement that writes is interrupted, and where an ON CONFLICT ROLLBACK or RAISE(ROLLBACK) says so. Later
// statements then run outside of it. Tx.Commit tells, with [ErrTxRolledBack].
//
// A transaction with [TxReadOnly] turns PRAGMA query_only on until it ends. With a statement in the middle of an
// execution that writes the error is [Busy], and one that reads has fixed what is read already. An authorizer is asked
// for the sqlite_schema of each database.
//
// https://sqlite.org/lang_transaction.html
func (c *Conn) Begin(ctx context.Context, mode TxMode) (*Tx, error) {
	sql, err := mode.begin()
	if err != nil {
		return nil, err
	}
	tx := &Tx{c: c, mode: mode}
	if err := tx.attach(); err != nil {
		return nil, err
	}
	if err := tx.begin(ctx, sql); err != nil {
		return nil, fmt.Errorf("begin: %w", errors.Join(err, tx.Rollback()))
	}
	return tx, nil
}

// attach makes tx the transaction that the connection watches the end of.
func (tx *Tx) attach() error {
	c := tx.c
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	db := c.handle()
	if db.FautoCommit == 0 {
		return ErrInTransaction
	}
	c.followTx(nil) // of an earlier one, which ended where no statement did
	tx.queryOnly = db.Fflags&sqlite3.SQLITE_QueryOnly != 0
	if tx.mode == TxReadOnly && sqlite3.Xsqlite3_txn_state(c.tls, c.db, 0) == sqlite3.SQLITE_TXN_WRITE {
		return newError("begin", "", Busy, "a statement that writes is being executed")
	}
	c.tx = tx
	tx.refuseWrites()
	return nil
}

func (tx *Tx) begin(ctx context.Context, sql string) error {
	c := tx.c
	if err := c.Exec(ctx, sql); err != nil || tx.mode != TxReadOnly {
		return err
	}
	for _, schema := range c.DatabaseNames() {
		if err := c.Exec(ctx, "SELECT 1 FROM "+QuoteName(schema)+".sqlite_schema LIMIT 1"); err != nil {
			return err
		}
	}
	return nil
}

// refuseWrites turns PRAGMA query_only on for a transaction that only reads. It is called again when that may have been
// turned off.
func (tx *Tx) refuseWrites() {
	if tx != nil && tx.mode == TxReadOnly {
		tx.c.handle().Fflags |= sqlite3.SQLITE_QueryOnly
	}
}

// txWatch follows the explicit transactions of a connection, whoever began them.
type txWatch struct {
	open      bool  // there was one at the end of the last execution
	committed bool  // SQLite has told so, during the execution
	lost      error // why SQLite has rolled back the last one
}

// followTx is called at the end of each execution, with its error. The connection is entered.
func (c *Conn) followTx(err *Error) {
	c.tx.follow(err)
	w := &c.txs
	open := c.handle().FautoCommit == 0
	switch {
	case open || w.open && (err == nil || w.committed):
		w.lost = nil
	case w.open:
		w.lost = err
	}
	w.open, w.committed = open, false
}

// errEndedUnseen is the error of a transaction that ended between two executions.
func errEndedUnseen(op string) *Error {
	return newError(op, "", Abort, "it ended where no statement did")
}

// RolledBack returns the error at which SQLite has rolled back by itself, as [Conn.Begin] says, the last transaction of
// the connection, whether Begin or a statement began it. It is nil if that is still open, or was ended by COMMIT or
// ROLLBACK, or there was none.
func (c *Conn) RolledBack() error {
	if c.enter() != nil {
		return nil
	}
	defer c.leave()
	if c.txs.open && c.handle().FautoCommit != 0 {
		c.followTx(errEndedUnseen("transaction"))
	}
	return c.txs.lost
}

// follow is called at the end of each execution, with its error. A nil tx is none.
func (tx *Tx) follow(err *Error) {
	if tx == nil {
		return
	}
	if tx.c.handle().FautoCommit != 0 {
		tx.ended(err)
		return
	}
	if err != nil && tx.mode == TxReadOnly && err.Extended == ReadOnly {
		err.Msg = "attempt to write in a read-only transaction"
	}
}

// ended notes that there is no transaction any more. The connection is entered.
func (tx *Tx) ended(err *Error) {
	switch {
	case tx.c.txs.committed || err == nil:
		tx.setOver(fmt.Errorf("%w: a statement has ended it", ErrTxEnded))
	default:
		tx.setOver(fmt.Errorf("%w: %w", ErrTxRolledBack, err))
	}
	if tx.mode == TxReadOnly && !tx.queryOnly {
		tx.c.handle().Fflags &^= sqlite3.SQLITE_QueryOnly
	}
	tx.c.tx = nil
}

// Commit commits the transaction.
//
// Where that fails and the transaction is still open, the error says so: with [Busy] Commit can be called again, and a
// foreign key constraint that is deferred can be satisfied before. The same goes for a context that ends the wait.
// Otherwise the transaction has ended, and with an error it is rolled back, except for that of a WAL hook, which is
// called when all is committed. If it had ended before, the error is [ErrTxEnded] or [ErrTxRolledBack].
//
// https://sqlite.org/lang_transaction.html
func (tx *Tx) Commit(ctx context.Context) error {
	err := tx.commit(ctx)
	switch {
	case err == nil:
		return nil
	case tx.over() == nil:
		return fmt.Errorf("commit: the transaction is still open: %w", err)
	}
	return fmt.Errorf("commit: %w", err)
}

func (tx *Tx) commit(ctx context.Context) error {
	if err := tx.check(); err != nil {
		return err
	}
	err := tx.c.Exec(ctx, "COMMIT")
	if tx.over() != nil {
		tx.setOver(ErrTxEnded)
	}
	return err
}

// check returns why the transaction has ended, nil if it is open.
func (tx *Tx) check() error {
	if err := tx.over(); err != nil {
		return err
	}
	if err := tx.c.enter(); err != nil {
		return err
	}
	defer tx.c.leave()
	tx.follow(errEndedUnseen("commit"))
	return tx.over()
}

// Rollback rolls the transaction back. It does so whatever has become of a context, and does nothing if the transaction
// has ended, so that it can be deferred. Executions that read go on, but their next step may be an error with
// [AbortRollback]; a pending [Conn.Interrupt] is theirs, and does not keep it from being done. An error, such as that of a rollback hook, leaves no transaction open.
//
// https://sqlite.org/lang_transaction.html
func (tx *Tx) Rollback() error {
	switch err := tx.check(); {
	case tx.over() != nil || errors.Is(err, ErrClosed):
		return nil
	case err != nil:
		return err
	}
	err := tx.c.takeBack("ROLLBACK")
	if tx.over() != nil {
		tx.setOver(ErrTxEnded)
	}
	if err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// WithTx runs do in a transaction and commits it. If do returns an error, panics, or ends its goroutine, or the commit
// fails, the transaction is rolled back; the panic goes on. See [Conn.Begin] for the rest.
//
// The context is for the beginning and the commit; what do runs has its own.
//
// https://sqlite.org/lang_transaction.html
func (c *Conn) WithTx(ctx context.Context, mode TxMode, do func() error) (err error) {
	tx, err := c.Begin(ctx, mode)
	if err != nil {
		return err
	}
	defer func() {
		if e := tx.Rollback(); e != nil {
			err = errors.Join(err, e)
		}
	}()
	if err := do(); err != nil {
		return err
	}
	if err := tx.commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// TxnState says what a connection holds of a database.
//
// https://sqlite.org/c3ref/c_txn_none.html
type TxnState int32

// The states. BEGIN by itself is none yet.
const (
	TxnNone  TxnState = sqlite3.SQLITE_TXN_NONE
	TxnRead  TxnState = sqlite3.SQLITE_TXN_READ  // a transaction that has read, and not written
	TxnWrite TxnState = sqlite3.SQLITE_TXN_WRITE // one that has the write lock
)

// TxnState returns the state of a database; "" is the highest of all databases of the connection. A name that the
// connection does not have is [NotFound].
//
// https://sqlite.org/c3ref/txn_state.html
func (c *Conn) TxnState(schema string) (TxnState, error) {
	if err := c.enter(); err != nil {
		return TxnNone, err
	}
	defer c.leave()
	name, err := c.schemaName(schema)
	if err != nil {
		return TxnNone, err
	}
	state := TxnState(sqlite3.Xsqlite3_txn_state(c.tls, c.db, name))
	if state < 0 {
		return TxnNone, newError("transaction state of "+schema, "", NotFound, "no such database")
	}
	return state, nil
}
