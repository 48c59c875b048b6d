package floe

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
)

// TestATokenIsInNoErrorOfAServer has servers refuse requests and quote the token in all they say.
func TestATokenIsInNoErrorOfAServer(t *testing.T) {
	real := sqldtest.Start(t, sqldtest.WithJWT())
	expired := real.Token(sqldtest.Expires(time.Now().Add(-time.Hour)))
	quoting := func(status int, kind string, headers ...string) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token := r.Header.Get("Authorization") + r.Header.Get("X-Authorization")
			w.Header().Set("Content-Type", strings.ReplaceAll(kind, "TOKEN", token))
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], strings.ReplaceAll(headers[i+1], "TOKEN", token))
			}
			w.WriteHeader(status)
			io.WriteString(w, `{"error":"`+token+`"}`)
		}))
		t.Cleanup(srv.Close)
		return strings.TrimPrefix(srv.URL, "http://")
	}
	for name, addr := range map[string]string{
		"expired":         real.Addr,
		"refused":         quoting(401, "application/json"),
		"forbidden":       quoting(403, "text/plain"),
		"broken":          quoting(500, "application/json"),
		"gateway":         quoting(502, "text/html"),
		"redirect":        quoting(302, "text/html", "Location", "/TOKEN"),
		"portal":          quoting(200, "text/html"),
		"quoted type":     quoting(200, "text/TOKEN"),
		"gRPC status":     quoting(200, "application/grpc-web", "Grpc-Status", "16", "Grpc-Message", "bad TOKEN"),
		"gRPC internal":   quoting(200, "application/grpc-web", "Grpc-Status", "13", "Grpc-Message", "TOKEN"),
		"no such server":  "127.0.0.1:1",
		"no such machine": "floe.invalid",
	} {
		for mode, dsn := range map[string]string{
			"http":    "http://" + addr + "?authToken=" + expired,
			"ws":      "ws://" + addr + "?authToken=" + expired,
			"replica": "file:" + t.TempDir() + "/r.db?primary=http://" + addr + "&authToken=" + expired,
		} {
			t.Run(mode+", "+name, func(t *testing.T) {
				t.Parallel()
				db, err := sql.Open(DriverName, dsn)
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				_, err = db.ExecContext(remoteContext(t), "CREATE TABLE t(x)")
				if err == nil {
					t.Error("no error")
				}
				if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, expired) {
					t.Errorf("the token is in %s", text)
				}
			})
		}
	}
}
