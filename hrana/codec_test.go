package hrana

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
)

var encodings = []Encoding{Protobuf, JSON}

// allValues are values at the edges of what SQLite has, without the infinities that JSON cannot say.
var allValues = []Value{
	Null(), Integer(0), Integer(1 << 53), Integer(math.MaxInt64), Integer(math.MinInt64), Integer(-1),
	Float(0), Float(1), Float(0.1), Float(-1e300), Float(math.SmallestNonzeroFloat64), Float(math.MaxFloat64),
	Text(""), Text("a\x00b"), Text("\"\\\n\r\t\u2028<>&日本\U0001f600"), Blob([]byte{}), Blob([]byte{0}),
	Blob([]byte{0, 255}), Blob([]byte{1, 2, 3}),
}

func sampleStmt() Stmt {
	return Stmt{
		SQL: "SELECT ?", Args: allValues, NoRows: true, MinIndex: FrameIndex(1 << 60),
		NamedArgs: []NamedArg{{":a", Integer(1)}, {"b", Text("x")}},
	}
}

func sampleBatch() *Batch {
	return &Batch{MinIndex: FrameIndex(0), Steps: []BatchStep{
		{Stmt: sampleStmt()},
		{Stmt: Stmt{Stored: true, SQLID: -7}, Condition: And(OK(0), Not(Failed(0)), Or(IsAutocommit()))},
		{Stmt: Stmt{SQL: "x"}, Condition: Or()},
	}}
}

func sampleRequests() []Request {
	stmt := sampleStmt()
	return []Request{
		{Kind: ReqCloseStream},
		{Kind: ReqExecute, Stmt: &stmt},
		{Kind: ReqExecute, Stmt: &Stmt{Stored: true, SQLID: 0}},
		{Kind: ReqBatch, Batch: sampleBatch()},
		{Kind: ReqSequence, Stmt: &Stmt{SQL: "a;b", MinIndex: FrameIndex(3)}},
		{Kind: ReqDescribe, Stmt: &Stmt{Stored: true, SQLID: 5}},
		{Kind: ReqStoreSQL, Stmt: &Stmt{SQL: strings.Repeat("long ", 5000), SQLID: 5}},
		{Kind: ReqCloseSQL, Stmt: &Stmt{SQLID: 5}},
		{Kind: ReqGetAutocommit},
	}
}

func sampleEntries() []CursorEntry {
	return []CursorEntry{
		{Kind: EntryStepBegin, Step: 3, Cols: []Col{{"a", "INTEGER"}, {"", ""}}},
		{Kind: EntryRow, Row: allValues},
		{Kind: EntryStepEnd, RowsAffected: math.MaxUint64, LastInsertRowID: math.MinInt64, HasLastInsertRowID: true},
		{Kind: EntryStepEnd},
		{Kind: EntryStepError, Step: 1, Error: &Error{"no", "SQLITE_ERROR"}},
		{Kind: EntryError, Error: &Error{Message: "no"}},
		{Kind: EntryReplicationIndex, ReplicationIndex: FrameIndex(0)},
		{Kind: EntryReplicationIndex},
	}
}

// sampleCols are as many columns as there are values.
func sampleCols() []Col {
	cols := make([]Col, len(allValues))
	for i := range cols {
		cols[i] = Col{Name: fmt.Sprintf("c%d", i), Decltype: "TEXT"}
	}
	cols[1] = Col{Name: "b"}
	return cols
}

// sampleResponses are responses to sampleRequests. In Protobuf, a batch has no replication index.
func sampleResponses(enc Encoding) []Response {
	result := StmtResult{
		Cols: sampleCols(), Rows: [][]Value{allValues, allValues}, RowsAffected: 7,
		LastInsertRowID: -9, HasLastInsertRowID: true, ReplicationIndex: FrameIndex(math.MaxUint64), RowsRead: 1,
		RowsWritten: 2, DurationMS: 0.25,
	}
	batch := BatchResult{Steps: []StepResult{{Result: &result}, {Error: &Error{"m", "c"}}, {}}}
	if enc == JSON {
		batch.ReplicationIndex = FrameIndex(4)
	}
	describe := DescribeResult{Params: []string{":a", ""}, Cols: []Col{{"a", "INT"}}, IsExplain: true, IsReadOnly: true}
	return []Response{
		{Kind: ReqCloseStream},
		{Kind: ReqExecute, Result: &result},
		{Kind: ReqExecute, Result: &StmtResult{}},
		{Kind: ReqBatch, Batch: &batch},
		{Kind: ReqSequence},
		{Kind: ReqDescribe, Describe: &describe},
		{Kind: ReqStoreSQL},
		{Kind: ReqCloseSQL},
		{Kind: ReqGetAutocommit, Autocommit: true},
	}
}

