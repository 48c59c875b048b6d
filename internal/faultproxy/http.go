package faultproxy

import (
	"bytes"
	"io"
	"net"
	"net/http"
)

// forwarder is the HTTP half of a proxy of [StartHTTP].
type forwarder struct {
	proxy     *Proxy
	match     func(*http.Request) bool
	server    *http.Server
	transport *http.Transport
}

func newForwarder(p *Proxy, match func(*http.Request) bool) *forwarder {
	f := &forwarder{
		proxy:     p,
		match:     match,
		transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
	}
	f.server = &http.Server{Handler: f}
	return f
}

// ServeHTTP forwards one request. The body of the answer loses its Content-Length, which a fault would make a lie,
// and is sent in chunks.
func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var faults []Fault
	if f.match(r) {
		faults = toward(ToClient, f.proxy.nextFaults())
	}
	out, err := f.outgoing(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	res, err := f.transport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler) // breaks the connection, as a network without its server would
	}
	defer res.Body.Close()
	for name, values := range res.Header {
		if name != "Content-Length" && name != "Transfer-Encoding" && name != "Connection" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(res.StatusCode)
	flusher := http.NewResponseController(w)
	if err := flusher.Flush(); err != nil {
		panic(http.ErrAbortHandler)
	}
	send := func(b []byte) error {
		if _, err := w.Write(b); err != nil {
			return err
		}
		return flusher.Flush()
	}
	err = newStream(faults, send, f.proxy.closed, f.proxy.injected).copyFrom(res.Body)
	if err != nil && err != errTruncate {
		panic(http.ErrAbortHandler)
	}
}

// outgoing is the client's request, sent to the target with the host the client named. Its body is read to the end
// first: an answer that begins while the transport still looks for that end would have the server close the body under
// it, and the transport then breaks its connection, with the answer on it.
func (f *forwarder) outgoing(r *http.Request) (*http.Request, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = "http", f.proxy.target
	out.Body = io.NopCloser(bytes.NewReader(body))
	out.ContentLength, out.TransferEncoding = int64(len(body)), nil
	if len(body) == 0 {
		out.Body = http.NoBody
	}
	return out, nil
}

// trackedListener gives the proxy's connections to SetDown. A connection made while the network is down is broken.
type trackedListener struct {
	net.Listener
	proxy *Proxy
}

// Accept gives the next connection that lives.
func (l trackedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.proxy.track(c) {
			return trackedConn{c, l.proxy}, nil
		}
	}
}

type trackedConn struct {
	net.Conn
	proxy *Proxy
}

// Close closes the connection and forgets it.
func (c trackedConn) Close() error {
	c.proxy.untrack(c.Conn)
	return c.Conn.Close()
}
