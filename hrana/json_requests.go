package hrana

import (
	"encoding/json"
	"slices"
	"strconv"
)

// What a server reads.

type (
	jsonPipelineRequest struct {
		Baton    string        `json:"baton"`
		Requests []jsonRequest `json:"requests"`
	}
	jsonCursorRequest struct {
		Baton string     `json:"baton"`
		Batch *jsonBatch `json:"batch"`
	}
	jsonClientMsg struct {
		Type    string       `json:"type"`
		JWT     string       `json:"jwt"`
		ID      *int32       `json:"request_id"`
		Request *jsonRequest `json:"request"`
	}
	jsonRequest struct {
		Type     string     `json:"type"`
		StreamID int32      `json:"stream_id"`
		CursorID int32      `json:"cursor_id"`
		MaxCount uint32     `json:"max_count"`
		Stmt     *jsonStmt  `json:"stmt"`
		Batch    *jsonBatch `json:"batch"`
		SQL      string     `json:"sql"`
		SQLID    *int32     `json:"sql_id"`
		MinIndex jsonIndex  `json:"replication_index"`
	}
	jsonStmt struct {
		SQL       string         `json:"sql"`
		SQLID     *int32         `json:"sql_id"`
		Args      []jsonValue    `json:"args"`
		NamedArgs []jsonNamedArg `json:"named_args"`
		WantRows  *bool          `json:"want_rows"`
		MinIndex  jsonIndex      `json:"replication_index"`
	}
	jsonNamedArg struct {
		Name  string    `json:"name"`
		Value jsonValue `json:"value"`
	}
	jsonBatch struct {
		Steps    []jsonStep `json:"steps"`
		MinIndex jsonIndex  `json:"replication_index"`
	}
	jsonStep struct {
		Condition *jsonCond `json:"condition"`
		Stmt      jsonStmt  `json:"stmt"`
	}
	jsonCond struct {
		Type  string          `json:"type"`
		Step  uint32          `json:"step"`
		Cond  json.RawMessage `json:"cond"`
		Conds []jsonCond      `json:"conds"`
	}
)

func (raw *jsonStmt) public() Stmt {
	s := Stmt{SQL: raw.SQL, NoRows: raw.WantRows != nil && !*raw.WantRows, MinIndex: Index(raw.MinIndex)}
	if raw.SQLID != nil {
		s.Stored, s.SQLID = true, StoredID(*raw.SQLID)
	}
	for _, v := range raw.Args {
		s.Args = append(s.Args, Value(v))
	}
	for _, a := range raw.NamedArgs {
		s.NamedArgs = append(s.NamedArgs, NamedArg{Name: a.Name, Value: Value(a.Value)})
	}
	return s
}

func (raw *jsonBatch) public() (*Batch, error) {
	b := &Batch{MinIndex: Index(raw.MinIndex)}
	for i := range raw.Steps {
		step := BatchStep{Stmt: raw.Steps[i].Stmt.public()}
		if raw.Steps[i].Condition != nil {
			step.Condition = &Cond{}
			if err := raw.Steps[i].Condition.public(step.Condition, 1); err != nil {
				return nil, err
			}
		}
		b.Steps = append(b.Steps, step)
	}
	return b, nil
}

// public reads a condition that is depth deep in others.
func (raw *jsonCond) public(c *Cond, depth int) error {
	if depth > maxCondDepth {
		return unknown("condition deeper than", maxCondDepth)
	}
	kind := CondKind(max(0, slices.Index(condNames[:], raw.Type)))
	*c = Cond{Kind: kind}
	switch kind {
	case 0:
		return unknown("condition", strconv.Quote(raw.Type))
	case CondOK, CondError:
		c.Step = raw.Step
	case CondNot:
		var inner *jsonCond
		if err := unmarshal(orNull(raw.Cond), &inner); err != nil {
			return err
		}
		if inner == nil {
			return missing("condition")
		}
		c.Conds = make([]Cond, 1)
		return inner.public(&c.Conds[0], depth+1)
	case CondAnd, CondOr:
		c.Conds = make([]Cond, len(raw.Conds))
		for i := range raw.Conds {
			if err := raw.Conds[i].public(&c.Conds[i], depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (raw *jsonRequest) public() (Request, error) {
	kind, err := requestKind(raw.Type)
	if err != nil {
		return Request{}, err
	}
	r := newRequest(kind)
	r.StreamID, r.CursorID, r.MaxCount = raw.StreamID, raw.CursorID, raw.MaxCount
	switch {
	case kind == ReqExecute && raw.Stmt != nil:
		s := raw.Stmt.public()
		r.Stmt = &s
	case r.Stmt != nil:
		raw.text(&r)
	case raw.Batch != nil && (kind == ReqBatch || kind == ReqOpenCursor):
		if r.Batch, err = raw.Batch.public(); err != nil {
			return r, err
		}
	}
	return r, r.check()
}

// text fills the statement of a request that has an SQL text or its id. StoreSQL has both.
func (raw *jsonRequest) text(r *Request) {
	r.Stmt.SQL, r.Stmt.MinIndex = raw.SQL, Index(raw.MinIndex)
	if raw.SQLID != nil {
		r.Stmt.SQLID = StoredID(*raw.SQLID)
		r.Stmt.Stored = r.Kind == ReqSequence || r.Kind == ReqDescribe
	}
}

func (jsonCodec) parsePipelineRequest(b []byte) (PipelineRequest, error) {
	var raw jsonPipelineRequest
	if err := unmarshal(b, &raw); err != nil {
		return PipelineRequest{}, err
	}
	r := PipelineRequest{Baton: raw.Baton}
	for i := range raw.Requests {
		req, err := raw.Requests[i].public()
		if err == nil && !isStream(req.Kind) {
			err = unknown("stream request", req.Kind)
		}
		if err != nil {
			return r, err
		}
		r.Requests = append(r.Requests, req)
	}
	return r, nil
}

func (jsonCodec) parseCursorRequest(b []byte) (CursorRequest, error) {
	var raw jsonCursorRequest
	if err := unmarshal(b, &raw); err != nil {
		return CursorRequest{}, err
	}
	if raw.Batch == nil {
		return CursorRequest{}, missing("batch")
	}
	batch, err := raw.Batch.public()
	return CursorRequest{Baton: raw.Baton, Batch: batch}, err
}

func (jsonCodec) parseClientMsg(b []byte) (ClientMsg, error) {
	var raw jsonClientMsg
	if err := unmarshal(b, &raw); err != nil {
		return ClientMsg{}, err
	}
	switch raw.Type {
	case "hello":
		return ClientMsg{Hello: true, JWT: raw.JWT}, nil
	case "request":
		if raw.ID == nil || raw.Request == nil {
			return ClientMsg{}, missing("request or its id")
		}
		r, err := raw.Request.public()
		return ClientMsg{ID: *raw.ID, Request: &r}, err
	}
	return ClientMsg{}, unknown("client message", strconv.Quote(raw.Type))
}
