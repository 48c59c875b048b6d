package floe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/replicator"
)

// Replica is a local database file that follows a libSQL server. All its methods
// may be called by several goroutines at once. It must be closed, or frozen.
type Replica struct {
	path       string // as it was given
	file       string // which that leads to
	url        string
	cfg        config
	rep        *replicator.Replicator
	own        ownWrites
	background sync.WaitGroup
	stop       context.CancelFunc

	closing atomic.Bool // connections that are not in use are not kept: freezing, or ended

	mu       sync.Mutex
	conns    int
	pooled   map[*replicaConn]struct{} // those of database/sql
	idle     chan struct{}             // closed when the last connection is, while freezing
	freezing bool
	ended    error // why there are no more connections: closed or frozen
}

// OpenReplica opens the replica at path of the server at url: libsql://host,
// https://host or http://host:port. The file need not exist yet; the first sync
// makes it. Where path leads through symbolic links, the replica is the file that
// they lead to at the time of the call, also one that is yet to be made; what
// belongs to it stands beside that file. An existing database that is not a replica is refused with
// [ErrNotReplica], one that was frozen with [ErrFrozen].
//
// Opening does not reach for the server, so it works offline. With an empty url
// there is no server at all: frames then come from [Replica.ApplyFile] and
// [Replica.ApplyFrames].
//
// Any number of processes, and of handles in one process, may read a replica, sync
// it and write through it. A lock beside the file has one of them at a time change
// it: for the length of a call, and for as long as a Watch streams. The others go
// by what it does, see [Replica.Sync].
func OpenReplica(ctx context.Context, path, url string, opts ...Option) (*Replica, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	cfg := config{}
	for _, opt := range opts {
		opt(&cfg)
	}
	return openReplica(path, url, cfg)
}

func openReplica(path, url string, cfg config) (*Replica, error) {
	cfg.Path, cfg.Remote.URL = path, url
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	rep, err := replicator.Open(cfg.Config)
	if err != nil {
		return nil, fmt.Errorf("open replica: %w", err)
	}
	r := &Replica{path: path, file: rep.Path(), url: url, cfg: cfg, rep: rep, pooled: make(map[*replicaConn]struct{})}
	life, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.own = ownWrites{r: r, life: life}
	if cfg.interval > 0 && url != "" {
		r.background.Go(func() { r.syncEvery(life, cfg.interval) })
	}
	return r, nil
}

// syncEvery syncs until the replica is closed or frozen.
func (r *Replica) syncEvery(ctx context.Context, d time.Duration) {
	for ctx.Err() == nil {
		// The error is kept in the stats; the next round may fare better.
		_, _ = r.rep.Sync(ctx)
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
}

// inBackground runs f in a goroutine that Close and Freeze wait for; not once they
// have begun.
func (r *Replica) inBackground(f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != nil {
		return false
	}
	r.background.Go(f)
	return true
}

// Path returns the path that the replica was opened with.
func (r *Replica) Path() string { return r.path }

// Sync brings the file to where the server is at the time of the call. What was
// received and whole when ctx ends is applied. While a Watch runs, or another
// handle or process works on the file, Sync waits for it to have come so far; the
// error is a [LockedError] that names the other one where that makes no progress
// for some seconds. ApplyFile, ApplyFrames and Freeze, which need no server, have a
// Sync that waits for one give way.
func (r *Replica) Sync(ctx context.Context) (Result, error) { return r.rep.Sync(ctx) }

// SyncUntil brings the file to frame frameNo at least, such as the replication
// index that a server answers a write with, and waits for the server to have it,
// as long as ctx lasts.
func (r *Replica) SyncUntil(ctx context.Context, frameNo uint64) (Result, error) {
	return r.rep.SyncUntil(ctx, frameNo)
}

// Watch follows the server live until ctx ends: commits are applied as they
// happen, within milliseconds. It connects again whenever the stream breaks, and
// returns early only with an error that trying again cannot mend, such as
// [ErrAuth]. Run it in a goroutine of its own.
func (r *Replica) Watch(ctx context.Context) error { return r.rep.Watch(ctx) }

// Flush applies the transactions that were received whole and returns the
// position then. It does not ask the server.
func (r *Replica) Flush(ctx context.Context) (Position, error) { return r.rep.Flush(ctx) }

// FrameNo returns the number of the last frame applied; ok is false before the
// first.
func (r *Replica) FrameNo() (n uint64, ok bool) {
	p := r.rep.Position()
	return p.FrameNo, p.HasFrame
}

// MaxWriteFrameNo returns the number of the latest frame that the primary named
// when it acknowledged what was written through a connector of the replica; ok is
// false before the first. Where it is later than [Replica.FrameNo], the file does
// not hold all of it yet.
func (r *Replica) MaxWriteFrameNo() (n uint64, ok bool) {
	i := r.own.latest()
	return i.FrameNo, i.Known
}

// Position returns how far the file has come, and in which log.
func (r *Replica) Position() Position { return r.rep.Position() }

// Stats returns the counters.
func (r *Replica) Stats() Stats { return r.rep.Stats() }

// ApplyFile applies a frame archive, as `floe pull` writes it, or a snapshot file
// of a libSQL server. It is verified as a whole before anything is applied.
// Frames that the replica has are passed over. The error is [ErrWrongLog] for
// another database's, [ErrGap] when frames before it are missing, [ErrCorrupt]
// when it is damaged; nothing is changed then.
func (r *Replica) ApplyFile(ctx context.Context, path string) (Result, error) {
	return r.rep.ApplyFile(ctx, path)
}

// ApplyFrames applies whole transactions of the log id from memory, and fails as
// ApplyFile does.
func (r *Replica) ApplyFrames(ctx context.Context, id LogID, fs []Frame) (Result, error) {
	return r.rep.ApplyFrames(ctx, id, fs)
}

// Conn opens a connection that reads the replica. Each of its transactions, and
// each statement outside one, sees the newest state that was applied when it
// began, never waits for a sync, and never sees a part of a transaction. The
// connection belongs to one goroutine at a time and must be closed. The error is
// [ErrNoData] before the first sync.
//
// The schema is the primary's and is not trusted, see [WithTrustedSchema];
// [engine.DBConfigDefensive] is on.
func (r *Replica) Conn(ctx context.Context) (*Conn, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended != nil:
		return nil, r.ended
	case r.freezing:
		return nil, fmt.Errorf("%s is being frozen: %w", r.path, ErrFrozen)
	}
	if o, err := replicator.ReadOrigin(r.file); err == nil {
		return nil, &FrozenError{Path: r.path, Origin: o} // by another handle
	}
	file, err := os.Stat(r.file)
	if isNotExist(err) {
		return nil, fmt.Errorf("%s: %w", r.path, ErrNoData)
	}
	c, err := openConn(r.file, engine.OpenReadOnly, r.forget)
	if err != nil {
		return nil, err
	}
	if err := guardSchema(c.Conn, r.cfg.trustedSchema); err != nil {
		return nil, errors.Join(err, c.Conn.Close())
	}
	c.replica = file
	r.conns++
	return c, nil
}

