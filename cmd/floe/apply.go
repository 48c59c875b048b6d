package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/floedb/floe"
)

// applyReport is the JSON of `floe apply`.
type applyReport struct {
	Path          string  `json:"path"`
	LogID         string  `json:"log_id"`
	FrameNo       *uint64 `json:"frame_no"`
	FramesApplied uint64  `json:"frames_applied"`
}

func newApply() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "apply PATH FILE",
		Short: "Apply a frame archive or a snapshot file to a replica",
		Long: `Apply brings a replica forward with a file instead of a server: a frame archive
that "floe pull" wrote, or a snapshot file of a libSQL server. A replica that
does not exist yet is made, if the file begins with frame 0.

The whole file is verified before anything is applied. Frames that the replica
has are passed over. A file of another database, one that begins too late, and a
damaged one are refused, and change nothing.`,
		Example: `  floe pull news.frames --from libsql://db.example.com
  floe apply app.db news.frames`,
		Args: takes("PATH", "FILE"),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			return apply(cmd, args[0], args[1], asJSON)
		}),
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func apply(cmd *cobra.Command, path, file string, asJSON bool) error {
	if err := requirePath(path, "a file of frames is applied to a replica"); err != nil {
		return err
	}
	ctx := cmd.Context()
	r, err := floe.OpenReplica(ctx, path, "", floe.WithLogger(newLogger(cmd, nil)))
	if err != nil {
		return err
	}
	defer r.Close()
	res, err := r.ApplyFile(ctx, file)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	p := res.Position
	if asJSON {
		return printJSON(cmd.OutOrStdout(), applyReport{path, p.LogID.String(), frameNo(p), res.Frames})
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is at %s of log %s (%s applied)\n", path, frameText(p), p.LogID, plural(res.Frames, "frame"))
	return err
}
