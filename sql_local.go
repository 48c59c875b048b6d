package floe

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
)

// localFile is what the connections of a connector to a local database are opened from.
type localFile struct {
	name  string // a path or URI
	path  string // of the file that may be a replica, "" if there is none or it is only read
	reads string // of the file that may be a replica and is only read
	flags engine.OpenFlags
	conn  connConfig

	inMemory bool // and shared by the connections
	own      bool // and by those of no other connector

	mu     sync.Mutex
	anchor *engine.Conn // keeps a shared database in memory
	closed bool
}

func newLocalConnector(t dsnTarget, cfg config) (*Connector, error) {
	f := &localFile{name: t.name, conn: cfg.conn}
	if err := f.locate(); err != nil {
		return nil, err
	}
	return f.connector(), nil
}

func (f *localFile) connector() *Connector { return &Connector{open: f.open, close: f.close} }

// Connector makes a connector for [sql.OpenDB], with the options that are about connections. Closing either of the two
// leaves the other one as it is.
func (db *DB) Connector(opts ...Option) *Connector {
	cfg := config{}
	for _, opt := range opts {
		opt(&cfg)
	}
	f := &localFile{name: literalPath(db.file), flags: db.flags | engine.OpenURI, conn: cfg.conn}
	switch {
	case isMemory(db.path):
		f.takeMemory()
	case db.flags&engine.OpenReadOnly == 0:
		f.path = db.file
	default:
		f.reads = db.file
	}
	return f.connector()
}

// locate finds out what the name stands for.
func (f *localFile) locate() error {
	f.flags = engine.OpenReadWrite | engine.OpenCreate | engine.OpenURI
	base, query, _ := strings.Cut(f.name, "?")
	path, err := pathOfURI(base)
	if err != nil {
		return err
	}
	params := strings.Split(query, "&")
	has := func(param string) bool { return slices.Contains(params, param) }
	switch {
	case isMemory(path) && query == "":
		f.takeMemory()
	case isMemory(path) || has("mode=memory") || has("vfs=memdb"):
		f.inMemory = has("cache=shared") || has("vfs=memdb")
	case has("mode=ro") || slices.ContainsFunc(params, isImmutable):
		f.reads = path
	default:
		f.path = path
	}
	return nil
}

// isImmutable reports whether a parameter says that nobody writes to the file, which is opened for reading then.
func isImmutable(param string) bool {
	value, ok := strings.CutPrefix(param, "immutable=")
	return ok && slices.Contains([]string{"1", "on", "true", "yes"}, strings.ToLower(value))
}

func isMemory(path string) bool { return path == "" || path == ":memory:" }

// memoryNumber tells the databases in memory of a program apart.
var memoryNumber atomic.Uint64

// takeMemory makes the name that of a new database in memory.
func (f *localFile) takeMemory() {
	f.name = fmt.Sprintf("file:/floe-memory-%d?vfs=memdb", memoryNumber.Add(1))
	f.inMemory, f.own = true, true
}

func (f *localFile) open(ctx context.Context) (backend, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	if err := f.prepare(); err != nil {
		return nil, err
	}
	ec, err := engine.Open(f.name, f.flags)
	if err != nil {
		return nil, err
	}
	err = ec.SetAttachRule(replicasAreRead)
	if err == nil && f.reads != "" {
		err = guardReplica(ec, f.reads)
	}
	if err == nil {
		err = prepareConn(ctx, ec, f.conn)
	}
	if err != nil {
		return nil, errors.Join(err, ec.Close())
	}
	return &localConn{conn: ec, cfg: f.conn, shapes: make(map[*engine.Stmt]*shape)}, nil
}

// prepare readies the file for a new connection.
func (f *localFile) prepare() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return ErrClosed
	case f.path != "":
		return checkLocal(f.path)
	case f.inMemory && f.anchor == nil:
		return f.dropAnchor()
	}
	return nil
}

// dropAnchor opens a connection that nobody uses: a database in memory is gone with the last one.
func (f *localFile) dropAnchor() error {
	c, err := engine.Open(f.name, f.flags)
	if err != nil {
		return err
	}
	if f.own { // it would be limited to 1 GiB
		if _, err := c.SizeLimit("main", math.MaxInt64); err != nil {
			return errors.Join(err, c.Close())
		}
	}
	f.anchor = c
	return nil
}

