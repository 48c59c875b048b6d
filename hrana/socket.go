package hrana

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// socket is one WebSocket with any number of streams on it. Three goroutines serve it until it is lost: one writes
// the messages that calls give it, one reads the answers and hands each to the call that waits for it, and one sends
// pings. The one that reads never waits for a call.
type socket struct {
	conn     *websocket.Conn
	encoding Encoding
	version  int
	token    string // in the last hello
	timeout  time.Duration
	tasks    *tasks
	log      *slog.Logger
	host     string

	queue   chan *exchange
	queued  atomic.Int32    // exchanges on their way through the queue
	writing chan struct{}   // has an element while a message is written
	done    chan struct{}   // closed when the socket is lost
	life    context.Context // ends after that

	lastID, lastStream, lastCursor, lastSQL atomic.Int32

	mu      sync.Mutex
	waiting map[int32]*exchange
	hellos  []*exchange // the answers to these have no id and come in order
	lost    error       // why; set before done is closed
}

// exchange is a message to the server and its answer.
type exchange struct {
	id      int32
	request *Request // nil for a hello
	message []byte
	state   atomic.Int32
	answer  chan envelope // has room for the one there is, so that nobody needs to wait for it
}

// States of an exchange. What is queued can be given up; once it is being written, the server may run it.
const (
	queued = iota
	writing
	givenUp
)

// subprotocols are those of WebSocket for each dialect, the best one first.
var subprotocols = []struct {
	name     string
	version  int
	encoding Encoding
}{{"hrana3-protobuf", 3, Protobuf}, {"hrana3", 3, JSON}, {"hrana2", 2, JSON}}

// dialSocket makes a WebSocket and greets the server.
func dialSocket(ctx context.Context, t *wsTransport, token string) (*socket, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.cfg.dialTimeout, errDialTimeout)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, t.base.String(), &websocket.DialOptions{
		HTTPClient: t.client, HTTPHeader: t.header.Clone(), Subprotocols: t.offers(),
	})
	if err != nil {
		return nil, dialError(withCause(ctx, err), res, token)
	}
	s := &socket{
		conn: conn, token: token, timeout: t.cfg.timeout, tasks: &t.tasks, log: t.cfg.log, host: t.base.Host, queue: make(chan *exchange), done: make(chan struct{}),
		writing: make(chan struct{}, 1), waiting: map[int32]*exchange{},
	}
	if err := s.agreed(conn.Subprotocol()); err != nil {
		conn.CloseNow()
		return nil, err
	}
	conn.SetReadLimit(t.cfg.maxMessage)
	s.serve(t.cfg.pingInterval)
	if err := s.hello(ctx, token); err != nil {
		s.lose(errSocketClosed)
		return nil, err
	}
	return s, nil
}

var (
	errDialTimeout  = fmt.Errorf("no connection in the time of WithDialTimeout: %w", context.DeadlineExceeded)
	errSocketClosed = errors.New("the client closed the WebSocket")
	errClientEnded  = mark(errSocketClosed, ErrClientClosed)
	errNoPong       = errors.New("the server left a ping unanswered")
	errHelloRefused = errors.New("the server refused the auth token")
)

// dialError is the error of a WebSocket that could not be made. Answers of HTTP tell more than the package websocket
// does.
func dialError(err error, res *http.Response, token string) error {
	switch {
	case res != nil && res.StatusCode != http.StatusSwitchingProtocols && res.Body != nil:
		kind := res.Header.Get("Content-Type")
		return foreign(res.StatusCode, kind, res.Body, token)
	case res != nil:
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return mark(err, ErrUnreachable)
}

// offers are the subprotocols to ask for.
func (t *wsTransport) offers() []string {
	var names []string
	for _, p := range subprotocols {
		if p.version <= t.cfg.maxVersion && (t.cfg.encoding == 0 || t.cfg.encoding == p.encoding) {
			names = append(names, p.name)
		}
	}
	return names
}

// agreed takes over the subprotocol that the server chose.
func (s *socket) agreed(name string) error {
	for _, p := range subprotocols {
		if p.name == name {
			s.version, s.encoding = p.version, p.encoding
			return nil
		}
	}
	return fmt.Errorf("%w: no version of the protocol in common, the server chose %q", ErrUnsupported, name)
}

// serve starts the goroutines of the socket. They end when it is lost.
func (s *socket) serve(pingInterval time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	s.life = ctx
	s.tasks.run(func() {
		<-s.done
		if errors.Is(s.err(), errSocketClosed) { // by this client: the server is told, if it listens
			timer := time.AfterFunc(closeTimeout, func() { s.conn.CloseNow() })
			s.conn.Close(websocket.StatusNormalClosure, "")
			timer.Stop()
		}
		cancel()
		s.conn.CloseNow()
	})
	s.tasks.run(s.write)
	s.tasks.run(func() { s.read(ctx) })
	if pingInterval > 0 {
		s.tasks.run(func() { s.ping(ctx, pingInterval) })
	}
}

// lose ends the socket. Only the first reason counts.
func (s *socket) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return
	}
	s.lost = err
	close(s.done)
	if !errors.Is(err, errSocketClosed) {
		s.log.Warn("connection lost", "host", s.host, reason(err))
	}
}

