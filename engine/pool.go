package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrPoolClosed is returned by the methods of a closed [Pool].
	ErrPoolClosed = errors.New("engine: pool is closed")

	// ErrNotInUse is returned by [Pool.Put] for a connection that the pool has not handed out, or has got back already.
	ErrNotInUse = errors.New("engine: connection is not one that the pool has handed out")
)

// Pool keeps connections to one database and hands them out. Its methods are for all goroutines.
//
// A writer that waits for the lock of another one polls, and can go without it for seconds while others come and go:
// [Pool.Write] has a queue instead. In WAL mode ("PRAGMA journal_mode = WAL", in onConnect) readers and a writer do not
// wait for each other at all.
type Pool struct {
	name      string
	flags     OpenFlags
	onConnect func(*Conn) error

	slots  chan struct{} // a token for each connection that may be handed out; those who wait are served in order
	writer chan struct{} // the token of the one who may write
	done   chan struct{} // closed with the pool

	mu    sync.Mutex
	idle  []*Conn // the last one was used last
	inUse map[*Conn]struct{}
	stats PoolStats
}

// PoolStats counts what a pool holds and did.
type PoolStats struct {
	Size   int           // how many connections there may be
	Idle   int           // connections that wait for a user
	InUse  int           // connections that are handed out
	Opened int64         // connections that were opened so far
	Waits  int64         // calls of Get, Do or Write that had to wait for a connection
	Waited time.Duration // how long they did, all together
}

// NewPool makes a pool of up to size connections to the database name, which [Open] opens with flags when they are
// needed. onConnect, if it is not nil, prepares each new one; with an error of it the connection is closed again, and
// the error is that of the call that needed it.
//
// Each connection to ":memory:" or "" would have a database of its own, which is refused. A database in memory that
// connections share is "file:/name?vfs=memdb", with any name behind the slash. It is gone when the last
// connection to it is closed. With "cache=shared" in a URI the locks of others are [Locked], which nothing waits for.
//
// https://sqlite.org/inmemorydb.html
func NewPool(name string, flags OpenFlags, size int, onConnect func(*Conn) error) (*Pool, error) {
	if size < 1 {
		return nil, newError(poolOp(name), "", Misuse, fmt.Sprintf("a pool of %d connections", size))
	}
	if name == "" || name == ":memory:" || flags&OpenMemory != 0 {
		return nil, errUnshared(name)
	}
	flags, err := flags.complete()
	if err != nil {
		return nil, err
	}
	p := &Pool{
		name: name, flags: flags, onConnect: onConnect,
		slots: make(chan struct{}, size), writer: make(chan struct{}, 1), done: make(chan struct{}),
		inUse: make(map[*Conn]struct{}, size),
		stats: PoolStats{Size: size},
	}
	for range size {
		p.slots <- struct{}{}
	}
	p.writer <- struct{}{}
	return p, nil
}

func poolOp(name string) string { return "pool of " + strconv.Quote(name) }

func errUnshared(name string) error {
	return newError(poolOp(name), "", Misuse, "each connection would have a database of its own; "+
		`"file:/name?vfs=memdb" is one in memory that they share`)
}

// Get hands a connection out, which has to be given back with [Pool.Put]; [Pool.Do] cannot forget that. If all are in use
// it waits for one, up to the end of the context. Those who wait are served in order. A goroutine that asks for a second
// connection while it has one may wait for itself.
func (p *Pool) Get(ctx context.Context) (*Conn, error) {
	if err := p.waitForSlot(ctx); err != nil {
		return nil, err
	}
	taken := false
	defer func() {
		if !taken { // onConnect may also have panicked
			p.slots <- struct{}{}
		}
	}()
	c, err := p.take()
	taken = err == nil
	return c, err
}

func (p *Pool) waitForSlot(ctx context.Context) error {
	if err := p.usable(ctx); err != nil {
		return err
	}
	select {
	case <-p.slots:
		return nil
	default:
	}
	began := time.Now()
	err := p.wait(ctx, p.slots)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Waits++
	p.stats.Waited += time.Since(began)
	return err
}

// usable reports why there is nothing to wait for.
func (p *Pool) usable(ctx context.Context) error {
	select {
	case <-p.done:
		return ErrPoolClosed
	default:
	}
	if err := ctxEnded(ctx); err != nil {
		return cancelledError("wait for a connection", "", err)
	}
	return nil
}

// wait waits for a token.
func (p *Pool) wait(ctx context.Context, tokens <-chan struct{}) error {
	select {
	case <-tokens:
		return nil
	case <-p.done:
		return ErrPoolClosed
	case <-doneOf(ctx):
		return cancelledError("wait for a connection", "", ctxEnded(ctx))
	}
}

// take returns the connection that was used last, or a new one.
func (p *Pool) take() (*Conn, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.inUse[c] = struct{}{}
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := p.open()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return nil, errors.Join(ErrPoolClosed, c.Close())
	}
	p.inUse[c] = struct{}{}
	p.stats.Opened++
	return c, nil
}