func (f *localFile) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.anchor == nil {
		return nil
	}
	return f.anchor.Close()
}

// localConn is a connection to a local database.
type localConn struct {
	conn   *engine.Conn
	cfg    connConfig
	shapes map[*engine.Stmt]*shape
	rows   int  // how many are open
	inTx   bool // database/sql has begun a transaction, and not ended it

	results []localResult // that are not used yet
}

var _ backend = (*localConn)(nil)

// prepareConn does to a new connection what its configuration says.
func prepareConn(ctx context.Context, ec *engine.Conn, cfg connConfig) error {
	for _, p := range cfg.pragmas {
		if err := setPragma(ctx, ec, p); err != nil {
			return fmt.Errorf("pragma %s: %w", p, err)
		}
	}
	for _, f := range cfg.onConnect {
		if err := callOnConnect(ctx, ec, f); err != nil {
			return fmt.Errorf("prepare the connection: %w", err)
		}
	}
	return nil
}

var errOnConnectExit = errors.New("the function of WithOnConnect called runtime.Goexit")

// callOnConnect calls f in a goroutine of its own: database/sql would lose a place in its pool if f panicked, or ended
// the goroutine that asked for the connection.
func callOnConnect(ctx context.Context, ec *engine.Conn, f func(context.Context, *engine.Conn) error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = errOnConnectExit
		defer func() {
			if v := recover(); v != nil {
				err = &engine.PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
		err = f(ctx, ec)
	}()
	<-done
	return err
}

func (c *localConn) engineConn() *engine.Conn { return c.conn }
func (c *localConn) stream() *hrana.Stream    { return nil }

// ping reads from the file, which may turn out to be no database.
func (c *localConn) ping(ctx context.Context) error {
	return c.conn.Exec(ctx, "SELECT 1 FROM sqlite_schema LIMIT 1")
}

// valid is asked when database/sql takes the connection back: what its user left open ends here, and not when the next
// one comes, as it may hold locks.
func (c *localConn) valid() bool { return c.clean() == nil }

func (c *localConn) reset(context.Context) error {
	if c.clean() != nil {
		return driver.ErrBadConn
	}
	return nil
}

var errRowsOpen = errors.New("rows are still open")

// clean rolls back a transaction that was left open. A connection with an error cannot be used again.
func (c *localConn) clean() error {
	if c.rows != 0 {
		return errRowsOpen
	}
	return c.rollback()
}

// rollback rolls back the transaction that is open, if there is one.
func (c *localConn) rollback() error {
	if c.conn.AutoCommit() {
		return nil
	}
	return c.conn.Exec(context.Background(), "ROLLBACK")
}

// check keeps what is meant for a transaction from being run, and committed by itself, behind one that SQLite has
// rolled back.
func (c *localConn) check() error {
	if !c.inTx {
		return nil
	}
	if err := c.conn.RolledBack(); err != nil {
		return fmt.Errorf("%w: %w", ErrTransactionLost, err)
	}
	return nil
}

func (c *localConn) close() error { return c.conn.Close() }

// whyAborted is the error of rows. Those that were open when SQLite rolled back the transaction have no other cause.
func (c *localConn) whyAborted(err error) error {
	if errors.Is(err, engine.AbortRollback) {
		return cmp.Or(c.check(), err)
	}
	return err
}

// exec runs all statements of query. Arguments by position go to the statements one after the other.
func (c *localConn) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if len(args) == 0 {
		_, _, before := c.conn.Counters()
		if err := c.conn.Exec(ctx, query); err != nil {
			return nil, err
		}
		return c.resultSince(before), nil
	}
	s, err := c.conn.PrepareCachedContext(ctx, query)
	switch {
	case err == engine.ErrTrailing || err == engine.ErrEmpty:
		return c.execScript(ctx, query, args)
	case err != nil:
		return nil, err
	}
	res, err := c.run(ctx, s, args)
	return res, join(err, s.Finalize())
}

