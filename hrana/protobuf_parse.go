package hrana

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

func (c protobufCodec) parsePipelineResponse(b []byte, requests []Request) (PipelineResponse, error) {
	var r PipelineResponse
	err := eachField(c.m, b, func(f field) error {
		if f.num != 3 {
			return batonAndURL(f, &r.Baton, &r.BaseURL)
		}
		if len(r.Results) == len(requests) {
			return fmt.Errorf("%w: more results than requests", ErrMalformed)
		}
		result, err := f.streamResult(&requests[len(r.Results)])
		r.Results = append(r.Results, result)
		return err
	})
	return r, err
}

func (f field) streamResult(req *Request) (StreamResult, error) {
	var r StreamResult
	err := f.each(func(f field) (err error) {
		switch f.num {
		case 1:
			r.Response, err = f.streamResponse(req)
		case 2:
			r.Error, err = f.error()
		}
		return err
	})
	if err == nil && (r.Response == nil) == (r.Error == nil) {
		err = missing("response or error")
	}
	return r, err
}

func (f field) streamResponse(req *Request) (*Response, error) {
	var r *Response
	err := f.each(func(f field) (err error) {
		if kind, ok := streamKinds[f.num]; ok {
			r, err = f.response(kind, req)
		}
		return err
	})
	if err == nil && r == nil {
		err = unknown("stream response", "")
	}
	return r, err
}

// response reads the fields of the response of a kind.
func (f field) response(kind RequestKind, req *Request) (*Response, error) {
	if err := checkKind(kind, req); err != nil {
		return nil, err
	}
	r := &Response{Kind: kind}
	if kind == ReqFetchCursor {
		n, err := f.count(1)
		if err == nil {
			err = f.m.take(n * sizeOfEntry)
		}
		if err != nil {
			return nil, err
		}
		r.Entries = make([]CursorEntry, 0, n)
	}
	err := f.each(func(f field) (err error) {
		switch {
		case kind == ReqExecute && f.num == 1:
			r.Result, err = f.stmtResult()
		case kind == ReqBatch && f.num == 1:
			r.Batch, err = f.batchResult(batchSteps(req))
		case kind == ReqDescribe && f.num == 1:
			r.Describe, err = f.describeResult()
		case kind == ReqGetAutocommit && f.num == 1:
			err = f.bool(&r.Autocommit)
		case kind == ReqFetchCursor && f.num == 1:
			r.Entries = append(r.Entries, CursorEntry{})
			err = f.cursorEntry(&r.Entries[len(r.Entries)-1])
		case kind == ReqFetchCursor && f.num == 2:
			err = f.bool(&r.Done)
		}
		return err
	})
	if err == nil {
		err = r.checkComplete()
	}
	return r, err
}

// checkComplete refuses a response without the result that its kind has.
func (r *Response) checkComplete() error {
	lacks := r.Kind == ReqExecute && r.Result == nil || r.Kind == ReqBatch && r.Batch == nil ||
		r.Kind == ReqDescribe && r.Describe == nil
	if lacks {
		return missing("result in the response to " + r.Kind.String())
	}
	return nil
}

func (f field) error() (*Error, error) {
	if err := f.is(protowire.BytesType); err != nil {
		return nil, err
	}
	return protobufCodec{f.m}.parseError(f.data)
}

func (c protobufCodec) parseError(b []byte) (*Error, error) {
	e := &Error{}
	err := eachField(c.m, b, func(f field) error {
		switch f.num {
		case 1:
			return f.string(&e.Message)
		case 2:
			return f.string(&e.Code)
		}
		return nil
	})
	return e, err
}

func (f field) col() (Col, error) {
	var c Col
	err := f.each(func(f field) error {
		switch f.num {
		case 1:
			return f.string(&c.Name)
		case 2:
			return f.string(&c.Decltype)
		}
		return nil
	})
	return c, err
}

func (f field) cols(cols *[]Col) error {
	if len(*cols) == maxColumns {
		return fmt.Errorf("%w: more than %d columns", ErrMalformed, maxColumns)
	}
	if err := f.m.take(2 * sizeOfCol); err != nil {
		return err
	}
	c, err := f.col()
	*cols = append(*cols, c)
	return err
}

// row appends the values of a row to dst.
func (f field) row(dst []Value) ([]Value, error) {
	if err := f.is(protowire.BytesType); err != nil {
		return dst, err
	}
	for b := f.data; len(b) > 0; {
		f, n, err := consumeField(f.m, b)
		if err != nil {
			return dst, err
		}
		b = b[n:]
		if f.num != 1 {
			continue
		}
		v, err := f.sqlValue()
		switch {
		case err == nil && len(dst) == maxColumns:
			err = fmt.Errorf("%w: a row of more than %d values", ErrMalformed, maxColumns)
		case err == nil && len(dst) == cap(dst):
			err = f.m.take(2 * sizeOfValue)
		}
		if err != nil {
			return dst, err
		}
		dst = append(dst, v)
	}
	return dst, nil
}

