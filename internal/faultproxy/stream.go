package faultproxy

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"time"
)

// holdLimit bounds how long a block of an unfinished Reorder is kept from a receiver: in a dialogue, what would
// complete it may come only after the receiver answered.
const holdLimit = 200 * time.Millisecond

// Ends of a stream that a fault brought about.
var (
	errCut      = errors.New("cut by a fault")
	errTruncate = errors.New("truncated by a fault")
)

// emit passes bytes on to the next stage or to the receiver. It does not keep b.
type emit func(b []byte) error

// stage applies one fault to a stream.
type stage interface {
	// write takes the next bytes of the stream and passes on what may go.
	write(b []byte, out emit) error
	// flush passes on what is held back: the stream ends here, or would stall.
	flush(out emit) error
	// holding tells whether bytes are held back until more come.
	holding() bool
}

// stream carries bytes from a source to a receiver through the stages of its faults.
type stream struct {
	stages []stage
	out    emit
	closed <-chan struct{} // ends the stream, pauses included
}

// newStream makes the stream for the faults of a plan. injected is called once for each fault that changed the stream.
func newStream(faults []Fault, out emit, closed <-chan struct{}, injected func(Kind)) *stream {
	s := &stream{out: out, closed: closed}
	for _, f := range inOrder(faults) {
		s.stages = append(s.stages, newStage(f, closed, func() { injected(f.Kind) }))
	}
	return s
}

// inOrder sorts faults from the last offset to the first, so that a fault that moves bytes does so behind the
// offsets of those still to come, and drops those beyond the first end of the stream, which it never reaches.
func inOrder(faults []Fault) []Fault {
	sorted := slices.Clone(faults)
	slices.SortStableFunc(sorted, func(a, b Fault) int { return cmp.Compare(b.Offset, a.Offset) })
	for i := len(sorted) - 1; i >= 0; i-- {
		if k := sorted[i].Kind; k == Cut || k == Truncate {
			return sorted[i:]
		}
	}
	return sorted
}

func newStage(f Fault, closed <-chan struct{}, injected func()) stage {
	switch f.Kind {
	case Delay:
		return &pointStage{offset: f.Offset, act: pause(f.Pause, closed, injected)}
	case Cut:
		return &pointStage{offset: f.Offset, act: end(errCut, injected)}
	case Truncate:
		return &pointStage{offset: f.Offset, act: end(errTruncate, injected)}
	case Flip:
		return &pointStage{offset: f.Offset, act: flip(f.mask(), injected)}
	case Duplicate:
		return &blockStage{offset: f.Offset, length: f.Length, injected: injected}
	case Reorder:
		return &blockStage{offset: f.Offset, length: 2 * f.Length, hold: true, injected: injected}
	}
	return &pointStage{offset: f.Offset, act: func([]byte) error { return nil }}
}

// copyFrom carries src to the receiver until it ends. The error is nil at the end of src, errCut or errTruncate
// where a fault ended the stream, and otherwise that of the source or the receiver.
func (s *stream) copyFrom(src io.Reader) error {
	chunks := make(chan []byte)
	readErr := make(chan error, 1)
	stop := make(chan struct{})
	defer close(stop)
	go func() { readErr <- readChunks(src, chunks, stop) }()
	for {
		var stalled <-chan time.Time
		if s.holding() {
			stalled = time.After(holdLimit)
		}
		select {
		case b := <-chunks:
			if err := s.write(b, 0); err != nil {
				s.flush(0) // what a Reorder held back came before the end
				return err
			}
		case err := <-readErr:
			return errors.Join(s.flush(0), err)
		case <-stalled:
			if err := s.flush(0); err != nil {
				return err
			}
		case <-s.closed:
			return errCut
		}
	}
}

