package hooks

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Change is one row that a transaction inserted, updated or deleted.
//
// https://sqlite.org/c3ref/preupdate_blobwrite.html
type Change struct {
	Op       Op
	Database string // "main", "temp" or the name that it was attached under
	Table    string

	// OldRowID is the rowid before the change, NewRowID the one after it. For an INSERT and a DELETE both are that of
	// the row. For a table without rowids both are 0: its rows are known by their values.
	OldRowID, NewRowID int64
	WithoutRowID       bool

	// Depth is 0 for a change by the statement itself, 1 for one by a trigger or a foreign key action that it set
	// off, 2 for one that these set off, and so on.
	Depth int

	// Old are the values of the row before the change, New those after it, in the order of the table's columns; nil
	// where there is no such row, and if the feed does not keep values. A value is an int64, a float64, a string, a
	// []byte or nil. A generated column that is not stored is nil.
	Old, New []any
}

// Transaction is what one committed transaction changed.
type Transaction struct {
	Seq     uint64 // 1 for the first transaction of the feed, and one more for each further one
	Changes []Change

	// SchemaChanged says that the transaction changed the schema of one of the connection's databases. Rows that went
	// with a DROP TABLE, or came with a CREATE TABLE AS, are not among the changes.
	SchemaChanged bool
}

// Overflow says what happens to a transaction when the buffer of a [Feed] has no room for it.
type Overflow int

// The ways. With each of them, a transaction that is larger than the whole buffer fits when the buffer is empty.
const (
	// Block makes the commit wait for the slowest consumer. The wait holds the locks of the transaction, and ends with
	// the context of the statement that commits, which is then an error, and with it the transaction is rolled back. A
	// goroutine that both writes and consumes needs another way, or a context that ends.
	Block Overflow = iota
	// DropOldest makes room by dropping the oldest transactions. A consumer that has not seen them gets a [*GapError].
	DropOldest
	// FailCommit makes the commit fail with [ErrFeedFull], and the transaction is rolled back.
	FailCommit
)

// DefaultCapacity is how many changes a [Feed] buffers if nothing else is asked for.
const DefaultCapacity = 64 << 10

// FeedOptions says what a [Feed] keeps. The zero value is the default.
type FeedOptions struct {
	// Capacity bounds the changes that are buffered for consumers which have not seen them yet. A transaction counts
	// as one change at least. 0 is [DefaultCapacity]. What an open transaction has changed is not part of it.
	Capacity int

	Overflow Overflow // when the buffer is full; Block by default

	Values bool // keep the values of the rows too

	// Tables, if it is not nil, selects the tables whose changes are kept. It is called in the middle of a statement,
	// and must not use its connection. SQLite's own tables, whose names begin with "sqlite_", are never kept.
	Tables func(database, table string) bool
}

var (
	// ErrFeedFull is the cause of the error of a commit for which a [Feed] with [FailCommit] had no room.
	ErrFeedFull = errors.New("hooks: the buffer of the change feed is full")

	// ErrFeedClosed is returned by [Consumer.Next] when the feed or the consumer is closed, and nothing is left.
	ErrFeedClosed = errors.New("hooks: the change feed is closed")

	// ErrWaitEnded is returned by [Feed.Reserve] when its wait was told to end.
	ErrWaitEnded = errors.New("hooks: the wait for room in the change feed ended")
)

// GapError says that transactions were dropped before a consumer had seen them.
type GapError struct {
	First, Last uint64 // the sequence numbers of those that are missing
}

// Error returns the range of what is missing.
func (e *GapError) Error() string {
	return fmt.Sprintf("hooks: transactions %d to %d of the change feed were dropped", e.First, e.Last)
}

// Feed hands out committed transactions in the order in which they were committed.
//
// Connections are attached to it by SetFeed of package engine, which says exactly what is fed. Several connections to
// one database file may share a feed. Consumers come from [Feed.Consumer]; without any, nothing is buffered.
//
// The methods may be called from any goroutine.
type Feed struct {
	options FeedOptions

	mu        sync.Mutex
	next      uint64         // the sequence number of the next transaction
	buffered  []*Transaction // those that a consumer has not seen, without a gap
	size      int            // of the buffered and of the reserved, in changes
	reserved  []*Reservation // in the order of their commits
	consumers map[*Consumer]struct{}
	closed    bool
	changed   chan struct{} // closed, and made anew, when somebody may have to look again
}

