package replicator

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/floedb/floe/internal/sqldtest"
)

// logBook keeps what is logged.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logBook) wants(t *testing.T, some ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, want := range some {
		if !strings.Contains(l.b.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, l.b.String())
		}
	}
	if strings.Contains(l.b.String(), "s3cret") {
		t.Errorf("the log holds the token:\n%s", l.b.String())
	}
}

func TestLogTellsOfTokensOverPlainHTTP(t *testing.T) {
	const plain = "sent without encryption"
	for url, warns := range map[string]bool{
		"http://192.0.2.1:8080": true, "libsql://192.0.2.1?tls=0": true, "ws://db.example.com": true,
		"https://db.example.com": false, "libsql://db.example.com": false, "http://127.0.0.1:1": false, "http://localhost": false,
	} {
		var l logBook
		open(t, Config{Path: filepath.Join(t.TempDir(), "a.db"), Remote: Remote{URL: url, AuthToken: "s3cret"}, Logger: l.logger()})
		if l.wants(t); strings.Contains(l.b.String(), plain) != warns {
			t.Errorf("%s: the log is %q, want a warning: %v", url, l.b.String(), warns)
		}
	}
	var l logBook
	open(t, Config{Path: filepath.Join(t.TempDir(), "a.db"), Remote: Remote{URL: "http://192.0.2.1"}, Logger: l.logger()})
	if l.b.Len() > 0 {
		t.Errorf("without a token the log is %q, want nothing", l.b.String())
	}
}

func TestLogTellsOfRetriesAndOfAnotherLog(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	var l logBook
	r := openTest(t, srv, func(c *Config) { c.Logger, c.Retries, c.Remote.AuthToken = l.logger(), 2, "s3cret" })
	mustSync(t, r)
	srv.Kill()
	if _, err := r.Sync(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("sync gives %v, want %v", err, ErrUnreachable)
	}
	l.wants(t, "the server is asked again", "connection refused")
	srv.Restart(t)
	srv.Wipe(t)
	fill(t, srv, 3, 0)
	mustSync(t, r)
	l.wants(t, "another log")
	var pulled logBook
	srv.Kill()
	if _, err := Pull(t.Context(), Config{Remote: r.cfg.Remote, Retries: 1, Logger: pulled.logger()}, 0, io.Discard); err == nil {
		t.Error("a pull from a server that is gone succeeds")
	}
	pulled.wants(t, "the server is asked again")
}