// run runs a statement to its end.
func (c *localConn) run(ctx context.Context, s *engine.Stmt, args []driver.NamedValue) (driver.Result, error) {
	if err := s.BindArgs(args, true); err != nil {
		return nil, err
	}
	_, _, before := c.conn.Counters()
	for {
		more, err := s.Step(ctx)
		if err != nil {
			return nil, err
		}
		if !more {
			return c.resultSince(before), nil
		}
	}
}

// localResult is what a statement has changed.
type localResult struct{ id, changes int64 }

func (r *localResult) LastInsertId() (int64, error) { return r.id, nil }
func (r *localResult) RowsAffected() (int64, error) { return r.changes, nil }

// resultsAtOnce is how many results share an allocation.
const resultsAtOnce = 32

// resultSince is the result of what was run when the connection had made that many changes. Without this number a
// statement that changes no rows, such as CREATE TABLE, would have those of the one before.
func (c *localConn) resultSince(before int64) driver.Result {
	if len(c.results) == 0 {
		c.results = make([]localResult, resultsAtOnce)
	}
	r := &c.results[0]
	c.results = c.results[1:]
	id, changes, total := c.conn.Counters()
	r.id = id
	if total != before {
		r.changes = changes
	}
	return r
}

// query runs query up to its first row. Of several statements those without columns are run on the way.
func (c *localConn) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s, err := c.conn.PrepareCachedContext(ctx, query)
	switch {
	case err == engine.ErrTrailing || err == engine.ErrEmpty:
		return c.queryScript(ctx, query, args)
	case err != nil:
		return nil, err
	}
	return c.start(ctx, s, args, nil)
}

// join is errors.Join for a second error that mostly is nil, and is no news after a first one.
func join(err, second error) error {
	if err != nil {
		return err
	}
	return second
}

// begin begins a transaction.
func (c *localConn) begin(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	mode, err := c.cfg.txMode(opts)
	if err != nil {
		return nil, err
	}
	tx, err := c.conn.Begin(ctx, mode)
	if err != nil {
		return nil, err
	}
	c.inTx = true
	return &localTx{ctx: ctx, c: c, tx: tx, mode: mode}, nil
}

// txMode is what the options of a transaction ask for.
func (cfg connConfig) txMode(opts driver.TxOptions) (engine.TxMode, error) {
	switch level := sql.IsolationLevel(opts.Isolation); {
	case level != sql.LevelDefault && level != sql.LevelSerializable:
		return 0, fmt.Errorf("begin: isolation level %s: every transaction is %s", level, sql.LevelSerializable)
	case opts.ReadOnly:
		return engine.TxReadOnly, nil
	}
	switch cfg.txLock {
	case "IMMEDIATE":
		return engine.TxImmediate, nil
	case "EXCLUSIVE":
		return engine.TxExclusive, nil
	}
	return engine.TxDeferred, nil
}

// localTx is a transaction. The context is for the waits of its commit.
type localTx struct {
	ctx  context.Context
	c    *localConn
	tx   *engine.Tx
	mode engine.TxMode
}

// Commit rolls back what cannot be committed: for database/sql the transaction is over in any case.
func (t *localTx) Commit() error {
	err := t.commit()
	if err != nil {
		err = errors.Join(err, t.Rollback())
	}
	t.c.inTx = false
	return err
}

// commit commits what is open. That is another transaction where a statement has ended the first one and begun a second,
// as migrations do for what cannot be done in one.
func (t *localTx) commit() error {
	if err := t.c.check(); err != nil {
		return err
	}
	err := t.tx.Commit(t.ctx)
	if errors.Is(err, engine.ErrTxEnded) && t.mode != engine.TxReadOnly && !t.c.conn.AutoCommit() {
		err = t.c.conn.Exec(t.ctx, "COMMIT")
	}
	return err
}

// Rollback does nothing to a transaction that SQLite has rolled back already.
func (t *localTx) Rollback() error {
	t.c.inTx = false
	err := t.tx.Rollback()
	if next := t.c.rollback(); err == nil && next != engine.ErrClosed {
		err = next
	}
	return err
}
