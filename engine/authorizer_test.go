package engine

import (
	"errors"
	"testing"

	"github.com/floedb/floe/hooks"
	"github.com/google/go-cmp/cmp"
)

const policySchema = `
CREATE TABLE users(id INTEGER PRIMARY KEY, name, password);
CREATE TABLE notes(owner, body);
CREATE VIEW mine AS SELECT body FROM notes WHERE owner = 1;
CREATE TRIGGER mine_insert INSTEAD OF INSERT ON mine BEGIN INSERT INTO notes VALUES (1, new.body); END;
CREATE VIRTUAL TABLE search USING fts5(body);
INSERT INTO users VALUES (1, 'Alma', 'secret');
INSERT INTO notes VALUES (1, 'hers'), (2, 'not hers');
INSERT INTO search VALUES ('text');
`

func TestAuthorizerIsToldNamedArguments(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, policySchema)
	var got []string
	must(t, c.SetAuthorizer(func(a hooks.Action) hooks.Verdict { got = append(got, a.String()); return hooks.Allow }))
	for _, test := range []struct {
		sql  string
		want []string
	}{
		{"SELECT name FROM users", []string{`SELECT`, `READ "users" "name" in "main"`}},
		{"SELECT body FROM mine", []string{`SELECT`, `READ "notes" "owner" in "main" by "mine"`,
			`READ "notes" "body" in "main" by "mine"`, `READ "mine" "body" in "main"`}},
		{"SAVEPOINT s", []string{`SAVEPOINT "BEGIN" "s"`}},
		{"PRAGMA cache_size = 5", []string{`PRAGMA "cache_size" "5"`}},
		{"SELECT abs(1)", []string{`SELECT`, `FUNCTION "abs"`}},
		{"ATTACH 'x.db' AS x", []string{`ATTACH "x.db"`}},
	} {
		got = nil
		s, err := c.Prepare(test.sql)
		must(t, err)
		must(t, s.Finalize())
		seen := make(map[string]bool)
		for _, action := range got {
			seen[action] = true
		}
		for _, want := range test.want {
			if !seen[want] {
				t.Errorf("%s: told %q, want %s among it", test.sql, got, want)
			}
		}
	}
	var altered hooks.Action
	must(t, c.SetAuthorizer(func(a hooks.Action) hooks.Verdict {
		if a.Code == hooks.ActionAlterTable {
			altered = a
		}
		return hooks.Allow
	}))
	mustExec(t, c, "ALTER TABLE notes RENAME TO old")
	if altered.Table() != "notes" || altered.Database != "main" {
		t.Errorf("ALTER TABLE told %+v, want the table notes in main", altered)
	}
}

func TestPoliciesHold(t *testing.T) {
	tenant := hooks.All(
		hooks.TablePolicy{Read: []string{"mine"}, Write: []string{"mine"}, Through: []string{"mine", "mine_insert"}}.Authorizer(),
		hooks.Pragmas(), hooks.Functions("count"))
	for name, test := range map[string]struct {
		rule    hooks.Authorizer
		allowed []string
		denied  []string
	}{
		"read-only": {hooks.ReadOnly(),
			[]string{"SELECT * FROM users", "SELECT count(*), upper('a') FROM notes", "PRAGMA table_info(users)", "PRAGMA user_version",
				"BEGIN; SELECT 1; COMMIT", "SAVEPOINT a; RELEASE a", "SELECT * FROM mine", "SELECT * FROM search('text')",
				"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3) SELECT * FROM n"},
			[]string{"INSERT INTO notes VALUES (1, 2)", "UPDATE users SET name = 1", "DELETE FROM users", "CREATE TABLE x(a)",
				"CREATE TEMP TABLE x(a)", "DROP TABLE users", "PRAGMA user_version = 5", "PRAGMA journal_mode = wal",
				"PRAGMA writable_schema = 1", "PRAGMA wal_checkpoint", "PRAGMA optimize", "ATTACH ':memory:' AS x", "VACUUM", "ANALYZE",
				"REINDEX", "ALTER TABLE users ADD x", "INSERT INTO search VALUES (1)", "CREATE TEMP VIEW x AS SELECT 1",
				"VACUUM INTO 'x.db'", "INSERT INTO search(search) VALUES ('optimize')"}},
		"tables": {hooks.TablePolicy{Read: []string{"main.USERS"}, Write: []string{"notes"}}.Authorizer(),
			[]string{"SELECT * FROM Users", "SELECT count(*) FROM users", "INSERT INTO notes VALUES (1, 2)", "DELETE FROM notes",
				"UPDATE notes SET body = 1 WHERE owner = 2", "INSERT INTO notes SELECT id, name FROM users"},
			[]string{"INSERT INTO users VALUES (5, 1, 1)", "UPDATE users SET name = 1", "DELETE FROM users", "SELECT * FROM search",
				"SELECT * FROM sqlite_schema", "DROP TABLE notes", "CREATE TABLE x(a)", "ATTACH ':memory:' AS x",
				"SELECT count(*) FROM sqlite_master", "CREATE TEMP TABLE notes(a)", "SELECT 1 FROM search"}},
		"tenant": {tenant,
			[]string{"SELECT * FROM mine", "SELECT count(*) FROM mine", "INSERT INTO mine VALUES ('new')"},
			[]string{"SELECT * FROM notes", "INSERT INTO notes VALUES (2, 'x')", "SELECT upper(body) FROM mine", "PRAGMA table_list",
				"CREATE TEMP VIEW mine AS SELECT * FROM notes", "SELECT (SELECT count(*) FROM notes) FROM mine"}},
		"columns": {hooks.DenyColumns("users.Password"),
			[]string{"SELECT id, name FROM users", "UPDATE users SET name = 'x'"},
			[]string{"SELECT * FROM users", "SELECT 1 FROM users WHERE password = 'x'", "UPDATE users SET password = 1",
				"SELECT name FROM users ORDER BY password"}},
		"no attach": {hooks.NoAttach(), []string{"SELECT 1"}, []string{"ATTACH ':memory:' AS x", "VACUUM INTO 'x.db'", "VACUUM"}},
		"pragmas":   {hooks.Pragmas("User_Version"), []string{"PRAGMA user_version"}, []string{"PRAGMA cache_size"}},
		"functions": {hooks.Functions("upper"), []string{"SELECT Upper('a')"}, []string{"SELECT lower('a')", "SELECT 'a' LIKE 'b'"}},
		"any": {hooks.Any(hooks.ReadOnly(), hooks.TablePolicy{Write: []string{"notes"}}.Authorizer()),
			[]string{"SELECT * FROM users", "DELETE FROM notes"}, []string{"DELETE FROM users"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := openMemory(t)
			mustExec(t, c, policySchema)
			must(t, c.SetAuthorizer(test.rule))
			for _, sql := range test.allowed {
				if err := c.Exec(background, sql); err != nil {
					t.Errorf("%s: %v, want it to be allowed", sql, err)
				}
			}
			for _, sql := range test.denied {
				err := c.Exec(background, sql)
				var denied *hooks.DeniedError
				if !errors.As(err, &denied) {
					t.Errorf("%s: %v, want it to be denied", sql, err)
				}
			}
		})
	}
}

