package hrana

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/internal/faultproxy"
	"github.com/floedb/floe/internal/sqldtest"
)

func TestServerRestartInATransaction(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		c := v.open(t, srv.Addr)
		s := openStream(t, c)
		mustExecute(t, s, "DROP TABLE IF EXISTS t")
		mustExecute(t, s, "CREATE TABLE t(a)")
		mustExecute(t, s, "BEGIN")
		mustExecute(t, s, "INSERT INTO t VALUES(1)")
		srv.Kill()
		srv.Restart(t)
		_, err := s.Execute(testContext(t), Stmt{SQL: "INSERT INTO t VALUES(2)"})
		if !errors.Is(err, ErrStreamClosed) {
			t.Errorf("the request after the restart: %v, want ErrStreamClosed", err)
		}
		_, err = s.Execute(testContext(t), Stmt{SQL: "INSERT INTO t VALUES(3)"})
		if !errors.Is(err, ErrStreamClosed) || !errors.Is(err, ErrNotExecuted) {
			t.Errorf("the one after that: %v, want ErrStreamClosed and ErrNotExecuted", err)
		}
		if s.Err() == nil {
			t.Error("the stream's error is nil")
		}
		s = openStream(t, c)
		if n := retryRead(t, s, "SELECT count(*) FROM t"); n != 0 {
			t.Errorf("%d rows, want none: the transaction was not committed", n)
		}
	})
}

// retryRead reads on a stream, once more when the connection was stale.
func retryRead(t *testing.T, s *Stream, sql string) int64 {
	t.Helper()
	return mustExecute(t, s, sql).Rows[0][0].Int64()
}

func TestBatonOfARestartedServerIsExpired(t *testing.T) {
	srv := sqldtest.Start(t)
	for _, v := range variants[:3] {
		s := openStream(t, v.open(t, srv.Addr, WithRoundTripper(srv.HTTPClient().Transport)))
		mustExecute(t, s, "BEGIN")
		srv.Kill() // and its connections, which would hide the answer to the baton
		srv.Restart(t)
		_, err := s.Execute(testContext(t), Stmt{SQL: "SELECT 1"})
		for _, want := range []error{ErrStreamExpired, ErrStreamClosed, ErrNotExecuted} {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want one that wraps %v", v.name, err, want)
			}
		}
	}
}

func TestIdleStreamExpires(t *testing.T) {
	if testing.Short() {
		t.Skip("the server expires streams after ten seconds")
	}
	srv := sqldtest.Start(t)
	var streams []*Stream
	for _, v := range variants[:3] {
		s := openStream(t, v.open(t, srv.Addr))
		mustExecute(t, s, "SELECT 1")
		streams = append(streams, s)
	}
	time.Sleep(13 * time.Second)
	for i, s := range streams {
		_, err := s.Execute(testContext(t), Stmt{SQL: "SELECT 1"})
		for _, want := range []error{ErrStreamExpired, ErrStreamClosed, ErrNotExecuted} {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want one that wraps %v", variants[i].name, err, want)
			}
		}
		var status *HTTPError
		if !errors.As(err, &status) || status.Code != "STREAM_EXPIRED" {
			t.Errorf("%s: %v, want the code STREAM_EXPIRED", variants[i].name, err)
		}
	}
}

func TestServerRestartInACursor(t *testing.T) {
	srv := sqldtest.Start(t)
	for _, v := range variants {
		if strings.HasSuffix(v.name, "v2") {
			continue // its cursors hold the whole result
		}
		t.Run(v.name, func(t *testing.T) {
			s := openStream(t, v.open(t, srv.Addr))
			sql := "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x, zeroblob(1000) FROM c"
			cur, err := s.Cursor(testContext(t), Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: sql}}}})
			if err != nil {
				t.Fatalf("Cursor: %v", err)
			}
			defer cur.Close()
			n := 0
			for _, err = range cur.Rows() {
				if n++; n == 100 {
					srv.Kill()
				}
			}
			if err == nil || cur.Err() == nil {
				t.Errorf("the cursor came to an end after %d rows: %v, %v; want an error", n, err, cur.Err())
			}
			srv.Restart(t)
		})
	}
}

func TestUnreachableServer(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		used := openStream(t, v.open(t, srv.Addr))
		fresh := v.open(t, srv.Addr)
		srv.Kill()
		defer srv.Restart(t)
		_, err := fresh.OpenStream(testContext(t))
		for _, want := range []error{ErrUnreachable, ErrNotExecuted} {
			if !errors.Is(err, want) {
				t.Errorf("OpenStream: %v, want one that wraps %v", err, want)
			}
		}
		if _, err := used.Execute(testContext(t), Stmt{SQL: "SELECT 1"}); err == nil {
			t.Error("Execute: no error")
		}
	})
}

// TestStreamSurvivesADialThatFails holds that a request that was not sent leaves a stream over HTTP as it was.
func TestStreamSurvivesADialThatFails(t *testing.T) {
	srv := sqldtest.Start(t)
	proxy := faultproxy.Start(t, srv.Addr, faultproxy.None)
	s := openStream(t, variants[0].open(t, proxy.Addr))
	mustExecute(t, s, "BEGIN")
	client := s.conn.(*httpStream).transport.client
	client.CloseIdleConnections()
	rt := client.Transport
	client.Transport = failingDial{}
	_, err := s.Execute(testContext(t), Stmt{SQL: "SELECT 1"})
	if !errors.Is(err, ErrNotExecuted) || errors.Is(err, ErrStreamClosed) {
		t.Errorf("error is %v, want ErrNotExecuted and not ErrStreamClosed", err)
	}
	client.Transport = rt
	mustExecute(t, s, "COMMIT")
}

