package hrana

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/floedb/floe/internal/authtoken"
)

// Defaults of the options.
const (
	DefaultMaxMessageSize = 64 << 20
	DefaultDialTimeout    = 10 * time.Second
	DefaultPingInterval   = 20 * time.Second
)

// Option changes how [Open] makes a client.
type Option func(*config)

type config struct {
	token        string
	tokenSource  authtoken.Source // nil for a token that stays
	namespace    string
	encoding     Encoding // 0 is the best one that the server has
	maxVersion   int
	tls          *tls.Config
	roundTripper http.RoundTripper
	timeout      time.Duration
	dialTimeout  time.Duration
	pingInterval time.Duration
	maxMessage   int64
	compression  *bool
	trusted      []string
	log          *slog.Logger
}

func defaults() config {
	return config{
		maxVersion: 3, maxMessage: DefaultMaxMessageSize, dialTimeout: DefaultDialTimeout,
		pingInterval: DefaultPingInterval, log: slog.New(slog.DiscardHandler),
	}
}

// WithAuthToken has every request carry the token. An empty one is none.
func WithAuthToken(token string) Option {
	return func(c *config) { c.token, c.tokenSource = token, nil }
}

// WithTokenSource has every request carry the token that source gives. It is called before the first request, again
// when the server refuses a token (the request is then sent once more, with the new one) and by
// [Client.Reauthenticate], by one goroutine at a time.
func WithTokenSource(source func(context.Context) (string, error)) Option {
	return func(c *config) { c.tokenSource = source }
}

// WithNamespace names the database on a server that has several and is not reached by a host name of its own.
func WithNamespace(name string) Option { return func(c *config) { c.namespace = name } }

// WithEncoding allows this encoding only. Without it, Protobuf is used where the server has it.
func WithEncoding(e Encoding) Option { return func(c *config) { c.encoding = e } }

// WithTLSConfig is used for https and wss. It is cloned.
func WithTLSConfig(t *tls.Config) Option { return func(c *config) { c.tls = t.Clone() } }

// WithRoundTripper sends the requests of HTTP, and the first one of a WebSocket, by rt instead of by a transport of
// the client's own, which makes the options about TLS, dialing and compression idle. It must not follow redirects or
// send a request twice, as an http.Transport does not.
func WithRoundTripper(rt http.RoundTripper) Option { return func(c *config) { c.roundTripper = rt } }

// WithTimeout bounds each request, a cursor's up to the beginning of its answer. Without it, a request takes as long
// as its context allows.
func WithTimeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// WithDialTimeout bounds the making of a connection, by default to [DefaultDialTimeout].
func WithDialTimeout(d time.Duration) Option { return func(c *config) { c.dialTimeout = d } }

// WithPingInterval is how often a WebSocket is tested: one that leaves a ping unanswered for as long is given up. By
// default it is [DefaultPingInterval]; 0 sends no pings.
func WithPingInterval(d time.Duration) Option { return func(c *config) { c.pingInterval = d } }

// WithMaxMessageSize bounds an answer in memory, by default to [DefaultMaxMessageSize] bytes: a whole one, or one
// entry of a cursor over HTTP. A larger one is an error that wraps [ErrTooLarge].
func WithMaxMessageSize(n int64) Option { return func(c *config) { c.maxMessage = n } }

// WithCompression tells whether answers over HTTP may come compressed. By default they may, unless the server is on a
// loopback address. Answers that a server compresses unasked are understood either way.
func WithCompression(on bool) Option { return func(c *config) { c.compression = &on } }

// WithLogger has l told of connections that break, requests that are sent again and streams that are lost. No value and
// no token is in what it is told. Without the option nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) {
		if l != nil {
			c.log = l
		}
	}
}

// WithTrustedHost allows the auth token to go to another origin, "https://HOST[:PORT]", when the server sends a stream
// there. Without it, requests to another origin than that of the URL carry no token.
func WithTrustedHost(origin string) Option {
	return func(c *config) { c.trusted = append(c.trusted, strings.TrimSuffix(origin, "/")) }
}

// parseURL takes a database's URL apart: the URL of HTTP or WebSocket to use, without the query, and the token in it.
// Its errors do not quote the URL, which can hold the token.
func parseURL(text string) (u *url.URL, token string, err error) {
	u, err = url.Parse(text)
	if err != nil {
		var parseErr *url.Error
		if errors.As(err, &parseErr) {
			err = parseErr.Err
		}
		return nil, "", fmt.Errorf("parse the database URL: %w", err)
	}
	if u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, "", errors.New("a database URL has a host, no user and no fragment")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, "", errors.New("the query of the database URL cannot be parsed")
	}
	scheme, err := scheme(u.Scheme, query)
	if err != nil {
		return nil, "", err
	}
	token = query.Get("authToken")
	return &url.URL{Scheme: scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")}, token, nil
}

// scheme gives the scheme to use for that of a database URL, and checks the parameters of the URL.
func scheme(name string, query url.Values) (string, error) {
	allowed := []string{"authToken"}
	if name == "libsql" {
		allowed = append(allowed, "tls")
	}
	for key := range query {
		if !slices.Contains(allowed, key) {
			return "", fmt.Errorf("a database URL with scheme %s has no parameter %q", name, key)
		}
	}
	switch name {
	case "http", "https", "ws", "wss":
		return name, nil
	case "libsql":
		return libsqlScheme(query.Get("tls"))
	}
	return "", fmt.Errorf("unknown scheme %q of a database URL: it is one of libsql, https, http, wss and ws", name)
}

func libsqlScheme(useTLS string) (string, error) {
	switch useTLS {
	case "", "1":
		return "https", nil
	case "0":
		return "http", nil
	}
	return "", errors.New("the parameter tls of a database URL is 0 or 1")
}

// origin is the part of a URL that decides whether the token goes with a request.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// mayHaveToken tells whether the token given for base may go to target.
func (c *config) mayHaveToken(base, target *url.URL) bool {
	if origin(base) == origin(target) {
		return true
	}
	return slices.ContainsFunc(c.trusted, func(t string) bool {
		u, err := url.Parse(t)
		return err == nil && origin(u) == origin(target)
	})
}

func (c *config) header() http.Header {
	h := http.Header{}
	if c.namespace != "" {
		h.Set("x-namespace-bin", base64.RawStdEncoding.EncodeToString([]byte(c.namespace)))
	}
	return h
}
