package replicator

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/floedb/floe/internal/sqldtest"
)

// What was spilled of a snapshot that turned out damaged may lie on pages which
// the next try does not write.
func TestNewDatabaseBeginsAnewAfterADoubtfulPart(t *testing.T) {
	for _, doubtful := range []bool{false, true} {
		b, err := newBuilder(osFS{}, filepath.Join(t.TempDir(), "replica.db"))
		if err != nil {
			t.Fatal(err)
		}
		b.anew = doubtful
		var pages pageSet
		pages.set(1, make([]byte, 4096))
		if err := b.apply(&pages, 7, 1); err != nil {
			t.Fatal(err)
		}
		if err := b.spill(&pages); err != nil {
			t.Fatal(err)
		}
		b.abort()
		if b.usable() || b.any != !doubtful {
			t.Errorf("doubtful %v: usable %v, with frames %v; want false, %v", doubtful, b.usable(), b.any, !doubtful)
		}
		if err := b.discard(); err != nil {
			t.Error(err)
		}
	}
}

// recoverFrom puts a crash's files into a new directory and fails unless the
// replica there is whole, and a sync makes it page-equal.
func recoverFrom(t *testing.T, c crash, srv *sqldtest.Server) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "crash")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for name, content := range c.files {
		if strings.HasSuffix(name, "-shm") {
			continue // memory: it does not survive
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "replica.db")
	checkLedger(t, path, c.what)
	r, err := Open(Config{Path: path, Remote: Remote{URL: srv.URL}})
	if err != nil {
		t.Fatalf("%s: open: %v", c.what, err)
	}
	_, syncErr := r.Sync(t.Context())
	if err := r.Close(); err != nil {
		t.Fatalf("%s: close: %v", c.what, err)
	}
	if syncErr != nil {
		t.Fatalf("%s: sync: %v; position %s", c.what, syncErr, positionText(path))
	}
	if diff := sqldtest.DiffPages(image(t, path), srv.PrimaryImage(t)); diff != "" {
		t.Fatalf("%s: replica and primary differ: %s", c.what, diff)
	}
	checkLedger(t, path, c.what+", after a sync")
}

func recoverFromAll(t *testing.T, all []crash, srv *sqldtest.Server) {
	t.Helper()
	tried := map[string]bool{}
	for _, c := range all {
		key := fingerprint(c)
		if tried[key] {
			continue
		}
		tried[key] = true
		recoverFrom(t, c, srv)
	}
	t.Logf("%d crashes, %d of them different", len(all), len(tried))
}

func fingerprint(c crash) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		fmt.Fprintf(&b, "%s %d\n%s", name, len(c.files[name]), c.files[name])
	}
	return b.String()
}

// syncCrashes syncs a replica in dir and gives the states that a loss of power
// can leave at each moment before SQLite has the new database.
func syncCrashes(t *testing.T, dir string, srv *sqldtest.Server) []crash {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 1))
	d := newDisk(t, dir)
	var all []crash
	d.event = func(what string) { all = append(all, d.crashes(what, rnd)...) }
	r := openAt(t, srv, dir, d)
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
	return all
}

func openAt(t *testing.T, srv *sqldtest.Server, dir string, fsys fileSystem) *Replicator {
	t.Helper()
	return open(t, Config{Path: filepath.Join(dir, "replica.db"), Remote: Remote{URL: srv.URL}, fs: fsys})
}

func TestPowerLossInAFirstSync(t *testing.T) {
	l := newLedger(t, sqldtest.Start(t), 60)
	recoverFromAll(t, syncCrashes(t, t.TempDir(), l.srv), l.srv)
}

// The log that a deleted database left belongs to it: recovered into the new
// database it would ruin it.
func TestPowerLossInAFirstSyncBesideTheLogOfADeletedDatabase(t *testing.T) {
	l := newLedger(t, sqldtest.Start(t), 60)
	dir := t.TempDir()
	path := filepath.Join(dir, "replica.db")
	r, err := Open(Config{Path: path, Remote: Remote{URL: l.srv.URL}})
	if err != nil {
		t.Fatal(err)
	}
	mustSync(t, r)
	commitSome(t, l, 10)
	mustSync(t, r)
	left := copied(t, dir)["replica.db-wal"]
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if len(left) == 0 {
		t.Fatal("the replica has no write-ahead log to leave")
	}
	l.srv.Wipe(t)
	l.create(t, 100)
	for _, name := range []string{path, path + buildSuffix} {
		if err := os.WriteFile(name+"-wal", left, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	recoverFromAll(t, syncCrashes(t, dir, l.srv), l.srv)
}

func commitSome(t *testing.T, l *ledger, n int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(2, uint64(n)))
	for range n {
		if err := l.commit(rnd); err != nil {
			t.Fatal(err)
		}
	}
}

// copied reads the files of a directory through another process: closing a file
// that SQLite has open would drop SQLite's locks in this one.
func copied(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "-r", dir, to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v: %s", dir, err, out)
	}
	defer os.RemoveAll(to)
	return readDir(t, to)
}

