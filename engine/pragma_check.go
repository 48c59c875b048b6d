package engine

import (
	"context"
	"fmt"
	"strconv"
)

// IntegrityCheck looks for damage in a database, and returns what it finds, nothing if all is well. It stops after max
// findings, or 100 if max is not positive. "" checks all databases of the connection. It reads everything, and takes
// as long. Foreign keys are not its matter: see [Conn.ForeignKeyCheck].
//
// https://sqlite.org/pragma.html#pragma_integrity_check
func (c *Conn) IntegrityCheck(ctx context.Context, schema string, max int) ([]string, error) {
	return c.findings(ctx, schema, "integrity_check", max)
}

// QuickCheck is [Conn.IntegrityCheck] without a look at whether the indexes match their tables, which takes most of the
// time.
//
// https://sqlite.org/pragma.html#pragma_quick_check
func (c *Conn) QuickCheck(ctx context.Context, schema string, max int) ([]string, error) {
	return c.findings(ctx, schema, "quick_check", max)
}

func (c *Conn) findings(ctx context.Context, schema, check string, limit int) ([]string, error) {
	if limit < 1 {
		limit = 100
	}
	var findings []string
	err := c.pragmaRows(ctx, schema, check, "("+strconv.Itoa(limit)+")", func(s *Stmt) error {
		findings = append(findings, s.ColumnText(0))
		return nil
	})
	if len(findings) == 1 && findings[0] == "ok" {
		findings = nil
	}
	return findings, err
}

// ForeignKeyViolation is a row that refers to a row which does not exist.
//
// https://sqlite.org/pragma.html#pragma_foreign_key_check
type ForeignKeyViolation struct {
	Table  string
	RowID  int64 // 0 in a table WITHOUT ROWID
	Parent string
	Key    int // which foreign key of the table, as PRAGMA foreign_key_list counts them
}

// ForeignKeyCheck returns the rows of a table that violate its foreign keys, or those of all tables if table is "". The
// schema "" is "main".
//
// https://sqlite.org/pragma.html#pragma_foreign_key_check
func (c *Conn) ForeignKeyCheck(ctx context.Context, schema, table string) ([]ForeignKeyViolation, error) {
	rest := ""
	if table != "" {
		rest = "(" + QuoteName(table) + ")"
	}
	var violations []ForeignKeyViolation
	err := c.pragmaRows(ctx, schemaOr(schema), "foreign_key_check", rest, func(s *Stmt) error {
		violations = append(violations, ForeignKeyViolation{
			Table: s.ColumnText(0), RowID: s.ColumnInt64(1), Parent: s.ColumnText(2), Key: int(s.ColumnInt64(3)),
		})
		return nil
	})
	return violations, err
}

// ColumnInfo describes a column of a table or view, as it is declared.
//
// https://sqlite.org/pragma.html#pragma_table_xinfo
type ColumnInfo struct {
	Name       string
	DeclType   string
	NotNull    bool
	Default    string // the expression as SQL; "" if there is none
	PrimaryKey int    // the place in the primary key, counted from 1; 0 for a column that is no part of it
	Generated  bool   // VIRTUAL or STORED
	Hidden     bool   // a hidden column of a virtual table
}

// TableColumns describes the columns of a table or view, in their order. The schema "" stands for the first database
// that has it. A table that does not exist is an [*Error] with [Generic].
//
// https://sqlite.org/pragma.html#pragma_table_xinfo
func (c *Conn) TableColumns(ctx context.Context, schema, table string) ([]ColumnInfo, error) {
	const sql = `SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?, ?) ORDER BY cid`
	var columns []ColumnInfo
	err := c.Query(ctx, sql, []any{table, nullIfEmpty(schema)}, func(s *Stmt) error {
		hidden := s.ColumnInt64(5)
		columns = append(columns, ColumnInfo{
			Name: s.ColumnText(0), DeclType: s.ColumnText(1), NotNull: s.ColumnInt64(2) != 0, Default: s.ColumnText(3),
			PrimaryKey: int(s.ColumnInt64(4)), Generated: hidden > 1, Hidden: hidden == 1,
		})
		return nil
	})
	if err == nil && columns == nil {
		err = newError("describe table", "", Generic, fmt.Sprintf("no such table: %q", table))
	}
	return columns, err
}

// TableIndex describes an index.
//
// https://sqlite.org/pragma.html#pragma_index_list
type TableIndex struct {
	Name    string
	Unique  bool
	Partial bool   // it has a WHERE
	Origin  string // "c" from CREATE INDEX, "u" from UNIQUE, "pk" from PRIMARY KEY
}

// TableIndexes describes the indexes of a table. A table that does not exist has none. The schema "" stands for the first
// database that has the table.
//
// https://sqlite.org/pragma.html#pragma_index_list
func (c *Conn) TableIndexes(ctx context.Context, schema, table string) ([]TableIndex, error) {
	const sql = `SELECT name, "unique", partial, origin FROM pragma_index_list(?, ?) ORDER BY seq`
	var indexes []TableIndex
	err := c.Query(ctx, sql, []any{table, nullIfEmpty(schema)}, func(s *Stmt) error {
		indexes = append(indexes, TableIndex{
			Name: s.ColumnText(0), Unique: s.ColumnInt64(1) != 0, Partial: s.ColumnInt64(2) != 0, Origin: s.ColumnText(3),
		})
		return nil
	})
	return indexes, err
}

func nullIfEmpty(schema string) any {
	if schema == "" {
		return nil
	}
	return schema
}
