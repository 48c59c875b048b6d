package sqldtest

import (
	"crypto/ed25519"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQueryGivesBackEveryKindOfValue(t *testing.T) {
	s := Start(t)
	s.Exec(t, "CREATE TABLE v(a, b, c, d, e)")
	s.ExecArgs(t, "INSERT INTO v VALUES (?, ?, ?, ?, ?)", nil, int64(-1)<<63, 2.5, "naïve \x00 text", []byte{0, 1, 255})
	s.ExecArgs(t, "INSERT INTO v VALUES (?, ?, ?, ?, ?)", true, 7, -0.125, "", []byte{})
	want := [][]any{
		{nil, int64(-1) << 63, 2.5, "naïve \x00 text", []byte{0, 1, 255}},
		{int64(1), int64(7), -0.125, "", []byte{}},
	}
	if diff := cmp.Diff(want, s.Query(t, "SELECT * FROM v ORDER BY rowid")); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
}

func TestTryExecNamesTheStatementThatFailed(t *testing.T) {
	s := Start(t)
	err := s.TryExec("CREATE TABLE t(a)", "INSERT INTO nowhere VALUES (1)", "INSERT INTO t VALUES (1)")
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("error is %v, want an *Error", err)
	}
	if want := "INSERT INTO nowhere VALUES (1)"; failed.SQL != want {
		t.Errorf("error names %q, want %q", failed.SQL, want)
	}
	wantCount(t, s, 1)
}

func TestTransactionThatFailsLeavesNothing(t *testing.T) {
	s := Start(t)
	s.Exec(t, "CREATE TABLE t(a UNIQUE)")
	err := s.TryTransaction("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("error is %v, want an *Error", err)
	}
	wantCount(t, s, 0)
}

func TestTransactionIsOneCommit(t *testing.T) {
	s := Start(t)
	s.Exec(t, "CREATE TABLE t(a)")
	before := s.FrameNo(t)
	s.Transaction(t, "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)")
	if got, want := s.FrameNo(t), before+1; got != want {
		t.Errorf("three inserts into one page in one transaction end at frame %d, want %d", got, want)
	}
	wantCount(t, s, 3)
}

func TestFrameNoSurvivesARestart(t *testing.T) {
	s := Start(t)
	if no, err := s.TryFrameNo(); err == nil {
		t.Errorf("an empty database has frame number %d, want an error", no)
	}
	s.Exec(t, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	before := s.FrameNo(t)
	s.Restart(t)
	if after := s.FrameNo(t); after != before {
		t.Errorf("frame number is %d after a restart, was %d", after, before)
	}
}

func TestRestartKeepsAddressAndData(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(*Server)
	}{{"stop", (*Server).Stop}, {"kill", (*Server).Kill}} {
		t.Run(tc.name, func(t *testing.T) {
			s := Start(t)
			s.Exec(t, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
			tc.end(s)
			if err := s.TryExec("SELECT 1"); err == nil {
				t.Error("a server that was ended still answers")
			}
			s.Restart(t)
			wantCount(t, s, 1)
		})
	}
}

func TestWipeGivesAnEmptyDatabase(t *testing.T) {
	s := Start(t, WithNamespaces())
	s.Exec(t, "CREATE TABLE t(a)")
	s.Wipe(t)
	if rows := s.Query(t, "SELECT name FROM sqlite_schema"); len(rows) != 0 {
		t.Errorf("schema after Wipe is %v, want none", rows)
	}
}

func TestWithDirKeepsTheDataAfterTheServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	t.Run("write", func(t *testing.T) {
		Start(t, WithDir(dir)).Exec(t, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	})
	wantCount(t, Start(t, WithDir(dir)), 1)
}

func TestNamespacesAreSeparateDatabases(t *testing.T) {
	s := Start(t, WithNamespaces())
	s.CreateNamespace(t, "other")
	other := s.In("other")
	s.Exec(t, "CREATE TABLE t(a)")
	other.Exec(t, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	wantCount(t, s, 0)
	wantCount(t, other, 1)
	if _, err := os.Stat(s.DataPath("other")); err != nil {
		t.Errorf("database file of the namespace: %v", err)
	}
	var refused *StatusError
	if err := s.In("missing").TryExec("SELECT 1"); !errors.As(err, &refused) || refused.Code != http.StatusNotFound {
		t.Errorf("a namespace that does not exist answers %v, want status 404", err)
	}
}

func TestHostURLNamesTheNamespace(t *testing.T) {
	s := Start(t, WithNamespaces())
	s.CreateNamespace(t, "other")
	s.In("other").Exec(t, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)")
	const body = `{"requests":[{"type":"execute","stmt":{"sql":"SELECT 'rows:' || count(*) FROM t"}},{"type":"close"}]}`
	res, err := s.HTTPClient().Post(s.In("other").HostURL()+"/v3/pipeline", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got strings.Builder
	if err := res.Write(&got); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.String(), "rows:1") {
		t.Errorf("answer holds no rows:1:\n%s", &got)
	}
}

func TestServerWithJWTTakesOnlyItsOwnTokens(t *testing.T) {
	s := Start(t, WithJWT())
	s.Exec(t, "CREATE TABLE t(a)")
	_, foreign, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, token, sql string
		want             int
	}{
		{"own", s.Token(), "INSERT INTO t VALUES (1)", http.StatusOK},
		{"none", "", "SELECT 1", http.StatusUnauthorized},
		{"foreign", SignToken(foreign), "SELECT 1", http.StatusUnauthorized},
		{"expired", s.Token(Expires(time.Now().Add(-time.Hour))), "SELECT 1", http.StatusUnauthorized},
		{"not yet expired", s.Token(Expires(time.Now().Add(time.Hour))), "SELECT 1", http.StatusOK},
		{"read only", s.Token(ReadOnly()), "SELECT count(*) FROM t", http.StatusOK},
		{"for this namespace", s.Token(ForNamespace("default")), "SELECT 1", http.StatusOK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := statusWithToken(t, s, tc.token, tc.sql); got != tc.want {
				t.Errorf("status %d, want %d", got, tc.want)
			}
		})
	}
}