func TestContextEndsOneRequest(t *testing.T) {
	srv := sqldtest.Start(t)
	slow := "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 3000000) SELECT count(*) FROM c"
	eachVariant(t, func(t *testing.T, v variant) {
		c := v.open(t, srv.Addr)
		s, other := openStream(t, c), openStream(t, c)
		mustExecute(t, s, "SELECT 1")
		ctx, cancel := context.WithTimeout(testContext(t), 20*time.Millisecond)
		defer cancel()
		_, err := s.Execute(ctx, Stmt{SQL: slow})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNotExecuted) {
			t.Errorf("error is %v, want DeadlineExceeded and not ErrNotExecuted", err)
		}
		mustExecute(t, other, "SELECT 1")
		if v.scheme == "ws" {
			mustExecute(t, s, "SELECT 1")
		}
		cancelled, cancel := context.WithCancel(testContext(t))
		cancel()
		_, err = other.Execute(cancelled, Stmt{SQL: "SELECT 1"})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrNotExecuted) {
			t.Errorf("with a context that is over: %v, want Canceled and ErrNotExecuted", err)
		}
		mustExecute(t, other, "SELECT 1")
		if err := other.Close(cancelled); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v", err)
		}
	})
}

// A token that expires in a transaction costs the request that finds out, and nothing else: libSQL's server keeps the
// stream, over WebSocket as long as nobody gives it the bad token.
func TestATransactionGoesOnWithARenewedToken(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithJWT())
	srv.Exec(t, "CREATE TABLE t(a)")
	for _, v := range variants[:3] {
		t.Run(v.name, func(t *testing.T) {
			token := srv.Token()
			c := v.open(t, srv.Addr, WithTokenSource(func(context.Context) (string, error) { return token, nil }))
			s := openStream(t, c)
			mustExecute(t, s, "BEGIN")
			mustExecute(t, s, "DELETE FROM t")
			token = srv.Token(sqldtest.Expires(time.Now().Add(-time.Hour)))
			if err := c.Reauthenticate(testContext(t)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, err := s.Execute(testContext(t), Stmt{SQL: "INSERT INTO t VALUES(1)"})
				if !errors.Is(err, ErrUnauthorized) || !errors.Is(err, ErrNotExecuted) || errors.Is(err, ErrStreamClosed) || s.Err() != nil {
					t.Errorf("with an expired token: %v (stream: %v), want ErrUnauthorized, ErrNotExecuted and not ErrStreamClosed", err, s.Err())
				}
			}
			token = srv.Token()
			mustExecute(t, s, "INSERT INTO t VALUES(2)") // the new token is asked for by itself
			mustExecute(t, s, "COMMIT")
			if got := srv.Query(t, "SELECT a FROM t"); len(got) != 1 || got[0][0] != int64(2) {
				t.Errorf("the table holds %v, want the one row 2", got)
			}
		})
	}
}

// A token that may only read is refused with the statement in sight. The server forgets the stream then.
func TestAWriteWithAReadingTokenDidNotRun(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithJWT())
	srv.Exec(t, "CREATE TABLE t(a)")
	for _, v := range variants[:3] {
		s := openStream(t, v.open(t, srv.Addr, WithAuthToken(srv.Token(sqldtest.ReadOnly()))))
		mustExecute(t, s, "SELECT * FROM t")
		_, err := s.Batch(testContext(t), Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: "SELECT 1"}}, {Stmt: Stmt{SQL: "INSERT INTO t VALUES(1)"}}}})
		if !errors.Is(err, ErrUnauthorized) || !errors.Is(err, ErrNotExecuted) || !errors.Is(err, ErrStreamClosed) {
			t.Errorf("%s: %v, want ErrUnauthorized, ErrNotExecuted and ErrStreamClosed", v.name, err)
		}
	}
}

// Over WebSocket the server closes the connection behind a token that it refuses.
func TestABadTokenEndsAWebSocket(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithJWT())
	for _, v := range variants[3:] {
		token := srv.Token()
		c := v.open(t, srv.Addr, WithTokenSource(func(context.Context) (string, error) { return token, nil }))
		s := openStream(t, c)
		token = "bad"
		if err := c.Reauthenticate(testContext(t)); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("%s: reauthenticate: %v, want ErrUnauthorized", v.name, err)
		}
		_, err := s.Execute(testContext(t), Stmt{SQL: "SELECT 1"})
		if !errors.Is(err, ErrStreamClosed) || !errors.Is(err, ErrNotExecuted) {
			t.Errorf("%s: the stream afterwards: %v, want ErrStreamClosed and ErrNotExecuted", v.name, err)
		}
		token = srv.Token()
		if err := c.Reauthenticate(testContext(t)); err != nil {
			t.Errorf("%s: reauthenticate with a good token: %v", v.name, err)
		}
		mustExecute(t, openStream(t, c), "SELECT 1")
	}
}
