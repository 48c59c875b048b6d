package hrana

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// httpStream is a stream over HTTP. The baton ties its requests together; each is good for one request.
type httpStream struct {
	transport *httpTransport
	dialect   *dialect
	base      *url.URL
	baton     string // empty before the first request
	sqlID     StoredID

	mu     sync.Mutex // for Err, which may be called at any time
	closed error      // why the stream can no longer be used
}

func (s *httpStream) version() int { return s.dialect.version }

func (s *httpStream) nextSQLID() StoredID {
	s.sqlID++
	return s.sqlID
}

func (s *httpStream) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// lose makes the stream unusable and gives err as the error of the call that did.
func (s *httpStream) lose(err error) error {
	s.transport.batons.take(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed == nil {
		s.closed = fmt.Errorf("%w: %w", ErrStreamClosed, err)
		if err != errEnded && !errors.Is(err, ErrClientClosed) {
			s.transport.cfg.log.Info("stream lost", "host", s.base.Host, reason(err))
		}
	}
	return mark(err, ErrStreamClosed)
}

// errEnded is why a stream is closed that its user has closed.
var errEnded = errors.New("closed")

// usable gives the error of a call on a stream that can no longer be used. Why it cannot does not become part of it
// for errors.Is: this call did not run, whatever became of the one that lost the stream.
func (s *httpStream) usable() error {
	if err := s.err(); err != nil {
		return unsentError(errors.New(err.Error()), err)
	}
	return nil
}

func (s *httpStream) do(ctx context.Context, r *Request) (*Response, error) {
	requests := []Request{*r}
	if err := s.usable(); err != nil {
		return nil, err
	}
	enc := s.dialect.encoding
	body, err := enc.AppendPipelineRequest(nil, &PipelineRequest{Baton: s.baton, Requests: requests})
	if err != nil {
		return nil, mark(err, ErrNotExecuted)
	}
	a, err := s.send(ctx, "pipeline", body)
	if err != nil {
		return nil, err
	}
	defer a.close()
	buf := buffers.Get().(*bytes.Buffer)
	defer putBuffer(buf)
	if err := readAll(buf, a.body, s.transport.cfg.maxMessage); err != nil {
		return nil, s.lose(fmt.Errorf("read the answer: %w", err))
	}
	res, err := enc.pipelineResponse(ctx, buf.Bytes(), requests)
	if err != nil {
		return nil, s.lose(err)
	}
	withoutToken(res.Results[0].Error, a.token)
	res.Results[0].Response.redact(a.token)
	return s.result(&res)
}

// buffers hold whole answers, of which no decoder keeps anything.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxKept is the largest buffer that is kept for later answers.
const maxKept = 1 << 20

func putBuffer(buf *bytes.Buffer) {
	if buf.Cap() <= maxKept {
		buffers.Put(buf)
	}
}

func readAll(buf *bytes.Buffer, r io.Reader, limit int64) error {
	buf.Reset()
	n, err := buf.ReadFrom(io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return err
}

// result takes over where the stream goes on, and gives the one result of the answer.
func (s *httpStream) result(res *PipelineResponse) (*Response, error) {
	result := res.Results[0]
	if result.Response != nil && result.Response.Kind == ReqCloseStream {
		return result.Response, nil // the caller ends the stream
	}
	moveErr := s.goOn(res.Baton, res.BaseURL)
	switch {
	case result.Error != nil:
		return nil, result.Error
	case moveErr != nil:
		// The request ran: its result counts, and the next one finds the stream closed.
		return result.Response, nil
	}
	return result.Response, nil
}

// goOn notes the baton and the URL for the next request. Without a baton the server closed the stream.
func (s *httpStream) goOn(baton, baseURL string) error {
	s.baton = baton
	if baton == "" {
		return s.lose(errClosedByServer)
	}
	if baseURL != "" {
		base, err := s.move(baseURL)
		if err != nil {
			return s.lose(err)
		}
		s.base = base
	}
	s.transport.batons.put(s)
	return nil
}

var errClosedByServer = errors.New("closed by the server")

// move gives the URL that the server sends the stream to. A stream that came over TLS does not leave it.
func (s *httpStream) move(to string) (*url.URL, error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, fmt.Errorf("%w: the base URL of the stream cannot be parsed", ErrMalformed)
	}
	good := (u.Scheme == "https" || u.Scheme == "http" && s.base.Scheme == "http") && u.Host != "" && u.User == nil
	if !good {
		return nil, fmt.Errorf("%w: the base URL of the stream has scheme %q and host %q", ErrMalformed, u.Scheme, u.Host)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")}, nil
}

// send posts a body to an endpoint of the stream.
func (s *httpStream) send(ctx context.Context, endpoint string, body []byte) (*answer, error) {
	s.transport.batons.take(s)
	a, err := s.transport.send(ctx, &call{
		method: http.MethodPost, url: s.base.JoinPath(s.dialect.path, endpoint), body: body,
		expects: s.dialect.encoding, cursor: endpoint == "cursor",
	})
	if err == nil {
		return a, nil
	}
	if err = s.failed(err); s.baton != "" && s.err() == nil {
		s.transport.batons.put(s)
	}
	return nil, err
}

// failed decides what an error of a request means for the stream, which only goes on when nothing was sent, or what was
// sent was refused unread.
func (s *httpStream) failed(err error) error {
	var status *HTTPError
	switch {
	case errors.Is(err, ErrClientClosed):
		return s.lose(err)
	case errors.Is(err, ErrNotExecuted):
		return err
	case !errors.As(err, &status):
		return s.lose(err)
	case s.baton != "" && isExpired(status):
		s.baton = "" // there is nothing left to close
		return s.lose(mark(err, ErrStreamExpired, ErrNotExecuted))
	case refused(status):
		return mark(err, ErrNotExecuted) // the baton was not used up: the next request has it, or opens the stream
	case status.Status == http.StatusForbidden:
		return s.lose(mark(err, ErrNotExecuted)) // libSQL's server looked at the statements, and forgets the stream
	case status.Status == http.StatusNotFound:
		s.transport.negotiated.Store(nil) // another server than the one that was asked
		return s.lose(mark(err, ErrNotExecuted))
	}
	return s.lose(err)
}

// isExpired tells the answers to a baton of a stream that is gone. libSQL's server answers with the code for five
// minutes after a stream expired, and with the text after that and after a restart.
func isExpired(e *HTTPError) bool {
	return e.Status == http.StatusBadRequest &&
		(e.Code == "STREAM_EXPIRED" || e.Message == "Received an invalid baton")
}

// refused tells the answers that are given before a request is looked at, by the server or by a proxy before it: for
// want of a good token, for coming too often, or for the size of its head or body. libSQL's server takes the same baton
// after it, with another token.
func refused(e *HTTPError) bool {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusRequestEntityTooLarge, http.StatusMisdirectedRequest,
		http.StatusTooEarly, http.StatusTooManyRequests, http.StatusRequestHeaderFieldsTooLarge:
		return true
	}
	return false
}

func (s *httpStream) close(ctx context.Context) error {
	if s.err() != nil {
		s.closeLost(ctx)
		return nil
	}
	if s.baton == "" {
		s.lose(errEnded)
		return nil
	}
	_, err := s.do(ctx, &Request{Kind: ReqCloseStream})
	s.lose(errEnded)
	s.baton = ""
	return err
}

// closeLost closes a stream that was lost, if the server still has it: a proxy may have answered in its place, or the
// request not have come there. The server would keep the transaction, and its locks, for some seconds.
func (s *httpStream) closeLost(ctx context.Context) {
	if s.baton == "" || s.transport.life.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	s.transport.closeStream(ctx, waitingStream{s.dialect, s.base, s.baton})
	s.baton = ""
}

func (s *httpStream) cursor(ctx context.Context, b *Batch) (entries, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	enc := s.dialect.encoding
	body, err := enc.AppendCursorRequest(nil, &CursorRequest{Baton: s.baton, Batch: b})
	if err != nil {
		return nil, mark(err, ErrNotExecuted)
	}
	a, err := s.send(ctx, "cursor", body)
	if err != nil {
		return nil, err
	}
	e := &httpEntries{ctx: ctx, stream: s, answer: a, encoding: enc, r: bufio.NewReaderSize(a.body, 64<<10)}
	head, err := e.head()
	if err != nil {
		a.close()
		return nil, s.lose(fmt.Errorf("read the answer: %w", err))
	}
	// Where the stream cannot go on the next request says so; the cursor can be read.
	_ = s.goOn(head.Baton, head.BaseURL)
	return e, nil
}

// httpEntries reads the entries of a cursor: lines of JSON, or messages of Protobuf with their length before them.
type httpEntries struct {
	ctx      context.Context // of the cursor
	stream   *httpStream
	answer   *answer
	encoding Encoding
	r        *bufio.Reader
	buf      []byte
	m        meter
}

func (e *httpEntries) head() (CursorResponse, error) {
	b, err := e.message()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return CursorResponse{}, err
	}
	return e.encoding.ParseCursorResponse(b)
}

