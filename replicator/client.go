package replicator

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/authtoken"
	"github.com/floedb/floe/internal/printable"
)

// servicePath is where the replication service lives on a server's HTTP port.
const servicePath = "/wal_log.ReplicationLog/"

// Remote says which server to follow and how to reach it.
type Remote struct {
	// URL is the server's address: libsql://host, https://host or http://host:port.
	URL string
	// AuthToken is sent with every request when not empty. It never appears in
	// an error.
	AuthToken string
	// TokenSource, when not nil, gives the token instead of AuthToken: before the
	// first request, and again when the server refuses the one it gave before; the
	// request is then sent once more. One goroutine at a time calls it.
	TokenSource func(context.Context) (string, error)
	// Namespace is the database on the server; "default" when empty.
	Namespace string
	// HTTPClient, when not nil, makes the requests. Its Timeout must be zero:
	// requests may last as long as the replica lives. No redirect is followed.
	HTTPClient *http.Client
}

// client calls the four methods of a server's replication service. It may be
// used by several goroutines at once.
type client struct {
	base      string
	namespace string
	tokens    *authtoken.Tokens
	http      *http.Client
	own       *http.Transport // nil where the HTTP client is the user's
	logger    *slog.Logger
	session   atomic.Pointer[string]
	bytes     atomic.Int64 // received, envelopes included
	patience  time.Duration
}

// newClient checks r and returns a client for it, which tells log, if that is not
// nil, what goes on. It sends nothing.
func newClient(r Remote, log *slog.Logger) (*client, error) {
	base, err := baseURL(r.URL)
	if err != nil {
		return nil, err
	}
	tokens := authtoken.New(r.AuthToken, r.TokenSource)
	if err := authtoken.Check(r.AuthToken); err != nil {
		return nil, err
	}
	c := &client{base: base, namespace: r.Namespace, tokens: tokens, http: r.HTTPClient, logger: log, patience: patience}
	if c.namespace == "" {
		c.namespace = "default"
	}
	if c.http != nil && c.http.Timeout != 0 {
		return nil, fmt.Errorf("the HTTP client has a timeout of %v, which would end every live stream; bound the calls by their contexts", c.http.Timeout)
	}
	var own http.Client
	if c.http != nil {
		own = *c.http
	} else {
		c.own = defaultTransport()
		own.Transport = c.own
	}
	// A redirect is an answer: following one would send the token to whoever it names.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// close closes the connections of a client that nobody uses any more, but for
// those of an HTTP client of the user's.
func (c *client) close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// baseURL turns a libSQL URL into that of the HTTP server behind it.
func baseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		var bad *url.Error // which quotes the URL, and with it what may be secret there
		if errors.As(err, &bad) {
			err = bad.Err
		}
		return "", fmt.Errorf("server URL: %w", err)
	}
	secure := u.Query().Get("tls") != "0"
	switch u.Scheme {
	case "http", "https":
	case "libsql":
		u.Scheme = "https"
		if !secure {
			u.Scheme = "http"
		}
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return "", fmt.Errorf("server URL %q: the scheme must be libsql, https or http", u.Redacted())
	}
	if u.Host == "" {
		return "", fmt.Errorf("server URL %q has no host", u.Redacted())
	}
	if u.User != nil {
		return "", errors.New("server URL: a user name in it is not supported; use an auth token")
	}
	return u.Scheme + "://" + u.Host + strings.TrimSuffix(u.Path, "/"), nil
}

// defaultTransport is net/http's, with room for the parallel requests of a sync,
// bounds on every wait but the one for frames, and a receive window small enough
// that a range that is cut short has not brought megabytes more along.
func defaultTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   fetchWorkers + 2,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		ReadBufferSize:        64 << 10,
		HTTP2:                 &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 20, SendPingTimeout: 15 * time.Second},
	}
}

