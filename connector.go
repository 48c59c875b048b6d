package floe

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// Connector makes connections for [database/sql]: give it to [sql.OpenDB]. Its
// methods may be called by several goroutines at once.
type Connector struct {
	open    func(ctx context.Context) (backend, error)
	close   func() error
	replica *Replica
}

var _ driver.Connector = (*Connector)(nil)

// NewConnector makes the connector for a data source name, which is what
// [sql.Open] takes for this driver.
func NewConnector(dsn string, opts ...Option) (*Connector, error) {
	cfg := config{}
	target, err := parseDSN(dsn, &cfg)
	if err != nil {
		return nil, fmt.Errorf("data source name: %w", err)
	}
	for _, opt := range opts {
		opt(&cfg)
	}
	switch target.mode {
	case modeRemote:
		return newRemoteConnector(target, cfg)
	case modeReplica:
		return newReplicaConnector(target, cfg)
	}
	return newLocalConnector(target, cfg)
}

// Connect implements [driver.Connector].
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	b, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	return &DriverConn{b: b}, nil
}

// Driver implements [driver.Connector].
func (c *Connector) Driver() driver.Driver { return &Driver{} }

// Close lets go of what the connector holds besides connections. [sql.DB.Close]
// calls it.
func (c *Connector) Close() error { return c.close() }

// Replica returns the replica that the connections read, nil in the other modes.
func (c *Connector) Replica() *Replica { return c.replica }
