package floe_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
	"github.com/google/go-cmp/cmp"
)

// patience bounds every wait of these tests; none asserts how long one took.
const patience = 60 * time.Second

// childEnv names what a copy of the test binary is to do instead of testing.
const childEnv = "FLOE_TEST_CHILD"

// children are the things that a second process does in these tests, by name.
var children = map[string]func(args []string) error{
	"read":   readUntilToldToEnd,
	"sync":   syncOnce,
	"freeze": freezeOnce,
	"watch":  watchUntilToldToEnd,
	"write":  insertAndCountHere,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := children[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child returns a command that runs the named child in a process of its own.
func child(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := sqldtest.Self(ctx, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	return cmd
}

// limit gives a context for one test's calls.
func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func newPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "replica.db")
}

// openAt opens a replica of srv, or of no server, at path; it is closed when the
// test ends.
func openAt(t *testing.T, path string, srv *sqldtest.Server, opts ...floe.Option) *floe.Replica {
	t.Helper()
	url := ""
	if srv != nil {
		url = srv.URL
	}
	r, err := floe.OpenReplica(limit(t), path, url, opts...)
	if err != nil {
		t.Fatal("open:", err)
	}
	t.Cleanup(func() { closeReplica(t, r) })
	return r
}

func openNew(t *testing.T, srv *sqldtest.Server, opts ...floe.Option) *floe.Replica {
	t.Helper()
	return openAt(t, newPath(t), srv, opts...)
}

func closeReplica(t *testing.T, r *floe.Replica) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error("close:", err)
	}
}

func mustSync(t *testing.T, r *floe.Replica) floe.Result {
	t.Helper()
	res, err := r.Sync(limit(t))
	if err != nil {
		t.Fatal("sync:", err)
	}
	return res
}

// synced makes a replica of srv at path, in step, and closed again.
func synced(t *testing.T, path string, srv *sqldtest.Server) {
	t.Helper()
	r := openAt(t, path, srv)
	mustSync(t, r)
	closeReplica(t, r)
}

// fill makes n small transactions.
func fill(t *testing.T, srv *sqldtest.Server, n int) {
	t.Helper()
	srv.Exec(t, "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, a TEXT, b BLOB)")
	for i := range n {
		srv.Exec(t, fmt.Sprintf("INSERT INTO t(a, b) VALUES ('row %d', randomblob(%d))", i, i%500))
	}
}

// fillPages makes one transaction of some pages more than n.
func fillPages(t *testing.T, srv *sqldtest.Server, n int) {
	t.Helper()
	srv.Exec(t, "CREATE TABLE IF NOT EXISTS bulk(id INTEGER PRIMARY KEY, b BLOB)", fmt.Sprintf(
		"INSERT INTO bulk(b) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) SELECT randomblob(4000) FROM n", n))
}

// readAll gives the rows of a query, their columns as text.
func readAll(ctx context.Context, c *engine.Conn, sql string) (rows [][]string, err error) {
	err = c.Query(ctx, sql, nil, func(s *engine.Stmt) error {
		row := make([]string, s.ColumnCount())
		for i := range row {
			row[i] = s.ColumnText(i)
		}
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// flat writes rows as the sqlite3 shell does.
func flat(rows [][]string) string {
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = strings.Join(row, "|")
	}
	return strings.Join(lines, "\n")
}

// conner is what gives connections: a replica or a database.
type conner interface {
	Conn(ctx context.Context) (*floe.Conn, error)
}

// query runs one query on a new connection.
func query(t *testing.T, db conner, sql string) string {
	t.Helper()
	c, err := db.Conn(limit(t))
	if err != nil {
		t.Fatal("connect:", err)
	}
	defer c.Close()
	rows, err := readAll(limit(t), c.Conn, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return flat(rows)
}

func wantQuery(t *testing.T, db conner, sql, want string) {
	t.Helper()
	if got := query(t, db, sql); got != want {
		t.Errorf("%s: got %q, want %q", sql, got, want)
	}
}

// queryFile runs one query on the database at path.
func queryFile(t *testing.T, path, sql string) string {
	t.Helper()
	db, err := floe.OpenReadOnly(limit(t), path)
	if err != nil {
		t.Fatal("open:", err)
	}
	defer db.Close()
	return query(t, db, sql)
}

// image reads the whole database as one reader sees it.
func image(t *testing.T, path string) []byte {
	t.Helper()
	conn, err := engine.Open(path, engine.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var img []byte
	err = conn.Query(limit(t), "SELECT data FROM sqlite_dbpage ORDER BY pgno", nil, func(s *engine.Stmt) error {
		img = s.ColumnBytes(0, img)
		return nil
	})
	if err != nil {
		t.Fatal("read the pages:", err)
	}
	return img
}

// wantEqual fails unless the replica has the primary's pages.
func wantEqual(t *testing.T, path string, srv *sqldtest.Server) {
	t.Helper()
	if diff := sqldtest.DiffPages(image(t, path), srv.PrimaryImage(t)); diff != "" {
		t.Fatal("replica and primary differ:", diff)
	}
	wantWhole(t, path)
}

func wantWhole(t *testing.T, path string) {
	t.Helper()
	if got := queryFile(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: got %q, want ok", got)
	}
}

func wantErrorIs(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if errors.Is(err, target) {
			return
		}
	}
	t.Fatalf("got error %v, want one of %v", err, targets)
}

// shellPath finds the sqlite3 shell, which stands for every plain SQLite.
func shellPath(t *testing.T) string {
	t.Helper()
	path, err := findShell()
	if err != nil {
		t.Skip("no sqlite3 shell on this machine")
	}
	return path
}

func findShell() (string, error) { return exec.LookPath("sqlite3") }

// tryShell runs statements in the sqlite3 shell. The last connection of a process
// locks the file for an instant as it closes, so one that opens must be willing
// to wait, with syncs or without.
func tryShell(bin, path, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-batch", "-bail", "-init", os.DevNull, "-cmd", ".timeout 5000", path, sql)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("sqlite3 %s: %w: %s", sql, err, complaint.String())
	}
	return strings.TrimRight(out.String(), "\n"), err
}

func shell(t *testing.T, path, sql string) string {
	t.Helper()
	out, err := tryShell(shellPath(t), path, sql)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// contents tells what a directory holds: the length and hash of each file.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		if e.IsDir() {
			files[e.Name()] = "directory"
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = fmt.Sprintf("%d bytes, %x", len(b), sha256.Sum256(b))
	}
	return files
}

// unchanged fails unless the directory holds what it held before.
func unchanged(t *testing.T, dir string, before map[string]string) {
	t.Helper()
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("the directory changed (-before +after):\n%s", diff)
	}
}

// within waits for what a goroutine sends.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing came within %v", what, patience)
		panic("unreachable")
	}
}

// begin runs f in a goroutine and gives its error by a channel.
func begin(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// eventually waits until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not so within %v", what, patience)
		}
	}
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	writeFile(t, to, readFile(t, from))
}

// pullFile writes an archive of srv's frames from number since on.
func pullFile(t *testing.T, srv *sqldtest.Server, since uint64) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := floe.Pull(limit(t), srv.URL, since, &b); err != nil {
		t.Fatal("pull:", err)
	}
	path := filepath.Join(t.TempDir(), "frames.floe")
	writeFile(t, path, b.Bytes())
	return path
}
