package hrana

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The servers of this file are fakes: they give the answers of proxies and of broken servers, which the real one does
// not give. What it does answer is tested with it.

// fakeServer answers the question for the version, and everything else by handler.
func fakeServer(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return
		}
		handler(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func fakeClient(t *testing.T, url string, opts ...Option) *Client {
	t.Helper()
	c, err := Open(url, append([]Option{WithEncoding(JSON)}, opts...)...)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// okAnswer is the answer to an execute request.
func okAnswer(baton, baseURL string) string {
	b, err := JSON.AppendPipelineResponse(nil, &PipelineResponse{Baton: baton, BaseURL: baseURL, Results: []StreamResult{
		{Response: &Response{Kind: ReqExecute, Result: &StmtResult{RowsAffected: 1}}}}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func writeJSON(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, body)
}

func execute(t *testing.T, c *Client) (*Stream, error) {
	t.Helper()
	s := openStream(t, c)
	_, err := s.Execute(testContext(t), Stmt{SQL: "INSERT INTO t VALUES(1)"})
	return s, err
}

func TestForeignAnswersAreHTTPErrorsAndNotSentAgain(t *testing.T) {
	const token = "secret-token"
	for _, c := range []struct {
		name, contentType, body, message string
		status                           int
	}{
		{"500 of the server", "application/json", `{"error":"boom"}`, "boom", 500},
		{"502 of a proxy", "text/html; charset=utf-8", "<html>\n<h1>Bad\x00 Gateway</h1>", "<html> <h1>Bad? Gateway</h1>", 502},
		{"503 of a proxy", "text/plain", "upstream " + token, "upstream [auth token]", 503},
		{"504 without a body", "", "", "", 504},
		{"200 of a portal", "text/html", "<html>sign in</html>", "<html>sign in</html>", 200},
		{"200 in another encoding", "application/x-protobuf", "", "", 200},
		{"302", "", "", "", 302},
		{"418", "text/plain", strings.Repeat("x", 100000), strings.Repeat("x", errorExcerpt) + "…", 418},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int32
			srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				w.Header().Set("Content-Type", c.contentType)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			s, err := execute(t, fakeClient(t, srv.URL, WithAuthToken(token)))
			var status *HTTPError
			if !errors.As(err, &status) || status.Status != c.status || status.Message != c.message {
				t.Errorf("error is %v, want an *HTTPError with status %d and message %q", err, c.status, c.message)
			}
			if errors.Is(err, ErrNotExecuted) || !errors.Is(err, ErrStreamClosed) || s.Err() == nil {
				t.Errorf("error is %v, want ErrStreamClosed and not ErrNotExecuted", err)
			}
			if calls.Load() != 1 {
				t.Errorf("the request was sent %d times, want once", calls.Load())
			}
		})
	}
}

func TestBusyServerIsAskedAgain(t *testing.T) {
	var calls atomic.Int32
	srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		writeJSON(w, okAnswer("b", ""))
	})
	if _, err := execute(t, fakeClient(t, srv.URL)); err != nil || calls.Load() != 3 {
		t.Errorf("after %d calls: %v, want success after 3", calls.Load(), err)
	}
}

// An answer that refuses a request unread leaves the baton, and so the transaction, as it was.
func TestAStreamGoesOnAfterARequestThatWasRefusedUnread(t *testing.T) {
	for _, status := range []int{401, 407, 413, 421, 425, 429, 431} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var calls atomic.Int32
			var refusing atomic.Bool
			srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				if refusing.Load() {
					w.WriteHeader(status)
					return
				}
				writeJSON(w, okAnswer("b", ""))
			})
			s, err := execute(t, fakeClient(t, srv.URL))
			if err != nil {
				t.Fatal(err)
			}
			refusing.Store(true)
			insert := Stmt{SQL: "INSERT INTO t VALUES(1)"}
			_, err = s.Execute(testContext(t), insert)
			_, cursorErr := s.Cursor(testContext(t), Batch{Steps: []BatchStep{{Stmt: insert}}})
			for call, err := range map[string]error{"execute": err, "cursor": cursorErr} {
				if statusOf(err) != status || !errors.Is(err, ErrNotExecuted) || errors.Is(err, ErrStreamClosed) || s.Err() != nil {
					t.Errorf("%s: %v (stream: %v), want status %d, ErrNotExecuted and not ErrStreamClosed", call, err, s.Err(), status)
				}
			}
			want := int32(3)
			if status == 429 {
				want = 1 + 2*maxAttempts
			}
			if n := calls.Load(); n != want {
				t.Errorf("%d requests, want %d", n, want)
			}
			refusing.Store(false)
			if _, err := s.Execute(testContext(t), insert); err != nil {
				t.Errorf("the stream afterwards: %v", err)
			}
		})
	}
}

