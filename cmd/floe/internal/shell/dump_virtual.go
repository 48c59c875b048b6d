package shell

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/floedb/floe/engine"
)

// findVirtual finds the virtual tables, and the shadows of those whose module is here.
func (d *dumper) findVirtual(ctx context.Context) error {
	list, err := d.entries(ctx, "type = 'table' AND name LIKE ? AND sql LIKE 'CREATE VIRTUAL TABLE%' ORDER BY rowid", d.pattern)
	if err != nil {
		return err
	}
	for _, e := range list {
		// The module, or what it needs, may not be here.
		err := d.query(ctx, "SELECT 1 FROM "+engine.QuoteName(e.name)+" LIMIT 0", func([]any) error { return nil })
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			d.foreign = append(d.foreign, e)
		default:
			d.virtual = append(d.virtual, e)
		}
	}
	d.shadows, err = d.findShadows(ctx)
	return err
}

// foreignNames gives the names of the virtual tables whose module is not here, as JSON.
func (d *dumper) foreignNames() string {
	names := []string{}
	for _, e := range d.foreign {
		names = append(names, e.name)
	}
	b, _ := json.Marshal(names) // which cannot fail
	return string(b)
}

// foreignTables enters the virtual tables whose module is not here into the schema, as the sqlite3 shell does: to make
// one would make its shadows, which are among the other tables.
func (d *dumper) foreignTables() error {
	if len(d.foreign) == 0 {
		return nil
	}
	d.line("-- SQLITE_DBCONFIG_DEFENSIVE has to be off for this. Servers refuse it.")
	d.line("PRAGMA writable_schema=ON;")
	for _, e := range d.foreign {
		name := literal(e.name)
		d.line("INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table'," + name + "," + name + ",0," + literal(e.sql) + ");")
	}
	return d.line("PRAGMA writable_schema=RESET;")
}

// shadow is a table that a virtual table keeps its data in.
type shadow struct{ name, owner string }

// findShadows gives the shadows of the virtual tables whose module is here. The name of one begins with that of its owner.
func (d *dumper) findShadows(ctx context.Context) (list []shadow, err error) {
	err = d.query(ctx, `SELECT s.name, v.name FROM pragma_table_list AS s, pragma_table_list AS v
		WHERE s.schema = 'main' AND s.type = 'shadow' AND v.schema = 'main' AND v.type = 'virtual'
		AND substr(s.name, 1, length(v.name) + 1) = v.name || '_' COLLATE NOCASE
		ORDER BY s.name, length(v.name)`, func(row []any) error {
		s := shadow{}
		s.name, _ = row[0].(string)
		s.owner, _ = row[1].(string)
		if n := len(list); n > 0 && list[n-1].name == s.name {
			list = list[:n-1] // the longer name is the owner's
		}
		list = append(list, s)
		return nil
	})
	return slices.DeleteFunc(list, func(s shadow) bool {
		return slices.ContainsFunc(d.foreign, func(e schemaEntry) bool { return e.name == s.owner })
	}), err
}

// virtualTable writes a virtual table. The modules of SQLite make its shadows when it is made, and read them when it is
// first used: rows that are put there in between are taken for their own. To enter the virtual table into the schema by
// hand, as the sqlite3 shell does, is what servers refuse.
func (d *dumper) virtualTable(ctx context.Context, e schemaEntry) error {
	d.line(terminated(e.sql))
	for _, s := range d.shadows {
		if s.owner != e.name {
			continue
		}
		d.line("DELETE FROM " + engine.QuoteName(s.name) + ";")
		if err := d.rows(ctx, s.name); err != nil {
			return err
		}
	}
	return nil
}
