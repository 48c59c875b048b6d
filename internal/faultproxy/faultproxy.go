// Package faultproxy puts a faulty network between a client and a server in a test.
//
// A proxy of [Start] works on the bytes of TCP connections, HTTP heads and chunk sizes included. One of [StartHTTP]
// works on the bodies of HTTP/1.1 responses: the message around a changed body stays sound, so that a fault reaches
// the code that decodes the body, not the HTTP client. Faults happen at byte offsets that a [Plan] chooses, never at
// moments, so that the same plan hurts the same bytes each time.
package faultproxy

import (
	"errors"
	"maps"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Proxy is a running proxy on a loopback port. Its methods may be called from several goroutines.
type Proxy struct {
	// Addr is the address that clients connect to, "127.0.0.1:PORT".
	Addr string
	// URL is the base URL of that address, "http://127.0.0.1:PORT".
	URL string

	target string
	closed chan struct{}

	mu     sync.Mutex
	plan   Plan
	next   int // number of the next stream
	down   bool
	conns  map[net.Conn]struct{}
	counts map[Kind]int
	wg     sync.WaitGroup
}

// Start starts a proxy that carries TCP connections to target, "HOST:PORT", and ends when t does.
func Start(t testing.TB, target string, plan Plan) *Proxy {
	t.Helper()
	p, l := listen(t, target, plan)
	p.wg.Go(func() { p.accept(l) })
	t.Cleanup(func() {
		l.Close()
		p.close()
	})
	return p
}

// StartHTTP starts a proxy that carries HTTP/1.1 requests to target, "HOST:PORT", and ends when t does. The plan is
// for the bodies of those responses whose request match accepts, numbered in the order the requests arrive; with a nil
// match for all. It follows no redirects and carries no WebSockets.
func StartHTTP(t testing.TB, target string, plan Plan, match func(*http.Request) bool) *Proxy {
	t.Helper()
	if match == nil {
		match = func(*http.Request) bool { return true }
	}
	p, l := listen(t, target, plan)
	f := newForwarder(p, match)
	p.wg.Go(func() { f.server.Serve(trackedListener{l, p}) })
	t.Cleanup(func() {
		p.disconnect()
		f.server.Close()
		p.close()
		f.transport.CloseIdleConnections()
	})
	return p
}

func listen(t testing.TB, target string, plan Plan) (*Proxy, net.Listener) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start a fault proxy: %v", err)
	}
	addr := l.Addr().String()
	return &Proxy{
		Addr: addr, URL: "http://" + addr, target: target, plan: plan,
		closed: make(chan struct{}), conns: map[net.Conn]struct{}{}, counts: map[Kind]int{},
	}, l
}

// SetPlan changes the plan for the streams that begin from now on, the next of which has number 0 again.
func (p *Proxy) SetPlan(plan Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan, p.next = plan, 0
}

// SetDown makes the network disappear, or come back: while it is down every connection is broken, old and new.
func (p *Proxy) SetDown(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
	if down {
		p.disconnect()
	}
}

// Counts tells how many faults of each kind really happened. One whose offset was never reached, or that exchanged
// two equal blocks, did not.
func (p *Proxy) Counts() map[Kind]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Injected is the sum of [Proxy.Counts].
func (p *Proxy) Injected() int {
	sum := 0
	for _, n := range p.Counts() {
		sum += n
	}
	return sum
}

// Streams tells how many streams began under the present plan.
func (p *Proxy) Streams() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// nextFaults numbers a new stream and gives its faults.
func (p *Proxy) nextFaults() []Fault {
	p.mu.Lock()
	n, plan := p.next, p.plan
	p.next++
	p.mu.Unlock()
	return plan(n)
}

func (p *Proxy) injected(k Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[k]++
}

// track keeps a connection for SetDown and the end of the test. It is false when the network is down, and then the
// connection is broken already.
func (p *Proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		reset(c)
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) untrack(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// disconnect breaks every connection.
func (p *Proxy) disconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		reset(c)
	}
}

// close ends all streams and waits for their goroutines.
func (p *Proxy) close() {
	close(p.closed)
	p.disconnect()
	p.wg.Wait()
}

// reset closes a connection with a TCP reset: the peer's read fails at once and does not look like an end of file.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// accept serves connections until the listener is closed.
func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		if p.track(client) {
			faults := p.nextFaults()
			p.wg.Go(func() {
				defer p.untrack(client)
				p.serve(client, faults)
			})
		}
	}
}

// serve carries one connection until both directions ended.
func (p *Proxy) serve(client net.Conn, faults []Fault) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	if !p.track(server) {
		reset(client)
		return
	}
	defer p.untrack(server)
	var both sync.WaitGroup
	both.Go(func() { p.carry(client, server, toward(ToClient, faults)) })
	both.Go(func() { p.carry(server, client, toward(ToServer, faults)) })
	both.Wait()
	client.Close()
	server.Close()
}

// carry copies one direction of a connection and ends it as its faults or its source ended.
func (p *Proxy) carry(dst, src net.Conn, faults []Fault) {
	send := func(b []byte) error { _, err := dst.Write(b); return err }
	err := newStream(faults, send, p.closed, p.injected).copyFrom(src)
	switch {
	case err == nil:
		closeWrite(dst)
	case errors.Is(err, errTruncate):
		closeWrite(dst)
		src.Close()
	default:
		reset(dst)
		reset(src)
	}
}

func closeWrite(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
}

func toward(dir Direction, faults []Fault) (some []Fault) {
	for _, f := range faults {
		if f.Dir == dir {
			some = append(some, f)
		}
	}
	return some
}
