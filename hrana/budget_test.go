package hrana

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// hostile is a message made to cost as much memory as it can for its size, of which it has about n bytes.
type hostile struct {
	name  string
	enc   Encoding
	make  func(n int) []byte
	parse func(b []byte, ctx context.Context) error
}

func execOf(enc Encoding) func(b []byte, ctx context.Context) error {
	return func(b []byte, ctx context.Context) error {
		_, err := enc.pipelineResponse(ctx, b, []Request{{Kind: ReqExecute}})
		return err
	}
}

func batchAnswer(enc Encoding) func(b []byte, ctx context.Context) error {
	return func(b []byte, ctx context.Context) error {
		_, err := enc.pipelineResponse(ctx, b, []Request{{Kind: ReqBatch, Batch: &Batch{Steps: make([]BatchStep, 2)}}})
		return err
	}
}

func describeAnswer(enc Encoding) func(b []byte, ctx context.Context) error {
	return func(b []byte, ctx context.Context) error {
		_, err := enc.pipelineResponse(ctx, b, []Request{{Kind: ReqDescribe}})
		return err
	}
}

func socketAnswer(enc Encoding, kind RequestKind) func(b []byte, ctx context.Context) error {
	return func(b []byte, ctx context.Context) error {
		m := newMeter(ctx, len(b))
		_, err := parseServerMsg(enc.reading(m), b, func(int32) *Request { return &Request{Kind: kind} })
		return err
	}
}

func entryOf(enc Encoding) func(b []byte, ctx context.Context) error {
	return func(b []byte, ctx context.Context) error {
		var e CursorEntry
		return enc.reading(newMeter(ctx, len(b))).parseCursorEntry(b, &e)
	}
}

func pipelineRequest(enc Encoding) func(b []byte, ctx context.Context) error {
	return func(b []byte, ctx context.Context) error {
		_, err := enc.reading(newMeter(ctx, len(b))).parsePipelineRequest(b)
		return err
	}
}

// message is a field of Protobuf that holds a message, once for each of nums from the outside in.
func message(b []byte, nums ...protowire.Number) []byte {
	for i := len(nums) - 1; i >= 0; i-- {
		b = protowire.AppendBytes(protowire.AppendTag(nil, nums[i], protowire.BytesType), b)
	}
	return b
}

// fill has text repeated, up to about n bytes, between a beginning and an end.
func fill(begin, text, end string) func(n int) []byte {
	return func(n int) []byte {
		var b bytes.Buffer
		b.WriteString(begin)
		for b.Len() < n {
			b.WriteString(text)
		}
		b.WriteString(end)
		return b.Bytes()
	}
}

// repeated is fill for a field of Protobuf in the message at nums.
func repeated(first, piece []byte, nums ...protowire.Number) func(n int) []byte {
	return func(n int) []byte {
		return message(append(append([]byte{}, first...), bytes.Repeat(piece, n/len(piece))...), nums...)
	}
}

const (
	execBegin = `{"baton":"b","results":[{"type":"ok","response":{"type":"execute","result":`
	execEnd   = `}}]}`
)

