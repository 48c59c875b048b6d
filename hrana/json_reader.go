package hrana

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// reader reads JSON, each value where it is and once, so that what it makes is all that it allocates. Its err is the
// first error; everything it gives after that is empty.
type reader struct {
	b     []byte
	i     int // where the next token begins, or blanks before it
	depth int
	m     *meter
	err   error
}

// maxJSONDepth bounds the nesting of what is read or passed over.
const maxJSONDepth = 500

// newReader reads one value. The text must be UTF-8.
func newReader(m *meter, b []byte) *reader {
	r := &reader{b: b, m: m}
	if !utf8.Valid(b) {
		r.fail(fmt.Errorf("%w: not UTF-8", ErrMalformed))
	}
	return r
}

// sub reads a value that was passed over by raw, nothing for none.
func (r *reader) sub(b []byte) *reader {
	if b == nil {
		b = []byte("null")
	}
	return &reader{b: b, m: r.m, depth: r.depth, err: r.err}
}

func (r *reader) fail(err error) {
	if r.err == nil && err != nil {
		r.err = err
	}
}

func (r *reader) malformed(what string) {
	r.fail(fmt.Errorf("%w: %s at byte %d", ErrMalformed, what, r.i))
}

// end refuses anything behind the value.
func (r *reader) end() error {
	if r.peek(); r.err == nil && r.i < len(r.b) {
		r.malformed("something behind the message")
	}
	return r.err
}

// peek gives the first byte of the next token, 0 at the end.
func (r *reader) peek() byte {
	for r.i < len(r.b) {
		switch c := r.b[r.i]; c {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return c
		}
	}
	return 0
}

// got passes over a token of one byte, if it comes next.
func (r *reader) got(c byte) bool {
	if r.err != nil || r.peek() != c {
		return false
	}
	r.i++
	return true
}

func (r *reader) need(c byte) {
	if !r.got(c) {
		r.malformed(fmt.Sprintf("no %q", c))
	}
}

// word passes over null, true or false, if it comes next.
func (r *reader) word(w string) bool {
	if r.err != nil || r.peek() != w[0] {
		return false
	}
	if !bytes.HasPrefix(r.b[r.i:], []byte(w)) {
		r.malformed("no " + w)
		return false
	}
	r.i += len(w)
	return true
}

func (r *reader) enter() {
	if r.depth++; r.depth > maxJSONDepth {
		r.malformed("nested too deeply")
	}
}

// object reads an object, and nothing for null. field reads, or passes over, the value of each of its fields.
func (r *reader) object(field func(name string)) {
	if r.word("null") {
		return
	}
	r.enter()
	r.need('{')
	for first := true; !r.got('}'); first = false {
		if !first {
			r.need(',')
		}
		name := r.name()
		r.need(':')
		r.fail(r.m.step())
		if r.err != nil {
			return
		}
		field(name)
	}
	r.depth--
}

// list reads an array, and nothing for null. element reads, or passes over, each of its elements.
func (r *reader) list(element func()) {
	if r.word("null") {
		return
	}
	r.enter()
	r.need('[')
	for first := true; !r.got(']'); first = false {
		if !first {
			r.need(',')
		}
		r.fail(r.m.step())
		if r.err != nil {
			return
		}
		element()
	}
	r.depth--
}

// raw passes over a value and gives its bytes, which are not a copy.
func (r *reader) raw() []byte {
	r.peek()
	start := r.i
	r.skip()
	return r.b[start:r.i]
}

func (r *reader) skip() {
	switch r.peek() {
	case '{':
		r.object(func(string) { r.skip() })
	case '[':
		r.list(r.skip)
	case '"':
		r.quoted()
	case 'n':
		r.word("null")
	case 't':
		r.word("true")
	case 'f':
		r.word("false")
	default:
		r.number()
	}
}

