package hrana

import (
	"context"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Encoding is one of the two encodings of the protocol's messages. Its methods turn messages into bytes and back;
// they do no I/O and serve both sides.
//
// The Append methods append to dst and return it, with an error that wraps [ErrNotEncodable] for what the encoding
// cannot say. The Parse methods refuse bytes that are not the message, with an error that wraps [ErrMalformed];
// fields they do not know are ignored, variants they do not know are an error. What they return does not alias the
// bytes, and takes no more than twelve times their memory, and 256 KiB on top: a message that would take more is refused
// with an error that wraps [ErrTooLarge]. The rows of a result have as many values as it has columns.
type Encoding uint8

// The encodings. Version 2 of the protocol has JSON only.
const (
	JSON Encoding = iota + 1
	Protobuf
)

// String gives "JSON" or "Protobuf".
func (e Encoding) String() string {
	switch e {
	case JSON:
		return "JSON"
	case Protobuf:
		return "Protobuf"
	}
	return "encoding " + strconv.Itoa(int(e))
}

// codec is what both encodings implement. Parsing an answer takes the request it answers: its kind and the number of
// its batch's steps are what the answer must have.
type codec interface {
	appendPipelineRequest(dst []byte, r *PipelineRequest) ([]byte, error)
	parsePipelineRequest(b []byte) (PipelineRequest, error)
	appendPipelineResponse(dst []byte, r *PipelineResponse) ([]byte, error)
	parsePipelineResponse(b []byte, requests []Request) (PipelineResponse, error)
	appendCursorRequest(dst []byte, r *CursorRequest) ([]byte, error)
	parseCursorRequest(b []byte) (CursorRequest, error)
	appendCursorResponse(dst []byte, r CursorResponse) ([]byte, error)
	parseCursorResponse(b []byte) (CursorResponse, error)
	appendCursorEntry(dst []byte, e *CursorEntry) ([]byte, error)
	parseCursorEntry(b []byte, e *CursorEntry) error
	appendError(dst []byte, e *Error) ([]byte, error)
	parseError(b []byte) (*Error, error)
	appendClientMsg(dst []byte, m *ClientMsg) ([]byte, error)
	parseClientMsg(b []byte) (ClientMsg, error)
	appendServerMsg(dst []byte, m *ServerMsg) ([]byte, error)
	parseEnvelope(b []byte) (envelope, error)
	parseResponse(env envelope, r *Request) (*Response, error)
}

// envelope is a message of a server's whose response is not parsed yet.
type envelope struct {
	kind     ServerMsgKind
	id       int32
	err      *Error
	response []byte      // aliases the message
	tag      RequestKind // of response, where the encoding says it outside of it
}

func (e Encoding) codec() codec { return e.reading(nil) }

// reading is the codec for one message, which m watches over.
func (e Encoding) reading(m *meter) codec {
	if e == JSON {
		return jsonCodec{m}
	}
	return protobufCodec{m}
}

// readingAll is the codec for one message that nobody waits for.
func (e Encoding) readingAll(b []byte) codec {
	return e.reading(newMeter(context.Background(), len(b)))
}

// AppendPipelineRequest appends the body of a pipeline request.
func (e Encoding) AppendPipelineRequest(dst []byte, r *PipelineRequest) ([]byte, error) {
	dst, err := e.codec().appendPipelineRequest(dst, r)
	return dst, wrap("encode pipeline request", err)
}

// ParsePipelineRequest reads what [Encoding.AppendPipelineRequest] wrote.
func (e Encoding) ParsePipelineRequest(b []byte) (PipelineRequest, error) {
	r, err := e.readingAll(b).parsePipelineRequest(b)
	return r, wrap("parse pipeline request", err)
}

// AppendPipelineResponse appends the body of the answer to a pipeline request.
func (e Encoding) AppendPipelineResponse(dst []byte, r *PipelineResponse) ([]byte, error) {
	dst, err := e.codec().appendPipelineResponse(dst, r)
	return dst, wrap("encode pipeline response", err)
}

// ParsePipelineResponse reads what [Encoding.AppendPipelineResponse] wrote, the answer to requests. An answer with
// another number of results than there are requests, or with one of another kind, is refused.
func (e Encoding) ParsePipelineResponse(b []byte, requests []Request) (PipelineResponse, error) {
	return e.pipelineResponse(context.Background(), b, requests)
}

// pipelineResponse is [Encoding.ParsePipelineResponse] that ends with a context.
func (e Encoding) pipelineResponse(ctx context.Context, b []byte, requests []Request) (PipelineResponse, error) {
	r, err := e.reading(newMeter(ctx, len(b))).parsePipelineResponse(b, requests)
	if err == nil && len(r.Results) != len(requests) {
		err = fmt.Errorf("%w: %d results for %d requests", ErrMalformed, len(r.Results), len(requests))
	}
	return r, wrap("parse pipeline response", err)
}

// AppendCursorRequest appends the body of a cursor request.
func (e Encoding) AppendCursorRequest(dst []byte, r *CursorRequest) ([]byte, error) {
	dst, err := e.codec().appendCursorRequest(dst, r)
	return dst, wrap("encode cursor request", err)
}

// ParseCursorRequest reads what [Encoding.AppendCursorRequest] wrote.
func (e Encoding) ParseCursorRequest(b []byte) (CursorRequest, error) {
	r, err := e.readingAll(b).parseCursorRequest(b)
	return r, wrap("parse cursor request", err)
}

// AppendCursorResponse appends the beginning of the answer to a cursor request, without the delimiter that sets it
// off from the entries.
func (e Encoding) AppendCursorResponse(dst []byte, r CursorResponse) ([]byte, error) {
	dst, err := e.codec().appendCursorResponse(dst, r)
	return dst, wrap("encode cursor response", err)
}

// ParseCursorResponse reads what [Encoding.AppendCursorResponse] wrote.
func (e Encoding) ParseCursorResponse(b []byte) (CursorResponse, error) {
	r, err := e.readingAll(b).parseCursorResponse(b)
	return r, wrap("parse cursor response", err)
}

// AppendCursorEntry appends an entry of a cursor, without a delimiter.
func (e Encoding) AppendCursorEntry(dst []byte, entry *CursorEntry) ([]byte, error) {
	dst, err := e.codec().appendCursorEntry(dst, entry)
	return dst, wrap("encode cursor entry", err)
}

// ParseCursorEntry reads what [Encoding.AppendCursorEntry] wrote into entry, whose slices it uses again.
func (e Encoding) ParseCursorEntry(b []byte, entry *CursorEntry) error {
	return wrap("parse cursor entry", e.readingAll(b).parseCursorEntry(b, entry))
}

// AppendError appends an error, which is the body of an HTTP answer that is one.
func (e Encoding) AppendError(dst []byte, err *Error) ([]byte, error) {
	dst, encodeErr := e.codec().appendError(dst, err)
	return dst, wrap("encode error", encodeErr)
}

// ParseError reads what [Encoding.AppendError] wrote.
func (e Encoding) ParseError(b []byte) (*Error, error) {
	answered, err := e.readingAll(b).parseError(b)
	return answered, wrap("parse error", err)
}

// AppendClientMsg appends a message of a client's over WebSocket.
func (e Encoding) AppendClientMsg(dst []byte, m *ClientMsg) ([]byte, error) {
	dst, err := e.codec().appendClientMsg(dst, m)
	return dst, wrap("encode client message", err)
}

// ParseClientMsg reads what [Encoding.AppendClientMsg] wrote.
func (e Encoding) ParseClientMsg(b []byte) (ClientMsg, error) {
	m, err := e.readingAll(b).parseClientMsg(b)
	return m, wrap("parse client message", err)
}

// AppendServerMsg appends a message of a server's over WebSocket.
func (e Encoding) AppendServerMsg(dst []byte, m *ServerMsg) ([]byte, error) {
	dst, err := e.codec().appendServerMsg(dst, m)
	return dst, wrap("encode server message", err)
}

// ParseServerMsg reads what [Encoding.AppendServerMsg] wrote. request gives the request of an id, nil when there is
// none, which makes a response with that id an error.
func (e Encoding) ParseServerMsg(b []byte, request func(id int32) *Request) (ServerMsg, error) {
	m, err := parseServerMsg(e.readingAll(b), b, request)
	return m, wrap("parse server message", err)
}

func parseServerMsg(c codec, b []byte, request func(id int32) *Request) (ServerMsg, error) {
	env, err := c.parseEnvelope(b)
	if err != nil {
		return ServerMsg{}, err
	}
	m := ServerMsg{Kind: env.kind, ID: env.id, Error: env.err}
	if m.Kind != MsgResponseOK && m.Kind != MsgResponseError {
		return m, nil
	}
	r := request(m.ID)
	if r == nil {
		return ServerMsg{}, fmt.Errorf("%w: response to request %d, which is none", ErrMalformed, m.ID)
	}
	if m.Kind == MsgResponseOK {
		m.Response, err = c.parseResponse(env, r)
	}
	return m, err
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// checkText refuses text that is not UTF-8, which neither encoding can carry.
func checkText(what, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s is not UTF-8", ErrNotEncodable, what)
	}
	return nil
}

// maxCondDepth bounds the nesting of conditions, as servers do.
const maxCondDepth = 100

func checkCond(c *Cond, depth int) error {
	if depth > maxCondDepth {
		return fmt.Errorf("%w: a condition nested deeper than %d", ErrNotEncodable, maxCondDepth)
	}
	if c.Kind < CondOK || c.Kind > CondIsAutocommit {
		return fmt.Errorf("%w: %v", ErrNotEncodable, c.Kind)
	}
	if c.Kind == CondNot && len(c.Conds) != 1 {
		return fmt.Errorf("%w: a condition that negates %d others", ErrNotEncodable, len(c.Conds))
	}
	for i := range c.Conds {
		if err := checkCond(&c.Conds[i], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func unknown(what string, v any) error { return fmt.Errorf("%w: unknown %s %v", ErrMalformed, what, v) }

func missing(what string) error { return fmt.Errorf("%w: no %s", ErrMalformed, what) }

// checkKind refuses a response of another kind than its request.
func checkKind(got RequestKind, r *Request) error {
	if got != r.Kind {
		return fmt.Errorf("%w: response %v to request %v", ErrMalformed, got, r.Kind)
	}
	return nil
}

// batchSteps is the number of steps that the answer to r has results of.
func batchSteps(r *Request) int {
	if r.Batch == nil {
		return 0
	}
	return len(r.Batch.Steps)
}
