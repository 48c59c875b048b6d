package hrana

import (
	"fmt"
	"slices"
	"strconv"
)

// What a client reads.

func (c jsonCodec) parseError(b []byte) (*Error, error) {
	r := newReader(c.m, b)
	e := r.error()
	if err := r.end(); err != nil {
		return nil, err
	}
	if e == nil || *e == (Error{}) {
		return nil, missing("message")
	}
	return e, nil
}

// error reads an error of the protocol, or that of libSQL's HTTP server: {"error": "message"}. It is nil for null.
func (r *reader) error() (e *Error) {
	if r.word("null") {
		return nil
	}
	e = &Error{}
	other := ""
	r.object(func(field string) {
		switch field {
		case "message":
			e.Message = r.string()
		case "code":
			e.Code = r.string()
		case "error":
			other = r.string()
		default:
			r.skip()
		}
	})
	if e.Message == "" {
		e.Message = other
	}
	return e
}

func (r *reader) cols() (cols []Col) {
	r.list(func() {
		if len(cols) == maxColumns {
			r.malformed("too many columns")
		}
		if r.fail(r.m.take(2 * sizeOfCol)); r.err == nil {
			cols = append(cols, r.col())
		}
	})
	return cols
}

func (r *reader) col() (c Col) {
	r.object(func(field string) {
		switch field {
		case "name":
			c.Name = r.string()
		case "decltype":
			c.Decltype = r.string()
		default:
			r.skip()
		}
	})
	return c
}

// row appends the values of a row to dst.
func (r *reader) row(dst []Value) []Value {
	r.list(func() {
		if len(dst) == maxColumns {
			r.malformed("too many values")
		}
		if len(dst) == cap(dst) {
			r.fail(r.m.take(2 * sizeOfValue))
		}
		if r.err == nil {
			dst = append(dst, r.value())
		}
	})
	return dst
}

// rows reads the rows of a result of so many columns, as far as is known.
func (r *reader) rows(columns int) (rows [][]Value) {
	r.list(func() {
		if r.fail(r.m.take(2*sizeOfRow + columns*sizeOfValue)); r.err == nil {
			rows = append(rows, r.row(make([]Value, 0, columns)))
		}
		if r.err != nil {
			return
		}
		if n := len(rows[len(rows)-1]); n == 0 || columns > 0 && n != columns {
			r.malformed("a row that is not of its columns") // before there are more of them
		}
	})
	return rows
}

// stmtResult reads the result of a statement, nil for null.
func (r *reader) stmtResult() *StmtResult {
	if r.word("null") {
		return nil
	}
	r.fail(r.m.take(sizeOfResult))
	res := &StmtResult{}
	r.object(func(field string) {
		switch field {
		case "cols":
			res.Cols = r.cols()
		case "rows":
			res.Rows = r.rows(len(res.Cols))
		case "affected_row_count":
			res.RowsAffected, _ = r.uint(64)
		case "last_insert_rowid":
			res.LastInsertRowID, res.HasLastInsertRowID = r.int(64)
		case "replication_index":
			res.ReplicationIndex = r.index()
		case "rows_read":
			res.RowsRead, _ = r.uint(64)
		case "rows_written":
			res.RowsWritten, _ = r.uint(64)
		case "query_duration_ms":
			if !r.word("null") {
				res.DurationMS = r.float().Float64()
			}
		default:
			r.skip()
		}
	})
	if r.err == nil {
		r.fail(res.fits())
	}
	return res
}

// batchResult reads the result of a batch of so many steps.
func (r *reader) batchResult(steps int) *BatchResult {
	res := &BatchResult{Steps: make([]StepResult, steps)}
	results, errs := 0, 0
	next := func(n *int) *StepResult {
		if *n++; *n > steps {
			r.malformed(fmt.Sprintf("more than the %d steps", steps))
			return &StepResult{}
		}
		return &res.Steps[*n-1]
	}
	r.object(func(field string) {
		switch field {
		case "step_results":
			results = 0
			r.list(func() { next(&results).Result = r.stmtResult() })
		case "step_errors":
			errs = 0
			r.list(func() { next(&errs).Error = r.error() })
		case "replication_index":
			res.ReplicationIndex = r.index()
		default:
			r.skip()
		}
	})
	if r.err == nil && (results != steps || errs != steps) {
		r.fail(fmt.Errorf("%w: %d results and %d errors of %d steps", ErrMalformed, results, errs, steps))
	}
	return res
}

// describeResult reads what is said of a statement, nil for null.
func (r *reader) describeResult() *DescribeResult {
	if r.word("null") {
		return nil
	}
	res := &DescribeResult{}
	r.object(func(field string) {
		switch field {
		case "params":
			for _, p := range r.cols() { // a parameter has the name alone, as the same field
				res.Params = append(res.Params, p.Name)
			}
		case "cols":
			res.Cols = r.cols()
		case "is_explain":
			res.IsExplain = r.bool()
		case "is_readonly":
			res.IsReadOnly = r.bool()
		default:
			r.skip()
		}
	})
	return res
}

// requestKind finds the kind of a name.
func requestKind(name string) (RequestKind, error) {
	i := slices.Index(requestNames[:], name)
	switch {
	case name == "close":
		return ReqCloseStream, nil
	case i < 1:
		return 0, unknown("type", strconv.Quote(name))
	}
	return RequestKind(i), nil
}

