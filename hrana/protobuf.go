package hrana

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// protobufCodec is the encoding Protobuf: "Protobuf schema" of the specification, and the fields that
// libsql-hrana/src/proto.rs of libSQL adds.
type protobufCodec struct{ m *meter }

// encoder appends a message. Its err is that of the first value that cannot be encoded.
type encoder struct {
	b   []byte
	err error
}

func (e *encoder) varint(num protowire.Number, v uint64) {
	e.b = protowire.AppendTag(e.b, num, protowire.VarintType)
	e.b = protowire.AppendVarint(e.b, v)
}

// nonzero appends a number that a reader takes for 0 when it is not there.
func (e *encoder) nonzero(num protowire.Number, v uint64) {
	if v != 0 {
		e.varint(num, v)
	}
}

func (e *encoder) int32(num protowire.Number, v int32)  { e.varint(num, uint64(int64(v))) }
func (e *encoder) sint64(num protowire.Number, v int64) { e.varint(num, protowire.EncodeZigZag(v)) }

func (e *encoder) bool(num protowire.Number, v bool) { e.varint(num, protowire.EncodeBool(v)) }

func (e *encoder) double(num protowire.Number, v float64) {
	e.b = protowire.AppendTag(e.b, num, protowire.Fixed64Type)
	e.b = protowire.AppendFixed64(e.b, math.Float64bits(v))
}

func (e *encoder) string(num protowire.Number, what, s string) {
	if err := checkText(what, s); err != nil && e.err == nil {
		e.err = err
	}
	e.b = protowire.AppendTag(e.b, num, protowire.BytesType)
	e.b = protowire.AppendString(e.b, s)
}

// text appends a string that a reader takes for empty when it is not there.
func (e *encoder) text(num protowire.Number, what, s string) {
	if s != "" {
		e.string(num, what, s)
	}
}

func (e *encoder) index(num protowire.Number, i Index) {
	if i.Known {
		e.varint(num, i.FrameNo)
	}
}

func (e *encoder) empty(num protowire.Number) {
	e.b = protowire.AppendTag(e.b, num, protowire.BytesType)
	e.b = append(e.b, 0)
}

// message appends a message inside this one.
func (e *encoder) message(num protowire.Number, body func()) {
	e.b = protowire.AppendTag(e.b, num, protowire.BytesType)
	e.b = append(e.b, 0)
	start := len(e.b)
	body()
	n := len(e.b) - start
	if n < 0x80 {
		e.b[start-1] = byte(n)
		return
	}
	extra := protowire.SizeVarint(uint64(n)) - 1
	e.b = append(e.b, make([]byte, extra)...)
	copy(e.b[start+extra:], e.b[start:start+n])
	protowire.AppendVarint(e.b[:start-1], uint64(n))
}

func (e *encoder) result() ([]byte, error) { return e.b, e.err }

func (e *encoder) refuse(what string, v any) {
	if e.err == nil {
		e.err = fmt.Errorf("%w: unknown %s %v", ErrNotEncodable, what, v)
	}
}

func (protobufCodec) appendPipelineRequest(dst []byte, r *PipelineRequest) ([]byte, error) {
	e := encoder{b: dst}
	e.text(1, "baton", r.Baton)
	for i := range r.Requests {
		e.message(2, func() { e.streamRequest(&r.Requests[i]) })
	}
	return e.result()
}

// streamFields are the fields of a request over HTTP; those over WebSocket are the values of RequestKind plus 1.
var streamFields = map[RequestKind]protowire.Number{
	ReqCloseStream: 1, ReqExecute: 2, ReqBatch: 3, ReqSequence: 4, ReqDescribe: 5, ReqStoreSQL: 6, ReqCloseSQL: 7,
	ReqGetAutocommit: 8,
}

// streamKinds is streamFields the other way round.
var streamKinds = func() map[protowire.Number]RequestKind {
	kinds := make(map[protowire.Number]RequestKind, len(streamFields))
	for kind, num := range streamFields {
		kinds[num] = kind
	}
	return kinds
}()

