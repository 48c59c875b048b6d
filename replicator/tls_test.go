package replicator

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
)

// overTLS puts a server that speaks TLS and HTTP/2 before srv.
func overTLS(t *testing.T, srv *sqldtest.Server) *httptest.Server {
	t.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
	}
	front := httptest.NewUnstartedServer(proxy)
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	return front
}

func TestReplicaFollowsOverTLSAndHTTP2(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5, 6<<20)
	front := overTLS(t, srv)
	r := openTest(t, srv, func(c *Config) {
		c.Remote.URL = front.URL
		c.Remote.HTTPClient = front.Client()
	})
	if r.client.doubleRead(r.cfg.DoubleRead) {
		t.Error("frames are read twice over TLS")
	}
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)

	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- r.Watch(ctx) }()
	fill(t, srv, 5, 0)
	waiting, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := r.SyncUntil(waiting, srv.FrameNo(t)); err != nil {
		t.Error("sync while watching:", err)
	}
	stop()
	if err := <-watched; !errors.Is(err, context.Canceled) {
		t.Error("watch ended with", err)
	}
	checkEqual(t, r.cfg.Path, srv)
}

func TestUntrustedCertificateIsRefused(t *testing.T) {
	srv := sqldtest.Start(t)
	front := overTLS(t, srv)
	r := openTest(t, srv, func(c *Config) { c.Remote.URL = front.URL; c.Retries = NoRetries })
	if _, err := r.Sync(t.Context()); !errors.Is(err, ErrNotLibSQL) {
		t.Errorf("error %v, want %v", err, ErrNotLibSQL)
	}
}

func TestLogThatBeginsAnewIsFollowed(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithMaxLogSize(1))
	fill(t, srv, 3, 2<<20) // the server compacts its log behind this
	r := openTest(t, srv)
	mustSync(t, r)
	fill(t, srv, 3, 0) // the checksum chain begins anew with these
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)

	again := open(t, Config{Path: r.cfg.Path + "2", Remote: r.cfg.Remote})
	mustSync(t, again)
	checkEqual(t, again.cfg.Path, srv)
}
