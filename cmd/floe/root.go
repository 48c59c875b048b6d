package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/floedb/floe"
	"github.com/floedb/floe/cmd/floe/internal/session"
)

// tokenVariable names the environment variable that holds an auth token, so that
// it need not stand in a command line that everybody on the machine can read.
const tokenVariable = "FLOE_AUTH_TOKEN"

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "floe",
		Short: "Local replicas of libSQL databases",
		Long: `floe keeps a local SQLite file in step with a libSQL server, reads it at any
time, and freezes it into a database of its own when it has to live alone.

Exit status: 0 done, 1 failed, 2 called wrongly. Results go to standard output,
errors and progress to standard error.`,
		Example: `  floe sync app.db --from libsql://db.example.com
  floe query app.db 'SELECT name FROM users WHERE id = ?' 42
  floe shell app.db
  floe freeze app.db`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	addVerbose(root)
	root.AddCommand(
		newSync(), newStatus(), newQuery(), newShell(), newFreeze(), newApply(), newPull(), newVerify(), newWAL(), newVersion(),
	)
	return root
}

// usageHint says where to read how the command is called.
func usageHint(root *cobra.Command, args []string) string {
	path := root.CommandPath()
	if cmd, _, err := root.Find(args); err == nil {
		path = cmd.CommandPath()
	}
	return fmt.Sprintf("See `%s --help`.", path)
}

// action is what a command does once its command line was understood.
type action func(cmd *cobra.Command, args []string) error

// runs makes a cobra RunE of a: its errors are failures, except for usage errors.
func runs(a action) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := a(cmd, args)
		var usage *usageError
		if err == nil || errors.As(err, &usage) {
			return err
		}
		return &failure{err}
	}
}

// takes checks that a command gets the arguments called names, and further ones
// if the last name ends in "...".
func takes(names ...string) cobra.PositionalArgs {
	required := len(names)
	open := strings.HasSuffix(names[required-1], "...")
	if open {
		required--
	}
	return func(_ *cobra.Command, args []string) error {
		if len(args) < required {
			return usagef("%s is missing", names[len(args)])
		}
		if len(args) > required && !open {
			return usagef("unexpected argument %q", args[required])
		}
		return nil
	}
}

// remote holds the flags that name a server.
type remote struct {
	url, token, namespace string
	primary               string // that a replica writes to
	log                   *slog.Logger
}

func (r *remote) addURL(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVar(&r.url, "from", "", usage)
}

func (r *remote) addAccess(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.token, "auth-token", "", "`token` to show the server (default: $"+tokenVariable+")")
	cmd.Flags().StringVar(&r.namespace, "namespace", "", "`name` of the server's database (default: \"default\")")
}

func (r *remote) addPrimary(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.primary, "primary", "", "`URL` of the server that the replica at PATH writes to")
}

// requireURL checks that a server was named.
func (r *remote) requireURL() error {
	if r.url == "" {
		return usagef("--from is missing: the URL of the server")
	}
	return nil
}

// requirePath checks that name is a file of this machine, and otherwise says instead what to do.
func requirePath(name, instead string) error {
	if floe.IsURL(name) {
		return usagef("%s is a server, not a file: %s", withoutParameters(name), instead)
	}
	return nil
}

// withoutParameters leaves out what may be a token.
func withoutParameters(name string) string {
	name, _, _ = strings.Cut(name, "?")
	if scheme, rest, ok := strings.Cut(name, "://"); ok {
		if _, host, ok := strings.Cut(rest, "@"); ok {
			return scheme + "://" + host
		}
	}
	return name
}

// options gives the flags, and what the environment adds, as options.
func (r *remote) options(more ...floe.Option) []floe.Option {
	return append(more, floe.WithLogger(r.log), floe.WithAuthToken(r.authToken()), floe.WithNamespace(r.namespace))
}

// target is the database called name, with the flags.
func (r *remote) target(name string) session.Target {
	return session.Target{Name: name, Primary: r.primary, Token: r.authToken(), Namespace: r.namespace, Log: r.log}
}

func (r *remote) authToken() string {
	if r.token != "" {
		return r.token
	}
	return os.Getenv(tokenVariable)
}

const serverUsage = "`URL` of the server: libsql://host, https://host or http://host:port"

func addJSON(cmd *cobra.Command, into *bool) {
	cmd.Flags().BoolVar(into, "json", false, "print the result as one JSON object")
}
