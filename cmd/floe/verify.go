package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/floedb/floe"
)

// verifyReport is the JSON of `floe verify`.
type verifyReport struct {
	Path         string `json:"path"`
	Identical    bool   `json:"identical"`
	LogID        string `json:"log_id"`
	FrameNo      uint64 `json:"frame_no"`
	Pages        uint32 `json:"pages"`
	PrimaryPages uint32 `json:"primary_pages"`
	Differing    uint32 `json:"differing_pages"`
	FirstPage    uint32 `json:"first_differing_page,omitempty"`
	Kind         string `json:"first_differing_kind,omitempty"`
	ElapsedMS    int64  `json:"elapsed_ms"`
}

func newVerify() *cobra.Command {
	var (
		from   remote
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "verify PATH --from URL",
		Short: "Compare a replica with its primary, page by page",
		Long: `Verify reads the server's log again from its start, up to the frame that the
replica is at, and compares what it makes of each page with the replica's page.
It writes nothing and takes no lock, so that another process may go on syncing.

Exit status 1 says that they differ, or that they cannot be compared: a server
that has compacted its log beyond the replica's frame no longer knows what the
database was there. "floe sync" mends that.`,
		Example: "  floe verify app.db --from libsql://db.example.com",
		Args:    takes("PATH"),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			if err := requirePath(args[0], "floe verify PATH --from URL compares a replica with it"); err != nil {
				return err
			}
			if err := from.requireURL(); err != nil {
				return err
			}
			return verify(cmd, args[0], from, asJSON)
		}),
	}
	from.addURL(cmd, serverUsage)
	from.addAccess(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func verify(cmd *cobra.Command, path string, from remote, asJSON bool) error {
	ctx := cmd.Context()
	if _, err := inspectExisting(path); err != nil {
		return err
	}
	began := time.Now()
	b := startBar(cmd.ErrOrStderr(), 0)
	from.log = newLogger(cmd, b)
	v, err := verifyReplica(cmd, path, from, b)
	b.finish()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), verifyReport{
			path, v.Identical(), v.Position.LogID.String(), v.Position.FrameNo,
			v.Pages, v.PrimaryPages, v.Differing, v.FirstPage, v.Kind, time.Since(began).Milliseconds(),
		})
	} else if v.Identical() {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "identical at frame %d (%s)\n", v.Position.FrameNo, plural(v.Pages, "page"))
	}
	if err != nil || v.Identical() {
		return err
	}
	return fmt.Errorf("%s is not what the primary was at frame %d: %s", path, v.Position.FrameNo, difference(v))
}

func verifyReplica(cmd *cobra.Command, path string, from remote, b *bar) (floe.VerifyResult, error) {
	r, err := floe.OpenReplica(cmd.Context(), path, from.url, from.options(b.option())...)
	if err != nil {
		return floe.VerifyResult{}, err
	}
	defer r.Close()
	return r.Verify(cmd.Context())
}

// difference says in what a replica differs.
func difference(v floe.VerifyResult) string {
	if v.Differing == 0 {
		return fmt.Sprintf("it has %s, the primary had %d", plural(v.Pages, "page"), v.PrimaryPages)
	}
	return fmt.Sprintf("page %d differs (%s), the first of %d", v.FirstPage, v.Kind, v.Differing)
}
