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
// function given to [sql.Conn.Raw].
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