// trusted tells whether the way to the server keeps bytes whole: TLS does, and
// so does a machine's own loopback.
func (c *client) trusted() bool {
	u, err := url.Parse(c.base)
	if err != nil {
		return false
	}
	if u.Scheme == "https" || u.Hostname() == "localhost" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// warnIfPlain warns of a token that goes over a network in the clear.
func (c *client) warnIfPlain(cfg Config) {
	if u, err := url.Parse(c.base); err == nil {
		authtoken.WarnIfPlain(cfg.Logger, u, cfg.Remote.AuthToken != "" || cfg.Remote.TokenSource != nil)
	}
}

// hello opens a session and tells what the server has.
func (c *client) hello(ctx context.Context) (frames.Hello, error) {
	body, err := c.call(ctx, "Hello", frames.AppendHelloRequest(nil), c.patience)
	if err != nil {
		return frames.Hello{}, err
	}
	defer body.Close()
	size, err := body.next()
	if err != nil {
		return frames.Hello{}, c.noMessage("Hello", err)
	}
	if size > maxHello {
		return frames.Hello{}, fmt.Errorf("hello: %w: an answer of %d bytes", ErrNotLibSQL, size)
	}
	msg, err := body.env.AppendPayload(nil, maxHello)
	if err != nil {
		return frames.Hello{}, c.describe("Hello", err)
	}
	h, err := frames.ParseHelloResponse(msg)
	if err == nil {
		err = checkHello(h)
	}
	if err != nil {
		return frames.Hello{}, fmt.Errorf("hello: %w", err)
	}
	token := string(h.SessionToken)
	c.session.Store(&token)
	return h, nil
}

// Bounds of an answer to hello and of the token in it, which is the text of a UUID.
const (
	maxHello        = 1 << 20
	maxSessionToken = 1 << 10
)

// checkHello refuses what would spoil more than one request: a session token that no later one could carry, and a log
// that a position file cannot name.
func checkHello(h frames.Hello) error {
	switch {
	case h.LogID.IsZero():
		return fmt.Errorf("%w: the log has no id", ErrCorrupt)
	case h.HasCurrent && h.Current > frames.MaxFrameNo:
		return fmt.Errorf("%w: no log has a frame %d", ErrCorrupt, h.Current)
	case len(h.SessionToken) > maxSessionToken:
		return fmt.Errorf("%w: a session token of %d bytes", ErrCorrupt, len(h.SessionToken))
	case authtoken.Check(string(h.SessionToken)) != nil:
		return fmt.Errorf("%w: a session token that no HTTP header can carry", ErrCorrupt)
	}
	return nil
}

// greeted tells whether a server has answered a hello.
func (c *client) greeted() bool { return c.session.Load() != nil }

// sureHello says hello, twice and comparing the answers where that is asked for:
// nothing else vouches for a log id, and a wrong one has a replica begin anew.
func (c *client) sureHello(ctx context.Context, twice bool) (frames.Hello, error) {
	h, err := c.hello(ctx)
	if err != nil || !twice {
		return h, err
	}
	again, err := c.hello(ctx)
	switch {
	case err != nil:
		return frames.Hello{}, err
	case again.LogID != h.LogID || h.HasCurrent && (!again.HasCurrent || again.Current < h.Current):
		return frames.Hello{}, fmt.Errorf("hello: %w: it came as two different ones", ErrCorrupt)
	}
	return again, nil
}

// batch asks for at least 1,024 frames from number next on. They come as one
// message, of which the returned reader gives one after the other.
func (c *client) batch(ctx context.Context, next uint64) (frameReader, error) {
	body, err := c.call(ctx, "BatchLogEntries", frames.AppendLogOffset(nil, next), c.patience)
	if err != nil {
		return nil, err
	}
	size, err := body.next()
	if err != nil {
		body.Close()
		return nil, c.noMessage("BatchLogEntries", err)
	}
	return &batchStream{c: c, body: body, r: frames.NewBatchReader(body, int64(size), nil)}, nil
}

// log streams the frames from number next on, which the server has.
func (c *client) log(ctx context.Context, next uint64) (*messageStream, error) {
	return c.stream(ctx, "LogEntries", next, c.patience)
}

// live streams the frames from number next on as they are committed.
func (c *client) live(ctx context.Context, next uint64) (*messageStream, error) {
	return c.stream(ctx, "LogEntries", next, 0)
}

// snapshot streams the snapshot that covers frame next.
func (c *client) snapshot(ctx context.Context, next uint64) (*messageStream, error) {
	return c.stream(ctx, "Snapshot", next, c.patience)
}

func (c *client) stream(ctx context.Context, method string, next uint64, patience time.Duration) (*messageStream, error) {
	body, err := c.call(ctx, method, frames.AppendLogOffset(nil, next), patience)
	if err != nil {
		return nil, err
	}
	return &messageStream{c: c, method: method, body: body}, nil
}

// call sends one request and returns its answer's body, read up to the first
// message. The waits for one message of the answer last for patience at most; 0 is
// no bound. The request is sent once more when the server refuses the token and
// there is another one.
func (c *client) call(ctx context.Context, method string, msg []byte, patience time.Duration) (*answer, error) {
	token, err := c.token(ctx, c.tokens.Get)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	a, err := c.send(ctx, method, msg, token, patience)
	if !errors.Is(err, ErrAuth) {
		return a, err
	}
	other, renewErr := c.token(ctx, func(ctx context.Context) (string, error) { return c.tokens.Renew(ctx, token) })
	if renewErr != nil {
		return nil, fmt.Errorf("%w; and then: %w", err, renewErr)
	}
	if other == token {
		return nil, err
	}
	return c.send(ctx, method, msg, other, patience)
}

// errNoToken says that the source of tokens gives none.
var errNoToken = errors.New("the source of the auth token keeps silent")

// token asks for a token, for as long as a server may keep silent.
func (c *client) token(ctx context.Context, get func(context.Context) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.patience, errNoToken)
	defer cancel()
	return get(ctx)
}

