package shell

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/cmd/floe/internal/session"
)

// typed is a shell whose lines a test types.
func typed(t *testing.T, script string) *Shell {
	t.Helper()
	name := newFile(t)
	must(t, name, script)
	sess, err := session.Target{Name: name}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sess.Close() })
	return newShell(Config{Name: name, Out: io.Discard, Err: io.Discard, Interactive: true}, sess)
}

func TestTabCompletesWhatCanCome(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, f := range []string{"dump.sql", "data.csv"} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	sh := typed(t, `CREATE TABLE users(id, "full name", nickname); CREATE VIEW usage AS SELECT 1 AS one; CREATE TABLE "order"(x);`)
	for line, want := range map[string][]string{
		"sel":                   {"select "},
		"SEL":                   {"SELECT "},
		"select * from us":      {"usage", "users", "using"},
		"select users.":         {`users."full name"`, "users.id", "users.nickname"},
		"select users.ni":       {"users.nickname "},
		"select group_c":        {"group_concat("},
		"select * from \"ord":   {`order"`},
		"select * from \"fu":    {`full name"`},
		"select * from US":      {"USING", "USage", "USers"},
		"select ":               nil,
		"zzz":                   nil,
		".sche":                 {".schema "},
		".ex":                   {".exit", ".explain"},
		".schema us":            {"usage", "users"},
		".mode ma":              {"markdown "},
		".timer o":              {"off", "on"},
		".read d":               {"data.csv", "dir" + string(filepath.Separator), "dump.sql"},
		".read du":              {"dump.sql "},
		".help fre":             {"freeze "},
		".nope x":               nil,
		".timer on x":           nil,
		"SELECT 'ünï', nickn":   {"nickname "},
		"create index i on use": {"users "},
	} {
		if _, got, _ := sh.complete(t.Context(), line, len([]rune(line))); !cmp.Equal(want, got) {
			t.Errorf("%q completes to %q, want %q", line, got, want)
		}
	}
	head, got, tail := sh.complete(t.Context(), "select ünï, nickn from users", 17)
	if head != "select ünï, " || !cmp.Equal(got, []string{"nickname"}) || tail != " from users" {
		t.Errorf("in the middle of a line: %q %q %q", head, got, tail)
	}
}

func TestNewTablesAreCompleted(t *testing.T) {
	sh := typed(t, "")
	for _, sql := range []string{"CREATE TABLE fresh_one(a)", "CREATE TABLE fresh_two(a)"} {
		if err := sh.statement(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		name := sql[len("CREATE TABLE ") : len(sql)-len("(a)")]
		if _, got, _ := sh.complete(t.Context(), "drop table "+name, 11+len(name)); !cmp.Equal(got, []string{name + " "}) {
			t.Errorf("%s completes to %q", name, got)
		}
	}
}

func TestPromptTellsWhereOneIs(t *testing.T) {
	for name, want := range map[string]string{
		"/var/lib/app.db": "app.db", `C:\data\app.db`: "app.db", "libsql://db.example.com/x?tls=0": "db.example.com",
		":memory:": ":memory:", "a\x1b[31m.db": `a\x1b[31m.db`, "0123456789012345678901234567890.db": "01234567890123456789012…",
	} {
		if got := promptName(name); got != want {
			t.Errorf("the prompt for %q is %q, want %q", name, got, want)
		}
	}
	sh := typed(t, "")
	sh.cfg.Name = "app.db"
	if err := sh.statement(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if got, more := sh.prompt(), sh.morePrompt(); got != "app.db*> " || len(more) != len(got) {
		t.Errorf("prompts %q and %q, want app.db*> and one as wide", got, more)
	}
}
