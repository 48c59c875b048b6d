package hrana

import (
	"context"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
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

func TestMainPath(t *testing.T) {
	srv := sqldtest.Start(t)
	eachVariant(t, func(t *testing.T, v variant) {
		ctx := testContext(t)
		s := openStream(t, v.open(t, srv.Addr))
		mustExecute(t, s, "CREATE TABLE IF NOT EXISTS t(a, b)")
		mustExecute(t, s, "BEGIN")
		r := mustExecute(t, s, "INSERT INTO t VALUES(?, ?)", Integer(1), Text("x"))
		t.Logf("%+v", r)
		r = mustExecute(t, s, "SELECT * FROM t")
		t.Logf("%+v", r)
		mustExecute(t, s, "ROLLBACK")
		cur, err := s.Cursor(ctx, Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: "SELECT 1 UNION SELECT 2"}}}})
		if err != nil {
			t.Fatal(err)
		}
		for row, err := range cur.Rows() {
			t.Log(row, err)
		}
		t.Log(cur.ReplicationIndex())
		if err := cur.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := s.Batch(ctx, Transaction("BEGIN", Stmt{SQL: "INSERT INTO t VALUES(1,2)"}))
		t.Logf("%+v %v", b, err)
		d, err := s.Describe(ctx, "SELECT a FROM t WHERE a = :x")
		t.Logf("%+v %v", d, err)
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
	})
}
