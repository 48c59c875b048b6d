package floe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/files"
)

// replicaSource is what the connections of a connector to a replica share.
type replicaSource struct {
	r     *Replica
	cfg   config
	owned bool // the replica is closed with the connector

	first firstSync

	mu      sync.Mutex
	primary *remoteServer // nil until something is to run there
}

func newReplicaConnector(t dsnTarget, cfg config) (*Connector, error) {
	for _, p := range cfg.conn.pragmas {
		if strings.EqualFold(p, "locking_mode = EXCLUSIVE") {
			return nil, errors.New("a connection to a replica cannot lock its file, which the sync writes to: leave out locking_mode")
		}
	}
	r, err := openReplica(t.path, t.url, cfg)
	var frozen *FrozenError
	if errors.As(err, &frozen) && cfg.openFrozen {
		return newFrozenConnector(t.path, cfg)
	}
	if err != nil {
		return nil, hintFrozen(err)
	}
	return (&replicaSource{r: r, cfg: cfg, owned: true}).connector(), nil
}

func newFrozenConnector(path string, cfg config) (*Connector, error) {
	file, err := files.Real(path)
	if err != nil {
		return nil, fmt.Errorf("open %w", err)
	}
	return frozenFile(file, cfg).connector(), nil
}

// Connector makes a connector for [sql.OpenDB] whose connections read the replica
// and write to its primary. Options are those that the replica was opened with,
// and opts on top, of which those about connections count. Closing the connector,
// or the [sql.DB], leaves the replica open; close the [sql.DB] before the replica.
func (r *Replica) Connector(opts ...Option) *Connector {
	cfg := r.cfg
	cfg.conn.onConnect, cfg.conn.pragmas = slices.Clip(cfg.conn.onConnect), slices.Clip(cfg.conn.pragmas)
	for _, opt := range opts {
		opt(&cfg)
	}
	return (&replicaSource{r: r, cfg: cfg}).connector()
}

func (s *replicaSource) connector() *Connector {
	s.first.turn = make(chan struct{}, 1)
	return &Connector{open: s.open, close: s.close, replica: s.r}
}

// open opens a connection to the local file, which the first one has to wait for.
func (s *replicaSource) open(ctx context.Context) (backend, error) {
	conn, err := s.r.Conn(ctx)
	if errors.Is(err, ErrNoData) {
		conn, err = s.firstConn(ctx)
	}
	var frozen *FrozenError
	if errors.As(err, &frozen) && s.cfg.openFrozen {
		return frozenFile(s.r.file, s.cfg).open(ctx)
	}
	if err != nil {
		return nil, hintFrozen(err)
	}
	local := &localConn{conn: conn.Conn, cfg: s.cfg.conn, shapes: make(map[*engine.Stmt]*shape)}
	if err := s.prepare(ctx, local); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c := &replicaConn{source: s, conn: conn, local: local, routes: make(map[string]route)}
	s.r.pool(c)
	return c, nil
}

// prepare has the connection say of foreign keys what the primary does with them,
// unless it is told otherwise.
func (s *replicaSource) prepare(ctx context.Context, local *localConn) error {
	if err := guardSchema(local.conn, s.cfg.trustedSchema); err != nil {
		return err
	}
	if err := local.conn.SetForeignKeys(ctx, true); err != nil {
		return err
	}
	return prepareConn(ctx, local.conn, s.cfg.conn)
}

// openPrimary makes a connection to the primary. It sends nothing yet.
func (s *replicaSource) openPrimary() (*remoteConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r.url == "" {
		return nil, fmt.Errorf("%s: write: %w", s.r.path, ErrNoServer)
	}
	if s.primary == nil {
		srv, err := newRemoteServer(s.r.url, s.cfg)
		if err != nil {
			return nil, fmt.Errorf("%s: write: %w", s.r.path, err)
		}
		s.primary = srv
	}
	return &remoteConn{server: s.primary}, nil
}

func (s *replicaSource) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.primary != nil {
		err = s.primary.close()
	}
	if s.owned {
		err = errors.Join(err, s.r.Close())
	}
	return err
}

// wrote takes down what the primary said of a write that it acknowledged.
func (s *replicaSource) wrote(index hrana.Index) {
	s.r.own.note(index)
	s.follow(true)
}

// behind has later reads wait for what may have been written.
func (s *replicaSource) behind() { s.follow(false) }

// follow has those reads of the replica wait that do so, through whatever connector.
func (s *replicaSource) follow(acknowledged bool) {
	s.r.own.follow(acknowledged, !s.cfg.staleRead)
}