// recorder takes a copy of a replica's directory at each write of the position
// file: what SQLite has written until then.
type recorder struct {
	osFS
	t      *testing.T
	dir    string
	states []state
}

// state is what a directory held just before a write of the position file.
type state struct {
	files map[string][]byte
	next  []byte // the position about to be written
}

func (r *recorder) OpenFile(name string, flag int, like string) (file, error) {
	f, err := r.osFS.OpenFile(name, flag, like)
	if err != nil || !strings.HasSuffix(name, positionSuffix) {
		return f, err
	}
	return &recordedFile{file: f, rec: r}, nil
}

func (r *recorder) note(next []byte) {
	r.states = append(r.states, state{files: copied(r.t, r.dir), next: bytes.Clone(next)})
}

type recordedFile struct {
	file
	rec *recorder
}

func (f *recordedFile) WriteAt(p []byte, off int64) (int, error) {
	f.rec.note(p)
	return f.file.WriteAt(p, off)
}

const (
	dbFile, walFile = "replica.db", "replica.db-wal"
	positionName    = dbFile + positionSuffix
)

// crashesBetween gives states that a loss of power can leave between two copies:
// what SQLite has written in between to its log, then to the database, is there
// in part. The position is durable before SQLite commits, but not after.
func crashesBetween(what string, a, b state, rnd *rand.Rand) []crash {
	var out []crash
	add := func(how string, position, db, wal []byte) {
		out = append(out, crash{
			what:  what + ", " + how,
			files: map[string][]byte{positionName: position, dbFile: db, walFile: wal},
		})
	}
	posA, posB := a.next, b.next
	dbA, dbB, walA, walB := a.files[dbFile], b.files[dbFile], a.files[walFile], b.files[walFile]
	for i, wal := range mixes(walA, walB, rnd) {
		add(fmt.Sprintf("log mixed, %d", i), posA, dbA, wal)
	}
	for i, db := range mixes(dbA, dbB, rnd) {
		add(fmt.Sprintf("database mixed, %d", i), posA, db, walB)
	}
	add("before the position", a.files[positionName], dbA, walA)
	add("position lost", posA, dbB, walB)
	add("position written", posB, dbB, walB)
	return out
}

// mixes gives contents of a file between two versions of it, sector by sector:
// the first sectors of the new one over the old one, for ends spread over what
// differs, and any sectors.
func mixes(old, new []byte, rnd *rand.Rand) [][]byte {
	first, last := differingSectors(old, new)
	if first == last {
		return nil
	}
	var out [][]byte
	const cuts, random = 6, 5
	for i := range cuts + 1 {
		end := first + (last-first)*i/cuts
		out = append(out, mix(old, new, func(n int) bool { return n < end }))
	}
	for range random {
		out = append(out, mix(old, new, func(n int) bool { return n < first || rnd.IntN(2) == 0 }))
	}
	return out
}

// differingSectors gives the first sector that differs and the one after the last.
func differingSectors(old, new []byte) (first, last int) {
	sectors := (max(len(old), len(new)) + sectorSize - 1) / sectorSize
	for n := range sectors {
		if !bytes.Equal(sector(old, n), sector(new, n)) {
			if last == 0 {
				first = n
			}
			last = n + 1
		}
	}
	return first, last
}

func sector(b []byte, n int) []byte {
	return b[min(len(b), n*sectorSize):min(len(b), (n+1)*sectorSize)]
}

func mix(old, new []byte, fromNew func(sector int) bool) []byte {
	out := bytes.Clone(old)
	for n := 0; n*sectorSize < len(new); n++ {
		if !fromNew(n) {
			continue
		}
		part := sector(new, n)
		if grow := n*sectorSize + len(part) - len(out); grow > 0 {
			out = append(out, make([]byte, grow)...)
		}
		copy(out[n*sectorSize:], part)
	}
	return out
}

