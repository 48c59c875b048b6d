package wal

import (
	"encoding/binary"
	"fmt"
)

// Sum is the checksum of a log: two numbers, each made of the other.
// https://sqlite.org/fileformat2.html#checksum_algorithm
type Sum struct{ S1, S2 uint32 }

// Update gives the checksum after b, whose length must be a multiple of 8
// bytes; what is beyond that is not looked at. bigEndian says how the bytes are
// taken, as the log's header does. It does not allocate.
func (s Sum) Update(bigEndian bool, b []byte) Sum {
	if bigEndian {
		return s.updateBig(b)
	}
	return s.updateLittle(b)
}

// The two loops are apart so that the choice is not made for every word.

func (s Sum) updateLittle(b []byte) Sum {
	s1, s2 := s.S1, s.S2
	for len(b) >= 8 {
		v := binary.LittleEndian.Uint64(b)
		s1 += uint32(v) + s2
		s2 += uint32(v>>32) + s1
		b = b[8:]
	}
	return Sum{s1, s2}
}

func (s Sum) updateBig(b []byte) Sum {
	s1, s2 := s.S1, s.S2
	for len(b) >= 8 {
		v := binary.BigEndian.Uint64(b)
		s1 += uint32(v>>32) + s2
		s2 += uint32(v) + s1
		b = b[8:]
	}
	return Sum{s1, s2}
}

// String gives both numbers in hexadecimal.
func (s Sum) String() string { return fmt.Sprintf("%08x-%08x", s.S1, s.S2) }

func parseSum(b []byte) Sum {
	return Sum{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
}

func (s Sum) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, s.S1)
	return binary.BigEndian.AppendUint32(dst, s.S2)
}
