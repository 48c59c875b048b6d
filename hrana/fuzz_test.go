package hrana

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// stable tells whether what parse reads comes out of encode the same each time it is written and read again. parse
// gives an encoder of what it read, and nil for bytes that it refuses.
func stable(t *testing.T, b []byte, parse func(b []byte) (encode func() ([]byte, error))) {
	t.Helper()
	encode := parse(b)
	if encode == nil {
		return
	}
	first, err := encode()
	if err != nil {
		return // an infinity in JSON, which can be read but not written
	}
	encode = parse(first)
	if encode == nil {
		t.Fatalf("what was written is refused: %q, from %q", first, b)
	}
	second, err := encode()
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("written again: %q, %v; want %q", second, err, first)
	}
}

func fuzzEncoding(binary bool) Encoding {
	if binary {
		return Protobuf
	}
	return JSON
}

func FuzzParseCursorEntry(f *testing.F) {
	for _, enc := range encodings {
		for _, e := range sampleEntries() {
			b, err := enc.AppendCursorEntry(nil, &e)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(enc == Protobuf, b)
		}
	}
	f.Fuzz(func(t *testing.T, binary bool, b []byte) {
		enc := fuzzEncoding(binary)
		stable(t, b, func(b []byte) func() ([]byte, error) {
			var e CursorEntry
			if enc.ParseCursorEntry(b, &e) != nil {
				return nil
			}
			return func() ([]byte, error) { return enc.AppendCursorEntry(nil, &e) }
		})
	})
}

func FuzzParsePipelineResponse(f *testing.F) {
	for _, enc := range encodings {
		for i, r := range sampleResponses(enc) {
			b, err := enc.AppendPipelineResponse(nil, &PipelineResponse{Baton: "x", Results: []StreamResult{{Response: &r}}})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(enc == Protobuf, uint8(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, binary bool, kind uint8, b []byte) {
		enc := fuzzEncoding(binary)
		samples := sampleRequests()
		requests := []Request{samples[int(kind)%len(samples)]}
		stable(t, b, func(b []byte) func() ([]byte, error) {
			r, err := enc.ParsePipelineResponse(b, requests)
			if err != nil {
				return nil
			}
			return func() ([]byte, error) { return enc.AppendPipelineResponse(nil, &r) }
		})
	})
}

func FuzzParsePipelineRequest(f *testing.F) {
	for _, enc := range encodings {
		b, err := enc.AppendPipelineRequest(nil, &PipelineRequest{Baton: "b", Requests: sampleRequests()})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(enc == Protobuf, b)
	}
	f.Fuzz(func(t *testing.T, binary bool, b []byte) {
		enc := fuzzEncoding(binary)
		stable(t, b, func(b []byte) func() ([]byte, error) {
			r, err := enc.ParsePipelineRequest(b)
			if err != nil {
				return nil
			}
			return func() ([]byte, error) { return enc.AppendPipelineRequest(nil, &r) }
		})
	})
}

func FuzzParseClientMsg(f *testing.F) {
	for _, enc := range encodings {
		for _, r := range sampleRequests() {
			b, err := enc.AppendClientMsg(nil, &ClientMsg{ID: 1, Request: &r})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(enc == Protobuf, b)
		}
	}
	f.Fuzz(func(t *testing.T, binary bool, b []byte) {
		enc := fuzzEncoding(binary)
		stable(t, b, func(b []byte) func() ([]byte, error) {
			m, err := enc.ParseClientMsg(b)
			if err != nil {
				return nil
			}
			return func() ([]byte, error) { return enc.AppendClientMsg(nil, &m) }
		})
	})
}

func FuzzParseServerMsg(f *testing.F) {
	for _, enc := range encodings {
		for i, r := range append(sampleResponses(enc), Response{Kind: ReqFetchCursor, Entries: sampleEntries()}) {
			b, err := enc.AppendServerMsg(nil, &ServerMsg{Kind: MsgResponseOK, ID: int32(i), Response: &r})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(enc == Protobuf, b)
		}
	}
	f.Fuzz(func(t *testing.T, binary bool, b []byte) {
		enc := fuzzEncoding(binary)
		requests := append(sampleRequests(), Request{Kind: ReqFetchCursor})
		request := func(id int32) *Request {
			if id < 0 || int(id) >= len(requests) {
				return nil
			}
			return &requests[id]
		}
		stable(t, b, func(b []byte) func() ([]byte, error) {
			m, err := enc.ParseServerMsg(b, request)
			if err != nil {
				return nil
			}
			return func() ([]byte, error) { return enc.AppendServerMsg(nil, &m) }
		})
	})
}

// FuzzReadJSON compares what is read, and passed over, with encoding/json.
func FuzzReadJSON(f *testing.F) {
	for _, text := range []string{
		`"a\u00e9\ud83d\ude00\ud83dx\/\"\n"`, `[1,-0.5e+3,true,false,null,{"a":[]}]`, ` "x" `, `{"a":1,"a":2}`, `01`, `"\x"`, `[1,]`, "\"\t\"",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newReader(nil, b)
		r.skip()
		err := r.end()
		if json.Valid(b) && utf8.Valid(b) && err != nil && !strings.Contains(err.Error(), "nested") {
			t.Fatalf("%q is refused: %v", b, err)
		}
		var want string
		if json.Unmarshal(b, &want) != nil || !utf8.Valid(b) {
			return
		}
		r = newReader(nil, b)
		if got := r.string(); got != want || r.end() != nil {
			t.Fatalf("%q is %q, %v; want %q", b, got, r.err, want)
		}
	})
}
