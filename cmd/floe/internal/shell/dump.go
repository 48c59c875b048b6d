package shell

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/floedb/floe/cmd/floe/internal/session"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqltext"
)

// dump writes a script that makes the database anew. It is read by the sqlite3 shell as well as by this one.
func (sh *Shell) dump(ctx context.Context, args []string) error {
	d := &dumper{sess: sh.sess, w: sh.current(), pattern: patternOf(args), whole: len(args) == 0}
	return sh.done(sh.sess.ReadTx(ctx, func() error { return d.run(ctx) }))
}

type dumper struct {
	sess    session.Session
	w       io.Writer
	pattern string // of the tables, for LIKE
	whole   bool   // all of the database

	virtual, foreign []schemaEntry // virtual tables whose module is here, and those whose module is not
	shadows          []shadow      // of those that are here
	counts           bool          // there is a table with AUTOINCREMENT
}

// schemaEntry is a row of sqlite_schema.
type schemaEntry struct{ name, kind, sql string }

func (d *dumper) run(ctx context.Context) error {
	steps := []func(context.Context) error{d.begin, d.tables, d.sequence, d.rest, d.commit, d.extras}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) begin(ctx context.Context) error {
	encoding, err := d.pragma(ctx, "encoding")
	if err != nil {
		return err
	}
	if d.whole && encoding != "UTF-8" {
		d.line("PRAGMA encoding='" + encoding.(string) + "';")
	}
	d.line("PRAGMA foreign_keys=OFF;")
	return d.line("BEGIN TRANSACTION;")
}

// commit ends the transaction that makes all that a server takes.
func (d *dumper) commit(ctx context.Context) error {
	if err := d.setting(ctx, "user_version"); err != nil {
		return err
	}
	return d.line("COMMIT;")
}

// extras writes what does not run everywhere, behind the rest so that the rest is kept: the vector indexes of libSQL,
// which SQLite does not have; virtual tables of modules that are not everywhere; and the application's number and the
// statistics of ANALYZE, which a libSQL server refuses.
func (d *dumper) extras(ctx context.Context) error {
	if err := d.statements(ctx, isVectorIndex+" AND tbl_name LIKE ? ORDER BY rowid", d.pattern); err != nil {
		return err
	}
	if err := d.foreignTables(); err != nil {
		return err
	}
	if err := d.setting(ctx, "application_id"); err != nil || !d.whole {
		return err
	}
	list, err := d.entries(ctx, "name = 'sqlite_stat1'")
	if err != nil || len(list) == 0 {
		return err
	}
	d.line("ANALYZE sqlite_schema;")
	d.line("DELETE FROM sqlite_stat1;")
	return d.rows(ctx, "sqlite_stat1")
}

// setting writes a number of the header, if it is set.
func (d *dumper) setting(ctx context.Context, name string) error {
	v, err := d.pragma(ctx, name)
	if n, ok := v.(int64); ok && n != 0 && d.whole {
		return d.line(fmt.Sprintf("PRAGMA %s=%d;", name, n))
	}
	return err
}

func (d *dumper) line(text string) error {
	_, err := io.WriteString(d.w, text+"\n")
	return err
}

func (d *dumper) pragma(ctx context.Context, name string) (value any, err error) {
	err = d.query(ctx, "PRAGMA "+name, func(row []any) error {
		value = row[0]
		return nil
	})
	return value, err
}

func (d *dumper) query(ctx context.Context, sql string, row session.RowFunc, args ...any) error {
	_, err := d.sess.Run(ctx, sql, args, row)
	return err
}

func (d *dumper) entries(ctx context.Context, where string, args ...any) (list []schemaEntry, err error) {
	err = d.query(ctx, "SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL AND "+where, func(row []any) error {
		e := schemaEntry{}
		e.name, _ = row[0].(string)
		e.kind, _ = row[1].(string)
		e.sql, _ = row[2].(string)
		list = append(list, e)
		return nil
	}, args...)
	return list, err
}

// tables writes tables with their rows: first the virtual ones, each with its shadows behind it.
func (d *dumper) tables(ctx context.Context) error {
	if err := d.findVirtual(ctx); err != nil {
		return err
	}
	for _, e := range d.virtual {
		if err := d.virtualTable(ctx, e); err != nil {
			return fmt.Errorf("table %s: %w", e.name, err)
		}
	}
	others, err := d.ordinaryTables(ctx)
	if err != nil {
		return err
	}
	for _, e := range others {
		d.counts = d.counts || hasAutoincrement(e.sql)
		d.line(terminated(e.sql))
		if err := d.rows(ctx, e.name); err != nil {
			return fmt.Errorf("table %s: %w", e.name, err)
		}
	}
	return nil
}

// ordinaryTables gives the tables that are not virtual, nor a part of a virtual one that makes it.
func (d *dumper) ordinaryTables(ctx context.Context) ([]schemaEntry, error) {
	list, err := d.entries(ctx, `type = 'table' AND (name LIKE ? OR EXISTS (SELECT 1 FROM json_each(?) WHERE
		substr(name, 1, length(value) + 1) = value || '_' COLLATE NOCASE)) AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
		AND sql NOT LIKE 'CREATE VIRTUAL TABLE%' AND NOT `+ofVectorIndex+` ORDER BY rowid`, d.pattern, d.foreignNames())
	return slices.DeleteFunc(list, func(e schemaEntry) bool {
		return slices.ContainsFunc(d.shadows, func(s shadow) bool { return s.name == e.name })
	}), err
}

// hasAutoincrement tells whether a table counts in sqlite_sequence.
func hasAutoincrement(sql string) bool {
	for token := range sqltext.Tokens(sql) {
		if strings.EqualFold(token, "AUTOINCREMENT") {
			return true
		}
	}
	return false
}

