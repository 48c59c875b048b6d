package floe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// randomRowid holds tables with libSQL's option RANDOM ROWID, which plain SQLite
// does not parse, by name.
func randomRowid() map[string]string {
	return map[string]string{
		"plain":                 `CREATE TABLE plain(a) RANDOM ROWID`,
		"lower":                 `create table lower(a text) random rowid`,
		"strict":                `CREATE TABLE strict(a TEXT) STRICT, RANDOM ROWID`,
		"tcirts":                `CREATE TABLE tcirts(a TEXT) RANDOM ROWID, STRICT`,
		"spaced":                "CREATE TABLE spaced(a)\n\tRANDOM\n\tROWID",
		`"random rowid"`:        `CREATE TABLE "random rowid"(a, b DEFAULT ') RANDOM ROWID') RANDOM ROWID`,
		"[t) random rowid]":     `CREATE TABLE [t) random rowid](a) RANDOM ROWID`,
		"commented":             "CREATE TABLE commented(a /* ) RANDOM ROWID */, -- ) RANDOM ROWID\n b) /* RANDOM ROWID */ RANDOM /* and */ ROWID",
		"only_words":            `CREATE TABLE only_words(a DEFAULT 'RANDOM ROWID', "random" TEXT, rowid_random INT)`,
		"keyed":                 `CREATE TABLE keyed(a, CHECK (a <> ') RANDOM ROWID')) RANDOM ROWID`,
		"long_before":           longTable("long_before"),
		"long_with_other_parts": longTable("long_with_other_parts"),
	}
}

// longTable has DDL of more than a page.
func longTable(name string) string {
	cols := []string{"a"}
	for i := range 250 {
		cols = append(cols, fmt.Sprintf("column_number_%04d_random", i))
	}
	return fmt.Sprintf("CREATE TABLE %s(%s) RANDOM ROWID", name, strings.Join(cols, ", "))
}

// wantTables reads every table as floe and as plain SQLite does, and compares
// with the primary.
func wantTables(t *testing.T, r *floe.Replica, srv *sqldtest.Server, tables map[string]string) {
	t.Helper()
	for name := range tables {
		sql := fmt.Sprintf("SELECT count(*) || ' ' || coalesce(group_concat(a), '') FROM (SELECT a FROM %s ORDER BY a)", name)
		want := fmt.Sprint(srv.Query(t, sql)[0][0])
		wantQuery(t, r, sql, want)
		if got := shell(t, r.Path(), sql); got != want {
			t.Errorf("sqlite3 shell: %s: got %q, want %q", sql, got, want)
		}
	}
	wantWhole(t, r.Path())
	if got := shell(t, r.Path(), "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("sqlite3 shell: integrity_check: %q", got)
	}
	wantVerified(t, r)
}

// wantVerified compares page by page but for what a replica adapts.
func wantVerified(t *testing.T, r *floe.Replica) {
	t.Helper()
	v, err := r.Verify(limit(t))
	if err != nil || v.Differing != 0 || v.Pages != v.PrimaryPages {
		t.Errorf("Verify gives %+v, %v; want no page to differ", v, err)
	}
}

func insertEverywhere(t *testing.T, srv *sqldtest.Server, tables map[string]string, a string) {
	t.Helper()
	for name := range tables {
		srv.Exec(t, fmt.Sprintf("INSERT INTO %s(a) VALUES ('%s')", name, a))
	}
}

