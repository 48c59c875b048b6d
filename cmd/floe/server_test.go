package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

func fill(t *testing.T, srv *sqldtest.Server, n int) {
	t.Helper()
	srv.Exec(t, "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, a TEXT)")
	for i := range n {
		srv.Exec(t, fmt.Sprintf("INSERT INTO t(a) VALUES ('row %d')", i))
	}
}

func number(n uint64) json.Number { return json.Number(fmt.Sprint(n)) }

// pick returns the fields of an object that names lists.
func pick(v map[string]any, names ...string) map[string]any {
	some := make(map[string]any)
	for _, name := range names {
		some[name] = v[name]
	}
	return some
}

func check(t *testing.T, what string, got map[string]any, want map[string]any) {
	t.Helper()
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	if diff := cmp.Diff(want, pick(got, names...)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestReplicaFromFirstSyncToFreeze(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 10)
	path := filepath.Join(t.TempDir(), "app.db")
	last := srv.FrameNo(t)

	first := floeJSON(t, "sync", path, "--from", srv.URL)
	check(t, "first sync", first, map[string]any{
		"path": path, "frame_no": number(last), "primary_frame_no": number(last), "frames_synced": number(last + 1),
	})
	check(t, "sync without news", floeJSON(t, "sync", path, "--from", srv.URL), map[string]any{
		"frame_no": number(last), "frames_synced": number(0), "log_id": first["log_id"],
	})
	check(t, "query", floeJSON(t, "query", path, "SELECT count(*), max(a) FROM t"), map[string]any{
		"rows": []any{[]any{number(10), "row 9"}},
	})
	floeFails(t, exitFailed, "only its primary may write", "query", path, "DELETE FROM t")
	check(t, "verify", floeJSON(t, "verify", path, "--from", srv.URL), map[string]any{
		"identical": true, "frame_no": number(last), "differing_pages": number(0),
	})

	fill(t, srv, 1)
	check(t, "status of a replica that lags", floeJSON(t, "status", path, "--from", srv.URL), map[string]any{
		"role": "replica", "log_id": first["log_id"], "frame_no": number(last),
		"primary_frame_no": number(srv.FrameNo(t)), "lag_frames": number(srv.FrameNo(t) - last), "page_size": number(4096),
	})

	origin := map[string]any{"log_id": first["log_id"], "frame_no": number(last)}
	check(t, "freeze", floeJSON(t, "freeze", path), origin)
	check(t, "status after freeze", floeJSON(t, "status", path), map[string]any{"role": "frozen", "origin": origin})
	floeFails(t, exitFailed, "frozen", "freeze", path)
	floeFails(t, exitFailed, "frozen", "sync", path, "--from", srv.URL)
	floeFails(t, exitFailed, "follows no server", "status", path, "--from", srv.URL)
	check(t, "write after freeze", floeJSON(t, "query", path, "DELETE FROM t"), map[string]any{"changes": number(10)})
}

func TestSyncUntilReachesTheFrame(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	path := filepath.Join(t.TempDir(), "app.db")
	last := srv.FrameNo(t)
	check(t, "sync until", floeJSON(t, "sync", path, "--from", srv.URL, "--until", fmt.Sprint(last)), map[string]any{"frame_no": number(last)})
}

func TestPulledFilesMakeAndMoveAReplica(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	dir := t.TempDir()
	all, news, path := filepath.Join(dir, "all"), filepath.Join(dir, "news"), filepath.Join(dir, "app.db")
	last := srv.FrameNo(t)
	check(t, "pull of all", floeJSON(t, "pull", all, "--from", srv.URL), map[string]any{
		"first_frame_no": number(0), "last_frame_no": number(last), "frames": number(last + 1), "snapshots": number(0),
	})
	fill(t, srv, 3)
	since := fmt.Sprint(last + 1)
	check(t, "pull of news", floeJSON(t, "pull", news, "--from", srv.URL, "--since", since), map[string]any{
		"first_frame_no": number(last + 1), "last_frame_no": number(srv.FrameNo(t)),
	})
	floeFails(t, exitFailed, "frames are missing", "apply", path, news)
	check(t, "apply all", floeJSON(t, "apply", path, all), map[string]any{"frame_no": number(last), "frames_applied": number(last + 1)})
	check(t, "apply all again", floeJSON(t, "apply", path, all), map[string]any{"frame_no": number(last), "frames_applied": number(0)})
	check(t, "apply news", floeJSON(t, "apply", path, news), map[string]any{"frame_no": number(srv.FrameNo(t))})
	check(t, "verify", floeJSON(t, "verify", path, "--from", srv.URL), map[string]any{"identical": true})
	floeFails(t, exitFailed, "there are no frames", "pull", news+"2", "--from", srv.URL, "--since", "100000")
	if left, err := filepath.Glob(filepath.Join(dir, "*2*")); err != nil || len(left) > 0 {
		t.Errorf("a pull that failed left %v, %v", left, err)
	}
}

func TestVerifyTellsTheFirstDifference(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	path := filepath.Join(t.TempDir(), "app.db")
	floeDone(t, "sync", path, "--from", srv.URL)
	img, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img[len(img)-1] ^= 0x20
	if err := os.WriteFile(path, img, 0o666); err != nil {
		t.Fatal(err)
	}
	floeFails(t, exitFailed, "(leaf page of t), the first of 1", "verify", path, "--from", srv.URL)
}

// line reads one line of a command that runs on.
func line(t *testing.T, r *bufio.Reader) map[string]any {
	t.Helper()
	text, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("%v after %q", err, text)
	}
	return decodeObject(t, text)
}

