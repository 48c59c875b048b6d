package main

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/floedb/floe/internal/authtoken"
)

// verboseFlag is the flag of all commands that has them tell what goes on behind them.
const verboseFlag = "verbose"

// addVerbose gives all commands the flag.
func addVerbose(root *cobra.Command) {
	root.PersistentFlags().BoolP(verboseFlag, "v", false, "log to standard error what goes on behind the command")
}

func isVerbose(cmd *cobra.Command) bool {
	on, err := cmd.Flags().GetBool(verboseFlag)
	return err == nil && on
}

// newLogger makes the logger of a command, which tells warnings, or with --verbose everything. What it writes erases a
// bar first.
func newLogger(cmd *cobra.Command, b *bar) *slog.Logger {
	level := slog.LevelWarn
	if isVerbose(cmd) {
		level = slog.LevelDebug
	}
	h := slog.NewTextHandler(b.over(cmd.ErrOrStderr()), &slog.HandlerOptions{Level: level})
	return slog.New(&onceOfPlain{Handler: h})
}

// onceOfPlain tells of a token in the clear once, whereas a command may open more than one client.
type onceOfPlain struct {
	slog.Handler
	told atomic.Bool
}

func (o *onceOfPlain) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == authtoken.PlainMessage && o.told.Swap(true) {
		return nil
	}
	return o.Handler.Handle(ctx, r)
}

// over gives a writer to w, which the bar is drawn on, that does not write behind the bar.
func (b *bar) over(w io.Writer) io.Writer {
	if b == nil {
		return w
	}
	return overBar{w, b}
}

type overBar struct {
	w io.Writer
	b *bar
}

func (o overBar) Write(p []byte) (int, error) {
	o.b.screen.Lock()
	defer o.b.screen.Unlock()
	o.b.erase()
	return o.w.Write(p)
}