func eachEncoding(t *testing.T, test func(t *testing.T, enc Encoding)) {
	for _, enc := range encodings {
		t.Run(enc.String(), func(t *testing.T) { test(t, enc) })
	}
}

func check(t *testing.T, what string, want, got any, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s differs after encoding and parsing (-want +got):\n%s", what, diff)
	}
}

func TestMessagesOverHTTPSurviveEncoding(t *testing.T) {
	eachEncoding(t, func(t *testing.T, enc Encoding) {
		request := PipelineRequest{Baton: "b", Requests: sampleRequests()}
		b, err := enc.AppendPipelineRequest(nil, &request)
		got, parseErr := enc.ParsePipelineRequest(b)
		check(t, "pipeline request", request, got, err, parseErr)

		response := PipelineResponse{Baton: "b", BaseURL: "http://x"}
		for _, r := range sampleResponses(enc) {
			response.Results = append(response.Results, StreamResult{Response: &r})
		}
		response.Results = append(response.Results, StreamResult{Error: &Error{"m", "c"}})
		requests := append(sampleRequests(), Request{Kind: ReqGetAutocommit})
		b, err = enc.AppendPipelineResponse(nil, &response)
		gotResponse, parseErr := enc.ParsePipelineResponse(b, requests)
		check(t, "pipeline response", response, gotResponse, err, parseErr)

		cursor := CursorRequest{Baton: "b", Batch: sampleBatch()}
		b, err = enc.AppendCursorRequest(nil, &cursor)
		gotCursor, parseErr := enc.ParseCursorRequest(b)
		check(t, "cursor request", cursor, gotCursor, err, parseErr)

		head := CursorResponse{Baton: "b", BaseURL: "u"}
		b, err = enc.AppendCursorResponse(nil, head)
		gotHead, parseErr := enc.ParseCursorResponse(b)
		check(t, "cursor response", head, gotHead, err, parseErr)

		answered := &Error{"m", "c"}
		b, err = enc.AppendError(nil, answered)
		gotError, parseErr := enc.ParseError(b)
		check(t, "error", answered, gotError, err, parseErr)
	})
}

func TestCursorEntriesSurviveEncoding(t *testing.T) {
	eachEncoding(t, func(t *testing.T, enc Encoding) {
		for _, want := range sampleEntries() {
			got := CursorEntry{Kind: EntryRow, Row: []Value{Integer(7)}, Cols: []Col{{"left", "over"}}}
			b, err := enc.AppendCursorEntry(nil, &want)
			parseErr := enc.ParseCursorEntry(b, &got)
			check(t, want.Kind.String(), want, got, err, parseErr)
		}
	})
}

