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
// [sql.Open] takes for this driver. An option that says the same as a parameter
// of the name takes its place. Nothing local is opened before the first
// connection is.
//
// # Data source names
//
// A name is that of a local database, of a server, or of a replica:
//
//	app.db                             a file; created where there is none
//	C:\data\app.db?_foreign_keys=on    a file, with parameters
//	file:app.db?mode=ro                a file, as a URI of SQLite
//	file:/var/my%20app.db              an absolute path; in a URI %XX is a byte, and ? # % are written so
//	file:///var/app.db                 the same as file:/var/app.db; on Windows file:///C:/data/app.db
//	:memory:                           a database in memory; "" and file::memory: are the same
//	file:x?mode=memory&cache=shared    one in memory that every connector of the program shares by its name
//	libsql://db.example.com?authToken=T  a server: https://, http://, wss:// and ws:// too
//	file:app.db?primary=libsql://db.example.com&authToken=T  a replica: reads are local, writes go to the primary
//
// All connections of a connector to ":memory:" share one database, which is gone
// when the connector is closed, and is seen by no other connector. A transaction
// that has written keeps the others from reading until it ends, and waits with its
// commit for those that read, up to the busy timeout. The database of a URI with
// cache=shared or vfs=memdb is kept for as long as the connector is open, too.
// What ATTACH and VACUUM INTO name is a file there as it is elsewhere, unless its
// own name is ":memory:", "" or a URI that says otherwise.
//
// A file that is a replica is refused with [ErrIsReplica], unless mode=ro says
// that it is only read, or primary makes it one.
//
// A name with a # behind it, in a URI, ends there. In the values of parameters %XX
// stands for a byte and + for a blank. What a mode has no use for, and a parameter
// that there is not, is an error.
//
// In every mode:
//
//	_loc       auto (the zone of this machine) or a name such as Europe/Berlin: the zone of times that are read
//	_txlock    deferred (the default), immediate or exclusive: what BEGIN locks
//
// Of a local file, and of what a replica has locally. SQLite's own parameters
// (cache, immutable, mode, modeof, nolock, psow and vfs, of a local file only) are
// those of https://sqlite.org/uri.html. The others set a PRAGMA in each new
// connection, in the order in which they are given, but for busy_timeout and
// auto_vacuum, page_size and encoding, which come first, and query_only, which
// comes last. A pragma that SQLite does not have is an error, and so is a value that
// SQLite would take for another one, or a journal mode that a file cannot have; a
// database in memory keeps its own, and so does one that is opened immutable:
//
//	_auto_vacuum, _vacuum            none, full, incremental or 0 to 2
//	_busy_timeout, _timeout          milliseconds to wait for a lock; 5000 unless set
//	_cache_size                      pages, or KiB if it is negative
//	_case_sensitive_like, _cslike    on or off, true or false, yes or no, 1 or 0; so are those without a comment
//	_defer_foreign_keys, _defer_fk
//	_foreign_keys, _fk               off unless set, in a local file
//	_ignore_check_constraints
//	_journal_mode, _journal          delete, truncate, persist, memory, wal or off
//	_locking_mode, _locking          normal or exclusive
//	_query_only
//	_recursive_triggers, _rt
//	_secure_delete                   also fast
//	_synchronous, _sync              off, normal, full, extra or 0 to 3
//	_trusted_schema                  off unless set, of a replica; see [WithTrustedSchema]
//	_writable_schema
//	_pragma                          any other: name(value), name=value or name('text'); may be there several times
//
// Of a server, and of a replica's primary:
//
//	authToken    the token, usually a JWT, that is sent with each request
//	namespace    the named database of a server that has several
//	tls          0 for libsql:// without TLS; of a server only
//
// Of a replica:
//
//	primary           the URL of the server; one with parameters of its own is escaped
//	syncInterval      a duration such as 1s or 5m: sync in the background; see [WithSyncInterval]
//	readYourWrites    true (the default) or false; see [WithReadYourWrites]
//	openFrozen        true opens a replica that was frozen as the local database it is now; see [WithOpenFrozen]
//
// [DB.Connector] and [Replica.Connector] make connectors of what is open already.
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

// Close lets go of what the connector holds. Connections to a local file that are
// open stay so; those to a server end, with what runs on them, and the server is
// told to roll back, for two seconds at most; over HTTP not where a call was under way.
// [sql.DB.Close] calls it.
func (c *Connector) Close() error { return c.close() }

// Replica returns the replica that the connections read, nil in the other modes.
func (c *Connector) Replica() *Replica { return c.replica }
