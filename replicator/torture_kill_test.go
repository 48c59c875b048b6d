package replicator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// Variables that turn the test binary into a child that a test kills.
const (
	childEnv       = "FLOE_TEST_CHILD" // what to do: childSync or childFreeze
	childPathEnv   = "FLOE_TEST_CHILD_PATH"
	childRemoteEnv = "FLOE_TEST_CHILD_REMOTE"

	childSync   = "sync"
	childFreeze = "freeze"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := runChild(mode); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// runChild is the child's life: it writes a line when it begins what the parent
// may kill it in, and ends with the parent, whose end closes its standard input.
func runChild(mode string) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	r, err := Open(Config{Path: os.Getenv(childPathEnv), Remote: Remote{URL: os.Getenv(childRemoteEnv)}})
	if err != nil {
		return err
	}
	ctx := context.Background()
	if mode == childFreeze {
		if _, err := r.Sync(ctx); err != nil {
			return err
		}
		fmt.Println("freezing")
		_, err := r.Seal(ctx)
		return err
	}
	fmt.Println("syncing")
	for {
		if _, err := r.Sync(ctx); err != nil {
			return err
		}
	}
}

// killChild starts a child and kills it some time after it has begun. It fails
// the test when the child ended by itself with an error.
func killChild(t *testing.T, mode, path, remote string, after time.Duration) {
	t.Helper()
	cmd := sqldtest.Self(t.Context())
	cmd.Env = append(os.Environ(), childEnv+"="+mode, childPathEnv+"="+path, childRemoteEnv+"="+remote)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr lockedBuffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err == nil {
		time.Sleep(after)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if said := stderr.String(); said != "" {
		t.Fatalf("the child failed before it was killed:\n%s", said)
	}
}

// lockedBuffer is a buffer for the output of a process.
type lockedBuffer struct {
	mu  sync.Mutex
	buf []byte
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p...)
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.buf)
}

// ledger is a primary whose two tables agree in every committed state, and which
// commits all the time but while it is paused.
type ledger struct {
	srv *sqldtest.Server
	mu  sync.Mutex // held by whoever wants no commit
}

const (
	ledgerSchema = "CREATE TABLE %s(id INTEGER PRIMARY KEY, v INTEGER, pad BLOB)"
	ledgerFill   = "INSERT INTO %s(v, pad) SELECT id, randomblob(800) FROM (WITH RECURSIVE c(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM c WHERE id < %d) SELECT id FROM c)"
	ledgerAdd    = "INSERT INTO %s(v, pad) VALUES (%d, randomblob(%d))"
	ledgerMove   = "UPDATE %s SET v = v + %d, pad = randomblob(800) WHERE id = %d"
	ledgerDrop   = "DELETE FROM %s WHERE id %% 97 = %d"
	ledgerAgrees = `SELECT CASE WHEN (SELECT count(*) FROM sqlite_schema) = 0 THEN 'empty'
		WHEN (SELECT total(v) FROM a) = (SELECT total(v) FROM b) AND (SELECT count(*) FROM a) = (SELECT count(*) FROM b) THEN 'agree'
		ELSE 'disagree' END`
)

// newLedger fills srv with rows of about 1 KB in each table.
func newLedger(t *testing.T, srv *sqldtest.Server, rows int) *ledger {
	t.Helper()
	l := &ledger{srv: srv}
	l.create(t, rows)
	return l
}

func (l *ledger) create(t *testing.T, rows int) {
	t.Helper()
	l.srv.Transaction(t,
		fmt.Sprintf(ledgerSchema, "a"), fmt.Sprintf(ledgerSchema, "b"),
		fmt.Sprintf(ledgerFill, "a", rows), fmt.Sprintf(ledgerFill, "b", rows))
}

// commit makes one transaction that keeps the tables in agreement.
func (l *ledger) commit(rnd *rand.Rand) error {
	both := func(format string, args ...any) []string {
		return []string{fmt.Sprintf(format, append([]any{"a"}, args...)...), fmt.Sprintf(format, append([]any{"b"}, args...)...)}
	}
	switch rnd.IntN(8) {
	case 0:
		return l.srv.TryTransaction(both(ledgerDrop, rnd.IntN(97))...)
	case 1, 2:
		return l.srv.TryTransaction(both(ledgerMove, rnd.IntN(100), 1+rnd.IntN(100))...)
	}
	return l.srv.TryTransaction(both(ledgerAdd, rnd.IntN(1000), rnd.IntN(6000))...)
}

// run commits until stop is called.
func (l *ledger) run(t *testing.T, seed uint64) (stop func()) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			l.mu.Lock()
			err := l.commit(rnd)
			l.mu.Unlock()
			if err != nil {
				t.Error("writer:", err)
				return
			}
			time.Sleep(time.Millisecond) // lets whoever wants a pause have it
		}
	})
	return func() { cancel(); wg.Wait() }
}

// checkLedger fails unless the file, where there is one, is a state that the
// ledger once committed.
func checkLedger(t *testing.T, path, when string) {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return
	}
	if got := queryText(t, path, ledgerAgrees); got != "agree" && !(got == "empty" && isFresh(path)) {
		t.Fatalf("%s: the tables of %s %s; position %v", when, path, got, positionText(path))
	}
	if got := queryText(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Fatalf("%s: integrity_check of %s: %s", when, path, got)
	}
}

