package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/floedb/floe"
)

// freezeReport is the JSON of `floe freeze`.
type freezeReport struct {
	Path    string `json:"path"`
	Role    string `json:"role"`
	LogID   string `json:"log_id"`
	FrameNo uint64 `json:"frame_no"`
}

func newFreeze() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "freeze PATH",
		Short: "Make a replica a database of its own",
		Long: `Freeze cuts the tie between a replica and its server. The file keeps the last
state that was applied and becomes a local database that any SQLite can write to.
The server is not needed. There is no way back: a new replica needs another path.

PATH-floe-frozen tells from then on which log and frame the database came from.`,
		Example: "  floe freeze app.db",
		Args:    takes("PATH"),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			return freeze(cmd, args[0], asJSON)
		}),
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func freeze(cmd *cobra.Command, path string, asJSON bool) error {
	if err := requirePath(path, "floe sync makes a replica of it, and that can be frozen"); err != nil {
		return err
	}
	ctx := cmd.Context()
	if _, err := inspectExisting(path); err != nil {
		return err
	}
	r, err := floe.OpenReplica(ctx, path, "", floe.WithLogger(newLogger(cmd, nil)))
	if err != nil {
		return err
	}
	defer r.Close()
	db, err := r.Freeze(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	o, _ := db.Origin()
	if asJSON {
		return printJSON(cmd.OutOrStdout(), freezeReport{path, floe.RoleFrozen.String(), o.LogID.String(), o.FrameNo})
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is a database of its own now, frozen from log %s at frame %d\n", path, o.LogID, o.FrameNo)
	return err
}
