package floe

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqltext"
)

// replicaConn is a connection to a replica, with one to its primary once
// something is to run there.
type replicaConn struct {
	source  *replicaSource
	conn    *Conn
	local   *localConn
	primary *remoteConn // nil until it is needed
	routes  map[string]route
	place   place // of the transaction that is open
	wrote   bool  // something ran on the primary, for this user of the connection
	lastID  int64 // rowid of the last row that this user inserted there
	raw     bool  // this user was given the stream

	use atomic.Int32

	// ending keeps a freeze from closing the connection, while that is idle, in the
	// middle of what database/sql does with it.
	ending sync.Mutex
}

// What use says of a connection. Only an idle one can be closed by a freeze.
const (
	inUse int32 = iota
	idle
	taken // and closed, by a freeze
)

var _ backend = (*replicaConn)(nil)

// place says where a transaction is.
type place uint8

const (
	nowhere place = iota // there is none
	onReplica
	onPrimary
)

func (c *replicaConn) engineConn() *engine.Conn { return c.local.conn }

func (c *replicaConn) stream() *hrana.Stream {
	if c.primary == nil {
		return nil
	}
	c.raw = true
	if c.place == nowhere {
		c.place = onPrimary // for all that is known
	}
	return c.primary.stream()
}

func (c *replicaConn) ping(ctx context.Context) error { return c.local.ping(ctx) }

// exec runs a text in one place.
func (c *replicaConn) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	switch r := c.route(ctx, query); {
	case r == toReplica || r == toBoth:
		res, err := c.execLocal(ctx, r, query, args)
		if !c.outdated(query, err) {
			return res, err
		}
	case r == toEach:
		return c.execEach(ctx, query, args)
	}
	return c.execPrimary(ctx, query, func(b *remoteConn) (driver.Result, error) { return b.exec(ctx, query, args) })
}

func (c *replicaConn) execLocal(ctx context.Context, r route, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.await(ctx); err != nil {
		return nil, err
	}
	if r == toBoth {
		return remoteResult{id: c.lastID}, c.setBoth(ctx, query)
	}
	return c.resultHere(c.local.exec(ctx, query, args))
}

// resultHere gives the result of what ran here the rowid that the connection last
// inserted, on the primary.
func (c *replicaConn) resultHere(res driver.Result, err error) (driver.Result, error) {
	if err != nil || c.lastID == 0 {
		return res, err
	}
	n, err := res.RowsAffected()
	return remoteResult{id: c.lastID, changes: n}, err
}

func (c *replicaConn) execPrimary(ctx context.Context, query string, run func(*remoteConn) (driver.Result, error)) (driver.Result, error) {
	b, err := c.connectPrimary()
	if err != nil {
		return nil, err
	}
	res, err := run(b)
	c.ran(ctx, query, err)
	return res, c.explain(query, err)
}

// query is exec for a text whose rows are wanted.
func (c *replicaConn) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	switch r := c.route(ctx, query); r {
	case toReplica, toBoth:
		rows, err := c.queryLocal(ctx, r, query, args)
		if !c.outdated(query, err) {
			return rows, err
		}
	case toEach:
		return c.queryEach(ctx, query, args)
	}
	return c.queryPrimary(ctx, query, func(b *remoteConn) (driver.Rows, error) { return b.query(ctx, query, args) })
}

func (c *replicaConn) queryLocal(ctx context.Context, r route, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.await(ctx); err != nil {
		return nil, err
	}
	if r == toBoth {
		if err := c.setBoth(ctx, query); err != nil {
			return nil, err
		}
	}
	return c.local.query(ctx, query, args)
}

func (c *replicaConn) queryPrimary(ctx context.Context, query string, run func(*remoteConn) (driver.Rows, error)) (driver.Rows, error) {
	b, err := c.connectPrimary()
	if err != nil {
		return nil, err
	}
	rows, err := run(b)
	if err != nil {
		c.ran(ctx, query, err)
		return nil, c.explain(query, err)
	}
	r := rows.(*remoteRows)
	if r.cur == nil { // all has been done
		c.ran(ctx, query, nil)
		return r, nil
	}
	return &primaryRows{r, c, query}, nil
}

// await has a read outside of a transaction wait for what was written before it.
func (c *replicaConn) await(ctx context.Context) error {
	r := c.source.r
	if c.place != nowhere || c.source.cfg.staleRead || !r.own.behind.Load() {
		return nil
	}
	if err := r.own.wait(ctx); err != nil {
		return err
	}
	if r.isBeside(c.conn) {
		return driver.ErrBadConn // nothing has run yet: database/sql takes another one
	}
	return nil
}

