// Package sqldtest starts a real libSQL server for tests and asks it for the truth that a replica is compared with.
//
// The server is a native binary that this module does not build: tools/setup.sh puts it at .tools/sqld below the
// module root, and FLOE_SQLD names another one. Without either, [Start] skips the test; with FLOE_REQUIRE_SQLD=1
// in the environment it fails instead, so that a machine meant to run these tests cannot pass by skipping them.
//
// A server listens on loopback only, keeps its data in a directory of the test's own and ends with the test, or
// with the test process on Linux when that one is killed.
package sqldtest

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// DefaultNamespace is the namespace that a server without namespaces serves, and the one a [Server] from [Start]
// addresses.
const DefaultNamespace = "default"

// Server is a running libSQL server, addressed as one of its namespaces.
//
// Its methods may be called from several goroutines, but those that take a testing.TB end the test on an error and
// so belong to the test's own goroutine; elsewhere use the Try methods. Kill, Stop, Restart and Wipe act on the one
// server process, whatever view they are called on.
type Server struct {
	// URL is the base URL of the server's user API, "http://127.0.0.1:PORT". It carries no namespace.
	URL string
	// AdminURL is the base URL of the server's admin API, which never asks for a token.
	AdminURL string
	// Addr is the user API's address, "127.0.0.1:PORT".
	Addr string
	// Dir is the server's data directory.
	Dir string
	// Namespace is the namespace that this view addresses.
	Namespace string

	proc   *process
	client *http.Client
	key    ed25519.PrivateKey
}

// Option changes how [Start] starts a server.
type Option func(*config)

type config struct {
	dir        string
	args       []string
	namespaces bool
	jwt        bool
}

// WithNamespaces starts the server with namespaces enabled. [DefaultNamespace] exists from the start; others are
// made by [Server.CreateNamespace].
func WithNamespaces() Option { return func(c *config) { c.namespaces = true } }

// WithMaxLogSize bounds the server's replication log to mb megabytes, at least 1. A server whose log outgrows the
// bound compacts it into snapshots, so that a client far behind is told to fetch those.
func WithMaxLogSize(mb int) Option { return WithArgs("--max-log-size", strconv.Itoa(mb)) }

// WithJWT starts the server with an Ed25519 key of its own, so that it refuses every request without a token that
// [Server.Token] signed. The methods of [Server] sign their own requests.
func WithJWT() Option { return func(c *config) { c.jwt = true } }

// WithDir keeps the server's data in dir, which is made when absent and left in place after the test.
func WithDir(dir string) Option { return func(c *config) { c.dir = dir } }

// WithArgs appends arguments to the server's command line.
func WithArgs(args ...string) Option {
	return func(c *config) { c.args = append(c.args, args...) }
}

// Start starts a server, waits until it answers, and stops it when t ends. When t fails, the server's output is
// logged. See the package comment for what happens when there is no server binary.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	bin := serverBinary(t)
	cfg := config{}
	for _, opt := range opts {
		opt(&cfg)
	}
	if cfg.dir == "" {
		cfg.dir = filepath.Join(t.TempDir(), "sqld")
	}
	s := &Server{Dir: cfg.dir, Namespace: DefaultNamespace}
	args := append([]string{"--no-welcome", "--db-path", cfg.dir, "--shutdown-timeout", "3"}, cfg.args...)
	if cfg.namespaces {
		args = append(args, "--enable-namespaces")
	}
	if cfg.jwt {
		s.key = newKey(t)
		args = append(args, "--auth-jwt-key-file", writeKeyFile(t, s.key))
	}
	s.proc = &process{bin: bin, args: args, dir: cfg.dir, namespaces: cfg.namespaces}
	t.Cleanup(func() { s.finish(t) })
	if err := s.proc.startOnFreePorts(); err != nil {
		t.Fatalf("start the libSQL server: %v", err)
	}
	s.Addr = s.proc.addr
	s.URL, s.AdminURL = "http://"+s.proc.addr, "http://"+s.proc.adminAddr
	s.client = newClient(s.Addr)
	return s
}

// finish ends the server at the end of a test, and shows its output when the test failed.
func (s *Server) finish(t testing.TB) {
	s.proc.kill()
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	if t.Failed() {
		t.Logf("output of the libSQL server:\n%s", s.proc.output.String())
	}
}

// In gives a view of the same server that addresses another namespace.
func (s *Server) In(namespace string) *Server {
	view := *s
	view.Namespace = namespace
	return &view
}

// HostURL is the base URL that names the view's namespace in its host, "http://NAME.localhost:PORT", which is how
// the server's SQL API finds the namespace of a request without an x-namespace-bin header. Not every resolver knows
// names below localhost: use it with [Server.HTTPClient].
func (s *Server) HostURL() string {
	return "http://" + s.Namespace + ".localhost" + s.Addr[len(loopback):]
}

// HTTPClient gives a client that connects to the server whatever host a URL names. Several goroutines may use it.
func (s *Server) HTTPClient() *http.Client { return s.client }

// DataPath is the path of a namespace's database file. The server owns it: see [Server.PrimaryImage].
func (s *Server) DataPath(namespace string) string {
	return filepath.Join(s.Dir, "dbs", namespace, "data")
}

// SnapshotDir is the directory where the server keeps a namespace's snapshot files once it compacted its log.
func (s *Server) SnapshotDir(namespace string) string {
	return filepath.Join(s.Dir, "dbs", namespace, "snapshots")
}

// CreateNamespace makes a namespace. The server must run [WithNamespaces].
func (s *Server) CreateNamespace(t testing.TB, name string) {
	t.Helper()
	if err := createNamespace(s.proc.adminAddr, name); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server as kill -9 does and waits until it is gone. Data it acknowledged stays. On a server that does
// not run it does nothing.
func (s *Server) Kill() {
	s.proc.kill()
	s.client.CloseIdleConnections()
}

// Stop asks the server to shut down and waits until it is gone; one that takes more than a few seconds is killed. On
// a server that does not run it does nothing.
func (s *Server) Stop() {
	s.proc.stop()
	s.client.CloseIdleConnections()
}

// Restart starts the server again on the same ports and data, after it stopped it when it runs. A restart after a
// crash is Kill and then Restart.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	if err := s.proc.startAgain(); err != nil {
		t.Fatalf("restart the libSQL server: %v", err)
	}
}

// Wipe stops the server, deletes all its data and starts it again on the same ports: another, empty database with
// another log id. Namespaces other than the default one are gone.
func (s *Server) Wipe(t testing.TB) {
	t.Helper()
	s.Kill()
	if err := os.RemoveAll(s.Dir); err != nil {
		t.Fatalf("delete the server's data: %v", err)
	}
	s.Restart(t)
}

// Output gives what the server wrote so far to its standard output and error, at most the last 64 KiB.
func (s *Server) Output() string { return s.proc.output.String() }

// String names the server and namespace, for messages.
func (s *Server) String() string { return fmt.Sprintf("sqld %s/%s", s.Addr, s.Namespace) }
