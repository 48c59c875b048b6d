// Package session runs SQL statements one by one on a database of any mode: a local file, a server, or a replica whose
// writes go to its server. Values come as SQLite has them, whatever types their columns declare.
package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqltext"
)

// Session is a connection to a database. One goroutine at a time uses it.
type Session interface {
	// Run runs the one statement in sql with args bound to its parameters, and hands rows what it gives while it comes.
	// When ctx ends it is interrupted. An error of rows ends it, and is returned as it is.
	Run(ctx context.Context, sql string, args []any, rows Rows) (Result, error)
	// RunBatch runs statements that give no rows, one after the other up to the first that fails, and returns how many
	// succeeded.
	RunBatch(ctx context.Context, statements []string) (done int, err error)
	// ReadTx has the statements that do runs, which only read, see one state of the database.
	ReadTx(ctx context.Context, do func() error) error
	// InTx tells whether a transaction is open.
	InTx() bool
	// Replica is the replica that the session reads; nil for other databases, and for a replica without a server.
	Replica() *floe.Replica
	// Close ends the session, which rolls back a transaction that is open.
	Close() error
}

// readTx is ReadTx for sessions in which transactions are where everything else is.
func readTx(ctx context.Context, s Session, do func() error) error {
	if s.InTx() {
		return do()
	}
	if _, err := s.Run(ctx, "BEGIN", nil, Discard); err != nil {
		return err
	}
	err := do()
	if s.InTx() {
		_, endErr := s.Run(context.WithoutCancel(ctx), "ROLLBACK", nil, Discard)
		err = errors.Join(err, endErr)
	}
	return err
}

// Rows takes the rows of a result. Values are int64, float64, string, []byte or nil, and good until the next row.
type Rows interface {
	Begin(columns []string) error
	Row(values []any) error
}

// Result tells what a statement did.
type Result struct {
	Columns int
	Writes  bool  // it is one that can change rows
	Changes int64 // how many it did
	Warning error // why a replica does not have yet what was written
}

// CheckArgs checks that sql is one statement and has as many parameters as there are arguments.
func CheckArgs(sql string, args int) error {
	list := sqltext.Split(sql)
	switch {
	case len(list) == 0:
		return errors.New("there is no statement")
	case len(list) > 1:
		return errors.New("there is more than one statement")
	}
	if n := len(list[0].Params); n != args {
		return fmt.Errorf("the statement has %s, and %d were given", parameters(n), args)
	}
	return nil
}

func parameters(n int) string {
	if n == 1 {
		return "1 parameter"
	}
	return fmt.Sprintf("%d parameters", n)
}

// Discard takes rows and keeps nothing.
var Discard Rows = discard{}

type discard struct{}

func (discard) Begin([]string) error { return nil }
func (discard) Row([]any) error      { return nil }

// RowFunc makes Rows of a function that takes each row.
type RowFunc func(values []any) error

// Begin implements [Rows].
func (RowFunc) Begin([]string) error { return nil }

// Row implements [Rows].
func (f RowFunc) Row(values []any) error { return f(values) }