func (f field) sqlValue() (Value, error) {
	if err := f.is(protowire.BytesType); err != nil {
		return Value{}, err
	}
	known := false
	var v Value
	for b := f.data; len(b) > 0; {
		f, n, err := consumeField(f.m, b)
		if err != nil {
			return Value{}, err
		}
		b = b[n:]
		if f.num > 5 {
			continue
		}
		if v, err = f.valueOfKind(); err != nil {
			return Value{}, err
		}
		known = true
	}
	if !known {
		return Value{}, unknown("value type", "")
	}
	return v, nil
}

func (f field) valueOfKind() (Value, error) {
	switch f.num {
	case 1:
		return Null(), f.is(protowire.BytesType)
	case 2:
		return Integer(protowire.DecodeZigZag(f.value)), f.is(protowire.VarintType)
	case 3:
		return Float(math.Float64frombits(f.value)), f.is(protowire.Fixed64Type)
	case 4:
		var s string
		err := f.string(&s)
		return Text(s), err
	}
	if err := f.m.take(len(f.data)); err != nil {
		return Value{}, err
	}
	return Blob(append([]byte{}, f.data...)), f.is(protowire.BytesType)
}

func (f field) stmtResult() (*StmtResult, error) {
	rows, err := f.count(2)
	if err == nil {
		err = f.m.take(sizeOfResult + rows*sizeOfRow)
	}
	if err != nil {
		return nil, err
	}
	r := &StmtResult{}
	if rows > 0 {
		r.Rows = make([][]Value, 0, rows)
	}
	err = f.each(func(f field) error {
		switch f.num {
		case 1:
			return f.cols(&r.Cols)
		case 2:
			return f.resultRow(r)
		case 3:
			return f.uint64(&r.RowsAffected)
		case 4:
			r.HasLastInsertRowID = true
			return f.sint64(&r.LastInsertRowID)
		case 5:
			return f.index(&r.ReplicationIndex)
		case 6:
			return f.uint64(&r.RowsRead)
		case 7:
			return f.uint64(&r.RowsWritten)
		case 8:
			return f.double(&r.DurationMS)
		}
		return nil
	})
	if err == nil {
		err = r.fits()
	}
	return r, err
}

// resultRow reads a row, for which there is room at once where the columns came before it. A value has two bytes or more.
func (f field) resultRow(r *StmtResult) error {
	columns := min(len(r.Cols), len(f.data)/2)
	if err := f.m.take(columns * sizeOfValue); err != nil {
		return err
	}
	row, err := f.row(make([]Value, 0, columns))
	r.Rows = append(r.Rows, row)
	if err == nil && (len(row) == 0 || len(r.Cols) > 0 && len(row) != len(r.Cols)) {
		err = r.fits() // before there are more of them
	}
	return err
}

// batchResult reads the two maps from the number of a step to its result or error, for a batch of so many steps.
func (f field) batchResult(steps int) (*BatchResult, error) {
	r := &BatchResult{Steps: make([]StepResult, steps)}
	err := f.each(func(f field) error {
		if f.num != 1 && f.num != 2 {
			return nil
		}
		step, value, err := f.mapEntry()
		if err != nil {
			return err
		}
		if uint64(step) >= uint64(steps) {
			return fmt.Errorf("%w: result of step %d of %d", ErrMalformed, step, steps)
		}
		if f.num == 1 {
			r.Steps[step].Result, err = value.stmtResult()
		} else {
			r.Steps[step].Error, err = value.error()
		}
		return err
	})
	return r, err
}

func (f field) mapEntry() (key uint32, value field, err error) {
	value = field{num: 2, typ: protowire.BytesType, m: f.m}
	err = f.each(func(f field) error {
		switch f.num {
		case 1:
			return f.uint32(&key)
		case 2:
			value = f
		}
		return nil
	})
	return key, value, err
}

func (f field) describeResult() (*DescribeResult, error) {
	r := &DescribeResult{}
	err := f.each(func(f field) error {
		switch f.num {
		case 1:
			if len(r.Params) == maxColumns {
				return fmt.Errorf("%w: more than %d parameters", ErrMalformed, maxColumns)
			}
			if err := f.m.take(2 * sizeOfString); err != nil {
				return err
			}
			p, err := f.col() // a parameter has the name alone, as the same field
			r.Params = append(r.Params, p.Name)
			return err
		case 2:
			return f.cols(&r.Cols)
		case 3:
			return f.bool(&r.IsExplain)
		case 4:
			return f.bool(&r.IsReadOnly)
		}
		return nil
	})
	return r, err
}

