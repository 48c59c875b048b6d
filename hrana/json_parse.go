package hrana

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The structures that encoding/json fills. Each has the fields of all variants that its type can name.
type (
	jsonPipelineResponse struct {
		Baton   string       `json:"baton"`
		BaseURL string       `json:"base_url"`
		Results []jsonResult `json:"results"`
	}
	jsonResult struct {
		Type     string        `json:"type"`
		Response *jsonResponse `json:"response"`
		Error    *jsonError    `json:"error"`
	}
	jsonResponse struct {
		Type       string          `json:"type"`
		Result     json.RawMessage `json:"result"`
		Autocommit bool            `json:"is_autocommit"`
		Entries    []jsonEntry     `json:"entries"`
		Done       bool            `json:"done"`
	}
	// jsonError is the error of the protocol, or that of libSQL's HTTP server: {"error": "message"}.
	jsonError struct {
		Message string `json:"message"`
		Code    string `json:"code"`
		Error   string `json:"error"`
	}
	jsonCol struct {
		Name     string `json:"name"`
		Decltype string `json:"decltype"`
	}
	jsonStmtResult struct {
		Cols             []jsonCol     `json:"cols"`
		Rows             [][]jsonValue `json:"rows"`
		RowsAffected     uint64        `json:"affected_row_count"`
		LastInsertRowID  *jsonInt64    `json:"last_insert_rowid"`
		ReplicationIndex jsonIndex     `json:"replication_index"`
		RowsRead         uint64        `json:"rows_read"`
		RowsWritten      uint64        `json:"rows_written"`
		DurationMS       float64       `json:"query_duration_ms"`
	}
	jsonBatchResult struct {
		StepResults      []*jsonStmtResult `json:"step_results"`
		StepErrors       []*jsonError      `json:"step_errors"`
		ReplicationIndex jsonIndex         `json:"replication_index"`
	}
	jsonDescribeResult struct {
		Params     []jsonCol `json:"params"`
		Cols       []jsonCol `json:"cols"`
		IsExplain  bool      `json:"is_explain"`
		IsReadOnly bool      `json:"is_readonly"`
	}
	jsonEntry struct {
		Type             string      `json:"type"`
		Step             uint32      `json:"step"`
		Cols             []jsonCol   `json:"cols"`
		Row              []jsonValue `json:"row"`
		RowsAffected     uint64      `json:"affected_row_count"`
		LastInsertRowID  *jsonInt64  `json:"last_insert_rowid"`
		Error            *jsonError  `json:"error"`
		ReplicationIndex jsonIndex   `json:"replication_index"`
	}
	jsonServerMsg struct {
		Type     string          `json:"type"`
		ID       *int32          `json:"request_id"`
		Response json.RawMessage `json:"response"`
		Error    *jsonError      `json:"error"`
	}
)

// jsonIndex is a replication index: text or a number, or null.
type jsonIndex Index

func (i *jsonIndex) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	n, err := strconv.ParseUint(strings.Trim(string(b), `"`), 10, 64)
	*i = jsonIndex(FrameIndex(n))
	return err
}

// jsonInt64 is an integer as text, and accepted as a number.
type jsonInt64 int64

func (i *jsonInt64) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*i = jsonInt64(n)
	return err
}

// jsonValue is a Value in JSON.
type jsonValue Value