// quoted passes over a string. It gives what is between the quotes, and whether there are escapes in it.
func (r *reader) quoted() (inner []byte, escaped bool) {
	r.need('"')
	if r.err != nil {
		return nil, false
	}
	start := r.i
	for r.i < len(r.b) {
		switch c := r.b[r.i]; {
		case c == '"':
			r.i++
			return r.b[start : r.i-1], escaped
		case c == '\\':
			escaped = true
			r.i += 2
		case c < ' ':
			r.malformed("a control character in a string")
			return nil, false
		default:
			r.i++
		}
	}
	r.i = len(r.b)
	r.malformed("a string without an end")
	return nil, false
}

// unquoted is a string without its quotes and escapes. It is a copy only where there are escapes.
func (r *reader) unquoted() []byte {
	inner, escaped := r.quoted()
	if !escaped || r.err != nil {
		return inner
	}
	if r.fail(r.m.take(len(inner))); r.err != nil {
		return nil
	}
	out := make([]byte, 0, len(inner))
	for len(inner) > 0 {
		i := bytes.IndexByte(inner, '\\')
		if i < 0 {
			return append(out, inner...)
		}
		out = append(out, inner[:i]...)
		var n int
		if out, n = unescape(out, inner[i:]); n == 0 {
			r.malformed("an escape that there is not")
			return nil
		}
		inner = inner[i+n:]
	}
	return out
}

// unescape appends the character of the escape that s begins with, and says how long that is: 0 for none.
func unescape(out, s []byte) ([]byte, int) {
	const names, characters = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if i := strings.IndexByte(names, s[1]); i >= 0 {
		return append(out, characters[i]), 2
	}
	c := hex4(s)
	if c < 0 {
		return out, 0
	}
	if !utf16.IsSurrogate(c) {
		return utf8.AppendRune(out, c), 6
	}
	if low := hex4(s[6:]); low >= 0 {
		if pair := utf16.DecodeRune(c, low); pair != utf8.RuneError {
			return utf8.AppendRune(out, pair), 12
		}
	}
	return utf8.AppendRune(out, utf8.RuneError), 6
}

// hex4 is the number in \uXXXX, or -1.
func hex4(s []byte) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// name reads the name of a field, or one of the names of the protocol.
func (r *reader) name() string {
	b := r.unquoted()
	if known, ok := knownNames[string(b)]; ok {
		return known
	}
	return short(b)
}

// knownNames has the names of the protocol, for each to be there once.
var knownNames = func() map[string]string {
	n := map[string]string{}
	for _, list := range [][]string{
		requestNames[:], condNames[:], entryNames[:], serverMsgNames[:], kindNames[:],
		{
			"affected_row_count", "args", "autocommit", "base64", "base_url", "baton", "batch", "close", "code", "cols", "cond",
			"condition", "conds", "cursor_id", "decltype", "done", "entries", "error", "hello", "is_autocommit", "is_explain",
			"is_readonly", "jwt", "last_insert_rowid", "max_count", "message", "name", "named_args", "ok", "params",
			"query_duration_ms", "replication_index", "request", "request_id", "requests", "response", "result", "results", "row",
			"rows", "rows_read", "rows_written", "sql", "sql_id", "step", "step_errors", "step_results", "steps", "stmt",
			"stream_id", "type", "value", "want_rows",
		},
	} {
		for _, name := range list {
			n[name] = name
		}
	}
	return n
}()

// string reads a string, "" for null.
func (r *reader) string() string {
	if r.word("null") {
		return ""
	}
	b := r.unquoted()
	if r.fail(r.m.take(len(b))); r.err != nil {
		return ""
	}
	return string(b)
}

// bool reads a bool, false for null.
func (r *reader) bool() bool {
	switch {
	case r.word("true"):
		return true
	case r.word("false") || r.word("null"):
	default:
		r.malformed("no bool")
	}
	return false
}

