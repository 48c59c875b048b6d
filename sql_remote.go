package floe

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqltext"
)

// remoteServer is what the connections of a connector to a server have in common.
type remoteServer struct {
	client *hrana.Client
	conn   connConfig
	texts  sqlTexts

	mu      sync.Mutex // for the following, not to wait while one more begins
	closed  bool
	closing sync.WaitGroup // streams that are being closed while nobody waits for it
}

// close closes the streams that connections have left, and the client. A connection in use finds that out.
func (srv *remoteServer) close() error {
	srv.mu.Lock()
	srv.closed = true
	srv.mu.Unlock()
	srv.closing.Wait()
	return srv.client.Close()
}

// drop closes a stream that its connection has given up. That takes no longer than closeTimeout.
func (srv *remoteServer) drop(s *hrana.Stream) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if !srv.closed { // or else the client closes it
		srv.closing.Go(func() { _ = closeStream(s) })
	}
}

func newRemoteConnector(t dsnTarget, cfg config) (*Connector, error) {
	srv, err := newRemoteServer(t.url, cfg)
	if err != nil {
		return nil, err
	}
	return &Connector{open: srv.open, close: srv.close}, nil
}

// newRemoteServer sends nothing: a server that cannot be reached is found by the first statement.
func newRemoteServer(url string, cfg config) (*remoteServer, error) {
	opts, err := hranaOptions(cfg)
	if err != nil {
		return nil, err
	}
	client, err := hrana.Open(url, opts...)
	if err != nil {
		return nil, err
	}
	return &remoteServer{client: client, conn: cfg.conn}, nil
}

func hranaOptions(cfg config) ([]hrana.Option, error) {
	opts := []hrana.Option{hrana.WithAuthToken(cfg.Remote.AuthToken), hrana.WithLogger(cfg.Logger)}
	if cfg.Remote.TokenSource != nil {
		opts = append(opts, hrana.WithTokenSource(cfg.Remote.TokenSource))
	}
	if cfg.Remote.Namespace != "" {
		opts = append(opts, hrana.WithNamespace(cfg.Remote.Namespace))
	}
	if client := cfg.Remote.HTTPClient; client != nil {
		if client.Timeout != 0 {
			return nil, fmt.Errorf("the HTTP client has a timeout of %v, which would cut results off: bound calls by their contexts", client.Timeout)
		}
		if client.Transport != nil {
			opts = append(opts, hrana.WithRoundTripper(client.Transport))
		}
	}
	return opts, nil
}

func (srv *remoteServer) open(ctx context.Context) (backend, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	return &remoteConn{server: srv}, nil
}

// sqlText is what is known about an SQL text.
type sqlText struct {
	stmts []sqltext.Statement
	large atomic.Bool // its results are read by a cursor
}

// maxWhole is the size up to which results are fetched as a whole, in bytes of memory. That takes a server a tenth of
// the time that a cursor takes, which streams them. libSQL's server sends no more than about 10 MB as a whole, unless it
// is set up otherwise.
const maxWhole = 16 << 20

// learn takes note of the size of the results.
func (t *sqlText) learn(size int) {
	if large := size > maxWhole; large != t.large.Load() {
		t.large.Store(large)
	}
}

// sqlTexts keeps texts that were used, with what was learned of them.
type sqlTexts struct {
	mu    sync.RWMutex
	known map[string]*sqlText
}

// Bounds of what is kept. Once there are too many texts all of them are forgotten.
const (
	maxTexts      = 1000
	maxTextLength = 8 << 10
)

func (t *sqlTexts) get(query string) *sqlText {
	t.mu.RLock()
	text := t.known[query]
	t.mu.RUnlock()
	if text != nil {
		return text
	}
	text = &sqlText{stmts: sqltext.Split(query)}
	if len(query) <= maxTextLength {
		t.keep(query, text)
	}
	return text
}

func (t *sqlTexts) keep(query string, text *sqlText) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil || len(t.known) >= maxTexts {
		t.known = make(map[string]*sqlText)
	}
	t.known[query] = text
}

// reads tells whether all statements of the text only read, so that it does no harm to send them again.
func (t *sqlText) reads() bool {
	for i := range t.stmts {
		if !t.stmts[i].Reads {
			return false
		}
	}
	return true
}
