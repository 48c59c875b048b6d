package hrana

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// Stream is a connection to the database on the server, with transactions of its own. It is for one goroutine at a
// time; a call while another one, or an open cursor, uses the stream fails with [ErrConcurrentUse].
//
// An error of the server's about a statement is an [*Error] and leaves the stream as it was. Any other error either
// wraps [ErrNotExecuted], or leaves open what the server did. Once a stream can no longer be used, every call fails
// with an error that wraps [ErrStreamClosed].
type Stream struct {
	conn streamConn
	busy atomic.Bool
}

// enter takes the stream for one call.
func (s *Stream) enter() error {
	if !s.busy.CompareAndSwap(false, true) {
		return mark(ErrConcurrentUse, ErrNotExecuted)
	}
	return nil
}

func (s *Stream) leave() { s.busy.Store(false) }

// do runs one request on the stream.
func (s *Stream) do(ctx context.Context, r *Request) (*Response, error) {
	if err := s.enter(); err != nil {
		return nil, fmt.Errorf("%v: %w", r.Kind, err)
	}
	defer s.leave()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%v: %w", r.Kind, mark(ended(ctx), ErrNotExecuted))
	}
	res, err := s.conn.do(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", r.Kind, err)
	}
	return res, nil
}

// Execute runs one statement. The SQL text must hold exactly one.
func (s *Stream) Execute(ctx context.Context, stmt Stmt) (*StmtResult, error) {
	res, err := s.do(ctx, &Request{Kind: ReqExecute, Stmt: &stmt})
	if err != nil {
		return nil, err
	}
	stmt.dropRows(res.Result)
	return res.Result, nil
}

// dropRows leaves the rows out that a server sent unasked, as libSQL's does.
func (s *Stmt) dropRows(r *StmtResult) {
	if s.NoRows && r != nil {
		r.Rows = nil
	}
}

// Batch runs a batch. The error is about the batch as a whole: those of its steps are in the result, see
// [BatchResult.Err].
func (s *Stream) Batch(ctx context.Context, b Batch) (*BatchResult, error) {
	res, err := s.do(ctx, &Request{Kind: ReqBatch, Batch: &b})
	if err != nil {
		return nil, err
	}
	for i, step := range res.Batch.Steps {
		if b.Steps[i].Condition == nil && step.Result == nil && step.Error == nil {
			return nil, fmt.Errorf("batch: %w: no result of step %d", ErrMalformed, i)
		}
		b.Steps[i].Stmt.dropRows(step.Result)
	}
	return res.Batch, nil
}

// Sequence runs statements separated by semicolons, without arguments and without giving results, until one fails.
// The server says no replication index for it. libSQL's server passes over a statement that it cannot parse, without
// an error, and runs those after it: text that may not be SQL is better run as a [Batch].
func (s *Stream) Sequence(ctx context.Context, sql string) error {
	return s.SequenceStmt(ctx, Stmt{SQL: sql})
}

// SequenceStmt is [Stream.Sequence] for a text that can be a stored one. Of the statement, only the text and MinIndex
// are used.
func (s *Stream) SequenceStmt(ctx context.Context, stmt Stmt) error {
	_, err := s.do(ctx, &Request{Kind: ReqSequence, Stmt: &stmt})
	return err
}

// Describe tells the parameters and columns of a statement, without running it.
func (s *Stream) Describe(ctx context.Context, sql string) (*DescribeResult, error) {
	return s.DescribeStmt(ctx, Stmt{SQL: sql})
}

// DescribeStmt is [Stream.Describe] for a text that can be a stored one. Of the statement, only the text and MinIndex
// are used.
func (s *Stream) DescribeStmt(ctx context.Context, stmt Stmt) (*DescribeResult, error) {
	res, err := s.do(ctx, &Request{Kind: ReqDescribe, Stmt: &stmt})
	if err != nil {
		return nil, err
	}
	return res.Describe, nil
}

// StoreSQL stores an SQL text on the server, so that a [Stmt] can name it instead of sending it each time. It is good
// for this stream and gone with it, at the latest. Servers store only so many, and libSQL's over HTTP none beyond
// 5,000 bytes.
func (s *Stream) StoreSQL(ctx context.Context, sql string) (StoredID, error) {
	id := s.conn.nextSQLID()
	_, err := s.do(ctx, &Request{Kind: ReqStoreSQL, Stmt: &Stmt{SQL: sql, SQLID: id}})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// CloseSQL deletes a stored SQL text.
func (s *Stream) CloseSQL(ctx context.Context, id StoredID) error {
	_, err := s.do(ctx, &Request{Kind: ReqCloseSQL, Stmt: &Stmt{SQLID: id}})
	return err
}

// Autocommit tells whether the stream is outside of an explicit transaction. It needs version 3 of the protocol and
// fails with [ErrUnsupported] otherwise.
func (s *Stream) Autocommit(ctx context.Context) (bool, error) {
	if s.conn.version() < 3 {
		return false, fmt.Errorf("get_autocommit: %w", mark(ErrUnsupported, ErrNotExecuted))
	}
	res, err := s.do(ctx, &Request{Kind: ReqGetAutocommit})
	if err != nil {
		return false, err
	}
	return res.Autocommit, nil
}

// Cursor runs a batch and gives its result piece by piece, so that neither side holds all of it. The context is for
// as long as the cursor is open. The stream is in use until [Cursor.Close].
//
// A server that speaks version 2 only has no cursors: there the result comes whole.
func (s *Stream) Cursor(ctx context.Context, b Batch) (*Cursor, error) {
	if err := s.enter(); err != nil {
		return nil, fmt.Errorf("open cursor: %w", err)
	}
	src, err := s.openEntries(ctx, &b)
	if err != nil {
		s.leave()
		return nil, fmt.Errorf("open cursor: %w", err)
	}
	return newCursor(src, &b, s.leave), nil
}

func (s *Stream) openEntries(ctx context.Context, b *Batch) (entries, error) {
	if ctx.Err() != nil {
		return nil, mark(ended(ctx), ErrNotExecuted)
	}
	if s.conn.version() >= 3 {
		return s.conn.cursor(ctx, b)
	}
	res, err := s.conn.do(ctx, &Request{Kind: ReqBatch, Batch: b})
	if err != nil {
		return nil, err
	}
	return &batchEntries{res: res.Batch}, nil
}

// Version gives the version of the protocol that the stream has, 2 or 3. Version 2 lacks [Stream.Autocommit] and
// [IsAutocommit], and has whole results for cursors.
func (s *Stream) Version() int { return s.conn.version() }

// Err tells why the stream can no longer be used, and is nil while it can.
func (s *Stream) Err() error { return s.conn.err() }

// Close closes the stream, which rolls back a transaction that is open on it. A stream that is closed or lost already
// is no error: the server is told of a lost one where it may still have it, for two seconds at most.
func (s *Stream) Close(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return fmt.Errorf("close stream: %w", err)
	}
	defer s.leave()
	err := s.conn.close(ctx)
	if errors.Is(err, ErrStreamClosed) {
		return nil
	}
	return wrap("close stream", err)
}
