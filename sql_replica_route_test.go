package floe

import (
	"testing"

	"github.com/floedb/floe/engine"
)

func TestStatementsGoWhereTheyBelong(t *testing.T) {
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec(t.Context(), "CREATE TABLE t(id INTEGER PRIMARY KEY, changes); CREATE VIEW v AS SELECT * FROM t"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want route
	}{
		{"SELECT * FROM t", toReplica},
		{"  /* first */ -- second\n ; select * from v", toReplica},
		{"VALUES (1)", toReplica},
		{"WITH x AS (SELECT 1) SELECT * FROM x", toReplica},
		{"EXPLAIN INSERT INTO t VALUES (1, 2)", toReplica},
		{"EXPLAIN QUERY PLAN DELETE FROM t", toReplica},
		{"SELECT 1; SELECT 2;", toReplica},
		{"", toReplica},
		{"-- nothing", toReplica},

		{"INSERT INTO t VALUES (1, 2)", toPrimary},
		{"INSERT INTO t VALUES (1, 2) RETURNING id", toPrimary},
		{"REPLACE INTO t VALUES (1, 2)", toPrimary},
		{"WITH x AS (SELECT 1) INSERT INTO t SELECT 1, 2", toPrimary},
		{"UPDATE t SET changes = 1", toPrimary},
		{"DELETE FROM t", toPrimary},
		{"CREATE TABLE IF NOT EXISTS t(a)", toPrimary},
		{"CREATE TEMP TABLE x(a)", toPrimary},
		{"ALTER TABLE t RENAME TO u", toPrimary},
		{"DROP TABLE t", toPrimary},
		{"REINDEX", toPrimary},
		{"ANALYZE", toPrimary},
		{"VACUUM", toPrimary},
		{"SELECT 1; DELETE FROM t", toPrimary},

		{"BEGIN", toPrimary},
		{"BEGIN IMMEDIATE", toPrimary},
		{"COMMIT", toPrimary},
		{"END", toPrimary},
		{"ROLLBACK", toPrimary},
		{"ROLLBACK TO x", toPrimary},
		{"SAVEPOINT x", toPrimary},
		{"RELEASE x", toPrimary},

		{"VACUUM INTO 'copy.db'", toReplica},
		{"ATTACH 'x.db' AS x", toReplica},
		{"DETACH x", toReplica},

		{"SELECT last_insert_rowid()", toWriter},
		{"SELECT 1 + Changes /* of this */ ( )", toWriter},
		{"SELECT total_changes()", toWriter},
		{"SELECT changes FROM t", toReplica},
		{"SELECT 'changes()'", toReplica},
		{"SELECT (changes) FROM t", toReplica},

		{"PRAGMA table_info(t)", toReplica},
		{"PRAGMA main.table_info('t')", toReplica},
		{"PRAGMA integrity_check", toReplica},
		{"PRAGMA user_version", toReplica},
		{"PRAGMA foreign_keys", toReplica},
		{"PRAGMA busy_timeout = 100", toReplica},
		{"PRAGMA Cache_Size(-100)", toReplica},
		{"PRAGMA journal_mode", toReplica},
		{"PRAGMA journal_mode = 'WAL'", toReplica},
		{"PRAGMA main . journal_mode = wal", toReplica},
		{"PRAGMA journal_mode = DELETE", toPrimary},
		{"PRAGMA locking_mode = EXCLUSIVE", toPrimary},
		{"PRAGMA user_version = 3", toPrimary},
		{"PRAGMA main.user_version(-3)", toPrimary},
		{"PRAGMA wal_checkpoint", toPrimary},
		{"PRAGMA foreign_keys = OFF", toBoth},
		{"PRAGMA foreign_keys(1)", toBoth},

		{"PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000", toReplica},
		{"PRAGMA journal_mode = WAL; CREATE TABLE u(a)", toEach},
		{"PRAGMA foreign_keys = 1; SELECT 1", toEach},

		{"SELECT * FROM later", unknown},
		{"SELEKT", unknown},
		{"SELECT 1; SELECT * FROM later", unknown},
	} {
		if got := routeOf(conn, c.text); got != c.want {
			t.Errorf("%q: got route %d, want %d", c.text, got, c.want)
		}
	}
}

func TestFindingTheRouteOfAPragmaDoesNotRunIt(t *testing.T) {
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	routeOf(conn, "PRAGMA foreign_keys = ON")
	if on, err := conn.ForeignKeys(t.Context()); on || err != nil {
		t.Errorf("foreign keys: got %v, %v, want off", on, err)
	}
}
