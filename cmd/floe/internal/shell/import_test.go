package shell

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestImportMakesATableOfTheFirstLine(t *testing.T) {
	file := writeFile(t, "in.csv", "\ufeffid,\"the \"\"name\"\"\",note\r\n1,ada,\"two\r\nlines\"\r\n2,\"b,c\",\n")
	eachMode(t, func(t *testing.T, name string) {
		got := must(t, name, ".import "+file+" people\n.schema people\n.mode list\nSELECT *, typeof(id) FROM people;\n")
		want := "CREATE TABLE \"people\"(\n\"id\" TEXT, \"the \"\"name\"\"\" TEXT, \"note\" TEXT);\n" +
			"id|the \"name\"|note|typeof(id)\n1|ada|two\r\nlines|text\n2|b,c||text\n"
		got = strings.ReplaceAll(got, `CREATE TABLE "people" (`, "CREATE TABLE \"people\"(\n") // as a server has it
		got = strings.Replace(got, "  ", "", 1)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
	})
}

func TestImportIntoATableTakesEveryLine(t *testing.T) {
	file := writeFile(t, "in.tsv", "skipped\na\tb\n1\t2\n3\n4\t5\t6\n")
	out, errOut, err := run(t, newFile(t), "CREATE TABLE t(x INT, y DEFAULT 'd');\n.import --skip 1 "+file+" t\n.mode list\n.headers off\n.nullvalue null\nSELECT *, typeof(x) FROM t;\n")
	if want := "a|b|text\n1|2|integer\n3|null|integer\n4|5|integer\n"; err != nil || out != want {
		t.Errorf("error %v, rows %q, want %q", err, out, want)
	}
	want := fmt.Sprintf("%s:4: 1 fields for 2 columns: those that are missing are NULL\n%[1]s:5: 3 fields for 2 columns: those too many are left out\n", file)
	if errOut != want {
		t.Errorf("warnings %q, want %q", errOut, want)
	}
}

func TestImportIsAllOrNothing(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "%d,x\n", i)
	}
	b.WriteString("17,again\n")
	file := writeFile(t, "in.csv", b.String())
	eachMode(t, func(t *testing.T, name string) {
		must(t, name, "CREATE TABLE t(id INTEGER PRIMARY KEY, v);")
		_, _, err := run(t, name, ".import "+file+" t\n")
		if err == nil || !strings.Contains(err.Error(), "line 3001: ") || !strings.Contains(err.Error(), "UNIQUE") {
			t.Errorf("error %v, want that the value of line 3001 is not unique", err)
		}
		if _, _, err = run(t, name, "BEGIN;\nINSERT INTO t VALUES (-1, 'kept');\n.bail off\n.import "+file+" t\nCOMMIT;\n"); !errors.Is(err, errFailed) {
			t.Errorf("error %v, want %v", err, errFailed)
		}
		if got := must(t, name, ".mode list\n.headers off\nSELECT id FROM t;\n"); got != "-1\n" {
			t.Errorf("rows %q, want only what was there before", got)
		}
	})
}

func TestImportRefusesWhatItCannotRead(t *testing.T) {
	for _, c := range []struct{ content, args, want string }{
		{"a,b\n\"no end\n\n", "t", "line 2: the quote that begins here does not end"},
		{"", "t", "no rows"},
		{"a\n", "--skip x FILE t", "no number of lines"},
		{"a\n", "--bogus FILE t", "unknown option --bogus"},
		{"a\n", "--skip 1", "usage"},
	} {
		file := writeFile(t, "in.csv", c.content)
		args := strings.ReplaceAll(c.args, "FILE", file)
		if c.args == "t" {
			args = file + " t"
		}
		if _, _, err := run(t, newFile(t), ".import "+args+"\n"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q with %s: error %v, want ...%s...", c.content, c.args, err, c.want)
		}
	}
}

func TestImportMakesOfAFileWhatTheShellOfSQLiteDoes(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("there is no sqlite3 here")
	}
	for _, content := range []string{
		"a,b\n1,2\n", "a,b c,a,,\"x\"\"y\"\n1,2,3,4,5\n", "a,b\r\n\"x\r\n\",\" y \"\r\n", "a,A\n1,2", "one\n\"\"\nx\n",
		"\ufeffa,b\n\"q\"\"\",é☃\n", "a,b\n,\n'x',\"a\rb\"\n",
	} {
		file := writeFile(t, "in.csv", content)
		ours, theirs := newFile(t), newFile(t)
		if _, _, err := run(t, ours, ".import "+file+" t\n"); err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		cmd := exec.CommandContext(t.Context(), "sqlite3", theirs, ".import --csv "+file+" t")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: sqlite3: %v: %s", content, err, out)
		}
		const rows = ".mode json\nSELECT * FROM t;\n"
		if diff := cmp.Diff(must(t, theirs, rows), must(t, ours, rows)); diff != "" {
			t.Errorf("%q (-sqlite3 +floe):\n%s", content, diff)
		}
	}
}

func FuzzCSVComesBack(f *testing.F) {
	for _, field := range []string{"", "a", `"`, "a,b", "\r\n", "x\r", " ", "\x00", "\xff", "\"\n,"} {
		f.Add(field, "b")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
		r, err := newCSVReader(strings.NewReader(quote(a)+","+quote(b)+"\r\nlast"), ',')
		if err != nil {
			t.Fatal(err)
		}
		first, err := r.record()
		if diff := cmp.Diff([]string{a, b}, first); diff != "" || err != nil {
			t.Fatalf("error %v (-want +got):\n%s", err, diff)
		}
		if last, err := r.record(); err != nil || !cmp.Equal(last, []string{"last"}) {
			t.Errorf("the last record is %q, error %v", last, err)
		}
		if _, err := r.record(); !errors.Is(err, io.EOF) {
			t.Errorf("behind the last record: %v", err)
		}
	})
}
