package hooks

import (
	"context"
	"errors"
	"iter"
)

// Consumer is a position in a [Feed]. Consumers do not disturb each other, but for the buffer that they share: one
// that does not go on keeps it full.
//
// A consumer belongs to one goroutine at a time; [Consumer.Close] may be called from any.
type Consumer struct {
	feed   *Feed
	next   uint64 // the sequence number of the transaction that it has to see next; guarded by the feed
	closed bool
}

// Consumer adds a consumer. It sees the transactions that are committed from now on, and has to be closed.
func (f *Feed) Consumer() *Consumer {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &Consumer{feed: f, next: f.next}
	f.consumers[c] = struct{}{}
	return c
}

// Close ends the consumer: it gets nothing more, and holds no place in the buffer. Closing it twice does nothing.
func (c *Consumer) Close() {
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	delete(f.consumers, c)
	f.dropSeen()
	f.wake()
}

// Next returns the next transaction, which other consumers get as well and which must not be changed. It waits for it,
// until the context ends, whose error it returns then.
//
// A [*GapError] says that transactions are missing here; the next call goes on behind them. [ErrFeedClosed] is the end.
func (c *Consumer) Next(ctx context.Context) (*Transaction, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		tx, changed, err := c.poll()
		if tx != nil || err != nil {
			return tx, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// TryNext is [Consumer.Next] without the wait: it returns nil and no error if there is nothing yet.
func (c *Consumer) TryNext() (*Transaction, error) {
	tx, _, err := c.poll()
	return tx, err
}

// poll takes the next transaction if there is one. If not, changed tells when to look again.
func (c *Consumer) poll() (tx *Transaction, changed <-chan struct{}, err error) {
	f := c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.closed {
		return nil, nil, ErrFeedClosed
	}
	first := f.next
	if len(f.buffered) > 0 {
		first = f.buffered[0].Seq
	}
	switch {
	case c.next < first:
		gap := &GapError{First: c.next, Last: first - 1}
		c.next = first
		return nil, nil, gap
	case c.next == f.next && f.closed:
		return nil, nil, ErrFeedClosed
	case c.next == f.next:
		return nil, f.changed, nil
	}
	tx = f.buffered[c.next-first]
	c.next++
	f.dropSeen()
	f.wake()
	return tx, nil, nil
}

// Changes goes through the transactions as [Consumer.Next] does:
//
//	for tx, err := range consumer.Changes(ctx) {
//
// It ends when the feed or the consumer is closed. A [*GapError] is handed out and the loop goes on behind the gap; the
// error of the context is handed out and ends it. A loop that is left can be taken up again by another one.
func (c *Consumer) Changes(ctx context.Context) iter.Seq2[*Transaction, error] {
	return func(yield func(*Transaction, error) bool) {
		for {
			tx, err := c.Next(ctx)
			if err == ErrFeedClosed {
				return
			}
			var gap *GapError
			goesOn := err == nil || errors.As(err, &gap)
			if !yield(tx, err) || !goesOn {
				return
			}
		}
	}
}
