package engine

import (
	"fmt"
	"strings"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Column describes a column of a result. What is behind the name is "" for an expression.
//
// https://sqlite.org/c3ref/column_database_name.html
type Column struct {
	Name     string // as in the result: that of AS, if there is one
	DeclType string // the type that the table column is declared with
	Database string // "main", "temp" or the name that a database is attached under
	Table    string // the table, also behind a view or a subquery
	Origin   string // the table column
}

// Columns describes all columns of the result. The schema can change between two executions, and the columns with it.
//
// https://sqlite.org/c3ref/column_database_name.html
func (s *Stmt) Columns() []Column {
	if s.enter() != nil {
		return nil
	}
	defer s.c.leave()
	columns := make([]Column, sqlite3.Xsqlite3_column_count(s.c.tls, s.ptr))
	for i := range columns {
		n := int32(i)
		columns[i] = Column{
			Name:     libc.GoString(sqlite3.Xsqlite3_column_name(s.c.tls, s.ptr, n)),
			DeclType: libc.GoString(sqlite3.Xsqlite3_column_decltype(s.c.tls, s.ptr, n)),
			Database: libc.GoString(sqlite3.Xsqlite3_column_database_name(s.c.tls, s.ptr, n)),
			Table:    libc.GoString(sqlite3.Xsqlite3_column_table_name(s.c.tls, s.ptr, n)),
			Origin:   libc.GoString(sqlite3.Xsqlite3_column_origin_name(s.c.tls, s.ptr, n)),
		}
	}
	return columns
}

// ColumnDatabaseName returns the name of the database behind column i of the result, counted from 0, or "".
//
// https://sqlite.org/c3ref/column_database_name.html
func (s *Stmt) ColumnDatabaseName(i int) string {
	if !s.enterIndexed(i) {
		return ""
	}
	defer s.c.leave()
	return libc.GoString(sqlite3.Xsqlite3_column_database_name(s.c.tls, s.ptr, int32(i)))
}

// ColumnTableName returns the name of the table behind column i of the result, or "".
//
// https://sqlite.org/c3ref/column_database_name.html
func (s *Stmt) ColumnTableName(i int) string {
	if !s.enterIndexed(i) {
		return ""
	}
	defer s.c.leave()
	return libc.GoString(sqlite3.Xsqlite3_column_table_name(s.c.tls, s.ptr, int32(i)))
}

// ColumnOriginName returns the name of the table column behind column i of the result, or "".
//
// https://sqlite.org/c3ref/column_database_name.html
func (s *Stmt) ColumnOriginName(i int) string {
	if !s.enterIndexed(i) {
		return ""
	}
	defer s.c.leave()
	return libc.GoString(sqlite3.Xsqlite3_column_origin_name(s.c.tls, s.ptr, int32(i)))
}

// Busy reports whether the statement is being executed: it was stepped, and is neither at its end nor reset.
//
// https://sqlite.org/c3ref/stmt_busy.html
func (s *Stmt) Busy() bool {
	if s.enter() != nil {
		return false
	}
	defer s.c.leave()
	return sqlite3.Xsqlite3_stmt_busy(s.c.tls, s.ptr) != 0
}

// maxExpandedSQL bounds the text of ExpandedSQL, in bytes.
const maxExpandedSQL = 1 << 20

// ExpandedSQL returns the text of the statement with the values that are bound in the place of its parameters, NULL for
// those which are not. A text of more than 1 MiB, as large blobs make it, is an [*Error] with [TooBig].
//
// https://sqlite.org/c3ref/expanded_sql.html
func (s *Stmt) ExpandedSQL() (string, error) {
	if err := s.enter(); err != nil {
		return "", err
	}
	defer s.c.leave()
	c := s.c
	before := sqlite3.Xsqlite3_limit(c.tls, c.db, sqlite3.SQLITE_LIMIT_LENGTH, -1)
	sqlite3.Xsqlite3_limit(c.tls, c.db, sqlite3.SQLITE_LIMIT_LENGTH, min(before, maxExpandedSQL))
	p := sqlite3.Xsqlite3_expanded_sql(c.tls, s.ptr)
	sqlite3.Xsqlite3_limit(c.tls, c.db, sqlite3.SQLITE_LIMIT_LENGTH, before)
	if p == 0 {
		return "", newError("expand", s.sql, TooBig, "the text with its values is too long")
	}
	defer sqlite3.Xsqlite3_free(c.tls, p)
	return libc.GoString(p), nil
}

// ExplainMode says whether a statement does its work or tells about it.
//
// https://sqlite.org/c3ref/stmt_explain.html
type ExplainMode int32

// The modes.
const (
	ExplainNone      ExplainMode = 0 // it does its work
	ExplainProgram   ExplainMode = 1 // as with EXPLAIN: it returns the instructions of the virtual machine
	ExplainQueryPlan ExplainMode = 2 // as with EXPLAIN QUERY PLAN
)

// Explain returns the mode of the statement.
//
// https://sqlite.org/c3ref/stmt_isexplain.html
func (s *Stmt) Explain() ExplainMode {
	if s.enter() != nil {
		return ExplainNone
	}
	defer s.c.leave()
	return ExplainMode(sqlite3.Xsqlite3_stmt_isexplain(s.c.tls, s.ptr))
}

// SetExplain changes the mode of the statement, whatever its text says, and with it the columns of its result. The
// bindings stay. During an execution it is an [*Error] with [Busy].
//
// https://sqlite.org/c3ref/stmt_explain.html
func (s *Stmt) SetExplain(mode ExplainMode) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.c.leave()
	if mode < ExplainNone || mode > ExplainQueryPlan {
		return newError("explain", s.sql, Misuse, fmt.Sprintf("no such mode: %d", mode))
	}
	s.altered = true
	before := sqlite3.Xsqlite3_stmt_isexplain(s.c.tls, s.ptr)
	rc := sqlite3.Xsqlite3_stmt_explain(s.c.tls, s.ptr, int32(mode))
	if rc == sqlite3.SQLITE_OK && s.c.failure == nil {
		return nil
	}
	err := s.c.endedError("explain", s.sql, rc, nil)
	if rc != sqlite3.SQLITE_BUSY {
		// SQLite sets the mode before it compiles the statement anew for it. Run in a mode that it was not compiled for,
		// the statement would write to memory that it does not have.
		sqlite3.Xsqlite3_stmt_explain(s.c.tls, s.ptr, before)
		s.c.takeFailure()
	}
	return err
}

