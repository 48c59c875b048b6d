package frames

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrStatus means that trailers hold no readable grpc-status.
var ErrStatus = errors.New("invalid grpc status")

// Status is how a gRPC call ended.
// https://grpc.io/docs/guides/status-codes/
type Status struct {
	Code    int    // 0 is success
	Message string // percent-decoded
}

// OK reports whether the call succeeded.
func (s Status) OK() bool { return s.Code == 0 }

// ParseTrailers reads the payload of a trailers envelope: lines of
// "name: value" that end in CR LF, names in any case. Lines other than
// grpc-status and grpc-message are skipped. Trailers without a readable
// grpc-status give an error wrapping [ErrStatus].
func ParseTrailers(b []byte) (Status, error) {
	var code, message string
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch strings.ToLower(string(bytes.TrimSpace(name))) {
		case "grpc-status":
			code = string(bytes.TrimSpace(value))
		case "grpc-message":
			message = string(bytes.TrimSpace(value))
		}
	}
	return ParseStatus(code, message)
}

// ParseStatus reads the values of grpc-status and grpc-message as they stand
// in HTTP headers, which is where a call that failed at once has them.
func ParseStatus(code, message string) (Status, error) {
	n, err := strconv.Atoi(code)
	if err != nil || n < 0 {
		return Status{}, fmt.Errorf("%w: code %q", ErrStatus, code)
	}
	return Status{Code: n, Message: percentDecode(message)}, nil
}

// appendText is the inverse of ParseTrailers.
func (s Status) appendText(dst []byte) []byte {
	dst = append(dst, "grpc-status:"...)
	dst = strconv.AppendInt(dst, int64(s.Code), 10)
	dst = append(dst, "\r\n"...)
	if s.Message != "" {
		dst = append(dst, "grpc-message:"...)
		dst = appendPercent(dst, s.Message)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// appendPercent encodes what gRPC demands: everything outside the printable
// ASCII characters, and '%'. A space is encoded as well, so that one at either
// end outlives the trimming of header values.
func appendPercent(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c > ' ' && c <= '~' && c != '%' {
			dst = append(dst, c)
		} else {
			dst = fmt.Appendf(dst, "%%%02X", c)
		}
	}
	return dst
}

// percentDecode leaves alone what is not a valid escape, as gRPC demands:
// a message that cannot be decoded is better than none.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
func percentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(v))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
