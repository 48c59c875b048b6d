package hrana

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// jsonCodec is the encoding JSON. It reads and writes by hand: encoding/json takes fifty times the memory of a message.
type jsonCodec struct{ m *meter }

// writer appends JSON. Its err is that of the first value that cannot be encoded.
type writer struct {
	b   []byte
	err error
}

func (w *writer) result() ([]byte, error) { return w.b, w.err }

func (w *writer) raw(s string) { w.b = append(w.b, s...) }

func (w *writer) refuse(err error) {
	if w.err == nil {
		w.err = err
	}
}

const hexDigits = "0123456789abcdef"

// string appends a string. Only what JSON demands is escaped: libSQL's server reads some strings in place and refuses
// escapes in those, which have no character that needs one.
func (w *writer) string(what, s string) {
	if !utf8.ValidString(s) {
		w.refuse(checkText(what, s))
		return
	}
	w.b = append(w.b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		w.b = append(w.b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			w.b = append(w.b, '\\', c)
		case '\n':
			w.raw(`\n`)
		default:
			w.b = append(w.b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	w.b = append(w.b, s[start:]...)
	w.b = append(w.b, '"')
}

// orNull appends a string, and null for an empty one.
func (w *writer) orNull(what, s string) {
	if s == "" {
		w.raw("null")
		return
	}
	w.string(what, s)
}

func (w *writer) int(i int64)   { w.b = strconv.AppendInt(w.b, i, 10) }
func (w *writer) uint(i uint64) { w.b = strconv.AppendUint(w.b, i, 10) }

// quoted appends an integer as text.
func (w *writer) quoted(i int64) {
	w.raw(`"`)
	w.int(i)
	w.raw(`"`)
}

func (w *writer) bool(v bool) { w.b = strconv.AppendBool(w.b, v) }

// index appends a replication index as text, or null.
func (w *writer) index(i Index) {
	if !i.Known {
		w.raw("null")
		return
	}
	w.raw(`"`)
	w.uint(i.FrameNo)
	w.raw(`"`)
}

// list appends n elements in brackets.
func (w *writer) list(n int, element func(i int)) {
	w.raw("[")
	for i := range n {
		if i > 0 {
			w.raw(",")
		}
		element(i)
	}
	w.raw("]")
}

func (w *writer) value(v Value) {
	switch v.kind {
	case KindInteger:
		w.raw(`{"type":"integer","value":`)
		w.quoted(int64(v.num))
	case KindFloat:
		w.raw(`{"type":"float","value":`)
		w.float(v.Float64())
	case KindText:
		w.raw(`{"type":"text","value":`)
		w.string("text", v.Text())
	case KindBlob:
		w.raw(`{"type":"blob","base64":"`)
		w.b = base64.StdEncoding.AppendEncode(w.b, v.Blob())
		w.raw(`"`)
	default:
		w.raw(`{"type":"null"`)
	}
	w.raw("}")
}

// float appends a number. Servers refuse what is beyond a float's range, such as 1e999, and null.
func (w *writer) float(f float64) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		w.refuse(fmt.Errorf("%w: %v in JSON", ErrNotEncodable, f))
	}
	w.number(f)
}

// number appends a float so that it is one for a reader that tells 1 from 1.0.
func (w *writer) number(f float64) {
	start := len(w.b)
	w.b = strconv.AppendFloat(w.b, f, 'g', -1, 64)
	for _, c := range w.b[start:] {
		if c == '.' || c == 'e' {
			return
		}
	}
	w.raw(".0")
}

// sql appends the text of a statement, or its id.
func (w *writer) sql(s *Stmt) {
	if s.Stored {
		w.raw(`"sql_id":`)
		w.int(int64(s.SQLID))
		return
	}
	w.raw(`"sql":`)
	w.string("SQL text", s.SQL)
}

func (w *writer) minIndex(i Index) {
	if i.Known {
		w.raw(`,"replication_index":`)
		w.index(i)
	}
}

func (w *writer) stmt(s *Stmt) {
	w.raw("{")
	w.sql(s)
	if len(s.Args) > 0 {
		w.raw(`,"args":`)
		w.list(len(s.Args), func(i int) { w.value(s.Args[i]) })
	}
	if len(s.NamedArgs) > 0 {
		w.raw(`,"named_args":`)
		w.list(len(s.NamedArgs), func(i int) {
			w.raw(`{"name":`)
			w.string("argument name", s.NamedArgs[i].Name)
			w.raw(`,"value":`)
			w.value(s.NamedArgs[i].Value)
			w.raw("}")
		})
	}
	w.raw(`,"want_rows":`)
	w.bool(!s.NoRows)
	w.minIndex(s.MinIndex)
	w.raw("}")
}

func (w *writer) batch(b *Batch) {
	w.raw(`{"steps":`)
	w.list(len(b.Steps), func(i int) { w.batchStep(&b.Steps[i]) })
	w.minIndex(b.MinIndex)
	w.raw("}")
}

func (w *writer) batchStep(s *BatchStep) {
	w.raw("{")
	if s.Condition != nil {
		if err := checkCond(s.Condition, 1); err != nil {
			w.refuse(err)
			return
		}
		w.raw(`"condition":`)
		w.cond(s.Condition)
		w.raw(",")
	}
	w.raw(`"stmt":`)
	w.stmt(&s.Stmt)
	w.raw("}")
}

// cond appends a condition that checkCond accepted.
func (w *writer) cond(c *Cond) {
	w.raw(`{"type":"` + c.Kind.String() + `"`)
	switch c.Kind {
	case CondOK, CondError:
		w.raw(`,"step":`)
		w.uint(uint64(c.Step))
	case CondNot:
		w.raw(`,"cond":`)
		w.cond(&c.Conds[0])
	case CondAnd, CondOr:
		w.raw(`,"conds":`)
		w.list(len(c.Conds), func(i int) { w.cond(&c.Conds[i]) })
	}
	w.raw("}")
}

// streamName is the name of a request over HTTP: the one name that differs is close.
func streamName(k RequestKind) string {
	if k == ReqCloseStream {
		return "close"
	}
	return k.String()
}

// requestFields appends the fields of a request behind its type.
func (w *writer) requestFields(r *Request) {
	switch r.Kind {
	case ReqExecute:
		w.raw(`,"stmt":`)
		w.stmt(stmtOf(r))
	case ReqBatch, ReqOpenCursor:
		w.raw(`,"batch":`)
		w.batch(batchOf(r))
	case ReqSequence, ReqDescribe:
		s := stmtOf(r)
		w.raw(",")
		w.sql(s)
		w.minIndex(s.MinIndex)
	case ReqStoreSQL:
		w.raw(`,"sql_id":`)
		w.int(int64(stmtOf(r).SQLID))
		w.raw(`,"sql":`)
		w.string("SQL text", stmtOf(r).SQL)
	case ReqCloseSQL:
		w.raw(`,"sql_id":`)
		w.int(int64(stmtOf(r).SQLID))
	case ReqFetchCursor:
		w.raw(`,"max_count":`)
		w.uint(uint64(r.MaxCount))
	}
}

// isStream tells whether a request is one of those over HTTP.
func isStream(k RequestKind) bool { return streamFields[k] != 0 }

func (jsonCodec) appendPipelineRequest(dst []byte, r *PipelineRequest) ([]byte, error) {
	w := writer{b: dst}
	w.raw(`{"baton":`)
	w.orNull("baton", r.Baton)
	w.raw(`,"requests":`)
	w.list(len(r.Requests), func(i int) {
		req := &r.Requests[i]
		if !isStream(req.Kind) {
			w.refuse(fmt.Errorf("%w: stream request %v", ErrNotEncodable, req.Kind))
		}
		w.raw(`{"type":"` + streamName(req.Kind) + `"`)
		w.requestFields(req)
		w.raw("}")
	})
	w.raw("}")
	return w.result()
}

func (jsonCodec) appendCursorRequest(dst []byte, r *CursorRequest) ([]byte, error) {
	w := writer{b: dst}
	w.raw(`{"baton":`)
	w.orNull("baton", r.Baton)
	w.raw(`,"batch":`)
	w.batch(batchOf(&Request{Batch: r.Batch}))
	w.raw("}")
	return w.result()
}

func (jsonCodec) appendClientMsg(dst []byte, m *ClientMsg) ([]byte, error) {
	w := writer{b: dst}
	if m.Hello {
		w.raw(`{"type":"hello","jwt":`)
		w.orNull("auth token", m.JWT)
		w.raw("}")
		return w.result()
	}
	r := m.Request
	if r == nil || r.Kind < ReqOpenStream || r.Kind > ReqGetAutocommit {
		w.refuse(fmt.Errorf("%w: a message without a request", ErrNotEncodable))
		return w.result()
	}
	w.raw(`{"type":"request","request_id":`)
	w.int(int64(m.ID))
	w.raw(`,"request":{"type":"` + r.Kind.String() + `"`)
	w.ids(r)
	w.requestFields(r)
	w.raw("}}")
	return w.result()
}

// ids appends the ids that a request over WebSocket has.
func (w *writer) ids(r *Request) {
	switch r.Kind {
	case ReqStoreSQL, ReqCloseSQL:
		return
	case ReqOpenCursor, ReqCloseCursor, ReqFetchCursor:
		w.raw(`,"cursor_id":`)
		w.int(int64(r.CursorID))
	}
	if r.Kind != ReqCloseCursor && r.Kind != ReqFetchCursor {
		w.raw(`,"stream_id":`)
		w.int(int64(r.StreamID))
	}
}
