package hrana

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/floedb/floe/internal/authtoken"
)

// wsTransport is the protocol over WebSocket: "Hrana over WebSocket" in
// https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md
//
// All streams share one socket. Once that is lost its streams are, and the next one to open makes another.
type wsTransport struct {
	cfg    *config
	base   *url.URL
	header http.Header
	client *http.Client
	tokens *authtoken.Tokens

	lock   chan struct{} // has an element while a goroutine makes a socket
	mu     sync.Mutex
	socket *socket // nil before the first stream
	closed bool

	tasks tasks // of all sockets
}

func newWSTransport(base *url.URL, cfg *config) *wsTransport {
	return &wsTransport{
		cfg: cfg, base: base, header: cfg.header(), client: newHTTPClient(cfg), tokens: authtoken.New(cfg.token, cfg.tokenSource),
		lock: make(chan struct{}, 1),
	}
}

// close closes the WebSocket, and with it what the streams have left at the server.
func (t *wsTransport) close() error {
	t.end()
	t.tasks.wait()
	if t.cfg.roundTripper == nil {
		t.client.CloseIdleConnections()
	}
	return nil
}

func (t *wsTransport) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.socket != nil {
		t.socket.lose(errClientEnded)
	}
}

// current gives the socket in use, nil when there is none or it is lost.
func (t *wsTransport) current() *socket {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.socket == nil || t.socket.err() != nil {
		return nil
	}
	return t.socket
}

// connected gives the socket in use, and makes one when there is none.
func (t *wsTransport) connected(ctx context.Context) (*socket, error) {
	if s := t.current(); s != nil {
		return s, nil
	}
	select {
	case t.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, ended(ctx)
	}
	defer func() { <-t.lock }()
	if s := t.current(); s != nil {
		return s, nil
	}
	s, err := t.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, t.use(s)
}

func (t *wsTransport) use(s *socket) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		s.lose(errClientEnded)
		return ErrClientClosed
	}
	t.socket = s
	return nil
}

// dial makes a socket. When the server refuses the token it is tried once more with a new one.
func (t *wsTransport) dial(ctx context.Context) (*socket, error) {
	token, err := t.tokens.Get(ctx)
	if err != nil {
		return nil, err
	}
	s, err := dialSocket(ctx, t, token)
	if !errors.Is(err, ErrUnauthorized) {
		return s, err
	}
	other, renewErr := t.tokens.Renew(ctx, token)
	if renewErr != nil {
		return nil, fmt.Errorf("%w; and then: %w", err, renewErr)
	}
	if other == token {
		return nil, err
	}
	return dialSocket(ctx, t, other)
}

func (t *wsTransport) reauthenticate(ctx context.Context) error {
	token, err := t.tokens.Get(ctx)
	if err == nil {
		token, err = t.tokens.Renew(ctx, token)
	}
	s := t.current()
	if err != nil || s == nil {
		return err
	}
	return s.hello(ctx, token)
}

// renew gives the server another token than the one that it no longer takes, and tells whether there is one and it was
// taken.
func (t *wsTransport) renew(ctx context.Context, s *socket) bool {
	refused := s.currentToken()
	token, err := t.tokens.Renew(ctx, refused)
	if err != nil || token == refused || s.hello(ctx, token) != nil {
		return false
	}
	t.cfg.log.Info("auth token renewed", "host", t.base.Host)
	return true
}

// openStream opens a stream. That changes nothing in a database, so it is done once more when the socket turns out to
// be lost, as one that was idle can be.
func (t *wsTransport) openStream(ctx context.Context) (streamConn, error) {
	s, err := t.open(ctx)
	if errors.Is(err, ErrStreamClosed) && ctx.Err() == nil {
		s, err = t.open(ctx)
	}
	if err != nil {
		return nil, mark(err, ErrNotExecuted)
	}
	return s, nil
}

