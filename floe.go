// Package floe is libSQL for Go without cgo: a local SQLite engine, and embedded
// replicas that follow a libSQL server and can be frozen into databases of their
// own.
//
// # A replica
//
// [OpenReplica] ties a file to a server. [Replica.Sync] brings it to where the
// server is, [Replica.Watch] keeps it there as commits happen, and [Replica.Conn]
// opens connections that read it, at any time and without ever waiting for a
// sync. The file is a plain SQLite database in WAL mode: every SQLite reader may
// open it, from any process, and sees a state that the server once committed.
//
//	r, err := floe.OpenReplica(ctx, "app.db", "libsql://db.example.com", floe.WithAuthToken(token))
//	...
//	defer r.Close()
//	_, err = r.Sync(ctx)
//
// # Writing through a replica
//
// Connections of [database/sql] read the replica and write to its primary:
// [Replica.Connector] makes them, and so does a data source name such as
// "file:app.db?primary=libsql://db.example.com", which has a replica of its own.
//
//	db := sql.OpenDB(r.Connector())
//	_, err = db.ExecContext(ctx, "INSERT INTO notes(text) VALUES (?)", "hello") // on the primary
//	err = db.QueryRowContext(ctx, "SELECT count(*) FROM notes").Scan(&n)        // here, with the new note
//
// SQLite itself is asked whether a statement only reads. Those that do run here,
// without a word to the server; so do EXPLAIN, ATTACH and DETACH, VACUUM INTO, and
// each PRAGMA that reads, or sets how a connection reads (busy_timeout, cache_size,
// query_only). All else runs on the primary, which is also asked about what does
// not compile here: a table not received yet, or SQL that only libSQL has. What it
// refuses, such as temporary tables, is an error. A script goes to one place as a
// whole, unless it mixes settings with what writes: then each statement goes its way.
// The numbers of a result are those
// of the primary, and so are last_insert_rowid() and changes() as SQL behind a
// write on the same [sql.Conn].
//
// A transaction runs on the primary as a whole, with what it reads, whether
// [sql.DB.BeginTx] or a statement begins it. One with [sql.TxOptions.ReadOnly] runs
// here, and sees one state from its first read on.
//
// Read your writes: after a write, reads that begin later, of any connection of the
// same [Replica], wait until it has the frames of the write. They begin to arrive as
// soon as the primary has acknowledged it, so that the wait is of milliseconds at
// most. Each commit is such a write, also one by RELEASE or in the middle of a
// script; where an error leaves open whether something was committed, as that of an
// INSERT OR FAIL does, reads wait for all that the primary has.
// [WithReadYourWrites] and the parameter readYourWrites=false turn it off for the reads
// of a connector. Other handles and processes see a write once the file has it.
// Connections of [Replica.Conn] never wait; [Replica.MaxWriteFrameNo] tells them
// what to wait for.
//
// While the primary cannot be reached, a write fails with [ErrUnreachable], at
// once: nothing is queued. Reads go on with the last state that was received, also
// those behind a write whose frames did not come any more, because the network went
// away, the token was refused, or another process that was to bring them has stopped;
// [Replica.FrameNo] is below [Replica.MaxWriteFrameNo] then. A write that was refused,
// for whatever reason, keeps no read waiting. Should the file no longer fit the
// primary's log, which no sync can mend ([ErrAhead], [ErrDiverged],
// [ErrPositionFile]), or have been frozen by another process ([ErrFrozen]), then reads
// behind a write that was acknowledged have that error.
//
// The foreign keys of a primary are on unless PRAGMA foreign_keys turns them off,
// which therefore runs on both sides, and holds for each stream to the primary that the
// connection opens later. Other settings that concern writing, such as
// recursive_triggers, are up to the server.
//
// # Freezing
//
// [Replica.Freeze] cuts the tie: the file becomes a local database that can be
// written to, and the handle it came from answers every further call with
// [ErrFrozen]. So does a [sql.DB] that reads the replica, unless [WithOpenFrozen] has
// it go on with the local database. Its idle connections do not keep a freeze waiting.
//
// # A local database
//
// [Open] opens one. Its connections are those of package engine, and belong to
// one goroutine at a time.
package floe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/files"
	"github.com/floedb/floe/replicator"
)

// DB is a local database file. Its methods may be called by several goroutines
// at once.
type DB struct {
	path  string // as it was given
	file  string // which that leads to
	flags engine.OpenFlags

	mu     sync.Mutex
	closed bool
	conns  map[*Conn]struct{}
}

