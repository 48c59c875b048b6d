package hrana

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
)

// ofClients gives the stacks of goroutines that serve clients.
func ofClients() (list []string) {
	buf := make([]byte, 4<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		for _, of := range []string{"(*persistConn)", "floe/hrana.(*socket)", "floe/hrana.(*tasks)", "coder/websocket.(*Conn)"} {
			if strings.Contains(g, of) {
				list = append(list, g)
				break
			}
		}
	}
	return list
}

// leftOver fails unless no goroutine of a client is left: a connection of HTTP has two.
func leftOver(t *testing.T, before int) {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	for len(ofClients()) > before {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, want %d:\n%s", len(ofClients()), before, strings.Join(ofClients(), "\n\n"))
		}
		time.Sleep(time.Millisecond)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(a)")
	eachVariant(t, func(t *testing.T, v variant) {
		srv.HTTPClient().CloseIdleConnections()
		leftOver(t, 0)
		c := v.open(t, srv.Addr)
		idle, inTx, reading := openStream(t, c), openStream(t, c), openStream(t, c)
		mustExecute(t, idle, "SELECT 1")
		closed := openStream(t, c)
		mustExecute(t, closed, "SELECT 1")
		if err := closed.Close(testContext(t)); err != nil {
			t.Fatal(err)
		}
		mustExecute(t, inTx, "BEGIN IMMEDIATE")
		mustExecute(t, inTx, "INSERT INTO t VALUES(1)")
		many := "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 100000) SELECT x, zeroblob(100) FROM c"
		if strings.HasSuffix(v.name, "v2") {
			many = strings.Replace(many, "100000", "1000", 1) // its cursors hold the whole result
		}
		cur, err := reading.Cursor(testContext(t), Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: many}}}})
		if err != nil {
			t.Fatal(err)
		}
		if !cur.NextStep() || !cur.NextRow() {
			t.Fatalf("no row: %v", cur.Err())
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		leftOver(t, 0)
		if got := srv.Query(t, "SELECT count(*) FROM t"); got[0][0] != int64(0) {
			t.Errorf("%v rows, want none: the transaction was not committed", got[0][0])
		}
		for _, s := range []*Stream{idle, inTx} {
			_, err := s.Execute(testContext(t), Stmt{SQL: "INSERT INTO t VALUES(2)"})
			if !errors.Is(err, ErrNotExecuted) || !errors.Is(err, ErrClientClosed) {
				t.Errorf("a stream afterwards: %v, want ErrNotExecuted and ErrClientClosed", err)
			}
			if err := s.Close(testContext(t)); err != nil {
				t.Errorf("close a stream afterwards: %v", err)
			}
		}
		for cur.NextStep() {
			for cur.NextRow() {
			}
		}
		cur.Close()
		reading.Close(testContext(t))
		srv.HTTPClient().CloseIdleConnections()
		leftOver(t, 0)
	})
}

// A server that has stopped answering is waited for, but not for long. It is a fake: its answers are late.
func TestCloseDoesNotWaitForAServerThatIsSilent(t *testing.T) {
	before := len(ofClients())
	release := make(chan struct{})
	first, waits := true, make(chan struct{}, 10)
	srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if first {
			first = false
			writeJSON(w, okAnswer("b", ""))
			return
		}
		waits <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	c := fakeClient(t, srv.URL)
	if _, err := execute(t, c); err != nil {
		t.Fatal(err)
	}
	running := make(chan error, 1)
	s := openStream(t, c)
	go func() {
		_, err := s.Execute(context.Background(), Stmt{SQL: "SELECT 1"})
		running <- err
	}()
	<-waits
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-running; !errors.Is(err, ErrClientClosed) || errors.Is(err, context.Canceled) {
		t.Errorf("the call under way: %v, want ErrClientClosed and no end of a context", err)
	}
	leftOver(t, before)
}

// Closing a stream that was lost to what a proxy answered closes it at the server, which never saw the request, and only
// then. It is a fake, for what the server is sent.
func TestCloseOfALostStreamIsToldToTheServer(t *testing.T) {
	for status, want := range map[int]int{http.StatusBadGateway: 1, http.StatusForbidden: 1, http.StatusNotFound: 1, http.StatusBadRequest: 0} {
		var requests, closes int
		srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			switch requests++; {
			case bytes.Contains(body, []byte(`"baton":"b"`)) && bytes.Contains(body, []byte(`"close"`)):
				closes++
				writeJSON(w, okAnswer("", ""))
			case requests == 1:
				writeJSON(w, okAnswer("b", ""))
			case status == http.StatusBadRequest:
				w.WriteHeader(status)
				io.WriteString(w, "Received an invalid baton")
			default:
				w.WriteHeader(status)
			}
		})
		s, err := execute(t, fakeClient(t, srv.URL))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.Execute(testContext(t), Stmt{SQL: "INSERT INTO t VALUES(1)"}); !errors.Is(err, ErrStreamClosed) {
			t.Errorf("status %d: %v, want ErrStreamClosed", status, err)
		}
		for range 2 {
			if err := s.Close(testContext(t)); err != nil {
				t.Errorf("status %d: close: %v", status, err)
			}
		}
		if closes != want {
			t.Errorf("status %d: the server was told %d times, want %d", status, closes, want)
		}
	}
}