func TestWatchPrintsEachChangeUntilASignal(t *testing.T) {
	for _, mode := range [][]string{{"--watch"}, {"--interval", "20ms"}} {
		t.Run(mode[0], func(t *testing.T) {
			srv := sqldtest.Start(t)
			fill(t, srv, 3)
			path := filepath.Join(t.TempDir(), "app.db")
			cmd := command(t, append([]string{"sync", path, "--from", srv.URL, "--json"}, mode...)...)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			pipe, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out := bufio.NewReader(pipe)
			check(t, "first line", line(t, out), map[string]any{"frame_no": number(srv.FrameNo(t))})
			fill(t, srv, 1)
			check(t, "line after a commit", line(t, out), map[string]any{"frame_no": number(srv.FrameNo(t))})
			floeDone(t, "sync", path, "--from", srv.URL) // by the other one, or beside it
			if mode[0] == "--watch" {
				held := floeJSON(t, "status", path)
				if by := fmt.Sprint(held["locked_by"]); !strings.Contains(by, fmt.Sprint("process ", cmd.Process.Pid)) {
					t.Errorf("the replica is locked by %q, want process %d", by, cmd.Process.Pid)
				}
				floeFails(t, exitFailed, "in use", "freeze", path)
			}
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil || stderr.String() != "" {
				t.Errorf("after the signal: %v, standard error %q", err, stderr.String())
			}
		})
	}
}

func TestInterruptedSyncSaysSo(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	path := filepath.Join(t.TempDir(), "app.db")
	floeDone(t, "sync", path, "--from", srv.URL)
	last := srv.FrameNo(t)
	cmd := command(t, "sync", path, "--from", srv.URL, "--until", fmt.Sprint(last+1000))
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The lock says that it is at work.
	for held := ""; !strings.Contains(held, fmt.Sprint("process ", cmd.Process.Pid)); {
		held = floeDone(t, "status", path)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	want := fmt.Sprintf("interrupted at frame %d", last)
	if cmd.ProcessState.ExitCode() != exitFailed || stdout.String() != "" || !strings.Contains(stderr.String(), want) {
		t.Errorf("%v, output %q, %q; want status 1 and %q", err, stdout.String(), stderr.String(), want)
	}
}

func TestAuthTokenIsSentAndNeverPrinted(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithJWT())
	fill(t, srv, 3)
	dir := t.TempDir()
	path, file := filepath.Join(dir, "app.db"), filepath.Join(dir, "all")
	good, bad := srv.Token(), "bad."+srv.Token()
	run := func(token string, status int, args ...string) {
		t.Helper()
		for _, byFlag := range []bool{true, false} {
			cmd := command(t, args...)
			if byFlag {
				cmd.Args = append(cmd.Args, "--auth-token", token)
			} else {
				cmd.Env = append(cmd.Env, tokenVariable+"="+token)
			}
			out := execute(t, cmd)
			if out.status != status {
				t.Errorf("floe %v: status %d, want %d: %s", args, out.status, status, out.stderr)
			}
			if strings.Contains(out.stdout+out.stderr, token) {
				t.Errorf("floe %v prints the token: %q %q", args, out.stdout, out.stderr)
			}
		}
	}
	for _, c := range []struct {
		token  string
		status int
	}{{good, exitDone}, {bad, exitFailed}, {"line\nbreak", exitFailed}} {
		run(c.token, c.status, "sync", path, "--from", srv.URL, "--json")
		run(c.token, c.status, "status", path, "--from", srv.URL, "--json")
		run(c.token, c.status, "verify", path, "--from", srv.URL, "--json")
		run(c.token, c.status, "pull", file, "--from", srv.URL, "--json")
		run(c.token, c.status, "status", srv.URL, "--json")
		run(c.token, c.status, "query", srv.URL, "SELECT 1")
		run(c.token, c.status, "query", path, "DELETE FROM t", "--primary", srv.URL)
		byName := "file:" + path + "?primary=" + srv.URL + "&authToken=" + url.QueryEscape(c.token)
		for _, args := range [][]string{
			{"query", srv.URL + "?authToken=" + url.QueryEscape(c.token), "SELECT 1"},
			{"status", srv.URL + "?authToken=" + url.QueryEscape(c.token)},
			{"query", byName, "DELETE FROM t"}, {"status", byName},
		} {
			out := execute(t, command(t, args...))
			if out.status != c.status || strings.Contains(out.stdout+out.stderr, c.token) {
				t.Errorf("floe %s with a token in the name: status %d, want %d; %q %q", args[0], out.status, c.status, out.stdout, out.stderr)
			}
		}
	}
	run(good, exitUsage, "sync", path, "--bogus")
	run(good, exitDone, "sync", "--help")
}