func (s *socket) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// write writes what comes through the queue.
func (s *socket) write() {
	for {
		select {
		case x := <-s.queue:
			s.writing <- struct{}{}
			s.writeOne(x)
			s.queued.Add(-1)
		case <-s.done:
			return
		}
	}
}

// writeOne writes a message that has not been given up, and gives the right to write back.
func (s *socket) writeOne(x *exchange) {
	defer func() { <-s.writing }()
	if !x.state.CompareAndSwap(queued, writing) {
		return
	}
	kind := websocket.MessageBinary
	if s.encoding == JSON {
		kind = websocket.MessageText
	}
	if err := s.conn.Write(s.life, kind, x.message); err != nil {
		s.lose(fmt.Errorf("write to the WebSocket: %w", err))
	}
}

// Bounds of what a caller writes itself, whose context could not end a write: that much goes into the buffers of the
// operating system at once.
const maxDirect, maxDirectWaiting = 4 << 10, 16

// writeNow writes a message at once, without the queue, if it does not have to wait for anything.
func (s *socket) writeNow(x *exchange, waiting int) bool {
	if len(x.message) > maxDirect || waiting > maxDirectWaiting || s.queued.Load() > 0 {
		return false
	}
	select {
	case s.writing <- struct{}{}:
		s.writeOne(x)
		return true
	default:
		return false
	}
}

func (s *socket) read(ctx context.Context) {
	for {
		if err := s.readOne(ctx); err != nil {
			s.lose(fmt.Errorf("read from the WebSocket: %w", err))
			return
		}
	}
}

func (s *socket) readOne(ctx context.Context) error {
	kind, b, err := s.conn.Read(ctx)
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		closed.Reason = quote(closed.Reason, s.currentToken())
		return closed
	}
	if err != nil {
		return err
	}
	if (kind == websocket.MessageText) != (s.encoding == JSON) {
		return fmt.Errorf("%w: a message of type %v in %v", ErrMalformed, kind, s.encoding)
	}
	env, err := s.encoding.readingAll(b).parseEnvelope(b)
	if err != nil {
		return err
	}
	return s.deliver(env)
}

// deliver hands an answer to the exchange it belongs to.
func (s *socket) deliver(env envelope) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var x *exchange
	switch env.kind {
	case MsgHelloOK, MsgHelloError:
		if len(s.hellos) == 0 {
			return fmt.Errorf("%w: an answer to no hello", ErrMalformed)
		}
		x, s.hellos = s.hellos[0], s.hellos[1:]
	default:
		x = s.waiting[env.id]
		if x == nil {
			return fmt.Errorf("%w: a response to request %d, which is none", ErrMalformed, env.id)
		}
		delete(s.waiting, env.id)
	}
	x.answer <- env
	return nil
}

func (s *socket) ping(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-s.done:
			return
		}
		if !s.answersPing(ctx, interval) {
			s.lose(errNoPong)
			return
		}
	}
}

func (s *socket) answersPing(ctx context.Context, timeout time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.conn.Ping(ctx) == nil
}

// hello gives the server a token and waits for its opinion.
func (s *socket) hello(ctx context.Context, token string) error {
	message, err := s.encoding.AppendClientMsg(nil, &ClientMsg{Hello: true, JWT: token})
	if err != nil {
		return err
	}
	x := &exchange{message: message, answer: make(chan envelope, 1)}
	if err := s.start(ctx, x); err != nil {
		return err
	}
	env, err := s.await(ctx, x)
	if err != nil {
		return err
	}
	if env.kind == MsgHelloError {
		withoutToken(env.err, token)
		s.lose(errHelloRefused) // as the server does: libSQL's closes the connection behind its answer
		return mark(env.err, ErrUnauthorized)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
	return nil
}

// call sends a request and waits for its response.
func (s *socket) call(ctx context.Context, r *Request) (*Response, error) {
	ctx, cancel := s.timed(ctx)
	defer cancel()
	x, err := s.send(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.response(ctx, x)
}

// timed bounds a context as WithTimeout says.
func (s *socket) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, s.timeout, errTimeout)
}

