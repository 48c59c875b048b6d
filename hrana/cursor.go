package hrana

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// Cursor reads the result of a batch while it comes, step by step and row by row:
//
//	for cur.NextStep() {
//		for cur.NextRow() {
//			use(cur.Row())
//		}
//		if err := cur.StepErr(); err != nil {
//			return err
//		}
//	}
//	return cur.Err()
//
// It is for one goroutine at a time, and must be closed.
type Cursor struct {
	src     entries
	release func() // gives the stream back, nil once it did

	entry   CursorEntry
	inStep  bool // a step began and has not ended
	step    int
	cols    []Col
	stepErr *Error
	result  StmtResult // of the step, without columns and rows
	index   Index
	seen    []bool // steps that began or failed
	steps   []BatchStep
	err     error // io.EOF at the end
}

func newCursor(src entries, b *Batch, release func()) *Cursor {
	return &Cursor{src: src, release: release, step: -1, steps: b.Steps, seen: make([]bool, len(b.Steps))}
}

// NextStep goes to the next step that was not skipped, passing over the rest of the rows of this one. It is false at
// the end, and on an error: see [Cursor.Err].
func (c *Cursor) NextStep() bool {
	for c.NextRow() {
	}
	if c.err != nil {
		return false
	}
	c.stepErr, c.cols, c.result = nil, nil, StmtResult{}
	for c.read() {
		switch c.entry.Kind {
		case EntryStepBegin:
			c.inStep = true
			c.cols = c.entry.Cols
			c.entry.Cols = nil // the caller can keep them
			return c.begin()
		case EntryStepError:
			c.stepErr = c.entry.Error
			return c.begin()
		default:
			c.other()
		}
	}
	return false
}

// begin takes note of the step of an entry.
func (c *Cursor) begin() bool {
	n := int(c.entry.Step)
	if n < 0 || n >= len(c.seen) || n <= c.step {
		c.fail(fmt.Errorf("%w: result of step %d of %d out of order", ErrMalformed, n, len(c.seen)))
		return false
	}
	c.step, c.seen[n] = n, true
	return true
}

// NextRow goes to the next row of the step. It is false behind the last one and when the step or the cursor failed.
func (c *Cursor) NextRow() bool {
	for c.inStep && c.read() {
		switch c.entry.Kind {
		case EntryRow:
			if n := len(c.entry.Row); n != len(c.cols) || n == 0 {
				c.fail(fmt.Errorf("%w: a row of %d values for %d columns", ErrMalformed, n, len(c.cols)))
				return false
			}
			return true
		case EntryStepEnd:
			c.inStep = false
			c.result.RowsAffected = c.entry.RowsAffected
			c.result.LastInsertRowID = c.entry.LastInsertRowID
			c.result.HasLastInsertRowID = c.entry.HasLastInsertRowID
		case EntryStepError:
			c.inStep = false
			c.stepErr = c.entry.Error
		default:
			c.other()
		}
	}
	return false
}

// read reads the next entry.
func (c *Cursor) read() bool {
	if c.err != nil {
		return false
	}
	err := c.src.next(&c.entry)
	if err == io.EOF {
		err = c.end()
	}
	if err != nil {
		c.fail(err)
	}
	return err == nil
}

// end tells whether the entries may end here: not inside a step, and not before every step without a condition was
// there.
func (c *Cursor) end() error {
	if c.inStep {
		return fmt.Errorf("the answer ends in step %d: %w", c.step, io.ErrUnexpectedEOF)
	}
	for i, s := range c.steps {
		if s.Condition == nil && !c.seen[i] {
			return fmt.Errorf("the answer ends before step %d: %w", i, io.ErrUnexpectedEOF)
		}
	}
	return io.EOF
}

// other handles the entries that can come at any time, and refuses those that cannot come here.
func (c *Cursor) other() {
	switch c.entry.Kind {
	case EntryError:
		c.fail(c.entry.Error)
	case EntryReplicationIndex:
		c.index = c.entry.ReplicationIndex
	default:
		c.fail(fmt.Errorf("%w: entry %v out of place", ErrMalformed, c.entry.Kind))
	}
}

func (c *Cursor) fail(err error) {
	c.inStep = false
	c.err = err
}

// Step gives the number of the step in the batch, from 0, and -1 before the first.
func (c *Cursor) Step() int { return c.step }

// Cols gives the columns of the step. The slice is the caller's.
func (c *Cursor) Cols() []Col { return c.cols }

// Row gives the row that [Cursor.NextRow] went to, with a value for each column. The slice is good until the next call;
// its values are the caller's.
func (c *Cursor) Row() []Value { return c.entry.Row }