func (t *wsTransport) open(ctx context.Context) (*wsStream, error) {
	sock, err := t.connected(ctx)
	if err != nil {
		return nil, err
	}
	s := &wsStream{transport: t, socket: sock, id: sock.lastStream.Add(1)}
	_, err = sock.call(ctx, &Request{Kind: ReqOpenStream, StreamID: s.id})
	if errors.Is(err, ErrUnauthorized) && t.renew(ctx, sock) {
		_, err = sock.call(ctx, &Request{Kind: ReqOpenStream, StreamID: s.id})
	}
	if err != nil {
		// libSQL's server closes the whole connection on a request to close a stream that it does not know.
		if !errors.Is(err, ErrNotExecuted) && sock.err() == nil {
			sock.tell(ctx, &Request{Kind: ReqCloseStream, StreamID: s.id})
		}
		return nil, err
	}
	return s, nil
}

// wsStream is a stream over a WebSocket.
type wsStream struct {
	transport *wsTransport
	socket    *socket
	id        int32
	sqls      map[StoredID]bool // those stored by the stream: the server keeps them for the whole socket
	freed     chan struct{}     // closed once the request to close a cursor is on its way; nil if there is none

	mu     sync.Mutex // for Err, which may be called at any time
	closed bool
}

func (s *wsStream) version() int { return s.socket.version }

func (s *wsStream) nextSQLID() StoredID { return StoredID(s.socket.lastSQL.Add(1)) }

var errClosed = fmt.Errorf("%w: closed", ErrStreamClosed)

func (s *wsStream) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if err := s.socket.err(); err != nil {
		return fmt.Errorf("%w: %w", ErrStreamClosed, err)
	}
	return nil
}

func (s *wsStream) do(ctx context.Context, r *Request) (*Response, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	r.StreamID = s.id
	res, err := s.socket.call(ctx, r)
	if errors.Is(err, ErrUnauthorized) && s.transport.renew(ctx, s.socket) {
		res, err = s.socket.call(ctx, r)
	}
	if err == nil {
		s.noteSQL(r)
	}
	return res, err
}

// ready waits until a cursor is closed that was given up. libSQL's server takes the requests of a stream in their order
// and has them wait for an open cursor, so one that is sent before the cursor is closed stops the stream for good.
func (s *wsStream) ready(ctx context.Context) error {
	if s.freed != nil {
		ctx, cancel := s.socket.timed(ctx)
		defer cancel()
		select {
		case <-s.freed:
			s.freed = nil
		case <-ctx.Done():
			return mark(ended(ctx), ErrNotExecuted)
		}
	}
	if err := s.err(); err != nil {
		return s.unusable(err)
	}
	return nil
}

// unusable is the error of a call on a stream that can no longer be used.
func (s *wsStream) unusable(err error) error {
	return unsentError(errors.New(err.Error()), err)
}

// noteSQL keeps the stored SQL texts that are to be deleted with the stream.
func (s *wsStream) noteSQL(r *Request) {
	switch r.Kind {
	case ReqStoreSQL:
		if s.sqls == nil {
			s.sqls = map[StoredID]bool{}
		}
		s.sqls[r.Stmt.SQLID] = true
	case ReqCloseSQL:
		delete(s.sqls, r.Stmt.SQLID)
	}
}

func (s *wsStream) close(ctx context.Context) error {
	if s.err() != nil {
		return nil
	}
	err := s.ready(ctx)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for id := range s.sqls {
		s.socket.tell(ctx, &Request{Kind: ReqCloseSQL, Stmt: &Stmt{SQLID: id}})
	}
	r := &Request{Kind: ReqCloseStream, StreamID: s.id}
	if err == nil {
		_, err = s.socket.call(ctx, r)
	}
	if errors.Is(err, ErrNotExecuted) && s.socket.err() == nil {
		s.socket.tasks.run(func() { s.closeLater(r) }) // the context was over, but the stream is to be closed
	}
	return err
}

func (s *wsStream) closeLater(r *Request) {
	if s.freed != nil {
		<-s.freed
	}
	_, _ = s.socket.call(context.Background(), r)
}

// fetchEntries is how many entries of a cursor are asked for at a time. The server sends fewer when they are large.
const fetchEntries = 1000