// outdated tells whether a text that only read when it was first seen no longer
// compiles, as its tables were changed: then the primary is asked.
func (c *replicaConn) outdated(query string, err error) bool {
	if c.place != nowhere || !errors.Is(err, engine.Generic) || c.compile(query) == nil {
		return false
	}
	delete(c.routes, query)
	return true
}

// compile tells why a text does not compile on the replica. It looks at the schema
// as it is now, which the statement in the cache may not have seen yet.
func (c *replicaConn) compile(query string) error {
	for _, st := range sqltext.Split(query) {
		if st.Keyword == "PRAGMA" {
			continue
		}
		s, err := c.local.conn.Prepare(st.SQL)
		if err != nil {
			return err
		}
		if err := s.Finalize(); err != nil {
			return err
		}
	}
	return nil
}

// explain adds to the error of a text that did not compile here why that was, where
// the primary could not be reached, or cannot know: a view may not call a function of
// the program.
func (c *replicaConn) explain(query string, err error) error {
	if _, known := c.routes[query]; known || err == nil {
		return err
	}
	here := c.compile(query)
	if here != nil && (errors.Is(err, ErrUnreachable) || strings.Contains(here.Error(), "unsafe use of")) {
		return fmt.Errorf("%w (and on the replica: %w)", err, here)
	}
	return err
}

// setForeignKeys has a new stream to the primary, where they are on, do with foreign
// keys what the connection says here.
func (c *replicaConn) setForeignKeys(ctx context.Context, s *hrana.Stream) error {
	on, err := c.local.conn.ForeignKeys(ctx)
	if err != nil || on {
		return err
	}
	_, err = s.Execute(ctx, hrana.Stmt{SQL: "PRAGMA foreign_keys = OFF"})
	return err
}

// setBoth runs PRAGMA foreign_keys = ... here, where it is read, and on the
// primary, where it counts. A stream that is opened later is told of it, too.
func (c *replicaConn) setBoth(ctx context.Context, query string) error {
	before, err := c.local.conn.ForeignKeys(ctx)
	if err == nil {
		err = c.local.conn.Exec(ctx, query)
	}
	if err != nil {
		return err
	}
	after, err := c.local.conn.ForeignKeys(ctx)
	if err != nil || before == after && c.primary == nil {
		return err
	}
	_, err = c.execPrimary(ctx, query, func(b *remoteConn) (driver.Result, error) { return b.exec(ctx, query, nil) })
	if err != nil {
		err = errors.Join(err, c.local.conn.SetForeignKeys(context.WithoutCancel(ctx), before))
	}
	return err
}

// connectPrimary gives the connection to the primary, ready to tell of what runs
// on it next which frame holds it.
func (c *replicaConn) connectPrimary() (b *remoteConn, err error) {
	if c.primary == nil {
		if c.primary, err = c.source.openPrimary(); err != nil {
			return nil, err
		}
		c.primary.fresh = c.setForeignKeys
	}
	c.primary.index = hrana.Index{}
	return c.primary, nil
}

// ran takes down what became of a text that ran on the primary.
func (c *replicaConn) ran(ctx context.Context, query string, err error) {
	p := c.primary
	c.wrote = c.wrote || err == nil || isOfStatement(err)
	if p.lastID != 0 {
		c.lastID = p.lastID
	}
	p.resolve(ctx)
	done := err == nil && p.tx == txNone
	c.noteCommits(ctx, done)
	switch {
	case p.lost != nil && endsTransaction(p.server.texts.get(query).stmts):
		c.dropPrimary()
		c.place = nowhere
	case p.lost != nil || p.tx != txNone:
		c.place = onPrimary
	default:
		c.place = nowhere
	}
}

func endsTransaction(stmts []sqltext.Statement) bool {
	return slices.ContainsFunc(stmts, func(st sqltext.Statement) bool { return st.Tx == sqltext.TxEnd })
}

// noteCommits has later reads wait for what may have been committed on the primary
// since the last call, or, if done is set, for what was done there in any case.
func (c *replicaConn) noteCommits(ctx context.Context, done bool) {
	p := c.primary
	committed := p.committed
	p.committed = false
	if committed {
		p.askIndex(ctx)
	}
	switch {
	case p.index.Known && (committed || done):
		c.source.wrote(p.index)
	case done:
		c.source.wrote(hrana.Index{})
	case committed:
		c.source.behind()
	}
}

