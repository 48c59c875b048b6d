package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/floedb/floe"
	"github.com/floedb/floe/hrana"
)

// Target names a database.
type Target struct {
	Name      string // a path, a URL, or another data source name of the floe driver
	Primary   string // URL of the server that a replica writes to; "" for none but that in Name
	Token     string // shown to the server; "" for none but that in Name
	Namespace string // of the server's databases; "" for none but that in Name
	MustExist bool   // a file that does not exist is an error, and is not made
	Lasting   bool   // a connection to a server is to be kept while nothing is asked of it, where that can be

	Log *slog.Logger // nil for none
}

// Resolve checks the name, and takes out of it what the other fields say: the name of a server is its URL then, without
// a token, and that of a replica is its path.
func (t Target) Resolve() (Target, error) {
	base, query, hasQuery := strings.Cut(t.Name, "?")
	if !hasQuery && !isURI(base) {
		return t, nil
	}
	c, err := floe.NewConnector(t.Name) // which knows all parameters
	if err != nil {
		return t, err
	}
	if err := c.Close(); err != nil {
		return t, err
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return t, errors.New("the parameters of the database's name cannot be parsed")
	}
	t.Token = firstOf(t.Token, params.Get("authToken"))
	t.Namespace = firstOf(t.Namespace, params.Get("namespace"))
	switch {
	case floe.IsURL(base):
		t.Name = base
		if tls := params.Get("tls"); tls != "" {
			t.Name += "?tls=" + url.QueryEscape(tls)
		}
	case params.Has("primary"):
		t.Primary = firstOf(t.Primary, params.Get("primary"))
		t.Name = pathOf(base)
	}
	return t, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func isURI(name string) bool { return strings.HasPrefix(name, "file:") }

// pathOf gives the path of a URI that floe took.
func pathOf(uri string) string {
	path, isURI := strings.CutPrefix(uri, "file:")
	if !isURI {
		return uri
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

// File is the path of a target's file, "" for that of a server and for one in memory.
func (t Target) File() string {
	base, query, _ := strings.Cut(t.Name, "?")
	if path := pathOf(base); !floe.IsURL(base) && path != ":memory:" && !strings.Contains(query, "memory") {
		return path
	}
	return ""
}

// Open opens a session on the target. A server is not asked before the first statement, except by a replica that has
// not received anything yet, and for a connection that is to be kept.
func (t Target) Open(ctx context.Context) (Session, error) {
	given := t
	t, err := t.Resolve()
	if err != nil {
		return nil, err
	}
	if floe.IsURL(t.Name) {
		return t.openServer(ctx, t.Name)
	}
	if t.Primary != "" {
		return openReplica(ctx, t, given)
	}
	if t.MustExist && t.File() != "" {
		if _, err := os.Stat(t.File()); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", t.File(), fs.ErrNotExist)
		}
	}
	if isURI(t.Name) || t.File() != t.Name {
		return openName(ctx, t.Name)
	}
	st, err := floe.Inspect(t.Name)
	if err != nil {
		return nil, err
	}
	return openFile(ctx, t.Name, st.Role)
}

func (t Target) openServer(ctx context.Context, url string) (*remote, error) {
	if t.Lasting {
		return openLasting(ctx, url, t.serverOptions()...)
	}
	return openRemote(url, t.serverOptions()...)
}

// options are the server's for floe.
func (t Target) options() (opts []floe.Option) {
	opts = append(opts, floe.WithLogger(t.Log))
	if t.Token != "" {
		opts = append(opts, floe.WithAuthToken(t.Token))
	}
	if t.Namespace != "" {
		opts = append(opts, floe.WithNamespace(t.Namespace))
	}
	return opts
}

func (t Target) serverOptions() (opts []hrana.Option) {
	opts = append(opts, hrana.WithLogger(t.Log))
	if t.Token != "" {
		opts = append(opts, hrana.WithAuthToken(t.Token))
	}
	if t.Namespace != "" {
		opts = append(opts, hrana.WithNamespace(t.Namespace))
	}
	return opts
}