// open makes a connection and prepares it.
func (p *Pool) open() (*Conn, error) {
	c, err := Open(p.name, p.flags)
	if err != nil {
		return nil, err
	}
	prepared := false
	defer func() {
		if !prepared {
			c.Close()
		}
	}()
	if err := p.prepare(c); err != nil {
		return nil, err
	}
	prepared = true
	return c, nil
}

func (p *Pool) prepare(c *Conn) error {
	if !c.sharesDatabase() {
		return errUnshared(p.name)
	}
	if p.onConnect == nil {
		return nil
	}
	if err := p.onConnect(c); err != nil {
		return fmt.Errorf("prepare a connection of the pool: %w", err)
	}
	return nil
}

// sharesDatabase reports whether another connection of the same name has the same database: that of a file, or one of
// the memdb VFS with a name that begins with a slash. SQLite tells neither of the name nor of the slash, but the store of
// what is shared has the name.
func (c *Conn) sharesDatabase() bool {
	if c.Filename("") != "" {
		return true
	}
	if c.enter() != nil {
		return false
	}
	defer c.leave()
	vfs, file := c.slot(0), c.slot(1)
	sqlite3.Xsqlite3_file_control(c.tls, c.db, 0, sqlite3.SQLITE_FCNTL_VFS_POINTER, vfs)
	sqlite3.Xsqlite3_file_control(c.tls, c.db, 0, sqlite3.SQLITE_FCNTL_FILE_POINTER, file)
	vfs, file = c.slotPointer(0), c.slotPointer(1)
	if vfs == 0 || file == 0 || libc.GoString((*sqlite3.Tsqlite3_vfs)(pointer(vfs)).FzName) != "memdb" {
		return false
	}
	store := (*sqlite3.TMemFile)(pointer(file)).FpStore
	return store != 0 && (*sqlite3.TMemStore)(pointer(store)).FzFName != 0
}

func (p *Pool) closed() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Put gives a connection back: it is reset, as by [Conn.Reset], and must not be used any more, nor anything that came
// from it. One that cannot be reset, or was closed, is closed and makes room for a new one; the error tells. While another
// goroutine is inside a call on it the error is [ErrConcurrentUse], and it stays in use.
//
// A connection that the pool has not handed out is [ErrNotInUse], and so is one that it has got back. What cannot be
// told is a second Put after the pool has handed the connection out to somebody else.
func (p *Pool) Put(c *Conn) error {
	if err := p.claim(c); err != nil {
		return err
	}
	err := c.Reset()
	if errors.Is(err, ErrConcurrentUse) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.inUse[c] = struct{}{}
		return err
	}
	if err != nil || !p.keep(c) {
		err = errors.Join(err, c.Close())
	}
	p.slots <- struct{}{}
	return err
}

// claim takes c off those in use.
func (p *Pool) claim(c *Conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.inUse[c]; !ok {
		return ErrNotInUse
	}
	delete(p.inUse, c)
	return nil
}

// keep makes c idle, unless the pool is closed.
func (p *Pool) keep(c *Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return false
	}
	p.idle = append(p.idle, c)
	return true
}

// Do runs do with a connection, and gives that back whatever ends do. The context is for the wait for the connection.
func (p *Pool) Do(ctx context.Context, do func(*Conn) error) (err error) {
	c, err := p.Get(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if e := p.Put(c); e != nil {
			err = errors.Join(err, e)
		}
	}()
	return do(c)
}

// Write runs do in a transaction with [TxImmediate], as by [Conn.WithTx]. The callers of Write wait in a queue, before
// they are handed a connection, so that each has its turn, and readers find one. The context is for the wait, the
// beginning and the commit.
func (p *Pool) Write(ctx context.Context, do func(*Conn) error) error {
	if err := p.usable(ctx); err != nil {
		return err
	}
	if err := p.wait(ctx, p.writer); err != nil {
		return err
	}
	defer func() { p.writer <- struct{}{} }()
	return p.Do(ctx, func(c *Conn) error {
		return c.WithTx(ctx, TxImmediate, func() error { return do(c) })
	})
}

// Stats returns what the pool holds and did.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := p.stats
	stats.Idle, stats.InUse = len(p.idle), len(p.inUse)
	return stats
}

// Close closes the pool and its idle connections. It waits for nobody: what runs on the connections in use is
// interrupted, as by [Conn.Interrupt], and they are closed when they are put back. Those who wait for a connection get
// [ErrPoolClosed]. Closing a closed pool does nothing and returns nil.
func (p *Pool) Close() error {
	idle := p.shut()
	var errs []error
	for _, c := range idle {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// shut makes the pool a closed one, interrupts what is in use, and returns the idle connections.
func (p *Pool) shut() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return nil
	}
	close(p.done)
	for c := range p.inUse {
		c.Interrupt()
	}
	idle := p.idle
	p.idle = nil
	return idle
}
