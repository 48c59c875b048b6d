package replicator

import (
	"math"
	"net/http"
	"slices"
	"testing"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/liar"
)

// aboutSnapshot is a lie in the frames of a snapshot, whose checksums no reader can check.
func aboutSnapshot(change func(a *liar.Answer)) liar.PrimaryLie {
	return liar.PrimaryLie{Frames: func(a *liar.Answer) {
		if a.Method == "Snapshot" && len(a.Frames) > 2 {
			a.Frames = slices.Clone(a.Frames)
			change(a)
		}
	}}
}

// inSnapshot is a lie in the header of one frame of a snapshot, counted from the end where i is negative.
func inSnapshot(i int, edit func(*frames.Header)) liar.PrimaryLie {
	return aboutSnapshot(func(a *liar.Answer) {
		at := (i + len(a.Frames)) % len(a.Frames)
		a.Frames[at] = liar.Edit(a.Frames[at], edit)
	})
}

func snapshotLies() []lieTest {
	corrupt, refused := []error{ErrCorrupt}, []error{errAny}
	return []lieTest{
		{name: "no frames", want: corrupt, lie: aboutSnapshot(func(a *liar.Answer) { a.Frames = nil })},
		{name: "oldest frame first", want: corrupt, lie: aboutSnapshot(func(a *liar.Answer) { slices.Reverse(a.Frames) })},
		{name: "two frames exchanged", want: corrupt, lie: aboutSnapshot(func(a *liar.Answer) { a.Frames[0], a.Frames[1] = a.Frames[1], a.Frames[0] })},
		{name: "a frame twice", want: corrupt, lie: aboutSnapshot(func(a *liar.Answer) { a.Frames = slices.Insert(a.Frames, 1, a.Frames[0]) })},
		{name: "without its last frame", want: corrupt, lie: aboutSnapshot(func(a *liar.Answer) { a.Frames = a.Frames[:len(a.Frames)-1] })},
		{name: "without a size", want: corrupt, lie: inSnapshot(-1, func(h *frames.Header) { h.SizeAfter = 0 })},
		{name: "an end in the middle", want: corrupt, lie: inSnapshot(1, func(h *frames.Header) { h.SizeAfter = 9 })},
		{name: "page 0", want: corrupt, lie: inSnapshot(1, func(h *frames.Header) { h.PageNo = 0 })},
		{name: "a frame from before", want: corrupt, later: true, lie: inSnapshot(-1, func(h *frames.Header) { h.FrameNo = 0 })},
		{name: "the newest frame is the greatest", want: corrupt, lie: inSnapshot(0, func(h *frames.Header) { h.FrameNo = math.MaxUint64 })},
		{name: "the newest frame is beyond the log", want: corrupt, lie: inSnapshot(0, func(h *frames.Header) { h.FrameNo = 1 << 40 })},
		{name: "never ready", want: refused, lasts: true, lie: sayAtOnce(liar.PrimaryLie{Status: func(m string) *frames.Status {
			if m != "Snapshot" {
				return nil
			}
			return &frames.Status{Code: 14, Message: "snapshot not found"}
		}})},
		{name: "without an end", want: refused, lasts: true, lie: liar.PrimaryLie{Serve: func(w http.ResponseWriter, r *http.Request, a *liar.Answer) bool {
			if a.Method != "Snapshot" {
				return false
			}
			page := make([]byte, frames.PageSize)
			w.Header().Set("content-type", "application/grpc-web+proto")
			liar.Forever(w, r, func(i int) []byte {
				f := liar.Frame(frames.Header{FrameNo: 1<<40 - uint64(i), PageNo: uint32(i%3000 + 1)}, page)
				return frames.AppendEnvelope(nil, frames.AppendFrameMessage(nil, frames.FrameMessage{Data: f}))
			})
			return true
		}}},
	}
}

func TestLiesInSnapshots(t *testing.T) { runLies(t, lieLogs(t), true, snapshotLies()) }
