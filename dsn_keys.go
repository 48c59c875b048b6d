package floe

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/nearest"
)

// setters say what a parameter does, by its name.
type setters map[string]func(cfg *config, value string) error

// uriKeys are SQLite's own. See https://sqlite.org/uri.html.
var uriKeys = []string{"cache", "immutable", "mode", "modeof", "nolock", "psow", "vfs"}

// checkURIValue finds what SQLite would take for no. It refuses other values itself.
func checkURIValue(p dsnParam) error {
	switch p.key {
	case "immutable", "nolock", "psow":
		if err := truthKind.check(p.value); err != nil {
			return fmt.Errorf("parameter %s: %w", p.key, err)
		}
	}
	return nil
}

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
	"openFrozen":     setOpenFrozen,
}

var fileKeys = setters{
	"_pragma":                   setAnyPragma,
	"_auto_vacuum":              pragma("auto_vacuum"),
	"_busy_timeout":             pragma("busy_timeout"),
	"_cache_size":               pragma("cache_size"),
	"_case_sensitive_like":      pragma("case_sensitive_like"),
	"_cslike":                   pragma("case_sensitive_like"),
	"_defer_fk":                 pragma("defer_foreign_keys"),
	"_defer_foreign_keys":       pragma("defer_foreign_keys"),
	"_fk":                       pragma("foreign_keys"),
	"_foreign_keys":             pragma("foreign_keys"),
	"_ignore_check_constraints": pragma("ignore_check_constraints"),
	"_journal":                  pragma("journal_mode"),
	"_journal_mode":             pragma("journal_mode"),
	"_locking":                  pragma("locking_mode"),
	"_locking_mode":             pragma("locking_mode"),
	"_query_only":               pragma("query_only"),
	"_recursive_triggers":       pragma("recursive_triggers"),
	"_rt":                       pragma("recursive_triggers"),
	"_secure_delete":            pragma("secure_delete"),
	"_sync":                     pragma("synchronous"),
	"_synchronous":              pragma("synchronous"),
	"_timeout":                  pragma("busy_timeout"),
	"_trusted_schema":           pragma("trusted_schema"),
	"_vacuum":                   pragma("auto_vacuum"),
	"_writable_schema":          pragma("writable_schema"),
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
	lock := strings.ToUpper(v)
	if lock != "DEFERRED" && lock != "IMMEDIATE" && lock != "EXCLUSIVE" {
		return fmt.Errorf("%q is not one of deferred, immediate and exclusive", v)
	}
	cfg.conn.txLock = lock
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

func setOpenFrozen(cfg *config, v string) (err error) {
	if cfg.openFrozen, err = strconv.ParseBool(v); err != nil {
		return fmt.Errorf("%q is not true or false", v)
	}
	return nil
}

// setAnyPragma takes name(value), name=value and a name alone. A value in quotes can
// be any text.
func setAnyPragma(cfg *config, v string) error {
	name, value, ok := strings.Cut(v, "=")
	if !ok {
		name, value, ok = strings.Cut(v, "(")
		value = strings.TrimSuffix(strings.TrimSpace(value), ")")
	}
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	text, quoted := textLiteral(value)
	switch {
	case quoted:
		value = engine.QuoteText(text)
	case !plain(value) || ok && value == "":
		name = ""
	default:
		text = value
	}
	if name == "" || !plain(name) {
		return fmt.Errorf("%q is not of the form name(value)", v)
	}
	if err := checkPragma(name, text); err != nil {
		return err
	}
	cfg.conn.addPragma(name, value)
	return nil
}

// textLiteral returns the text of a value in quotes. SQLite's pragmas take a name in
// double quotes for the same.
func textLiteral(value string) (text string, ok bool) {
	for _, quote := range []string{"'", `"`} {
		if len(value) >= 2 && strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
			return strings.ReplaceAll(value[1:len(value)-1], quote+quote, quote), true
		}
	}
	return "", false
}

// pragma sets the one with that name.
func pragma(name string) func(*config, string) error {
	return func(cfg *config, v string) error {
		if err := pragmaKinds[name].check(v); err != nil {
			return err
		}
		cfg.conn.addPragma(name, v)
		return nil
	}
}

// plain keeps parameters from being SQL of another kind.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-+.", r))
	})
}

func (c *connConfig) addPragma(name, value string) {
	if value != "" {
		name += " = " + value
	}
	c.pragmas = append(c.pragmas, name)
}

// orderPragmas puts those first that the others need: how long to wait for a lock,
// and what can only be set before a database has a file. The one comes last that
// refuses what the others may write.
func (c *connConfig) orderPragmas() {
	slices.SortStableFunc(c.pragmas, func(a, b string) int { return pragmaRank(a) - pragmaRank(b) })
}

func pragmaRank(pragma string) int {
	name, _, _ := strings.Cut(pragma, " ")
	switch strings.ToLower(name) {
	case "busy_timeout":
		return 0
	case "auto_vacuum", "page_size", "encoding":
		return 1
	case "query_only":
		return 3
	}
	return 2
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

// unknownKey gives the error of a parameter its name, and says what takes its place:
// the nearest name there is, or what another driver's name for it stands for.
func unknownKey(err error, p dsnParam, known ...[]string) error {
	if err != errUnknownKey {
		return fmt.Errorf("parameter %s: %w", p.key, err)
	}
	if why := explainKey(p.key); why != "" {
		return fmt.Errorf("%w%s: %s", err, shownKey(p.key), why)
	}
	return fmt.Errorf("%w%s%s", err, shownKey(p.key), didYouMean(p.key, slices.Concat(known...)))
}

// maxShownKey bounds, in bytes, what can be the name of a parameter in an error.
const maxShownKey = 32

// shownKey quotes the name of a parameter, unless it may be a token that has none.
func shownKey(key string) string {
	if len(key) > maxShownKey {
		return ""
	}
	return fmt.Sprintf(" %q", key)
}

// didYouMean names the word nearest to one that is not among those known, whatever its case and its underscore in front.
func didYouMean(word string, known []string) string {
	bare := make(map[string]string, len(known))
	for _, k := range known {
		bare[bareKey(k)] = k
	}
	best := nearest.Word(bareKey(word), slices.Collect(maps.Keys(bare)))
	return fmt.Sprintf(": did you mean %q?", bare[best])
}

func bareKey(key string) string { return strings.ToLower(strings.TrimLeft(key, "_")) }