func (e *httpEntries) next(entry *CursorEntry) error {
	b, err := e.message()
	if err != nil {
		return err
	}
	e.m.begin(e.ctx, len(b))
	err = e.encoding.reading(&e.m).parseCursorEntry(b, entry)
	withoutToken(entry.Error, e.answer.token)
	return wrap("parse cursor entry", err)
}

// Bounds of what is read of a result that nobody wants, for its connection to be of use again.
const (
	maxUnwanted     = 64 << 10
	maxUnwantedWait = 5 * time.Millisecond
)

// close reads what is left if it is little and there already. Otherwise the connection goes, by which the server finds
// out that it can stop.
func (e *httpEntries) close() error {
	timer := time.AfterFunc(maxUnwantedWait, e.answer.abort)
	_, _ = io.CopyN(io.Discard, e.r, maxUnwanted)
	timer.Stop()
	e.answer.close()
	return nil
}

func (e *httpEntries) unfinished() bool { return false }

// message reads the next message, good until the one after it.
func (e *httpEntries) message() ([]byte, error) {
	if e.encoding == JSON {
		return e.line()
	}
	n, err := binary.ReadUvarint(e.r)
	if err != nil {
		return nil, err
	}
	limit := e.stream.transport.cfg.maxMessage
	if n > uint64(limit) {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	if n <= uint64(e.r.Size()) {
		b, err := e.r.Peek(int(n))
		if err != nil {
			return nil, unexpected(err)
		}
		_, err = e.r.Discard(int(n))
		return b, err
	}
	return e.large(int(n))
}

// large reads a message that does not fit into the reader. Memory grows with what came, not with what was announced.
func (e *httpEntries) large(n int) ([]byte, error) {
	buf := bytes.NewBuffer(e.buf[:0])
	_, err := io.CopyN(buf, e.r, int64(n))
	e.buf = buf.Bytes()
	return e.buf, unexpected(err)
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// line reads a line. The last one can lack its end.
func (e *httpEntries) line() ([]byte, error) {
	e.buf = e.buf[:0]
	for {
		part, err := e.r.ReadSlice('\n')
		if err == nil && len(e.buf) == 0 {
			return part, nil
		}
		e.buf = append(e.buf, part...)
		switch {
		case int64(len(e.buf)) > e.stream.transport.cfg.maxMessage:
			return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, e.stream.transport.cfg.maxMessage)
		case err == io.EOF && len(e.buf) > 0:
			return e.buf, nil
		case err != bufio.ErrBufferFull:
			return e.buf, err
		}
	}
}
