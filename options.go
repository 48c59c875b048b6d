package floe

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/replicator"
)

// Option changes how a replica, or what [NewConnector] makes, is opened. Options
// that a mode has no use for do nothing.
type Option func(*config)

type config struct {
	replicator.Config
	interval  time.Duration
	staleRead bool // reads of a replica do not wait for its own writes
	conn      connConfig

	trustedSchema bool // of a replica
	openFrozen    bool // as the local database that it is
}

// connConfig says how connections of database/sql behave, in every mode.
type connConfig struct {
	txLock    string         // DEFERRED, IMMEDIATE or EXCLUSIVE; empty is DEFERRED
	location  *time.Location // of times read; nil leaves them in UTC
	pragmas   []string       // "name = value", run in each new connection to a local file
	onConnect []func(context.Context, *engine.Conn) error
}

// WithAuthToken sends token, usually a JWT, with every request. It appears in no
// error and no log.
func WithAuthToken(token string) Option {
	return func(c *config) { c.Remote.AuthToken = token }
}

// WithTokenSource sends the token that source gives, instead of one that stays the same. It is called before the first
// request, and again when the server refuses the token, for the request to be sent once more with the new one; by a
// replica's sync and by what it writes through database/sql, each for itself.
func WithTokenSource(source func(ctx context.Context) (string, error)) Option {
	return func(c *config) { c.Remote.TokenSource = source }
}

// WithNamespace follows the named database of a server that has several. The
// default is "default".
func WithNamespace(name string) Option {
	return func(c *config) { c.Remote.Namespace = name }
}

// WithHTTPClient makes requests through client, for certificates, proxies or
// dialers of one's own. Its Timeout must be zero, and its CheckRedirect is not
// called: no redirect is followed, which could take the token along. Connections of [database/sql] to
// a server use its Transport alone, over WebSocket for the first request.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) { c.Remote.HTTPClient = client }
}

// WithSyncInterval syncs in the background: at once, and then d after each sync
// ended. Errors are found in [Stats]; the next sync comes all the same.
func WithSyncInterval(d time.Duration) Option {
	return func(c *config) { c.interval = d }
}

// WithRetries bounds how often a call tries again, without progress in between,
// when the server cannot be reached or breaks off: [replicator.DefaultRetries]
// times unless set, as long as the context lasts with a negative n. The waits
// double from 50 ms to 5 s, with jitter. A Watch always goes on.
func WithRetries(n int) Option {
	return func(c *config) {
		c.Retries = n
		if n == 0 {
			c.Retries = replicator.NoRetries
		}
	}
}

// WithLogger has l told what goes on behind the calls: reconnects, retries, frames
// that were refused, waits that take long. No value and no token is in it. Without
// the option nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) { c.Logger = l }
}

// WithProgress calls f as frames arrive, from the goroutine that applies them. f
// must be quick and must not call the replica.
func WithProgress(f func(Progress)) Option {
	return func(c *config) { c.Progress = f }
}

// WithDoubleRead fetches every frame twice and compares, or never does. The
// default is to do so over plain HTTP to another machine, where nothing but TCP's
// own checksum keeps a page's number whole; over TLS, and on a machine's own
// loopback, each frame is fetched once.
func WithDoubleRead(on bool) Option {
	return func(c *config) {
		c.DoubleRead = replicator.DoubleReadNever
		if on {
			c.DoubleRead = replicator.DoubleReadAlways
		}
	}
}

// WithReadYourWrites has reads of a replica wait until it has what was written
// through it before, which is the default, or not.
func WithReadYourWrites(on bool) Option {
	return func(c *config) { c.staleRead = !on }
}

// WithTrustedSchema lets views, triggers, generated columns and indexes of a replica
// call every function that the program has registered. The default is that they may
// call only those with [engine.Innocuous], among them SQLite's own and those of the
// packages under ext: the schema is written by whoever may write to the primary. In a
// local file they may call all of them unless on is false.
// See https://sqlite.org/c3ref/c_dbconfig_defensive.html#sqlitedbconfigtrustedschema.
func WithTrustedSchema(on bool) Option {
	return func(c *config) {
		c.trustedSchema = on
		c.conn.addPragma("trusted_schema", onOff(on))
	}
}

// WithOpenFrozen has [NewConnector] open a replica that was frozen as the local
// database that it is now, instead of failing with [ErrFrozen]: what writes then
// writes to the file. Connections of a replica that is frozen while they are in use
// go on like that, too. Foreign keys stay on, and the schema stays untrusted, as
// they were, unless parameters say otherwise. Connector.Replica is nil where the
// file was frozen when it was opened. [OpenReplica] opens replicas only.
func WithOpenFrozen(on bool) Option {
	return func(c *config) { c.openFrozen = on }
}

// WithOnConnect runs f for each new connection of [database/sql] to a local file,
// that of a replica too: to register functions and hooks, and to set pragmas. Views of
// a replica can call functions with [engine.Innocuous] only, see [WithTrustedSchema]. An
// error of f closes the connection and is that of whoever asked for it.
func WithOnConnect(f func(ctx context.Context, c *engine.Conn) error) Option {
	return func(c *config) { c.conn.onConnect = append(c.conn.onConnect, f) }
}
