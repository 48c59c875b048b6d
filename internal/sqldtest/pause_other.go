//go:build !unix

package sqldtest

import "testing"

// Pause skips the test: the system cannot stop a process.
func (s *Server) Pause(t testing.TB) { t.Skip("this system stops no process") }

// Resume does nothing.
func (s *Server) Resume(testing.TB) {}
