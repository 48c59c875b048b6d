package floe

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
)

// DriverName is the name under which this package registers itself with
// [database/sql].
const DriverName = "floe"

func init() { sql.Register(DriverName, &Driver{}) }

// Driver is the driver of [database/sql] for local files, remote servers and
// replicas. [NewConnector] says what its data source names look like.
//
// # Arguments
//
// An argument of a statement becomes:
//
//   - nil, a nil pointer and a nil []byte: NULL
//   - integers: INTEGER; a uint64 beyond the largest int64 is an error
//   - bool: INTEGER 1 or 0
//   - float32 and float64: REAL; NaN is NULL
//   - string: TEXT
//   - []byte: BLOB, and so is json.RawMessage; an empty one is an empty blob
//   - [time.Time]: TEXT such as "2006-01-02 15:04:05.999999999-07:00", with the zone
//     of the time, or in UTC where that zone's offset has seconds
//   - a [driver.Valuer], such as those of package sql: what its Value is worth
//   - a pointer: what it points to
//   - a type with one of these under it: as that one
//   - [engine.Pointer]: a Go value for a function of a local connection
//
// [sql.Named]("a", v) goes to the parameters :a, @a and $a, of which there must be
// one; the others go to the remaining parameters from the first on. One argument
// too few is an error, and so is one too many.
//
// # Values
//
// What a column holds decides its value: INTEGER is int64, REAL is float64, TEXT is
// string, BLOB is []byte, NULL is nil. The type that the column is declared with
// changes two of them, by its first word, in upper case or lower:
//
//   - BOOLEAN, BOOL: INTEGER 0 and 1 are false and true. Another number stays int64.
//   - DATE, DATETIME, TIMESTAMP: TEXT is [time.Time] if it is a date, or a date and a
//     time: "2006-01-02", behind a blank or a T "15:04", "15:04:05" or
//     "15:04:05.999999999", and then Z, an offset such as -07:00, or nothing, which is
//     UTC. What the String method of a time makes is read too. Other text stays string,
//     so that no value is lost. INTEGER is time.Time, in seconds since 1970, or, beyond
//     1e12 and -1e12, in milliseconds. A REAL stays float64.
//
// Times have the zone that they were written with, or that of the parameter _loc.
//
// An expression has no declared type, and neither has an aggregate: max(created) of
// a TIMESTAMP is string or int64.
//
// # Statements
//
// A text can be of several statements. Exec runs them all, and the result is that of
// the last one that changed rows. Query gives the rows of each that has columns, see
// [sql.Rows.NextResultSet]; what is behind the rows that were read is run when they
// are closed. Arguments by position are used up statement by statement, those by
// name are for all. A text without a statement does nothing.
//
// The number of affected rows is that of the statement, and 0 for one that is no
// INSERT, UPDATE or DELETE. The last inserted ID is the last rowid that the
// connection inserted.
//
// # Transactions
//
// The isolation level is the default or [sql.LevelSerializable]; others are an
// error. In a read-only transaction a write is an error. Without the parameter
// _txlock a transaction locks nothing before it writes, and that write fails if it
// has read before and another one has written since: a program with several
// writers wants _txlock=immediate.
//
// Some errors of statements end the whole transaction: a conflict with OR ROLLBACK,
// RAISE(ROLLBACK), a full disk, a write that its context interrupts. Nothing more is
// run in it then: each call is [ErrTransactionLost], but for Rollback. A transaction
// that SQL ends, and begins anew, as a migration may, goes on with the new one.
//
// A commit that fails rolls the transaction back. So does the end of the context
// that the transaction began with. A transaction that SQL has begun, and that is
// open when its connection goes back to the pool, is rolled back: use [sql.Tx], or a
// [sql.Conn].
type Driver struct{}

var _ interface {
	driver.Driver
	driver.DriverContext
} = (*Driver)(nil)

// Open opens a single connection. database/sql calls OpenConnector instead.
func (d *Driver) Open(dsn string) (driver.Conn, error) {
	c, err := NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := c.Connect(context.Background())
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	conn.(*DriverConn).owned = c
	return conn, nil
}

// OpenConnector makes the connector that [sql.Open] makes connections with.
func (d *Driver) OpenConnector(dsn string) (driver.Connector, error) { return NewConnector(dsn) }

// backend is one connection of a mode: to a local file, a server, or a replica.
// Like every [driver.Conn], one goroutine at a time uses it.
type backend interface {
	prepare(ctx context.Context, query string) (driverStmt, error)
	exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error)
	query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error)
	begin(ctx context.Context, opts driver.TxOptions) (driver.Tx, error)
	ping(ctx context.Context) error
	// reset readies the connection for its next user; the error is
	// driver.ErrBadConn when it cannot be used again.
	reset(ctx context.Context) error
	valid() bool
	close() error

	engineConn() *engine.Conn
	stream() *hrana.Stream
}

type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// DriverConn is a connection of [database/sql]: what [sql.Conn.Raw] gives. It
// belongs to one goroutine at a time, and is database/sql's to close.
type DriverConn struct {
	b     backend
	owned io.Closer // a connector that was made for this connection alone
}

var _ interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
} = (*DriverConn)(nil)

// Engine returns the connection to the local file, with its hooks, functions,
// blobs and whatever else package engine has; nil for a remote database. That of
// a replica is for reading. It must not be closed, and not be kept beyond the
// function given to [sql.Conn.Raw]. What is set on it stays, for later users of the
// connection too; [WithOnConnect] does the same to all connections.
func (c *DriverConn) Engine() *engine.Conn { return c.b.engineConn() }

// Stream returns the stream to the server, of a remote database and, once it has
// written, of a replica; nil otherwise. It must not be closed, and not be kept
// beyond the function given to [sql.Conn.Raw].
func (c *DriverConn) Stream() *hrana.Stream { return c.b.stream() }

// Prepare implements [driver.Conn].
func (c *DriverConn) Prepare(query string) (driver.Stmt, error) {
	return c.b.prepare(context.Background(), query)
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *DriverConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.b.prepare(ctx, query)
}

// Begin implements [driver.Conn].
func (c *DriverConn) Begin() (driver.Tx, error) {
	return c.b.begin(context.Background(), driver.TxOptions{})
}

// BeginTx implements [driver.ConnBeginTx].
func (c *DriverConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.b.begin(ctx, opts)
}

// ExecContext implements [driver.ExecerContext].
func (c *DriverConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.b.exec(ctx, query, args)
}

// QueryContext implements [driver.QueryerContext].
func (c *DriverConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.b.query(ctx, query, args)
}

// Ping implements [driver.Pinger].
func (c *DriverConn) Ping(ctx context.Context) error { return c.b.ping(ctx) }

// ResetSession implements [driver.SessionResetter].
func (c *DriverConn) ResetSession(ctx context.Context) error { return c.b.reset(ctx) }

// IsValid implements [driver.Validator].
func (c *DriverConn) IsValid() bool { return c.b.valid() }

// CheckNamedValue implements [driver.NamedValueChecker].
func (c *DriverConn) CheckNamedValue(v *driver.NamedValue) error { return checkArg(v) }

// Close implements [driver.Conn].
func (c *DriverConn) Close() error {
	err := c.b.close()
	if c.owned != nil {
		if closeErr := c.owned.Close(); err == nil {
			err = closeErr
		}
	}
	return err
}