// NewFeed makes a feed.
func NewFeed(options FeedOptions) *Feed {
	if options.Capacity <= 0 {
		options.Capacity = DefaultCapacity
	}
	return &Feed{
		options:   options,
		next:      1,
		consumers: make(map[*Consumer]struct{}),
		changed:   make(chan struct{}),
	}
}

// Options returns what the feed was made with.
func (f *Feed) Options() FeedOptions { return f.options }

// Close ends the feed: consumers get what is buffered, and then the end. Commits that are under way go on, and are not
// fed any more. Closing a closed feed does nothing.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.wake()
}

func (f *Feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Reservation is the place of a transaction in a feed, from the moment in which its commit begins. Either
// [Reservation.Commit] or [Reservation.Abort] has to end it: later transactions of the feed wait for that.
type Reservation struct {
	feed        *Feed
	size        int
	settled     bool
	transaction *Transaction // nil if it was rolled back
}

// pollInterval is how often a wait for room asks whether it was interrupted.
const pollInterval = 20 * time.Millisecond

// Reserve takes a place for a transaction with the given number of changes. It is for what feeds the feed, which
// calls it while it holds the database's write lock, so that the order of the calls is that of the commits.
//
// If there is no room it does what the feed's options say. A wait ends, with [ErrWaitEnded], when done is closed, or
// soon after interrupted begins to return true; both may be nil.
func (f *Feed) Reserve(changes int, done <-chan struct{}, interrupted func() bool) (*Reservation, error) {
	size := max(changes, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.makeRoom(size) {
		if f.options.Overflow == FailCommit {
			return nil, ErrFeedFull
		}
		if err := f.wait(done, interrupted); err != nil {
			return nil, err
		}
	}
	r := &Reservation{feed: f, size: size}
	f.reserved = append(f.reserved, r)
	f.size += size
	return r, nil
}

// makeRoom reports whether there is room, after it was made if that is the feed's way.
func (f *Feed) makeRoom(size int) bool {
	if f.closed || len(f.consumers) == 0 || f.fits(size) {
		return true
	}
	if f.options.Overflow != DropOldest {
		return false
	}
	for len(f.buffered) > 0 && !f.fits(size) {
		f.dropFirst()
	}
	// What is reserved and not buffered yet cannot be dropped, and nobody waits with this way.
	return true
}

func (f *Feed) fits(size int) bool { return f.size == 0 || f.size+size <= f.options.Capacity }

// wait gives the lock up until something has changed.
func (f *Feed) wait(done <-chan struct{}, interrupted func() bool) error {
	changed := f.changed
	f.mu.Unlock()
	defer f.mu.Lock()
	poll := time.NewTimer(pollInterval)
	defer poll.Stop()
	select {
	case <-changed:
	case <-done:
		return ErrWaitEnded
	case <-poll.C:
		if interrupted != nil && interrupted() {
			return ErrWaitEnded
		}
	}
	return nil
}

// Commit makes the transaction the next one of the feed, and gives it its sequence number; see [Feed.Reserve]. The
// changes belong to the feed from then on.
func (r *Reservation) Commit(changes []Change, schemaChanged bool) {
	r.settle(&Transaction{Changes: changes, SchemaChanged: schemaChanged})
}

// Abort gives the place back: the transaction was not committed.
func (r *Reservation) Abort() { r.settle(nil) }

func (r *Reservation) settle(tx *Transaction) {
	f := r.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.settled {
		return
	}
	r.settled, r.transaction = true, tx
	for len(f.reserved) > 0 && f.reserved[0].settled {
		f.publish(f.reserved[0])
		f.reserved = f.reserved[1:]
	}
	f.wake()
}

// publish puts a settled transaction behind the buffered ones.
func (f *Feed) publish(r *Reservation) {
	if r.transaction == nil || f.closed {
		f.size -= r.size
		return
	}
	r.transaction.Seq = f.next
	f.next++
	f.buffered = append(f.buffered, r.transaction)
	f.size += sizeOf(r.transaction) - r.size
	f.dropSeen()
}

func sizeOf(tx *Transaction) int { return max(len(tx.Changes), 1) }

func (f *Feed) dropFirst() {
	f.size -= sizeOf(f.buffered[0])
	f.buffered[0] = nil
	f.buffered = f.buffered[1:]
}

// dropSeen drops what all consumers have seen.
func (f *Feed) dropSeen() {
	seen := f.next
	for c := range f.consumers {
		seen = min(seen, c.next)
	}
	for len(f.buffered) > 0 && f.buffered[0].Seq < seen {
		f.dropFirst()
	}
}