// Open opens the local database at path, and creates it where there is none. A
// replica is refused with [ErrIsReplica], also behind a symbolic link: only its
// primary may write to it. Open it with [OpenReplica], or read it with
// [OpenReadOnly]. (A hard link to a replica is a file of its own to floe, and to
// SQLite: nothing tells where else it has a name. Make none.)
//
// See https://sqlite.org/c3ref/open.html.
func Open(ctx context.Context, path string) (*DB, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	if err := checkLocal(path); err != nil {
		return nil, err
	}
	return openDB(ctx, path, engine.OpenReadWrite|engine.OpenCreate)
}

func openDB(ctx context.Context, path string, flags engine.OpenFlags) (*DB, error) {
	file, err := path, error(nil)
	if !isMemory(path) {
		file, err = files.Real(path) // once: a link that changes later is not to lead elsewhere
	}
	if err != nil {
		return nil, fmt.Errorf("open %w", err)
	}
	db := &DB{path: path, file: file, flags: flags}
	return db, db.probe(ctx)
}

// checkLocal refuses a replica, and ends a freeze that was broken off.
func checkLocal(path string) error {
	if err := replicator.FinishSeal(path); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return &engine.Error{
			Code: engine.CantOpen, Extended: engine.CantOpenIsDir, Op: "open " + strconv.Quote(path), Offset: -1,
			Msg: "unable to open database file: it is a directory",
		}
	}
	role, err := replicator.RoleOf(path)
	if err == nil && role == replicator.RoleReplica {
		err = ErrIsReplica
	}
	return wrapPath("open", path, err)
}

// OpenReadOnly opens the database at path, which may be a replica that another
// process keeps in step, for reading. It must exist. Connections do not trust the
// schema of a replica, as those of [Replica.Conn] do not.
func OpenReadOnly(ctx context.Context, path string) (*DB, error) {
	return openDB(ctx, path, engine.OpenReadOnly)
}

// probe opens a connection once, so that a file that is no database, or cannot
// be opened, is found by whoever opens it.
func (db *DB) probe(ctx context.Context) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	err = c.Exec(ctx, "SELECT count(*) FROM sqlite_schema")
	return errors.Join(wrapPath("open", db.path, err), c.Close())
}

func wrapPath(what, path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, path, err)
}

// Path returns the path that the database was opened with.
func (db *DB) Path() string { return db.path }

// Origin tells from which log, and at which frame of it, the database was
// frozen. ok is false for one that was not.
func (db *DB) Origin() (o Origin, ok bool) {
	o, err := replicator.ReadOrigin(db.file)
	return o, err == nil
}

// Conn opens a connection. It belongs to one goroutine at a time and must be
// closed.
func (db *DB) Conn(ctx context.Context) (*Conn, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil, fmt.Errorf("%s: %w", db.path, ErrClosed)
	}
	c, err := openConn(db.file, db.flags, db.forget)
	if err != nil {
		return nil, err
	}
	if db.flags&engine.OpenReadOnly != 0 {
		if err := guardReplica(c.Conn, db.file); err != nil {
			return nil, errors.Join(err, c.Conn.Close())
		}
	}
	if db.conns == nil {
		db.conns = make(map[*Conn]struct{})
	}
	db.conns[c] = struct{}{}
	return c, nil
}

func (db *DB) forget(c *Conn) {
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.conns, c)
}

// Close refuses further connections. Those that are open stay usable until they
// are closed themselves.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.closed = true
	return nil
}

// Conn is a connection to a database: an [engine.Conn] that its [DB] or
// [Replica] knows of. It belongs to one goroutine at a time.
type Conn struct {
	*engine.Conn
	release func(*Conn)
	replica fs.FileInfo // the file of a replica, as it was before it was opened
	once    sync.Once
	err     error
}

func openConn(path string, flags engine.OpenFlags, release func(*Conn)) (*Conn, error) {
	ec, err := engine.Open(literalPath(path), flags|engine.OpenURI)
	if err != nil {
		return nil, wrapPath("open", path, err)
	}
	if err := ec.SetAttachRule(replicasAreRead); err != nil {
		return nil, errors.Join(wrapPath("open", path, err), ec.Close())
	}
	return &Conn{Conn: ec, release: release}, nil
}

// replicasAreRead keeps a replica that is attached from being written to.
func replicasAreRead(path string) error {
	role, err := replicator.RoleOf(path)
	if err == nil && role == replicator.RoleReplica {
		err = ErrIsReplica
	}
	return wrapPath("attach", path, err)
}

// literalPath is a path that SQLite takes literally, although it takes URIs: those that ATTACH may name.
func literalPath(path string) string {
	if strings.HasPrefix(path, "file:") {
		return "./" + path
	}
	return path
}

// Close closes the connection and the statements prepared on it. It may be
// called more than once.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.err = c.Conn.Close()
		c.release(c)
	})
	return c.err
}

// isNotExist tells whether err says that a file is missing.
func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
