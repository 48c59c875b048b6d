package hooks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var background = context.Background()

// commit feeds a transaction with n changes.
func commit(t *testing.T, f *Feed, n int) {
	t.Helper()
	r, err := f.Reserve(n, nil, nil)
	if err != nil {
		t.Fatalf("reserve %d: %v", n, err)
	}
	r.Commit(make([]Change, n), false)
}

// seqs returns the numbers of the next n transactions.
func seqs(t *testing.T, c *Consumer, n int) (got []uint64) {
	t.Helper()
	for range n {
		tx, err := c.Next(background)
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		got = append(got, tx.Seq)
	}
	return got
}

func TestConsumersHaveTheirOwnPositions(t *testing.T) {
	f := NewFeed(FeedOptions{})
	first := f.Consumer()
	commit(t, f, 1)
	second := f.Consumer()
	commit(t, f, 1)
	if diff := cmp.Diff([]uint64{1, 2}, seqs(t, first, 2)); diff != "" {
		t.Errorf("first consumer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint64{2}, seqs(t, second, 1)); diff != "" {
		t.Errorf("second consumer (-want +got):\n%s", diff)
	}
	if f.size != 0 || len(f.buffered) != 0 {
		t.Errorf("%d changes in %d transactions are buffered that everybody has seen", f.size, len(f.buffered))
	}
}

func TestFeedWithoutConsumersBuffersNothing(t *testing.T) {
	f := NewFeed(FeedOptions{Capacity: 1, Overflow: FailCommit})
	for range 10 {
		commit(t, f, 5)
	}
	c := f.Consumer()
	commit(t, f, 1)
	if diff := cmp.Diff([]uint64{11}, seqs(t, c, 1)); diff != "" {
		t.Errorf("the first that is seen (-want +got):\n%s", diff)
	}
}

func TestConsumerThatIsClosedHoldsNothing(t *testing.T) {
	f := NewFeed(FeedOptions{Capacity: 2, Overflow: FailCommit})
	c := f.Consumer()
	commit(t, f, 2)
	if _, err := f.Reserve(1, nil, nil); err != ErrFeedFull {
		t.Fatalf("reserve: %v, want %v", err, ErrFeedFull)
	}
	c.Close()
	c.Close()
	commit(t, f, 2)
	if _, err := c.Next(background); err != ErrFeedClosed {
		t.Errorf("next: %v, want %v", err, ErrFeedClosed)
	}
}

func TestTransactionsKeepTheOrderOfTheirReservations(t *testing.T) {
	f := NewFeed(FeedOptions{})
	c := f.Consumer()
	var places []*Reservation
	for range 4 {
		r, err := f.Reserve(1, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, r)
	}
	places[2].Commit([]Change{{Table: "third"}}, false)
	if tx, err := c.TryNext(); tx != nil || err != nil {
		t.Errorf("%+v, %v: want nothing before the first ones have ended", tx, err)
	}
	places[1].Abort()
	places[0].Commit([]Change{{Table: "first"}}, false)
	places[0].Abort() // it has ended
	places[3].Commit([]Change{{Table: "fourth"}}, true)
	var got []Transaction
	for range 3 {
		tx, err := c.TryNext()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, *tx)
	}
	want := []Transaction{
		{Seq: 1, Changes: []Change{{Table: "first"}}},
		{Seq: 2, Changes: []Change{{Table: "third"}}},
		{Seq: 3, Changes: []Change{{Table: "fourth"}}, SchemaChanged: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
}

func TestTransactionLargerThanTheBufferFitsAlone(t *testing.T) {
	for _, overflow := range []Overflow{Block, DropOldest, FailCommit} {
		f := NewFeed(FeedOptions{Capacity: 3, Overflow: overflow})
		c := f.Consumer()
		commit(t, f, 100)
		if diff := cmp.Diff([]uint64{1}, seqs(t, c, 1)); diff != "" {
			t.Errorf("overflow %v (-want +got):\n%s", overflow, diff)
		}
	}
}

func TestDropOldestTellsTheGap(t *testing.T) {
	f := NewFeed(FeedOptions{Capacity: 3, Overflow: DropOldest})
	c := f.Consumer()
	for range 5 {
		commit(t, f, 1)
	}
	var got []any
	for tx, err := range c.Changes(background) {
		if err != nil {
			got = append(got, err)
			continue
		}
		got = append(got, tx.Seq)
		if tx.Seq == 5 {
			break
		}
	}
	want := []any{&GapError{First: 1, Last: 2}, uint64(3), uint64(4), uint64(5)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("consumed (-want +got):\n%s", diff)
	}
	commit(t, f, 100)
	commit(t, f, 1)
	var gap *GapError
	if _, err := c.Next(background); !errors.As(err, &gap) || gap.First != 6 || gap.Last != 6 {
		t.Errorf("next: %v, want a gap of transaction 6", err)
	}
}

func TestBlockWaitsForTheConsumer(t *testing.T) {
	f := NewFeed(FeedOptions{Capacity: 1})
	c := f.Consumer()
	commit(t, f, 1)
	reserved := make(chan error)
	go func() {
		_, err := f.Reserve(1, nil, nil)
		reserved <- err
	}()
	select {
	case err := <-reserved:
		t.Errorf("reserve: %v, want it to wait", err)
	case <-time.After(5 * time.Millisecond):
	}
	seqs(t, c, 1)
	if err := <-reserved; err != nil {
		t.Errorf("reserve: %v", err)
	}
	done := make(chan struct{})
	close(done)
	if _, err := f.Reserve(1, done, nil); err != ErrWaitEnded {
		t.Errorf("reserve with an ended wait: %v, want %v", err, ErrWaitEnded)
	}
	if _, err := f.Reserve(1, nil, func() bool { return true }); err != ErrWaitEnded {
		t.Errorf("reserve that is interrupted: %v, want %v", err, ErrWaitEnded)
	}
}

func TestCloseEndsTheFeedBehindWhatIsBuffered(t *testing.T) {
	f := NewFeed(FeedOptions{Capacity: 1})
	c := f.Consumer()
	commit(t, f, 1)
	f.Close()
	f.Close()
	commit(t, f, 100)
	n := 0
	for tx, err := range c.Changes(background) {
		if err != nil || tx.Seq != 1 {
			t.Errorf("%+v, %v: want transaction 1", tx, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d transactions, want 1", n)
	}
	if _, err := c.Next(background); err != ErrFeedClosed {
		t.Errorf("next: %v, want %v", err, ErrFeedClosed)
	}
}

func TestNextEndsWithTheContext(t *testing.T) {
	f := NewFeed(FeedOptions{})
	c := f.Consumer()
	ctx, cancel := context.WithCancel(background)
	time.AfterFunc(time.Millisecond, cancel)
	for tx, err := range c.Changes(ctx) {
		if tx != nil || err != context.Canceled {
			t.Errorf("%v, %v: want %v", tx, err, context.Canceled)
		}
	}
	commit(t, f, 1)
	if _, err := c.Next(ctx); err != context.Canceled {
		t.Errorf("next: %v, want %v before anything that is there", err, context.Canceled)
	}
	if diff := cmp.Diff([]uint64{1}, seqs(t, c, 1)); diff != "" {
		t.Errorf("with another context (-want +got):\n%s", diff)
	}
}
