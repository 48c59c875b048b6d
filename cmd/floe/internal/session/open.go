package session

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/floedb/floe"
	"github.com/floedb/floe/hrana"
)

// Target names a database.
type Target struct {
	Name      string // a path, a URL, or another data source name of the floe driver
	Token     string // shown to the server
	Namespace string // of the server's databases
	MustExist bool   // a file that does not exist is an error, and is not made
}

// Open opens a session on the target. A server is not asked before the first statement.
func (t Target) Open(ctx context.Context) (Session, error) {
	if floe.IsURL(t.Name) {
		return openRemote(t.Name, t.serverOptions()...)
	}
	st, err := floe.Inspect(t.Name)
	if err != nil {
		return nil, err
	}
	if t.MustExist && st.Role == floe.RoleNone {
		return nil, fmt.Errorf("%s: %w", t.Name, fs.ErrNotExist)
	}
	return openFile(ctx, t.Name, st.Role)
}

func (t Target) serverOptions() (opts []hrana.Option) {
	if t.Token != "" {
		opts = append(opts, hrana.WithAuthToken(t.Token))
	}
	if t.Namespace != "" {
		opts = append(opts, hrana.WithNamespace(t.Namespace))
	}
	return opts
}

// File is the path of the target's file, "" for that of a server.
func (t Target) File() string {
	if floe.IsURL(t.Name) {
		return ""
	}
	return t.Name
}
