package sqldtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Error is an error that the server answered to a statement.
type Error struct {
	SQL     string
	Message string
	Code    string // such as "SQLITE_CONSTRAINT"
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s (%s)", e.SQL, e.Message, e.Code) }

// StatusError is an answer of the server's that is not 200 OK, such as the one to a refused token.
type StatusError struct {
	Code int
	Body string
}

func (e *StatusError) Error() string { return fmt.Sprintf("HTTP status %d: %s", e.Code, e.Body) }

// Exec runs statements in one request, each in a transaction of its own unless they say otherwise, and fails the
// test when one fails.
func (s *Server) Exec(t testing.TB, sql ...string) {
	t.Helper()
	if err := s.TryExec(sql...); err != nil {
		t.Fatalf("%v: %v", s, err)
	}
}

// TryExec is [Server.Exec] with the error returned, for any goroutine. All statements are run; the error is that of
// the first one that failed: an [*Error], or a [*StatusError] when the server refused the request.
func (s *Server) TryExec(sql ...string) error {
	stmts := make([]stmt, len(sql))
	for i, text := range sql {
		stmts[i].SQL = text
	}
	_, err := s.execute(stmts)
	return err
}

// ExecArgs runs one statement with arguments: nil, bool, any integer, float64, string or []byte.
func (s *Server) ExecArgs(t testing.TB, sql string, args ...any) {
	t.Helper()
	if err := s.TryExecArgs(sql, args...); err != nil {
		t.Fatalf("%v: %v", s, err)
	}
}

// TryExecArgs is [Server.ExecArgs] with the error returned, for any goroutine.
func (s *Server) TryExecArgs(sql string, args ...any) error {
	_, err := s.TryQuery(sql, args...)
	return err
}

// Query runs one statement and gives its rows. A value is nil, int64, float64, string or []byte. Arguments are those
// of [Server.ExecArgs].
func (s *Server) Query(t testing.TB, sql string, args ...any) [][]any {
	t.Helper()
	rows, err := s.TryQuery(sql, args...)
	if err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	return rows
}

// TryQuery is [Server.Query] with the error returned, for any goroutine.
func (s *Server) TryQuery(sql string, args ...any) ([][]any, error) {
	encoded, err := encodeArgs(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sql, err)
	}
	results, err := s.execute([]stmt{{SQL: sql, Args: encoded, WantRows: true}})
	if err != nil {
		return nil, err
	}
	return decodeRows(results[0].Rows)
}

// Transaction runs statements in one transaction and commits it, or rolls all of it back and fails the test when one
// of them fails.
func (s *Server) Transaction(t testing.TB, sql ...string) {
	t.Helper()
	if err := s.TryTransaction(sql...); err != nil {
		t.Fatalf("%v: %v", s, err)
	}
}

// TryTransaction is [Server.Transaction] with the error returned, for any goroutine.
func (s *Server) TryTransaction(sql ...string) error {
	steps := []step{{Stmt: stmt{SQL: "BEGIN IMMEDIATE"}}}
	for _, text := range append(append([]string(nil), sql...), "COMMIT") {
		steps = append(steps, step{Stmt: stmt{SQL: text}, Condition: &condition{Type: "ok", Step: len(steps) - 1}})
	}
	answers, err := s.pipeline([]request{{Type: "batch", Batch: &batch{Steps: steps}}})
	if err != nil {
		return err
	}
	for i, e := range answers[0].Response.Result.StepErrors {
		if e != nil {
			return &Error{SQL: steps[i].Stmt.SQL, Message: e.Message, Code: e.Code}
		}
	}
	return nil
}

// FrameNo gives the number of the last frame of the newest committed transaction, counted from 0. A database that
// nothing was ever written to has none: that fails the test.
func (s *Server) FrameNo(t testing.TB) uint64 {
	t.Helper()
	no, err := s.TryFrameNo()
	if err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	return no
}

// TryFrameNo is [Server.FrameNo] with the error returned, for any goroutine.
func (s *Server) TryFrameNo() (uint64, error) {
	results, err := s.execute([]stmt{{SQL: "SELECT 1"}})
	if err != nil {
		return 0, err
	}
	if results[0].ReplicationIndex == nil {
		return 0, errors.New("the server names no replication index: nothing was committed yet")
	}
	return strconv.ParseUint(*results[0].ReplicationIndex, 10, 64)
}

// The messages of a pipeline request, as HRANA_3_SPEC.md describes them under "Execute a pipeline of requests":
// https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md
type (
	request struct {
		Type  string `json:"type"`
		Stmt  *stmt  `json:"stmt,omitempty"`
		Batch *batch `json:"batch,omitempty"`
	}
	stmt struct {
		SQL      string  `json:"sql"`
		Args     []value `json:"args,omitempty"`
		WantRows bool    `json:"want_rows"`
	}
	batch struct {
		Steps []step `json:"steps"`
	}
	step struct {
		Stmt      stmt       `json:"stmt"`
		Condition *condition `json:"condition,omitempty"`
	}
	condition struct {
		Type string `json:"type"`
		Step int    `json:"step"`
	}
	value struct {
		Type   string          `json:"type"`
		Value  json.RawMessage `json:"value,omitempty"`
		Base64 *string         `json:"base64,omitempty"`
	}
	answer struct {
		Type     string       `json:"type"`
		Error    *serverError `json:"error"`
		Response struct {
			Result result `json:"result"`
		} `json:"response"`
	}
	result struct {
		Rows             [][]value      `json:"rows"`
		StepErrors       []*serverError `json:"step_errors"`
		ReplicationIndex *string        `json:"replication_index"`
	}
	serverError struct {
		Message string `json:"message"`
		Code    string `json:"code"`
	}
)

