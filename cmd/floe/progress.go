package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/floedb/floe"
)

// redrawEvery is the time between two states of the bar.
const redrawEvery = 100 * time.Millisecond

// bar draws how far a transfer has come, on one line of a terminal that it
// redraws. A nil bar draws nothing.
type bar struct {
	w     io.Writer
	width func() int // columns of the terminal
	first uint64     // frame that the transfer begins with
	began time.Time

	mu sync.Mutex
	at floe.Progress

	screen sync.Mutex
	drawn  int // columns on the screen

	stop chan struct{}
	done sync.WaitGroup
}

// startBar begins to draw on w if it is a terminal, for a transfer that begins
// at frame first.
func startBar(w io.Writer, first uint64) *bar {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	if _, ok := terminalWidth(f); !ok {
		return nil
	}
	b := &bar{w: w, first: first, began: time.Now(), stop: make(chan struct{})}
	b.width = func() int {
		n, _ := terminalWidth(f)
		return n
	}
	b.done.Go(b.loop)
	return b
}

// progress takes the latest state. It is quick and may be called by any goroutine.
func (b *bar) progress(p floe.Progress) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = p
}

// option makes a transfer report to the bar.
func (b *bar) option() floe.Option { return floe.WithProgress(b.progress) }

func (b *bar) loop() {
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.draw()
		case <-b.stop:
			b.screen.Lock()
			defer b.screen.Unlock()
			b.erase()
			return
		}
	}
}

// finish erases the bar. What is printed after it begins on a clean line.
func (b *bar) finish() {
	if b == nil {
		return
	}
	close(b.stop)
	b.done.Wait()
}

func (b *bar) draw() {
	b.mu.Lock()
	at := b.at
	b.mu.Unlock()
	b.screen.Lock()
	defer b.screen.Unlock()
	line := barLine(measure(at, b.first, time.Since(b.began)), b.width()-1)
	pad := max(0, b.drawn-len(line))
	fmt.Fprint(b.w, "\r", line, strings.Repeat(" ", pad))
	b.drawn = len(line)
}

// erase leaves an empty line. The caller holds screen.
func (b *bar) erase() {
	if b.drawn > 0 {
		fmt.Fprint(b.w, "\r", strings.Repeat(" ", b.drawn), "\r")
	}
	b.drawn = 0
}

// state is what a bar shows.
type state struct {
	done, total uint64  // frames
	bytes       int64   // received
	rate        float64 // bytes a second, since the beginning
	left        time.Duration
	known       bool // total is
}

// measure makes a state of the latest progress.
func measure(p floe.Progress, first uint64, elapsed time.Duration) state {
	s := state{bytes: p.Bytes, known: p.Frames > 0 && p.Primary >= first}
	if seconds := elapsed.Seconds(); seconds > 0 {
		s.rate = float64(p.Bytes) / seconds
	}
	if !s.known {
		return s
	}
	s.total = p.Primary + 1 - first
	// The frames of a snapshot count one by one until all of it has come; then
	// the position moves to its end.
	s.done = min(s.total, max(p.FrameNo+1, first)-first)
	s.done = max(s.done, min(s.total, p.Frames))
	if s.done > 0 {
		s.left = time.Duration(float64(elapsed) * float64(s.total-s.done) / float64(s.done))
	}
	return s
}

// barLine gives the line of a state in at most width columns. What does not fit
// is left out, the least telling first.
func barLine(s state, width int) string {
	if !s.known {
		return firstFitting(width, "waiting for the server", "waiting")
	}
	percent := fmt.Sprintf("%3d%%", s.done*100/s.total)
	counts := fmt.Sprintf(" %d/%d frames", s.done, s.total)
	bytes := "  " + byteText(float64(s.bytes))
	rate := "  " + byteText(s.rate) + "/s"
	left := "  " + s.left.Round(time.Second).String() + " left"
	text := firstFitting(width-len(percent), counts+bytes+rate+left, counts+bytes+rate, counts+bytes, counts)
	line := percent + text
	if room := width - len(line) - len(" []"); room >= 8 {
		line = percent + " " + gauge(s, min(room, 30)) + text
	}
	return firstFitting(width, line, percent)
}

// gauge draws the share that is done, n columns between brackets.
func gauge(s state, n int) string {
	full := int(s.done * uint64(n) / s.total)
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", n-full) + "]"
}

// firstFitting returns the first text that has at most width columns, or "".
func firstFitting(width int, texts ...string) string {
	for _, t := range texts {
		if len(t) <= width {
			return t
		}
	}
	return ""
}
