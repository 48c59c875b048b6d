package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe"
)

func TestBarFitsTheTerminal(t *testing.T) {
	s := measure(floe.Progress{FrameNo: 4999, Primary: 9999, Frames: 5000, Bytes: 20_600_000}, 0, 2*time.Second)
	for width, want := range map[int]string{
		120: " 50% [===============               ] 5000/10000 frames  20.6 MB  10.3 MB/s  2s left",
		60:  " 50% 5000/10000 frames  20.6 MB  10.3 MB/s  2s left",
		44:  " 50% 5000/10000 frames  20.6 MB  10.3 MB/s",
		24:  " 50% 5000/10000 frames",
		10:  " 50%",
		2:   "",
	} {
		if got := barLine(s, width); got != want || len(got) > width {
			t.Errorf("in %d columns %q, want %q", width, got, want)
		}
	}
}

func TestBarCountsFromTheFirstFrame(t *testing.T) {
	got := measure(floe.Progress{FrameNo: 149, Primary: 199, Frames: 50, Bytes: 1000}, 100, time.Second)
	want := state{done: 50, total: 100, bytes: 1000, rate: 1000, left: time.Second, known: true}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(state{})); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func TestBarWaitsForTheFirstFrame(t *testing.T) {
	if got, want := barLine(measure(floe.Progress{}, 0, time.Second), 80), "waiting for the server"; got != want {
		t.Errorf("before the first frame %q, want %q", got, want)
	}
}

func TestSizesReadWell(t *testing.T) {
	for n, want := range map[float64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 99_940: "99.9 kB", 123_456: "123 kB", 4.2e9: "4.2 GB"} {
		if got := byteText(n); got != want {
			t.Errorf("%v bytes read %q, want %q", n, got, want)
		}
	}
}