func TestServersAreAskedAndToldAsFilesAre(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	for _, name := range []string{srv.URL, strings.Replace(srv.URL, "http:", "ws:", 1)} {
		check(t, "query", floeJSON(t, "query", name, "SELECT a FROM t WHERE id = ?", "2"), map[string]any{
			"columns": []any{"a"}, "rows": []any{[]any{"row 1"}}, "changes": number(0),
		})
		check(t, "insert", floeJSON(t, "query", name, "INSERT INTO t(a) VALUES ('x'), ('y') RETURNING a"), map[string]any{
			"rows": []any{[]any{"x"}, []any{"y"}}, "changes": number(2),
		})
		got := floeJSON(t, "status", name)
		check(t, "status", got, map[string]any{"url": name, "role": "server", "frame_no": number(srv.FrameNo(t)), "page_size": number(4096)})
		if version, _ := got["version"].(string); version == "" || got["log_id"] == nil {
			t.Errorf("status %v has no version or no log", got)
		}
		floeFails(t, exitFailed, "2 parameters, and 1 were given", "query", name, "SELECT ?, ?", "1")
		floeFails(t, exitFailed, "more than one statement", "query", name, "SELECT 1; SELECT 2")
		floeFails(t, exitFailed, "syntax error", "query", name, "SELEKT 1")
	}
	srv.Stop()
	floeFails(t, exitFailed, "cannot be reached", "status", srv.URL)
	floeFails(t, exitFailed, "cannot be reached", "query", srv.URL, "SELECT 1")
}

func TestReplicasWriteThroughToTheirPrimary(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	path := filepath.Join(t.TempDir(), "app.db")
	for _, args := range [][]string{{path, "--primary", srv.URL}, {"file:" + path + "?primary=" + srv.URL}} {
		insert := append([]string{"query", args[0], "INSERT INTO t(a) VALUES ('written')"}, args[1:]...)
		check(t, "insert", floeJSON(t, insert...), map[string]any{"changes": number(1)})
		check(t, "status", floeJSON(t, append([]string{"status"}, args[0])...), map[string]any{"role": "replica", "frame_no": number(srv.FrameNo(t))})
	}
	check(t, "query", floeJSON(t, "query", path, "SELECT count(*) FROM t"), map[string]any{"rows": []any{[]any{number(5)}}})
}

func TestWALIsTold(t *testing.T) {
	path := localDB(t)
	floeDone(t, "query", path, "PRAGMA journal_mode = WAL")
	floeFails(t, exitFailed, "is a database; its write-ahead log is", "wal", path)
	captured := filepath.Join(t.TempDir(), "x-wal")
	if err := os.WriteFile(captured, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	check(t, "empty log", floeJSON(t, "wal", captured), map[string]any{"empty": true, "valid_frames": number(0)})
	if err := os.WriteFile(captured, []byte("no log at all, but long enough to be one"), 0o666); err != nil {
		t.Fatal(err)
	}
	floeFails(t, exitFailed, "invalid wal header", "wal", captured)
}

func TestWALFramesAreListed(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	path := filepath.Join(t.TempDir(), "app.db")
	floeDone(t, "sync", path, "--from", srv.URL)
	cmd := command(t, "sync", path, "--from", srv.URL, "--json", "--watch")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fill(t, srv, 2)
	for out, last := bufio.NewReader(pipe), srv.FrameNo(t); line(t, out)["frame_no"] != number(last); {
	}
	// While the watch runs, its writes are in the log.
	got := floeJSON(t, "wal", path+"-wal", "--frames")
	list, _ := got["frames"].([]any)
	if n, _ := got["valid_frames"].(json.Number).Int64(); n == 0 || n != int64(len(list)) || got["end"] != "clean" {
		t.Errorf("%d frames listed of a log that is %v", len(list), got)
	}
	if text := floeDone(t, "wal", path+"-wal", "--frames"); !strings.Contains(text, "commit, ") {
		t.Errorf("no commit in the list:\n%s", text)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after the signal: %v", err)
	}
}

func TestSyncEveryIntervalEndsWhereNoFurtherTryHelps(t *testing.T) {
	const invalidArgument, internal = "3", 13
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "application/grpc-web")
		w.Header().Set("grpc-status", invalidArgument)
		w.Header().Set("grpc-message", "no")
	}))
	defer srv.Close()
	floeFails(t, exitFailed, "refuses the request", "sync", filepath.Join(t.TempDir(), "app.db"), "--from", srv.URL, "--interval", "10ms")
	if err := error(&floe.StatusError{Code: internal}); !passing(err) {
		t.Errorf("status %d is not tried again: %v", internal, err)
	}
}
