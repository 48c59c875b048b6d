package hrana

import (
	"slices"
	"strconv"
)

// What a server reads.

func (r *reader) stmt() (s Stmt) {
	r.object(func(field string) {
		switch field {
		case "sql":
			s.SQL = r.string()
		case "sql_id":
			s.SQLID, s.Stored = r.storedID()
		case "args":
			s.Args = r.row(nil)
		case "named_args":
			s.NamedArgs = r.namedArgs()
		case "want_rows":
			s.NoRows = !r.word("null") && !r.bool()
		case "replication_index":
			s.MinIndex = r.index()
		default:
			r.skip()
		}
	})
	return s
}

func (r *reader) storedID() (StoredID, bool) {
	id, have := r.int(32)
	return StoredID(id), have
}

func (r *reader) namedArgs() (args []NamedArg) {
	r.list(func() {
		r.fail(r.m.take(2 * sizeOfArg))
		var a NamedArg
		have := false
		r.object(func(field string) {
			switch field {
			case "name":
				a.Name = r.string()
			case "value":
				a.Value, have = r.value(), true
			default:
				r.skip()
			}
		})
		if r.err == nil && !have {
			r.fail(missing("value of an argument"))
		}
		args = append(args, a)
	})
	return args
}

func (r *reader) batch() *Batch {
	if r.word("null") {
		return nil
	}
	b := &Batch{}
	r.object(func(field string) {
		switch field {
		case "steps":
			b.Steps = r.batchSteps()
		case "replication_index":
			b.MinIndex = r.index()
		default:
			r.skip()
		}
	})
	return b
}

func (r *reader) batchSteps() (steps []BatchStep) {
	r.list(func() {
		r.fail(r.m.take(2 * sizeOfStep))
		var s BatchStep
		r.object(func(field string) {
			switch field {
			case "condition":
				if !r.word("null") {
					s.Condition = &Cond{}
					r.cond(s.Condition, 1)
				}
			case "stmt":
				s.Stmt = r.stmt()
			default:
				r.skip()
			}
		})
		steps = append(steps, s)
	})
	return steps
}

// cond reads a condition that is depth deep in others.
func (r *reader) cond(c *Cond, depth int) {
	if depth > maxCondDepth {
		r.fail(unknown("condition deeper than", maxCondDepth))
	}
	if r.fail(r.m.take(2 * sizeOfCond)); r.err != nil {
		return
	}
	var kind string
	var inner *Cond
	r.object(func(field string) {
		switch field {
		case "type":
			kind = r.name()
		case "step":
			n, _ := r.uint(32)
			c.Step = uint32(n)
		case "cond":
			if !r.word("null") {
				inner = &Cond{}
				r.cond(inner, depth+1)
			}
		case "conds":
			c.Conds = r.conds(depth)
		default:
			r.skip()
		}
	})
	if r.err == nil {
		r.fail(c.become(kind, inner))
	}
}

func (r *reader) conds(depth int) []Cond {
	list := []Cond{}
	r.list(func() {
		var c Cond
		r.cond(&c, depth+1)
		list = append(list, c)
	})
	return list
}

// become gives a condition its kind, and takes what that does not have.
func (c *Cond) become(kind string, inner *Cond) error {
	c.Kind = CondKind(max(0, slices.Index(condNames[:], kind)))
	switch c.Kind {
	case 0:
		return unknown("condition", strconv.Quote(kind))
	case CondOK, CondError:
		c.Conds = nil
		return nil
	case CondNot:
		if inner == nil {
			return missing("condition")
		}
		c.Conds = []Cond{*inner}
	case CondIsAutocommit:
		c.Conds = nil
	}
	c.Step = 0
	return nil
}

// request reads a request, nil for null.
func (r *reader) request() *Request {
	if r.word("null") {
		return nil
	}
	r.fail(r.m.take(2*sizeOfRequest + sizeOfStmt))
	var kind string
	var text Stmt // of a request that has an SQL text or its id
	var raw Request
	r.object(func(field string) {
		switch field {
		case "type":
			kind = r.name()
		case "stream_id":
			raw.StreamID = r.int32()
		case "cursor_id":
			raw.CursorID = r.int32()
		case "max_count":
			n, _ := r.uint(32)
			raw.MaxCount = uint32(n)
		case "stmt":
			if !r.word("null") {
				s := r.stmt()
				raw.Stmt = &s
			}
		case "batch":
			raw.Batch = r.batch()
		case "sql":
			text.SQL = r.string()
		case "sql_id":
			text.SQLID, text.Stored = r.storedID()
		case "replication_index":
			text.MinIndex = r.index()
		default:
			r.skip()
		}
	})
	if r.err != nil {
		return nil
	}
	req, err := raw.become(kind, text)
	r.fail(err)
	return req
}

func (r *reader) int32() int32 {
	n, _ := r.int(32)
	return int32(n)
}

// become is the request of a kind with the fields of raw that it has. StoreSQL has both a text and an id.
func (raw *Request) become(name string, text Stmt) (*Request, error) {
	kind, err := requestKind(name)
	if err != nil {
		return nil, err
	}
	r := newRequest(kind)
	r.StreamID, r.CursorID, r.MaxCount = raw.StreamID, raw.CursorID, raw.MaxCount
	switch {
	case kind == ReqExecute:
		r.Stmt = raw.Stmt
	case r.Stmt != nil:
		text.Stored = text.Stored && (kind == ReqSequence || kind == ReqDescribe)
		*r.Stmt = text
	case kind == ReqBatch || kind == ReqOpenCursor:
		r.Batch = raw.Batch
	}
	return &r, r.check()
}

func (c jsonCodec) parsePipelineRequest(b []byte) (PipelineRequest, error) {
	r := newReader(c.m, b)
	var p PipelineRequest
	r.object(func(field string) {
		switch field {
		case "baton":
			p.Baton = r.string()
		case "requests":
			p.Requests = nil
			r.list(func() {
				req := r.request()
				switch {
				case r.err != nil:
				case req == nil:
					r.fail(missing("request"))
				case !isStream(req.Kind):
					r.fail(unknown("stream request", req.Kind))
				default:
					p.Requests = append(p.Requests, *req)
				}
			})
		default:
			r.skip()
		}
	})
	return p, r.end()
}

func (c jsonCodec) parseCursorRequest(b []byte) (CursorRequest, error) {
	r := newReader(c.m, b)
	var p CursorRequest
	r.object(func(field string) {
		switch field {
		case "baton":
			p.Baton = r.string()
		case "batch":
			p.Batch = r.batch()
		default:
			r.skip()
		}
	})
	err := r.end()
	if err == nil && p.Batch == nil {
		err = missing("batch")
	}
	return p, err
}

func (c jsonCodec) parseClientMsg(b []byte) (ClientMsg, error) {
	r := newReader(c.m, b)
	var kind string
	var m ClientMsg
	haveID := false
	r.object(func(field string) {
		switch field {
		case "type":
			kind = r.name()
		case "jwt":
			m.JWT = r.string()
		case "request_id":
			var id int64
			id, haveID = r.int(32)
			m.ID = int32(id)
		case "request":
			m.Request = r.request()
		default:
			r.skip()
		}
	})
	if err := r.end(); err != nil {
		return ClientMsg{}, err
	}
	switch {
	case kind == "hello":
		return ClientMsg{Hello: true, JWT: m.JWT}, nil
	case kind == "request" && haveID && m.Request != nil:
		m.JWT = ""
		return m, nil
	case kind == "request":
		return ClientMsg{}, missing("request or its id")
	}
	return ClientMsg{}, unknown("client message", strconv.Quote(kind))
}
