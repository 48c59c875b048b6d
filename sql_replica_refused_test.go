package floe_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// refuser stands before a server and answers requests with a status in its place.
// A front end does so, and the server itself once a token has expired.
type refuser struct {
	*httptest.Server
	sql  atomic.Int64 // status for requests with SQL, 0 lets them through
	sync atomic.Int64 // and for those of replication
}

func newRefuser(t *testing.T, srv *sqldtest.Server) *refuser {
	t.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := &refuser{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := &f.sql
		if strings.HasPrefix(r.URL.Path, "/wal_log.") {
			status = &f.sync
		}
		if s := status.Load(); s != 0 {
			w.WriteHeader(int(s))
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// refusedWrites are ways to write, each of which leaves its error.
var refusedWrites = map[string]func(context.Context, *sql.Conn) error{
	"exec": func(ctx context.Context, c *sql.Conn) error { return execOn(ctx, c, "INSERT INTO t(a) VALUES ('x')") },
	"args": func(ctx context.Context, c *sql.Conn) error {
		return execOn(ctx, c, "INSERT INTO t(a) VALUES (?)", "x")
	},
	"query": func(ctx context.Context, c *sql.Conn) error {
		return runBy(ctx, c, 1, "INSERT INTO t(a) VALUES ('x') RETURNING id")
	},
	"prepared": func(ctx context.Context, c *sql.Conn) error {
		return runBy(ctx, c, 2, "INSERT INTO t(a) VALUES ('x')")
	},
	"script": func(ctx context.Context, c *sql.Conn) error {
		return execOn(ctx, c, "BEGIN; INSERT INTO t(a) VALUES ('x'); COMMIT")
	},
	"settings": func(ctx context.Context, c *sql.Conn) error {
		return execOn(ctx, c, "PRAGMA cache_size = 100; INSERT INTO t(a) VALUES ('x')")
	},
	"foreign keys": func(ctx context.Context, c *sql.Conn) error { return execOn(ctx, c, "PRAGMA foreign_keys = OFF") },
	"transaction": func(ctx context.Context, c *sql.Conn) error {
		tx, err := c.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		_, err = tx.ExecContext(ctx, "INSERT INTO t(a) VALUES ('x')")
		return err
	},
}

func execOn(ctx context.Context, r runner, query string, args ...any) error {
	_, err := r.ExecContext(ctx, query, args...)
	return err
}

func TestReadsOfAReplicaGoOnAfterARefusedWrite(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	f := newRefuser(t, srv)
	for _, status := range []int{401, 403, 429, 503} {
		db, _ := openReplicaDB(t, f.URL)
		for name, write := range refusedWrites {
			for _, begun := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d/%s/stream=%v", status, name, begun), func(t *testing.T) {
					conn := oneConn(t, db)
					if begun {
						wantExec(t, conn, "UPDATE t SET a = 'y' WHERE id < 0")
					}
					f.sql.Store(int64(status))
					f.sync.Store(int64(status))
					defer f.sql.Store(0)
					defer f.sync.Store(0)
					if err := write(limit(t), conn); err == nil {
						t.Error("the write got no error")
					}
					for range 3 {
						wantRow(t, conn, int64(1), "SELECT count(*) FROM t")
						wantRow(t, db, int64(1), "SELECT count(*) FROM t")
					}
					wantRow(t, conn, int64(1), "PRAGMA foreign_keys")
				})
			}
		}
	}
}

// TestReadsGoOnWhenTheTokenIsRefusedBehindAWrite: the write was acknowledged, and
// its frames come with the next token.
func TestReadsGoOnWhenTheTokenIsRefusedBehindAWrite(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	f := newRefuser(t, srv)
	db, r := openReplicaDB(t, f.URL)
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	f.sync.Store(401)
	wantExec(t, db, "INSERT INTO t(a) VALUES ('x')")
	_, err := r.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrAuth)
	for range 3 {
		wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	}
	f.sync.Store(0)
	eventuallyRow(t, db, int64(2), "SELECT count(*) FROM t")
}
