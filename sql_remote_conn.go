package floe

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqltext"
)

// remoteConn is a connection to a server: a stream, which is opened when it is needed and, outside of a transaction,
// anew when it was lost.
type remoteConn struct {
	server *remoteServer
	s      *hrana.Stream // nil before the first statement, and when it was lost
	rows   *remoteRows   // that the stream is being read for, nil for none

	txTrack
	lost error // what became of the transaction; the connection is of no use then

	lastID int64       // rowid of the last row inserted
	index  hrana.Index // the newest frame that an answer spoke of

	// fresh, when not nil, readies a stream that was just opened.
	fresh func(context.Context, *hrana.Stream) error
}

var _ backend = (*remoteConn)(nil)

// Bounds of what is done without a context: to close a stream, and to roll back.
const (
	closeTimeout    = 2 * time.Second
	rollbackTimeout = 5 * time.Second
)

func (c *remoteConn) engineConn() *engine.Conn { return nil }

func (c *remoteConn) stream() *hrana.Stream {
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	if c.ready(ctx) != nil || c.open(ctx) != nil {
		return nil
	}
	c.handedOut()
	return c.s
}

// ready readies the connection for a statement. Rows that are still being read are fetched first, for the stream does
// one thing at a time.
func (c *remoteConn) ready(ctx context.Context) error {
	if c.rows != nil {
		c.rows.fetchAll()
	}
	c.resolve(ctx)
	if c.lost != nil {
		return c.lost
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return nil
}

// ended is why a context is over: its own error, and the cause that it may have been given.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// open opens the stream where there is none.
func (c *remoteConn) open(ctx context.Context) error {
	if c.s != nil {
		return nil
	}
	s, err := c.server.client.OpenStream(ctx)
	if err == nil && c.fresh != nil {
		if err = c.fresh(ctx, s); err != nil {
			c.server.drop(s)
		}
	}
	if err == nil {
		c.s = s
	}
	return err
}

// call has f use the stream, and outside of a transaction, where that does no harm, another stream if the first one was
// lost.
func (c *remoteConn) call(ctx context.Context, kind callKind, f func(*hrana.Stream) error) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	err := c.callOnce(ctx, kind, f)
	if c.tx == txNone && canRunAgain(ctx, err, kind.reads) {
		err = c.callOnce(ctx, kind, f)
	}
	if c.lost != nil {
		return c.lost
	}
	return remoteError(err)
}

// callKind tells what a call is for.
type callKind struct {
	reads   bool // it changes nothing
	commits bool // it ends a transaction
}

func (c *remoteConn) callOnce(ctx context.Context, kind callKind, f func(*hrana.Stream) error) error {
	if err := c.open(ctx); err != nil {
		return err
	}
	err := f(c.s)
	if err != nil {
		c.failed(err, kind)
	}
	return err
}

// failed decides what an error means for the stream and the transaction.
func (c *remoteConn) failed(err error, kind callKind) {
	intact := c.s.Err() == nil
	switch {
	case c.tx != txNone && isTakenAway(err):
		c.drop(fmt.Errorf("%w: %w", errRolledBack, err), kind)
	case isOfStatement(err):
		c.doubt = c.tx != txNone
	case intact && errors.Is(err, hrana.ErrNotExecuted):
	case intact && kind.reads && c.tx != txNone:
	default:
		c.cutOff(err, kind)
		c.drop(err, kind)
	}
}

// drop gives up the stream. What ran on it ends at the server, with the transaction that was open.
func (c *remoteConn) drop(err error, kind callKind) {
	switch {
	case c.tx == txNone:
	case kind.commits && !errors.Is(err, hrana.ErrNotExecuted) && !errors.Is(err, errRolledBack):
		c.lost = fmt.Errorf("%w: %w", ErrCommitUnknown, remoteError(err))
	default:
		c.lost = fmt.Errorf("%w: %w", ErrTransactionLost, remoteError(err))
	}
	c.server.drop(c.s)
	c.s = nil
}

func closeStream(s *hrana.Stream) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return s.Close(ctx)
}

// seen takes over what a result tells about the connection.
func (c *remoteConn) seen(res *hrana.StmtResult) {
	c.index = c.index.Later(res.ReplicationIndex)
	if res.HasLastInsertRowID {
		c.lastID = res.LastInsertRowID
	}
}

