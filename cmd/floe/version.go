package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/floedb/floe"
)

// versionReport is the JSON of `floe version`.
type versionReport struct {
	Version  string `json:"version"`
	SQLite   string `json:"sqlite"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of floe and of the SQLite inside",
		Example: "  floe version --json",
		Args:    cobra.NoArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error {
			v, err := currentVersion(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "floe %s (SQLite %s, %s, %s)\n", v.Version, v.SQLite, v.Go, v.Platform)
			return err
		}),
	}
	addJSON(cmd, &asJSON)
	return cmd
}

// moduleVersion is the version that this program was built from.
func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func currentVersion(ctx context.Context) (versionReport, error) {
	v := versionReport{Version: moduleVersion(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	db, err := floe.Open(ctx, ":memory:")
	if err != nil {
		return v, err
	}
	defer db.Close()
	v.SQLite, err = selectText(ctx, db, "SELECT sqlite_version()")
	return v, err
}
