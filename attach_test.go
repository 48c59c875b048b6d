package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// writesTo are statements that write to the attached database r, which has a table t.
var writesTo = []string{
	"INSERT INTO r.t(a) VALUES ('mine')", "UPDATE r.t SET a = 'mine'", "DELETE FROM r.t", "CREATE TABLE r.mine(a)",
	"DROP TABLE r.t", "ALTER TABLE r.t ADD COLUMN mine", "CREATE INDEX r.mine ON t(a)", "PRAGMA r.user_version = 7",
	"PRAGMA r.application_id = 7", "VACUUM r", "ANALYZE r", "BEGIN; DELETE FROM r.t; COMMIT",
	"WITH x AS (SELECT 1) INSERT INTO r.t(a) SELECT 'mine' FROM x", "REPLACE INTO r.t(id, a) VALUES (1, 'mine')",
}

func TestAttachedReplicaIsNotWrittenTo(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	path := newPath(t)
	synced(t, path, srv)
	local := filepath.Join(t.TempDir(), "local.db")
	db, err := floe.Open(limit(t), local)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	names := linkedPaths(t, path)
	names["its own path"] = path
	names["URI"] = "file:" + path + "?mode=rw"
	names["URI with parameters"] = "file:" + path + "?cache=private&psow=1"
	for what, name := range names {
		c, err := db.Conn(limit(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Exec(limit(t), "ATTACH ? AS r", name); err != nil {
			t.Fatalf("%s: attach: %v", what, err)
		}
		wantRows(t, c.Conn, "SELECT count(*) FROM r.t", "5")
		for _, sql := range writesTo {
			err := c.Exec(limit(t), sql)
			if !errors.Is(err, floe.ErrIsReplica) || !errors.Is(err, engine.ReadOnly) {
				t.Errorf("%s: %s: error %v, want %v and %v", what, sql, err, floe.ErrIsReplica, engine.ReadOnly)
			}
			if !c.AutoCommit() {
				_ = c.Exec(limit(t), "ROLLBACK")
			}
		}
		if err := c.Exec(limit(t), "INSERT INTO sqlite_dbpage(schema, pgno, data) VALUES ('r', 2, zeroblob(4096))"); err == nil {
			t.Errorf("%s: a page was written", what)
		}
		if err := c.Exec(limit(t), "CREATE TEMP TABLE tt(a); CREATE TEMP TRIGGER tr AFTER INSERT ON tt BEGIN DELETE FROM t; END; INSERT INTO tt VALUES (1)"); err == nil {
			t.Errorf("%s: a trigger wrote", what)
		}
		_ = c.Exec(limit(t), "PRAGMA r.journal_mode = DELETE")
		wantNoBackupInto(t, c.Conn, "r")
		// What is attached beside it, and the database itself, can be written to.
		other := filepath.Join(t.TempDir(), "other.db")
		if err := c.Exec(limit(t), "ATTACH ? AS o", other); err != nil {
			t.Fatal(err)
		}
		if err := c.Exec(limit(t), "CREATE TABLE o.copy AS SELECT * FROM r.t; CREATE TABLE IF NOT EXISTS main.mine(a); INSERT INTO mine SELECT a FROM r.t"); err != nil {
			t.Errorf("%s: write beside the replica: %v", what, err)
		}
		if err := c.Exec(limit(t), "DETACH r; ATTACH '"+filepath.Join(t.TempDir(), "third.db")+"' AS r; CREATE TABLE r.t(a)"); err != nil {
			t.Errorf("%s: write to what has its name then: %v", what, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	r := openAt(t, path, srv)
	fill(t, srv, 1)
	mustSync(t, r)
	wantEqual(t, path, srv)
}

func wantNoBackupInto(t *testing.T, c *engine.Conn, schema string) {
	t.Helper()
	src, err := engine.Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if err := src.Exec(limit(t), "CREATE TABLE other(a)"); err != nil {
		t.Fatal(err)
	}
	b, err := engine.NewBackup(c, schema, src, "main")
	if err != nil {
		t.Fatal(err)
	}
	for more := true; more && err == nil; {
		more, err = b.Step(limit(t), -1)
	}
	if err = errors.Join(err, b.Close()); !errors.Is(err, engine.ReadOnly) {
		t.Errorf("backup into it: %v, want %v", err, engine.ReadOnly)
	}
}

func wantRows(t *testing.T, c *engine.Conn, sql, want string) {
	t.Helper()
	rows, err := readAll(limit(t), c, sql)
	if err != nil || flat(rows) != want {
		t.Errorf("%s gives %q, %v; want %q", sql, flat(rows), err, want)
	}
}

func TestReplicaAttachedThroughSQLIsNotWrittenTo(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	path := newPath(t)
	synced(t, path, srv)
	for _, dsn := range []string{filepath.Join(t.TempDir(), "local.db"), ":memory:", "file:" + filepath.Join(t.TempDir(), "uri.db") + "?cache=shared"} {
		db := openSQL(t, dsn)
		for what, attach := range map[string]func(ctx context.Context, c *sql.Conn) error{
			"statement": func(ctx context.Context, c *sql.Conn) error {
				_, err := c.ExecContext(ctx, "ATTACH '"+path+"' AS r")
				return err
			},
			"argument": func(ctx context.Context, c *sql.Conn) error {
				_, err := c.ExecContext(ctx, "ATTACH ? AS r", path)
				return err
			},
			"query": func(ctx context.Context, c *sql.Conn) error {
				rows, err := c.QueryContext(ctx, "ATTACH '"+path+"' AS r")
				if err != nil {
					return err
				}
				for rows.Next() {
				}
				return errors.Join(rows.Err(), rows.Close())
			},
			"for reading": func(ctx context.Context, c *sql.Conn) error {
				_, err := c.ExecContext(ctx, "ATTACH 'file:"+path+"?mode=ro' AS r")
				return err
			},
		} {
			c, err := db.Conn(limit(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := attach(limit(t), c); err != nil {
				t.Fatalf("%s: %s: %v", dsn, what, err)
			}
			var n int
			if err := c.QueryRowContext(limit(t), "SELECT count(*) FROM r.t").Scan(&n); err != nil || n != 5 {
				t.Errorf("%s: %s: %d rows, %v; want 5", dsn, what, n, err)
			}
			if _, err := c.ExecContext(limit(t), "DELETE FROM r.t"); !errors.Is(err, engine.ReadOnly) || what != "for reading" && !errors.Is(err, floe.ErrIsReplica) {
				t.Errorf("%s: %s: delete: %v, want %v", dsn, what, err, floe.ErrIsReplica)
			}
			if _, err := c.ExecContext(limit(t), "DETACH r"); err != nil {
				t.Error(err)
			}
			// In one text.
			script := fmt.Sprintf("ATTACH '%s' AS r; DELETE FROM r.t; DETACH r", path)
			if _, err := c.ExecContext(limit(t), script); !errors.Is(err, floe.ErrIsReplica) {
				t.Errorf("%s: in one text: %v, want %v", dsn, err, floe.ErrIsReplica)
			}
			if _, err := c.ExecContext(limit(t), "DETACH r"); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	wantEqual(t, path, srv)
}

func TestReplicaAttachedToAReplicaIsNotWrittenTo(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 2)
	path, other := newPath(t), newPath(t)
	synced(t, path, srv)
	synced(t, other, srv)
	r := openAt(t, path, srv)
	c, err := r.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Exec(limit(t), "ATTACH ? AS r", other); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(limit(t), "DELETE FROM r.t"); !errors.Is(err, engine.ReadOnly) {
		t.Errorf("delete: %v, want %v", err, engine.ReadOnly)
	}
	wantEqual(t, other, srv)
}

func TestFrozenDatabaseThatIsAttachedIsWrittenTo(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 2)
	path := newPath(t)
	synced(t, path, srv)
	mustFreeze(t, openAt(t, path, nil))
	db := openSQL(t, ":memory:")
	if _, err := db.ExecContext(limit(t), "ATTACH '"+path+"' AS r; DELETE FROM r.t"); err != nil {
		t.Error(err)
	}
}