func TestMessagesOverWebSocketSurviveEncoding(t *testing.T) {
	eachEncoding(t, func(t *testing.T, enc Encoding) {
		requests := append(sampleRequests(), Request{Kind: ReqOpenStream}, Request{Kind: ReqOpenCursor, Batch: sampleBatch()},
			Request{Kind: ReqCloseCursor}, Request{Kind: ReqFetchCursor, MaxCount: 100})
		responses := append(sampleResponses(enc), Response{Kind: ReqOpenStream}, Response{Kind: ReqOpenCursor},
			Response{Kind: ReqCloseCursor}, Response{Kind: ReqFetchCursor, Entries: sampleEntries(), Done: true})
		for i := range requests {
			r := &requests[i]
			setIDs(r)
			m := ClientMsg{ID: -int32(i), Request: r}
			b, err := enc.AppendClientMsg(nil, &m)
			got, parseErr := enc.ParseClientMsg(b)
			check(t, "request "+r.Kind.String(), m, got, err, parseErr)

			answer := ServerMsg{Kind: MsgResponseOK, ID: int32(i), Response: &responses[i]}
			b, err = enc.AppendServerMsg(nil, &answer)
			gotAnswer, parseErr := enc.ParseServerMsg(b, func(id int32) *Request { return &requests[id] })
			check(t, "response "+r.Kind.String(), answer, gotAnswer, err, parseErr)
		}
		for _, m := range []ClientMsg{{Hello: true}, {Hello: true, JWT: "token"}} {
			b, err := enc.AppendClientMsg(nil, &m)
			got, parseErr := enc.ParseClientMsg(b)
			check(t, "hello", m, got, err, parseErr)
		}
		for _, m := range []ServerMsg{{Kind: MsgHelloOK}, {Kind: MsgHelloError, Error: &Error{"m", "c"}},
			{Kind: MsgResponseError, ID: 1, Error: &Error{"m", ""}}} {
			b, err := enc.AppendServerMsg(nil, &m)
			got, parseErr := enc.ParseServerMsg(b, func(int32) *Request { return &requests[0] })
			check(t, "server message", m, got, err, parseErr)
		}
	})
}

// setIDs gives a request the ids that its kind has over WebSocket.
func setIDs(r *Request) {
	switch r.Kind {
	case ReqStoreSQL, ReqCloseSQL:
	case ReqCloseCursor, ReqFetchCursor:
		r.CursorID = 8
	case ReqOpenCursor:
		r.StreamID, r.CursorID = -1, 8
	default:
		r.StreamID = math.MaxInt32
	}
}

func TestInfinitiesAndNaN(t *testing.T) {
	if v := Float(math.NaN()); !v.IsNull() {
		t.Errorf("Float(NaN) is %v, want NULL", v)
	}
	for _, f := range []float64{math.Inf(1), math.Inf(-1)} {
		stmt := Request{Kind: ReqExecute, Stmt: &Stmt{SQL: "SELECT ?", Args: []Value{Float(f)}}}
		p := PipelineRequest{Requests: []Request{stmt}}
		b, err := Protobuf.AppendPipelineRequest(nil, &p)
		got, parseErr := Protobuf.ParsePipelineRequest(b)
		check(t, fmt.Sprint(f), p, got, err, parseErr)
		if _, err := JSON.AppendPipelineRequest(nil, &p); !errors.Is(err, ErrNotEncodable) {
			t.Errorf("%v in JSON gave %v, want an error that wraps ErrNotEncodable", f, err)
		}
	}
	var e CursorEntry
	err := JSON.ParseCursorEntry([]byte(`{"type":"row","row":[{"type":"float","value":null},{"type":"float","value":-1e999}]}`), &e)
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Row[0]; got.Kind() != KindFloat || !math.IsNaN(got.Float64()) {
		t.Errorf("a float that is null is %v %v, want the float NaN", got.Kind(), got)
	}
	if got := e.Row[1].Float64(); !math.IsInf(got, -1) {
		t.Errorf("-1e999 is %v, want -Inf", got)
	}
}

func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	eachEncoding(t, func(t *testing.T, enc Encoding) {
		for _, r := range []Request{
			{Kind: ReqExecute, Stmt: &Stmt{SQL: "\xff"}},
			{Kind: ReqExecute, Stmt: &Stmt{SQL: "SELECT ?", Args: []Value{Text("a\xff")}}},
			{Kind: ReqBatch, Batch: &Batch{Steps: []BatchStep{{Stmt: Stmt{NamedArgs: []NamedArg{{"\xff", Null()}}}}}}},
		} {
			_, err := enc.AppendPipelineRequest(nil, &PipelineRequest{Requests: []Request{r}})
			if !errors.Is(err, ErrNotEncodable) {
				t.Errorf("%v: error is %v, want one that wraps ErrNotEncodable", r.Kind, err)
			}
		}
	})
}

