package faultproxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const letters = "abcdefghijklmnopqrstuvwxyz"

// run carries src through the faults and gives what came out, the kinds that happened and the end of the stream.
func run(src io.Reader, faults ...Fault) (string, []Kind, error) {
	var out bytes.Buffer
	var kinds []Kind
	send := func(b []byte) error { out.Write(b); return nil }
	err := newStream(faults, send, nil, func(k Kind) { kinds = append(kinds, k) }).copyFrom(src)
	return out.String(), kinds, err
}

var faultCases = []struct {
	name   string
	faults []Fault
	want   string
	end    error
	kinds  []Kind
}{
	{"none", nil, letters, nil, nil},
	{"delay", []Fault{{Kind: Delay, Offset: 3, Pause: time.Millisecond}}, letters, nil, []Kind{Delay}},
	{"cut", []Fault{{Kind: Cut, Offset: 3}}, "abc", errCut, []Kind{Cut}},
	{"cut at the start", []Fault{{Kind: Cut}}, "", errCut, []Kind{Cut}},
	{"truncate", []Fault{{Kind: Truncate, Offset: 25}}, letters[:25], errTruncate, []Kind{Truncate}},
	{"truncate at the end is no change", []Fault{{Kind: Truncate, Offset: 26}}, letters, nil, nil},
	{"duplicate", []Fault{{Kind: Duplicate, Offset: 1, Length: 2}}, "abcbc" + letters[3:], nil, []Kind{Duplicate}},
	{"duplicate the end", []Fault{{Kind: Duplicate, Offset: 24, Length: 2}}, letters + "yz", nil, []Kind{Duplicate}},
	{"duplicate beyond the end", []Fault{{Kind: Duplicate, Offset: 25, Length: 2}}, letters, nil, nil},
	{"reorder", []Fault{{Kind: Reorder, Offset: 1, Length: 2}}, "adebc" + letters[5:], nil, []Kind{Reorder}},
	{"reorder beyond the end", []Fault{{Kind: Reorder, Offset: 20, Length: 4}}, letters, nil, nil},
	{"flip", []Fault{{Kind: Flip, Offset: 1, Mask: 0x20}}, "aB" + letters[2:], nil, []Kind{Flip}},
	{"flip without a mask", []Fault{{Kind: Flip, Offset: 1}}, "ac" + letters[2:], nil, []Kind{Flip}},
	{"flip beyond the end", []Fault{{Kind: Flip, Offset: 26}}, letters, nil, nil},
	{"flip after a cut", []Fault{{Kind: Flip, Offset: 5}, {Kind: Cut, Offset: 3}}, "abc", errCut, []Kind{Cut}},
	{"flip before a cut", []Fault{{Kind: Cut, Offset: 3}, {Kind: Flip, Offset: 1, Mask: 0x20}}, "aBc", errCut, []Kind{Flip, Cut}},
	{"two cuts", []Fault{{Kind: Truncate, Offset: 5}, {Kind: Cut, Offset: 3}}, "abc", errCut, []Kind{Cut}},
	{"offsets count bytes before any fault",
		[]Fault{{Kind: Duplicate, Offset: 0, Length: 3}, {Kind: Flip, Offset: 4, Mask: 0x20}},
		"abcabcdE" + letters[5:], nil, []Kind{Flip, Duplicate}},
	{"truncate inside a reorder",
		[]Fault{{Kind: Reorder, Offset: 1, Length: 3}, {Kind: Truncate, Offset: 5}}, "abcde", errTruncate, []Kind{Truncate}},
}

func TestFaultsChangeTheBytesAtTheirOffsets(t *testing.T) {
	for _, tc := range faultCases {
		t.Run(tc.name, func(t *testing.T) {
			for name, src := range map[string]io.Reader{
				"whole":  bytes.NewReader([]byte(letters)),
				"bytes":  iotest.OneByteReader(bytes.NewReader([]byte(letters))),
				"halves": iotest.HalfReader(bytes.NewReader([]byte(letters))),
			} {
				got, kinds, end := run(src, tc.faults...)
				if got != tc.want {
					t.Errorf("%s: stream is %q, want %q", name, got, tc.want)
				}
				if !errors.Is(end, tc.end) {
					t.Errorf("%s: stream ends with %v, want %v", name, end, tc.end)
				}
				if diff := cmp.Diff(counted(tc.kinds), counted(kinds)); diff != "" {
					t.Errorf("%s: counted faults differ (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func TestReorderOfEqualBlocksIsNotCounted(t *testing.T) {
	got, kinds, _ := run(bytes.NewReader([]byte("xxyyyyz")), Fault{Kind: Reorder, Offset: 2, Length: 2})
	if got != "xxyyyyz" || kinds != nil {
		t.Errorf("stream is %q with faults %v, want it unchanged with none", got, kinds)
	}
}

func TestStreamGivesTheErrorOfItsSource(t *testing.T) {
	broken := errors.New("broken")
	got, _, err := run(io.MultiReader(bytes.NewReader([]byte("abc")), iotest.ErrReader(broken)))
	if got != "abc" || !errors.Is(err, broken) {
		t.Errorf("stream is %q and ends with %v, want %q and %v", got, err, "abc", broken)
	}
}

// TestRandomFaultsDoNotDependOnHowBytesArrive holds whole random plans against themselves: the same bytes in other
// chunks must come out the same.
func TestRandomFaultsDoNotDependOnHowBytesArrive(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 20000)
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	changed := 0
	plan := RandomPlan(7, int64(len(data)), Cut, Truncate, Duplicate, Reorder, Flip)
	for n := range 200 {
		faults := plan(n)
		whole, wholeKinds, wholeEnd := run(bytes.NewReader(data), faults...)
		parts, partsKinds, partsEnd := run(&ragged{data: data, rnd: rand.New(rand.NewPCG(3, uint64(n)))}, faults...)
		if whole != parts || !errors.Is(partsEnd, wholeEnd) {
			t.Errorf("faults %v: %d bytes ending with %v in one piece, %d bytes ending with %v in many",
				faults, len(whole), wholeEnd, len(parts), partsEnd)
		}
		if diff := cmp.Diff(counted(wholeKinds), counted(partsKinds)); diff != "" {
			t.Errorf("faults %v: counted faults differ (-one piece +many):\n%s", faults, diff)
		}
		if (whole != string(data)) != (len(wholeKinds) > 0) {
			t.Errorf("faults %v: stream changed is %v, counted faults are %v", faults, whole != string(data), wholeKinds)
		}
		changed += len(wholeKinds)
	}
	if changed == 0 {
		t.Error("no fault happened in 200 plans")
	}
}

func TestRandomPlanDependsOnItsSeedOnly(t *testing.T) {
	a, b, other := RandomPlan(3, 1000), RandomPlan(3, 1000), RandomPlan(4, 1000)
	differs := false
	for n := range 50 {
		if diff := cmp.Diff(a(n), b(n)); diff != "" {
			t.Errorf("stream %d: two plans of one seed differ:\n%s", n, diff)
		}
		differs = differs || !cmp.Equal(a(n), other(n))
	}
	if !differs {
		t.Error("two seeds make the same plan for 50 streams")
	}
}

// ragged reads data in pieces of random size.
type ragged struct {
	data []byte
	rnd  *rand.Rand
}

func (r *ragged) Read(b []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.data[:min(len(r.data), 1+r.rnd.IntN(700))])
	r.data = r.data[n:]
	return n, nil
}

func counted(kinds []Kind) map[Kind]int {
	counts := map[Kind]int{}
	for _, k := range kinds {
		counts[k]++
	}
	return counts
}
