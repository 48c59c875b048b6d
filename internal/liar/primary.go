package liar

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strconv"
	"sync"
	"testing"

	"github.com/floedb/floe/frames"
)

// Primary is a server of the replication service for one log.
type Primary struct {
	URL string

	mu     sync.Mutex
	log    Log
	first  uint64 // of the frames that the log still has: for those before, there is a snapshot
	lie    PrimaryLie
	asked  map[string]int
	change chan struct{} // closed, and made anew, when the log or the lie changes
}

// PrimaryLie is what a primary says that is not so. A field that is nil leaves the truth.
type PrimaryLie struct {
	// Hello changes the answer to Hello.
	Hello func(*frames.Hello)
	// Frames changes the frames of an answer: their order, number or content.
	Frames func(*Answer)
	// Serve takes a request over and reports whether it did.
	Serve func(w http.ResponseWriter, r *http.Request, a *Answer) bool
	// Status ends an answer with another status than success. It changes nothing where it gives none.
	Status func(method string) *frames.Status
}

// Answer is the answer to a request: what was asked, and the honest frames for it.
type Answer struct {
	Method string // Hello, BatchLogEntries, LogEntries or Snapshot
	Next   uint64 // the first frame asked for
	Prev   uint64 // the checksum of the one before it
	Frames []frames.Frame
	Try    int // how many requests of this method came since the lie began, this one included
}

// StartPrimary starts a primary on a loopback port. It ends with the test.
func StartPrimary(tb testing.TB, log Log) *Primary {
	tb.Helper()
	p := &Primary{log: log, change: make(chan struct{}), asked: map[string]int{}}
	srv := httptest.NewServer(p)
	p.URL = srv.URL
	tb.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return p
}

// Lie has the primary lie from now on. The zero lie is the truth.
func (p *Primary) Lie(lie PrimaryLie) {
	p.set(func() { p.lie, p.asked = lie, map[string]int{} })
}

// Set gives the primary another log: a longer one, or that of another database.
func (p *Primary) Set(log Log) { p.set(func() { p.log = log }) }

// Compact has the log begin with frame first, the first one behind a transaction.
func (p *Primary) Compact(first uint64) { p.set(func() { p.first = first }) }

// Asked tells how many requests of a method came since the lie began.
func (p *Primary) Asked(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[method]
}

func (p *Primary) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.change)
	p.change = make(chan struct{})
}

// state is a copy of what a request is answered by.
type state struct {
	log    Log
	first  uint64
	lie    PrimaryLie
	try    int
	change chan struct{}
}

func (p *Primary) state(method string) state {
	p.mu.Lock()
	defer p.mu.Unlock()
	if method != "" {
		p.asked[method]++
	}
	return state{p.log, p.first, p.lie, p.asked[method], p.change}
}

// ServeHTTP answers a request.
func (p *Primary) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := path.Base(r.URL.Path)
	s := p.state(method)
	a := &Answer{Method: method, Try: s.try}
	if method != "Hello" {
		next, err := offset(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.Next = next
	}
	s.fill(a)
	if s.lie.Serve != nil && s.lie.Serve(w, r, a) {
		return
	}
	if s.lie.Frames != nil {
		s.lie.Frames(a)
	}
	w.Header().Set("content-type", "application/grpc-web+proto")
	switch status := s.status(a); {
	case status.Code != 0 && (s.lie.Status == nil || s.lie.Status(method) == nil):
		WriteStatus(w, status)
	case method == "Hello":
		h := s.hello()
		if s.lie.Hello != nil {
			s.lie.Hello(&h)
		}
		WriteMessage(w, frames.AppendHello(nil, h))
		WriteTrailers(w, status)
	case method == "BatchLogEntries":
		WriteMessage(w, Batch(a.Frames))
		WriteTrailers(w, status)
	case method == "Snapshot":
		WriteFrames(w, a.Frames)
		WriteTrailers(w, status)
	default:
		WriteFrames(w, a.Frames)
		p.follow(w, r, s)
	}
}