func socketField(k RequestKind) protowire.Number { return protowire.Number(k) + 1 }

func socketKind(num protowire.Number) (RequestKind, bool) {
	if num < socketField(ReqOpenStream) || num > socketField(ReqGetAutocommit) {
		return 0, false
	}
	return RequestKind(num - 1), true
}

func (e *encoder) streamRequest(r *Request) {
	num, ok := streamFields[r.Kind]
	if !ok {
		e.refuse("stream request", r.Kind)
		return
	}
	e.message(num, func() { e.requestFields(r, 1) })
}

// requestFields appends the fields of a request, the first of them as field n: over WebSocket the id of the stream
// comes before them.
func (e *encoder) requestFields(r *Request, n protowire.Number) {
	switch r.Kind {
	case ReqExecute:
		e.message(n, func() { e.stmt(stmtOf(r)) })
	case ReqBatch:
		e.message(n, func() { e.batch(batchOf(r)) })
	case ReqSequence, ReqDescribe:
		s := stmtOf(r)
		e.sql(n, s)
		e.index(n+2, s.MinIndex)
	case ReqStoreSQL:
		s := stmtOf(r)
		e.int32(1, int32(s.SQLID))
		e.string(2, "SQL text", s.SQL)
	case ReqCloseSQL:
		e.int32(1, int32(stmtOf(r).SQLID))
	}
}

// stmtOf gives the statement of a request, an empty one when it has none.
func stmtOf(r *Request) *Stmt {
	if r.Stmt == nil {
		return &Stmt{}
	}
	return r.Stmt
}

func batchOf(r *Request) *Batch {
	if r.Batch == nil {
		return &Batch{}
	}
	return r.Batch
}

// sql appends the text of a statement as field n, or its id as the one after.
func (e *encoder) sql(n protowire.Number, s *Stmt) {
	if s.Stored {
		e.int32(n+1, int32(s.SQLID))
		return
	}
	e.string(n, "SQL text", s.SQL)
}

func (e *encoder) stmt(s *Stmt) {
	e.sql(1, s)
	for _, v := range s.Args {
		e.message(3, func() { e.value(v) })
	}
	for _, a := range s.NamedArgs {
		e.message(4, func() {
			e.string(1, "argument name", a.Name)
			e.message(2, func() { e.value(a.Value) })
		})
	}
	e.bool(5, !s.NoRows)
	e.index(6, s.MinIndex)
}

func (e *encoder) value(v Value) {
	switch v.kind {
	case KindInteger:
		e.sint64(2, int64(v.num))
	case KindFloat:
		e.double(3, math.Float64frombits(v.num))
	case KindText:
		e.string(4, "text", v.Text())
	case KindBlob:
		e.b = protowire.AppendTag(e.b, 5, protowire.BytesType)
		e.b = protowire.AppendBytes(e.b, v.Blob())
	default:
		e.empty(1)
	}
}

func (e *encoder) batch(b *Batch) {
	for i := range b.Steps {
		e.message(1, func() { e.batchStep(&b.Steps[i]) })
	}
	e.index(2, b.MinIndex)
}

func (e *encoder) batchStep(s *BatchStep) {
	if s.Condition != nil {
		if err := checkCond(s.Condition, 1); err != nil {
			e.err = err
			return
		}
		e.message(1, func() { e.cond(s.Condition) })
	}
	e.message(2, func() { e.stmt(&s.Stmt) })
}

// cond appends a condition that checkCond accepted.
func (e *encoder) cond(c *Cond) {
	switch c.Kind {
	case CondOK:
		e.varint(1, uint64(c.Step))
	case CondError:
		e.varint(2, uint64(c.Step))
	case CondNot:
		e.message(3, func() { e.cond(&c.Conds[0]) })
	case CondAnd:
		e.message(4, func() { e.condList(c.Conds) })
	case CondOr:
		e.message(5, func() { e.condList(c.Conds) })
	case CondIsAutocommit:
		e.empty(6)
	}
}

func (e *encoder) condList(conds []Cond) {
	for i := range conds {
		e.message(1, func() { e.cond(&conds[i]) })
	}
}