func TestHiddenColumnsReadAsNull(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, policySchema)
	must(t, c.SetAuthorizer(hooks.HideColumns("main.users.password")))
	mustExec(t, c, "UPDATE users SET name = 'Berta', password = 'changed'")
	if diff := cmp.Diff([][]any{{int64(1), "Berta", nil}}, values(t, c, "SELECT * FROM users")); diff != "" {
		t.Errorf("with the rule (-want +got):\n%s", diff)
	}
	must(t, c.SetAuthorizer(nil))
	if diff := cmp.Diff([][]any{{int64(1), "Berta", "secret"}}, values(t, c, "SELECT * FROM users")); diff != "" {
		t.Errorf("without the rule (-want +got):\n%s", diff)
	}
}

// A statement is compiled again after the rule has changed, and one that is in the middle goes on.
func TestAuthorizerHoldsForStatementsFromBefore(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, policySchema)
	s := mustPrepare(t, c, "SELECT body FROM notes")
	mustRow(t, s)
	must(t, c.SetAuthorizer(hooks.DenyColumns("notes.body")))
	mustRow(t, s)
	mustDone(t, s)
	for range 2 {
		if _, err := s.Step(background); !errors.Is(err, Auth) {
			t.Errorf("the next execution: %v, want %v", err, Auth)
		}
	}
	must(t, c.SetAuthorizer(nil))
	mustRow(t, s)
	must(t, s.Reset())
}

func TestAuthorizerThatPanicsDenies(t *testing.T) {
	c := openMemory(t)
	must(t, c.SetAuthorizer(func(hooks.Action) hooks.Verdict { panic("no") }))
	_, err := c.Prepare("SELECT 1")
	var p *PanicError
	if !errors.Is(err, Auth) || !errors.As(err, &p) || p.Value != "no" {
		t.Errorf("prepare: %v, want %v with the panic", err, Auth)
	}
	must(t, c.SetAuthorizer(func(hooks.Action) hooks.Verdict { return 77 }))
	if _, err := c.Prepare("SELECT 1"); !errors.Is(err, Auth) {
		t.Errorf("prepare with an unknown verdict: %v, want %v", err, Auth)
	}
}

// TestCachedStatementsObeyTheAuthorizerOfTheMoment sets, replaces and removes one behind a statement in the cache.
func TestCachedStatementsObeyTheAuthorizerOfTheMoment(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(open, secret); INSERT INTO t VALUES (1, 2)")
	const query = "SELECT open, secret FROM t"
	onSecret := func(v hooks.Verdict) hooks.Authorizer {
		return func(a hooks.Action) hooks.Verdict {
			if a.Code == hooks.ActionRead && a.Second == "secret" {
				return v
			}
			return hooks.Allow
		}
	}
	read := func() (secret any, err error) {
		err = c.Query(background, query, nil, func(s *Stmt) error {
			secret = s.ColumnValue(1)
			return nil
		})
		return secret, err
	}
	for _, step := range []struct {
		name string
		rule hooks.Authorizer
		want any
		deny bool
	}{
		{"none", nil, int64(2), false},
		{"ignore", onSecret(hooks.Ignore), nil, false},
		{"deny", onSecret(hooks.Deny), nil, true},
		{"allow", onSecret(hooks.Allow), int64(2), false},
		{"ignore again", onSecret(hooks.Ignore), nil, false},
		{"removed", nil, int64(2), false},
	} {
		if err := c.SetAuthorizer(step.rule); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := read()
			if step.deny != errors.Is(err, Auth) || !step.deny && err != nil {
				t.Errorf("%s: the error is %v", step.name, err)
			}
			if got != step.want {
				t.Errorf("%s: the column reads as %v, want %v", step.name, got, step.want)
			}
		}
	}
	if stats := c.CacheStats(); stats.Hits < 6 {
		t.Errorf("the statement was taken out of the cache %d times, want at least 6", stats.Hits)
	}
}