// isBeside tells whether c reads a file that is no longer the replica's: one that was
// deleted, or could not be read, and whose place another one took.
func (r *Replica) isBeside(c *Conn) bool {
	if c.replica == nil {
		return false
	}
	now, err := os.Stat(r.file)
	return isNotExist(err) || err == nil && !os.SameFile(now, c.replica)
}

// frozen reports whether the file was frozen, by whatever handle or process.
func (r *Replica) frozen() bool {
	_, err := replicator.ReadOrigin(r.file)
	return err == nil
}

func (r *Replica) forget(*Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns--
	if r.conns == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

// Freeze makes the replica a database of its own, with the last state that was
// applied, and returns it. No new connections are given from the call on; those
// open are waited for as long as ctx lasts, with [ErrReadersOpen] in the error
// when they do not end. Background work ends, and every further call on the
// replica fails with [ErrFrozen]. The server is not needed. When Freeze fails
// the replica goes on as it was.
//
// The frozen file has no position file and is writable by any SQLite. Indexes
// that only libSQL can maintain (libsql_vector_idx) are dropped; PATH-floe-frozen
// keeps their DDL, with the log and the frame that the database came from.
func (r *Replica) Freeze(ctx context.Context) (*DB, error) {
	if err := r.awaitReaders(ctx); err != nil {
		return nil, err
	}
	o, err := r.rep.Seal(ctx)
	if err != nil {
		r.mu.Lock()
		r.unfreeze()
		r.mu.Unlock()
		return nil, err
	}
	if err := r.end(&FrozenError{Path: r.path, Origin: o}); err != nil {
		return nil, err
	}
	if err := checkLocal(r.file); err != nil {
		return nil, err
	}
	db := &DB{path: r.path, file: r.file, flags: engine.OpenReadWrite | engine.OpenCreate}
	return db, db.probe(ctx)
}

// awaitReaders keeps new connections out and waits for the open ones.
func (r *Replica) awaitReaders(ctx context.Context) error {
	r.mu.Lock()
	if r.ended != nil || r.freezing {
		defer r.mu.Unlock()
		if r.ended != nil {
			return r.ended
		}
		return fmt.Errorf("%s is being frozen: %w", r.path, ErrFrozen)
	}
	r.freezing = true
	idle := make(chan struct{})
	if r.conns == 0 {
		close(idle)
	} else {
		r.idle = idle
	}
	r.closing.Store(true)
	pooled := slices.Collect(maps.Keys(r.pooled))
	r.mu.Unlock()
	for _, c := range pooled {
		c.closeIdle()
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unfreeze()
	return fmt.Errorf("freeze %s: %w (%d): %w", r.path, ErrReadersOpen, r.conns, context.Cause(ctx))
}

// unfreeze gives connections again, unless the replica was closed meanwhile.
func (r *Replica) unfreeze() {
	r.freezing, r.idle = false, nil
	r.closing.Store(r.ended != nil)
}

// pool takes down a connection of database/sql, and unpool that it is closed.
func (r *Replica) pool(c *replicaConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pooled[c] = struct{}{}
}

func (r *Replica) unpool(c *replicaConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pooled, c)
}

// Close ends background work and every call under way, and lets the file go. It
// stays a replica. Connections that are open stay usable until they are closed.
func (r *Replica) Close() error { return r.end(ErrClosed) }

// end stops everything; from then on calls fail with reason.
func (r *Replica) end(reason error) error {
	r.mu.Lock()
	if r.ended == nil {
		r.ended = reason
	}
	r.closing.Store(true)
	r.mu.Unlock()
	r.stop()
	err := r.rep.Close()
	r.background.Wait()
	return err
}
