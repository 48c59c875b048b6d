package floe

import (
	"context"
	"database/sql/driver"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqltext"
)

var beginStatements = map[engine.TxMode]*sqltext.Statement{
	engine.TxDeferred:  beginStatement("BEGIN"),
	engine.TxImmediate: beginStatement("BEGIN IMMEDIATE"),
	engine.TxExclusive: beginStatement("BEGIN EXCLUSIVE"),
	engine.TxReadOnly:  beginStatement("BEGIN READONLY"),
}

func beginStatement(sql string) *sqltext.Statement {
	return &sqltext.Statement{SQL: sql, Keyword: "BEGIN", Tx: sqltext.TxBegin}
}

var (
	commitStatement   = &sqltext.Statement{SQL: "COMMIT", Keyword: "COMMIT", Tx: sqltext.TxEnd}
	rollbackStatement = &sqltext.Statement{SQL: "ROLLBACK", Keyword: "ROLLBACK", Tx: sqltext.TxEnd}
)

// begin begins a transaction.
func (c *remoteConn) begin(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	mode, err := c.server.conn.txMode(opts)
	if err != nil {
		return nil, err
	}
	st := beginStatements[mode]
	if _, err := c.execute(ctx, st, hrana.Stmt{SQL: st.SQL}); err != nil {
		return nil, err
	}
	c.tx, c.readOnly = txBegun, opts.ReadOnly
	return &remoteTx{ctx: ctx, c: c}, nil
}

// remoteTx is a transaction. The context is for its commit.
type remoteTx struct {
	ctx context.Context
	c   *remoteConn
}

// Commit rolls back what cannot be committed: for database/sql the transaction is over in any case.
func (t *remoteTx) Commit() error {
	_, err := t.c.execute(t.ctx, commitStatement, hrana.Stmt{SQL: commitStatement.SQL})
	if err != nil {
		_ = t.Rollback()
	}
	return err
}

// Rollback ends the transaction. One that is lost already, or cannot be reached any more, is rolled back by the server.
func (t *remoteTx) Rollback() error {
	if t.c.lost != nil || t.c.tx == txNone {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	_ = t.c.rollback(ctx)
	return nil
}

// rollback ends a transaction, if there is one. When that fails the stream goes, and the transaction with it.
func (c *remoteConn) rollback(ctx context.Context) error {
	_, err := c.executeOnce(ctx, rollbackStatement, hrana.Stmt{SQL: rollbackStatement.SQL})
	switch {
	case err == nil || isOfStatement(err):
		return nil
	case c.lost == nil && c.s != nil:
		c.drop(err, callKind{})
	}
	return err
}

// refuse refuses a text that writes in a transaction that is to read: libSQL's server lets it.
func (c *remoteConn) refuse(t *sqlText) error {
	if !c.readOnly {
		return nil
	}
	for i := range t.stmts {
		if writes(&t.stmts[i]) {
			return &engine.Error{
				Code: engine.ReadOnly, Extended: engine.ReadOnly, Op: "server", Offset: -1, SQL: t.stmts[i].SQL,
				Msg: "attempt to write in a read-only transaction",
			}
		}
	}
	return nil
}

func writes(st *sqltext.Statement) bool {
	switch st.Keyword {
	case "CREATE", "ALTER", "DROP", "REINDEX", "ANALYZE", "VACUUM":
		return true
	}
	return isChange(st)
}