func (protobufCodec) appendPipelineResponse(dst []byte, r *PipelineResponse) ([]byte, error) {
	e := encoder{b: dst}
	e.text(1, "baton", r.Baton)
	e.text(2, "base URL", r.BaseURL)
	for i := range r.Results {
		e.message(3, func() { e.streamResult(&r.Results[i]) })
	}
	return e.result()
}

func (e *encoder) streamResult(r *StreamResult) {
	if r.Error != nil {
		e.message(2, func() { e.error(r.Error) })
		return
	}
	if r.Response == nil || streamFields[r.Response.Kind] == 0 {
		e.refuse("stream response", r.Response)
		return
	}
	e.message(1, func() {
		e.message(streamFields[r.Response.Kind], func() { e.responseFields(r.Response) })
	})
}

func (e *encoder) responseFields(r *Response) {
	switch r.Kind {
	case ReqExecute:
		e.message(1, func() { e.stmtResult(r.Result) })
	case ReqBatch:
		e.message(1, func() { e.batchResult(r.Batch) })
	case ReqDescribe:
		e.message(1, func() { e.describeResult(r.Describe) })
	case ReqGetAutocommit:
		e.bool(1, r.Autocommit)
	case ReqFetchCursor:
		for i := range r.Entries {
			e.message(1, func() { e.cursorEntry(&r.Entries[i]) })
		}
		e.bool(2, r.Done)
	}
}

func (e *encoder) error(err *Error) {
	e.text(1, "error message", err.Message)
	e.text(2, "error code", err.Code)
}

func (e *encoder) col(num protowire.Number, c *Col) {
	e.message(num, func() {
		e.text(1, "column name", c.Name)
		e.text(2, "declared type", c.Decltype)
	})
}

func (e *encoder) row(values []Value) {
	for _, v := range values {
		e.message(1, func() { e.value(v) })
	}
}

func (e *encoder) stmtResult(r *StmtResult) {
	if r == nil {
		e.refuse("result", r)
		return
	}
	for i := range r.Cols {
		e.col(1, &r.Cols[i])
	}
	for _, row := range r.Rows {
		e.message(2, func() { e.row(row) })
	}
	e.nonzero(3, r.RowsAffected)
	if r.HasLastInsertRowID {
		e.sint64(4, r.LastInsertRowID)
	}
	e.index(5, r.ReplicationIndex)
	e.nonzero(6, r.RowsRead)
	e.nonzero(7, r.RowsWritten)
	if r.DurationMS != 0 {
		e.double(8, r.DurationMS)
	}
}

// batchResult appends the two maps of the specification, from the number of a step to its result and to its error.
// The specification has no field for the replication index of a batch, and libSQL's server has none either.
func (e *encoder) batchResult(r *BatchResult) {
	if r == nil {
		e.refuse("result", r)
		return
	}
	for i, s := range r.Steps {
		switch {
		case s.Result != nil:
			e.message(1, func() {
				e.varint(1, uint64(i))
				e.message(2, func() { e.stmtResult(s.Result) })
			})
		case s.Error != nil:
			e.message(2, func() {
				e.varint(1, uint64(i))
				e.message(2, func() { e.error(s.Error) })
			})
		}
	}
}

func (e *encoder) describeResult(r *DescribeResult) {
	if r == nil {
		e.refuse("result", r)
		return
	}
	for _, name := range r.Params {
		e.message(1, func() { e.text(1, "parameter name", name) })
	}
	for i := range r.Cols {
		e.col(2, &r.Cols[i])
	}
	e.bool(3, r.IsExplain)
	e.bool(4, r.IsReadOnly)
}

func (protobufCodec) appendCursorRequest(dst []byte, r *CursorRequest) ([]byte, error) {
	e := encoder{b: dst}
	e.text(1, "baton", r.Baton)
	e.message(2, func() { e.batch(batchOf(&Request{Batch: r.Batch})) })
	return e.result()
}

