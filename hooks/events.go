package hooks

import (
	"fmt"
	"time"
)

// Op is what happened to a row. The values are SQLite's.
//
// https://sqlite.org/c3ref/update_hook.html
type Op int32

// The operations.
const (
	Delete Op = 9
	Insert Op = 18
	Update Op = 23
)

// String returns the operation as SQL has it.
func (op Op) String() string {
	switch op {
	case Delete:
		return "DELETE"
	case Insert:
		return "INSERT"
	case Update:
		return "UPDATE"
	}
	return fmt.Sprintf("Op(%d)", int32(op))
}

// RowUpdate is what an update hook is told about one row of a rowid table.
//
// https://sqlite.org/c3ref/update_hook.html
type RowUpdate struct {
	Op       Op
	Database string // "main", "temp" or the name that it was attached under
	Table    string
	RowID    int64 // after the change, or of the row that is gone
}

// BusyEvent is what a busy handler is told about a lock that another connection holds.
//
// https://sqlite.org/c3ref/busy_handler.html
type BusyEvent struct {
	Attempt int           // how often this wait has been tried before, 0 at first
	Waited  time.Duration // since this wait began
}

// WALCommit is what a WAL hook is told after a transaction was committed to a write-ahead log.
//
// https://sqlite.org/c3ref/wal_hook.html
type WALCommit struct {
	Database string // "main", "temp" or the name that it was attached under
	Pages    int    // how many are in the log now, those of earlier transactions included
}
