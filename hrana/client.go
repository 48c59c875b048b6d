package hrana

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/floedb/floe/internal/authtoken"
)

// Client is a libSQL database on a server. Several goroutines may use it; each of its streams belongs to one at a
// time.
type Client struct {
	transport transport
	closed    atomic.Bool
}

// transport is one of the two variants of the protocol.
type transport interface {
	openStream(ctx context.Context) (streamConn, error)
	reauthenticate(ctx context.Context) error
	close() error
}

// streamConn is a stream of a transport. A call that fails with an error that wraps ErrNotExecuted but not
// ErrStreamClosed leaves it usable.
type streamConn interface {
	do(ctx context.Context, r *Request) (*Response, error)
	cursor(ctx context.Context, b *Batch) (entries, error)
	nextSQLID() StoredID
	version() int
	close(ctx context.Context) error
	err() error // why the stream can no longer be used, nil when it can
}

// entries is where a cursor reads.
type entries interface {
	// next reads the next entry into e, whose slices it uses again, and gives io.EOF behind the last one.
	next(e *CursorEntry) error
	// close ends the reading. The stream can be used after it.
	close() error
	// unfinished tells whether the server goes on after close.
	unfinished() bool
}

// Open makes a client for the database at a URL: libsql://HOST (which is https, or http with the parameter tls=0),
// https:// and http:// for the protocol over HTTP, wss:// and ws:// for that over WebSocket. The parameter authToken
// is the same as [WithAuthToken]. Nothing is sent before the first stream is used or opened.
func Open(databaseURL string, opts ...Option) (*Client, error) {
	u, token, err := parseURL(databaseURL)
	if err != nil {
		return nil, err
	}
	cfg := defaults()
	WithAuthToken(token)(&cfg)
	for _, opt := range opts {
		opt(&cfg)
	}
	authtoken.WarnIfPlain(cfg.log, u, cfg.token != "" || cfg.tokenSource != nil)
	if u.Scheme == "ws" || u.Scheme == "wss" {
		return &Client{transport: newWSTransport(u, &cfg)}, nil
	}
	return &Client{transport: newHTTPTransport(u, &cfg)}, nil
}

// OpenStream opens a stream. Over HTTP this sends nothing but the first time, when it asks the server which version
// of the protocol it speaks; the server learns of the stream with its first request.
func (c *Client) OpenStream(ctx context.Context) (*Stream, error) {
	if c.closed.Load() {
		return nil, fmt.Errorf("open stream: %w", mark(ErrClientClosed, ErrNotExecuted))
	}
	conn, err := c.transport.openStream(ctx)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	return &Stream{conn: conn}, nil
}

// Reauthenticate gets a new token from the source of [WithTokenSource]. Later requests over HTTP carry it, and over
// an open WebSocket it is sent at once, for the streams there are and those to come.
func (c *Client) Reauthenticate(ctx context.Context) error {
	return wrap("reauthenticate", c.transport.reauthenticate(ctx))
}

// Close ends the client with its streams, and returns once no goroutine and no connection of its own is left. Requests
// under way are given up. A transaction that is open on a stream is rolled back by the server, which is told so, for two
// seconds at most.
func (c *Client) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.transport.close()
}

var _ io.Closer = (*Client)(nil)