// isFresh tells whether the replica at path has no frame yet.
func isFresh(path string) bool {
	p, err := PositionOf(path)
	return err == nil && !p.HasFrame
}

func positionText(path string) string {
	rec, err := readPosition(path + positionSuffix)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%v, %d in flight", rec.Position, rec.inFlight)
}

// settleReplica syncs what a kill left and fails unless it becomes page-equal.
func settleReplica(t *testing.T, path string, srv *sqldtest.Server) {
	t.Helper()
	r, err := Open(Config{Path: path, Remote: Remote{URL: srv.URL}})
	if err != nil {
		t.Fatal(err)
	}
	_, syncErr := r.Sync(t.Context())
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if syncErr != nil {
		t.Fatalf("sync after a kill: %v; position %s", syncErr, positionText(path))
	}
	checkEqual(t, path, srv)
}

func TestKilledSyncsLeaveAWholeReplica(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 5
	}
	killSyncs(t, kills, 1)
}

func TestTortureKill(t *testing.T) {
	if os.Getenv("FLOE_TORTURE") != "1" {
		t.Skip("FLOE_TORTURE=1 runs it: several minutes")
	}
	killSyncs(t, 500, uint64(time.Now().UnixNano()))
}

// killSyncs kills syncs of four kinds in turn: later ones, first ones, ones after
// the primary was replaced, and ones from a server that hands out snapshots.
func killSyncs(t *testing.T, kills int, seed uint64) {
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	main := newLedger(t, sqldtest.Start(t), 1500)
	compacting := newLedger(t, sqldtest.Start(t, sqldtest.WithMaxLogSize(1)), 600)
	dir := t.TempDir()
	later, snapped := filepath.Join(dir, "later.db"), filepath.Join(dir, "snapped.db")
	stop := []func(){main.run(t, seed), compacting.run(t, seed+1)}
	for n := range kills {
		l, path := main, later
		switch n % 4 {
		case 1:
			path = filepath.Join(dir, fmt.Sprintf("first%d.db", n))
		case 2:
			l.mu.Lock()
			l.srv.Wipe(t)
			l.create(t, 400+rnd.IntN(800))
			l.mu.Unlock()
		case 3:
			l, path = compacting, snapped
		}
		after := time.Duration(rnd.IntN(80_000)) * time.Microsecond
		killChild(t, childSync, path, l.srv.URL, after)
		checkLedger(t, path, fmt.Sprintf("seed %d, kill %d after %v", seed, n, after))
		if rnd.IntN(3) == 0 {
			l.mu.Lock()
			settleReplica(t, path, l.srv)
			l.mu.Unlock()
		}
	}
	for _, f := range stop {
		f()
	}
	settleReplica(t, later, main.srv)
	settleReplica(t, snapped, compacting.srv)
}

func TestKilledFreezeLeavesAReplicaOrAFrozenDatabase(t *testing.T) {
	kills := 12
	if testing.Short() {
		kills = 4
	}
	killFreezes(t, kills, 1)
}

func TestTortureKillFreeze(t *testing.T) {
	if os.Getenv("FLOE_TORTURE") != "1" {
		t.Skip("FLOE_TORTURE=1 runs it: several minutes")
	}
	killFreezes(t, 200, uint64(time.Now().UnixNano()))
}

func killFreezes(t *testing.T, kills int, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	l := newLedger(t, sqldtest.Start(t), 800)
	dir := t.TempDir()
	frozen := 0
	for n := range kills {
		path := filepath.Join(dir, fmt.Sprintf("%d.db", n))
		after := time.Duration(rnd.IntN(5_000)) * time.Microsecond
		killChild(t, childFreeze, path, l.srv.URL, after)
		checkLedger(t, path, fmt.Sprintf("seed %d, kill %d after %v", seed, n, after))
		if _, err := ReadOrigin(path); err != nil {
			settleReplica(t, path, l.srv)
			continue
		}
		frozen++
		checkFrozen(t, path)
	}
	t.Logf("seed %d: %d of %d kills left a frozen database", seed, frozen, kills)
}

// checkFrozen fails unless the file at path is no replica any more, for anybody.
func checkFrozen(t *testing.T, path string) {
	t.Helper()
	if r, err := Open(Config{Path: path}); !errors.Is(err, ErrFrozen) {
		t.Fatalf("open a frozen replica: %v, %v; want %v", r, err, ErrFrozen)
	}
	if role, err := RoleOf(path); role != RoleFrozen || err != nil {
		t.Fatalf("role %v, %v; want %v", role, err, RoleFrozen)
	}
	if err := FinishSeal(path); err != nil {
		t.Fatal("finish:", err)
	}
	for _, suffix := range []string{positionSuffix, lockSuffix, originSuffix + ".tmp"} {
		if _, err := os.Stat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after FinishSeal there is %s: %v", suffix, err)
		}
	}
	checkLedger(t, path, "after FinishSeal")
	conn, err := engine.Open(path, engine.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec(t.Context(), "CREATE TABLE own(x); INSERT INTO own VALUES (1)"); err != nil {
		t.Error("write to the frozen database:", err)
	}
}
