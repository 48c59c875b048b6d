package hrana

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/floedb/floe/internal/authtoken"
	"github.com/floedb/floe/internal/printable"
)

// httpTransport is the protocol over HTTP: "Hrana over HTTP" in
// https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md
type httpTransport struct {
	cfg    *config
	base   *url.URL
	header http.Header
	client *http.Client
	tokens *authtoken.Tokens
	gzip   bool

	life   context.Context // ends with the client
	end    context.CancelCauseFunc
	batons batons

	negotiated atomic.Pointer[dialect]
	lock       chan struct{} // has an element while a goroutine negotiates
}

// dialect is a version of the protocol in an encoding.
type dialect struct {
	version  int
	encoding Encoding
	path     string
}

// dialects are those there are, the best one first.
var dialects = []dialect{{3, Protobuf, "v3-protobuf"}, {3, JSON, "v3"}, {2, JSON, "v2"}}

const (
	// maxIdlePerHost keeps as many connections as streams are likely to be used at once.
	maxIdlePerHost = 64
	// errorExcerpt bounds the part of a foreign answer that is read and shown.
	errorBody, errorExcerpt = 64 << 10, 300
	// Waits before a request is sent again that the server refused for the time being.
	maxAttempts            = 3
	firstPause, maxWaiting = 50 * time.Millisecond, 2 * time.Second
)

func newHTTPTransport(base *url.URL, cfg *config) *httpTransport {
	t := &httpTransport{
		cfg: cfg, base: base, header: cfg.header(), tokens: authtoken.New(cfg.token, cfg.tokenSource), lock: make(chan struct{}, 1),
		gzip: !isLoopback(base.Hostname()),
	}
	t.life, t.end = context.WithCancelCause(context.Background())
	if cfg.compression != nil {
		t.gzip = *cfg.compression
	}
	t.client = newHTTPClient(cfg)
	return t
}

// newHTTPClient makes a client that gives redirects as answers: following one would send statements, and maybe the
// token, where nobody wanted them, and a POST again as a GET.
func newHTTPClient(cfg *config) *http.Client {
	rt := cfg.roundTripper
	if rt == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.DialContext = (&net.Dialer{Timeout: cfg.dialTimeout, KeepAlive: 30 * time.Second}).DialContext
		own.TLSHandshakeTimeout = cfg.dialTimeout
		own.MaxIdleConnsPerHost = maxIdlePerHost
		own.DisableCompression = true // this package does it
		if cfg.tls != nil {
			own.TLSClientConfig = cfg.tls
		}
		rt = own
	}
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: rt, CheckRedirect: noRedirect}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// close ends the requests under way, whose connections are closed, and the streams that wait for the next one.
func (t *httpTransport) close() error {
	t.end(ErrClientClosed)
	t.closeStreams()
	if t.cfg.roundTripper == nil {
		t.client.CloseIdleConnections()
	}
	return nil
}

func (t *httpTransport) reauthenticate(ctx context.Context) error {
	token, err := t.tokens.Get(ctx)
	if err == nil {
		_, err = t.tokens.Renew(ctx, token)
	}
	return err
}

func (t *httpTransport) openStream(ctx context.Context) (streamConn, error) {
	d, err := t.negotiate(ctx)
	if err != nil {
		return nil, err
	}
	return &httpStream{transport: t, dialect: d, base: t.base}, nil
}

// negotiate finds the best dialect that the server speaks, and remembers it.
func (t *httpTransport) negotiate(ctx context.Context) (*dialect, error) {
	if d := t.negotiated.Load(); d != nil {
		return d, nil
	}
	select {
	case t.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, mark(ended(ctx), ErrNotExecuted)
	}
	defer func() { <-t.lock }()
	if d := t.negotiated.Load(); d != nil {
		return d, nil
	}
	for i := range dialects {
		d := &dialects[i]
		if d.version > t.cfg.maxVersion || t.cfg.encoding != 0 && d.encoding != t.cfg.encoding {
			continue
		}
		ok, err := t.speaks(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("ask for the protocol's version: %w", mark(err, ErrNotExecuted))
		}
		if ok {
			t.cfg.log.Debug("protocol agreed on", "host", t.base.Host, "version", d.version, "encoding", d.encoding.String())
			t.negotiated.Store(d)
			return d, nil
		}
		t.cfg.log.Info("the server lacks a variant of the protocol", "host", t.base.Host, "version", d.version, "encoding", d.encoding.String())
	}
	return nil, mark(fmt.Errorf("%w: no version of the protocol in common", ErrUnsupported), ErrNotExecuted)
}

