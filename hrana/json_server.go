package hrana

import (
	"fmt"
	"math"
)

// What a server writes.

func (w *writer) error(e *Error) {
	if e == nil {
		w.raw("null")
		return
	}
	w.raw(`{"message":`)
	w.string("error message", e.Message)
	w.raw(`,"code":`)
	w.orNull("error code", e.Code)
	w.raw("}")
}

// answered appends a value as a server does: an infinity is null.
func (w *writer) answered(v Value) {
	if v.kind == KindFloat && (math.IsInf(v.Float64(), 0) || math.IsNaN(v.Float64())) {
		w.raw(`{"type":"float","value":null}`)
		return
	}
	w.value(v)
}

func (w *writer) row(row []Value) {
	w.list(len(row), func(i int) { w.answered(row[i]) })
}

func (w *writer) cols(cols []Col) {
	w.list(len(cols), func(i int) {
		w.raw(`{"name":`)
		w.orNull("column name", cols[i].Name)
		w.raw(`,"decltype":`)
		w.orNull("declared type", cols[i].Decltype)
		w.raw("}")
	})
}

func (w *writer) rowID(id int64, have bool) {
	w.raw(`,"last_insert_rowid":`)
	if !have {
		w.raw("null")
		return
	}
	w.quoted(id)
}

func (w *writer) stmtResult(r *StmtResult) {
	if r == nil {
		w.raw("null")
		return
	}
	w.raw(`{"cols":`)
	w.cols(r.Cols)
	w.raw(`,"rows":`)
	w.list(len(r.Rows), func(i int) { w.row(r.Rows[i]) })
	w.raw(`,"affected_row_count":`)
	w.uint(r.RowsAffected)
	w.rowID(r.LastInsertRowID, r.HasLastInsertRowID)
	w.raw(`,"replication_index":`)
	w.index(r.ReplicationIndex)
	w.raw(`,"rows_read":`)
	w.uint(r.RowsRead)
	w.raw(`,"rows_written":`)
	w.uint(r.RowsWritten)
	w.raw(`,"query_duration_ms":`)
	w.float(r.DurationMS)
	w.raw("}")
}

func (w *writer) batchResult(r *BatchResult) {
	w.raw(`{"step_results":`)
	w.list(len(r.Steps), func(i int) { w.stmtResult(r.Steps[i].Result) })
	w.raw(`,"step_errors":`)
	w.list(len(r.Steps), func(i int) { w.error(r.Steps[i].Error) })
	w.raw(`,"replication_index":`)
	w.index(r.ReplicationIndex)
	w.raw("}")
}

func (w *writer) describeResult(r *DescribeResult) {
	w.raw(`{"params":`)
	w.list(len(r.Params), func(i int) {
		w.raw(`{"name":`)
		w.orNull("parameter name", r.Params[i])
		w.raw("}")
	})
	w.raw(`,"cols":`)
	w.list(len(r.Cols), func(i int) {
		w.raw(`{"name":`)
		w.string("column name", r.Cols[i].Name)
		w.raw(`,"decltype":`)
		w.orNull("declared type", r.Cols[i].Decltype)
		w.raw("}")
	})
	w.raw(`,"is_explain":`)
	w.bool(r.IsExplain)
	w.raw(`,"is_readonly":`)
	w.bool(r.IsReadOnly)
	w.raw("}")
}

// responseFields appends the fields of a response behind its type.
func (w *writer) responseFields(r *Response) {
	if err := r.checkComplete(); err != nil {
		w.refuse(fmt.Errorf("%w: %w", ErrNotEncodable, err))
		return
	}
	switch r.Kind {
	case ReqExecute:
		w.raw(`,"result":`)
		w.stmtResult(r.Result)
	case ReqBatch:
		w.raw(`,"result":`)
		w.batchResult(r.Batch)
	case ReqDescribe:
		w.raw(`,"result":`)
		w.describeResult(r.Describe)
	case ReqGetAutocommit:
		w.raw(`,"is_autocommit":`)
		w.bool(r.Autocommit)
	case ReqFetchCursor:
		w.raw(`,"entries":`)
		w.list(len(r.Entries), func(i int) { w.cursorEntry(&r.Entries[i]) })
		w.raw(`,"done":`)
		w.bool(r.Done)
	}
}