func (protobufCodec) appendCursorResponse(dst []byte, r CursorResponse) ([]byte, error) {
	e := encoder{b: dst}
	e.text(1, "baton", r.Baton)
	e.text(2, "base URL", r.BaseURL)
	return e.result()
}

func (protobufCodec) appendCursorEntry(dst []byte, entry *CursorEntry) ([]byte, error) {
	e := encoder{b: dst}
	e.cursorEntry(entry)
	return e.result()
}

func (e *encoder) cursorEntry(c *CursorEntry) {
	if (c.Kind == EntryStepError || c.Kind == EntryError) && c.Error == nil {
		e.refuse("error", c.Error)
		return
	}
	switch c.Kind {
	case EntryStepBegin:
		e.message(1, func() {
			e.nonzero(1, uint64(c.Step))
			for i := range c.Cols {
				e.col(2, &c.Cols[i])
			}
		})
	case EntryStepEnd:
		e.message(2, func() {
			e.nonzero(1, c.RowsAffected)
			if c.HasLastInsertRowID {
				e.sint64(2, c.LastInsertRowID)
			}
		})
	case EntryStepError:
		e.message(3, func() {
			e.nonzero(1, uint64(c.Step))
			e.message(2, func() { e.error(c.Error) })
		})
	case EntryRow:
		e.message(4, func() { e.row(c.Row) })
	case EntryError:
		e.message(5, func() { e.error(c.Error) })
	case EntryReplicationIndex:
		// An index that is not known makes a message without a field, as the server writes it.
		if c.ReplicationIndex.Known {
			e.message(6, func() { e.varint(1, c.ReplicationIndex.FrameNo) })
		}
	default:
		e.refuse("cursor entry", c.Kind)
	}
}

func (protobufCodec) appendError(dst []byte, err *Error) ([]byte, error) {
	e := encoder{b: dst}
	e.error(err)
	return e.result()
}

func (protobufCodec) appendClientMsg(dst []byte, m *ClientMsg) ([]byte, error) {
	e := encoder{b: dst}
	if m.Hello {
		e.message(1, func() { e.text(1, "auth token", m.JWT) })
		return e.result()
	}
	e.message(2, func() {
		e.int32(1, m.ID)
		e.socketRequest(m.Request)
	})
	return e.result()
}

func (e *encoder) socketRequest(r *Request) {
	if r == nil || r.Kind < ReqOpenStream || r.Kind > ReqGetAutocommit {
		e.refuse("request", r)
		return
	}
	e.message(socketField(r.Kind), func() {
		switch r.Kind {
		case ReqStoreSQL, ReqCloseSQL:
			e.requestFields(r, 1)
		case ReqOpenCursor:
			e.int32(1, r.StreamID)
			e.int32(2, r.CursorID)
			e.message(3, func() { e.batch(batchOf(r)) })
		case ReqCloseCursor:
			e.int32(1, r.CursorID)
		case ReqFetchCursor:
			e.int32(1, r.CursorID)
			e.varint(2, uint64(r.MaxCount))
		default:
			e.int32(1, r.StreamID)
			e.requestFields(r, 2)
		}
	})
}

func (protobufCodec) appendServerMsg(dst []byte, m *ServerMsg) ([]byte, error) {
	e := encoder{b: dst}
	failed := m.Kind == MsgHelloError || m.Kind == MsgResponseError
	if failed && m.Error == nil || m.Kind == MsgResponseOK && m.Response == nil {
		e.refuse("server message", m.Kind)
		return e.result()
	}
	switch m.Kind {
	case MsgHelloOK:
		e.empty(1)
	case MsgHelloError:
		e.message(2, func() { e.message(1, func() { e.error(m.Error) }) })
	case MsgResponseOK:
		e.message(3, func() {
			e.int32(1, m.ID)
			e.message(socketField(m.Response.Kind), func() { e.responseFields(m.Response) })
		})
	case MsgResponseError:
		e.message(4, func() {
			e.int32(1, m.ID)
			e.message(2, func() { e.error(m.Error) })
		})
	default:
		e.refuse("server message", m.Kind)
	}
	return e.result()
}
