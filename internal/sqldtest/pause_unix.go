//go:build unix

package sqldtest

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pause stops the server's process, which then accepts connections and answers none, until Resume.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
	s.awaitStop()
	t.Cleanup(func() { s.signal(t, syscall.SIGCONT) })
}

// awaitStop waits until the process has stopped, where the system tells: a signal takes a moment.
func (s *Server) awaitStop() {
	s.proc.mu.Lock()
	defer s.proc.mu.Unlock()
	if s.proc.run == nil {
		return
	}
	stat := fmt.Sprintf("/proc/%d/stat", s.proc.run.cmd.Process.Pid)
	for range 200 {
		b, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(b), ") T ") {
			return
		}
		time.Sleep(pollInterval)
	}
}

// Resume lets a paused server go on.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGCONT)
}

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	s.proc.mu.Lock()
	defer s.proc.mu.Unlock()
	if s.proc.run == nil {
		return
	}
	if err := s.proc.run.cmd.Process.Signal(sig); err != nil {
		t.Errorf("%v: %v: %v", s, sig, err)
	}
}