func TestBlobsComeWithAndWithoutPadding(t *testing.T) {
	for _, text := range []string{"AAE", "AAE=", "AAE==="} {
		var e CursorEntry
		err := JSON.ParseCursorEntry([]byte(`{"type":"row","row":[{"type":"blob","base64":"`+text+`"}]}`), &e)
		check(t, text, []Value{Blob([]byte{0, 1})}, e.Row, err)
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	var e CursorEntry
	err := JSON.ParseCursorEntry([]byte(`{"type":"row","new":{"x":[1]},"row":[{"type":"null","new":1}]}`), &e)
	check(t, "JSON row", []Value{Null()}, e.Row, err)

	b, err := Protobuf.AppendCursorEntry(nil, &CursorEntry{Kind: EntryRow, Row: []Value{Integer(1)}})
	if err != nil {
		t.Fatal(err)
	}
	b = protowire.AppendTag(b, 99, protowire.Fixed32Type)
	b = protowire.AppendFixed32(b, 1)
	err = Protobuf.ParseCursorEntry(b, &e)
	check(t, "Protobuf row", []Value{Integer(1)}, e.Row, err)
}

func TestUnknownTypesAreAnError(t *testing.T) {
	newField := protowire.AppendBytes(protowire.AppendTag(nil, 50, protowire.BytesType), nil)
	row := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), newField)
	for name, c := range map[string]struct {
		enc   Encoding
		entry []byte
	}{
		"entry in JSON":     {JSON, []byte(`{"type":"new"}`)},
		"value in JSON":     {JSON, []byte(`{"type":"row","row":[{"type":"decimal","value":"1"}]}`)},
		"no type in JSON":   {JSON, []byte(`{"row":[]}`)},
		"entry in Protobuf": {Protobuf, newField},
		"value in Protobuf": {Protobuf, protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), row)},
	} {
		var e CursorEntry
		if err := c.enc.ParseCursorEntry(c.entry, &e); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error is %v, want one that wraps ErrMalformed", name, err)
		}
	}
}

func TestAnswersThatDoNotFitTheirRequestsAreRefused(t *testing.T) {
	eachEncoding(t, func(t *testing.T, enc Encoding) {
		b, err := enc.AppendPipelineResponse(nil, &PipelineResponse{Results: []StreamResult{
			{Response: &Response{Kind: ReqBatch, Batch: &BatchResult{Steps: make([]StepResult, 3)}}},
			{Response: &Response{Kind: ReqBatch, Batch: &BatchResult{Steps: []StepResult{{}, {}, {Error: &Error{}}}}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		three := Request{Kind: ReqBatch, Batch: &Batch{Steps: make([]BatchStep, 3)}}
		two := Request{Kind: ReqBatch, Batch: &Batch{Steps: make([]BatchStep, 2)}}
		for name, requests := range map[string][]Request{
			"too few requests":  {three},
			"too many requests": {three, three, three},
			"too few steps":     {three, two},
			"another kind":      {three, {Kind: ReqGetAutocommit}},
		} {
			if _, err := enc.ParsePipelineResponse(b, requests); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: error is %v, want one that wraps ErrMalformed", name, err)
			}
		}
		if _, err := enc.ParsePipelineResponse(b, []Request{three, three}); err != nil {
			t.Errorf("the fitting requests: %v", err)
		}
	})
}

func TestDeepConditionsAreRefused(t *testing.T) {
	cond := OK(0)
	for range maxCondDepth {
		cond = Not(cond)
	}
	batch := &Batch{Steps: []BatchStep{{Condition: cond}}}
	eachEncoding(t, func(t *testing.T, enc Encoding) {
		if _, err := enc.AppendCursorRequest(nil, &CursorRequest{Batch: batch}); !errors.Is(err, ErrNotEncodable) {
			t.Errorf("encoding: error is %v, want one that wraps ErrNotEncodable", err)
		}
	})
	nested := `{"type":"ok","step":0}`
	for range 5000 {
		nested = `{"type":"not","cond":` + nested + `}`
	}
	_, err := JSON.ParseCursorRequest([]byte(`{"batch":{"steps":[{"stmt":{"sql":""},"condition":` + nested + `}]}}`))
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("parsing: error is %v, want one that wraps ErrMalformed", err)
	}
}
