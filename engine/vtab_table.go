package engine

import (
	"errors"

	sqlite3 "modernc.org/sqlite/lib"
)

// ErrNoPlan is what BestIndex of a [Table] returns if it can do nothing with the constraints that are usable: because an
// argument that it has to have is not. SQLite asks again with others, and fails the statement if none will do.
//
// https://sqlite.org/vtab.html#return_value
var ErrNoPlan = errors.New("engine: no plan with these constraints")

// Table is a virtual table that can be read. If it is an [io.Closer] as well, Close is called when the connection is
// through with it, after Destroy if there is one; an error or a panic of Close is dropped.
//
// https://sqlite.org/vtab.html#virtual_table_methods
type Table interface {
	// BestIndex is asked while a statement is compiled what the table can do with the constraints that stand in it,
	// and sets the answer in info. It can be asked several times for one statement. info is lent for the call. To SQLite
	// each error has the code [Generic].
	BestIndex(info *IndexInfo) error

	// Open makes a cursor, which reads the table for one place in a statement. There can be many at a time.
	Open() (Cursor, error)
}

// Cursor reads the rows of a table. It begins with Filter, which may be called again to begin anew, as for each row of
// the other side of a join. If it is an [io.Closer] as well, Close is called when it is no longer needed, which can be
// long before its last row; an error or a panic of Close is dropped.
//
// https://sqlite.org/vtab.html#the_xfilter_method
type Cursor interface {
	// Filter goes to the first row. plan is what BestIndex made of the query; args are the values of the constraints to
	// which it gave an ArgvIndex, in that order. A value comes as it stands in the statement: the type of the column has
	// not been applied to it, which makes a difference if SQLite is to omit the check and the value is, say, a text for
	// a column of numbers. The arguments, and the slice, are lent for the call.
	Filter(plan any, args []Value) error

	// Next goes to the next row.
	Next() error

	// EOF reports whether there is no row. It is asked once after each Filter and Next that did not fail.
	EOF() bool

	// Column sets the value of column i of the row on ctx, counted from 0, hidden ones included. NULL is what it is if
	// nothing is set. ctx is lent for the call.
	Column(ctx *FuncContext, i int) error

	// RowID returns what identifies the row in the table, by whatever plan it is found: where the terms of an OR are
	// looked up one by one, SQLite knows by it which rows it has had. A table that is declared WITHOUT ROWID, with a
	// PRIMARY KEY, is not asked.
	RowID() (int64, error)
}

// WritableTable is a [Table] that INSERT, UPDATE and DELETE can change. The values are lent for the call, and so are the
// slices. columns are all of the table's, hidden ones included.
//
// A table that is declared WITHOUT ROWID has the value of its PRIMARY KEY, which has to be one column, in the place of
// oldRowID and rowID of Update and Delete. Its newRowID, and the result of its Insert, mean nothing.
//
// https://sqlite.org/vtab.html#the_xupdate_method
type WritableTable interface {
	Table

	// Insert adds a row, with that rowid unless it is NULL, and returns the rowid that it has.
	Insert(rowID Value, columns []Value, on OnConflict) (int64, error)

	// Update changes a row, and its rowid if newRowID is another one. A column that the UPDATE does not set has its old
	// value, or is one with [Value.NoChange] if Column left it unset because of [FuncContext.NoChange].
	Update(oldRowID, newRowID Value, columns []Value, on OnConflict) error

	// Delete removes a row.
	Delete(rowID Value) error
}

// OnConflict is what a statement wants done about a row that breaks a constraint. All but OnConflictReplace concern
// SQLite alone: Insert and Update return an error with [Constraint], and SQLite does what is to be done if the module
// has the flag [ModuleConstraints]. With OnConflictReplace, the table is to remove the rows that are in the way.
//
// https://sqlite.org/c3ref/c_fail.html
type OnConflict int32

// The modes, with SQLite's numbers.
const (
	OnConflictRollback OnConflict = sqlite3.SQLITE_ROLLBACK
	OnConflictIgnore   OnConflict = sqlite3.SQLITE_IGNORE
	OnConflictFail     OnConflict = sqlite3.SQLITE_FAIL
	OnConflictAbort    OnConflict = sqlite3.SQLITE_ABORT // the default
	OnConflictReplace  OnConflict = sqlite3.SQLITE_REPLACE
)

// TransactionTable is a [Table] that is told of transactions in which it is written. There is one at a time, and none in
// another.
//
// https://sqlite.org/vtab.html#the_xbegin_method
type TransactionTable interface {
	Table

	// Begin is called before the first write.
	Begin() error

	// Sync is the last time that the table can object: an error rolls the transaction back. It is not called if the
	// transaction is rolled back.
	Sync() error

	// Commit ends the transaction. It cannot fail any more.
	Commit()

	// Rollback undoes it.
	Rollback()
}

// SavepointTable is a [TransactionTable] that is told of the savepoints in a transaction. SQLite makes them for itself
// too, around statements that can fail half-way. They are numbered from 0, which is the begin of the transaction, and each
// lies in the one before. Without them, a statement or a ROLLBACK TO that is undone leaves its writes in the table.
//
// https://sqlite.org/vtab.html#the_xsavepoint_xrelease_and_xrollbackto_methods
type SavepointTable interface {
	TransactionTable

	// Savepoint makes savepoint n. Those from 0 to n-1 are there, and no others.
	Savepoint(n int) error

	// Release forgets savepoint n and those of higher numbers. What was done since stays.
	Release(n int) error

	// RollbackTo undoes what was done since savepoint n, and forgets those of higher numbers. Savepoint n itself stays.
	RollbackTo(n int) error
}

// RenamableTable is a [Table] that is told of ALTER TABLE RENAME TO, and can refuse. Other tables are renamed without.
//
// https://sqlite.org/vtab.html#the_xrename_method
type RenamableTable interface {
	Table
	Rename(name string) error
}

// DestroyableTable is a [Table] that is told of DROP TABLE, to remove what it keeps elsewhere, and can refuse.
//
// https://sqlite.org/vtab.html#the_xdestroy_method
type DestroyableTable interface {
	Table
	Destroy() error
}

// OverloadTable is a [Table] that has functions of its own for calls whose first argument is one of its columns. A
// function of that name has to exist: see [Conn.OverloadFunction].
//
// https://sqlite.org/vtab.html#the_xfindfunction_method
type OverloadTable interface {
	Table

	// FindFunction returns the function for calls of name with nArg arguments, or nil if the usual one is meant. It is
	// asked once for each name and number of arguments.
	//
	// With an op from [IndexFunction] on, a call with two arguments in a WHERE clause is a constraint too, which
	// BestIndex sees under that op. Otherwise it is 0.
	FindFunction(name string, nArg int) (fn ScalarFunc, op IndexOp)
}

// IntegrityTable is a [Table] that PRAGMA integrity_check and PRAGMA quick_check examine.
//
// https://sqlite.org/vtab.html#the_xintegrity_method
type IntegrityTable interface {
	Table

	// Integrity returns what is wrong with the content, "" if nothing is, which becomes a line in the result of the
	// pragma. An error is for an examination that could not be made.
	Integrity(quick bool) (problem string, err error)
}
