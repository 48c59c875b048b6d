package floe

import (
	"net/http"
	"time"

	"github.com/floedb/floe/replicator"
)

// Option changes how a replica is opened.
type Option func(*replicaConfig)

type replicaConfig struct {
	replicator.Config
	interval time.Duration
}

// WithAuthToken sends token, usually a JWT, with every request. It appears in no
// error and no log.
func WithAuthToken(token string) Option {
	return func(c *replicaConfig) { c.Remote.AuthToken = token }
}

// WithNamespace follows the named database of a server that has several. The
// default is "default".
func WithNamespace(name string) Option {
	return func(c *replicaConfig) { c.Remote.Namespace = name }
}

// WithHTTPClient makes requests through client, for certificates, proxies or
// dialers of one's own. Its Timeout must be zero.
func WithHTTPClient(client *http.Client) Option {
	return func(c *replicaConfig) { c.Remote.HTTPClient = client }
}

// WithSyncInterval syncs in the background: at once, and then d after each sync
// ended. Errors are found in [Stats]; the next sync comes all the same.
func WithSyncInterval(d time.Duration) Option {
	return func(c *replicaConfig) { c.interval = d }
}

// WithRetries bounds how often a call tries again, without progress in between,
// when the server cannot be reached or breaks off: [replicator.DefaultRetries]
// times unless set, as long as the context lasts with a negative n. The waits
// double from 50 ms to 5 s, with jitter. A Watch always goes on.
func WithRetries(n int) Option {
	return func(c *replicaConfig) {
		c.Retries = n
		if n == 0 {
			c.Retries = replicator.NoRetries
		}
	}
}

// WithProgress calls f as frames arrive, from the goroutine that applies them. f
// must be quick and must not call the replica.
func WithProgress(f func(Progress)) Option {
	return func(c *replicaConfig) { c.Progress = f }
}

// WithDoubleRead fetches every frame twice and compares, or never does. The
// default is to do so over plain HTTP to another machine, where nothing but TCP's
// own checksum keeps a page's number whole; over TLS, and on a machine's own
// loopback, each frame is fetched once.
func WithDoubleRead(on bool) Option {
	return func(c *replicaConfig) {
		c.DoubleRead = replicator.DoubleReadNever
		if on {
			c.DoubleRead = replicator.DoubleReadAlways
		}
	}
}