func (c jsonCodec) parsePipelineResponse(b []byte, requests []Request) (PipelineResponse, error) {
	r := newReader(c.m, b)
	var res PipelineResponse
	r.object(func(field string) {
		switch field {
		case "baton":
			res.Baton = r.string()
		case "base_url":
			res.BaseURL = r.string()
		case "results":
			res.Results = r.streamResults(requests)
		default:
			r.skip()
		}
	})
	return res, r.end()
}

func (r *reader) streamResults(requests []Request) (results []StreamResult) {
	r.list(func() {
		if len(results) == len(requests) {
			r.malformed("more results than requests")
			return
		}
		results = append(results, r.streamResult(&requests[len(results)]))
	})
	return results
}

func (r *reader) streamResult(req *Request) (res StreamResult) {
	var kind string
	var response []byte
	r.object(func(field string) {
		switch field {
		case "type":
			kind = r.name()
		case "response":
			response = r.raw()
		case "error":
			res.Error = r.error()
		default:
			r.skip()
		}
	})
	switch {
	case r.err != nil:
	case kind == "ok" && response != nil:
		s := r.sub(response)
		res = StreamResult{Response: s.response(req)}
		r.fail(s.err)
	case kind == "error" && res.Error != nil:
	case kind == "ok" || kind == "error":
		r.fail(missing("response or error"))
	default:
		r.fail(unknown("result type", strconv.Quote(kind)))
	}
	return res
}

// response reads the response to a request.
func (r *reader) response(req *Request) *Response {
	var kind string
	var result, entries []byte
	res := &Response{}
	r.object(func(field string) {
		switch field {
		case "type":
			kind = r.name()
		case "result":
			result = r.raw()
		case "entries":
			entries = r.raw()
		case "is_autocommit":
			res.Autocommit = r.bool()
		case "done":
			res.Done = r.bool()
		default:
			r.skip()
		}
	})
	if r.err != nil {
		return nil
	}
	var err error
	if res.Kind, err = requestKind(kind); err == nil {
		err = checkKind(res.Kind, req)
	}
	if r.fail(err); err != nil {
		return nil
	}
	s := r.sub(result)
	switch res.Kind {
	case ReqExecute:
		res.Result = s.stmtResult()
	case ReqBatch:
		res.Batch = s.batchResult(batchSteps(req))
	case ReqDescribe:
		res.Describe = s.describeResult()
	case ReqFetchCursor:
		s = r.sub(entries)
		res.Entries = s.cursorEntries()
	}
	if r.fail(s.err); r.err == nil {
		r.fail(res.checkComplete())
	}
	return res
}

func (r *reader) cursorEntries() []CursorEntry {
	list := []CursorEntry{}
	r.list(func() {
		if r.fail(r.m.take(2 * sizeOfEntry)); r.err == nil {
			list = append(list, CursorEntry{})
			r.cursorEntry(&list[len(list)-1])
		}
	})
	return list
}

func (c jsonCodec) parseCursorResponse(b []byte) (CursorResponse, error) {
	r := newReader(c.m, b)
	var res CursorResponse
	r.object(func(field string) {
		switch field {
		case "baton":
			res.Baton = r.string()
		case "base_url":
			res.BaseURL = r.string()
		default:
			r.skip()
		}
	})
	return res, r.end()
}

func (c jsonCodec) parseCursorEntry(b []byte, e *CursorEntry) error {
	r := newReader(c.m, b)
	r.cursorEntry(e)
	return r.end()
}

// cursorEntry reads an entry into e, whose row it uses again.
func (r *reader) cursorEntry(e *CursorEntry) {
	var kind string
	*e = CursorEntry{Row: e.Row[:0]}
	r.object(func(field string) {
		switch field {
		case "type":
			kind = r.name()
		case "step":
			n, _ := r.uint(32)
			e.Step = uint32(n)
		case "cols":
			e.Cols = r.cols()
		case "row":
			e.Row = r.row(e.Row[:0])
		case "affected_row_count":
			e.RowsAffected, _ = r.uint(64)
		case "last_insert_rowid":
			e.LastInsertRowID, e.HasLastInsertRowID = r.int(64)
		case "error":
			e.Error = r.error()
		case "replication_index":
			e.ReplicationIndex = r.index()
		default:
			r.skip()
		}
	})
	e.Kind = EntryKind(max(0, slices.Index(entryNames[:], kind)))
	switch {
	case r.err != nil:
	case e.Kind == 0:
		r.fail(unknown("cursor entry", strconv.Quote(kind)))
	case (e.Kind == EntryStepError || e.Kind == EntryError) && e.Error == nil:
		r.fail(missing("error"))
	}
}

func (c jsonCodec) parseEnvelope(b []byte) (envelope, error) {
	r := newReader(c.m, b)
	var kind string
	var env envelope
	haveID := false
	r.object(func(field string) {
		switch field {
		case "type":
			kind = r.name()
		case "request_id":
			var id int64
			id, haveID = r.int(32)
			env.id = int32(id)
		case "response":
			env.response = r.raw()
		case "error":
			env.err = r.error()
		default:
			r.skip()
		}
	})
	if err := r.end(); err != nil {
		return env, err
	}
	env.kind = ServerMsgKind(max(0, slices.Index(serverMsgNames[:], kind)))
	if !haveID && (env.kind == MsgResponseOK || env.kind == MsgResponseError) {
		return env, missing("request id")
	}
	return env, env.check()
}

func (c jsonCodec) parseResponse(env envelope, req *Request) (*Response, error) {
	if env.response == nil {
		return nil, missing("response")
	}
	r := &reader{b: env.response, m: c.m}
	res := r.response(req)
	return res, r.end()
}