func TestTablesWithRandomRowidAreReadByEverybody(t *testing.T) {
	shellPath(t)
	srv := sqldtest.Start(t)
	tables := randomRowid()
	for name, ddl := range tables {
		if err := srv.TryExec(ddl); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	insertEverywhere(t, srv, tables, "first")
	path, top := newPath(t), t
	r := openAt(t, path, srv)
	mustSync(t, r)
	wantTables(t, r, srv, tables)

	insertEverywhere(t, srv, tables, "second")
	mustSync(t, r)
	wantTables(t, r, srv, tables)

	t.Run("after page 1 was written without the schema", func(t *testing.T) {
		srv.Exec(t, "CREATE TABLE grows(a)")
		mustSync(t, r)
		for range 3 { // a database that grows writes its size into page 1
			srv.Exec(t, "INSERT INTO grows VALUES (zeroblob(40000))")
			mustSync(t, r)
			wantTables(t, r, srv, tables)
		}
		srv.Exec(t, "PRAGMA user_version = 7")
		mustSync(t, r)
		wantTables(t, r, srv, tables)
	})
	t.Run("after later DDL", func(t *testing.T) {
		for i, sql := range []string{
			"CREATE TABLE later(a) RANDOM ROWID", "CREATE INDEX later_a ON later(a)", "ALTER TABLE later ADD COLUMN b",
			"ALTER TABLE plain RENAME TO plainer", "DROP TABLE strict",
		} {
			srv.Exec(t, sql)
			mustSync(t, r)
			if i == 0 {
				tables["later"] = sql
			}
			switch i {
			case 3:
				delete(tables, "plain")
				tables["plainer"] = ""
			case 4:
				delete(tables, "strict")
			}
			wantTables(t, r, srv, tables)
		}
	})
	t.Run("after reopening", func(t *testing.T) {
		closeReplica(t, r)
		r = openAt(top, path, srv)
		mustSync(t, r)
		wantTables(t, r, srv, tables)
		insertEverywhere(t, srv, map[string]string{"later": "", "lower": ""}, "third")
		mustSync(t, r)
		wantTables(t, r, srv, tables)
	})
	t.Run("through a watch", func(t *testing.T) {
		watch(t, r)
		srv.Exec(t, "CREATE TABLE live(a) RANDOM ROWID", "INSERT INTO live VALUES ('x')")
		tables["live"] = ""
		awaitPrimary(t, r)
		wantTables(t, r, srv, tables)
	})
	t.Run("after freezing", func(t *testing.T) {
		db, err := r.Freeze(limit(t))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for name := range tables {
			shell(t, path, fmt.Sprintf("INSERT INTO %s(a) VALUES ('mine')", name))
			wantQuery(t, db, fmt.Sprintf("SELECT count(*) FROM %s WHERE a = 'mine'", name), "1")
		}
		wantWhole(t, path)
	})
}

// vectorQueries could each be answered by an index with fewer columns than the
// table, which a vector index is to plain SQLite.
var vectorQueries = []string{
	"SELECT count(*) FROM v",
	"SELECT count(*) FROM v WHERE e IS NOT NULL",
	"SELECT count(*) FROM v WHERE id > 0",
	"SELECT group_concat(id) FROM (SELECT id FROM v)",
	"SELECT group_concat(id) FROM (SELECT id FROM v ORDER BY id)",
	"SELECT count(DISTINCT e) FROM v",
	"SELECT count(*) FROM v AS a JOIN v AS b ON a.e = b.e",
	"SELECT count(*) FROM v WHERE e = (SELECT e FROM v WHERE id = 1)",
	"SELECT count(*) FROM n WHERE EXISTS (SELECT 1 FROM v WHERE v.id = n.id)",
	"SELECT count(*) FROM cosine",
	"SELECT max(id) FROM cosine",
	"SELECT group_concat(tag) FROM cosine",
}

func wantVectors(t *testing.T, r *floe.Replica, srv *sqldtest.Server) {
	t.Helper()
	for _, sql := range vectorQueries {
		want := fmt.Sprint(srv.Query(t, sql)[0][0])
		wantQuery(t, r, sql, want)
		if got := shell(t, r.Path(), sql); got != want {
			t.Errorf("sqlite3 shell: %s: got %q, want %q", sql, got, want)
		}
	}
	wantWhole(t, r.Path())
	wantVerified(t, r)
}

func TestTablesWithVectorIndexesAreReadWholly(t *testing.T) {
	shellPath(t)
	srv := sqldtest.Start(t)
	srv.Exec(t,
		"CREATE TABLE v(id INTEGER PRIMARY KEY, e F32_BLOB(3))",
		"CREATE TABLE n(id INTEGER PRIMARY KEY)",
		"INSERT INTO n VALUES (1), (2), (3), (100)",
		"CREATE INDEX vi ON v(libsql_vector_idx(e))",
		"INSERT INTO v(e) VALUES (vector32('[1,2,3]')), (vector32('[4,5,6]')), (NULL)",
		`CREATE TABLE cosine(id INTEGER PRIMARY KEY, tag TEXT, "the e" F32_BLOB(2))`,
		"CREATE INDEX ci ON cosine (\n libsql_vector_idx ( \"the e\", 'metric=cosine',\n 'max_neighbors=8' ) )",
		"INSERT INTO cosine(tag, \"the e\") VALUES ('a', vector32('[1,2]')), ('b', vector32('[3,4]'))",
	)
	path := newPath(t)
	r := openAt(t, path, srv)
	mustSync(t, r)
	wantVectors(t, r, srv)

	srv.Exec(t, "INSERT INTO v(e) VALUES (vector32('[7,8,9]'))", "DELETE FROM v WHERE id = 1", "PRAGMA user_version = 3")
	mustSync(t, r)
	wantVectors(t, r, srv)

	srv.Exec(t, "CREATE TABLE later(id INTEGER PRIMARY KEY, e F32_BLOB(3))", "CREATE INDEX later_e ON later(libsql_vector_idx(e))",
		"INSERT INTO later(e) VALUES (vector32('[7,8,9]'))")
	mustSync(t, r)
	wantVectors(t, r, srv)
	wantQuery(t, r, "SELECT count(*) FROM later", "1")

	closeReplica(t, r)
	r = openAt(t, path, srv)
	mustSync(t, r)
	wantVectors(t, r, srv)

	db, err := r.Freeze(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	shell(t, path, "INSERT INTO v(e) VALUES (x'00'); UPDATE cosine SET \"the e\" = NULL; DELETE FROM later")
	wantQuery(t, db, "SELECT count(*) FROM v", "4")
	wantQuery(t, db, "SELECT count(*) FROM later", "0")
	wantQuery(t, db, "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name IN ('vi', 'ci', 'later_e')", "0")
	wantWhole(t, path)
	origin := string(readFile(t, path+"-floe-frozen"))
	for _, ddl := range []string{"CREATE INDEX vi ON v(libsql_vector_idx(e))", "CREATE INDEX later_e ON later(libsql_vector_idx(e))", "max_neighbors=8"} {
		if !strings.Contains(origin, ddl) {
			t.Errorf("the origin file does not keep %s: %s", ddl, origin)
		}
	}
}

// A last transaction that ends with a page of the schema is what a new handle
// compares with the primary's log.
func TestAdaptedSchemaIsNotTakenForADivergedOne(t *testing.T) {
	for name, last := range map[string][]string{
		"random rowid": {"CREATE TABLE first(a)", "DROP TABLE first", "CREATE TABLE t(a) RANDOM ROWID"},
		"vector index": {"CREATE TABLE v(e F32_BLOB(3))", "CREATE INDEX vi ON v(libsql_vector_idx(e, 'metric=l2'))"},
		"page 1 only":  {"CREATE TABLE t(a) RANDOM ROWID", "PRAGMA user_version = 5"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := sqldtest.Start(t)
			srv.Exec(t, last...)
			path := newPath(t)
			for range 3 {
				synced(t, path, srv)
			}
			r := openAt(t, path, srv)
			mustSync(t, r)
			wantVerified(t, r)
		})
	}
}
