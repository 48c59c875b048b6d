package work

import "fmt"

// Setting is a PRAGMA that every connection begins with, and what it must read as afterwards.
type Setting struct{ Name, Value, Reads string }

// Settings are those of all contestants, so that none is faster because it promises less.
var Settings = []Setting{
	{"page_size", "4096", "4096"},
	{"journal_mode", "WAL", "wal"},
	{"synchronous", "NORMAL", "1"},
	{"cache_size", "-65536", "-65536"},
	{"temp_store", "MEMORY", "2"},
	{"wal_autocheckpoint", "1000", "1000"},
}

// String is the setting in SQL.
func (s Setting) String() string { return "PRAGMA " + s.Name + " = " + s.Value }

// apply makes the settings and reads them back: SQLite ignores a PRAGMA that it does not like.
func apply(s Session) error {
	for _, setting := range Settings {
		if err := s.Exec(setting.String()); err != nil {
			return fmt.Errorf("%s: %w", setting, err)
		}
	}
	for _, setting := range Settings {
		is, err := s.Text("PRAGMA " + setting.Name)
		if err != nil {
			return fmt.Errorf("PRAGMA %s: %w", setting.Name, err)
		}
		if is != setting.Reads {
			return fmt.Errorf("%s: it is %q afterwards, not %q", setting, is, setting.Reads)
		}
	}
	return nil
}
