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
	c, err := Open(fakeSocket(t, func(m ClientMsg, send func(ServerMsg)) {
		if m.Hello {
			send(ServerMsg{Kind: MsgHelloOK})
			return
		}
		answer(m, send)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// fakeSocket is the URL of a fake that leaves hellos, too, to answer.
func fakeSocket(t *testing.T, answer func(m ClientMsg, send func(ServerMsg))) string {
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
			if err != nil {
				t.Errorf("the client sent %q: %v", b, err)
				return
			}
			answer(m, send)
		}
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

// respond is the answer that every request gets.
func respond(m ClientMsg) ServerMsg {
	res := &Response{Kind: m.Request.Kind}
	if res.Kind == ReqExecute {
		res.Result = &StmtResult{Cols: make([]Col, 1), Rows: [][]Value{{Text(m.Request.Stmt.SQL)}}}
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

// stall has nobody write on the socket of a stream until the function that it gives is called.
func stall(s *Stream) (sock *socket, release func()) {
	sock = s.conn.(*wsStream).socket
	sock.writing <- struct{}{}
	return sock, func() { <-sock.writing }
}

func TestAStreamThatWasNotOpenedIsNotClosed(t *testing.T) {
	srv := sqldtest.Start(t)
	c := variants[3].open(t, srv.Addr)
	s := openStream(t, c)
	mustExecute(t, s, "BEGIN")
	sock, release := stall(s)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := c.OpenStream(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNotExecuted) {
		t.Errorf("opening a stream: %v, want DeadlineExceeded and ErrNotExecuted", err)
	}
	for deadline := time.Now().Add(100 * time.Millisecond); sock.queued.Load() < 2 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // what is to be sent besides
	}
	release()
	for range 5 {
		mustExecute(t, s, "SELECT 1")
	}
	mustExecute(t, s, "COMMIT")
}

// A batch runs once its cursor is open, whatever becomes of the requests for its entries.
func TestAnOpenCursorHasRunItsBatch(t *testing.T) {
	srv := sqldtest.Start(t)
	insert := Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: "INSERT INTO t VALUES(1)"}}}}
	for _, end := range []struct {
		name string
		end  func(sock *socket, cancel func())
		want error
	}{
		{"context", func(_ *socket, cancel func()) { cancel() }, context.Canceled},
		{"connection", func(sock *socket, _ func()) { sock.lose(errNoPong) }, ErrStreamClosed},
	} {
		t.Run(end.name, func(t *testing.T) {
			srv.Exec(t, "DROP TABLE IF EXISTS t", "CREATE TABLE t(x)")
			s := openStream(t, variants[3].open(t, srv.Addr))
			ctx, cancel := context.WithCancel(testContext(t))
			defer cancel()
			ws := s.conn.(*wsStream)
			e := &wsEntries{ctx: ctx, stream: ws, id: ws.socket.lastCursor.Add(1)}
			if err := e.open(&Request{Kind: ReqOpenCursor, StreamID: ws.id, CursorID: e.id, Batch: &insert}); err != nil {
				t.Fatal(err)
			}
			_, release := stall(s)
			if err := e.fetch(); err != nil { // is on its way to be written
				t.Fatal(err)
			}
			end.end(ws.socket, cancel)
			if err := e.next(&CursorEntry{}); !errors.Is(err, end.want) || errors.Is(err, ErrNotExecuted) {
				t.Errorf("with a request that was not written: %v, want %v and not ErrNotExecuted", err, end.want)
			}
			if err := e.fetch(); !errors.Is(err, end.want) || errors.Is(err, ErrNotExecuted) {
				t.Errorf("with a request that was not taken: %v, want %v and not ErrNotExecuted", err, end.want)
			}
			release()
			if err := e.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// endsAt is a context that ends with the call of Done that has this number.
type endsAt struct {
	context.Context
	calls int
	end   func()
}

func (e *endsAt) Done() <-chan struct{} {
	if e.calls--; e.calls == 0 {
		e.end()
	}
	return e.Context.Done()
}

func TestACursorWithoutItsFirstEntriesGivesTheStreamBack(t *testing.T) {
	srv := sqldtest.Start(t)
	s := openStream(t, variants[3].open(t, srv.Addr))
	mustExecute(t, s, "CREATE TABLE t(x)")
	sock := s.conn.(*wsStream).socket
	sock.queued.Add(1) // everything goes through the queue
	defer sock.queued.Add(-1)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	const sendFetch = 3 // after the request to open and its answer
	release := func() {}
	_, err := s.Cursor(&endsAt{ctx, sendFetch, func() {
		_, release = stall(s)
		sock.queued.Add(1)
		x := &exchange{}
		x.state.Store(givenUp)
		sock.queue <- x // the goroutine that takes from the queue waits
		cancel()
	}}, Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: "INSERT INTO t VALUES(1)"}}}})
	release()
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotExecuted) {
		t.Errorf("opening the cursor: %v, want Canceled and not ErrNotExecuted", err)
	}
	soon, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	res, err := s.Execute(soon, Stmt{SQL: "SELECT count(*) FROM t"})
	if err != nil || res.Rows[0][0].Int64() != 1 {
		t.Errorf("the next request: %v, %v, want a count of 1", res, err)
	}
}

func TestACursorThatIsGivenUpWhileItOpensGivesTheStreamBack(t *testing.T) {
	srv := sqldtest.Start(t)
	s := openStream(t, variants[3].open(t, srv.Addr))
	const slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 1000000) SELECT count(*) FROM c"
	impatient, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Execute(impatient, Stmt{SQL: slow}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a slow statement: %v, want DeadlineExceeded", err)
	}
	impatient, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	// Waits at the server for the statement.
	if _, err := s.Cursor(impatient, Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: "SELECT 1"}}}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a cursor behind it: %v, want DeadlineExceeded", err)
	}
	soon, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := s.Execute(soon, Stmt{SQL: "SELECT 2"}); err != nil {
		t.Errorf("the next request: %v", err)
	}
}

// A server that looks at the token with each request is a fake: libSQL's looks at it in a hello only.
func TestATokenThatARequestIsRefusedForIsRenewed(t *testing.T) {
	var mu sync.Mutex
	var hellos []string
	srv := fakeSocket(t, func(m ClientMsg, send func(ServerMsg)) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case m.Hello:
			hellos = append(hellos, m.JWT)
			send(ServerMsg{Kind: MsgHelloOK})
		case m.Request.Kind != ReqOpenStream && hellos[len(hellos)-1] == "old":
			send(ServerMsg{Kind: MsgResponseError, ID: m.ID, Error: &Error{"expired: old", "AUTH_JWT_EXPIRED"}})
		default:
			send(respond(m))
		}
	})
	for name, renewed := range map[string]string{"another token": "new", "no other token": "old"} {
		t.Run(name, func(t *testing.T) {
			token := "old"
			c, err := Open(srv, WithTokenSource(func(context.Context) (string, error) { return token, nil }))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			s := openStream(t, c)
			token = renewed
			_, err = s.Execute(testContext(t), Stmt{SQL: "INSERT"})
			if renewed == "new" {
				if err != nil {
					t.Errorf("with another token: %v", err)
				}
				return
			}
			if !errors.Is(err, ErrUnauthorized) || !errors.Is(err, ErrNotExecuted) || s.Err() != nil || strings.Contains(err.Error(), "old") {
				t.Errorf("%v (stream: %v), want ErrUnauthorized and ErrNotExecuted without the token, and a stream that goes on", err, s.Err())
			}
		})
	}
}