// execute runs one statement and gives all of its result. Outside of a transaction it waits for locks as a local database
// does.
func (c *remoteConn) execute(ctx context.Context, st *sqltext.Statement, stmt hrana.Stmt) (*hrana.StmtResult, error) {
	res, err := c.executeOnce(ctx, st, stmt)
	if err != nil && c.tx == txNone && errors.Is(err, engine.Busy) {
		wait := busyWait{until: time.Now().Add(engine.DefaultBusyTimeout)}
		for errors.Is(err, engine.Busy) && wait.pause(ctx) {
			res, err = c.executeOnce(ctx, st, stmt)
		}
		if errors.Is(err, engine.Busy) && ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ended(ctx), err)
		}
	}
	return res, err
}

// busyWait is the wait for a lock of the server's, which answers at once that it is taken.
type busyWait struct {
	until time.Time
	next  time.Duration
}

// pause waits a little, longer each time, and tells whether to try again.
func (w *busyWait) pause(ctx context.Context) bool {
	w.next = min(max(2*w.next, time.Millisecond), 50*time.Millisecond)
	if time.Now().After(w.until) {
		return false
	}
	timer := time.NewTimer(w.next/2 + rand.N(w.next))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *remoteConn) executeOnce(ctx context.Context, st *sqltext.Statement, stmt hrana.Stmt) (res *hrana.StmtResult, err error) {
	err = c.call(ctx, c.kind(st), func(s *hrana.Stream) (err error) {
		if c.doubt && !isRollback(st) {
			res, err = c.guarded(ctx, s, stmt)
			return err
		}
		res, err = s.Execute(ctx, stmt)
		if isRollback(st) && isTakenAway(err) {
			res, err = &hrana.StmtResult{}, nil // it is rolled back
		}
		return err
	})
	if err == nil {
		c.seen(res)
	}
	c.note(st, err)
	c.resolve(ctx)
	if isTooLarge(err) && isChange(st) { // SQLite makes all changes before it gives the first row
		err = fmt.Errorf("what the statement changes is changed, but its rows are too many for an answer: %w", err)
	}
	return res, err
}

var errRolledBack = errors.New("the server has rolled it back")

// guarded runs a statement if the transaction is still open.
func (c *remoteConn) guarded(ctx context.Context, s *hrana.Stream, stmt hrana.Stmt) (*hrana.StmtResult, error) {
	b := hrana.Batch{Steps: []hrana.BatchStep{{Stmt: stmt}}}
	if err := c.guard(ctx, s, &b); err != nil {
		return nil, err
	}
	res, err := s.Batch(ctx, b)
	if err != nil {
		return nil, err
	}
	switch step := res.Steps[0]; {
	case step.Error != nil:
		return nil, step.Error
	case step.Result == nil:
		return nil, errRolledBack
	default:
		return step.Result, nil
	}
}

// guard has a batch run only if the transaction is still open. Without that, one that an error has ended unnoticed would
// have the statements behind it each commit by itself.
func (c *remoteConn) guard(ctx context.Context, s *hrana.Stream, b *hrana.Batch) error {
	switch {
	case !c.doubt || len(b.Steps) == 0:
		return nil
	case s.Version() >= 3:
		b.Steps[0].Condition = hrana.Not(hrana.IsAutocommit())
		return nil
	}
	over, err := isAutocommit(ctx, s)
	switch {
	case err != nil:
		return err
	case over:
		return errRolledBack
	}
	c.doubt = false
	return nil
}

// remoteResult is what statements have changed.
type remoteResult struct{ id, changes int64 }

func (r remoteResult) LastInsertId() (int64, error) { return r.id, nil }
func (r remoteResult) RowsAffected() (int64, error) { return r.changes, nil }

func (c *remoteConn) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.execText(ctx, c.server.texts.get(query), args)
}

// statements are those of a text, ready to be sent.
func (c *remoteConn) statements(t *sqlText, args []driver.NamedValue) ([]hrana.Stmt, error) {
	if err := c.refuse(t); err != nil {
		return nil, err
	}
	return t.statements(args)
}

func (c *remoteConn) execText(ctx context.Context, t *sqlText, args []driver.NamedValue) (driver.Result, error) {
	stmts, err := c.statements(t, args)
	if err != nil {
		return nil, err
	}
	if len(stmts) == 1 {
		stmts[0].NoRows = true
		res, err := c.execute(ctx, &t.stmts[0], stmts[0])
		if err != nil {
			return nil, err
		}
		return remoteResult{id: c.lastID, changes: int64(res.RowsAffected)}, nil
	}
	changes, err := c.runScript(ctx, t, scriptBatch(stmts, true), func(*hrana.StmtResult) {})
	if err != nil {
		return nil, err
	}
	return remoteResult{id: c.lastID, changes: changes}, nil
}

