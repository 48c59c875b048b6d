package replicator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/files"
)

// DoubleRead says whether every frame is fetched twice and compared.
//
// libSQL's checksum covers a frame's page, not the page's number, and the frames
// of a snapshot hardly at all. Where neither TLS nor a machine's own loopback
// keeps the bytes whole, a second reading is what finds such a fault.
type DoubleRead int

// The settings of [DoubleRead].
const (
	DoubleReadAuto  DoubleRead = iota // over plain HTTP to another machine
	DoubleReadNever                   // never
	DoubleReadAlways
)

// DefaultRetries is how often a request is tried again without progress before
// an error is given: some 3 seconds in all.
const DefaultRetries = 6

// NoRetries, as the Retries of a [Config], gives up at the first failure.
const NoRetries = math.MinInt

// Config says which file follows which server.
type Config struct {
	// Path is the database file. Beside it live PATH-client_wal_index, the
	// position, and PATH-floe-lock. Where the path leads through symbolic links,
	// PATH is the file that they led to when the replica was opened.
	Path string
	// Remote is the server; with an empty URL there is none, and frames come by
	// ApplyFile and ApplyFrames only.
	Remote Remote
	// Retries bounds the tries without progress of one call; 0 stands for
	// [DefaultRetries], a negative number for as many as the context lasts.
	Retries int
	// DoubleRead guards against faults that the protocol's checksums miss.
	DoubleRead DoubleRead
	// Progress, when not nil, is called as frames arrive, by the goroutine that
	// applies them. It must not call the Replicator.
	Progress func(Progress)
	// Logger, when not nil, is told of reconnects, retries, refused frames and long
	// waits. No value and no token is in what it is told.
	Logger *slog.Logger

	fs fileSystem // nil: the real one
}

// tries gives Retries as a backoff takes them.
func (c Config) tries() int {
	switch c.Retries {
	case 0:
		return DefaultRetries
	case NoRetries:
		return 0
	}
	return c.Retries
}

// Progress tells how far a sync has come.
type Progress struct {
	FrameNo uint64 // the last frame received and verified
	Primary uint64 // the last frame of the primary's log that the sync goes to
	Frames  uint64 // received by this call
	Bytes   int64  // received by this handle
}

// Replicator keeps one database file in step with its primary. Its methods may
// be called by several goroutines at once; those that write take turns.
type Replicator struct {
	cfg    Config
	client *client // nil without a server
	life   context.Context
	end    context.CancelCauseFunc

	turn    chan struct{} // holds one token; whoever has it may use the session
	session session

	following chan struct{} // holds a token for whoever follows live

	flushes   flushRequests
	unflushed atomic.Bool // there is something for a flush to apply

	calls sync.WaitGroup // public calls under way

	// How long to wait for another handle or process: one that makes no progress,
	// and any one where the server is not needed.
	holderPatience, lockPatience time.Duration

	mu        sync.Mutex
	at        Position
	changes   uint64        // how often at or stats changed
	moved     chan struct{} // closed, and made anew, when they do
	stats     Stats
	holding   bool                    // the lock is this handle's: nobody else moves the file
	wanted    int                     // calls that wait for the turn and need no server
	busy      *work                   // a call waits for the server, and can be interrupted
	yield     context.CancelCauseFunc // ends the live stream of a Watch
	live      bool                    // a Watch has caught up and is streaming
	watchers  int
	received  atomic.Uint64
	working   atomic.Int32 // work on the files is under way: the holder of the lock is alive
	closeOnce sync.Once
	closeErr  error
}

// Stats counts what a Replicator has done since it was opened.
type Stats struct {
	Position   Position
	Primary    uint64 // the last frame number that the primary is known to have
	HasPrimary bool
	Frames     uint64 // applied
	Received   uint64 // frames received, those read twice counted twice
	Bytes      int64  // received
	Syncs      uint64 // calls that reached the primary's end
	LastSync   time.Time
	LastError  error // of the last call that failed; nil after one that did not
	Watching   bool
}

// Lag is the number of frames that the primary is known to be ahead.
func (s Stats) Lag() uint64 {
	switch {
	case !s.HasPrimary:
		return 0
	case !s.Position.HasFrame:
		return s.Primary + 1
	case s.Primary <= s.Position.FrameNo:
		return 0
	}
	return s.Primary - s.Position.FrameNo
}

