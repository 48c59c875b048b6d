package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// PragmaInt returns the value of a PRAGMA as an integer, 0 or 1 for one that is on or off. schema is "main", "temp" or
// the name that a database is attached under; "" leaves it out, which mostly stands for "main". A PRAGMA that does not
// exist, or has no value, is [ErrNoRows], and a name that is not made of letters and underscores [Misuse].
//
// https://sqlite.org/pragma.html
func (c *Conn) PragmaInt(ctx context.Context, schema, name string) (value int64, err error) {
	err = c.pragma(ctx, schema, name, "", func(s *Stmt) { value = s.ColumnInt64(0) })
	return value, err
}

// PragmaText returns the value of a PRAGMA as text. See [Conn.PragmaInt].
//
// https://sqlite.org/pragma.html
func (c *Conn) PragmaText(ctx context.Context, schema, name string) (value string, err error) {
	err = c.pragma(ctx, schema, name, "", func(s *Stmt) { value = s.ColumnText(0) })
	return value, err
}

// SetPragma sets a PRAGMA. The value is a bool, an int, an int64 or a string, which is quoted; another type is
// [Misuse]. A PRAGMA that does not exist is [NotFound]. SQLite does not tell about a value that it does not take: read it
// back, or use the method that there is for it.
//
// https://sqlite.org/pragma.html
func (c *Conn) SetPragma(ctx context.Context, schema, name string, value any) error {
	text, err := pragmaValue(name, value)
	if err != nil {
		return err
	}
	if err := c.knowsPragma(ctx, name); err != nil {
		return err
	}
	err = c.pragma(ctx, schema, name, " = "+text, func(*Stmt) {})
	if errors.Is(err, ErrNoRows) {
		return nil // most are quiet
	}
	return err
}

func pragmaValue(name string, value any) (string, error) {
	switch v := value.(type) {
	case bool:
		if v {
			return "1", nil
		}
		return "0", nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case string:
		return quoteText(v), nil
	}
	return "", newError("set pragma "+name, "", Misuse, fmt.Sprintf("a value of type %T", value))
}

// quoteText makes a literal of SQL of any text without a NUL byte.
func quoteText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func (c *Conn) knowsPragma(ctx context.Context, name string) error {
	const known = "SELECT 1 FROM pragma_pragma_list WHERE name = ? COLLATE NOCASE"
	err := c.QueryRow(ctx, known, []any{name}, func(*Stmt) error { return nil })
	if errors.Is(err, ErrNoRows) {
		return newError("set pragma", "", NotFound, fmt.Sprintf("no such PRAGMA: %q", name))
	}
	return err
}

// pragma runs a PRAGMA to its end, and calls row for its first row.
func (c *Conn) pragma(ctx context.Context, schema, name, rest string, row func(*Stmt)) error {
	found := false
	err := c.pragmaRows(ctx, schema, name, rest, func(s *Stmt) error {
		if !found {
			row(s)
		}
		found = true
		return nil
	})
	if err == nil && !found {
		return fmt.Errorf("pragma %s: %w", name, ErrNoRows)
	}
	return err
}

func (c *Conn) pragmaRows(ctx context.Context, schema, name, rest string, row func(*Stmt) error) error {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
		return newError("pragma", "", Misuse, fmt.Sprintf("not the name of a PRAGMA: %q", name))
	}
	if schema != "" {
		name = QuoteName(schema) + "." + name
	}
	return c.Query(ctx, "PRAGMA "+name+rest, nil, row)
}

// JournalMode says how a database keeps what a rollback needs.
//
// https://sqlite.org/pragma.html#pragma_journal_mode
type JournalMode string

// The modes.
const (
	JournalDelete   JournalMode = "delete"   // a file that each commit removes
	JournalTruncate JournalMode = "truncate" // a file that each commit cuts to nothing
	JournalPersist  JournalMode = "persist"  // a file that stays, with its header cleared
	JournalMemory   JournalMode = "memory"   // memory: a crash in a commit damages the file
	JournalWAL      JournalMode = "wal"      // a write-ahead log: readers and a writer do not wait for each other
	JournalOff      JournalMode = "off"      // nothing: there is no rollback
)

