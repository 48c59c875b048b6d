// Command floe keeps local replicas of libSQL databases, reads them, freezes them
// into databases of their own, and carries frames between machines in files.
//
// Run floe --help for its commands. It exits with 0 when it did what was asked,
// 1 when it could not, and 2 when it was called in a way it does not understand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/floedb/floe/cmd/floe/internal/render"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// sameSignal is how long further signals are taken for the first one: timeout(1)
// and other parents signal a process and then its whole group.
const sameSignal = 300 * time.Millisecond

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the work cleanly; a later one ends the process.
	context.AfterFunc(ctx, func() {
		time.Sleep(sameSignal)
		restore()
	})
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs one command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var failure *failure
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &failure):
		// The words of a server, and of a file, are in it.
		fmt.Fprintln(render.Terminal(stderr), "floe:", failure.err)
		return exitFailed
	}
	fmt.Fprintf(stderr, "floe: %v\n%s\n", err, usageHint(root, args))
	return exitUsage
}

// failure is the error of a command that was understood and could not be done.
// Every other error is about how it was called.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usageError is an error of how a command was called that shows only when it runs.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}