func (v *jsonValue) UnmarshalJSON(b []byte) error {
	var raw struct {
		Type   string          `json:"type"`
		Value  json.RawMessage `json:"value"`
		Base64 *string         `json:"base64"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	value, err := parseValue(raw.Type, raw.Value, raw.Base64)
	*v = jsonValue(value)
	return err
}

func parseValue(kind string, raw json.RawMessage, encoded *string) (Value, error) {
	switch kind {
	case "null":
		return Null(), nil
	case "integer":
		var i jsonInt64
		err := i.UnmarshalJSON(raw)
		return Integer(int64(i)), err
	case "float":
		return parseFloat(raw)
	case "text":
		var s *string
		if err := json.Unmarshal(orNull(raw), &s); err != nil || s == nil {
			return Value{}, errors.Join(missing("text"), err)
		}
		return Text(*s), nil
	case "blob":
		if encoded == nil {
			return Value{}, missing("base64 in a blob")
		}
		b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(*encoded, "="))
		return Blob(b), err
	}
	return Value{}, unknown("value type", strconv.Quote(kind))
}

func orNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}

// parseFloat reads a number. Servers write null for both infinities; others may write numbers beyond the range, which
// are infinities as well.
func parseFloat(raw json.RawMessage) (Value, error) {
	if len(raw) == 0 {
		return Value{}, missing("value in a float")
	}
	if string(raw) == "null" {
		return lostInfinity(math.NaN()), nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil
	}
	return Float(f), err
}

// values turns a row into values, using dst again.
func values(row []jsonValue, dst []Value) []Value {
	dst = slices.Grow(dst[:0], len(row))
	for _, v := range row {
		dst = append(dst, Value(v))
	}
	return dst
}

func (e *jsonError) public() *Error {
	if e == nil {
		return nil
	}
	if e.Message == "" {
		return &Error{Message: e.Error, Code: e.Code}
	}
	return &Error{Message: e.Message, Code: e.Code}
}

func (jsonCodec) parseError(b []byte) (*Error, error) {
	var e jsonError
	if err := unmarshal(b, &e); err != nil {
		return nil, err
	}
	if e.Message == "" && e.Error == "" && e.Code == "" {
		return nil, missing("message")
	}
	return e.public(), nil
}

func publicCols(cols []jsonCol) []Col {
	if len(cols) == 0 {
		return nil
	}
	list := make([]Col, len(cols))
	for i, c := range cols {
		list[i] = Col(c)
	}
	return list
}

func (r *jsonStmtResult) public() *StmtResult {
	if r == nil {
		return nil
	}
	res := &StmtResult{
		Cols: publicCols(r.Cols), RowsAffected: r.RowsAffected, ReplicationIndex: Index(r.ReplicationIndex),
		RowsRead: r.RowsRead, RowsWritten: r.RowsWritten, DurationMS: r.DurationMS,
	}
	if r.LastInsertRowID != nil {
		res.LastInsertRowID, res.HasLastInsertRowID = int64(*r.LastInsertRowID), true
	}
	for _, row := range r.Rows {
		res.Rows = append(res.Rows, values(row, nil))
	}
	return res
}

func (r *jsonBatchResult) public(steps int) (*BatchResult, error) {
	if len(r.StepResults) != steps || len(r.StepErrors) != steps {
		return nil, fmt.Errorf("%w: %d results and %d errors of %d steps", ErrMalformed,
			len(r.StepResults), len(r.StepErrors), steps)
	}
	res := &BatchResult{Steps: make([]StepResult, steps), ReplicationIndex: Index(r.ReplicationIndex)}
	for i := range res.Steps {
		res.Steps[i] = StepResult{Result: r.StepResults[i].public(), Error: r.StepErrors[i].public()}
	}
	return res, nil
}

func (r *jsonDescribeResult) public() *DescribeResult {
	res := &DescribeResult{Cols: publicCols(r.Cols), IsExplain: r.IsExplain, IsReadOnly: r.IsReadOnly}
	for _, p := range r.Params {
		res.Params = append(res.Params, p.Name)
	}
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

func (jsonCodec) parsePipelineResponse(b []byte, requests []Request) (PipelineResponse, error) {
	var raw jsonPipelineResponse
	if err := unmarshal(b, &raw); err != nil {
		return PipelineResponse{}, err
	}
	r := PipelineResponse{Baton: raw.Baton, BaseURL: raw.BaseURL}
	if len(raw.Results) > len(requests) {
		return r, fmt.Errorf("%w: more results than requests", ErrMalformed)
	}
	for i := range raw.Results {
		result, err := raw.Results[i].public(&requests[i])
		if err != nil {
			return r, err
		}
		r.Results = append(r.Results, result)
	}
	return r, nil
}

func (r *jsonResult) public(req *Request) (StreamResult, error) {
	switch {
	case r.Type == "ok" && r.Response != nil:
		res, err := r.Response.public(req)
		return StreamResult{Response: res}, err
	case r.Type == "error" && r.Error != nil:
		return StreamResult{Error: r.Error.public()}, nil
	case r.Type == "ok" || r.Type == "error":
		return StreamResult{}, missing("response or error")
	}
	return StreamResult{}, unknown("result type", strconv.Quote(r.Type))
}

func (raw *jsonResponse) public(req *Request) (*Response, error) {
	kind, err := requestKind(raw.Type)
	if err == nil {
		err = checkKind(kind, req)
	}
	if err != nil {
		return nil, err
	}
	r := &Response{Kind: kind, Autocommit: raw.Autocommit, Done: raw.Done}
	switch kind {
	case ReqExecute:
		var res *jsonStmtResult
		err = unmarshal(orNull(raw.Result), &res)
		r.Result = res.public()
	case ReqBatch:
		var res jsonBatchResult
		if err = unmarshal(orNull(raw.Result), &res); err == nil {
			r.Batch, err = res.public(batchSteps(req))
		}
	case ReqDescribe:
		var res *jsonDescribeResult
		if err = unmarshal(orNull(raw.Result), &res); res != nil {
			r.Describe = res.public()
		}
	case ReqFetchCursor:
		r.Entries = make([]CursorEntry, len(raw.Entries))
		for i := range raw.Entries {
			if err := raw.Entries[i].public(&r.Entries[i]); err != nil {
				return nil, err
			}
		}
	}
	if err == nil {
		err = r.checkComplete()
	}
	return r, err
}

func (jsonCodec) parseCursorResponse(b []byte) (CursorResponse, error) {
	var raw jsonPipelineResponse
	err := unmarshal(b, &raw)
	return CursorResponse{Baton: raw.Baton, BaseURL: raw.BaseURL}, err
}

func (jsonCodec) parseCursorEntry(b []byte, e *CursorEntry) error {
	var raw jsonEntry
	if err := unmarshal(b, &raw); err != nil {
		return err
	}
	return raw.public(e)
}

func (raw *jsonEntry) public(e *CursorEntry) error {
	kind := EntryKind(max(0, slices.Index(entryNames[:], raw.Type)))
	if kind == 0 {
		return unknown("cursor entry", strconv.Quote(raw.Type))
	}
	if (kind == EntryStepError || kind == EntryError) && raw.Error == nil {
		return missing("error")
	}
	*e = CursorEntry{
		Kind: kind, Step: raw.Step, Cols: publicCols(raw.Cols), Row: values(raw.Row, e.Row),
		RowsAffected: raw.RowsAffected, Error: raw.Error.public(), ReplicationIndex: Index(raw.ReplicationIndex),
	}
	if raw.LastInsertRowID != nil {
		e.LastInsertRowID, e.HasLastInsertRowID = int64(*raw.LastInsertRowID), true
	}
	return nil
}

func (jsonCodec) parseEnvelope(b []byte) (envelope, error) {
	var raw jsonServerMsg
	if err := unmarshal(b, &raw); err != nil {
		return envelope{}, err
	}
	kind := ServerMsgKind(max(0, slices.Index(serverMsgNames[:], raw.Type)))
	env := envelope{kind: kind, err: raw.Error.public(), response: bytes.TrimSpace(raw.Response)}
	if raw.ID != nil {
		env.id = *raw.ID
	} else if kind == MsgResponseOK || kind == MsgResponseError {
		return env, missing("request id")
	}
	return env, env.check()
}

func (jsonCodec) parseResponse(env envelope, r *Request) (*Response, error) {
	var raw *jsonResponse
	if err := unmarshal(orNull(env.response), &raw); err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, missing("response")
	}
	return raw.public(r)
}