// runScript runs statements as one batch, which ends with the first one that fails. Each result is given to add.
// changes is how many rows the last statement changed of those that have such a number.
func (c *remoteConn) runScript(ctx context.Context, t *sqlText, b hrana.Batch, add func(*hrana.StmtResult)) (changes int64, err error) {
	if len(b.Steps) == 0 {
		return 0, c.ready(ctx)
	}
	defer c.resolve(ctx)
	err = c.call(ctx, c.kindOfText(t), func(s *hrana.Stream) error {
		if !isRollback(&t.stmts[0]) {
			if err := c.guard(ctx, s, &b); err != nil {
				return err
			}
		}
		out, err := s.Batch(ctx, b)
		if err != nil {
			return err
		}
		c.index = c.index.Later(out.ReplicationIndex)
		for i, step := range out.Steps {
			if step.Error != nil {
				c.note(&t.stmts[i], step.Error)
				return numbered(step.Error, i, len(out.Steps))
			}
			if step.Result == nil {
				return errRolledBack
			}
			c.seen(step.Result)
			c.note(&t.stmts[i], nil)
			if isChange(&t.stmts[i]) {
				changes = int64(step.Result.RowsAffected)
			}
			add(step.Result)
		}
		return nil
	})
	return changes, err
}

// isChange tells whether a statement has a number of rows that it changed. As in SQLite, others leave the one before.
func isChange(st *sqltext.Statement) bool {
	switch st.Keyword {
	case "INSERT", "REPLACE", "UPDATE", "DELETE":
		return true
	}
	return st.Keyword == "WITH" && !st.Reads
}

// scriptBatch is the batch of statements that ends with the first one that fails.
func scriptBatch(stmts []hrana.Stmt, noRows bool) hrana.Batch {
	b := hrana.Batch{Steps: make([]hrana.BatchStep, len(stmts))}
	for i := range stmts {
		stmts[i].NoRows = noRows
		b.Steps[i].Stmt = stmts[i]
		if i > 0 {
			b.Steps[i].Condition = hrana.OK(i - 1)
		}
	}
	return b
}

var selectOne = &sqltext.Statement{SQL: "SELECT 1", Keyword: "SELECT", Reads: true}

func (c *remoteConn) ping(ctx context.Context) error {
	_, err := c.execute(ctx, selectOne, hrana.Stmt{SQL: selectOne.SQL})
	return err
}

// valid is asked when database/sql takes the connection back. A transaction that a statement has left open ends with the
// connection then, and not when the next user comes, as it may hold locks.
func (c *remoteConn) valid() bool { return c.lost == nil && c.tx == txNone && c.rows == nil }

func (c *remoteConn) reset(context.Context) error {
	if !c.valid() {
		return driver.ErrBadConn
	}
	return nil
}

// close closes the stream, which ends what runs on it. One that cannot be reached is closed by the server, in time.
func (c *remoteConn) close() error {
	if c.rows != nil {
		_ = c.rows.Close()
	}
	if c.s != nil {
		_ = closeStream(c.s)
		c.s = nil
	}
	if c.lost == nil {
		c.lost = ErrClosed
	}
	return nil
}

// remoteStmt is a text that its user keeps. It is not sent before it is run.
type remoteStmt struct {
	c    *remoteConn
	text *sqlText
}

func (c *remoteConn) prepare(ctx context.Context, query string) (driverStmt, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	return &remoteStmt{c, c.server.texts.get(query)}, nil
}

// NumInput implements [driver.Stmt]: the arguments are counted when the statement is run.
func (k *remoteStmt) NumInput() int { return -1 }

// Close implements [driver.Stmt].
func (k *remoteStmt) Close() error { return nil }

// Exec implements [driver.Stmt].
func (k *remoteStmt) Exec(args []driver.Value) (driver.Result, error) {
	return k.ExecContext(context.Background(), namedValues(args))
}

// Query implements [driver.Stmt].
func (k *remoteStmt) Query(args []driver.Value) (driver.Rows, error) {
	return k.QueryContext(context.Background(), namedValues(args))
}

// ExecContext implements [driver.StmtExecContext].
func (k *remoteStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return k.c.execText(ctx, k.text, args)
}

// QueryContext implements [driver.StmtQueryContext].
func (k *remoteStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return k.c.queryText(ctx, k.text, args)
}
