package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/floedb/floe/cmd/floe/internal/session"
)

func TestCommentsDoNotKeepAStatementWaiting(t *testing.T) {
	for script, want := range map[string]string{
		"SELECT 1; -- done\n.nullvalue x\nSELECT NULL;":            "1\nx\n",
		"SELECT 1; /* done */\n.nullvalue x\nSELECT NULL;":         "1\nx\n",
		"SELECT 1; /* it's\n not; */\n.nullvalue x\nSELECT NULL;":  "1\nx\n",
		"SELECT 1; -- it's; /*\n.nullvalue x\nSELECT NULL;":        "1\nx\n",
		"/* a comment */\n.nullvalue x\nSELECT NULL;":              "x\n",
		"/* a\n.comment */\n.nullvalue x\nSELECT NULL;":            "x\n",
		"/* a\ncomment */ .nullvalue x\nSELECT NULL;":              "x\n",
		"-- a\n\n  -- b\n/* c */ -- d\n.nullvalue x\nSELECT NULL;": "x\n",
		";\n.nullvalue x\n;;\nSELECT NULL;;":                       "x\n",
		"SELECT 1 -- one;\n, 2; -- two":                            "1|2\n",
		"SELECT 1 -- no semicolon":                                 "1\n",
		"SELECT 1 /* no end; ":                                     "1\n",
		"-- nothing":                                               "",
		"/* nothing":                                               "",
		"/* nothing */":                                            "",
		";":                                                        "",
		"":                                                         "",
		"-- a\r\n.nullvalue x\r\nSELECT NULL; -- b\r\n.nullvalue y\r\n":    "x\n",
		"SELECT '--', '/*'; -- '\nSELECT 2;":                               "--|/*\n2\n",
		"SELECT\n.5;":                                                      "0.5\n",
		"EXPLAIN QUERY PLAN SELECT 1; -- plan\n.nullvalue x\nSELECT NULL;": "1|0|0|SCAN CONSTANT ROW\nx\n",
		"CREATE TABLE t(a);\nCREATE TRIGGER tr AFTER INSERT ON t BEGIN -- END;\n  SELECT 1; /* END; */\n  UPDATE t SET a = a + 1; -- done\nEND; -- of tr\n.nullvalue x\n" +
			"INSERT INTO t VALUES (1); SELECT a, NULL FROM t;": "2|x\n",
	} {
		got, errOut, err := run(t, newFile(t), ".mode list\n.headers off\n"+script)
		if err != nil || errOut != "" || got != want {
			t.Errorf("script %q gives %q, want %q; standard error %q, error %v", script, got, want, errOut, err)
		}
	}
}

func TestAByteOrderMarkBeginsAScript(t *testing.T) {
	for script, want := range map[string]string{
		"\ufeff.headers off\r\nSELECT 5;":             "5\n",
		"\ufeff-- comment\n.headers off\nSELECT 5;":   "5\n",
		"\ufeff/* comment */ .headers off\nSELECT 5;": "5\n",
		"\ufeffSELECT 5 AS five;":                     "five\n----\n5\n",
	} {
		if got := must(t, newFile(t), script); got != want {
			t.Errorf("script %q gives %q, want %q", script, got, want)
		}
	}
}

// If each line, or each statement of a line, cost as much as all before it, this would take an hour.
func TestLongScriptsCostWhatTheyHold(t *testing.T) {
	const lines = 100_000
	name := newFile(t)
	var b strings.Builder
	b.WriteString("CREATE TABLE t(a);\nINSERT INTO t VALUES ('")
	b.WriteString(strings.Repeat("a line; or\n", lines))
	b.WriteString("');\n" + strings.Repeat(";", lines) + "BEGIN;" + strings.Repeat("DELETE FROM t WHERE 0; ", 10*1000) + "COMMIT;\n.mode list\n.headers off\nSELECT length(a) FROM t;\nSELECT nope;\n")
	got, _, err := run(t, name, b.String())
	want, wantErr := fmt.Sprintf("%d\n", lines*len("a line; or\n")), fmt.Sprintf("line %d:", lines+7)
	if got != want || err == nil || !strings.HasPrefix(err.Error(), wantErr) {
		t.Errorf("output %q, want %q; error %v, want one of %s", got, want, err, wantErr)
	}
}

func TestASignalEndsAScriptThatSaysNothing(t *testing.T) {
	name := newFile(t)
	in, script := io.Pipe()
	defer script.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{Target: session.Target{Name: name}, Name: name, In: in, Out: io.Discard, Err: io.Discard})
	}()
	if _, err := io.WriteString(script, "BEGIN; CREATE TABLE t(a);\nSELECT"); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("a signal")
	cancel(cause)
	if err := <-ended; !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
	if got := must(t, name, ".tables\n"); got != "" {
		t.Errorf("tables %q, want none", got)
	}
}
