package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/floedb/floe/cmd/floe/internal/render"
	"github.com/floedb/floe/cmd/floe/internal/session"
	"github.com/floedb/floe/cmd/floe/internal/shell"
	"github.com/floedb/floe/engine"
)

func newShell() *cobra.Command {
	var (
		on   remote
		mode string
	)
	cmd := &cobra.Command{
		Use:   "shell PATH|URL",
		Short: "Work on a database, statement by statement",
		Long: `Shell reads SQL statements and runs them, on the file at PATH, which is made when
there is none, or on the server at URL. A replica is for reading only, unless
--primary names its server: then reads run on the file, and writes on the server.
PATH may also be a name of the Go driver, such as file:app.db?mode=ro.

On a terminal it edits lines, completes names and keywords with the Tab key, and
remembers what was typed. Ctrl-C stops the statement that runs, or clears the
line; Ctrl-D leaves. A line that begins with a dot is a command of the shell:
.help lists them. Lines are kept in a file of the user's, floe/history in the
state folder; $` + shell.HistoryVariable + ` names another one, or none when it is empty. Lines
with auth tokens are not kept.

Otherwise it runs what standard input holds as a script, writes results to
standard output, and stops at the first error, with its line and status 1.
"floe query" runs a single statement with arguments.`,
		Example: `  floe shell app.db
  floe shell app.db < script.sql
  echo .dump | floe shell app.db > app.sql
  FLOE_AUTH_TOKEN=... floe shell libsql://db.example.com
  floe shell replica.db --primary libsql://db.example.com
  echo 'SELECT * FROM users' | floe shell --mode csv app.db > users.csv`,
		Args: takes("PATH|URL"),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			if mode != "" && !slices.Contains(render.Modes(), mode) {
				return usagef("--mode is one of %s", strings.Join(render.Modes(), ", "))
			}
			return runShell(cmd, args[0], on, mode)
		}),
	}
	cmd.Flags().StringVar(&mode, "mode", "", "`way` to write rows: "+strings.Join(render.Modes(), ", "))
	on.addPrimary(cmd)
	on.addAccess(cmd)
	return cmd
}

func runShell(cmd *cobra.Command, name string, on remote, mode string) error {
	on.log = newLogger(cmd, nil)
	target := on.target(name)
	resolved, err := target.Resolve()
	if err != nil {
		return err
	}
	in := cmd.InOrStdin()
	target.Lasting = isInput(in) && isTerminal(cmd.OutOrStdout())
	cfg := shell.Config{
		Target: target, Name: resolved.Name, Mode: mode,
		In: in, Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr(),
		Interactive: target.Lasting,
		Screen:      isTerminal(cmd.OutOrStdout()),
		History:     shell.HistoryFile(), Secrets: []string{resolved.Token},
		Status: statusOf,
		Hello:  fmt.Sprintf("floe %s with SQLite %s. .help lists commands, Ctrl-D leaves.", moduleVersion(), engine.SQLiteVersion()),
	}
	return shell.Run(cmd.Context(), cfg)
}

func statusOf(ctx context.Context, w io.Writer, t session.Target) error {
	return status(ctx, w, t.Name, remote{url: t.Primary, token: t.Token, namespace: t.Namespace, log: t.Log}, false)
}

// isInput tells whether a person types what is read.
func isInput(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && isKeyboard(f)
}
