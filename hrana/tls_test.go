package hrana

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/internal/faultproxy"
	"github.com/floedb/floe/internal/sqldtest"
)

// startTLS puts something before a real server that speaks TLS, as those do that run in public.
func startTLS(t *testing.T, srv *sqldtest.Server) (addr string, trusting *tls.Config) {
	t.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The whole request first: an answer that begins before the transport has seen the end of a request breaks its
		// connection, and the head of a cursor's answer is quick.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	front.Config.ErrorLog = proxy.ErrorLog
	front.StartTLS()
	t.Cleanup(front.Close)
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())
	return front.Listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "example.com"}
}

func TestTLS(t *testing.T) {
	srv := sqldtest.Start(t)
	addr, trusting := startTLS(t, srv)
	for _, scheme := range []string{"libsql", "https", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			s := openStream(t, mustOpen(t, scheme+"://"+addr, WithTLSConfig(trusting)))
			if got := mustExecute(t, s, "SELECT 42").Rows[0][0].Int64(); got != 42 {
				t.Errorf("got %d, want 42", got)
			}
			cur, err := s.Cursor(testContext(t), Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: "SELECT 1 UNION ALL SELECT 2"}}}})
			if err != nil {
				t.Fatal(err)
			}
			defer cur.Close()
			n := 0
			for _, err := range cur.Rows() {
				if n++; err != nil {
					t.Error(err)
				}
			}
			if n != 2 {
				t.Errorf("%d rows, want 2", n)
			}
		})
	}
}

func TestServerThatIsNotTrustedIsRefused(t *testing.T) {
	srv := sqldtest.Start(t)
	addr, trusting := startTLS(t, srv)
	other := trusting.Clone()
	other.ServerName = "another.example"
	for what, conf := range map[string]*tls.Config{"unknown authority": {}, "another name": other} {
		for _, scheme := range []string{"https", "wss"} {
			_, err := mustOpen(t, scheme+"://"+addr, WithTLSConfig(conf), WithAuthToken("secret-token")).OpenStream(testContext(t))
			var cert *tls.CertificateVerificationError
			if !errors.As(err, &cert) || !errors.Is(err, ErrNotExecuted) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s, %s: %v, want a CertificateVerificationError and ErrNotExecuted, without the token", what, scheme, err)
			}
		}
	}
}

// TestFlippedBytesAreNoticedOverTLS flips bytes both ways. Without TLS a server would run what it was not sent.
func TestFlippedBytesAreNoticedOverTLS(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(id TEXT)")
	addr, trusting := startTLS(t, srv)
	want := 100
	if testing.Short() {
		want = 20
	}
	for i, scheme := range []string{"https", "wss"} {
		plan := faultproxy.RandomPlan(uint64(i), 6000, faultproxy.Flip)
		proxy := faultproxy.Start(t, addr, func(n int) []faultproxy.Fault {
			faults := plan(n)
			for j := range faults {
				faults[j].Dir = faultproxy.Direction(j % 2)
			}
			return faults
		})
		acknowledged := 0
		for n := 0; proxy.Injected() < want && n < 5000; n++ {
			c := mustOpen(t, scheme+"://"+proxy.Addr, WithTLSConfig(trusting))
			acknowledged += insertSome(t, c, scheme)
			if err := c.Close(); err != nil {
				t.Logf("close: %v", err)
			}
		}
		rows := srv.Query(t, "SELECT count(*), count(*) FILTER (WHERE id = '"+scheme+"') FROM t WHERE id LIKE '"+scheme[:2]+"%'")
		all, exact := rows[0][0].(int64), rows[0][1].(int64)
		if all != exact || exact < int64(acknowledged) || acknowledged == 0 {
			t.Errorf("%s: %d rows, %d of them what was sent, %d acknowledged", scheme, all, exact, acknowledged)
		}
		t.Logf("%s: %d bytes flipped, %d rows acknowledged", scheme, proxy.Injected(), acknowledged)
	}
	if n := srv.Query(t, "SELECT count(*) FROM t WHERE id NOT IN ('https', 'wss')")[0][0]; n != int64(0) {
		t.Errorf("%v rows hold what was never sent", n)
	}
}

// insertSome inserts rows over one connection and gives the number of those that were acknowledged.
func insertSome(t *testing.T, c *Client, id string) (acknowledged int) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	s, err := c.OpenStream(ctx)
	if err != nil {
		return 0
	}
	for range 8 {
		if _, err := s.Execute(ctx, Stmt{SQL: "INSERT INTO t VALUES (?)", Args: []Value{Text(id)}}); err != nil {
			break
		}
		acknowledged++
	}
	_ = s.Close(ctx) // may be lost with the connection
	return acknowledged
}

func mustOpen(t *testing.T, url string, opts ...Option) *Client {
	t.Helper()
	c, err := Open(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
