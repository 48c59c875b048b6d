package sqldtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	loopback = "127.0.0.1"

	// Ports are taken below the range that systems hand out for outgoing connections, so that the ports of a stopped
	// server are still free when it is restarted.
	firstPort, lastPort = 20000, 30000

	startAttempts = 8
	startTimeout  = 60 * time.Second
	stopTimeout   = 8 * time.Second
	pollInterval  = 20 * time.Millisecond
	outputLimit   = 64 << 10
)

// errExited means that the server process ended before it answered, as it does when a port is in use.
var errExited = errors.New("the server ended before it answered")

// process is the server's process, which can be ended and started again on the same ports.
type process struct {
	bin        string
	args       []string
	dir        string
	namespaces bool
	addr       string
	adminAddr  string
	output     tail

	mu  sync.Mutex // held for the whole of a start or stop
	run *running   // nil while no process runs
}

// running is one life of the process.
type running struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process is gone
}

// serverBinary finds the server's binary, and skips or fails the test when there is none.
func serverBinary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("FLOE_SQLD"); path != "" {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("FLOE_SQLD: %v", err)
		}
		return path
	}
	path, ok := findTool("sqld")
	if ok {
		return path
	}
	const msg = "no libSQL server: run tools/setup.sh server, or set FLOE_SQLD to its binary"
	if os.Getenv("FLOE_REQUIRE_SQLD") == "1" {
		t.Fatal(msg)
	}
	t.Skip(msg)
	return ""
}

// findTool looks for .tools/name in the working directory and above it: tests run in the folder of their package,
// and those of the nested bench module share the tools of the main one.
func findTool(name string) (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		path := filepath.Join(dir, ".tools", name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// startOnFreePorts starts the process on ports of its own. Another process can take a port between the choice and
// the start: then the server ends at once and other ports are tried.
func (p *process) startOnFreePorts() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for range startAttempts {
		if p.addr, err = freeAddr(); err != nil {
			return err
		}
		if p.adminAddr, err = freeAddr(); err != nil {
			return err
		}
		if err = p.start(); !errors.Is(err, errExited) {
			return err
		}
	}
	return err
}

// startAgain starts the process on the ports it had.
func (p *process) startAgain() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for range startAttempts {
		if err = p.start(); !errors.Is(err, errExited) {
			return err
		}
		time.Sleep(pollInterval)
	}
	return err
}

// start starts the process and waits until it answers. p.mu is held.
func (p *process) start() error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	run, err := spawn(p.command())
	if err != nil {
		return fmt.Errorf("run %s: %w", p.bin, err)
	}
	p.run = run
	if err := p.awaitReady(); err != nil {
		p.end(syscall.SIGKILL)
		return fmt.Errorf("%w; its output:\n%s", err, p.output.String())
	}
	return nil
}

func (p *process) command() *exec.Cmd {
	args := append([]string{"--http-listen-addr", p.addr, "--admin-listen-addr", p.adminAddr}, p.args...)
	cmd := exec.Command(p.bin, args...)
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.Env = environ()
	cmd.SysProcAttr = sysProcAttr()
	cmd.WaitDelay = time.Second
	return cmd
}

// environ is the environment without the variables that the server reads as options.
func environ() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "SQLD_") && !strings.HasPrefix(kv, "LIBSQL_") {
			env = append(env, kv)
		}
	}
	return append(env, "NO_COLOR=1")
}

// spawn starts cmd from a thread that lives as long as it does: the kernel sends the parent-death signal when the
// thread that started the child ends, not the process.
func spawn(cmd *exec.Cmd) (*running, error) {
	run := &running{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(run.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // how the server ended shows in what the test sees
		}
	}()
	return run, <-started
}

// awaitReady waits until the server answers requests, and makes the default namespace where it has to.
func (p *process) awaitReady() error {
	deadline := time.Now().Add(startTimeout)
	for !healthy(p.addr) {
		select {
		case <-p.run.done:
			return errExited
		case <-time.After(pollInterval):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no answer from %s within %v", p.addr, startTimeout)
		}
	}
	if !p.namespaces {
		return nil
	}
	return p.ensureDefaultNamespace()
}

// ensureDefaultNamespace makes the default namespace, which a server with namespaces starts without.
func (p *process) ensureDefaultNamespace() error {
	if _, err := os.Stat(filepath.Join(p.dir, "dbs", DefaultNamespace)); err == nil {
		return nil
	}
	return createNamespace(p.adminAddr, DefaultNamespace)
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(syscall.SIGKILL)
}

func (p *process) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(syscall.SIGTERM)
}

// end signals the process and waits until it is gone. p.mu is held.
func (p *process) end(sig os.Signal) {
	if p.run == nil {
		return
	}
	run := p.run
	p.run = nil
	if err := run.cmd.Process.Signal(sig); err != nil {
		run.cmd.Process.Kill() // a system without that signal
	}
	select {
	case <-run.done:
		return
	case <-time.After(stopTimeout):
	}
	run.cmd.Process.Kill()
	<-run.done
}

// freeAddr gives a loopback address that nothing listens on.
func freeAddr() (string, error) {
	var err error
	for range 100 {
		addr := net.JoinHostPort(loopback, strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort)))
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}

// healthy tells whether the server at addr answers. It uses a connection of its own, which tells nothing about the
// next life of the server at the same address.
func healthy(addr string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/health", nil)
	if err != nil {
		return false
	}
	res, err := adminClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// adminClient opens a connection for each request.
var adminClient = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   30 * time.Second,
}

func createNamespace(adminAddr, name string) error {
	url := "http://" + adminAddr + "/v1/namespaces/" + name + "/create"
	res, err := adminClient.Post(url, "application/json", strings.NewReader("{}"))
	if err != nil {
		return fmt.Errorf("create namespace %s: %w", name, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return fmt.Errorf("create namespace %s: %s: %s", name, res.Status, body)
	}
	return nil
}

// tail keeps the end of what is written to it. Several goroutines may use it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b)
	if over := t.buf.Len() - outputLimit; over > 0 {
		t.buf.Next(over)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
