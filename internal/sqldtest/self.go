package sqldtest

import (
	"context"
	"os"
	"os/exec"
)

// Self returns a command that runs the test binary again, for tests that need a second process. Where tests run under
// an emulator, FLOE_TEST_EXEC names it, and the second process runs under it too.
//
// The process is killed when ctx ends.
func Self(ctx context.Context, args ...string) *exec.Cmd {
	if emulator := os.Getenv("FLOE_TEST_EXEC"); emulator != "" {
		return exec.CommandContext(ctx, emulator, append([]string{os.Args[0]}, args...)...)
	}
	return exec.CommandContext(ctx, os.Args[0], args...)
}