// offset reads the number of the first frame that a request asks for.
func offset(r *http.Request) (uint64, error) {
	e := frames.NewEnvelopeReader(r.Body)
	_, size, err := e.Next()
	if err != nil {
		return 0, err
	}
	if size > 1000 {
		return 0, errors.New("too long")
	}
	b, err := e.AppendPayload(nil, 1000)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, r.Body)
	return frames.ParseLogOffset(b)
}

func (s state) hello() frames.Hello {
	h := frames.Hello{
		GenerationID: "7e0d3a3c-65a5-4e4a-9f2f-7d4a0b3c8d10", LogID: s.log.ID,
		SessionToken: []byte("0f0e0d0c-0b0a-4908-8706-050403020100"),
	}
	if n := len(s.log.Frames); n > 0 {
		h.Current, h.HasCurrent = uint64(n-1), true
	}
	return h
}

// fill gives the frames that an honest answer has.
func (s state) fill(a *Answer) {
	n := uint64(len(s.log.Frames))
	if a.Method == "Hello" || a.Next >= n {
		return
	}
	a.Prev = Sum(s.log.Frames[:a.Next])
	switch {
	case a.Method == "Snapshot" && a.Next < s.first:
		a.Frames = s.log.snapshot(a.Next, s.first)
	case a.Method != "Snapshot" && a.Next >= s.first:
		a.Frames = s.log.Frames[a.Next:]
	}
}

// status is how the answer ends.
func (s state) status(a *Answer) frames.Status {
	if s.lie.Status != nil {
		if status := s.lie.Status(a.Method); status != nil {
			return *status
		}
	}
	switch {
	case a.Method == "Hello" || a.Method == "Snapshot" && a.Next < s.first:
	case a.Method == "Snapshot":
		return frames.Status{Code: 14, Message: "snapshot not found"}
	case a.Next < s.first:
		return frames.Status{Code: 9, Message: "NEED_SNAPSHOT"}
	}
	return frames.Status{}
}

// follow sends what is committed while a stream is open.
func (p *Primary) follow(w http.ResponseWriter, r *http.Request, s state) {
	for {
		Flush(w)
		select {
		case <-s.change:
		case <-r.Context().Done():
			return
		}
		sent := len(s.log.Frames)
		s = p.state("")
		if len(s.log.Frames) <= sent {
			continue
		}
		a := &Answer{Method: "LogEntries", Next: uint64(sent), Try: s.try}
		s.fill(a)
		if s.lie.Frames != nil {
			s.lie.Frames(a)
		}
		WriteFrames(w, a.Frames)
	}
}

// WriteMessage sends one message.
func WriteMessage(w io.Writer, message []byte) { _, _ = w.Write(frames.AppendEnvelope(nil, message)) }

// WriteFrames sends a message for each frame.
func WriteFrames(w io.Writer, fs []frames.Frame) {
	for _, f := range fs {
		WriteMessage(w, frames.AppendFrameMessage(nil, frames.FrameMessage{Data: f}))
	}
}

// Batch is the message that answers BatchLogEntries.
func Batch(fs []frames.Frame) (message []byte) {
	for _, f := range fs {
		message = frames.AppendBatch(message, frames.FrameMessage{Data: f})
	}
	return message
}

// WriteStatus is an answer without a message, whose headers hold the status: what libSQL's server gives for an error.
func WriteStatus(w http.ResponseWriter, s frames.Status) {
	w.Header().Set("content-type", "application/grpc-web+proto")
	w.Header().Set("grpc-status", strconv.Itoa(s.Code))
	w.Header().Set("grpc-message", url.PathEscape(s.Message))
}

// WriteTrailers ends an answer.
func WriteTrailers(w io.Writer, s frames.Status) { _, _ = w.Write(frames.AppendTrailers(nil, s)) }

// Flush sends what was written.
func Flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// Forever writes what piece gives for 0, 1, 2 and so on until the client leaves.
func Forever(w http.ResponseWriter, r *http.Request, piece func(i int) []byte) {
	for i := 0; r.Context().Err() == nil; i++ {
		if _, err := w.Write(piece(i)); err != nil {
			return
		}
		Flush(w)
	}
}