// begin begins a transaction: one that only reads here, all others on the primary.
func (c *replicaConn) begin(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.place != onPrimary && (opts.ReadOnly || c.onlyReads(ctx)) {
		return c.beginLocal(ctx, opts)
	}
	b, err := c.connectPrimary()
	if err != nil {
		return nil, err
	}
	tx, err := b.begin(ctx, opts)
	if err != nil {
		return nil, err
	}
	c.place = onPrimary
	return &replicaTx{c, tx}, nil
}

func (c *replicaConn) beginLocal(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.await(ctx); err != nil {
		return nil, err
	}
	tx, err := c.local.begin(ctx, opts)
	if err != nil {
		return nil, err
	}
	c.place = onReplica
	return &replicaTx{c, tx}, nil
}

// replicaTx is a transaction, here or on the primary.
type replicaTx struct {
	c  *replicaConn
	tx driver.Tx
}

// Commit implements [driver.Tx].
func (t *replicaTx) Commit() error {
	if t.c.place == onPrimary {
		t.c.primary.index = hrana.Index{}
	}
	err := t.tx.Commit()
	t.c.endTransaction(err == nil)
	return err
}

// Rollback implements [driver.Tx].
func (t *replicaTx) Rollback() error {
	err := t.tx.Rollback()
	t.c.endTransaction(false)
	return err
}

func (c *replicaConn) endTransaction(committed bool) {
	if c.place == onPrimary {
		c.wrote = c.wrote || committed
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
		defer cancel()
		c.noteCommits(ctx, committed)
	}
	if c.primary != nil && c.primary.lost != nil {
		c.dropPrimary()
	}
	c.place = nowhere
}

// valid is asked when database/sql takes the connection back. From then on, until
// reset, a freeze of the replica may close it.
func (c *replicaConn) valid() bool {
	if !c.local.valid() {
		return false
	}
	if c.raw {
		c.source.behind() // there may have been writes that nobody told of
	}
	if c.primary != nil && !c.primary.valid() {
		c.dropPrimary()
	}
	c.place, c.wrote, c.lastID, c.raw = nowhere, false, 0, false
	c.use.Store(idle)
	// A freeze that begins behind this line sees that the connection is idle.
	return !c.source.r.closing.Load()
}

func (c *replicaConn) reset(ctx context.Context) error {
	if !c.use.CompareAndSwap(idle, inUse) && c.use.Load() == taken {
		return driver.ErrBadConn
	}
	if c.source.cfg.openFrozen && c.source.r.frozen() {
		return driver.ErrBadConn // the next one is to the local database
	}
	if c.source.r.isBeside(c.conn) {
		return driver.ErrBadConn // the next one is to the file that is there now
	}
	if err := c.local.reset(ctx); err != nil {
		return err
	}
	if c.primary != nil && c.primary.reset(ctx) != nil {
		c.dropPrimary()
	}
	return nil
}

// closeIdle closes the connection to the file if nobody uses the connection. Its
// place in the pool it keeps, until database/sql finds out.
func (c *replicaConn) closeIdle() {
	if c.use.CompareAndSwap(idle, taken) {
		_ = c.closeLocal() // close gives the error
	}
}

// dropPrimary leaves a connection to the primary that cannot be used again.
func (c *replicaConn) dropPrimary() {
	_ = c.primary.close()
	c.primary = nil
}

func (c *replicaConn) close() error {
	c.source.r.unpool(c)
	var err error
	if c.primary != nil {
		err = c.primary.close()
	}
	return errors.Join(err, c.closeLocal())
}

// closeLocal closes the connection to the replica. It may be called by any
// goroutine while the connection is idle.
func (c *replicaConn) closeLocal() error {
	c.ending.Lock()
	defer c.ending.Unlock()
	return c.conn.Close()
}

// primaryRows are rows of the primary that a cursor reads. What they come from has
// been done when they are closed.
type primaryRows struct {
	*remoteRows
	conn  *replicaConn // nil once they are closed
	query string
}

// Close implements [driver.Rows].
func (r *primaryRows) Close() error {
	err := r.remoteRows.Close()
	if r.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
		defer cancel()
		r.conn.ran(ctx, r.query, err)
		r.conn = nil
	}
	return err
}