// StmtStatus is a counter of a statement, since it was compiled or the counter was set to zero.
//
// https://sqlite.org/c3ref/c_stmtstatus_counter.html
type StmtStatus int32

// The counters.
const (
	StmtStatusFullscanStep StmtStatus = sqlite3.SQLITE_STMTSTATUS_FULLSCAN_STEP // rows passed in full scans of a table
	StmtStatusSort         StmtStatus = sqlite3.SQLITE_STMTSTATUS_SORT          // sorts
	StmtStatusAutoindex    StmtStatus = sqlite3.SQLITE_STMTSTATUS_AUTOINDEX     // rows put into indexes made on the fly
	StmtStatusVMStep       StmtStatus = sqlite3.SQLITE_STMTSTATUS_VM_STEP       // instructions of the virtual machine
	StmtStatusReprepare    StmtStatus = sqlite3.SQLITE_STMTSTATUS_REPREPARE     // times it was compiled anew by itself
	StmtStatusRun          StmtStatus = sqlite3.SQLITE_STMTSTATUS_RUN           // executions that were begun
	StmtStatusFilterMiss   StmtStatus = sqlite3.SQLITE_STMTSTATUS_FILTER_MISS   // join steps that a Bloom filter did not save
	StmtStatusFilterHit    StmtStatus = sqlite3.SQLITE_STMTSTATUS_FILTER_HIT    // join steps that a Bloom filter saved
	StmtStatusMemUsed      StmtStatus = sqlite3.SQLITE_STMTSTATUS_MEMUSED       // bytes that the statement takes now; cannot be set
)

// Status returns a counter of the statement, and sets it to zero if reset says so. The counters of a statement from the
// cache go on from one use to the next. An unknown counter is 0.
//
// https://sqlite.org/c3ref/stmt_status.html
func (s *Stmt) Status(counter StmtStatus, reset bool) int {
	known := counter >= StmtStatusFullscanStep && counter <= StmtStatusFilterHit || counter == StmtStatusMemUsed
	if !known || s.enter() != nil {
		return 0
	}
	defer s.c.leave()
	var flag int32
	if reset {
		flag = 1
	}
	return int(sqlite3.Xsqlite3_stmt_status(s.c.tls, s.ptr, int32(counter), flag))
}

// DatabaseNames returns the names of the databases of the connection: "main", "temp", and those that are attached.
//
// https://sqlite.org/c3ref/db_name.html
func (c *Conn) DatabaseNames() []string {
	if c.enter() != nil {
		return nil
	}
	defer c.leave()
	var names []string
	for {
		p := sqlite3.Xsqlite3_db_name(c.tls, c.db, int32(len(names)))
		if p == 0 {
			return names
		}
		names = append(names, libc.GoString(p))
	}
}

// TableColumn describes a column of a table.
//
// https://sqlite.org/c3ref/table_column_metadata.html
type TableColumn struct {
	DeclType      string // as in the CREATE TABLE
	Collation     string // "BINARY" if none is declared
	NotNull       bool
	PrimaryKey    bool // it is the primary key, or a part of it
	AutoIncrement bool
}

// TableColumn describes a column of a table, or the rowid under one of its names. schema is "main", "temp" or the name
// that a database is attached under; "" stands for the first database that has the table. A table or column that does
// not exist is an [*Error] with [Generic], and so is a view.
//
// https://sqlite.org/c3ref/table_column_metadata.html
func (c *Conn) TableColumn(schema, table, column string) (TableColumn, error) {
	if err := c.enter(); err != nil {
		return TableColumn{}, err
	}
	defer c.leave()
	const op = "describe column"
	if strings.IndexByte(schema+table+column, 0) >= 0 {
		return TableColumn{}, newError(op, "", Generic, "the name has a NUL byte inside")
	}
	names := c.cString(schema + "\x00" + table + "\x00" + column)
	if names == 0 {
		return TableColumn{}, c.lastError(op, "", sqlite3.SQLITE_NOMEM)
	}
	tableName := names + uintptr(len(schema)) + 1
	columnName := tableName + uintptr(len(table)) + 1
	if schema == "" {
		names = 0
	}
	declType, collation, flags := c.slot(0), c.slot(1), c.slot(2)
	c.slot(3)
	rc := sqlite3.Xsqlite3_table_column_metadata(c.tls, c.db, names, tableName, columnName,
		declType, collation, flags, flags+4, flags+8)
	if rc != sqlite3.SQLITE_OK || c.failure != nil {
		return TableColumn{}, c.endedError(op, "", rc, c.busy.takeInterrupted())
	}
	return TableColumn{
		DeclType:      libc.GoString(c.slotPointer(0)),
		Collation:     libc.GoString(c.slotPointer(1)),
		NotNull:       *(*int32)(pointer(flags)) != 0,
		PrimaryKey:    *(*int32)(pointer(flags + 4)) != 0,
		AutoIncrement: *(*int32)(pointer(flags + 8)) != 0,
	}, nil
}
