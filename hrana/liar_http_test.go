package hrana_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/liar"
)

// inResult is a lie in each result of a statement, also in those of a batch.
func inResult(change func(*hrana.StmtResult)) liar.HranaLie {
	return liar.HranaLie{
		Response: func(r *hrana.StreamResult) {
			if r.Response.Result != nil {
				change(r.Response.Result)
			}
			if r.Response.Batch != nil {
				for _, s := range r.Response.Batch.Steps {
					change(s.Result)
				}
			}
		},
		Entries: func(list []hrana.CursorEntry) []hrana.CursorEntry {
			res := liar.Result()
			change(res)
			out := []hrana.CursorEntry{{Kind: hrana.EntryStepBegin, Cols: res.Cols}}
			for _, row := range res.Rows {
				out = append(out, hrana.CursorEntry{Kind: hrana.EntryRow, Row: row})
			}
			out = append(out, hrana.CursorEntry{Kind: hrana.EntryStepEnd, RowsAffected: res.RowsAffected})
			return append(out, list[slices.IndexFunc(list, func(e hrana.CursorEntry) bool { return e.Step == 1 }):]...)
		},
	}
}

// instead is a lie in place of the result.
func instead(answer hrana.StreamResult) liar.HranaLie {
	return liar.HranaLie{Response: func(r *hrana.StreamResult) { *r = answer }}
}

func resultLies() []lieCase {
	failed := func(message, code string) lieCase {
		return lieCase{call: "execute", lie: instead(hrana.StreamResult{Error: &hrana.Error{Message: message, Code: code}})}
	}
	named := func(name string, c lieCase) lieCase { c.name = name; return c }
	return []lieCase{
		{name: "a row longer than its columns", fine: true, lie: inResult(func(r *hrana.StmtResult) { r.Rows[1] = append(r.Rows[1], hrana.Integer(3)) })},
		{name: "a row shorter than its columns", fine: true, lie: inResult(func(r *hrana.StmtResult) { r.Rows[1] = r.Rows[1][:1] })},
		{name: "an empty row", fine: true, lie: inResult(func(r *hrana.StmtResult) { r.Rows[0] = nil })},
		{name: "rows without columns", fine: true, lie: inResult(func(r *hrana.StmtResult) { r.Cols = nil })},
		{name: "columns without rows", fine: true, lie: inResult(func(r *hrana.StmtResult) { r.Rows = nil })},
		{name: "the greatest number of rows changed", fine: true, lie: inResult(func(r *hrana.StmtResult) { r.RowsAffected = math.MaxUint64 })},
		{name: "the greatest replication index", fine: true, lie: inResult(func(r *hrana.StmtResult) { r.ReplicationIndex = hrana.FrameIndex(math.MaxUint64) })},
		{name: "many columns", fine: true, lie: inResult(func(r *hrana.StmtResult) {
			r.Cols, r.Rows = make([]hrana.Col, 100_000), nil
		})},
		{name: "two million empty rows", call: "execute", fine: true, lie: inResult(func(r *hrana.StmtResult) { r.Rows = make([][]hrana.Value, 2_000_000) })},
		{name: "a row of 400,000 nulls", call: "execute", fine: true, lie: inResult(func(r *hrana.StmtResult) {
			r.Rows = [][]hrana.Value{make([]hrana.Value, 400_000)}
		})},
		{name: "a result of another kind", call: "execute", lie: instead(hrana.StreamResult{Response: &hrana.Response{Kind: hrana.ReqStoreSQL}})},
		{name: "a description for a batch", call: "batch", lie: instead(hrana.StreamResult{Response: &hrana.Response{Kind: hrana.ReqDescribe, Describe: &hrana.DescribeResult{}}})},
		{name: "fewer steps than the batch has", call: "batch", lie: liar.HranaLie{Response: func(r *hrana.StreamResult) { r.Response.Batch.Steps = r.Response.Batch.Steps[:1] }}},
		{name: "more steps than the batch has", call: "batch", lie: liar.HranaLie{Response: func(r *hrana.StreamResult) {
			r.Response.Batch.Steps = append(r.Response.Batch.Steps, r.Response.Batch.Steps...)
		}}},
		named("an error without a message", failed("", "")),
		named("an error with the token", failed("who sent "+lieToken+"?", lieToken)),
		named("an error with controls", failed("\x1b[2J\x00\x07\u202e", "\x1b[2J")),
		named("an error of a megabyte", failed(strings.Repeat("x", 1<<20), strings.Repeat("y", 1<<20))),
	}
}

