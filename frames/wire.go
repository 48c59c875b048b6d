package frames

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed is wrapped by every error about bytes that are not the message
// they should be.
var ErrMalformed = errors.New("malformed message")

// handshakeVersion is the version of Hello in which the session is named by a
// token and not by the connection.
const handshakeVersion = 1

// Hello is a server's answer to the Hello call.
type Hello struct {
	GenerationID    string // UUID of the server's run
	GenerationStart uint64 // first frame number of the generation
	LogID           LogID  // names the log; another one means another database
	SessionToken    []byte // goes with every later call; aliases the parsed bytes
	Current         uint64 // number of the newest frame
	HasCurrent      bool   // false when the log is empty or the server does not say
}

// FrameMessage is a frame as the replication service sends it.
type FrameMessage struct {
	Data       Frame  // aliases the parsed bytes
	Timestamp  int64  // when the transaction was committed, Unix milliseconds; 0 when unknown
	Durable    uint64 // newest frame the server has made durable elsewhere
	HasDurable bool   // whether Durable was sent
}

// AppendHelloRequest appends the message that asks for a [Hello].
func AppendHelloRequest(dst []byte) []byte {
	dst = protowire.AppendTag(dst, 1, protowire.VarintType)
	return protowire.AppendVarint(dst, handshakeVersion)
}

// AppendLogOffset appends the request of BatchLogEntries, LogEntries and
// Snapshot: next is the number of the first frame wanted.
func AppendLogOffset(dst []byte, next uint64) []byte {
	dst = protowire.AppendTag(dst, 1, protowire.VarintType)
	return protowire.AppendVarint(dst, next)
}

