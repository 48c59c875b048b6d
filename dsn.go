package floe

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
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
	base, query, _ := strings.Cut(dsn, "?")
	query, _, _ = strings.Cut(query, "#")
	params, err := parseParams(query)
	if err != nil {
		return dsnTarget{}, err
	}
	switch {
	case IsURL(dsn):
		return remoteTarget(base, params, cfg)
	case strings.Contains(base, "://") && !strings.HasPrefix(base, "file:"):
		scheme, _, _ := strings.Cut(base, "://")
		return dsnTarget{}, fmt.Errorf("unknown scheme %q%s", scheme, didYouMean(scheme, append([]string{"file"}, remoteSchemes...)))
	case slices.ContainsFunc(params, func(p dsnParam) bool { return p.key == "primary" }):
		return replicaTarget(base, params, cfg)
	}
	return localTarget(base, params, cfg)
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
			// The value may be a token: it is not repeated.
			return nil, fmt.Errorf("parameter %q: bad escape", key)
		}
		params = append(params, p)
	}
	return params, nil
}

func localTarget(base string, params []dsnParam, cfg *config) (dsnTarget, error) {
	var own []string
	for _, p := range params {
		if slices.Contains(uriKeys, p.key) {
			own = append(own, url.QueryEscape(p.key)+"="+url.QueryEscape(p.value))
			continue
		}
		if err := setParam(p, cfg, commonKeys, fileKeys); err != nil {
			return dsnTarget{}, unknownKey(err, p, uriKeys, keysOf(commonKeys), keysOf(fileKeys), []string{"primary"})
		}
	}
	t := dsnTarget{mode: modeLocal, name: base}
	if len(own) > 0 {
		if !strings.HasPrefix(base, "file:") {
			t.name = "file:" + escapePath(base)
		}
		t.name += "?" + strings.Join(own, "&")
	}
	return t, nil
}

// escapePath makes a path that of a URI.
func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
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
		return "", fmt.Errorf("path: %w", err)
	}
	return path, nil
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

// setters say what a parameter does, by its name.
type setters map[string]func(cfg *config, value string) error

// uriKeys are SQLite's own. See https://sqlite.org/uri.html.
var uriKeys = []string{"cache", "immutable", "mode", "modeof", "nolock", "psow", "vfs"}

var commonKeys = setters{
	"_loc":    setLocation,
	"_txlock": setTxLock,
}

var serverKeys = setters{
	"authToken": func(cfg *config, v string) error { cfg.Remote.AuthToken = v; return nil },
	"namespace": func(cfg *config, v string) error { cfg.Remote.Namespace = v; return nil },
}

var replicaKeys = setters{
	"syncInterval":   setSyncInterval,
	"readYourWrites": setReadYourWrites,
}

var fileKeys = setters{
	"_pragma":                   setAnyPragma,
	"_auto_vacuum":              pragma("auto_vacuum"),
	"_busy_timeout":             pragma("busy_timeout"),
	"_cache_size":               pragma("cache_size"),
	"_case_sensitive_like":      pragma("case_sensitive_like"),
	"_defer_foreign_keys":       pragma("defer_foreign_keys"),
	"_fk":                       pragma("foreign_keys"),
	"_foreign_keys":             pragma("foreign_keys"),
	"_ignore_check_constraints": pragma("ignore_check_constraints"),
	"_journal":                  pragma("journal_mode"),
	"_journal_mode":             pragma("journal_mode"),
	"_locking_mode":             pragma("locking_mode"),
	"_query_only":               pragma("query_only"),
	"_recursive_triggers":       pragma("recursive_triggers"),
	"_secure_delete":            pragma("secure_delete"),
	"_sync":                     pragma("synchronous"),
	"_synchronous":              pragma("synchronous"),
	"_timeout":                  pragma("busy_timeout"),
}

func setLocation(cfg *config, v string) (err error) {
	if v == "auto" {
		v = "Local"
	}
	if cfg.conn.location, err = time.LoadLocation(v); err != nil {
		return fmt.Errorf("%q is not a time zone: %w", v, err)
	}
	return nil
}

func setTxLock(cfg *config, v string) error {
	v = strings.ToUpper(v)
	if v != "DEFERRED" && v != "IMMEDIATE" && v != "EXCLUSIVE" {
		return fmt.Errorf("%q is not one of deferred, immediate and exclusive", v)
	}
	cfg.conn.txLock = v
	return nil
}

func setSyncInterval(cfg *config, v string) (err error) {
	if cfg.interval, err = time.ParseDuration(v); err != nil || cfg.interval < 0 {
		return fmt.Errorf("%q is not a duration like 500ms, 1s or 5m", v)
	}
	return nil
}

func setReadYourWrites(cfg *config, v string) error {
	on, err := strconv.ParseBool(v)
	if err != nil {
		return fmt.Errorf("%q is not true or false", v)
	}
	cfg.staleRead = !on
	return nil
}

// setAnyPragma takes name(value) and name=value.
func setAnyPragma(cfg *config, v string) error {
	name, value, ok := strings.Cut(v, "=")
	if !ok {
		name, value, ok = strings.Cut(v, "(")
		value = strings.TrimSuffix(strings.TrimSpace(value), ")")
	}
	if !ok {
		return fmt.Errorf("%q is not of the form name(value)", v)
	}
	return pragma(strings.TrimSpace(name))(cfg, strings.TrimSpace(value))
}

func pragma(name string) func(*config, string) error {
	return func(cfg *config, v string) error {
		if !plainPragma(name) || !plainPragma(v) {
			return fmt.Errorf("%q: a pragma has a name and a value without special characters", v)
		}
		cfg.conn.pragmas = append(cfg.conn.pragmas, name+" = "+v)
		return nil
	}
}

// plainPragma keeps parameters from being SQL of another kind.
func plainPragma(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-+.", r))
	})
}

var errUnknownKey = errors.New("unknown parameter")

func setParam(p dsnParam, cfg *config, tables ...setters) error {
	for _, t := range tables {
		if set := t[p.key]; set != nil {
			return set(cfg, p.value)
		}
	}
	return errUnknownKey
}

func keysOf(t setters) (keys []string) {
	for k := range t {
		keys = append(keys, k)
	}
	return keys
}

// unknownKey gives the error of a parameter its name, and the nearest name there
// is.
func unknownKey(err error, p dsnParam, known ...[]string) error {
	if err != errUnknownKey {
		return fmt.Errorf("parameter %s: %w", p.key, err)
	}
	return fmt.Errorf("%w %q%s", err, p.key, didYouMean(p.key, slices.Concat(known...)))
}

// didYouMean names the word nearest to one that is not among those known.
func didYouMean(word string, known []string) string {
	slices.Sort(known)
	best := slices.MinFunc(known, func(a, b string) int { return distance(word, a) - distance(word, b) })
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance is how many letters have to be added, removed or replaced between two
// words, with case and underscores worth less than other letters.
func distance(a, b string) int {
	a, b = strings.ToLower(strings.TrimLeft(a, "_")), strings.ToLower(strings.TrimLeft(b, "_"))
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
