package liar

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/floedb/floe/hrana"
)

// Hrana is a server of libSQL's SQL protocol over HTTP and WebSocket, in both encodings. It has no database: every
// statement gives the same two rows.
type Hrana struct {
	URL string // http://
	WS  string // ws://

	mu     sync.Mutex
	lie    HranaLie
	tokens []string // that requests carried since the lie began
}

// HranaLie is what a server says that is not so. A field that is nil leaves the truth.
type HranaLie struct {
	// Response changes the answer to one request of a pipeline or of a WebSocket.
	Response func(*hrana.StreamResult)
	// Pipeline changes the whole answer over HTTP, before it is encoded.
	Pipeline func(*hrana.PipelineResponse)
	// Entries changes what a cursor gives.
	Entries func([]hrana.CursorEntry) []hrana.CursorEntry
	// Bytes changes the answer to a request for statements, encoded.
	Bytes func(enc hrana.Encoding, b []byte) []byte
	// Serve takes a request of HTTP over, but for the questions for the version, and reports whether it did.
	Serve func(w http.ResponseWriter, r *http.Request) bool
	// Hello takes over what a WebSocket says to a hello.
	Hello func(*Socket)
	// Message takes over what a WebSocket says to a request for statements, whose honest answer it is given.
	Message func(s *Socket, answer hrana.ServerMsg)
}

// Socket is the server's end of a WebSocket.
type Socket struct {
	Conn     *websocket.Conn
	Encoding hrana.Encoding
	Context  context.Context // ends with the connection
}

// StartHrana starts a server on a loopback port. It ends with the test.
func StartHrana(tb testing.TB) *Hrana {
	tb.Helper()
	h := &Hrana{}
	srv := httptest.NewServer(h)
	h.URL, h.WS = srv.URL, "ws"+strings.TrimPrefix(srv.URL, "http")
	tb.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return h
}

// Lie has the server lie from now on. The zero lie is the truth.
func (h *Hrana) Lie(lie HranaLie) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lie, h.tokens = lie, nil
}

// Tokens gives what the requests since the lie began had to authorize them: "" for none.
func (h *Hrana) Tokens() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.tokens...)
}

func (h *Hrana) current() HranaLie {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lie
}

// ServeHTTP answers a request, or makes a WebSocket of it.
func (h *Hrana) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.tokens = append(h.tokens, r.Header.Get("Authorization"))
	lie := h.lie
	h.mu.Unlock()
	enc := hrana.JSON
	if strings.Contains(r.URL.Path, "protobuf") {
		enc = hrana.Protobuf
	}
	switch {
	case r.Header.Get("Upgrade") != "":
		h.serveSocket(w, r)
	case r.Method == http.MethodGet:
	case lie.Serve != nil && lie.Serve(w, r):
	case path.Base(r.URL.Path) == "cursor":
		serveCursor(w, r, enc, lie)
	default:
		servePipeline(w, r, enc, lie)
	}
}