func entryLies() []lieCase {
	edit := func(name string, change func(list []hrana.CursorEntry) []hrana.CursorEntry) lieCase {
		return lieCase{name: name, call: "cursor", lie: liar.HranaLie{Entries: change}}
	}
	type list = []hrana.CursorEntry
	fine := func(c lieCase) lieCase { c.fine = true; return c }
	return []lieCase{
		edit("nothing", func(list) list { return nil }),
		edit("a row before its step", func(l list) list { return append(list{l[1]}, l...) }),
		edit("a step without an end", func(l list) list { return slices.Delete(l, 3, 4) }),
		edit("steps in the wrong order", func(l list) list { return slices.Concat(l[4:8], l[:4], l[8:]) }),
		edit("a step twice", func(l list) list { return slices.Concat(l[:4], l[:4], l[4:]) }),
		edit("a step that the batch does not have", func(l list) list { l[4].Step = 2; return l }),
		edit("the greatest step", func(l list) list { l[4].Step = math.MaxUint32; return l }),
		edit("step 2^31", func(l list) list { l[4].Step = 1 << 31; return l }),
		edit("an end of no step", func(l list) list { return append(list{l[3]}, l...) }),
		edit("only the first step", func(l list) list { return l[:4] }),
		edit("an error of a step that the batch does not have", func(list) list {
			return list{{Kind: hrana.EntryStepError, Step: 99, Error: &hrana.Error{Message: "m"}}}
		}),
		edit("an error of the batch in the middle of a row", func(l list) list {
			return slices.Insert(l, 2, hrana.CursorEntry{Kind: hrana.EntryError, Error: &hrana.Error{Message: "\x1b" + lieToken}})
		}),
		fine(edit("entries behind an error of the batch", func(l list) list {
			return append(list{{Kind: hrana.EntryStepError, Step: 0, Error: &hrana.Error{Message: "m"}}}, l[4:]...)
		})),
		fine(edit("a thousand replication indexes", func(l list) list {
			return append(slices.Repeat(list{{Kind: hrana.EntryReplicationIndex, ReplicationIndex: hrana.FrameIndex(math.MaxUint64)}}, 1000), l...)
		})),
	}
}

