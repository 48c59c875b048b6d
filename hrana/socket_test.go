package hrana

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/floedb/floe/internal/sqldtest"
)

// fakeSocketServer is a fake: a server of WebSockets that says hello_ok and leaves each request to answer, which runs
// on the goroutine that reads.
func fakeSocketServer(t *testing.T, answer func(m ClientMsg, send func(ServerMsg))) *Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"hrana3"}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		send := func(m ServerMsg) {
			b, err := JSON.AppendServerMsg(nil, &m)
			if err != nil {
				t.Error(err)
			}
			conn.Write(context.Background(), websocket.MessageText, b)
		}
		for {
			_, b, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			m, err := JSON.ParseClientMsg(b)
			switch {
			case err != nil:
				t.Errorf("the client sent %q: %v", b, err)
				return
			case m.Hello:
				send(ServerMsg{Kind: MsgHelloOK})
			default:
				answer(m, send)
			}
		}
	}))
	c, err := Open("ws" + strings.TrimPrefix(srv.URL, "http"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); srv.CloseClientConnections(); srv.Close() })
	return c
}

// respond is the answer that every request gets.
func respond(m ClientMsg) ServerMsg {
	res := &Response{Kind: m.Request.Kind}
	if res.Kind == ReqExecute {
		res.Result = &StmtResult{Rows: [][]Value{{Text(m.Request.Stmt.SQL)}}}
	}
	return ServerMsg{Kind: MsgResponseOK, ID: m.ID, Response: res}
}

// TestAnswersFindTheirRequests has the server answer in the reverse order.
func TestAnswersFindTheirRequests(t *testing.T) {
	const streams = 10
	var held []ServerMsg
	c := fakeSocketServer(t, func(m ClientMsg, send func(ServerMsg)) {
		if m.Request.Kind != ReqExecute {
			send(respond(m))
			return
		}
		if held = append(held, respond(m)); len(held) < streams {
			return
		}
		for i := len(held) - 1; i >= 0; i-- {
			send(held[i])
		}
	})
	var wg sync.WaitGroup
	for i := range streams {
		s := openStream(t, c)
		wg.Go(func() {
			sql := strings.Repeat("x", i)
			res, err := s.Execute(testContext(t), Stmt{SQL: sql})
			if err != nil || res.Rows[0][0].Text() != sql {
				t.Errorf("the answer to %q is %v, %v", sql, res, err)
			}
		})
	}
	wg.Wait()
}

func TestLateAnswerIsDropped(t *testing.T) {
	var late *ServerMsg
	c := fakeSocketServer(t, func(m ClientMsg, send func(ServerMsg)) {
		switch {
		case m.Request.Kind != ReqExecute:
			send(respond(m))
		case late == nil:
			r := respond(m)
			late = &r
		default:
			send(*late)
			send(respond(m))
		}
	})
	s, other := openStream(t, c), openStream(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := s.Execute(ctx, Stmt{SQL: "late"})
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNotExecuted) {
		t.Errorf("the late request: %v, want DeadlineExceeded and not ErrNotExecuted", err)
	}
	res, err := other.Execute(testContext(t), Stmt{SQL: "good"})
	if err != nil || res.Rows[0][0].Text() != "good" {
		t.Errorf("the request after it: %v, %v, want its own answer", res, err)
	}
}

func TestAnswerToNoRequestLosesTheSocket(t *testing.T) {
	c := fakeSocketServer(t, func(m ClientMsg, send func(ServerMsg)) {
		if m.Request.Kind == ReqExecute {
			m.ID += 1000
		}
		send(respond(m))
	})
	s, idle := openStream(t, c), openStream(t, c)
	_, err := s.Execute(testContext(t), Stmt{SQL: "x"})
	if !errors.Is(err, ErrMalformed) || !errors.Is(err, ErrStreamClosed) || errors.Is(err, ErrNotExecuted) {
		t.Errorf("the request that was sent: %v, want ErrMalformed, ErrStreamClosed and not ErrNotExecuted", err)
	}
	_, err = idle.Execute(testContext(t), Stmt{SQL: "x"})
	if !errors.Is(err, ErrStreamClosed) || !errors.Is(err, ErrNotExecuted) {
		t.Errorf("a request after it: %v, want ErrStreamClosed and ErrNotExecuted", err)
	}
	if _, err := c.OpenStream(testContext(t)); err != nil {
		t.Errorf("a new stream: %v", err)
	}
}

// TestSilentServerIsGivenUp has a server that reads nothing after the stream is open, and so answers no ping.
func TestSilentServerIsGivenUp(t *testing.T) {
	silent := make(chan struct{})
	c := fakeSocketServer(t, func(m ClientMsg, send func(ServerMsg)) {
		if m.Request.Kind == ReqExecute {
			<-silent
		}
		send(respond(m))
	})
	defer close(silent)
	WithPingInterval(20 * time.Millisecond)(c.transport.(*wsTransport).cfg)
	_, err := openStream(t, c).Execute(testContext(t), Stmt{SQL: "x"})
	if !errors.Is(err, errNoPong) || !errors.Is(err, ErrStreamClosed) || errors.Is(err, ErrNotExecuted) {
		t.Errorf("error is %v, want errNoPong and ErrStreamClosed, and not ErrNotExecuted", err)
	}
}

// TestSlowCursorDoesNotBlockOtherStreams leaves a cursor unread while another stream of the socket works.
func TestSlowCursorDoesNotBlockOtherStreams(t *testing.T) {
	srv := sqldtest.Start(t)
	c := variant{scheme: "ws"}.open(t, srv.Addr)
	slow, quick := openStream(t, c), openStream(t, c)
	sql := "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 100000) SELECT x, zeroblob(500) FROM c"
	cur, err := slow.Cursor(testContext(t), Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: sql}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer cur.Close()
	for range 100 {
		mustExecute(t, quick, "SELECT 1")
	}
	if !cur.NextStep() || !cur.NextRow() {
		t.Errorf("the cursor gives no row: %v", cur.Err())
	}
}

func TestClosedClient(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		c := v.open(t, srv.Addr)
		s := openStream(t, c)
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := c.OpenStream(testContext(t)); !errors.Is(err, ErrClientClosed) || !errors.Is(err, ErrNotExecuted) {
			t.Errorf("OpenStream: %v, want ErrClientClosed and ErrNotExecuted", err)
		}
		if v.scheme == "ws" && s.Err() == nil {
			t.Error("a stream of the closed WebSocket has no error")
		}
	})
}

// TestServerIsUsedByManyStreamsAtOnce is for the race detector.
func TestServerIsUsedByManyStreamsAtOnce(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		c := v.open(t, srv.Addr)
		var wg sync.WaitGroup
		for i := range int64(8) {
			wg.Go(func() {
				s, err := c.OpenStream(testContext(t))
				if err != nil {
					t.Errorf("OpenStream: %v", err)
					return
				}
				defer s.Close(testContext(t))
				for j := range int64(20) {
					res, err := s.Execute(testContext(t), Stmt{SQL: "SELECT ? + ?", Args: []Value{Integer(i), Integer(j)}})
					if err != nil || res.Rows[0][0].Int64() != i+j {
						t.Errorf("%d + %d is %v, %v", i, j, res, err)
					}
				}
			})
		}
		wg.Wait()
	})
}