// Open opens the replica at cfg.Path, which need not exist yet. It does not
// reach for the server, and creates nothing.
func Open(cfg Config) (*Replicator, error) {
	if cfg.fs == nil {
		cfg.fs = osFS{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if cfg.Path, err = files.Real(cfg.Path); err != nil {
		return nil, err
	}
	cfg.Retries = cfg.tries()
	r := &Replicator{
		cfg: cfg, turn: make(chan struct{}, 1), following: make(chan struct{}, 1), flushes: make(flushRequests), moved: make(chan struct{}),
		holderPatience: holderPatience, lockPatience: lockPatience,
	}
	if cfg.Remote.URL != "" {
		if r.client, err = newClient(cfg.Remote, cfg.Logger); err != nil {
			return nil, err
		}
		r.client.warnIfPlain(cfg)
	}
	found, err := inspect(cfg.Path)
	if err != nil {
		return nil, err
	}
	r.at = found.rec.Position
	r.session.r = r
	r.life, r.end = context.WithCancelCause(context.Background())
	r.turn <- struct{}{}
	return r, nil
}

// found is what lies at a replica's path.
type found struct {
	rec      record
	database bool // the database file exists
}

// inspect looks at the files of a replica, and refuses what is none.
func inspect(path string) (found, error) {
	if o, err := readOrigin(path); err == nil {
		return found{}, &FrozenError{Path: path, Origin: o}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return found{}, err
	}
	database, err := exists(path)
	if err != nil {
		return found{}, err
	}
	rec, err := readPosition(path + positionSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist) && database:
		if o, err := readOrigin(path); err == nil { // frozen meanwhile
			return found{}, &FrozenError{Path: path, Origin: o}
		}
		return found{}, fmt.Errorf("%s: %w; a replica needs a path of its own", path, ErrNotReplica)
	case errors.Is(err, fs.ErrNotExist):
		return found{}, nil
	case !database && (err == nil || errors.Is(err, ErrPositionFile)):
		// Somebody deleted the database, or a crash left a part of the position
		// file before there was one: begin anew.
		return found{}, nil
	case err != nil:
		return found{}, err
	case rec.LogID.IsZero():
		return found{}, fmt.Errorf("%s: %w: it is empty", path+positionSuffix, ErrPositionFile)
	}
	return found{rec: rec, database: true}, nil
}

// Role is what a database file is to floe.
type Role int

// The roles of a file.
const (
	RoleNone    Role = iota // there is no such file
	RoleLocal               // a database of its own
	RoleReplica             // follows a primary
	RoleFrozen              // was a replica; a database of its own now
)

// String gives the role's name: "none", "local", "replica" or "frozen".
func (r Role) String() string {
	switch r {
	case RoleLocal:
		return "local"
	case RoleReplica:
		return "replica"
	case RoleFrozen:
		return "frozen"
	}
	return "none"
}

// RoleOf tells what the file is that path leads to, through symbolic links too. It
// changes nothing.
func RoleOf(path string) (Role, error) {
	path, err := files.Real(path)
	if err != nil {
		return RoleNone, err
	}
	if _, err := readOrigin(path); err == nil {
		return RoleFrozen, nil
	}
	database, err := exists(path)
	if err != nil || !database {
		return RoleNone, err
	}
	switch _, err := os.Lstat(path + positionSuffix); {
	case err == nil:
		return RoleReplica, nil
	case errors.Is(err, fs.ErrNotExist):
		return RoleLocal, nil
	default:
		return RoleNone, err
	}
}

// PositionOf reads how far the replica at path has come, as its position file
// has it. It changes nothing. The error is fs.ErrNotExist where there is none.
func PositionOf(path string) (Position, error) {
	path, err := files.Real(path)
	if err != nil {
		return Position{}, err
	}
	rec, err := readPosition(path + positionSuffix)
	return rec.Position, err
}

func exists(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.IsDir():
		return false, fmt.Errorf("%s is a directory (%w)", path, engine.CantOpen)
	}
	return true, nil
}

// Path returns the absolute path of the database file, without symbolic links.
func (r *Replicator) Path() string { return r.cfg.Path }

// Position returns how far the file has come, whoever brought it there.
func (r *Replicator) Position() Position {
	_ = r.look() // with an error, what was known last
	return r.position()
}

// position returns how far this handle knows the file to be.
func (r *Replicator) position() Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// Stats returns the counters. Those of frames and bytes are this handle's own.
func (r *Replicator) Stats() Stats {
	_ = r.look()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Position = r.at
	s.Received = r.received.Load()
	if r.client != nil {
		s.Bytes = r.client.bytes.Load()
	}
	s.Watching = r.watchers > 0
	return s
}

// Result tells what a call has done.
type Result struct {
	Position Position
	Frames   uint64 // applied by this call
	Bytes    int64  // received meanwhile
}

// Sync brings the file to where the primary is at the time of the call. While a
// Watch runs, or another handle or process is at work on the file, it waits for
// that to have come so far. Where the other one makes no progress for some
// seconds, the error is a [LockedError] that names it.
func (r *Replicator) Sync(ctx context.Context) (Result, error) {
	return r.do(ctx, func(ctx context.Context) error { return r.sync(ctx, r.cfg.Retries) })
}

