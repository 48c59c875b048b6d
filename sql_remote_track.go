package floe

import (
	"context"
	"errors"
	"strings"

	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqltext"
)

// txTrack is what is known of the transaction of a connection to a server.
type txTrack struct {
	tx          txState
	bySavepoint bool // it began with a SAVEPOINT, so that a RELEASE can end it
	unsure      bool // it may be over: the server has to be asked
	readOnly    bool // it is to read only
	doubt       bool // a statement failed in it, which can have ended it

	// committed says that something may have been committed since somebody cleared it.
	committed bool
}

// txState tells who has begun the transaction that is open.
type txState uint8

const (
	txNone  txState = iota
	txBegun         // database/sql
	txSQL           // a statement, or whoever was given the stream
)

func isRollback(st *sqltext.Statement) bool {
	return st.Tx == sqltext.TxEnd && st.Keyword == "ROLLBACK"
}

// note follows what a statement does to the transaction, and whether it commits. err is what the server said of it.
func (t *txTrack) note(st *sqltext.Statement, err error) {
	switch {
	case err == nil:
		t.committed = t.committed || t.commits(st)
		t.follow(st.Tx)
	case !isOfStatement(err):
	case isRollback(st): // which fails where there is no transaction
		t.follow(st.Tx)
	default:
		kept := st.Tx == sqltext.TxNone && t.commits(st) && canKeepRows(err)
		t.committed = t.committed || kept
		// SQLite goes on without a transaction if the error has ended it. One of database/sql is not to.
		t.unsure = t.unsure || t.tx == txSQL && !isTakenAway(err)
	}
}

// isTakenAway tells whether a server has ended a transaction for its own reasons.
func isTakenAway(err error) bool {
	var e *hrana.Error
	return errors.As(err, &e) && strings.HasPrefix(e.Code, "TRANSACTION_")
}

// commits tells whether a statement that succeeds at this point can commit something.
func (t *txTrack) commits(st *sqltext.Statement) bool {
	switch st.Tx {
	case sqltext.TxEnd:
		return !isRollback(st)
	case sqltext.TxRelease:
		return t.tx == txNone || t.bySavepoint
	case sqltext.TxNone:
		return !st.Reads && (t.tx == txNone || t.unsure)
	}
	return false
}

// kind tells what a statement is to do at this point.
func (t *txTrack) kind(st *sqltext.Statement) callKind {
	return callKind{reads: st.Reads, commits: st.Tx != sqltext.TxNone && t.commits(st)}
}

// kindOfText tells what a text is to do as a whole.
func (t *txTrack) kindOfText(text *sqlText) callKind {
	k := callKind{reads: text.reads()}
	for i := range text.stmts {
		k.commits = k.commits || t.kind(&text.stmts[i]).commits
	}
	return k
}

// follow takes over what a statement that succeeded did to the transaction.
func (t *txTrack) follow(effect sqltext.TxEffect) {
	switch effect {
	case sqltext.TxBegin: // which succeeds outside of a transaction only
		t.begun(false)
	case sqltext.TxSavepoint:
		if t.tx == txNone {
			t.begun(true)
		}
		t.unsure = false
	case sqltext.TxRelease:
		t.unsure = t.unsure || t.bySavepoint
	case sqltext.TxEnd:
		t.over()
	}
}

func (t *txTrack) begun(bySavepoint bool) {
	t.over()
	t.tx, t.bySavepoint = txSQL, bySavepoint
}

func (t *txTrack) over() {
	t.tx, t.bySavepoint, t.unsure, t.doubt, t.readOnly = txNone, false, false, false, false
}

// handedOut is for somebody who is given the stream, and can do anything with it.
func (t *txTrack) handedOut() {
	t.committed = true
	if t.tx == txNone {
		t.begun(true)
		t.unsure = true
	}
}

// cutOff is for a call of which it is not known what it did.
func (t *txTrack) cutOff(err error, kind callKind) {
	refused := errors.Is(err, hrana.ErrNotExecuted) || errors.Is(err, hrana.ErrUnauthorized) || errors.Is(err, errRolledBack)
	if !kind.reads && !refused {
		t.committed = true
	}
}

// canKeepRows tells whether a statement that failed with err can have changed something all the same, as INSERT OR FAIL
// does: unless the server refused it before it ran, for all that is known.
func canKeepRows(err error) bool {
	var e *hrana.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, before := range []string{"SQL_", "ARGS_", "BLOCKED", "SQLITE_BUSY", "SQLITE_READONLY", "SQLITE_AUTH"} {
		if strings.HasPrefix(e.Code, before) {
			return false
		}
	}
	return true
}

// resolve asks the server whether the transaction is still open where the statements leave it open: behind a RELEASE,
// and when somebody was given the stream.
func (c *remoteConn) resolve(ctx context.Context) {
	if !c.unsure || c.s == nil || c.rows != nil {
		return
	}
	over, err := isAutocommit(ctx, c.s)
	switch {
	case err != nil:
		c.failed(err, callKind{reads: true})
	case over:
		c.over()
	default:
		c.unsure = false
	}
}

// isAutocommit asks whether a stream is outside of a transaction. Before version 3 of the protocol there is no request
// for that: BEGIN, which succeeds there, tells.
func isAutocommit(ctx context.Context, s *hrana.Stream) (bool, error) {
	over, err := s.Autocommit(ctx)
	if !errors.Is(err, hrana.ErrUnsupported) {
		return over, err
	}
	res, err := s.Batch(ctx, hrana.Batch{Steps: []hrana.BatchStep{
		{Stmt: hrana.Stmt{SQL: "BEGIN", NoRows: true}},
		{Stmt: hrana.Stmt{SQL: "ROLLBACK", NoRows: true}, Condition: hrana.OK(0)},
	}})
	if err != nil {
		return false, err
	}
	refused := res.Steps[0].Error
	if refused != nil && !strings.Contains(refused.Message, "within a transaction") {
		return false, refused // such as that the server took the transaction away
	}
	return refused == nil, nil
}

// askIndex asks for the newest frame there is, where no answer spoke of the one that holds what was committed: those to
// a batch do not in Protobuf.
func (c *remoteConn) askIndex(ctx context.Context) {
	if c.index.Known || c.s == nil || c.rows != nil {
		return
	}
	res, err := c.s.Execute(ctx, hrana.Stmt{SQL: selectOne.SQL})
	switch {
	case err == nil:
		c.index = res.ReplicationIndex
	case !isOfStatement(err):
		c.failed(err, callKind{reads: true})
	}
}