func TestAnswersThatBreakOff(t *testing.T) {
	whole := okAnswer("b", "")
	for name, write := range map[string]func(w http.ResponseWriter){
		"half a body": func(w http.ResponseWriter) { writeJSON(w, whole[:len(whole)/2]) },
		"cut off": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
			writeJSON(w, whole[:len(whole)/2])
		},
		"nothing":           func(w http.ResponseWriter) { writeJSON(w, "") },
		"no results":        func(w http.ResponseWriter) { writeJSON(w, `{"baton":null,"results":[]}`) },
		"half of gzip":      func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "gzip"); writeJSON(w, "\x1f\x8b\x08") },
		"unknown encoding":  func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "br"); writeJSON(w, "x") },
		"connection closed": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) { calls.Add(1); write(w) })
			_, err := execute(t, fakeClient(t, srv.URL))
			if err == nil || errors.Is(err, ErrNotExecuted) || !errors.Is(err, ErrStreamClosed) || calls.Load() != 1 {
				t.Errorf("after %d calls: %v; want one call, ErrStreamClosed and not ErrNotExecuted", calls.Load(), err)
			}
		})
	}
}

func TestSlowAnswerEndsWithTheContextOrTheTimeout(t *testing.T) {
	release := make(chan struct{})
	srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		writeJSON(w, `{"baton":`)
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	s := openStream(t, fakeClient(t, srv.URL))
	ctx, cancel := context.WithTimeoutCause(context.Background(), 20*time.Millisecond, errors.New("enough"))
	defer cancel()
	_, err := s.Execute(ctx, Stmt{SQL: "SELECT 1"})
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNotExecuted) {
		t.Errorf("past the context: %v, want DeadlineExceeded and not ErrNotExecuted", err)
	}
	_, err = execute(t, fakeClient(t, srv.URL, WithTimeout(20*time.Millisecond)))
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNotExecuted) {
		t.Errorf("past the timeout: %v, want DeadlineExceeded and not ErrNotExecuted", err)
	}
}

func TestAnswersThatAreTooLargeAreRefused(t *testing.T) {
	srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		zw := gzip.NewWriter(w)
		zw.Write(bytes.Repeat([]byte(" "), 1<<20))
		zw.Close()
	})
	_, err := execute(t, fakeClient(t, srv.URL, WithMaxMessageSize(1000)))
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large answer: %v, want ErrTooLarge", err)
	}
	s := openStream(t, fakeClient(t, srv.URL, WithMaxMessageSize(1000)))
	_, err = s.Cursor(testContext(t), Batch{Steps: []BatchStep{{}}})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large line of a cursor: %v, want ErrTooLarge", err)
	}
}

