package replicator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/liar"
	"github.com/floedb/floe/internal/mutate"
)

func TestMutatedPagesAreAppliedOrRefused(t *testing.T) { applyMutated(t, 100, 1) }

func TestTortureMutatedPages(t *testing.T) {
	if os.Getenv("FLOE_TORTURE") != "1" {
		t.Skip("FLOE_TORTURE=1 runs it: 20,000 logs")
	}
	applyMutated(t, 20_000, uint64(time.Now().UnixNano()))
}

// applyMutated offers logs whose pages are damaged and whose checksums hold, so that a replica must take them for what
// the primary committed, or refuse what would leave no database.
func applyMutated(t *testing.T, cases int, seed uint64) {
	t.Logf("seed %d", seed)
	if testing.Short() {
		cases /= 4
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	log := liar.Write(t, 1, "CREATE TABLE a(id INTEGER PRIMARY KEY, x, pad); CREATE INDEX ax ON a(x)", "CREATE TABLE b(x, y, PRIMARY KEY(x)) WITHOUT ROWID",
		"INSERT INTO a(x, pad) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT i % 7, zeroblob(i * 60) FROM n",
		"CREATE VIEW v AS SELECT x FROM a; CREATE TABLE many(c1, c2, c3, c4)", "INSERT INTO b SELECT id, x FROM a", "DELETE FROM a WHERE id % 3 = 0",
		"DROP TABLE many; CREATE TABLE more(x)")
	dir := t.TempDir()
	refused := 0
	for n := range cases {
		rnd := rand.New(rand.NewPCG(seed, uint64(n)))
		half := 0 // frames that are applied as they are: a new database is built, one that exists is changed
		if commits := log.Commits(); n%3 > 0 {
			half = commits[rnd.IntN(len(commits)-1)]
		}
		rest := liar.Chain(liar.Sum(log.Frames[:half]), mutatedPages(rnd, log.Frames[half:]))
		path := filepath.Join(dir, fmt.Sprintf("%d.db", n%50))
		var err error
		peak := liar.HeapPeak(func() { err = applyOne(t, path, log, half, rest) })
		switch {
		case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errPanicked):
			t.Fatalf("seed %d, case %d: %v", seed, n, err)
		case err != nil:
			refused++
		}
		if peak > 128<<20 {
			t.Errorf("seed %d, case %d: it took %d MB", seed, n, peak>>20)
		}
	}
	t.Logf("%d of %d logs were refused", refused, cases)
}

// mutatedPages damages the pages of one to three frames.
func mutatedPages(rnd *rand.Rand, fs []frames.Frame) []frames.Frame {
	out := append([]frames.Frame(nil), fs...)
	for range 1 + rnd.IntN(3) {
		i := rnd.IntN(len(out))
		if rnd.IntN(4) == 0 { // page 1 is where most depends on
			for j, f := range out {
				if f.PageNo() == 1 && rnd.IntN(3) == 0 {
					i = j
				}
			}
		}
		out[i] = liar.EditPage(out[i], func(p []byte) { mutate.Page(rnd, p, out[i].PageNo() == 1) })
	}
	return out
}

var errPanicked = errors.New("panic")

// applyOne applies a log in two parts and uses what comes of it.
func applyOne(t *testing.T, path string, log liar.Log, half int, rest []frames.Frame) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanicked, p, debug.Stack())
		}
	}()
	for _, suffix := range []string{"", "-wal", "-shm", positionSuffix, lockSuffix} {
		if err := os.RemoveAll(path + suffix); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a net
	defer cancel()
	r, err := Open(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if half > 0 {
		if _, err := r.ApplyFrames(ctx, log.ID, log.Frames[:half]); err != nil {
			t.Fatal(err)
		}
	}
	before := r.Position()
	var first error
	for len(rest) > 0 && first == nil { // transaction by transaction
		n := 1
		for !rest[n-1].IsCommit() {
			n++
		}
		if _, first = r.ApplyFrames(ctx, log.ID, rest[:n]); first != nil && r.Position() != before {
			return fmt.Errorf("%w: the position went from %v to %v with %w", errPanicked, before, r.Position(), first)
		}
		before, rest = r.Position(), rest[n:]
	}
	useMutated(ctx, path)
	_, again := r.Sync(ctx) // there is no server: it opens the files anew and says so
	if errors.Is(again, context.DeadlineExceeded) {
		return again
	}
	return first
}

// useMutated reads the file as programs do. What it finds may be damaged: only its end matters.
func useMutated(ctx context.Context, path string) {
	conn, err := engine.Open(path, engine.OpenReadOnly)
	if err != nil {
		return
	}
	defer conn.Close()
	for _, sql := range []string{"SELECT * FROM sqlite_schema", "SELECT * FROM a ORDER BY x", "SELECT * FROM b", "SELECT * FROM v", "PRAGMA integrity_check(5)"} {
		_ = conn.Query(ctx, sql, nil, func(*engine.Stmt) error { return nil })
	}
}
