package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/floedb/floe/frames"
)

// server is a running libSQL server with a database of its own.
type server struct {
	dir   string
	base  string
	token string // session token of the last Hello
	cmd   *exec.Cmd
}

func startServer(ctx context.Context, sqld string, flags ...string) (*server, error) {
	dir, err := os.MkdirTemp("", "floe-capture-")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	args := append([]string{"--no-welcome", "--db-path", filepath.Join(dir, "db"), "--http-listen-addr", addr}, flags...)
	s := &server{dir: dir, base: "http://" + addr, cmd: exec.CommandContext(ctx, sqld, args...)}
	s.cmd.Dir = dir
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", sqld, err)
	}
	if err := s.waitHealthy(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (s *server) waitHealthy(ctx context.Context) error {
	for {
		res, err := http.Get(s.base + "/health")
		if err == nil {
			res.Body.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the server and removes its database.
func (s *server) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
	os.RemoveAll(s.dir)
}

// namespaceDir is where the server keeps the database.
func (s *server) namespaceDir() string { return filepath.Join(s.dir, "db", "dbs", "default") }

// exec runs statements, each a transaction, and gives the body of the answer.
func (s *server) exec(ctx context.Context, statements ...string) ([]byte, error) {
	type stmt struct {
		SQL string `json:"sql"`
	}
	type request struct {
		Type string `json:"type"`
		Stmt *stmt  `json:"stmt,omitempty"`
	}
	var requests []request
	for _, sql := range statements {
		requests = append(requests, request{"execute", &stmt{sql}})
	}
	requests = append(requests, request{Type: "close"})
	body, err := json.Marshal(map[string]any{"requests": requests})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/v2/pipeline", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"type":"error"`)) {
		return nil, fmt.Errorf("%s: %s", res.Status, answer)
	}
	return answer, nil
}

// call sends one call of the replication service and gives the answer as it is.
func (s *server) call(ctx context.Context, method, namespace string, message []byte) (*http.Response, error) {
	body := frames.AppendEnvelope(nil, message)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/wal_log.ReplicationLog/"+method, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc-web")
	req.Header.Set("X-Namespace-Bin", base64.RawStdEncoding.EncodeToString([]byte(namespace)))
	if s.token != "" {
		req.Header.Set("X-Session-Token", s.token)
	}
	return http.DefaultClient.Do(req)
}

// body is call for the default namespace, with the whole body of the answer.
func (s *server) body(ctx context.Context, method string, message []byte) ([]byte, error) {
	res, err := s.call(ctx, method, "default", message)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if code := res.Header.Get("Grpc-Status"); code != "" && code != "0" {
		return nil, fmt.Errorf("%s: grpc status %s: %s", method, code, res.Header.Get("Grpc-Message"))
	}
	return io.ReadAll(res.Body)
}

// hello begins a session and gives the body of the answer.
func (s *server) hello(ctx context.Context) ([]byte, frames.Hello, error) {
	body, err := s.body(ctx, "Hello", frames.AppendHelloRequest(nil))
	if err != nil {
		return nil, frames.Hello{}, err
	}
	e := frames.NewEnvelopeReader(bytes.NewReader(body))
	if _, _, err := e.Next(); err != nil {
		return nil, frames.Hello{}, err
	}
	message, err := e.AppendPayload(nil, len(body))
	if err != nil {
		return nil, frames.Hello{}, err
	}
	h, err := frames.ParseHelloResponse(message)
	s.token = string(h.SessionToken)
	return body, h, err
}
