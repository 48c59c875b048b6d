package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
)

// syncReport is the JSON of a sync, and of each step of one that goes on.
type syncReport struct {
	Path           string  `json:"path"`
	LogID          string  `json:"log_id"`
	FrameNo        *uint64 `json:"frame_no"`
	PrimaryFrameNo *uint64 `json:"primary_frame_no"`
	FramesSynced   uint64  `json:"frames_synced"`
	Bytes          int64   `json:"bytes"`
	ElapsedMS      int64   `json:"elapsed_ms"`
}

type syncCommand struct {
	cmd      *cobra.Command
	path     string
	from     remote
	until    uint64
	watch    bool
	interval time.Duration
	json     bool
	bar      *bar
}

func newSync() *cobra.Command {
	var c syncCommand
	cmd := &cobra.Command{
		Use:   "sync PATH --from URL",
		Short: "Bring a replica to where its server is",
		Long: `Sync brings the replica at PATH to where the server is, and makes the file if
there is none. Others may read the file meanwhile; they see one committed state
after the other.

Ctrl-C stops cleanly: transactions that came whole are kept, and running the same
command again goes on from there. A second Ctrl-C stops at once, which is safe too.

With --watch, commits are applied as they happen, until Ctrl-C; each change of
the position is printed as a line, or with --json as one JSON object a line.
With --interval, a sync is made each time that D has passed, until Ctrl-C, and
those that bring something are printed in the same way. A server that cannot be
reached for a while ends neither.`,
		Example: `  floe sync app.db --from libsql://db.example.com
  floe sync app.db --from http://127.0.0.1:8080 --watch
  floe sync app.db --from http://127.0.0.1:8080 --interval 30s --json
  FLOE_AUTH_TOKEN=... floe sync app.db --from libsql://db.example.com --until 1200`,
		Args: takes("PATH"),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			c.cmd, c.path = cmd, args[0]
			return c.run()
		}),
	}
	c.from.addURL(cmd, serverUsage)
	c.from.addAccess(cmd)
	cmd.Flags().Uint64Var(&c.until, "until", 0, "wait until the replica has reached frame `N`")
	cmd.Flags().BoolVar(&c.watch, "watch", false, "go on following the server until Ctrl-C")
	cmd.Flags().DurationVar(&c.interval, "interval", 0, "sync again every `D`, such as 30s, until Ctrl-C")
	cmd.MarkFlagsMutuallyExclusive("until", "watch", "interval")
	addJSON(cmd, &c.json)
	return cmd
}

func (c *syncCommand) run() error {
	if err := requirePath(c.path, "floe sync PATH --from URL keeps a replica of it in a file"); err != nil {
		return err
	}
	if err := c.from.requireURL(); err != nil {
		return err
	}
	if c.interval < 0 || c.interval == 0 && c.cmd.Flags().Changed("interval") {
		return usagef("--interval must be more than 0")
	}
	st, err := floe.Inspect(c.path)
	if err != nil && !errors.Is(err, engine.NotADB) && !errors.Is(err, engine.Corrupt) { // which a sync may mend
		return err
	}
	goesOn := c.watch || c.interval > 0
	if !goesOn {
		c.bar = startBar(c.cmd.ErrOrStderr(), st.Position.Next())
	}
	c.from.log = newLogger(c.cmd, c.bar)
	r, err := floe.OpenReplica(c.cmd.Context(), c.path, c.from.url, c.from.options(c.bar.option())...)
	if err != nil {
		c.bar.finish()
		return err
	}
	defer r.Close()
	switch {
	case c.watch:
		return c.follow(r)
	case c.interval > 0:
		return c.repeat(r)
	}
	return c.once(r)
}