// speaks asks the server for a dialect. An error is one that tells nothing about it.
func (t *httpTransport) speaks(ctx context.Context, d *dialect) (bool, error) {
	res, err := t.send(ctx, &call{method: http.MethodGet, url: t.base.JoinPath(d.path)})
	if err == nil {
		res.close()
		return true, nil
	}
	var status *HTTPError
	if errors.As(err, &status) {
		switch status.Status {
		case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest, http.StatusNotImplemented:
			return false, nil
		}
	}
	return false, err
}

// call is a request of HTTP, and what is known about its fate.
type call struct {
	method  string
	url     *url.URL
	body    []byte
	expects Encoding // of the answer
	cursor  bool     // the answer is that of a cursor
}

// answer is an answer with status 200 and the content type asked for.
type answer struct {
	body  io.Reader
	token string // of the request
	abort func() // ends a Read that waits
	close func()
}

// send makes a call. A call is made again only when the server is known not to have run it: when it refused the
// token and there is a new one, and when it answered 429.
func (t *httpTransport) send(ctx context.Context, c *call) (*answer, error) {
	if t.life.Err() != nil {
		return nil, mark(ErrClientClosed, ErrNotExecuted)
	}
	token, err := t.tokenFor(ctx, c.url, t.tokens.Get)
	if err != nil {
		return nil, mark(err, ErrNotExecuted)
	}
	pause := firstPause
	for attempt := 1; ; attempt++ {
		res, wait, err := t.sendWhileAlive(ctx, c, token)
		if err == nil || attempt == maxAttempts {
			return res, err
		}
		renew := func(ctx context.Context) (string, error) { return t.tokens.Renew(ctx, token) }
		switch statusOf(err) {
		case http.StatusUnauthorized:
			other, renewErr := t.tokenFor(ctx, c.url, renew)
			if renewErr != nil {
				return nil, fmt.Errorf("%w; and then: %w", err, renewErr)
			}
			if other == token {
				return nil, err
			}
			t.cfg.log.Info("auth token renewed", "host", c.url.Host)
			token, attempt = other, maxAttempts-1 // this is the last one
		case http.StatusTooManyRequests:
			if !sleep(ctx, max(pause, wait)) {
				return nil, err
			}
			t.cfg.log.Info("request sent again", "host", c.url.Host, reason(err))
			pause *= 2
		default:
			return nil, err
		}
	}
}