func hostileMessages() []hostile {
	null := message(nil, 1, 1)              // a value, in its field of a row
	nullRow := message(null, 2)             // a row of it
	col := message([]byte{0x0a, 1, 'a'}, 1) // a column named a
	lastRow := `[{"type":"null"}]],"affected_row_count":0}`
	return []hostile{
		{"rows of a NULL", JSON, fill(execBegin+`{"cols":[{"name":"a"}],"rows":[`, `[{"type":"null"}],`, lastRow+execEnd), execOf(JSON)},
		{"a row of many values", JSON, fill(execBegin+`{"cols":[],"rows":[[`, `{"type":"null"},`, `{"type":"null"}]]}`+execEnd), execOf(JSON)},
		{"empty rows", JSON, fill(execBegin+`{"cols":[],"rows":[`, `[],`, `[]]}`+execEnd), execOf(JSON)},
		{"rows before their columns", JSON, fill(execBegin+`{"rows":[`, `[{"type":"null"}],`, lastRow+execEnd), execOf(JSON)},
		{"short texts", JSON, fill(execBegin+`{"cols":[{"name":"a"}],"rows":[`, `[{"type":"text","value":"x"}],`, lastRow+execEnd), execOf(JSON)},
		{"columns", JSON, fill(execBegin+`{"rows":[],"cols":[`, `{},`, `{}]}`+execEnd), execOf(JSON)},
		{"a long text", JSON, fill(execBegin+`{"cols":[{}],"rows":[[{"type":"text","value":"`, `x`, `"}]]}`+execEnd), execOf(JSON)},
		{"a text of escapes", JSON, fill(execBegin+`{"cols":[{}],"rows":[[{"type":"text","value":"`, `\u0041`, `"}]]}`+execEnd), execOf(JSON)},
		{"a blob", JSON, fill(execBegin+`{"cols":[{}],"rows":[[{"type":"blob","base64":"`, `AAAA`, `"}]]}`+execEnd), execOf(JSON)},
		{"nesting", JSON, fill(`{"new":`, `[`, `]`), execOf(JSON)},
		{"nesting of objects", JSON, fill(`{"new":`, `{"x":`, `]`), execOf(JSON)},
		{"unknown fields", JSON, fill(`{`, `"xy":1,`, `"z":1}`), execOf(JSON)},
		{"a field again and again", JSON, fill(`{`, `"baton":"xy",`, `"z":1}`), execOf(JSON)},
		{"results", JSON, fill(`{"results":[`, `{},`, `{}]}`), execOf(JSON)},
		{"steps", JSON, fill(`{"results":[{"type":"ok","response":{"type":"batch","result":{"step_results":[`, `null,`, `null]}}}]}`), batchAnswer(JSON)},
		{"parameters", JSON, fill(`{"results":[{"type":"ok","response":{"type":"describe","result":{"params":[`, `{},`, `{}]}}}]}`), describeAnswer(JSON)},
		{"entries", JSON, fill(`{"type":"response_ok","request_id":1,"response":{"type":"fetch_cursor","entries":[`, `{"type":"step_end"},`, `{"type":"step_end"}]}}`), socketAnswer(JSON, ReqFetchCursor)},
		{"an entry of many values", JSON, fill(`{"type":"row","row":[`, `{"type":"null"},`, `{"type":"null"}]}`), entryOf(JSON)},
		{"requests", JSON, fill(`{"requests":[`, `{"type":"close_sql"},`, `{"type":"close"}]}`), pipelineRequest(JSON)},
		{"steps of a request", JSON, fill(`{"requests":[{"type":"batch","batch":{"steps":[`, `{},`, `{}]}}]}`), pipelineRequest(JSON)},
		{"conditions", JSON, fill(`{"requests":[{"type":"batch","batch":{"steps":[{"condition":{"type":"and","conds":[`, `{"type":"or"},`, `{"type":"or"}]}}]}}]}`), pipelineRequest(JSON)},

		{"rows of a NULL", Protobuf, repeated(col, nullRow, 3, 1, 2, 1), execOf(Protobuf)},
		{"a row of many values", Protobuf, repeated(nil, null, 3, 1, 2, 1, 2), execOf(Protobuf)},
		{"empty rows", Protobuf, repeated(nil, message(nil, 2), 3, 1, 2, 1), execOf(Protobuf)},
		{"rows without columns", Protobuf, repeated(nil, nullRow, 3, 1, 2, 1), execOf(Protobuf)},
		{"short texts", Protobuf, repeated(col, message([]byte{0x22, 1, 'x'}, 2, 1), 3, 1, 2, 1), execOf(Protobuf)},
		{"columns", Protobuf, repeated(nil, message(nil, 1), 3, 1, 2, 1), execOf(Protobuf)},
		{"results", Protobuf, repeated(nil, message(nil, 3)), execOf(Protobuf)},
		{"steps", Protobuf, repeated(nil, message([]byte{0x12, 0}, 1), 3, 1, 3, 1), batchAnswer(Protobuf)},
		{"parameters", Protobuf, repeated(nil, message(nil, 1), 3, 1, 5, 1), describeAnswer(Protobuf)},
		{"unknown fields", Protobuf, repeated(nil, []byte{0x78, 1}), execOf(Protobuf)},
		{"entries", Protobuf, repeated(nil, message(nil, 1), 3, protowire.Number(ReqFetchCursor)+1), socketAnswer(Protobuf, ReqFetchCursor)},
		{"an entry of many values", Protobuf, repeated(nil, null, 4), entryOf(Protobuf)},
		{"requests", Protobuf, repeated(nil, message(nil, 2, 7)), pipelineRequest(Protobuf)},
		{"steps of a request", Protobuf, repeated(nil, message(nil, 1), 2, 3, 1), pipelineRequest(Protobuf)},
		{"named arguments", Protobuf, repeated(nil, message(nil, 4), 2, 2, 1), pipelineRequest(Protobuf)},
		{"conditions", Protobuf, repeated(nil, message(nil, 1, 4), 2, 3, 1, 1, 1, 4), pipelineRequest(Protobuf)},
	}
}

// allocated is how many bytes f allocates, those that are free again included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A message costs no more memory than its decoder may take, whether it is accepted or refused. What lists that grow
// leave behind, which is garbage at once, is the reason for three times that.
func TestNoMessageCostsMoreThanItsBudget(t *testing.T) {
	const size = 512 << 10
	for _, h := range hostileMessages() {
		t.Run(h.enc.String()+", "+h.name, func(t *testing.T) {
			b := h.make(size)
			var err error
			got := allocated(func() { err = h.parse(b, context.Background()) })
			if limit := uint64(3 * (memoryPerByte*len(b) + memoryOnTop)); got > limit {
				t.Errorf("%d bytes cost %d, %.1f times as many; want %d at most (%v)", len(b), got, float64(got)/float64(len(b)), limit, err)
			}
			if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("%v, want ErrMalformed or ErrTooLarge", err)
			}
		})
	}
}