// send sends a request, whose response is there to wait for.
func (s *socket) send(ctx context.Context, r *Request) (*exchange, error) {
	x := &exchange{id: s.lastID.Add(1), request: r, answer: make(chan envelope, 1)}
	var err error
	x.message, err = s.encoding.AppendClientMsg(nil, &ClientMsg{ID: x.id, Request: r})
	if err != nil {
		return nil, mark(err, ErrNotExecuted)
	}
	return x, s.start(ctx, x)
}

// start sends a message, or hands it to the goroutine that writes.
func (s *socket) start(ctx context.Context, x *exchange) error {
	waiting, err := s.register(x)
	if err != nil || s.writeNow(x, waiting) {
		return err
	}
	s.queued.Add(1)
	select {
	case s.queue <- x:
		return nil
	case <-ctx.Done():
		s.queued.Add(-1)
		s.forget(x)
		return mark(ended(ctx), ErrNotExecuted)
	case <-s.done:
		return s.lostError(x)
	}
}

// register has the answer find the exchange, and tells how many wait for theirs.
func (s *socket) register(x *exchange) (waiting int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.lost != nil:
		return 0, s.lostErrorOf(s.lost, true)
	case x.request == nil:
		s.hellos = append(s.hellos, x)
	default:
		s.waiting[x.id] = x
	}
	return len(s.waiting), nil
}

// forget gives up on an exchange whose message was not handed over. A hello cannot be taken out of its order: what
// fails to send one loses the socket.
func (s *socket) forget(x *exchange) {
	x.state.Store(givenUp)
	if x.request == nil {
		s.lose(errSocketClosed)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, x.id)
}

// await waits for the answer of an exchange. When the context ends before, the answer finds nobody as it comes, and
// the other exchanges are not disturbed.
func (s *socket) await(ctx context.Context, x *exchange) (envelope, error) {
	select {
	case env := <-x.answer:
		return env, nil
	case <-ctx.Done():
	case <-s.done:
		return s.lastAnswer(x)
	}
	if x.state.CompareAndSwap(queued, givenUp) {
		s.forget(x)
		return envelope{}, mark(ended(ctx), ErrNotExecuted)
	}
	return envelope{}, ended(ctx)
}

// lastAnswer gives the answer that came just before the socket was lost.
func (s *socket) lastAnswer(x *exchange) (envelope, error) {
	select {
	case env := <-x.answer:
		return env, nil
	default:
		return envelope{}, s.lostError(x)
	}
}

// lostError is the error of an exchange on a lost socket. It tells whether the message cannot have gone out.
func (s *socket) lostError(x *exchange) error {
	x.state.CompareAndSwap(queued, givenUp)
	return s.lostErrorOf(s.err(), x.state.Load() == givenUp)
}

func (s *socket) lostErrorOf(reason error, unsent bool) error {
	if unsent {
		return unsentError(fmt.Errorf("%w: the connection was lost before: %v", ErrStreamClosed, reason), reason)
	}
	return mark(fmt.Errorf("the connection was lost: %w", reason), ErrStreamClosed)
}

// unsentError has err be that of a request that was not sent. Of the reason, only whether it is the end of the client
// counts for errors.Is: the rest is about other requests.
func unsentError(err, reason error) error {
	if errors.Is(reason, ErrClientClosed) {
		return mark(err, ErrStreamClosed, ErrNotExecuted, ErrClientClosed)
	}
	return mark(err, ErrStreamClosed, ErrNotExecuted)
}

// response waits for the response of a request, and decodes it on the goroutine of the caller.
func (s *socket) response(ctx context.Context, x *exchange) (*Response, error) {
	env, err := s.await(ctx, x)
	if err != nil {
		return nil, err
	}
	withoutToken(env.err, s.currentToken())
	if env.kind == MsgResponseError {
		return nil, s.answeredError(env.err)
	}
	res, err := s.encoding.reading(newMeter(ctx, len(env.response))).parseResponse(env, x.request)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("parse the response: %w", err) // which is given up like one that has not come yet
	}
	if err != nil {
		err = fmt.Errorf("parse the response: %w", err)
		s.lose(err)
		return nil, mark(err, ErrStreamClosed)
	}
	res.redact(s.currentToken())
	return res, nil
}

// answeredError is the error that a response is. One about the token was given before the request was looked at.
func (s *socket) answeredError(e *Error) error {
	if !strings.HasPrefix(e.Code, "AUTH_") {
		return e
	}
	return mark(e, ErrUnauthorized, ErrNotExecuted)
}

// currentToken is the token that the server was given last.
func (s *socket) currentToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// tell sends a request whose response matters to nobody, even when ctx is over.
func (s *socket) tell(ctx context.Context, r *Request) {
	s.tasks.run(func() { s.call(context.WithoutCancel(ctx), r) })
}
