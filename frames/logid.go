package frames

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// ErrLogID is wrapped by the errors of [ParseLogID] and [LogIDFromLE].
var ErrLogID = errors.New("invalid log id")

// LogID names a log: two servers, or one server before and after it was
// restored, have different ones. It is a UUID, its bytes in textual order.
type LogID [16]byte

// uuidGroups are the ends of the five groups of a UUID's text, as indexes
// into its bytes.
var uuidGroups = [...]int{4, 6, 8, 10, 16}

// ParseLogID reads a UUID of the canonical form, 36 characters with dashes,
// in either case.
func ParseLogID(s string) (LogID, error) {
	var id LogID
	if len(s) != 36 {
		return LogID{}, fmt.Errorf("%w %.50q: want 36 characters", ErrLogID, s)
	}
	from, pos := 0, 0
	for i, to := range uuidGroups {
		if i > 0 {
			if s[pos] != '-' {
				return LogID{}, fmt.Errorf("%w %.50q: want '-' at offset %d", ErrLogID, s, pos)
			}
			pos++
		}
		end := pos + 2*(to-from)
		if _, err := hex.Decode(id[from:to], []byte(s[pos:end])); err != nil {
			return LogID{}, fmt.Errorf("%w %.50q: %w", ErrLogID, s, err)
		}
		from, pos = to, end
	}
	return id, nil
}

// LogIDFromLE reads the 128-bit little-endian form that snapshot files and
// position files hold. b must be 16 bytes long.
func LogIDFromLE(b []byte) (LogID, error) {
	if len(b) != 16 {
		return LogID{}, fmt.Errorf("%w: %d bytes, want 16", ErrLogID, len(b))
	}
	id := LogID(b)
	slices.Reverse(id[:])
	return id, nil
}

// AppendLE appends the 128-bit little-endian form, 16 bytes, to dst.
func (id LogID) AppendLE(dst []byte) []byte {
	slices.Reverse(id[:]) // id is a copy
	return append(dst, id[:]...)
}

// String gives the canonical text, in lower case.
func (id LogID) String() string {
	text := make([]byte, 0, 36)
	from := 0
	for i, to := range uuidGroups {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, id[from:to])
		from = to
	}
	return string(text)
}

// IsZero reports whether id is the zero value, which no server uses.
func (id LogID) IsZero() bool { return id == LogID{} }