// dying is a context that ends when it is looked at once more than it lives: in the middle of what goes on.
type dying struct {
	context.Context
	lives int32
	looks atomic.Int32
}

func (d *dying) Err() error {
	if d.looks.Add(1) <= d.lives {
		return nil
	}
	return context.Canceled
}

func TestDecodingEndsWithItsContext(t *testing.T) {
	for _, h := range hostileMessages() {
		t.Run(h.enc.String()+", "+h.name, func(t *testing.T) {
			b := h.make(64 << 10)
			whole := h.parse(b, context.Background())
			ctx := &dying{Context: context.Background(), lives: 1}
			err := h.parse(b, ctx)
			looks := ctx.looks.Load()
			if looks > 1 && !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want context.Canceled", err)
			}
			oneValue := h.name == "a long text" || h.name == "a blob" || h.name == "a text of escapes"
			if whole == nil && looks < 2 && !oneValue {
				t.Errorf("the context was looked at %d times in %d bytes", looks, len(b))
			}
		})
	}
}

// A context that ends while the answer is decoded ends the call. The servers are fakes whose answers are long.
func TestACallEndsWhileItsAnswerIsDecoded(t *testing.T) {
	long := &StmtResult{Cols: make([]Col, 1), Rows: make([][]Value, 100_000)}
	for i := range long.Rows {
		long.Rows[i] = []Value{Null()}
	}
	answer := func(m ClientMsg) *Response {
		if m.Request.Kind == ReqExecute && m.Request.Stmt.SQL == "long" {
			return &Response{Kind: ReqExecute, Result: long}
		}
		return respond(m).Response
	}
	srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := JSON.AppendPipelineResponse(nil, &PipelineResponse{Baton: "b", Results: []StreamResult{
			{Response: &Response{Kind: ReqExecute, Result: long}}}})
		writeJSON(w, string(b))
	})
	for name, c := range map[string]*Client{
		"http": fakeClient(t, srv.URL),
		"ws": fakeSocketServer(t, func(m ClientMsg, send func(ServerMsg)) {
			send(ServerMsg{Kind: MsgResponseOK, ID: m.ID, Response: answer(m)})
		}),
	} {
		t.Run(name, func(t *testing.T) {
			s := openStream(t, c)
			ctx := &dying{Context: context.Background(), lives: 50}
			_, err := s.Execute(ctx, Stmt{SQL: "long"})
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotExecuted) || !strings.Contains(err.Error(), "parse") {
				t.Errorf("%v, want context.Canceled while parsing, and not ErrNotExecuted", err)
			}
			if name == "ws" {
				if _, err := s.Execute(testContext(t), Stmt{SQL: "short"}); err != nil {
					t.Errorf("the stream afterwards: %v", err)
				}
			}
		})
	}
}

// A compressed answer is bounded by what comes out of it.
func TestACompressedAnswerIsBoundedByItsContents(t *testing.T) {
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	zw.Write(bytes.Repeat([]byte(" "), 64<<20))
	zw.Close()
	srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		w.Write(packed.Bytes())
	})
	const limit = 4 << 20
	s := openStream(t, fakeClient(t, srv.URL, WithMaxMessageSize(limit)))
	var err error
	got := allocated(func() { _, err = s.Execute(testContext(t), Stmt{SQL: "SELECT 1"}) })
	if !errors.Is(err, ErrTooLarge) || got > 10*limit {
		t.Errorf("%v after %d bytes of memory, want ErrTooLarge after %d at most", err, got, 10*limit)
	}
}

// Rows that are not of their columns would have who reads them by the columns panic.
func TestRowsThatAreNotOfTheirColumnsAreRefused(t *testing.T) {
	for _, enc := range encodings {
		for _, rows := range [][][]Value{{{}}, {{Null()}}, {{Null(), Null(), Null()}}, {{Null(), Null()}, {Null()}}} {
			res := &StmtResult{Cols: make([]Col, 2), Rows: rows}
			b, err := enc.AppendPipelineResponse(nil, &PipelineResponse{Results: []StreamResult{{Response: &Response{Kind: ReqExecute, Result: res}}}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := enc.ParsePipelineResponse(b, []Request{{Kind: ReqExecute}}); !errors.Is(err, ErrMalformed) {
				t.Errorf("%v, rows %v of two columns: %v, want ErrMalformed", enc, rows, err)
			}
		}
	}
	head := `{"baton":"b","base_url":null}` + "\n" + `{"type":"step_begin","step":0,"cols":[{"name":"a"},{"name":"b"}]}` + "\n"
	srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, head+`{"type":"row","row":[{"type":"null"}]}`+"\n")
	})
	cur, err := openStream(t, fakeClient(t, srv.URL)).Cursor(testContext(t), Batch{Steps: make([]BatchStep, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer cur.Close()
	if _, err := cur.Collect(); !errors.Is(err, ErrMalformed) {
		t.Errorf("a cursor: %v, want ErrMalformed", err)
	}
}
