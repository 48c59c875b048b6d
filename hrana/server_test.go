package hrana

import (
	"context"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// variant is a way to talk to a server.
type variant struct {
	name   string
	scheme string
	opts   []Option
}

func maxVersion(v int) Option { return func(c *config) { c.maxVersion = v } }

// variants are all ways to talk to a server that has version 3.
var variants = []variant{
	{"http protobuf", "http", []Option{WithEncoding(Protobuf)}},
	{"http json", "http", []Option{WithEncoding(JSON)}},
	{"http v2", "http", []Option{maxVersion(2)}},
	{"ws protobuf", "ws", []Option{WithEncoding(Protobuf)}},
	{"ws json", "ws", []Option{WithEncoding(JSON), maxVersion(3)}},
	{"ws v2", "ws", []Option{maxVersion(2)}},
}

func eachVariant(t *testing.T, test func(t *testing.T, v variant)) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) { test(t, v) })
	}
}

// open makes a client for the server at addr, closed at the end of the test.
func (v variant) open(t testing.TB, addr string, opts ...Option) *Client {
	t.Helper()
	c, err := Open(v.scheme+"://"+addr, append(append([]Option{}, v.opts...), opts...)...)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func openStream(t testing.TB, c *Client) *Stream {
	t.Helper()
	s, err := c.OpenStream(testContext(t))
	if err != nil {
		t.Fatalf("OpenStream: %v", err)
	}
	return s
}

func mustExecute(t testing.TB, s *Stream, sql string, args ...Value) *StmtResult {
	t.Helper()
	res, err := s.Execute(testContext(t), Stmt{SQL: sql, Args: args})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return res
}

// failingDial is a round tripper whose dials fail.
type failingDial struct{}

func (failingDial) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}
