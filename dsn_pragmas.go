package floe

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/floedb/floe/engine"
)

// pragmaKind says what the value of a pragma can be. SQLite takes any, and makes of those which it does not know what it
// likes, mostly 0.
type pragmaKind struct {
	words    string // that it can be, whatever their case
	min, max int64  // of a number; both 0 if it is none
	unit     string
	bare     bool // it does something without a value, too
	reads    bool // it sets nothing
	any      bool // it is an action with an argument of its own
}

var (
	truthKind  = wordKind("on off true false yes no 1 0")
	int32Kind  = pragmaKind{min: math.MinInt32, max: math.MaxInt32}
	countKind  = pragmaKind{max: math.MaxInt32}
	int64Kind  = pragmaKind{min: math.MinInt64, max: math.MaxInt64}
	sizeKind   = pragmaKind{max: math.MaxInt64, unit: "bytes"}
	readKind   = pragmaKind{reads: true}
	actionKind = pragmaKind{bare: true, any: true}
)

func wordKind(words string) pragmaKind { return pragmaKind{words: words} }

// pragmaKinds are the pragmas that this SQLite has, but for some that it keeps for old programs.
var pragmaKinds = map[string]pragmaKind{
	"analysis_limit":            countKind,
	"application_id":            int32Kind,
	"auto_vacuum":               wordKind("none full incremental 0 1 2"),
	"automatic_index":           truthKind,
	"busy_timeout":              {max: math.MaxInt32, unit: "milliseconds"},
	"cache_size":                int32Kind,
	"cache_spill":               {words: truthKind.words, min: math.MinInt32, max: math.MaxInt32},
	"case_sensitive_like":       truthKind,
	"cell_size_check":           truthKind,
	"checkpoint_fullfsync":      truthKind,
	"count_changes":             truthKind,
	"default_cache_size":        int32Kind,
	"defer_foreign_keys":        truthKind,
	"empty_result_callbacks":    truthKind,
	"encoding":                  wordKind("utf-8 utf-16 utf-16le utf-16be utf8 utf16 utf16le utf16be"),
	"foreign_keys":              truthKind,
	"full_column_names":         truthKind,
	"fullfsync":                 truthKind,
	"hard_heap_limit":           sizeKind,
	"ignore_check_constraints":  truthKind,
	"incremental_vacuum":        {max: math.MaxInt32, unit: "pages", bare: true},
	"journal_mode":              wordKind("delete truncate persist memory wal off"),
	"journal_size_limit":        int64Kind,
	"legacy_alter_table":        truthKind,
	"locking_mode":              wordKind("normal exclusive"),
	"max_page_count":            {max: math.MaxUint32, unit: "pages"},
	"mmap_size":                 int64Kind,
	"optimize":                  {min: -1, max: math.MaxInt32, bare: true},
	"page_size":                 wordKind("512 1024 2048 4096 8192 16384 32768 65536"),
	"query_only":                truthKind,
	"read_uncommitted":          truthKind,
	"recursive_triggers":        truthKind,
	"reverse_unordered_selects": truthKind,
	"schema_version":            int32Kind,
	"secure_delete":             wordKind(truthKind.words + " fast"),
	"short_column_names":        truthKind,
	"soft_heap_limit":           sizeKind,
	"synchronous":               wordKind("off normal full extra 0 1 2 3"),
	"temp_store":                wordKind("default file memory 0 1 2"),
	"temp_store_directory":      {any: true},
	"threads":                   countKind,
	"trusted_schema":            truthKind,
	"user_version":              int32Kind,
	"wal_autocheckpoint":        int32Kind,
	"wal_checkpoint":            {words: "passive full restart truncate noop", bare: true},
	"writable_schema":           wordKind(truthKind.words + " reset"),

	"foreign_key_check": actionKind,
	"integrity_check":   actionKind,
	"quick_check":       actionKind,
	"shrink_memory":     actionKind,

	"collation_list":   readKind,
	"compile_options":  readKind,
	"data_version":     readKind,
	"database_list":    readKind,
	"foreign_key_list": readKind,
	"freelist_count":   readKind,
	"function_list":    readKind,
	"index_info":       readKind,
	"index_list":       readKind,
	"index_xinfo":      readKind,
	"module_list":      readKind,
	"page_count":       readKind,
	"pragma_list":      readKind,
	"table_info":       readKind,
	"table_list":       readKind,
	"table_xinfo":      readKind,
}

