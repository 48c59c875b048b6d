package replicator

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/liar"
)

// sizeLies are lies in page numbers and sizes, which no checksum covers.
func sizeLies() []lieTest {
	refused := []error{errAny}
	greatest := func(h *frames.Header) { h.PageNo = math.MaxUint32 }
	return []lieTest{
		{name: "the greatest page number", want: refused, lie: aboutHeader(greatest)},
		{name: "a page number beyond any database of the log", want: refused, lie: aboutHeader(func(h *frames.Header) { h.PageNo = 1 << 30 })},
		{name: "the greatest size", want: refused, lie: aboutCommits(func(h *frames.Header) { h.SizeAfter = math.MaxUint32 })},
		{name: "a size of 8 TB", want: refused, lie: aboutCommits(func(h *frames.Header) { h.SizeAfter = 1 << 31 })},
		{name: "no transaction ends", want: []error{nil, errAny}, lie: aboutCommits(func(h *frames.Header) { h.SizeAfter = 0 })},
	}
}

// page1Lies are lies in page 1 with checksums that hold: such a file no SQLite opens.
func page1Lies() []lieTest {
	refused := []error{errAny}
	return []lieTest{
		{name: "page 1 is nonsense", want: refused, lie: aboutPages(1, func(p []byte) {
			for i := range p {
				p[i] = byte(i * 7)
			}
		})},
		{name: "page 1 is empty", want: refused, lie: aboutPages(1, func(p []byte) { clear(p) })},
		{name: "page 1 without the magic text", want: refused, lie: aboutPages(1, func(p []byte) { p[0] = 'X' })},
		{name: "page size 512", want: refused, lie: aboutPages(1, func(p []byte) { binary.BigEndian.PutUint16(p[16:], 512) })},
		{name: "page size 65536", want: refused, lie: aboutPages(1, func(p []byte) { binary.BigEndian.PutUint16(p[16:], 1) })},
		{name: "a later file format", want: refused, lie: aboutPages(1, func(p []byte) { p[18], p[19] = 9, 9 })},
		{name: "payload fractions of another format", want: refused, lie: aboutPages(1, func(p []byte) { p[21], p[22], p[23] = 1, 2, 3 })},
	}
}

// snapshotPage1 is a lie about page 1 of a snapshot.
func snapshotPage1(edit func(page []byte)) liar.PrimaryLie {
	return aboutSnapshot(func(a *liar.Answer) {
		for i, f := range a.Frames {
			if f.PageNo() == 1 {
				a.Frames[i] = liar.EditPage(f, edit)
			}
		}
	})
}

// snapshotSizeLies are lies about sizes in a snapshot.
func snapshotSizeLies() []lieTest {
	refused := []error{errAny}
	return []lieTest{
		{name: "the greatest page number", want: refused, lie: inSnapshot(1, func(h *frames.Header) { h.PageNo = math.MaxUint32 })},
		{name: "a page number of 4 TB", want: refused, lie: inSnapshot(1, func(h *frames.Header) { h.PageNo = 1 << 30 })},
		{name: "the greatest size", want: refused, lie: inSnapshot(-1, func(h *frames.Header) { h.SizeAfter = math.MaxUint32 })},
		{name: "a size of 8 TB", want: refused, lie: inSnapshot(-1, func(h *frames.Header) { h.SizeAfter = 1 << 31 })},
		{name: "page 1 is nonsense", want: refused, lie: snapshotPage1(func(p []byte) {
			for i := range p {
				p[i] = byte(i * 7)
			}
		})},
		{name: "page size 512", want: refused, lie: snapshotPage1(func(p []byte) { binary.BigEndian.PutUint16(p[16:], 512) })},
	}
}

// greatestLies are numbers of a last frame next to which no arithmetic is safe.
func greatestLies() []lieTest {
	refused := []error{errAny}
	return []lieTest{
		{name: "the last frame is the greatest", want: refused, lie: aboutHello(func(h *frames.Hello) { h.Current = math.MaxUint64 })},
		{name: "the last frame is the greatest but one", want: refused, lie: aboutHello(func(h *frames.Hello) { h.Current = math.MaxUint64 - 1 })},
		{name: "the last frame is 2^63", want: refused, lie: aboutHello(func(h *frames.Hello) { h.Current = 1 << 63 })},
	}
}

func TestLiesInSizes(t *testing.T)            { runLies(t, lieLogs(t), false, sizeLies()) }
func TestLiesInPage1(t *testing.T)            { runLies(t, lieLogs(t), false, page1Lies()) }
func TestLiesInSizesOfSnapshots(t *testing.T) { runLies(t, lieLogs(t), true, snapshotSizeLies()) }
func TestLiesOfTheGreatestFrame(t *testing.T) { runLies(t, lieLogs(t), false, greatestLies()) }
