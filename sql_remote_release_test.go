package floe

import (
	"bytes"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/floedb/floe/internal/sqldtest"
)

// losesAnswers stands before a server and breaks off behind each request that has text in it.
func losesAnswers(t *testing.T, srv *sqldtest.Server, text string) string {
	t.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Contains(body, []byte(text)) {
			r.Body = io.NopCloser(bytes.NewReader(body))
			proxy.ServeHTTP(w, r)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// TestAReleaseWithoutItsAnswerMayHaveCommitted: one of the savepoint that began the transaction is a commit, whose outcome
// is not known then. One inside of a transaction of database/sql commits nothing.
func TestAReleaseWithoutItsAnswerMayHaveCommitted(t *testing.T) {
	srv := sqldtest.Start(t)
	url := losesAnswers(t, srv, "RELEASE a")
	for name, dsn := range map[string]string{"http": url, "replica": "file:" + t.TempDir() + "/r.db?primary=" + url} {
		for _, end := range []string{"RELEASE a", "INSERT INTO t(x) VALUES(random()); RELEASE a"} {
			t.Run(name+" "+end, func(t *testing.T) {
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
				mustExecDB(t, conn, "SAVEPOINT a")
				mustExecDB(t, conn, "INSERT INTO t(x) VALUES(random())")
				_, err = conn.ExecContext(remoteContext(t), end)
				if !errors.Is(err, ErrCommitUnknown) || errors.Is(err, ErrTransactionLost) {
					t.Errorf("got %v, want ErrCommitUnknown", err)
				}
				if n := countRows(t, srv); n == 0 {
					t.Error("no row, want those that were committed")
				}

				tx, err := db.BeginTx(remoteContext(t), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer tx.Rollback()
				mustExecDB(t, tx, "SAVEPOINT a")
				_, err = tx.ExecContext(remoteContext(t), "RELEASE a")
				if !errors.Is(err, ErrTransactionLost) || errors.Is(err, ErrCommitUnknown) {
					t.Errorf("in a transaction: got %v, want ErrTransactionLost", err)
				}
			})
		}
	}
}