// checkPragma finds what SQLite would pass over without a word: a pragma that it does not have, and a value that does
// not say what it seems to.
func checkPragma(name, value string) error {
	_, bare, ok := strings.Cut(name, ".")
	if !ok {
		bare = name
	}
	bare = strings.ToLower(bare)
	kind, known := pragmaKinds[bare]
	switch {
	case !known:
		return unknownPragma(bare)
	case kind.reads:
		return fmt.Errorf("pragma %s sets nothing: it is only read", bare)
	case value == "" && !kind.bare:
		return fmt.Errorf("pragma %s: a value is missing", bare)
	case value == "" || kind.any:
		return nil
	}
	if err := kind.check(value); err != nil {
		return fmt.Errorf("pragma %s: %w", bare, err)
	}
	return nil
}

func (k pragmaKind) check(value string) error {
	if slices.Contains(strings.Fields(k.words), strings.ToLower(value)) {
		return nil
	}
	if k.min == 0 && k.max == 0 {
		return fmt.Errorf("%q is not one of %s", value, strings.ReplaceAll(k.words, " ", ", "))
	}
	n, err := parsePragmaNumber(value)
	switch {
	case err != nil && k.unit != "":
		return fmt.Errorf("%q is not a number of %s", value, k.unit)
	case err != nil:
		return fmt.Errorf("%q is not a number", value)
	case n < k.min || n > k.max:
		return fmt.Errorf("%q is not a number from %d to %d", value, k.min, k.max)
	}
	return nil
}

// parsePragmaNumber reads a whole number as SQLite does: of 1.5 and of 5s it takes the beginning, and of one that it
// cannot hold it makes 0.
func parsePragmaNumber(s string) (int64, error) {
	if digits, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		n, err := strconv.ParseUint(digits, 16, 31)
		return int64(n), err
	}
	return strconv.ParseInt(s, 10, 64)
}

// unknownPragma is the error of a pragma that the table does not have, unless SQLite has it.
func unknownPragma(name string) error {
	if slices.Contains(sqlitePragmas(), name) {
		return nil
	}
	if why := foreignPragma(name); why != "" {
		return fmt.Errorf("no such pragma %q: %s", name, why)
	}
	var known []string
	for name, kind := range pragmaKinds {
		if !kind.reads {
			known = append(known, name)
		}
	}
	return fmt.Errorf("no such pragma %q%s", name, didYouMean(name, known))
}

// sqlitePragmas are those of the SQLite that is linked, which can be newer than the table.
var sqlitePragmas = sync.OnceValue(func() (names []string) {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		return nil
	}
	defer c.Close()
	_ = c.Query(context.Background(), "SELECT name FROM pragma_pragma_list", nil, func(s *engine.Stmt) error {
		names = append(names, s.ColumnText(0))
		return nil
	})
	return names
})

// setPragma runs a pragma, "name = value", on a new connection. Where SQLite keeps a file in another journal mode it says
// so, and that is an error here. A database in memory has no choice, and one that is only read has no use for a journal: a
// name for it may say what one for a file does.
func setPragma(ctx context.Context, ec *engine.Conn, pragma string) error {
	name, value, _ := strings.Cut(pragma, " = ")
	schema, bare, ok := strings.Cut(name, ".")
	if !ok {
		schema, bare = "", name
	}
	if strings.EqualFold(bare, "journal_mode") && writesFile(ec, schema) {
		if text, quoted := textLiteral(value); quoted {
			value = text
		}
		return ec.SetJournalMode(ctx, schema, engine.JournalMode(value))
	}
	return ec.Exec(ctx, "PRAGMA "+pragma)
}

func writesFile(ec *engine.Conn, schema string) bool {
	readOnly, err := ec.ReadOnly(schema)
	return err == nil && !readOnly && ec.Filename(schema) != ""
}