// jsonLies change the text of an honest answer.
func jsonLies() (all []lieCase) {
	add := func(name, from, to string, fine bool) {
		all = append(all, lieCase{name: name, only: inJSON, fine: fine, lie: liar.HranaLie{Bytes: func(_ hrana.Encoding, b []byte) []byte {
			return bytes.Replace(b, []byte(from), []byte(to), 1)
		}}})
	}
	const integer, float, word, blob = `"value":"42"`, `"value":2.5`, `"text of the truth"`, `"base64":"YmxvYiBvZiB0aGUgdHJ1dGg="`
	add("an integer beyond 64 bits", integer, `"value":"9223372036854775808"`, false)
	add("an integer of 1000 digits", integer, `"value":"`+strings.Repeat("9", 1000)+`"`, false)
	add("an integer that is a word", integer, `"value":"NaN"`, false)
	add("an integer with a blank", integer, `"value":" 42"`, false)
	add("an integer that is empty", integer, `"value":""`, false)
	add("an integer that is a number", integer, `"value":42`, true)
	add("an integer that is a fraction", integer, `"value":42.5`, false)
	add("an integer that is an object", integer, `"value":{}`, false)
	add("a float that is a word", float, `"value":"NaN"`, false)
	add("a float that is no JSON", float, `"value":NaN`, false)
	add("a float beyond all floats", float, `"value":1e999`, true)
	add("a text that is a number", word, `7`, false)
	add("a text with half a surrogate", word, `"\ud800"`, true)
	add("a text that is not UTF-8", word, "\"\xff\xfe\"", true)
	add("a text with an escape that is none", word, `"\x41"`, false)
	add("a text without an end", word, `"text`, false)
	add("a blob that is no base64", blob, `"base64":"!!!!"`, false)
	add("a blob that is a text", blob, `"value":"x"`, true)
	add("a blob of one digit", blob, `"base64":"A"`, false)
	add("a value of an unknown type", `"type":"integer"`, `"type":"decimal"`, false)
	add("a value without a type", `"type":"integer",`, ``, false)
	add("a value that is null", `{"type":"integer","value":"42"}`, `null`, false)
	add("a value that is a list", `{"type":"integer","value":"42"}`, `[1]`, false)
	add("lists in lists", `{"type":"integer","value":"42"}`, strings.Repeat("[", 100_000), false)
	add("lists in lists that end", `{"type":"integer","value":"42"}`, strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000), false)
	add("objects in an unknown field", `"type":"integer",`, `"new":`+strings.Repeat(`{"a":`, 20_000)+"1"+strings.Repeat("}", 20_000)+`,"type":"integer",`, true)
	add("a response of an unknown type", `"type":"ok"`, `"type":"perhaps"`, true) // no part of a cursor
	add("rows that are an object", `"rows":[`, `"rows":{"a":[`, true)
	add("columns that are null", `"cols":[{`, `"cols":null,"x":[{`, true)
	add("a column that is null", `"cols":[{`, `"cols":[null,{`, true)
	add("a name that is a number", `"name":"a"`, `"name":1`, false)
	add("a negative number of rows", `"affected_row_count":2`, `"affected_row_count":-2`, false)
	add("a number of rows beyond 64 bits", `"affected_row_count":2`, `"affected_row_count":18446744073709551616`, false)
	add("a rowid that is a word", `"last_insert_rowid":"7"`, `"last_insert_rowid":"x"`, true) // a cursor's steps say none
	add("a negative replication index", `"replication_index":"3"`, `"replication_index":"-3"`, true)
	add("a baton that is a number", `"baton":"baton"`, `"baton":1`, true) // over HTTP only
	whole := func(name string, change func(b []byte) []byte, fine bool) {
		all = append(all, lieCase{name: name, only: inJSON, fine: fine, lie: liar.HranaLie{Bytes: func(_ hrana.Encoding, b []byte) []byte { return change(b) }}})
	}
	whole("nothing", func([]byte) []byte { return nil }, false)
	whole("null", func([]byte) []byte { return []byte("null") }, false)
	whole("half of it", func(b []byte) []byte { return b[:len(b)/2] }, false)
	whole("more behind it", func(b []byte) []byte { return append(b, "}{"...) }, false)
	whole("a mark of the byte order", func(b []byte) []byte { return append([]byte("\ufeff"), b...) }, false)
	whole("UTF-16", func(b []byte) []byte { return bytes.Join(bytes.Split(b, nil), []byte{0}) }, false)
	whole("seven megabytes of blanks", func(b []byte) []byte { return append(bytes.Repeat([]byte(" "), 7<<20), b...) }, true)
	whole("nine megabytes of blanks", func(b []byte) []byte { return append(bytes.Repeat([]byte(" "), 9<<20), b...) }, false)
	return all
}