// ParseLogOffset reads what [AppendLogOffset] wrote: a server's side of it.
func ParseLogOffset(b []byte) (next uint64, err error) {
	err = eachField(b, func(f field) error {
		if f.num == 1 {
			return f.uint64(&next)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("parse log offset: %w", err)
	}
	return next, nil
}

// AppendHello appends h as a server sends it.
func AppendHello(dst []byte, h Hello) []byte {
	dst = appendString(dst, 1, h.GenerationID)
	if h.GenerationStart != 0 {
		dst = appendUint64(dst, 2, h.GenerationStart)
	}
	dst = appendString(dst, 3, h.LogID.String())
	if len(h.SessionToken) > 0 {
		dst = protowire.AppendTag(dst, 4, protowire.BytesType)
		dst = protowire.AppendBytes(dst, h.SessionToken)
	}
	if h.HasCurrent {
		dst = appendUint64(dst, 5, h.Current)
	}
	return dst
}

// ParseHelloResponse reads the answer to Hello. SessionToken aliases b.
// A message without a log id is refused.
func ParseHelloResponse(b []byte) (Hello, error) {
	var h Hello
	var logID []byte
	err := eachField(b, func(f field) error {
		switch f.num {
		case 1:
			return f.string(&h.GenerationID)
		case 2:
			return f.uint64(&h.GenerationStart)
		case 3:
			return f.bytes(&logID)
		case 4:
			return f.bytes(&h.SessionToken)
		case 5:
			h.HasCurrent = true
			return f.uint64(&h.Current)
		}
		return nil
	})
	if err == nil {
		h.LogID, err = ParseLogID(string(logID))
	}
	if err != nil {
		return Hello{}, fmt.Errorf("parse hello: %w", err)
	}
	return h, nil
}

// AppendFrameMessage appends m as a server sends it.
func AppendFrameMessage(dst []byte, m FrameMessage) []byte {
	dst = protowire.AppendTag(dst, 1, protowire.BytesType)
	dst = protowire.AppendBytes(dst, m.Data)
	if m.Timestamp != 0 {
		dst = appendUint64(dst, 2, uint64(m.Timestamp))
	}
	if m.HasDurable {
		dst = appendUint64(dst, 3, m.Durable)
	}
	return dst
}

// AppendBatch appends m as one entry of a Frames message, the answer to
// BatchLogEntries: such an answer is nothing but its entries.
func AppendBatch(dst []byte, m FrameMessage) []byte {
	dst = protowire.AppendTag(dst, 1, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(frameMessageSize(m)))
	return AppendFrameMessage(dst, m)
}

func frameMessageSize(m FrameMessage) int {
	n := protowire.SizeTag(1) + protowire.SizeBytes(len(m.Data))
	if m.Timestamp != 0 {
		n += protowire.SizeTag(2) + protowire.SizeVarint(uint64(m.Timestamp))
	}
	if m.HasDurable {
		n += protowire.SizeTag(3) + protowire.SizeVarint(m.Durable)
	}
	return n
}

// ParseFrameMessage reads one frame message. Data aliases b. It does not
// allocate. A message whose data is not exactly one frame is refused with an
// error wrapping [ErrShortFrame].
func ParseFrameMessage(b []byte) (FrameMessage, error) {
	var m FrameMessage
	var data []byte
	for len(b) > 0 {
		f, n, err := consumeField(b)
		if err != nil {
			return FrameMessage{}, fmt.Errorf("parse frame message: %w", err)
		}
		b = b[n:]
		if err := m.set(f, &data); err != nil {
			return FrameMessage{}, fmt.Errorf("parse frame message: %w", err)
		}
	}
	frame, err := AsFrame(data)
	if err != nil {
		return FrameMessage{}, fmt.Errorf("parse frame message: %w", err)
	}
	m.Data = frame
	return m, nil
}

func (m *FrameMessage) set(f field, data *[]byte) error {
	switch f.num {
	case 1:
		return f.bytes(data)
	case 2:
		var ms uint64
		err := f.uint64(&ms)
		m.Timestamp = int64(ms)
		return err
	case 3:
		m.HasDurable = true
		return f.uint64(&m.Durable)
	}
	return nil
}

// field is one field of a message. Of value, the part that typ calls for is set.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	value uint64
	data  []byte
}

func (f field) uint64(dst *uint64) error {
	if f.typ != protowire.VarintType {
		return f.wrongType()
	}
	*dst = f.value
	return nil
}

func (f field) bytes(dst *[]byte) error {
	if f.typ != protowire.BytesType {
		return f.wrongType()
	}
	*dst = f.data
	return nil
}

func (f field) string(dst *string) error {
	var b []byte
	err := f.bytes(&b)
	*dst = string(b)
	return err
}

func (f field) wrongType() error {
	return fmt.Errorf("%w: field %d has wire type %d", ErrMalformed, f.num, f.typ)
}

// consumeField reads the first field of b and says how long it is.
func consumeField(b []byte) (field, int, error) {
	num, typ, tagLen := protowire.ConsumeTag(b)
	if tagLen < 0 {
		return field{}, 0, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(tagLen))
	}
	f := field{num: num, typ: typ}
	var n int
	switch typ {
	case protowire.VarintType:
		f.value, n = protowire.ConsumeVarint(b[tagLen:])
	case protowire.BytesType:
		f.data, n = protowire.ConsumeBytes(b[tagLen:])
	default:
		n = protowire.ConsumeFieldValue(num, typ, b[tagLen:])
	}
	if n < 0 {
		return field{}, 0, fmt.Errorf("field %d: %w: %w", num, ErrMalformed, protowire.ParseError(n))
	}
	return f, tagLen + n, nil
}

func eachField(b []byte, visit func(field) error) error {
	for len(b) > 0 {
		f, n, err := consumeField(b)
		if err != nil {
			return err
		}
		if err := visit(f); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func appendUint64(dst []byte, num protowire.Number, v uint64) []byte {
	dst = protowire.AppendTag(dst, num, protowire.VarintType)
	return protowire.AppendVarint(dst, v)
}

func appendString(dst []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	return protowire.AppendString(dst, s)
}