func (jsonCodec) appendPipelineResponse(dst []byte, r *PipelineResponse) ([]byte, error) {
	w := writer{b: dst}
	w.batonAndURL(r.Baton, r.BaseURL)
	w.raw(`,"results":`)
	w.list(len(r.Results), func(i int) { w.streamResult(&r.Results[i]) })
	w.raw("}")
	return w.result()
}

func (w *writer) batonAndURL(baton, baseURL string) {
	w.raw(`{"baton":`)
	w.orNull("baton", baton)
	w.raw(`,"base_url":`)
	w.orNull("base URL", baseURL)
}

func (w *writer) streamResult(r *StreamResult) {
	switch {
	case r.Error != nil:
		w.raw(`{"type":"error","error":`)
		w.error(r.Error)
		w.raw("}")
	case r.Response == nil || !isStream(r.Response.Kind):
		w.refuse(fmt.Errorf("%w: a result without a response", ErrNotEncodable))
	default:
		w.raw(`{"type":"ok","response":{"type":"` + streamName(r.Response.Kind) + `"`)
		w.responseFields(r.Response)
		w.raw("}}")
	}
}

func (jsonCodec) appendCursorResponse(dst []byte, r CursorResponse) ([]byte, error) {
	w := writer{b: dst}
	w.batonAndURL(r.Baton, r.BaseURL)
	w.raw("}")
	return w.result()
}

func (jsonCodec) appendCursorEntry(dst []byte, e *CursorEntry) ([]byte, error) {
	w := writer{b: dst}
	w.cursorEntry(e)
	return w.result()
}

func (w *writer) cursorEntry(e *CursorEntry) {
	if e.Kind < EntryStepBegin || e.Kind > EntryReplicationIndex ||
		(e.Kind == EntryStepError || e.Kind == EntryError) && e.Error == nil {
		w.refuse(fmt.Errorf("%w: cursor entry %v", ErrNotEncodable, e.Kind))
		return
	}
	w.raw(`{"type":"` + e.Kind.String() + `"`)
	switch e.Kind {
	case EntryStepBegin:
		w.step(e)
		w.raw(`,"cols":`)
		w.cols(e.Cols)
	case EntryStepEnd:
		w.raw(`,"affected_row_count":`)
		w.uint(e.RowsAffected)
		w.rowID(e.LastInsertRowID, e.HasLastInsertRowID)
	case EntryStepError:
		w.step(e)
		w.raw(`,"error":`)
		w.error(e.Error)
	case EntryRow:
		w.raw(`,"row":`)
		w.row(e.Row)
	case EntryError:
		w.raw(`,"error":`)
		w.error(e.Error)
	case EntryReplicationIndex:
		w.raw(`,"replication_index":`)
		w.indexNumber(e.ReplicationIndex)
	}
	w.raw("}")
}

// indexNumber appends a replication index as libSQL's server does in this one place: as a number.
func (w *writer) indexNumber(i Index) {
	if !i.Known {
		w.raw("null")
		return
	}
	w.uint(i.FrameNo)
}

func (w *writer) step(e *CursorEntry) {
	w.raw(`,"step":`)
	w.uint(uint64(e.Step))
}

func (jsonCodec) appendError(dst []byte, e *Error) ([]byte, error) {
	w := writer{b: dst}
	w.error(e)
	return w.result()
}

func (jsonCodec) appendServerMsg(dst []byte, m *ServerMsg) ([]byte, error) {
	w := writer{b: dst}
	failed := m.Kind == MsgHelloError || m.Kind == MsgResponseError
	if m.Kind < MsgHelloOK || m.Kind > MsgResponseError || failed && m.Error == nil ||
		m.Kind == MsgResponseOK && m.Response == nil {
		w.refuse(fmt.Errorf("%w: server message of kind %d", ErrNotEncodable, m.Kind))
		return w.result()
	}
	w.raw(`{"type":"` + serverMsgNames[m.Kind] + `"`)
	if m.Kind == MsgResponseOK || m.Kind == MsgResponseError {
		w.raw(`,"request_id":`)
		w.int(int64(m.ID))
	}
	if failed {
		w.raw(`,"error":`)
		w.error(m.Error)
	}
	if m.Kind == MsgResponseOK {
		w.raw(`,"response":{"type":"` + m.Response.Kind.String() + `"`)
		w.responseFields(m.Response)
		w.raw("}")
	}
	w.raw("}")
	return w.result()
}