// JournalMode returns the journal mode of a database; "" is "main".
//
// https://sqlite.org/pragma.html#pragma_journal_mode
func (c *Conn) JournalMode(ctx context.Context, schema string) (JournalMode, error) {
	mode, err := c.PragmaText(ctx, schemaOr(schema), "journal_mode")
	return JournalMode(mode), err
}

// SetJournalMode sets the journal mode of a database; "" is "main". SQLite keeps the old mode without an error where it
// cannot have the new one, such as a write-ahead log of a database in memory: that is a [Misuse] here.
//
// https://sqlite.org/pragma.html#pragma_journal_mode
func (c *Conn) SetJournalMode(ctx context.Context, schema string, mode JournalMode) error {
	got := ""
	err := c.pragma(ctx, schemaOr(schema), "journal_mode", " = "+quoteText(string(mode)), func(s *Stmt) { got = s.ColumnText(0) })
	if err == nil && !strings.EqualFold(got, string(mode)) {
		err = newError("set journal mode", "", Misuse, fmt.Sprintf("the mode is %q, and cannot be %q", got, string(mode)))
	}
	return err
}

// ForeignKeys reports whether foreign keys are enforced.
//
// https://sqlite.org/pragma.html#pragma_foreign_keys
func (c *Conn) ForeignKeys(ctx context.Context) (bool, error) {
	on, err := c.PragmaInt(ctx, "", "foreign_keys")
	return on != 0, err
}

// SetForeignKeys says whether foreign keys are enforced. Inside a transaction SQLite changes nothing, which is an error
// here: [Misuse].
//
// https://sqlite.org/pragma.html#pragma_foreign_keys
func (c *Conn) SetForeignKeys(ctx context.Context, on bool) error {
	if err := c.SetPragma(ctx, "", "foreign_keys", on); err != nil {
		return err
	}
	got, err := c.ForeignKeys(ctx)
	if err == nil && got != on {
		err = newError("set foreign keys", "", Misuse, "they cannot be set inside a transaction")
	}
	return err
}

// UserVersion returns the number that applications keep in the file of a database for the version of their schema; ""
// is "main".
//
// https://sqlite.org/pragma.html#pragma_user_version
func (c *Conn) UserVersion(ctx context.Context, schema string) (int32, error) {
	v, err := c.PragmaInt(ctx, schemaOr(schema), "user_version")
	return int32(v), err
}

// SetUserVersion sets what [Conn.UserVersion] returns. It is a write, and part of a transaction.
//
// https://sqlite.org/pragma.html#pragma_user_version
func (c *Conn) SetUserVersion(ctx context.Context, schema string, version int32) error {
	return c.SetPragma(ctx, schemaOr(schema), "user_version", int64(version))
}

// ApplicationID returns the number in the file of a database that says which application it belongs to; "" is "main".
//
// https://sqlite.org/pragma.html#pragma_application_id
func (c *Conn) ApplicationID(ctx context.Context, schema string) (int32, error) {
	v, err := c.PragmaInt(ctx, schemaOr(schema), "application_id")
	return int32(v), err
}

// SetApplicationID sets what [Conn.ApplicationID] returns. It is a write, and part of a transaction.
//
// https://sqlite.org/pragma.html#pragma_application_id
func (c *Conn) SetApplicationID(ctx context.Context, schema string, id int32) error {
	return c.SetPragma(ctx, schemaOr(schema), "application_id", int64(id))
}

// Optimize lets SQLite bring its statistics up to date where that is worth the time. Call it now and then, and
// before a connection that was open for long is closed.
//
// https://sqlite.org/pragma.html#pragma_optimize
func (c *Conn) Optimize(ctx context.Context) error {
	return c.pragmaRows(ctx, "", "optimize", "", ignoreRow)
}
