package floe

import (
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// olderServer gives the address of a server that speaks version 2 of the protocol only.
func olderServer(t *testing.T, srv *sqldtest.Server) string {
	t.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	older := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v3") {
			http.NotFound(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(older.Close)
	return older.URL
}

// TestAReleaseEndsTheTransactionThatItsSavepointBegan: the statement behind it has
// no transaction to lose when the server is started again.
func TestAReleaseEndsTheTransactionThatItsSavepointBegan(t *testing.T) {
	srv := sqldtest.Start(t)
	freshTable(t, srv)
	for name, dsn := range map[string]string{
		"http": srv.URL, "ws": strings.Replace(srv.URL, "http", "ws", 1), "version 2": olderServer(t, srv),
	} {
		t.Run(name, func(t *testing.T) {
			db, err := sql.Open(DriverName, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, texts := range [][]string{
				{"SAVEPOINT a", "INSERT INTO t(x) VALUES(random())", "RELEASE a"},
				{"SAVEPOINT a; INSERT INTO t(x) VALUES(random()); SAVEPOINT A; RELEASE a; RELEASE a"},
				{"SAVEPOINT a", "SAVEPOINT b; INSERT INTO t(x) VALUES(random()); RELEASE a"},
			} {
				conn, err := db.Conn(remoteContext(t))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				for _, text := range texts {
					mustExecDB(t, conn, text)
				}
				before := countRows(t, srv)
				srv.Kill()
				srv.Restart(t)
				mustExecDB(t, conn, "INSERT INTO t(x) VALUES(random())")
				if n := countRows(t, srv); n != before+1 {
					t.Errorf("%q: %d rows, want %d", texts, n, before+1)
				}
			}
		})
	}
}

// TestAnErrorThatEndsATransactionOfSQLIsSeen: as in a file, the next statement is by itself.
func TestAnErrorThatEndsATransactionOfSQLIsSeen(t *testing.T) {
	srv := sqldtest.Start(t)
	for name, dsn := range map[string]string{
		"http": srv.URL, "ws": strings.Replace(srv.URL, "http", "ws", 1), "version 2": olderServer(t, srv),
	} {
		t.Run(name, func(t *testing.T) {
			freshTable(t, srv)
			db, err := sql.Open(DriverName, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			conn, err := db.Conn(remoteContext(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			mustExecDB(t, conn, "INSERT INTO t(x) VALUES(1)")
			mustExecDB(t, conn, "BEGIN")
			mustExecDB(t, conn, "INSERT INTO t(x) VALUES(2)")
			_, err = conn.ExecContext(remoteContext(t), "INSERT OR ABORT INTO t(x) VALUES(1)")
			wantConstraint(t, err)
			mustExecDB(t, conn, "INSERT INTO t(x) VALUES(3)")
			if n := countRows(t, srv); n != 1 {
				t.Errorf("%d rows before the transaction ends, want 1", n)
			}
			_, err = conn.ExecContext(remoteContext(t), "INSERT OR ROLLBACK INTO t(x) VALUES(1)")
			wantConstraint(t, err)
			mustExecDB(t, conn, "INSERT INTO t(x) VALUES(4)")
			if n := countRows(t, srv); n != 2 {
				t.Errorf("%d rows at the end, want 2", n)
			}
		})
	}
}

func wantConstraint(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, engine.Constraint) {
		t.Errorf("got %v, want a constraint that failed", err)
	}
}