func (c protobufCodec) parseCursorResponse(b []byte) (CursorResponse, error) {
	var r CursorResponse
	err := eachField(c.m, b, func(f field) error { return batonAndURL(f, &r.Baton, &r.BaseURL) })
	return r, err
}

func (c protobufCodec) parseCursorEntry(b []byte, e *CursorEntry) error {
	return field{typ: protowire.BytesType, data: b, m: c.m}.cursorEntry(e)
}

// cursorEntry reads an entry into e, whose slices it uses again. The server writes an entry about a replication index
// that it does not know as a message without fields.
func (f field) cursorEntry(e *CursorEntry) error {
	if err := f.is(protowire.BytesType); err != nil {
		return err
	}
	*e = CursorEntry{Cols: e.Cols[:0], Row: e.Row[:0]}
	if len(f.data) == 0 {
		e.Kind = EntryReplicationIndex
		return nil
	}
	for b := f.data; len(b) > 0; {
		f, n, err := consumeField(f.m, b)
		if err == nil {
			err = f.entryOfKind(e)
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	if e.Kind == 0 {
		return unknown("cursor entry", "")
	}
	return nil
}

func (f field) entryOfKind(e *CursorEntry) (err error) {
	if f.num <= 6 {
		e.Kind = protobufEntries[f.num]
	}
	switch f.num {
	case 1:
		return f.stepBegin(e)
	case 2:
		return f.stepEnd(e)
	case 3:
		return f.stepError(e)
	case 4:
		e.Row, err = f.row(e.Row[:0])
	case 5:
		e.Error, err = f.error()
	case 6:
		return f.each(func(f field) error {
			if f.num != 1 {
				return nil
			}
			return f.index(&e.ReplicationIndex)
		})
	}
	return err
}

var protobufEntries = [...]EntryKind{1: EntryStepBegin, 2: EntryStepEnd, 3: EntryStepError, 4: EntryRow, 5: EntryError,
	6: EntryReplicationIndex}

func (f field) stepBegin(e *CursorEntry) error {
	return f.each(func(f field) error {
		switch f.num {
		case 1:
			return f.uint32(&e.Step)
		case 2:
			return f.cols(&e.Cols)
		}
		return nil
	})
}

func (f field) stepEnd(e *CursorEntry) error {
	return f.each(func(f field) error {
		switch f.num {
		case 1:
			return f.uint64(&e.RowsAffected)
		case 2:
			e.HasLastInsertRowID = true
			return f.sint64(&e.LastInsertRowID)
		}
		return nil
	})
}

func (f field) stepError(e *CursorEntry) error {
	err := f.each(func(f field) (err error) {
		switch f.num {
		case 1:
			return f.uint32(&e.Step)
		case 2:
			e.Error, err = f.error()
		}
		return err
	})
	if err == nil && e.Error == nil {
		err = missing("error in a step's error")
	}
	return err
}

func (c protobufCodec) parseEnvelope(b []byte) (envelope, error) {
	var env envelope
	err := eachField(c.m, b, func(f field) error {
		switch f.num {
		case 1:
			env.kind = MsgHelloOK
		case 2:
			env.kind = MsgHelloError
			return f.each(func(f field) (err error) {
				if f.num == 1 {
					env.err, err = f.error()
				}
				return err
			})
		case 3:
			env.kind = MsgResponseOK
			return f.each(env.responseOK)
		case 4:
			env.kind = MsgResponseError
			return f.each(env.responseError)
		}
		return nil
	})
	if err == nil {
		err = env.check()
	}
	return env, err
}

// check refuses an envelope without what its kind has.
func (env *envelope) check() error {
	switch {
	case env.kind == 0:
		return unknown("server message", "")
	case (env.kind == MsgHelloError || env.kind == MsgResponseError) && env.err == nil:
		return missing("error")
	}
	return nil
}

func (env *envelope) responseOK(f field) error {
	if f.num == 1 {
		return f.int32(&env.id)
	}
	if kind, ok := socketKind(f.num); ok {
		env.tag, env.response = kind, f.data
		return f.is(protowire.BytesType)
	}
	return nil
}

func (env *envelope) responseError(f field) (err error) {
	switch f.num {
	case 1:
		return f.int32(&env.id)
	case 2:
		env.err, err = f.error()
	}
	return err
}

func (c protobufCodec) parseResponse(env envelope, r *Request) (*Response, error) {
	if env.tag == 0 {
		return nil, unknown("response", "")
	}
	return field{typ: protowire.BytesType, data: env.response, m: c.m}.response(env.tag, r)
}