// checkPowerLoss syncs once and tries the crashes between what was copied.
func checkPowerLoss(t *testing.T, r *Replicator, rec *recorder, srv *sqldtest.Server) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(3, 3))
	rec.states = nil
	mustSync(t, r)
	if len(rec.states) < 2 {
		t.Fatalf("the sync wrote %d positions, want one before and one after the commit", len(rec.states))
	}
	var all []crash
	for i := range len(rec.states) - 1 {
		all = append(all, crashesBetween(fmt.Sprintf("between copies %d and %d", i, i+1), rec.states[i], rec.states[i+1], rnd)...)
	}
	recoverFromAll(t, all, srv)
}

func recorded(t *testing.T, srv *sqldtest.Server) (*Replicator, *recorder) {
	t.Helper()
	rec := &recorder{t: t, dir: t.TempDir()}
	r := openAt(t, srv, rec.dir, rec)
	mustSync(t, r)
	return r, rec
}

func TestPowerLossInALaterSync(t *testing.T) {
	l := newLedger(t, sqldtest.Start(t), 60)
	r, rec := recorded(t, l.srv)
	for round := range 4 {
		commitSome(t, l, 6)
		if round == 2 { // the next commit begins the log anew
			inSession(t, r, func(s *session) error { return s.applier.checkpoint() })
		}
		checkPowerLoss(t, r, rec, l.srv)
	}
}

func inSession(t *testing.T, r *Replicator, f func(*session) error) {
	t.Helper()
	if err := r.offline(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func TestPowerLossInASyncLargerThanMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it moves gigabytes")
	}
	l := newLedger(t, sqldtest.Start(t), 60)
	r, rec := recorded(t, l.srv)
	l.srv.Transaction(t, fmt.Sprintf(ledgerFill, "a", 4500), fmt.Sprintf(ledgerFill, "b", 4500))
	checkPowerLoss(t, r, rec, l.srv)
}

func TestPowerLossAfterThePrimaryWasReplaced(t *testing.T) {
	l := newLedger(t, sqldtest.Start(t), 200)
	r, rec := recorded(t, l.srv)
	l.srv.Wipe(t)
	l.create(t, 60)
	commitSome(t, l, 6)
	checkPowerLoss(t, r, rec, l.srv)
}

func TestPowerLossInACheckpoint(t *testing.T) {
	l := newLedger(t, sqldtest.Start(t), 60)
	r, rec := recorded(t, l.srv)
	commitSome(t, l, 20)
	mustSync(t, r)
	before := state{files: copied(t, rec.dir)}
	before.next = before.files[positionName]
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	after := state{files: readDir(t, rec.dir), next: before.next}
	var all []crash
	for i, db := range mixes(before.files[dbFile], after.files[dbFile], rand.New(rand.NewPCG(4, 4))) {
		files := maps.Clone(before.files)
		files[dbFile] = db
		all = append(all, crash{what: fmt.Sprintf("database mixed, %d", i), files: files})
	}
	if len(all) == 0 {
		t.Fatal("closing the replica wrote nothing into the database")
	}
	recoverFromAll(t, all, l.srv)
}

// What the tests above take for granted: a commit is durable when it returns.
func TestCommitsOfASyncAreDurable(t *testing.T) {
	r, _ := recorded(t, newLedger(t, sqldtest.Start(t), 10).srv)
	var got int64
	inSession(t, r, func(s *session) (err error) {
		got, err = s.applier.pragma("synchronous")
		return err
	})
	const full = 2
	if got != full {
		t.Errorf("PRAGMA synchronous is %d, want %d (FULL)", got, full)
	}
}

// The frames in flight of a log that is gone say nothing about the next log.
func TestReplacedPrimaryIsFollowedAfterACrash(t *testing.T) {
	l := newLedger(t, sqldtest.Start(t), 300)
	r, rec := recorded(t, l.srv)
	commitSome(t, l, 6)
	rec.states = nil
	mustSync(t, r)
	during := rec.states[0]
	l.srv.Wipe(t)
	l.create(t, 20)
	recoverFrom(t, crash{"crash before a commit, primary replaced", map[string][]byte{
		positionName: during.next, dbFile: during.files[dbFile], walFile: during.files[walFile],
	}}, l.srv)
}
