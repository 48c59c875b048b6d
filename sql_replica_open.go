package floe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/replicator"
)

// firstSync is the sync that a replica without data needs before its first
// connection.
type firstSync struct {
	mu       sync.Mutex
	failure  error // of the last one
	failedAt time.Time
}

// recent gives why the last one failed, a moment ago.
func (f *firstSync) recent() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.failedAt) < unreachablePause {
		return f.failure
	}
	return nil
}

// failedBefore reports whether one has failed.
func (f *firstSync) failedBefore() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failure != nil
}

// ended takes down how one has ended: not what the context of a caller did to it.
func (f *firstSync) ended(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure, f.failedAt = err, time.Now()
}

// firstConn syncs for the first time. Where that has failed, the calls behind it do
// not each try as long as it did, and not at all for a moment.
func (s *replicaSource) firstConn(ctx context.Context) (*Conn, error) {
	err := s.first.recent()
	if err == nil {
		sync := s.r.rep.Sync
		if s.first.failedBefore() {
			sync = s.r.rep.TrySync
		}
		_, err = sync(ctx)
		s.first.ended(ctx, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w, and has to reach its primary once: %w", s.r.path, ErrNoData, err)
	}
	return s.r.Conn(ctx)
}

// guardSchema keeps what a primary put into its schema from running functions of the
// program that are not [engine.Innocuous].
func guardSchema(c *engine.Conn, trusted bool) error {
	_, err := c.DBConfig(engine.DBConfigDefensive, true)
	if err == nil {
		_, err = c.DBConfig(engine.DBConfigTrustedSchema, trusted)
	}
	if trusted {
		return err
	}
	for name, nArg := range searchFunctions {
		if err == nil {
			err = c.CreateFunction(name, nArg, engine.Innocuous, outsideOfASearch)
		}
	}
	return err
}

// searchFunctions, with their numbers of arguments, are those by which views search
// with FTS5. They do no harm, but SQLite does not say so of them.
var searchFunctions = map[string]int{"match": 2, "bm25": -1, "highlight": -1, "snippet": -1}

// outsideOfASearch is what such a function does where FTS5 does not take its place.
func outsideOfASearch(*engine.FuncContext, []engine.Value) error {
	return errors.New("unable to use a function of full-text search in the requested context")
}

// guardReplica is guardSchema for the file at path, if that is a replica.
func guardReplica(c *engine.Conn, path string) error {
	if role, err := replicator.RoleOf(path); err != nil || role != replicator.RoleReplica {
		return nil // who opens it finds out
	}
	return guardSchema(c, false)
}

// hintFrozen says what can be done about a replica that was frozen.
func hintFrozen(err error) error {
	if errors.Is(err, ErrFrozen) {
		err = fmt.Errorf("%w; openFrozen=true, or WithOpenFrozen, opens it as that", err)
	}
	return err
}

// frozenFile is the local database that a replica became, for connections that go on
// as before: with foreign keys, and no more trust in the schema.
func frozenFile(path string, cfg config) *localFile {
	conn := cfg.conn
	settings := []string{"foreign_keys = ON", "trusted_schema = " + onOff(cfg.trustedSchema)}
	conn.pragmas = slices.Concat(settings, conn.pragmas)
	return &localFile{name: literalPath(path), path: path, flags: engine.OpenReadWrite | engine.OpenURI, conn: conn}
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}