// once makes one sync.
func (c *syncCommand) once(r *floe.Replica) error {
	ctx, began := c.cmd.Context(), time.Now()
	var res floe.Result
	var err error
	if c.cmd.Flags().Changed("until") {
		res, err = r.SyncUntil(ctx, c.until)
	} else {
		res, err = r.Sync(ctx)
	}
	c.bar.finish()
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		return c.cutShort(r)
	case err != nil:
		return fmt.Errorf("sync %s: %w", c.path, err)
	}
	return c.print(r, res.Position, res, time.Since(began))
}

// cutShort is the error of a sync that a signal ended.
func (c *syncCommand) cutShort(r *floe.Replica) error {
	st := r.Stats()
	if !st.Position.HasFrame {
		return fmt.Errorf("sync %s: interrupted before a whole transaction came; run it again to begin anew", c.path)
	}
	goal := ""
	if st.HasPrimary {
		goal = fmt.Sprintf(" of %d", st.Primary)
	}
	return fmt.Errorf("sync %s: interrupted at frame %d%s, which is kept; run it again to go on from there", c.path, st.Position.FrameNo, goal)
}

// print prints what was done: the position, how it was reached and how long that
// took.
func (c *syncCommand) print(r *floe.Replica, p floe.Position, res floe.Result, took time.Duration) error {
	st := r.Stats()
	if c.json {
		primary := floe.Position{FrameNo: st.Primary, HasFrame: st.HasPrimary}
		return printJSON(c.cmd.OutOrStdout(), syncReport{
			c.path, p.LogID.String(), frameNo(p), frameNo(primary), res.Frames, res.Bytes, took.Milliseconds(),
		})
	}
	_, err := fmt.Fprintf(c.cmd.OutOrStdout(), "%s is at %s of log %s (%s, %s in %s)\n", c.path, frameText(p), p.LogID,
		plural(res.Frames, "frame"), byteText(float64(res.Bytes)), took.Round(time.Millisecond))
	return err
}

// follow prints each change of position while a watch makes them.
func (c *syncCommand) follow(r *floe.Replica) error {
	ctx, cancel := context.WithCancel(c.cmd.Context())
	defer cancel()
	at, seen, since := r.Position(), r.Stats(), time.Now()
	ended := make(chan error, 1)
	changes, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		err := r.Watch(ctx)
		stop() // what the watch applied last has been published by now
		ended <- err
	}()
	for {
		next, err := r.AwaitChange(changes, at)
		if err != nil {
			return c.watchEnded(<-ended)
		}
		st := r.Stats()
		res := floe.Result{Frames: st.Frames - seen.Frames, Bytes: st.Bytes - seen.Bytes}
		if err := c.print(r, next, res, time.Since(since)); err != nil {
			return err
		}
		at, seen, since = next, st, time.Now()
	}
}

// watchEnded tells a watch that was asked to end from one that failed.
func (c *syncCommand) watchEnded(err error) error {
	if c.cmd.Context().Err() != nil {
		return nil
	}
	return fmt.Errorf("watch %s: %w", c.path, err)
}

// repeat syncs every interval.
func (c *syncCommand) repeat(r *floe.Replica) error {
	ctx := c.cmd.Context()
	for {
		began := time.Now()
		res, err := r.Sync(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && passing(err):
			fmt.Fprintf(c.cmd.ErrOrStderr(), "floe: sync %s: %v; trying again in %s\n", c.path, err, c.interval)
		case err != nil:
			return fmt.Errorf("sync %s: %w", c.path, err)
		case res.Frames > 0:
			if err := c.print(r, res.Position, res, time.Since(began)); err != nil {
				return err
			}
		}
		select {
		case <-time.After(c.interval):
		case <-ctx.Done():
			return nil
		}
	}
}

// passing tells whether the next sync may succeed where this one failed.
func passing(err error) bool {
	for _, lasting := range []error{floe.ErrAuth, floe.ErrNamespaceNotFound, floe.ErrNotLibSQL, floe.ErrRefused} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	var status *floe.StatusError
	return errors.Is(err, floe.ErrUnreachable) || errors.Is(err, floe.ErrLocked) || errors.As(err, &status)
}