func servePipeline(w http.ResponseWriter, r *http.Request, enc hrana.Encoding, lie HranaLie) {
	body, _ := io.ReadAll(r.Body)
	req, err := enc.ParsePipelineRequest(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	res := hrana.PipelineResponse{Baton: "baton"}
	for i := range req.Requests {
		res.Results = append(res.Results, answer(&req.Requests[i], lie))
	}
	if lie.Pipeline != nil {
		lie.Pipeline(&res)
	}
	b, err := enc.AppendPipelineResponse(nil, &res)
	if err != nil {
		panic(err)
	}
	if lie.Bytes != nil {
		b = lie.Bytes(enc, b)
	}
	w.Header().Set("Content-Type", contentType(enc))
	_, _ = w.Write(b)
}

func contentType(enc hrana.Encoding) string {
	if enc == hrana.JSON {
		return "application/json"
	}
	return "application/x-protobuf"
}

// forStatements reports whether a request is for statements: lies are about those.
func forStatements(k hrana.RequestKind) bool {
	return k == hrana.ReqExecute || k == hrana.ReqBatch || k == hrana.ReqFetchCursor
}

// answer is the answer to one request.
func answer(r *hrana.Request, lie HranaLie) hrana.StreamResult {
	res := &hrana.Response{Kind: r.Kind}
	switch r.Kind {
	case hrana.ReqExecute:
		res.Result = Result()
	case hrana.ReqBatch:
		res.Batch = &hrana.BatchResult{}
		for range r.Batch.Steps {
			res.Batch.Steps = append(res.Batch.Steps, hrana.StepResult{Result: Result()})
		}
	case hrana.ReqDescribe:
		res.Describe = &hrana.DescribeResult{Cols: Result().Cols}
	case hrana.ReqGetAutocommit:
		res.Autocommit = true
	}
	out := hrana.StreamResult{Response: res}
	if lie.Response != nil && forStatements(r.Kind) {
		lie.Response(&out)
	}
	return out
}

// Result is what every statement gives: 42 and a text, a float and a blob.
func Result() *hrana.StmtResult {
	return &hrana.StmtResult{
		Cols: []hrana.Col{{Name: "a", Decltype: "ANY"}, {Name: "b"}},
		Rows: [][]hrana.Value{
			{hrana.Integer(42), hrana.Text("text of the truth")},
			{hrana.Float(2.5), hrana.Blob([]byte("blob of the truth"))},
		},
		RowsAffected: 2, LastInsertRowID: 7, HasLastInsertRowID: true, ReplicationIndex: hrana.FrameIndex(3),
	}
}

// entries are what a cursor over steps gives.
func entries(steps int) (list []hrana.CursorEntry) {
	for i := range steps {
		r := Result()
		list = append(list, hrana.CursorEntry{Kind: hrana.EntryStepBegin, Step: uint32(i), Cols: r.Cols})
		for _, row := range r.Rows {
			list = append(list, hrana.CursorEntry{Kind: hrana.EntryRow, Row: row})
		}
		list = append(list, hrana.CursorEntry{Kind: hrana.EntryStepEnd, RowsAffected: 2})
	}
	return append(list, hrana.CursorEntry{Kind: hrana.EntryReplicationIndex, ReplicationIndex: hrana.FrameIndex(3)})
}

func serveCursor(w http.ResponseWriter, r *http.Request, enc hrana.Encoding, lie HranaLie) {
	body, _ := io.ReadAll(r.Body)
	req, err := enc.ParseCursorRequest(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	head, err := enc.AppendCursorResponse(nil, hrana.CursorResponse{Baton: "baton"})
	if err != nil {
		panic(err)
	}
	out := Delimited(enc, head)
	list := entries(len(req.Batch.Steps))
	if lie.Entries != nil {
		list = lie.Entries(list)
	}
	for _, e := range list {
		out = append(out, EntryBytes(enc, e)...)
	}
	if lie.Bytes != nil {
		out = lie.Bytes(enc, out)
	}
	_, _ = w.Write(out)
}

// EntryBytes is an entry of a cursor over HTTP, with what sets it off from the next one.
func EntryBytes(enc hrana.Encoding, e hrana.CursorEntry) []byte {
	b, err := enc.AppendCursorEntry(nil, &e)
	if err != nil {
		panic(err)
	}
	return Delimited(enc, b)
}

// Delimited sets a message off from the next one.
func Delimited(enc hrana.Encoding, b []byte) []byte {
	if enc == hrana.JSON {
		return append(b, '\n')
	}
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

func (h *Hrana) serveSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"hrana3-protobuf", "hrana3"}})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &Socket{Conn: conn, Encoding: hrana.JSON, Context: ctx}
	if conn.Subprotocol() == "hrana3-protobuf" {
		s.Encoding = hrana.Protobuf
	}
	steps := map[int32]int{} // of open cursors
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			return
		}
		m, err := s.Encoding.ParseClientMsg(b)
		if err != nil {
			return
		}
		h.message(s, m, steps)
	}
}

func (h *Hrana) message(s *Socket, m hrana.ClientMsg, steps map[int32]int) {
	lie := h.current()
	if m.Hello {
		if lie.Hello != nil {
			lie.Hello(s)
			return
		}
		s.Send(hrana.ServerMsg{Kind: hrana.MsgHelloOK})
		return
	}
	res := answer(m.Request, lie)
	switch m.Request.Kind {
	case hrana.ReqOpenCursor:
		steps[m.Request.CursorID] = len(m.Request.Batch.Steps)
	case hrana.ReqFetchCursor:
		if res.Response != nil {
			res.Response.Entries, res.Response.Done = entries(steps[m.Request.CursorID]), true
			if lie.Entries != nil {
				res.Response.Entries = lie.Entries(res.Response.Entries)
			}
		}
	}
	msg := hrana.ServerMsg{Kind: hrana.MsgResponseOK, ID: m.ID, Response: res.Response}
	if res.Error != nil {
		msg = hrana.ServerMsg{Kind: hrana.MsgResponseError, ID: m.ID, Error: res.Error}
	}
	if !forStatements(m.Request.Kind) {
		s.Send(msg)
		return
	}
	if lie.Message != nil {
		lie.Message(s, msg)
		return
	}
	b := s.Bytes(msg)
	if lie.Bytes != nil {
		b = lie.Bytes(s.Encoding, b)
	}
	s.Write(b)
}

// Bytes encodes a message.
func (s *Socket) Bytes(m hrana.ServerMsg) []byte {
	b, err := s.Encoding.AppendServerMsg(nil, &m)
	if err != nil {
		panic(err)
	}
	return b
}

// Send sends a message.
func (s *Socket) Send(m hrana.ServerMsg) { s.Write(s.Bytes(m)) }

// Write sends a message that is encoded.
func (s *Socket) Write(b []byte) {
	kind := websocket.MessageText
	if s.Encoding == hrana.Protobuf {
		kind = websocket.MessageBinary
	}
	_ = s.Conn.Write(s.Context, kind, b)
}
