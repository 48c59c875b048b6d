package replicator

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/liar"
)

// aboutFrames is a lie in answers of both methods that give frames of the log.
func aboutFrames(change func(a *liar.Answer)) liar.PrimaryLie {
	return liar.PrimaryLie{Frames: func(a *liar.Answer) {
		if a.Method != "Snapshot" && len(a.Frames) > 2 {
			a.Frames = slices.Clone(a.Frames)
			change(a)
		}
	}}
}

// aboutHeader is a lie in the header of the third frame of an answer.
func aboutHeader(edit func(*frames.Header)) liar.PrimaryLie {
	return aboutFrames(func(a *liar.Answer) { a.Frames[2] = liar.Edit(a.Frames[2], edit) })
}

// aboutCommits is a lie in the header of each frame that ends a transaction.
func aboutCommits(edit func(*frames.Header)) liar.PrimaryLie {
	return aboutFrames(func(a *liar.Answer) {
		for i, f := range a.Frames {
			if f.IsCommit() {
				a.Frames[i] = liar.Edit(f, edit)
			}
		}
	})
}

// aboutPages is a lie in the content of the pages of some numbers, or of all others than page 1 for 0, with checksums
// that hold.
func aboutPages(no uint32, edit func(page []byte)) liar.PrimaryLie {
	return aboutFrames(func(a *liar.Answer) {
		for i, f := range a.Frames {
			if f.PageNo() == no || no == 0 && f.PageNo() != 1 {
				a.Frames[i] = liar.EditPage(f, edit)
			}
		}
		a.Frames = liar.Chain(a.Prev, a.Frames)
	})
}

func numbers(by uint64) liar.PrimaryLie {
	return aboutFrames(func(a *liar.Answer) {
		for i, f := range a.Frames {
			a.Frames[i] = liar.Edit(f, func(h *frames.Header) { h.FrameNo += by })
		}
	})
}

// frameLies are lies in frames, whole or headers, that a reader of the log can find.
func frameLies() []lieTest {
	corrupt := []error{ErrCorrupt}
	return []lieTest{
		{name: "all numbers one too high", want: corrupt, lie: numbers(1)},
		{name: "all numbers one too low", want: corrupt, lie: numbers(math.MaxUint64)},
		{name: "numbers beyond 2^63", want: corrupt, lie: numbers(1 << 63)},
		{name: "one number is the greatest", want: corrupt, lie: aboutHeader(func(h *frames.Header) { h.FrameNo = math.MaxUint64 })},
		{name: "a frame twice", want: corrupt, lie: aboutFrames(func(a *liar.Answer) { a.Frames = slices.Insert(a.Frames, 2, a.Frames[1]) })},
		{name: "a frame left out", want: corrupt, lie: aboutFrames(func(a *liar.Answer) { a.Frames = slices.Delete(a.Frames, 1, 2) })},
		{name: "two frames exchanged", want: corrupt, lie: aboutFrames(func(a *liar.Answer) { a.Frames[1], a.Frames[2] = a.Frames[2], a.Frames[1] })},
		{name: "two pages exchanged", want: corrupt, lie: aboutFrames(func(a *liar.Answer) {
			one, two := a.Frames[1], a.Frames[2]
			a.Frames[1], a.Frames[2] = liar.Frame(one.Header(), two.Page()), liar.Frame(two.Header(), one.Page())
		})},
		{name: "the log backwards", want: corrupt, lie: aboutFrames(func(a *liar.Answer) { slices.Reverse(a.Frames) })},
		{name: "a checksum of another frame", want: corrupt, lie: aboutHeader(func(h *frames.Header) { h.Checksum++ })},
		{name: "page 0", want: corrupt, lie: aboutHeader(func(h *frames.Header) { h.PageNo = 0 })},
		{name: "a commit too early", want: corrupt, lie: aboutFrames(func(a *liar.Answer) {
			// The rest of its transaction has checksums of another one.
			a.Frames = append(a.Frames[:1:1], liar.Edit(a.Frames[1], func(h *frames.Header) { h.FrameNo++ }))
		})},
		{name: "frames of another database", want: []error{ErrCorrupt, ErrDiverged}, lie: aboutFrames(func(a *liar.Answer) {
			for i, f := range a.Frames {
				page := slices.Clone(f.Page())
				for j := range page {
					page[j] ^= 0x55
				}
				a.Frames[i] = liar.Frame(f.Header(), page)
			}
		})},
	}
}

// nonsenseLies have checksums that hold and pages that SQLite finds damaged when it looks at them: for a replica they
// are what the primary committed.
func nonsenseLies() []lieTest {
	taken := []error{nil, errAny}
	diverged := []error{nil, ErrDiverged, ErrCorrupt, ErrAhead}
	return []lieTest{
		{name: "pages are nonsense", want: taken, after: diverged, nonsense: true, lie: aboutPages(0, func(p []byte) {
			for i := range p {
				p[i] = byte(i * 13)
			}
		})},
		{name: "pages are empty", want: taken, after: diverged, nonsense: true, lie: aboutPages(0, func(p []byte) { clear(p) })},
		{name: "the schema is nonsense", want: taken, after: diverged, nonsense: true, lie: aboutPages(1, func(p []byte) {
			for i := 100; i < len(p); i++ {
				p[i] = byte(i * 11)
			}
		})},
		{name: "the schema points to itself", want: taken, after: diverged, nonsense: true, lie: aboutPages(1, func(p []byte) {
			copy(p[100:], []byte{5, 0, 0, 0, 1, 15, 240, 0, 0, 0, 0, 1}) // an interior page whose last child is page 1
			binary.BigEndian.PutUint16(p[112:], 4080)
			binary.BigEndian.PutUint32(p[4080:], 1)
		})},
		{name: "the size is too small", want: taken, after: diverged, nonsense: true, lie: aboutCommits(func(h *frames.Header) { h.SizeAfter = 1 })},
		{name: "the size is too large by one", want: taken, after: diverged, nonsense: true, lie: aboutCommits(func(h *frames.Header) { h.SizeAfter++ })},
		{name: "another database with a chain that holds", want: taken, after: diverged, nonsense: true, lie: aboutFrames(func(a *liar.Answer) {
			slices.Reverse(a.Frames)
			for i, f := range a.Frames {
				a.Frames[i] = liar.Edit(f, func(h *frames.Header) { h.FrameNo = a.Next + uint64(i) })
			}
			a.Frames = liar.Chain(a.Prev, a.Frames)
		})},
	}
}

func TestLiesInFrames(t *testing.T)           { runLies(t, lieLogs(t), false, frameLies()) }
func TestLiesThatNoReplicaFinds(t *testing.T) { runLies(t, lieLogs(t), false, nonsenseLies()) }