// column is a column of a table.
type column struct {
	name      string
	isInteger bool // its declared type is INTEGER
	pk        int64
	generated bool // it takes no values
}

// rows writes an INSERT for each row of a table.
func (d *dumper) rows(ctx context.Context, table string) error {
	columns, err := d.columns(ctx, table)
	if err != nil {
		return err
	}
	rowid, order, err := d.rowid(ctx, table, columns)
	if err != nil {
		return err
	}
	var names []string
	for _, c := range columns {
		if !c.generated {
			names = append(names, engine.QuoteName(c.name))
		}
	}
	generated := len(names) < len(columns)
	selected := names
	into := engine.QuoteName(table)
	if rowid != "" {
		selected = append([]string{rowid}, names...)
	}
	if rowid != "" || generated {
		into += "(" + strings.Join(selected, ",") + ")"
	}
	sql := "SELECT " + strings.Join(selected, ",") + " FROM " + engine.QuoteName(table)
	if order != "" {
		sql += " ORDER BY " + order
	} else {
		sql += " NOT INDEXED" // in the order of the rows
	}
	return d.query(ctx, sql, func(row []any) error { return d.insert(into, row) })
}

func (d *dumper) insert(into string, row []any) error {
	var b strings.Builder
	b.WriteString("INSERT INTO " + into + " VALUES(")
	for i, v := range row {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(literal(v))
	}
	b.WriteString(");")
	return d.line(b.String())
}

func (d *dumper) columns(ctx context.Context, table string) (list []column, err error) {
	err = d.query(ctx, "SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)", func(row []any) error {
		c := column{}
		c.name, _ = row[0].(string)
		declared, _ := row[1].(string)
		c.isInteger = strings.EqualFold(declared, "INTEGER")
		c.pk, _ = row[2].(int64)
		c.generated = row[3] != int64(0)
		list = append(list, c)
		return nil
	}, table)
	return list, err
}

// rowid tells how rows are put in order, and the name of the rowid when it has to be written: when there is one, no
// column is the same, and rows inserted in order would get others.
func (d *dumper) rowid(ctx context.Context, table string, columns []column) (name, order string, err error) {
	name = rowidName(columns)
	if name == "" {
		return "", "", nil
	}
	withoutRowid, keyIndex := false, false
	err = d.query(ctx, "SELECT origin, name FROM pragma_index_list(?)", func(row []any) error {
		keyIndex = keyIndex || row[0] == "pk"
		return nil
	}, table)
	if err != nil {
		return "", "", err
	}
	err = d.query(ctx, "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", func(row []any) error {
		withoutRowid = row[0] == int64(1)
		return nil
	}, table)
	if err != nil || withoutRowid {
		return "", "", err
	}
	if isRowidColumn(columns, keyIndex) {
		return "", name, nil
	}
	dense := false
	err = d.query(ctx, fmt.Sprintf("SELECT count(*) = coalesce(max(%s), 0) AND coalesce(min(%[1]s), 1) = 1 FROM %s", name, engine.QuoteName(table)), func(row []any) error {
		dense = row[0] == int64(1)
		return nil
	})
	if err != nil || dense {
		return "", name, err
	}
	return name, name, nil
}

// rowidName gives a name of the rowid that no column has, "" when all are taken.
func rowidName(columns []column) string {
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		taken := false
		for _, c := range columns {
			taken = taken || strings.EqualFold(c.name, name)
		}
		if !taken {
			return name
		}
	}
	return ""
}

// isRowidColumn tells whether a column is the rowid: the only one of the key, with the type INTEGER, and no index for
// it. See https://sqlite.org/lang_createtable.html#rowid.
func isRowidColumn(columns []column, keyIndex bool) bool {
	keys, integer := 0, false
	for _, c := range columns {
		if c.pk > 0 {
			keys++
			integer = c.isInteger
		}
	}
	return keys == 1 && integer && !keyIndex
}

// sequence writes how far AUTOINCREMENT has counted. A database that had such a table once still has a sqlite_sequence,
// which the script cannot make.
func (d *dumper) sequence(ctx context.Context) error {
	if !d.counts {
		return nil
	}
	if d.whole {
		d.line("DELETE FROM sqlite_sequence;")
	}
	return d.query(ctx, "SELECT name, seq FROM sqlite_sequence WHERE name LIKE ? ORDER BY rowid", func(row []any) error {
		if !d.whole {
			d.line("DELETE FROM sqlite_sequence WHERE name=" + literal(row[0]) + ";")
		}
		return d.insert("sqlite_sequence", row)
	}, d.pattern)
}

// rest writes what may need all tables: views, triggers and indexes.
func (d *dumper) rest(ctx context.Context) error {
	return d.statements(ctx, `type IN ('index', 'trigger', 'view') AND (tbl_name LIKE ?1 OR name LIKE ?1)
		AND NOT `+ofVectorIndex+` AND NOT `+isVectorIndex+` ORDER BY type DESC, rowid`, d.pattern)
}

const (
	// isVectorIndex finds the indexes that only libSQL has, and that it fills when they are made.
	isVectorIndex = `(type = 'index' AND sql LIKE '%libsql_vector_idx%')`
	// ofVectorIndex finds the tables that libSQL makes for these, and their indexes.
	ofVectorIndex = `(tbl_name = 'libsql_vector_meta_shadow' OR tbl_name IN
		(SELECT name || '_shadow' FROM sqlite_schema WHERE ` + isVectorIndex + `))`
)

// statements writes what made the entries of the schema that a condition finds.
func (d *dumper) statements(ctx context.Context, where string, args ...any) error {
	list, err := d.entries(ctx, where, args...)
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := d.line(terminated(e.sql)); err != nil {
			return err
		}
	}
	return nil
}