// readChunks sends what it reads until src ends or nobody takes it any more.
func readChunks(src io.Reader, chunks chan<- []byte, stop <-chan struct{}) error {
	for {
		b := make([]byte, 32<<10)
		n, err := src.Read(b)
		if n > 0 {
			select {
			case chunks <- b[:n]:
			case <-stop:
				return nil
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// write sends b through the stages from the i-th on.
func (s *stream) write(b []byte, i int) error {
	if i == len(s.stages) {
		return s.out(b)
	}
	return s.stages[i].write(b, func(b []byte) error { return s.write(b, i+1) })
}

// flush empties the stages from the i-th on, each into those after it.
func (s *stream) flush(i int) error {
	if i == len(s.stages) {
		return nil
	}
	if err := s.stages[i].flush(func(b []byte) error { return s.write(b, i+1) }); err != nil {
		return err
	}
	return s.flush(i + 1)
}

func (s *stream) holding() bool {
	return slices.ContainsFunc(s.stages, stage.holding)
}

// pointStage acts on the stream when the byte at offset is next.
type pointStage struct {
	offset int64 // from here on
	passed bool
	act    func(rest []byte) error // may change rest, which begins with the byte at offset
}

func (p *pointStage) write(b []byte, out emit) error {
	if p.passed || int64(len(b)) <= p.offset {
		p.offset -= int64(len(b))
		return out(b)
	}
	before, rest := b[:p.offset], b[p.offset:]
	p.passed = true
	if len(before) > 0 {
		if err := out(before); err != nil {
			return err
		}
	}
	if err := p.act(rest); err != nil {
		return err
	}
	return out(rest)
}

func (p *pointStage) flush(emit) error { return nil }
func (p *pointStage) holding() bool    { return false }

func pause(d time.Duration, closed <-chan struct{}, injected func()) func([]byte) error {
	return func([]byte) error {
		injected()
		select {
		case <-time.After(d):
			return nil
		case <-closed:
			return errCut
		}
	}
}

func end(err error, injected func()) func([]byte) error {
	return func([]byte) error {
		injected()
		return err
	}
}

func flip(mask byte, injected func()) func([]byte) error {
	return func(rest []byte) error {
		injected()
		rest[0] ^= mask
		return nil
	}
}

// blockStage collects a block of the stream and sends it again (Duplicate), or collects two, keeping them back, and
// sends the second one first (Reorder).
type blockStage struct {
	offset   int64 // bytes to pass before the block
	length   int
	hold     bool // two blocks, exchanged
	injected func()

	block []byte
	done  bool
}

func (s *blockStage) write(b []byte, out emit) error {
	if s.done {
		return out(b)
	}
	if int64(len(b)) <= s.offset {
		s.offset -= int64(len(b))
		return out(b)
	}
	before, rest := b[:s.offset], b[s.offset:]
	s.offset = 0
	n := min(len(rest), s.length-len(s.block))
	s.block = append(s.block, rest[:n]...)
	passed := before
	if !s.hold {
		passed = b[:len(before)+n]
	}
	if err := sendAll(out, passed); err != nil {
		return err
	}
	if len(s.block) < s.length {
		return nil
	}
	s.done = true
	return sendAll(out, s.complete(), rest[n:])
}

// complete gives what follows the block once all of it came.
func (s *blockStage) complete() []byte {
	if !s.hold {
		s.injected()
		return s.block
	}
	first, second := s.block[:s.length/2], s.block[s.length/2:]
	if !bytes.Equal(first, second) {
		s.injected()
	}
	return append(bytes.Clone(second), first...)
}

// flush gives up on a block that is not whole: a held one goes out as it came.
func (s *blockStage) flush(out emit) error {
	if s.done || len(s.block) == 0 {
		return nil
	}
	s.done = true
	if !s.hold {
		return nil
	}
	return out(s.block)
}

func (s *blockStage) holding() bool { return s.hold && !s.done && len(s.block) > 0 }

func sendAll(out emit, parts ...[]byte) error {
	for _, b := range parts {
		if len(b) == 0 {
			continue
		}
		if err := out(b); err != nil {
			return err
		}
	}
	return nil
}
