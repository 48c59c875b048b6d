package floe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/replicator"
)

// firstSync is the sync that a replica without data needs before its first
// connection. Whoever has the turn may use the rest.
type firstSync struct {
	turn    chan struct{} // has room for one
	failure error         // of the last one
	until   time.Time     // for callers that came before, it counts as theirs
}

// firstConn syncs for the first time, one caller after the other.
func (s *replicaSource) firstConn(ctx context.Context) (*Conn, error) {
	arrived := time.Now()
	select {
	case s.first.turn <- struct{}{}:
		defer func() { <-s.first.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w, and waits for its primary: %w", s.r.path, ErrNoData, ended(ctx))
	}
	if conn, err := s.r.Conn(ctx); !errors.Is(err, ErrNoData) {
		return conn, err // somebody else has synced
	}
	if err := s.first.run(ctx, s.r.rep, arrived); err != nil {
		return nil, fmt.Errorf("%s: %w, and has to reach its primary once: %w", s.r.path, ErrNoData, err)
	}
	return s.r.Conn(ctx)
}

// run syncs. Where that has failed, those who waited for their turn take the failure,
// and the calls behind them do not each try as often; if even that takes long, some
// of them do not try at all. What the context of a caller does is not remembered.
func (f *firstSync) run(ctx context.Context, rep *replicator.Replicator, arrived time.Time) error {
	again := f.failure != nil
	sync := rep.Sync
	if again {
		if arrived.Before(f.until) {
			return f.failure
		}
		sync = rep.TrySync
	}
	began := time.Now()
	_, err := sync(ctx)
	if err != nil && ctx.Err() != nil {
		return err
	}
	f.failure, f.until = err, time.Now()
	if again {
		f.until = f.until.Add(min(time.Since(began), unreachablePause))
	}
	return err
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