// execute runs statements in one pipeline and gives a result for each, or the error of the first that failed.
func (s *Server) execute(stmts []stmt) ([]result, error) {
	requests := make([]request, len(stmts))
	for i := range stmts {
		requests[i] = request{Type: "execute", Stmt: &stmts[i]}
	}
	answers, err := s.pipeline(requests)
	var failed *answerError
	if errors.As(err, &failed) {
		return nil, &Error{SQL: stmts[failed.index].SQL, Message: failed.Message, Code: failed.Code}
	}
	if err != nil {
		return nil, err
	}
	results := make([]result, len(stmts))
	for i := range results {
		results[i] = answers[i].Response.Result
	}
	return results, nil
}

// answerError is the first error among the answers of a pipeline.
type answerError struct {
	serverError
	index int
}

func (e *answerError) Error() string {
	return fmt.Sprintf("request %d: %s (%s)", e.index, e.Message, e.Code)
}

// pipeline sends requests on a stream of their own and gives the answers to them.
func (s *Server) pipeline(requests []request) ([]answer, error) {
	body, err := json.Marshal(map[string]any{"requests": append(requests, request{Type: "close"})})
	if err != nil {
		return nil, err
	}
	data, err := s.post("/v3/pipeline", body)
	if err != nil {
		return nil, err
	}
	var res struct {
		Results []answer `json:"results"`
	}
	if err := json.Unmarshal(data, &res); err != nil {
		return nil, fmt.Errorf("decode the answer of the server: %w", err)
	}
	if got, want := len(res.Results), len(requests)+1; got != want {
		return nil, fmt.Errorf("%d answers to %d requests: %s", got, want, data)
	}
	for i, a := range res.Results[:len(requests)] {
		if a.Error != nil {
			return nil, &answerError{serverError: *a.Error, index: i}
		}
	}
	return res.Results, nil
}

// post sends a request for the view's namespace, signed when the server asks for that.
func (s *Server) post(path string, body []byte) ([]byte, error) {
	req, err := http.NewRequest(http.MethodPost, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("content-type", "application/json")
	req.Header.Set("x-namespace-bin", base64.RawStdEncoding.EncodeToString([]byte(s.Namespace)))
	if token := s.Token(); token != "" {
		req.Header.Set("authorization", "Bearer "+token)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of the server: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, &StatusError{Code: res.StatusCode, Body: strings.TrimSpace(string(data))}
	}
	return data, nil
}

// newClient makes a client whose connections all go to addr.
func newClient(addr string) *http.Client {
	var dialer net.Dialer
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, addr)
	}
	return &http.Client{
		Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 16},
		Timeout:   5 * time.Minute,
	}
}

func encodeArgs(args []any) ([]value, error) {
	values := make([]value, len(args))
	for i, arg := range args {
		v, err := encodeValue(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		values[i] = v
	}
	return values, nil
}

func encodeValue(arg any) (value, error) {
	switch arg := arg.(type) {
	case nil:
		return value{Type: "null"}, nil
	case bool:
		if arg {
			return value{Type: "integer", Value: quote("1")}, nil
		}
		return value{Type: "integer", Value: quote("0")}, nil
	case int, int8, int16, int32, int64, uint8, uint16, uint32:
		return value{Type: "integer", Value: quote(fmt.Sprint(arg))}, nil
	case float64:
		return value{Type: "float", Value: json.RawMessage(strconv.FormatFloat(arg, 'g', -1, 64))}, nil
	case string:
		return value{Type: "text", Value: quote(arg)}, nil
	case []byte:
		encoded := base64.StdEncoding.EncodeToString(arg)
		return value{Type: "blob", Base64: &encoded}, nil
	}
	return value{}, fmt.Errorf("no SQL value for %T", arg)
}

// quote encodes a string, which encoding/json cannot refuse.
func quote(s string) json.RawMessage {
	b, _ := json.Marshal(s)
	return b
}

func decodeRows(rows [][]value) ([][]any, error) {
	decoded := make([][]any, len(rows))
	for i, row := range rows {
		decoded[i] = make([]any, len(row))
		for j, v := range row {
			var err error
			if decoded[i][j], err = decodeValue(v); err != nil {
				return nil, fmt.Errorf("row %d, column %d: %w", i, j, err)
			}
		}
	}
	return decoded, nil
}

func decodeValue(v value) (any, error) {
	switch v.Type {
	case "null":
		return nil, nil
	case "integer":
		var text string
		if err := json.Unmarshal(v.Value, &text); err != nil {
			return nil, err
		}
		return strconv.ParseInt(text, 10, 64)
	case "float":
		var f float64
		err := json.Unmarshal(v.Value, &f)
		return f, err
	case "text":
		var text string
		err := json.Unmarshal(v.Value, &text)
		return text, err
	case "blob":
		if v.Base64 == nil {
			return nil, errors.New("blob without a base64 field")
		}
		// The server leaves the padding out.
		return base64.RawStdEncoding.DecodeString(strings.TrimRight(*v.Base64, "="))
	}
	return nil, fmt.Errorf("unknown value type %q", v.Type)
}
