package faultproxy

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Kind is what a [Fault] does.
type Kind uint8

// The kinds of faults. Blocks are Length bytes long.
const (
	// Delay holds the byte at Offset, and all that follow, back for the fault's Pause.
	Delay Kind = iota + 1
	// Cut breaks the connection after Offset bytes: a TCP reset, with which the last of those bytes can be lost, or an
	// HTTP body without its end.
	Cut
	// Truncate ends the stream after Offset bytes as if that were its end.
	Truncate
	// Duplicate sends the block at Offset twice.
	Duplicate
	// Reorder exchanges the block at Offset with the one after it.
	Reorder
	// Flip inverts the bits of Mask in the byte at Offset.
	Flip
)

// Kinds lists every kind of fault.
var Kinds = []Kind{Delay, Cut, Truncate, Duplicate, Reorder, Flip}

var kindNames = map[Kind]string{
	Delay: "delay", Cut: "cut", Truncate: "truncate", Duplicate: "duplicate", Reorder: "reorder", Flip: "flip",
}

// String gives the kind's name in lower case.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Direction is the way of the stream that a fault changes.
type Direction uint8

// The two directions. A proxy of [StartHTTP] has faults [ToClient] only.
const (
	ToClient Direction = iota
	ToServer
)

// Fault is one change to a stream. Offset counts bytes of the stream before any fault, from 0.
type Fault struct {
	Kind   Kind
	Dir    Direction
	Offset int64
	Length int           // of a block of Duplicate and Reorder, at least 1
	Mask   byte          // of Flip; 0 stands for 1
	Pause  time.Duration // of Delay
}

// String describes the fault, for the messages of tests.
func (f Fault) String() string {
	s := fmt.Sprintf("%v at %d", f.Kind, f.Offset)
	switch f.Kind {
	case Delay:
		s += fmt.Sprintf(" for %v", f.Pause)
	case Duplicate, Reorder:
		s += fmt.Sprintf(" of %d bytes", f.Length)
	case Flip:
		s += fmt.Sprintf(" of bits %#02x", f.mask())
	}
	if f.Dir == ToServer {
		s += " to the server"
	}
	return s
}

func (f Fault) mask() byte {
	if f.Mask == 0 {
		return 1
	}
	return f.Mask
}

// Plan chooses the faults of the n-th stream, counted from 0: of a connection under [Start], of a response body
// under [StartHTTP]. It is called from many goroutines, and should give the same answer for the same n.
type Plan func(n int) []Fault

// None is the plan without faults.
func None(int) []Fault { return nil }

// Once is the plan that hurts the first stream only.
func Once(faults ...Fault) Plan {
	return func(n int) []Fault {
		if n == 0 {
			return faults
		}
		return nil
	}
}

// RandomPlan hurts two streams out of three, on average, with one or two faults each, of the given kinds or of all
// when none is given, at offsets below span bytes. What it does depends on nothing but its arguments and the number of
// the stream, so a seed that made a test fail makes it fail again.
func RandomPlan(seed uint64, span int64, kinds ...Kind) Plan {
	if len(kinds) == 0 {
		kinds = Kinds
	}
	return func(n int) []Fault {
		rnd := rand.New(rand.NewPCG(seed, uint64(n)))
		faults := make([]Fault, rnd.IntN(3))
		for i := range faults {
			faults[i] = randomFault(rnd, span, kinds)
		}
		return faults
	}
}

func randomFault(rnd *rand.Rand, span int64, kinds []Kind) Fault {
	f := Fault{Kind: kinds[rnd.IntN(len(kinds))], Offset: rnd.Int64N(span)}
	switch f.Kind {
	case Delay:
		f.Pause = time.Duration(1+rnd.IntN(50)) * time.Millisecond
	case Duplicate, Reorder:
		f.Length = 1 + rnd.IntN(5000)
	case Flip:
		f.Mask = 1 << rnd.IntN(8)
	}
	return f
}