// SyncUntil brings the file to frame frameNo at least, and waits for the primary
// to have it, as long as the context lasts. It waits for others as Sync does.
func (r *Replicator) SyncUntil(ctx context.Context, frameNo uint64) (Result, error) {
	return r.do(ctx, func(ctx context.Context) error {
		if p := r.Position(); p.HasFrame && p.FrameNo >= frameNo {
			return nil
		}
		if done, err := r.awaitWatch(ctx, frameNo); done {
			return err
		}
		return r.follow(ctx, &frameNo)
	})
}

// TrySync is [Replicator.Sync] for those who would rather go on with what there is
// than wait for a primary that cannot be reached: where that is so, it gives up
// after its second try.
func (r *Replicator) TrySync(ctx context.Context) (Result, error) {
	return r.do(ctx, func(ctx context.Context) error { return r.sync(ctx, 1) })
}

// Watch follows the primary live until the context ends or an error comes that
// no retry can mend: it catches up, then holds a stream open on which commits
// arrive as they happen, and connects again whenever it breaks. While another
// handle or process is at work on the file, it follows what that does, and goes on
// itself when that has ended.
func (r *Replicator) Watch(ctx context.Context) error {
	r.watching(1)
	defer r.watching(-1)
	_, err := r.do(ctx, func(ctx context.Context) error { return r.follow(ctx, nil) })
	return err
}

func (r *Replicator) watching(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers += n
}

// Flush applies the whole transactions that have been received and returns the
// position then.
func (r *Replicator) Flush(ctx context.Context) (Position, error) {
	if err := r.alive(); err != nil {
		return r.Position(), err
	}
	ctx, stop := r.join(ctx)
	defer stop()
	answer := make(flushAnswer, 1)
	began := time.Now()
	for r.unflushed.Load() {
		// A sync looks at requests between two frames. One that waits for the server
		// for long has to give way.
		waited := time.Since(began)
		moved, late := r.giveWay(waited >= turnLength)
		if waited < turnLength {
			late = time.After(turnLength - waited)
		}
		select {
		case r.flushes <- answer:
			if err := <-answer; !isContextError(err) {
				return r.Position(), err
			}
			// The call that took it ends, and applies what is whole then.
		case <-r.turn: // whoever had it has applied what was whole
			r.turn <- struct{}{}
		case <-moved:
		case <-late:
		case <-ctx.Done():
			return r.Position(), context.Cause(ctx)
		}
	}
	return r.Position(), nil
}

// isContextError reports whether err says that a context has ended.
func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errYield)
}

// flushRequests carries the calls of Flush to whoever has the turn.
type flushRequests chan flushAnswer

type flushAnswer chan error

// with sends err to the one who asked, and returns it.
func (a flushAnswer) with(err error) error {
	a <- err
	return err
}

// Close ends every call under way, waits for its end, and lets the file go. The
// file stays a replica. Connections to the server are closed, but for those of a
// [Remote.HTTPClient], which are its owner's.
func (r *Replicator) Close() error {
	r.closeOnce.Do(func() {
		r.finish(ErrClosed)
		<-r.turn
		r.closeErr = r.session.close()
		r.turn <- struct{}{}
		r.calls.Wait()
		if r.client != nil {
			r.client.close()
		}
	})
	return r.closeErr
}

// finish ends every call under way; from then on calls fail with reason, unless
// there was one before.
func (r *Replicator) finish(reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(reason)
}

// alive returns why the handle can do nothing more, if so.
func (r *Replicator) alive() error { return context.Cause(r.life) }

// do runs one public call: it ends with the handle, and is counted.
func (r *Replicator) do(ctx context.Context, call func(context.Context) error) (Result, error) {
	if err := r.enter(); err != nil {
		return Result{Position: r.Position()}, err
	}
	defer r.calls.Done()
	before := r.Stats()
	ctx, stop := r.join(ctx)
	defer stop()
	err := call(ctx)
	var frozen *FrozenError
	if errors.As(err, &frozen) {
		r.finish(frozen) // by another handle: there is no way back
	}
	if err != nil && r.life.Err() != nil && !errors.Is(err, ErrFrozen) {
		err = r.alive()
	}
	r.mu.Lock()
	r.stats.LastError = err
	r.mu.Unlock()
	after := r.Stats()
	return Result{
		Position: after.Position,
		Frames:   after.Frames - before.Frames,
		Bytes:    after.Bytes - before.Bytes,
	}, err
}

// enter counts a call, unless the handle has ended.
func (r *Replicator) enter() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.alive(); err != nil {
		return err
	}
	r.calls.Add(1)
	return nil
}

// join returns a context that ends with ctx and with the handle.
func (r *Replicator) join(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(r.life, func() { cancel(context.Cause(r.life)) })
	return ctx, func() { stop(); cancel(nil) }
}

func (r *Replicator) noteSynced(h frames.Hello) {
	r.change(func() {
		r.stats.Primary, r.stats.HasPrimary = h.Current, h.HasCurrent
		r.stats.Syncs++
		r.stats.LastSync = time.Now()
	})
}