func TestReadOnlyTokenCannotWrite(t *testing.T) {
	s := Start(t, WithJWT())
	s.Exec(t, "CREATE TABLE t(a)")
	statusWithToken(t, s, s.Token(ReadOnly()), "INSERT INTO t VALUES (1)")
	wantCount(t, s, 0)
}

func TestMaxLogSizeMakesTheServerTakeSnapshots(t *testing.T) {
	s := Start(t, WithMaxLogSize(1))
	s.Exec(t, "CREATE TABLE t(a)")
	deadline := time.Now().Add(time.Minute)
	for range 400 {
		s.Exec(t, "INSERT INTO t VALUES (randomblob(20000))")
		if found, err := filepath.Glob(filepath.Join(s.SnapshotDir(DefaultNamespace), "*.snap")); err != nil {
			t.Fatal(err)
		} else if len(found) > 0 {
			return
		}
		if time.Now().After(deadline) {
			break
		}
	}
	t.Error("no snapshot file after the log outgrew its bound")
}

func TestServerEndsWithTheTest(t *testing.T) {
	var s *Server
	t.Run("inner", func(t *testing.T) { s = Start(t) })
	if healthy(s.Addr) {
		t.Errorf("the server at %s still answers after its test ended", s.Addr)
	}
}

// TestServerEndsWithAKilledTestProcess runs the test binary again, kills it, and looks for its server.
func TestServerEndsWithAKilledTestProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a parent-death signal")
	}
	serverBinary(t)
	addrFile := filepath.Join(t.TempDir(), "addr")
	if os.Getenv("FLOE_TEST_EXEC") != "" {
		t.Skip("an emulator does not pass the parent-death signal on")
	}
	cmd := Self(t.Context(), "-test.run=^TestHelperServer$")
	cmd.Env = append(os.Environ(), "SQLDTEST_ADDR_FILE="+addrFile)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	waitFor(t, "the inner server's address", func() bool {
		b, err := os.ReadFile(addrFile)
		addr = string(b)
		return err == nil && addr != ""
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the inner test process ended well, want it killed")
	}
	waitFor(t, "the end of the inner server", func() bool { return !healthy(addr) })
}

// TestHelperServer is the process that the test above kills.
func TestHelperServer(t *testing.T) {
	path := os.Getenv("SQLDTEST_ADDR_FILE")
	if path == "" {
		t.Skip("only run by TestServerEndsWithAKilledTestProcess")
	}
	s := Start(t)
	if err := os.WriteFile(path, []byte(s.Addr), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
}

func TestBrokenServerFailsTheStartWithItsOutput(t *testing.T) {
	p := &process{bin: serverBinary(t), dir: t.TempDir(), args: []string{"--no-such-flag"}}
	err := p.startOnFreePorts()
	if !errors.Is(err, errExited) || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("error is %v, want %v with the server's output", err, errExited)
	}
}

func statusWithToken(t *testing.T, s *Server, token, sql string) int {
	t.Helper()
	body := `{"requests":[{"type":"execute","stmt":{"sql":"` + sql + `"}},{"type":"close"}]}`
	req, err := http.NewRequest(http.MethodPost, s.URL+"/v3/pipeline", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("authorization", "Bearer "+token)
	}
	res, err := s.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func wantCount(t *testing.T, s *Server, want int64) {
	t.Helper()
	if diff := cmp.Diff([][]any{{want}}, s.Query(t, "SELECT count(*) FROM t")); diff != "" {
		t.Errorf("rows in t differ (-want +got):\n%s", diff)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(pollInterval) {
		if time.Now().After(deadline) {
			t.Fatalf("no sign of %s within a minute", what)
		}
	}
}