// protobufLies are bytes that are no message, or one that is too much.
func protobufLies() (all []lieCase) {
	whole := func(name string, fine bool, change func(b []byte) []byte) {
		all = append(all, lieCase{name: name, only: inProtobuf, fine: fine, lie: liar.HranaLie{Bytes: func(_ hrana.Encoding, b []byte) []byte { return change(b) }}})
	}
	whole("nothing", false, func([]byte) []byte { return nil })
	whole("half of it", false, func(b []byte) []byte { return b[:len(b)/2] })
	whole("a length of 2^63", false, func(b []byte) []byte { return protowire.AppendVarint(append(b, 0x1a), 1<<63) })
	whole("a length that has no end", false, func(b []byte) []byte { return append(b, bytes.Repeat([]byte{0xff}, 100)...) })
	whole("a group", false, func(b []byte) []byte { return append(b, 0x1b, 0x1b, 0x1b) })
	whole("a field of type 7", false, func(b []byte) []byte { return append(b, 0x1f) })
	whole("field 0", false, func(b []byte) []byte { return append(b, 0x02, 0x00) })
	whole("zeros", false, func([]byte) []byte { return make([]byte, 100) })
	whole("text that is not UTF-8", true, func(b []byte) []byte {
		return bytes.Replace(b, []byte("text of the truth"), []byte("\xff\xfe\xfd of the truth"), 1)
	})
	whole("JSON", false, func([]byte) []byte { return []byte(`{"baton":null,"results":[]}`) })
	return all
}

// bodyLies are answers of HTTP that are none of the protocol's.
func bodyLies() (all []lieCase) {
	add := func(name string, serve func(w http.ResponseWriter, r *http.Request)) *lieCase {
		all = append(all, lieCase{name: name, only: overHTTP, lie: liar.HranaLie{Serve: func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			if strings.Contains(r.URL.Path, "protobuf") {
				w.Header().Set("Content-Type", "application/x-protobuf")
			}
			serve(w, r)
			return true
		}}})
		return &all[len(all)-1]
	}
	say := func(status int, contentType, body string) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, status := range []int{200, 204, 302, 400, 401, 403, 404, 409, 413, 429, 451, 500, 503, 599} {
		add(fmt.Sprintf("%d with the token and controls", status), say(status, "text/html", "\x1b[2J\xff"+lieToken))
		add(fmt.Sprintf("%d with an error", status), say(status, "application/json", `{"message":"you sent `+lieToken+`\u001b[2J","code":"`+lieToken+`"}`))
	}
	add("the token across the end of what is shown", say(500, "text/plain", strings.Repeat("x", 290)+lieToken))
	add("the token across the end of an error", say(500, "application/json", `{"message":"`+strings.Repeat("x", 290)+lieToken+`"}`))
	add("the token as a content type", say(200, "text/"+lieToken, ""))
	add("the token as an encoding", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", lieToken) })
	add("gzip that is none", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "no gzip")
	})
	add("a bomb of gzip", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		for range 40 {
			_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<20))
		}
		_ = z.Close()
	})
	add("an error that is a bomb of gzip", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(500)
		z := gzip.NewWriter(w)
		for range 40 {
			_, _ = z.Write(bytes.Repeat([]byte("x"), 1<<20))
		}
		_ = z.Close()
	})
	add("a connection that breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	add("silence", func(w http.ResponseWriter, r *http.Request) { liar.Flush(w); <-r.Context().Done() }).lasts = true
	for _, piece := range []string{" ", "\n", "x", "\x00", "\x80"} {
		add(fmt.Sprintf("%q without an end", piece), func(w http.ResponseWriter, r *http.Request) {
			liar.Forever(w, r, func(int) []byte { return bytes.Repeat([]byte(piece), 64<<10) })
		}).lasts = true
	}
	return all
}

// endlessCursors are cursors over HTTP that have no end.
func endlessCursors() (all []lieCase) {
	for _, e := range []hrana.CursorEntry{
		{Kind: hrana.EntryRow, Row: liar.Result().Rows[0]},
		{Kind: hrana.EntryReplicationIndex, ReplicationIndex: hrana.FrameIndex(1)},
	} {
		all = append(all, lieCase{name: fmt.Sprintf("entries %v without an end", e.Kind), only: overHTTP, call: "cursor", lasts: true,
			lie: liar.HranaLie{Serve: func(w http.ResponseWriter, r *http.Request) bool {
				enc := hrana.JSON
				if strings.Contains(r.URL.Path, "protobuf") {
					enc = hrana.Protobuf
				}
				head, _ := enc.AppendCursorResponse(nil, hrana.CursorResponse{Baton: "b"})
				_, _ = w.Write(liar.Delimited(enc, head))
				_, _ = w.Write(liar.EntryBytes(enc, hrana.CursorEntry{Kind: hrana.EntryStepBegin, Cols: liar.Result().Cols}))
				piece := bytes.Repeat(liar.EntryBytes(enc, e), 1000)
				liar.Forever(w, r, func(int) []byte { return piece })
				return true
			}}})
	}
	return all
}

