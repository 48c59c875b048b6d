package shell

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/floedb/floe/cmd/floe/internal/session"
	"github.com/floedb/floe/internal/sqldtest"
)

// run runs a script on the database called name, and returns what it wrote.
func run(t testing.TB, name, script string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	err = Run(t.Context(), Config{
		Target: session.Target{Name: name}, Name: name,
		In: strings.NewReader(script), Out: &out, Err: &errOut,
	})
	return out.String(), errOut.String(), err
}

// must runs a script that has to succeed without a word on standard error.
func must(t testing.TB, name, script string) string {
	t.Helper()
	out, errOut, err := run(t, name, script)
	if err != nil || errOut != "" {
		t.Fatalf("%v, standard error %q of script %.200q", err, errOut, script)
	}
	return out
}

func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "test.db") }

// eachMode runs a test on a new file, on a new server over HTTP and WebSocket, and on a replica of one.
func eachMode(t *testing.T, test func(t *testing.T, name string)) {
	t.Run("local", func(t *testing.T) { test(t, newFile(t)) })
	t.Run("http", func(t *testing.T) { test(t, sqldtest.Start(t).URL) })
	t.Run("replica", func(t *testing.T) {
		srv := sqldtest.Start(t)
		srv.Exec(t, "CREATE TABLE gone(a)", "DROP TABLE gone") // a log with no frame makes no replica
		test(t, "file:"+newFile(t)+"?primary="+srv.URL)
	})
	t.Run("websocket", func(t *testing.T) { test(t, strings.Replace(sqldtest.Start(t).URL, "http:", "ws:", 1)) })
}

func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