// StepErr gives the error of the step, an [*Error], once [Cursor.NextRow] was false.
func (c *Cursor) StepErr() error {
	if c.stepErr == nil {
		return nil
	}
	return c.stepErr
}

// StepResult tells what the step did, once [Cursor.NextRow] was false: rows affected and the last rowid. It has no
// columns, rows and statistics.
func (c *Cursor) StepResult() StmtResult { return c.result }

// ReplicationIndex gives the replication index of the batch, known at the earliest at the end of the cursor.
func (c *Cursor) ReplicationIndex() Index { return c.index }

// Err gives the error that ended the cursor, and nil when it came to its end. Errors of steps are in
// [Cursor.StepErr].
func (c *Cursor) Err() error {
	if c.err == nil || c.err == io.EOF {
		return nil
	}
	return fmt.Errorf("read cursor: %w", c.err)
}

// Rows gives the rows of all steps that are left, and the first error of a step or of the cursor as the last pair. A
// row is good until the next one.
func (c *Cursor) Rows() iter.Seq2[[]Value, error] {
	return func(yield func([]Value, error) bool) {
		for c.inStep || c.NextStep() {
			for c.NextRow() {
				if !yield(c.Row(), nil) {
					return
				}
			}
			if err := c.StepErr(); err != nil {
				yield(nil, err)
				return
			}
		}
		if err := c.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// Unfinished tells whether the server would still be at work after a Close now, so that the next request on the stream
// has to wait for it: over WebSocket, when not everything has arrived. Over HTTP the server finds out and stops.
func (c *Cursor) Unfinished() bool { return c.err == nil && c.src.unfinished() }

var errCursorClosed = errors.New("the cursor is closed")

// Close ends the cursor and gives the stream back. The server goes on with what it began: a batch is not cut short by
// closing its cursor.
func (c *Cursor) Close() error {
	if c.release == nil {
		return nil
	}
	err := c.src.close()
	if c.err == nil {
		c.fail(errCursorClosed)
	}
	c.release()
	c.release = nil
	return wrap("close cursor", err)
}

// batchEntries gives a whole result piece by piece.
type batchEntries struct {
	res   *BatchResult
	step  int  // the next one
	begun bool // of which the beginning was given
	row   int  // the next one
	ended bool
}

func (b *batchEntries) next(e *CursorEntry) error {
	for ; b.step < len(b.res.Steps); b.step++ {
		s := b.res.Steps[b.step]
		switch {
		case s.Error != nil:
			*e = CursorEntry{Kind: EntryStepError, Step: uint32(b.step), Error: s.Error}
			b.step++
			return nil
		case s.Result != nil:
			b.piece(e, s.Result)
			return nil
		}
	}
	if b.ended {
		return io.EOF
	}
	b.ended = true
	*e = CursorEntry{Kind: EntryReplicationIndex, ReplicationIndex: b.res.ReplicationIndex}
	return nil
}

// piece gives the next piece of the result of a step.
func (b *batchEntries) piece(e *CursorEntry, r *StmtResult) {
	switch {
	case !b.begun:
		*e = CursorEntry{Kind: EntryStepBegin, Step: uint32(b.step), Cols: r.Cols}
		b.begun, b.row = true, 0
	case b.row < len(r.Rows):
		*e = CursorEntry{Kind: EntryRow, Row: r.Rows[b.row]}
		b.row++
	default:
		*e = CursorEntry{Kind: EntryStepEnd, RowsAffected: r.RowsAffected, LastInsertRowID: r.LastInsertRowID,
			HasLastInsertRowID: r.HasLastInsertRowID}
		b.begun = false
		b.step++
	}
}

func (b *batchEntries) close() error { return nil }

func (b *batchEntries) unfinished() bool { return false }

// Collect reads the rest of the cursor into a result as [Stream.Batch] gives it, without the statistics. It differs
// in the replication index, which in [Protobuf] only a cursor says. The error is that of the cursor.
func (c *Cursor) Collect() (*BatchResult, error) {
	res := &BatchResult{Steps: make([]StepResult, len(c.steps))}
	for c.NextStep() {
		var rows [][]Value
		for c.NextRow() {
			rows = append(rows, append([]Value(nil), c.Row()...))
		}
		if c.stepErr != nil {
			res.Steps[c.step].Error = c.stepErr
			continue
		}
		step := c.result
		step.Cols, step.Rows = c.cols, rows
		res.Steps[c.step].Result = &step
	}
	res.ReplicationIndex = c.index
	return res, c.Err()
}