// batonLies are lies about where a stream goes on.
func batonLies() []lieCase {
	pipeline := func(change func(*hrana.PipelineResponse)) liar.HranaLie { return liar.HranaLie{Pipeline: change} }
	http := func(name string, fine bool, change func(*hrana.PipelineResponse)) lieCase {
		return lieCase{name: name, only: overHTTP, call: "execute", fine: fine, lie: pipeline(change)}
	}
	return []lieCase{
		http("no baton", true, func(r *hrana.PipelineResponse) { r.Baton = "" }),
		http("a baton of a megabyte", true, func(r *hrana.PipelineResponse) { r.Baton = strings.Repeat("x", 1<<20) }),
		http("a baton with controls", true, func(r *hrana.PipelineResponse) { r.Baton = "\x00\r\n\x1b" }),
		http("no results", false, func(r *hrana.PipelineResponse) { r.Results = nil }),
		http("too many results", false, func(r *hrana.PipelineResponse) { r.Results = append(r.Results, r.Results...) }),
		http("a base URL of a file", true, func(r *hrana.PipelineResponse) { r.BaseURL = "file:///etc/passwd" }),
		http("a base URL of a megabyte", true, func(r *hrana.PipelineResponse) { r.BaseURL = "http://" + strings.Repeat("x", 1<<20) }),
		http("a base URL with a user", true, func(r *hrana.PipelineResponse) { r.BaseURL = "http://user:" + lieToken + "@127.0.0.1" }),
	}
}

func TestLiesInResults(t *testing.T)       { tellLies(t, resultLies()) }
func TestLiesInEntries(t *testing.T)       { tellLies(t, entryLies()) }
func TestLiesInJSON(t *testing.T)          { tellLies(t, jsonLies()) }
func TestLiesInProtobuf(t *testing.T)      { tellLies(t, protobufLies()) }
func TestLiesInBodies(t *testing.T)        { tellLies(t, bodyLies()) }
func TestCursorsWithoutAnEnd(t *testing.T) { tellLies(t, endlessCursors()) }
func TestLiesInBatons(t *testing.T)        { tellLies(t, batonLies()) }

// A server that sends a stream to another host does not get the token there, whatever it calls the host.
func TestTokenDoesNotFollowABaseURL(t *testing.T) {
	for _, spell := range []func(addr string) string{
		func(a string) string { return "http://" + a },
		func(a string) string { return "HTTP://" + a + "/" },
		func(a string) string { return "http://" + strings.Replace(a, "127.0.0.1", "localhost", 1) },
	} {
		var seen []string
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			seen = append(seen, fmt.Sprint(r.Header, string(b)))
		}))
		srv := liar.StartHrana(t)
		srv.Lie(liar.HranaLie{Pipeline: func(r *hrana.PipelineResponse) { r.BaseURL = spell(strings.TrimPrefix(other.URL, "http://")) }})
		client, err := hrana.Open(srv.URL, hrana.WithAuthToken(lieToken))
		if err != nil {
			t.Fatal(err)
		}
		s, err := client.OpenStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, _ = s.Execute(t.Context(), hrana.Stmt{SQL: "SELECT 1"}) // the second one goes to the other host
		}
		client.Close()
		other.Close()
		if len(seen) == 0 || strings.Contains(strings.Join(seen, " "), lieToken) {
			t.Errorf("the other host saw %q: want a request without the token", seen)
		}
	}
}