func TestCursorsThatBreakOff(t *testing.T) {
	head := `{"baton":"b","base_url":null}` + "\n"
	begin := `{"type":"step_begin","step":0,"cols":[]}` + "\n"
	end := `{"type":"step_end","affected_row_count":0,"last_insert_rowid":null}` + "\n"
	for name, body := range map[string]string{
		"before the first step":  head,
		"in a step":              head + begin + `{"type":"row","row":[]}` + "\n",
		"in a line":              head + begin + `{"type":"ro`,
		"before the second step": head + begin + end,
		"a step twice":           head + begin + end + begin + end,
		"a row outside":          head + `{"type":"row","row":[]}` + "\n",
		"the batch failed":       head + begin + `{"type":"error","error":{"message":"m","code":"C"}}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
			s := openStream(t, fakeClient(t, srv.URL))
			cur, err := s.Cursor(testContext(t), Batch{Steps: make([]BatchStep, 2)})
			if err != nil {
				t.Fatal(err)
			}
			defer cur.Close()
			if _, err := cur.Collect(); err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestTokenStaysWithItsOrigin moves a stream to another server, which must not see the token unless it is trusted.
func TestTokenStaysWithItsOrigin(t *testing.T) {
	var seen atomic.Value
	other := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Authorization") + " " + r.URL.Path)
		writeJSON(w, okAnswer("c", ""))
	})
	srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, okAnswer("b", other.URL+"/moved/"))
	})
	for want, opts := range map[string][]Option{
		" /moved/v3/pipeline":         nil,
		"Bearer x /moved/v3/pipeline": {WithTrustedHost(other.URL)},
	} {
		s, err := execute(t, fakeClient(t, srv.URL, append(opts, WithAuthToken("x"))...))
		if err == nil {
			_, err = s.Execute(testContext(t), Stmt{SQL: "SELECT 1"})
		}
		if err != nil || seen.Load() != want {
			t.Errorf("the other server saw %q, want %q (%v)", seen.Load(), want, err)
		}
	}
}

func TestBaseURLsThatAreRefused(t *testing.T) {
	for _, to := range []string{"ftp://host", "//host", "file:///etc/passwd", "http://", "http://u:p@host", ":"} {
		srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) { writeJSON(w, okAnswer("b", to)) })
		s, err := execute(t, fakeClient(t, srv.URL))
		if err != nil {
			t.Errorf("%q: the request that ran gave %v", to, err)
		}
		_, err = s.Execute(testContext(t), Stmt{SQL: "SELECT 1"})
		if !errors.Is(err, ErrStreamClosed) || !errors.Is(err, ErrNotExecuted) {
			t.Errorf("%q: the next request gave %v, want ErrStreamClosed and ErrNotExecuted", to, err)
		}
	}
	s := &httpStream{}
	s.base, _, _ = parseURL("https://host")
	if u, err := s.move("http://host"); err == nil {
		t.Errorf("a stream over TLS moves to %v", u)
	}
}

func TestOldServersGetVersion2(t *testing.T) {
	var paths []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Method+" "+r.URL.Path)
		switch r.URL.Path {
		case "/db/v2":
		case "/db/v2/pipeline":
			writeJSON(w, okAnswer("b", ""))
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	c, err := Open(srv.URL + "/db/")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := execute(t, c); err != nil {
			t.Fatal(err)
		}
	}
	want := "GET /db/v3-protobuf GET /db/v3 GET /db/v2 POST /db/v2/pipeline POST /db/v2/pipeline"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("requests were %s, want %s", got, want)
	}
}

func TestServerWithoutTheProtocol(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	for _, url := range []string{srv.URL, "ws" + strings.TrimPrefix(srv.URL, "http")} {
		c, err := Open(url)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.OpenStream(testContext(t))
		if err == nil || !errors.Is(err, ErrNotExecuted) {
			t.Errorf("%s: %v, want an error that wraps ErrNotExecuted", url, err)
		}
	}
}

func TestDatabaseURLs(t *testing.T) {
	for text, want := range map[string]string{
		"libsql://Host.example/p/?authToken=x": "https://Host.example/p",
		"libsql://h:8080?tls=0":                "http://h:8080",
		"https://h":                            "https://h",
		"ws://h":                               "ws://h",
	} {
		u, _, err := parseURL(text)
		if err != nil || u.String() != want {
			t.Errorf("%s is %v, %v; want %s", text, u, err, want)
		}
	}
	for _, text := range []string{
		"h", "file:x.db", "http://", "http://u:secret@h", "http://h?tls=0", "libsql://h?tls=secret",
		"http://h?authtoken=secret", "http://h#secret", "http://secret\x7f", "postgres://h", "http://h?a=%zzsecret",
	} {
		if u, err := Open(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q is %v, %v; want an error without what may be secret", text, u, err)
		}
	}
}
