package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// silentPrimary stands before a server and, once it is silent, takes every request
// and answers none.
type silentPrimary struct {
	*httptest.Server
	silent atomic.Bool
	still  atomic.Bool  // is silent about replication only
	waits  atomic.Int64 // requests that got no answer
}

func newSilentPrimary(t *testing.T, srv *sqldtest.Server) *silentPrimary {
	t.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &silentPrimary{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	end := make(chan struct{})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.silent.Load() || p.still.Load() && strings.HasPrefix(r.URL.Path, "/wal_log.") {
			p.waits.Add(1)
			select {
			case <-r.Context().Done():
			case <-end:
			}
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		close(end)
		p.Close()
	})
	return p
}

// hangs are ways for something of a replica's to hang on a primary that is silent.
var hangs = map[string]func(t *testing.T, p *silentPrimary, r *floe.Replica, db *sql.DB){
	"sync": func(t *testing.T, p *silentPrimary, r *floe.Replica, db *sql.DB) {
		p.silent.Store(true)
		begin(func() error { _, err := r.Sync(context.Background()); return err })
	},
	"catch-up": func(t *testing.T, p *silentPrimary, r *floe.Replica, db *sql.DB) {
		conn := mustConn(t, db)
		defer conn.Close()
		wantExec(t, conn, "INSERT INTO t(a) VALUES ('x')")
		wantRow(t, conn, int64(1), "SELECT count(*) > 1 FROM t")
		err := conn.Raw(func(c any) error {
			if c.(*floe.DriverConn).Stream() == nil {
				return errors.New("no stream to the primary")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		p.silent.Store(true) // closing the connection begins a catch-up: who was given the stream may have written
	},
	"write": func(t *testing.T, p *silentPrimary, r *floe.Replica, db *sql.DB) {
		p.silent.Store(true)
		ctx, cancel := context.WithCancel(limit(t))
		defer cancel()
		done := begin(func() error { return execOn(ctx, db, "INSERT INTO t(a) VALUES ('x')") })
		eventually(t, "a request without an answer", func() bool { return p.waits.Load() > 0 })
		cancel()
		if err := within(t, "write", done); !errors.Is(err, context.Canceled) {
			t.Errorf("write: got %v, want the end of its context", err)
		}
	},
	"transaction": func(t *testing.T, p *silentPrimary, r *floe.Replica, db *sql.DB) {
		ctx, cancel := context.WithCancel(limit(t))
		defer cancel()
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantExec(t, tx, "INSERT INTO t(a) VALUES ('x')")
		p.silent.Store(true)
		cancel()
		_ = tx.Rollback()
	},
}

// TestASilentPrimaryKeepsNobodyWaiting: what needs no server ends by itself, and the
// rest with its context.
func TestASilentPrimaryKeepsNobodyWaiting(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	for name, hang := range hangs {
		for _, freeze := range []bool{true, false} {
			if !freeze && name != "sync" && name != "write" {
				continue // these take seconds: a connection is closed without an answer
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p := newSilentPrimary(t, srv)
				r, err := floe.OpenReplica(limit(t), newPath(t), p.URL, floe.WithRetries(2))
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				mustSync(t, r)
				db := sql.OpenDB(r.Connector())
				defer db.Close()
				wantRow(t, db, int64(1), "SELECT count(*) > 0 FROM t")
				hang(t, p, r, db)
				eventually(t, "a request without an answer", func() bool { return p.waits.Load() > 0 })

				conn, err := r.Conn(limit(t))
				if err != nil {
					t.Fatal("connect:", err)
				}
				if err := conn.Close(); err != nil {
					t.Fatal(err)
				}
				r.Stats()
				wantRow(t, db, int64(1), "SELECT count(*) > 0 FROM t")
				for what, call := range map[string]func(context.Context) error{
					"flush":  func(ctx context.Context) error { _, err := r.Flush(ctx); return err },
					"verify": func(ctx context.Context) error { _, err := r.Verify(ctx); return err },
					"sync":   func(ctx context.Context) error { _, err := r.Sync(ctx); return err },
				} {
					ctx, cancel := context.WithTimeout(limit(t), 20*time.Millisecond)
					err := within(t, what, begin(func() error { return call(ctx) }))
					cancel()
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s: %v", what, err)
					}
				}
				if freeze {
					err := within(t, "freeze", begin(func() error {
						own, err := r.Freeze(limit(t))
						if err != nil {
							return err
						}
						return own.Close()
					}))
					if err != nil {
						t.Fatal("freeze:", err)
					}
				}
				if err := within(t, "close of the pool", begin(db.Close)); err != nil {
					t.Error("close the pool:", err)
				}
				if err := within(t, "close", begin(r.Close)); err != nil {
					t.Error("close:", err)
				}
			})
		}
	}
}

// TestReadsWaitAgainOnceThePrimaryAnswers: reads that have given up waiting for a silent
// primary wait for the next write that it acknowledges, although the answer that never
// came is still being waited for.
func TestReadsWaitAgainOnceThePrimaryAnswers(t *testing.T) {
	t.Parallel()
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	p := newSilentPrimary(t, srv)
	db, _ := openReplicaDB(t, p.URL)
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	p.still.Store(true)
	wantExec(t, db, "INSERT INTO t(a) VALUES ('x')")
	wantRow(t, db, int64(1), "SELECT count(*) FROM t") // after a while, without the row
	p.still.Store(false)
	wantExec(t, db, "INSERT INTO t(a) VALUES ('y')")
	wantRow(t, db, int64(3), "SELECT count(*) FROM t")
}