func (c *client) send(ctx context.Context, method string, msg []byte, token string, patience time.Duration) (*answer, error) {
	ctx, watch := watchSilence(ctx, patience)
	a, err := c.sendWatched(ctx, method, msg, token, watch)
	if err != nil {
		watch.end()
	}
	return a, err
}

func (c *client) sendWatched(ctx context.Context, method string, msg []byte, token string, watch *silence) (*answer, error) {
	req, err := c.request(ctx, method, msg, token)
	if err != nil {
		return nil, err
	}
	watch.begin()
	res, err := c.http.Do(req)
	watch.heard()
	if err != nil {
		return nil, c.describe(method, watch.reason(err))
	}
	if err := checkResponse(method, res, token); err != nil {
		discard(res.Body, watch)
		return nil, err
	}
	a := &answer{body: res.Body, token: token, counter: &c.bytes, watch: watch}
	a.r = bufio.NewReaderSize(countingReader{a}, 64<<10)
	a.env = frames.NewEnvelopeReader(a.r)
	return a, nil
}

// errorBody bounds how long the body of an error answer is waited for.
const errorBody = time.Second

// discard reads what little an error answer holds, so that its connection lives on,
// unless that takes long.
func discard(body io.ReadCloser, watch *silence) {
	watch.atMost(errorBody)
	watch.begin()
	_, _ = io.CopyN(io.Discard, body, 4<<10)
	watch.heard()
	body.Close()
}

func (c *client) request(ctx context.Context, method string, msg []byte, token string) (*http.Request, error) {
	body := frames.AppendEnvelope(nil, msg)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+servicePath+method, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	req.Header.Set("content-type", "application/grpc-web")
	req.Header.Set("accept", "application/grpc-web")
	req.Header.Set("te", "trailers")
	req.Header.Set("x-libsql-client-version", "floe")
	req.Header.Set("x-namespace-bin", base64.RawStdEncoding.EncodeToString([]byte(c.namespace)))
	if token != "" {
		req.Header.Set("x-authorization", "Bearer "+token)
	}
	if s := c.session.Load(); s != nil {
		req.Header.Set("x-session-token", *s)
	}
	return req, nil
}

