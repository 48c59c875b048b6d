package hrana

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a message. Of value, the part that typ calls for is set.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	value uint64 // of a varint or a fixed64
	data  []byte
	m     *meter
}

// consumeField reads the first field of b and says how long it is.
func consumeField(m *meter, b []byte) (field, int, error) {
	num, typ, tagLen := protowire.ConsumeTag(b)
	if tagLen < 0 {
		return field{}, 0, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(tagLen))
	}
	f := field{num: num, typ: typ, m: m}
	if err := m.step(); err != nil {
		return field{}, 0, err
	}
	var n int
	switch typ {
	case protowire.VarintType:
		f.value, n = protowire.ConsumeVarint(b[tagLen:])
	case protowire.Fixed64Type:
		f.value, n = protowire.ConsumeFixed64(b[tagLen:])
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

func eachField(m *meter, b []byte, visit func(field) error) error {
	for len(b) > 0 {
		f, n, err := consumeField(m, b)
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

// count tells how many fields of a number the message in f has, so that a list is made at once.
func (f field) count(num protowire.Number) (n int, err error) {
	err = eachField(f.m, f.data, func(f field) error {
		if f.num == num {
			n++
		}
		return nil
	})
	return n, err
}

func (f field) is(typ protowire.Type) error {
	if f.typ != typ {
		return fmt.Errorf("%w: field %d has wire type %d", ErrMalformed, f.num, f.typ)
	}
	return nil
}

func (f field) uint64(dst *uint64) error {
	*dst = f.value
	return f.is(protowire.VarintType)
}

func (f field) uint32(dst *uint32) error {
	*dst = uint32(f.value)
	return f.is(protowire.VarintType)
}

func (f field) int32(dst *int32) error {
	*dst = int32(f.value)
	return f.is(protowire.VarintType)
}

func (f field) sint64(dst *int64) error {
	*dst = protowire.DecodeZigZag(f.value)
	return f.is(protowire.VarintType)
}

func (f field) bool(dst *bool) error {
	*dst = protowire.DecodeBool(f.value)
	return f.is(protowire.VarintType)
}

func (f field) double(dst *float64) error {
	*dst = math.Float64frombits(f.value)
	return f.is(protowire.Fixed64Type)
}

func (f field) index(dst *Index) error {
	*dst = FrameIndex(f.value)
	return f.is(protowire.VarintType)
}

func (f field) string(dst *string) error {
	if !utf8.Valid(f.data) {
		return fmt.Errorf("%w: field %d is not UTF-8", ErrMalformed, f.num)
	}
	if err := f.m.take(len(f.data)); err != nil {
		return err
	}
	*dst = string(f.data)
	return f.is(protowire.BytesType)
}

// each visits the fields of the message in f.
func (f field) each(visit func(field) error) error {
	if err := f.is(protowire.BytesType); err != nil {
		return err
	}
	return eachField(f.m, f.data, visit)
}

// batonAndURL reads what every answer over HTTP begins with.
func batonAndURL(f field, baton, baseURL *string) error {
	switch f.num {
	case 1:
		return f.string(baton)
	case 2:
		return f.string(baseURL)
	}
	return nil
}
