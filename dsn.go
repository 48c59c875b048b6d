package floe

import (
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
)

type dsnMode uint8

const (
	modeLocal dsnMode = iota
	modeRemote
	modeReplica
)

// dsnTarget is what a data source name points to.
type dsnTarget struct {
	mode dsnMode
	name string // of a local database: a path, or a URI of SQLite with SQLite's parameters only
	path string // of a replica: the path of its file
	url  string // of the server, without floe's parameters: of a replica's primary, and of a remote database
}

// IsURL tells whether name is the URL of a remote database, rather than the path
// or URI of a file: whether it begins with libsql://, https://, http://, wss://
// or ws://.
func IsURL(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && slices.Contains(remoteSchemes, strings.ToLower(scheme))
}

var remoteSchemes = []string{"libsql", "https", "http", "wss", "ws"}

// parseDSN reads a data source name: what it points to, and its parameters into
// cfg.
func parseDSN(dsn string, cfg *config) (dsnTarget, error) {
	isURL := IsURL(dsn)
	if isURL || strings.HasPrefix(dsn, "file:") {
		dsn, _, _ = strings.Cut(dsn, "#")
	}
	base, query, _ := strings.Cut(dsn, "?")
	params, err := parseParams(query)
	if err != nil {
		return dsnTarget{}, err
	}
	defer cfg.conn.orderPragmas()
	if isURL {
		return remoteTarget(base, params, cfg)
	}
	if err := checkScheme(base); err != nil {
		return dsnTarget{}, err
	}
	if slices.ContainsFunc(params, func(p dsnParam) bool { return p.key == "primary" }) {
		return replicaTarget(base, params, cfg)
	}
	return localTarget(base, params, cfg)
}

// checkScheme finds the URL of a server that was written wrongly, which else would
// be the path of a file.
func checkScheme(base string) error {
	scheme, rest, ok := strings.Cut(base, ":")
	switch {
	case !ok || scheme == "file":
		return nil
	case slices.Contains(remoteSchemes, strings.ToLower(scheme)):
		return fmt.Errorf("the URL of a server begins with %s://", strings.ToLower(scheme))
	case strings.HasPrefix(rest, "//"):
		return fmt.Errorf("unknown scheme%s", didYouMean(scheme, append([]string{"file"}, remoteSchemes...)))
	}
	return nil
}

// dsnParam is one parameter of a data source name.
type dsnParam struct{ key, value string }

// parseParams keeps the order of parameters, in which pragmas run.
func parseParams(query string) (params []dsnParam, err error) {
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		p := dsnParam{}
		if p.key, err = url.QueryUnescape(key); err == nil {
			p.value, err = url.QueryUnescape(value)
		}
		if err != nil {
			// The text may be of a token: it is not repeated.
			return nil, fmt.Errorf("parameter%s: %%XX stands for a byte, and %%25 for %%", shownKey(key))
		}
		params = append(params, p)
	}
	return params, nil
}

func localTarget(base string, params []dsnParam, cfg *config) (dsnTarget, error) {
	var own []string
	for _, p := range params {
		if slices.Contains(uriKeys, p.key) {
			if err := checkURIValue(p); err != nil {
				return dsnTarget{}, err
			}
			own = append(own, url.PathEscape(p.key)+"="+strings.ReplaceAll(url.PathEscape(p.value), "&", "%26"))
			continue
		}
		if err := setParam(p, cfg, commonKeys, fileKeys); err != nil {
			return dsnTarget{}, unknownKey(err, p, uriKeys, keysOf(commonKeys), keysOf(fileKeys), []string{"primary"})
		}
	}
	if _, err := pathOfURI(base); err != nil {
		return dsnTarget{}, err
	}
	t := dsnTarget{mode: modeLocal, name: base}
	if len(own) > 0 {
		if !strings.HasPrefix(base, "file:") {
			t.name = uriOfPath(base)
		}
		t.name += "?" + strings.Join(own, "&")
	}
	return t, nil
}

// uriOfPath makes a path a URI of SQLite.
func uriOfPath(path string) string {
	path = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	if strings.HasPrefix(path, "//") {
		return "file://" + path // else the first part would be the name of a machine
	}
	return "file:" + path
}

func replicaTarget(base string, params []dsnParam, cfg *config) (dsnTarget, error) {
	t := dsnTarget{mode: modeReplica}
	for _, p := range params {
		if p.key == "primary" {
			t.url = p.value
			continue
		}
		if err := setParam(p, cfg, commonKeys, fileKeys, serverKeys, replicaKeys); err != nil {
			return t, unknownKey(err, p, []string{"primary"}, keysOf(commonKeys), keysOf(fileKeys), keysOf(serverKeys), keysOf(replicaKeys))
		}
	}
	var err error
	if t.path, err = pathOfURI(base); err != nil {
		return t, err
	}
	if IsURL(t.url) {
		// The URL may have parameters of its own, as it would have by itself.
		server, err := parseDSN(t.url, cfg)
		if err != nil {
			return t, fmt.Errorf("parameter primary: %w", err)
		}
		t.url = server.url
	}
	if t.path == "" || t.path == ":memory:" {
		return t, errors.New("a replica needs a file")
	}
	if t.url == "" {
		return t, errors.New("parameter primary: it is the URL of a server")
	}
	return t, nil
}

// pathOfURI gives the path that SQLite finds in a URI.
// See https://sqlite.org/uri.html.
func pathOfURI(name string) (string, error) {
	path, isURI := strings.CutPrefix(name, "file:")
	if !isURI {
		return name, nil
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		host, p, _ := strings.Cut(rest, "/")
		if host != "" && host != "localhost" {
			return "", fmt.Errorf("a file is on this machine, not on %q: write file:/path or file:path", host)
		}
		path = "/" + p
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return "", fmt.Errorf("path: %w; a %% is written %%25", err)
	}
	if runtime.GOOS == "windows" && driveBehindSlash(path) {
		path = path[1:]
	}
	return path, nil
}

// driveBehindSlash tells whether a path is like /C:/x, as it is in a URI.
func driveBehindSlash(path string) bool {
	return len(path) > 2 && path[0] == '/' && path[2] == ':' && (path[1]|0x20 >= 'a' && path[1]|0x20 <= 'z')
}

func remoteTarget(base string, params []dsnParam, cfg *config) (dsnTarget, error) {
	t := dsnTarget{mode: modeRemote, url: base}
	for _, p := range params {
		if p.key == "tls" {
			t.url = base + "?tls=" + url.QueryEscape(p.value)
			continue
		}
		if err := setParam(p, cfg, commonKeys, serverKeys); err != nil {
			return t, unknownKey(err, p, []string{"tls"}, keysOf(commonKeys), keysOf(serverKeys))
		}
	}
	return t, nil
}