func statusOf(err error) int {
	var e *HTTPError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// sleep waits, unless that takes too long or the context ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); d > maxWaiting || ok && time.Until(deadline) < d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tokenFor gives the token for a request to u: none when it was given for another origin.
func (t *httpTransport) tokenFor(ctx context.Context, u *url.URL, get func(context.Context) (string, error)) (string, error) {
	if !t.cfg.mayHaveToken(t.base, u) {
		return "", nil
	}
	return get(ctx)
}

// sendWhileAlive makes a call once, which ends with the client.
func (t *httpTransport) sendWhileAlive(ctx context.Context, c *call, token string) (*answer, time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(t.life, func() { cancel(ErrClientClosed) })
	a, wait, err := t.sendOnce(ctx, c, token)
	if err != nil {
		stop()
		cancel(nil)
		return nil, wait, err
	}
	end := a.close
	a.close = func() { stop(); end(); cancel(nil) }
	return a, wait, nil
}

// sendOnce makes a call once. wait is how long the server asks to wait before the next one.
func (t *httpTransport) sendOnce(ctx context.Context, c *call, token string) (_ *answer, wait time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := func() bool { return true }
	if t.cfg.timeout > 0 {
		timer := time.AfterFunc(t.cfg.timeout, func() { cancel(errTimeout) })
		stop = timer.Stop
	}
	end := func() { stop(); cancel(nil) }
	defer func() {
		if err != nil {
			end()
		}
	}()
	// A connection is there, so that bytes of the request can have gone out.
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := t.newRequest(ctx, c, token)
	if err != nil {
		return nil, 0, mark(err, ErrNotExecuted)
	}
	res, err := t.client.Do(req)
	if err != nil {
		return nil, 0, transportError(ctx, err, connected.Load())
	}
	a, err := t.open(c, res, token)
	if err != nil {
		return nil, retryAfter(res), withCause(ctx, err)
	}
	if c.cursor {
		stop()
	}
	body := a.body
	a.body = readerFunc(func(b []byte) (int, error) {
		n, err := body.Read(b)
		if err != nil && err != io.EOF {
			err = withCause(ctx, err)
		}
		return n, err
	})
	a.abort, a.close = end, func() { res.Body.Close(); end() }
	return a, 0, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func (t *httpTransport) newRequest(ctx context.Context, c *call, token string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, c.url.String(), bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	req.Header = t.header.Clone()
	if c.body != nil {
		req.Header.Set("Content-Type", contentTypes[c.expects])
	}
	if t.gzip && !c.cursor {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

var contentTypes = map[Encoding]string{JSON: "application/json", Protobuf: "application/x-protobuf"}

var errTimeout = fmt.Errorf("no answer in the time of WithTimeout: %w", context.DeadlineExceeded)

// withCause has the error of something that a context ended say so.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	reason := ended(ctx)
	if errors.Is(err, reason) {
		return err
	}
	return fmt.Errorf("%w: %w", reason, err)
}

// ended is why a context is over. It is always context.Canceled or context.DeadlineExceeded for errors.Is, also where
// a cause was given that is neither, unless that is the end of the client and no context of the caller's.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) || errors.Is(cause, ErrClientClosed) {
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}

// transportError is the error of a request without an answer. Without a connection nothing of it was sent. With one,
// it may have run.
func transportError(ctx context.Context, err error, connected bool) error {
	err = withCause(ctx, err)
	switch {
	case connected:
		return err
	case ctx.Err() != nil:
		return mark(err, ErrNotExecuted)
	}
	return mark(err, ErrUnreachable, ErrNotExecuted)
}

// open looks at the head of an answer and closes it when it is not what c expects.
func (t *httpTransport) open(c *call, res *http.Response, token string) (*answer, error) {
	body, err := decompress(res, token)
	if err != nil {
		res.Body.Close()
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode/100 == 2 && (c.expects == 0 || goodType(c, kind)) {
		return &answer{body: body, token: token}, nil
	}
	defer res.Body.Close()
	return nil, foreign(res.StatusCode, kind, body, token)
}

// goodType tells whether an answer of a content type can be one of the protocol. libSQL's server calls the answers
// of cursors text/plain and application/octet-stream.
func goodType(c *call, kind string) bool {
	switch kind {
	case "":
		return true
	case "application/octet-stream", "application/protobuf":
		return c.expects == Protobuf
	case "text/plain", "application/x-ndjson":
		return c.expects == JSON && c.cursor
	}
	return kind == contentTypes[c.expects]
}

func decompress(res *http.Response, token string) (io.Reader, error) {
	switch enc := res.Header.Get("Content-Encoding"); enc {
	case "", "identity":
		return res.Body, nil
	case "gzip":
		r, err := gzip.NewReader(res.Body)
		if err != nil {
			return nil, fmt.Errorf("read a compressed answer: %w", err)
		}
		return r, nil
	default:
		return nil, fmt.Errorf("%w: content encoding %q", ErrMalformed, quote(enc, token))
	}
}

// foreign is the error of an answer that is no result.
func foreign(status int, kind string, body io.Reader, token string) error {
	b, _ := io.ReadAll(io.LimitReader(body, errorBody)) // half an answer says more than none
	said := errorIn(kind, b)
	return &HTTPError{
		Status: status, ContentType: quote(kind, token), Message: quote(said.Message, token), Code: quote(said.Code, token),
	}
}

// errorIn finds what a body says about an error.
func errorIn(kind string, b []byte) Error {
	switch kind {
	case contentTypes[Protobuf]:
		if e, err := Protobuf.ParseError(b); err == nil {
			return *e
		}
		return Error{}
	case contentTypes[JSON]:
		if e, err := JSON.ParseError(b); err == nil {
			return *e
		}
	}
	return Error{Message: string(b)}
}

// quote is the beginning of what a server or a proxy said, fit for a message: the token is taken out first, as the end
// of the beginning may be in the middle of it.
func quote(s, token string) string { return printable.Line(authtoken.Redact(s, token), errorExcerpt) }

// retryAfter is how long an answer asks to wait, in whole seconds, or 0.
func retryAfter(res *http.Response) time.Duration {
	s, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || s < 0 || s > 3600 {
		return 0
	}
	return time.Duration(s) * time.Second
}