// number passes over a number and gives its bytes.
func (r *reader) number() []byte {
	r.peek()
	start := r.i
	for r.i < len(r.b) && strings.IndexByte("+-.0123456789eE", r.b[r.i]) >= 0 {
		r.i++
	}
	if r.err == nil && !isNumber(r.b[start:r.i]) {
		r.malformed("no value")
	}
	return r.b[start:r.i]
}

// isNumber tells whether b is a number as JSON writes it.
func isNumber(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("-"))
	whole := digits(b)
	if whole == 0 || whole > 1 && b[0] == '0' {
		return false
	}
	b = b[whole:]
	if len(b) > 0 && b[0] == '.' {
		n := digits(b[1:])
		if n == 0 {
			return false
		}
		b = b[1+n:]
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		b = b[1:]
		if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		n := digits(b)
		return n > 0 && n == len(b)
	}
	return len(b) == 0
}

func digits(b []byte) (n int) {
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// digits reads an integer that is a number or a text, as the protocol has both. It is nil for null.
func (r *reader) digits() []byte {
	switch {
	case r.word("null"):
		return nil
	case r.peek() == '"':
		return r.unquoted()
	}
	return r.number()
}

// int reads a signed integer of so many bits. have is false for null.
func (r *reader) int(bits int) (n int64, have bool) {
	b := r.digits()
	if b == nil || r.err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(short(b), 10, bits)
	if err != nil {
		r.malformed("no integer")
	}
	return n, true
}

// uint is int for integers without a sign.
func (r *reader) uint(bits int) (n uint64, have bool) {
	b := r.digits()
	if b == nil || r.err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(short(b), 10, bits)
	if err != nil {
		r.malformed("no integer")
	}
	return n, true
}

// short is a text that is cut off where it is too long to be a number or a name.
func short(b []byte) string { return string(b[:min(len(b), 64)]) }

// index reads a replication index.
func (r *reader) index() Index {
	n, have := r.uint(64)
	return Index{FrameNo: n, Known: have}
}

// float reads a number, and infinities beyond its range. Servers write null for both infinities.
func (r *reader) float() Value {
	if r.word("null") {
		return lostInfinity(math.NaN())
	}
	b := r.number()
	if r.err != nil {
		return Value{}
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil && !math.IsInf(f, 0) {
		r.malformed("no number")
	}
	return Float(f)
}

// blob reads base64, with padding or without.
func (r *reader) blob() Value {
	b := bytes.TrimRight(r.unquoted(), "=")
	if r.fail(r.m.take(base64.RawStdEncoding.DecodedLen(len(b)))); r.err != nil {
		return Value{}
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(b)))
	n, err := base64.RawStdEncoding.Decode(out, b)
	if err != nil {
		r.fail(fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	return Blob(out[:n])
}

// value reads an SQL value.
func (r *reader) value() Value {
	var kind string
	var value, encoded []byte
	r.object(func(field string) {
		switch field {
		case "type":
			kind = r.name()
		case "value":
			value = r.raw()
		case "base64":
			encoded = r.raw()
		default:
			r.skip()
		}
	})
	if r.err != nil {
		return Value{}
	}
	from := value
	if kind == "blob" {
		from = encoded
	}
	if from == nil && kind != "null" {
		r.fail(missing("value of type " + strconv.Quote(kind)))
		return Value{}
	}
	s := reader{b: from, m: r.m}
	v := s.valueOf(kind)
	r.fail(s.err)
	return v
}

func (r *reader) valueOf(kind string) Value {
	switch kind {
	case "null":
		return Null()
	case "integer":
		n, have := r.int(64)
		if !have {
			r.malformed("no integer")
		}
		return Integer(n)
	case "float":
		return r.float()
	case "text":
		b := r.unquoted()
		if r.fail(r.m.take(len(b))); r.err != nil {
			return Value{}
		}
		return Text(string(b))
	case "blob":
		return r.blob()
	}
	r.fail(unknown("value type", strconv.Quote(kind)))
	return Value{}
}