// checkResponse tells an answer of the replication service from any other, and
// gives the error of one that failed before its first message, without the token.
func checkResponse(method string, res *http.Response, token string) error {
	if code := res.Header.Get("grpc-status"); code != "" && code != "0" {
		s, err := frames.ParseStatus(code, res.Header.Get("grpc-message"))
		if err != nil {
			return fmt.Errorf("%s: %w: %w", method, ErrNotLibSQL, err)
		}
		s.Message = quote(s.Message, token)
		return statusError(method, s)
	}
	status := quote(res.Status, token)
	switch {
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s: %w (HTTP status %s)", method, ErrAuth, status)
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500:
		return fmt.Errorf("%s: HTTP status %s", method, status)
	case res.StatusCode/100 == 3:
		return fmt.Errorf("%s: %w: HTTP status %s: a redirect, which is not followed; give the URL it leads to", method, ErrNotLibSQL, status)
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %w: HTTP status %s", method, ErrNotLibSQL, status)
	}
	if ct := res.Header.Get("content-type"); !strings.HasPrefix(ct, "application/grpc") {
		return fmt.Errorf("%s: %w: it answers %q where the replication protocol is expected", method, ErrNotLibSQL, quote(ct, token))
	}
	return nil
}

// quote makes what a server or a proxy said a part of an error: without the token, and fit for a terminal.
func quote(s, token string) string { return printable.Line(authtoken.Redact(s, token), maxQuote) }

// maxQuote bounds what is quoted of a server's words, in bytes.
const maxQuote = 500

// statusError turns a gRPC status into the error a caller can act on.
func statusError(method string, s frames.Status) error {
	err := &StatusError{Method: method, Code: s.Code, Message: s.Message}
	switch {
	case s.Code == statusFailedPrecondition && s.Message == "NO_HELLO":
		return fmt.Errorf("%w: %w", errNoHello, err)
	case s.Code == statusFailedPrecondition && s.Message == "NEED_SNAPSHOT":
		return fmt.Errorf("%w: %w", errNeedSnapshot, err)
	case s.Code == statusFailedPrecondition && s.Message == "NAMESPACE_DOESNT_EXIST" && method != "Hello":
		// A server that shuts down says so too: a new hello finds out.
		return fmt.Errorf("%w: %w", errNoHello, err)
	case s.Code == statusFailedPrecondition && s.Message == "NAMESPACE_DOESNT_EXIST":
		return fmt.Errorf("%w: %w", ErrNamespaceNotFound, err)
	case s.Code == statusUnauthenticated || s.Code == statusPermissionDenied,
		s.Code == statusInternal && strings.Contains(s.Message, "auth header"): // none was given
		return fmt.Errorf("%w: %w", ErrAuth, err)
	case s.Code == statusUnimplemented:
		return fmt.Errorf("%w: %w: %w", ErrNotLibSQL, ErrRefused, err)
	case s.Code == statusUnavailable && method == "Snapshot",
		s.Code == statusInternal && method == "Snapshot" && strings.Contains(s.Message, "No such file"):
		return fmt.Errorf("%w: %w", errSnapshotPending, err)
	case lasting(s.Code):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// describe gives an error of the transport the words that help: what was called,
// and whether another URL would.
func (c *client) describe(method string, err error) error {
	var (
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case isContextError(err):
		return fmt.Errorf("%s: %w", method, err)
	case errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%s: %w: it speaks no TLS on this port; an http:// URL may be meant: %w", method, ErrNotLibSQL, err)
	case strings.Contains(err.Error(), "malformed HTTP"):
		return fmt.Errorf("%s: %w: no HTTP on this port; an https:// or libsql:// URL may be meant: %w", method, ErrNotLibSQL, err)
	case errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid):
		return fmt.Errorf("%s: %w: its certificate is not trusted: %w", method, ErrNotLibSQL, err)
	case errors.Is(err, frames.ErrEnvelope):
		return fmt.Errorf("%s: %w: %w", method, ErrCorrupt, err)
	}
	return fmt.Errorf("%s: %w", method, err)
}