func (s *wsStream) cursor(ctx context.Context, b *Batch) (entries, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	e := &wsEntries{ctx: ctx, stream: s, id: s.socket.lastCursor.Add(1)}
	r := &Request{Kind: ReqOpenCursor, StreamID: s.id, CursorID: e.id, Batch: b}
	err := e.open(r)
	if errors.Is(err, ErrUnauthorized) && s.transport.renew(ctx, s.socket) {
		err = e.open(r)
	}
	if err != nil {
		return nil, err
	}
	if err := e.fetch(); err != nil {
		_ = e.close() // with it open, everything else on the stream would wait
		return nil, err
	}
	return e, nil
}

// wsEntries reads the entries of a cursor. While it gives those of one answer, the next one is on its way.
type wsEntries struct {
	ctx    context.Context // of the cursor
	stream *wsStream
	id     int32
	list   []CursorEntry
	ahead  *exchange // nil behind the last one
}

// open opens the cursor, and does not close it when that fails, though the specification asks for it: libSQL's server
// does not know a cursor whose batch it could not parse, and closes the whole connection on such a request. No id is
// used twice.
func (e *wsEntries) open(r *Request) error {
	ctx, cancel := e.stream.socket.timed(e.ctx)
	defer cancel()
	x, err := e.stream.socket.send(ctx, r)
	if err != nil {
		return err
	}
	_, err = e.stream.socket.response(ctx, x)
	if err != nil && ctx.Err() != nil && !errors.Is(err, ErrNotExecuted) {
		e.closeLater(x)
	}
	return err
}

func (e *wsEntries) fetch() error {
	x, err := e.stream.socket.send(e.ctx, &Request{Kind: ReqFetchCursor, CursorID: e.id, MaxCount: fetchEntries})
	if err != nil {
		return ofOpenCursor(err)
	}
	e.ahead = x
	return nil
}

// ofOpenCursor is the error of a request for entries: that this was not sent says nothing about the batch, which runs
// since the cursor was opened.
func ofOpenCursor(err error) error {
	var m *marked
	if errors.Is(err, ErrNotExecuted) && errors.As(err, &m) {
		return m.error
	}
	return err
}

func (e *wsEntries) next(entry *CursorEntry) error {
	for len(e.list) == 0 {
		if e.ahead == nil {
			return io.EOF
		}
		if err := e.receive(); err != nil {
			return err
		}
	}
	*entry, e.list = e.list[0], e.list[1:]
	return nil
}

// receive takes the answer that is on its way, and asks for the next one.
func (e *wsEntries) receive() error {
	x := e.ahead
	e.ahead = nil
	res, err := e.stream.socket.response(e.ctx, x)
	if err != nil {
		return ofOpenCursor(err)
	}
	e.list = res.Entries
	if res.Done {
		return nil
	}
	return e.fetch()
}

// close does not wait for the answer: the server takes requests in their order, and the cursor is gone for the next one.
func (e *wsEntries) close() error {
	if e.stream.socket.err() != nil {
		return nil // the server closes it with the connection
	}
	_, err := e.stream.socket.send(e.ctx, &Request{Kind: ReqCloseCursor, CursorID: e.id})
	if errors.Is(err, ErrNotExecuted) && e.stream.socket.err() == nil {
		e.closeLater(nil)
		return nil
	}
	return err
}

func (e *wsEntries) unfinished() bool { return e.ahead != nil }

// closeLater closes the cursor though its context is over, after the answer to opening, if that is still to come. Other
// requests of the stream wait for it.
func (e *wsEntries) closeLater(opening *exchange) {
	freed := make(chan struct{})
	e.stream.freed = freed
	e.stream.socket.tasks.run(func() {
		defer close(freed)
		ctx := context.WithoutCancel(e.ctx)
		if opening != nil {
			if _, err := e.stream.socket.response(ctx, opening); err != nil {
				return // it was not opened
			}
		}
		_, _ = e.stream.socket.send(ctx, &Request{Kind: ReqCloseCursor, CursorID: e.id})
	})
}
