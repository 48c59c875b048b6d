package replicator

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/liar"
	"github.com/floedb/floe/internal/sqldtest"
)

// inFirst is a lie in each page 1, of a snapshot too, with checksums that hold.
func inFirst(edit func(page []byte)) liar.PrimaryLie {
	return liar.PrimaryLie{Frames: func(a *liar.Answer) { a.Frames = editFirst(a.Prev, a.Frames, edit) }}
}

func editFirst(prev uint64, fs []frames.Frame, edit func(page []byte)) []frames.Frame {
	fs = slices.Clone(fs)
	for i, f := range fs {
		if f.PageNo() == 1 {
			fs[i] = liar.EditPage(f, edit)
		}
	}
	return liar.Chain(prev, fs)
}

func addTo(p []byte, off int, n uint32) {
	binary.BigEndian.PutUint32(p[off:], binary.BigEndian.Uint32(p[off:])+n)
}

// firstPages are ways in which a page 1 leaves no database behind. Some show only in
// one that was there before.
var firstPages = []struct {
	name  string
	later bool
	edit  func(page []byte)
}{
	{"zeros", false, func(p []byte) { clear(p) }},
	{"a magic text of another file", false, func(p []byte) { copy(p, "PK") }},
	{"pages of 1024 bytes", false, func(p []byte) { binary.BigEndian.PutUint16(p[16:], 1024) }},
	{"pages of 65536 bytes", false, func(p []byte) { binary.BigEndian.PutUint16(p[16:], 1) }},
	{"a version for writing that is not known", false, func(p []byte) { p[18] = 3 }},
	{"a version for reading that is not known", false, func(p []byte) { p[19] = 3 }},
	{"no version", false, func(p []byte) { p[18], p[19] = 0, 0 }},
	{"other payload fractions", false, func(p []byte) { p[21]++ }},
	{"a text encoding that is not known", false, func(p []byte) { binary.BigEndian.PutUint32(p[56:], 9) }},
	{"one page more than its transaction", false, func(p []byte) { addTo(p, 28, 1) }},
	{"very many pages more than its transaction", false, func(p []byte) { addTo(p, 28, 1<<31) }},
	{"one page less than its transaction", true, func(p []byte) { addTo(p, 28, ^uint32(0)) }},
	{"a b-tree of no type", false, func(p []byte) { p[100] = 0xff }},
	{"a b-tree of an index", false, func(p []byte) { p[100] = 0x0a }},
	{"very many cells", false, func(p []byte) { p[103] = 0xff }},
	{"cells outside the page", false, func(p []byte) { p[108] = 0xff }},
	{"records that are none", false, func(p []byte) {
		for i := 200; i < len(p); i++ {
			p[i] = byte(i * 31)
		}
	}},
	{"more reserved bytes", true, func(p []byte) { p[20] += 32 }},
	{"UTF-16", true, func(p []byte) { p[59] = 2 }},
}

// firstPageLies are some of them, and others that speak of the same.
func firstPageLies() (all []lieTest) {
	for _, c := range firstPages {
		switch c.name {
		case "zeros", "a b-tree of no type", "one page more than its transaction", "records that are none", "more reserved bytes":
			all = append(all, lieTest{name: "page 1 with " + c.name, want: []error{ErrCorrupt}, later: c.later, lie: inFirst(c.edit)})
		}
	}
	sizes := []error{ErrCorrupt, ErrDiverged} // the frame that a new handle compares is one of them
	return append(all,
		lieTest{name: "no page 1 in the first transaction", want: []error{ErrCorrupt}, lie: aboutFrames(func(a *liar.Answer) {
			for i, f := range a.Frames {
				if f.PageNo() == 1 && (a.Next == 0 || i > 0) {
					a.Frames[i] = liar.Edit(f, func(h *frames.Header) { h.PageNo = 2 })
				}
			}
		})},
		lieTest{name: "commits of one page more", want: sizes, lie: aboutCommits(func(h *frames.Header) { h.SizeAfter++ })},
		lieTest{name: "commits of one page less", want: sizes, lie: aboutCommits(func(h *frames.Header) { h.SizeAfter-- })},
		lieTest{name: "commits of 2^32-1 pages", want: sizes, lie: aboutCommits(func(h *frames.Header) { h.SizeAfter = 1<<32 - 1 })},
		lieTest{name: "the greatest page number", want: []error{ErrCorrupt}, lie: aboutHeader(func(h *frames.Header) { h.PageNo = 1<<32 - 1 })},
	)
}

func TestNothingIsCommittedThatLeavesNoDatabase(t *testing.T) {
	log := lieLogs(t)["one request"]
	for _, compacted := range []bool{false, true} {
		for _, c := range firstPageLies() {
			for _, when := range []string{"first", "later", "reopened"} {
				if when == "first" && c.later || compacted && !strings.HasPrefix(c.name, "page 1 with") {
					continue
				}
				s := newLieScene(t, fmt.Sprintf("%s: %s sync, compacted %v", c.name, when, compacted), log)
				s.patience = time.Minute
				s.run(when, compacted, &c)
			}
		}
	}
}

// A live stream with a bad page 1 leaves the replica where it was.
func TestWatchCommitsNoBadPageOne(t *testing.T) {
	log := lieLogs(t)["one request"]
	s := newLieScene(t, "watch", log)
	s.patience = time.Minute
	s.p.Set(s.half())
	r := s.open()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Watch(ctx) }()
	for r.Position().FrameNo != s.half().Last() || !r.isLive() {
		_, _ = r.AwaitChange(waitAWhile(ctx), r.Position())
	}
	s.p.Lie(inFirst(func(p []byte) { clear(p) }))
	s.p.Set(log)
	for r.Stats().LastError == nil && ctx.Err() == nil {
		_, _ = r.AwaitChange(waitAWhile(ctx), r.Position())
	}
	if err := r.Stats().LastError; !errors.Is(err, ErrCorrupt) {
		t.Errorf("the watch says %v, want %v", err, ErrCorrupt)
	}
	if diff := sqldtest.DiffPages(image(t, s.path), s.half().Image(len(s.half().Frames))); diff != "" {
		t.Errorf("the replica changed: %s", diff)
	}
	s.p.Lie(liar.PrimaryLie{})
	if _, err := r.SyncUntil(ctx, log.Last()); err != nil {
		t.Error("the truth then:", err)
	}
	cancel()
	<-ended
	if diff := sqldtest.DiffPages(image(t, s.path), log.Image(len(log.Frames))); diff != "" {
		t.Errorf("replica and primary differ: %s", diff)
	}
}

// A primary that was replaced, by one with a bad page 1, leaves the old database.
func TestNewLogWithABadPageOneLeavesTheOldDatabase(t *testing.T) {
	logs := lieLogs(t)
	old, log := logs["several"], logs["one request"]
	for _, c := range firstPages[:2] {
		s := newLieScene(t, c.name, log)
		s.patience = time.Minute
		s.p.Set(old)
		r := s.open()
		s.sync(r)
		s.p.Set(log)
		s.p.Lie(inFirst(c.edit))
		if _, err := r.Sync(t.Context()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("page 1 with %s: sync gives %v, want %v", c.name, err, ErrCorrupt)
		}
		if diff := sqldtest.DiffPages(image(t, s.path), old.Image(len(old.Frames))); diff != "" {
			t.Errorf("page 1 with %s: the old database changed: %s", c.name, diff)
		}
		s.recovers(r, &lieTest{})
	}
}

func TestFramesInMemoryWithABadPageOneAreRefused(t *testing.T) {
	log := lieLogs(t)["one request"]
	half := log.Cut(len(log.Commits()) / 2)
	for _, c := range firstPages {
		r := openTest(t, nil)
		if !c.later {
			if _, err := r.ApplyFrames(t.Context(), log.ID, editFirst(0, log.Frames, c.edit)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("page 1 with %s: a new replica: %v, want %v", c.name, err, ErrCorrupt)
			}
		}
		if _, err := r.ApplyFrames(t.Context(), log.ID, half.Frames); err != nil {
			t.Fatal(err)
		}
		rest := log.Frames[len(half.Frames):]
		bad := editFirst(liar.Sum(half.Frames), rest, c.edit)
		if _, err := r.ApplyFrames(t.Context(), log.ID, bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("page 1 with %s: %v, want %v", c.name, err, ErrCorrupt)
		}
		if diff := sqldtest.DiffPages(image(t, r.cfg.Path), half.Image(len(half.Frames))); diff != "" {
			t.Errorf("page 1 with %s: the replica changed: %s", c.name, diff)
		}
		if _, err := r.ApplyFrames(t.Context(), log.ID, rest); err != nil {
			t.Errorf("page 1 with %s: the right frames then: %v", c.name, err)
		}
	}
}

// archiveOf writes an archive of one segment.
func archiveOf(t *testing.T, kind frames.SegmentKind, first uint64, fs ...frames.Frame) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "test.frames")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := frames.NewArchiveWriter(f, frames.LogID{1})
	if err == nil && kind == frames.SegmentSnapshot {
		err = w.BeginSnapshot(first)
	} else if err == nil {
		err = w.BeginLog(frames.NewChain(first, 0))
	}
	for _, f := range fs {
		if err == nil {
			err = w.WriteFrame(f)
		}
	}
	if err == nil {
		_, err = w.EndSegment()
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// snapshotOf writes a snapshot file.
func snapshotOf(t *testing.T, fs ...frames.Frame) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "test.snap"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := frames.NewSnapshotWriter(f, frames.LogID{1}, 0)
	for _, f := range fs {
		if err == nil {
			err = w.WriteFrame(f)
		}
	}
	if err == nil {
		_, err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// A few hundred bytes that speak of the greatest numbers cost what a few hundred bytes
// may cost, in memory and on the disk.
func TestSmallFilesWithGreatNumbersCostLittle(t *testing.T) {
	first := lieLogs(t)["one request"].Frames[0]
	if first.PageNo() != 1 {
		first = liar.Frame(frames.Header{PageNo: 1}, lieLogs(t)["one request"].Image(1)[:frames.PageSize])
	}
	frame := func(no uint64, page, size uint32) frames.Frame {
		h := frames.Header{FrameNo: no, PageNo: page, SizeAfter: size}
		h.Checksum = frames.Checksum(0, first.Page())
		return liar.Frame(h, first.Page())
	}
	const most = 1<<32 - 1
	for name, file := range map[string]string{
		"page number in a log":      archiveOf(t, frames.SegmentLog, 0, frame(0, most, 1)),
		"size in a log":             archiveOf(t, frames.SegmentLog, 0, frame(0, 1, most)),
		"page number in a snapshot": archiveOf(t, frames.SegmentSnapshot, 0, frame(1, most, 0), frame(0, 1, 1)),
		"size in a snapshot":        archiveOf(t, frames.SegmentSnapshot, 0, frame(1, 2, 0), frame(0, 1, most)),
		"all in a snapshot":         archiveOf(t, frames.SegmentSnapshot, 0, frame(frames.MaxFrameNo, most, 0), frame(frames.MaxFrameNo-1, 1, most)),
		"page in a snapshot file":   snapshotOf(t, frame(1<<40, most, 0), frame(0, 1, 1)),
		"size in a snapshot file":   snapshotOf(t, frame(1<<40, 2, 0), frame(0, 1, most)),
	} {
		r := openTest(t, nil)
		var err error
		cost := allocated(func() { _, err = r.ApplyFile(t.Context(), file) })
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want %v", name, err, ErrCorrupt)
		}
		if cost > 32<<20 { // what a reader of archives takes, whatever their size
			t.Errorf("%s: %d MB of memory", name, cost>>20)
		}
		wantSmallFiles(t, r.cfg.Path)
	}
}

// allocated gives how much memory f asks for in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// wantSmallFiles fails where a file beside path is large, holes counted.
func wantSmallFiles(t *testing.T, path string) {
	t.Helper()
	names, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Size() > 64<<20 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
	}
}

func TestPageBitsTakeMemoryForPagesNotForNumbers(t *testing.T) {
	const n = 1000
	cost := allocated(func() {
		var b pageBits
		for i := range uint32(n) {
			no := ^uint32(0) - i*(1<<22)
			if !b.add(no) || b.add(no) {
				t.Errorf("page %d is not new once", no)
			}
		}
	})
	if cost > n*2*frames.PageSize {
		t.Errorf("%d pages took %d bytes", n, cost)
	}
}

// A verification takes memory for the pages that came, whatever numbers they have.
func TestVerifyWithGreatNumbersCostsLittle(t *testing.T) {
	log := lieLogs(t)["one request"]
	for name, lie := range map[string]liar.PrimaryLie{
		"page": aboutHeader(func(h *frames.Header) { h.PageNo = 1<<32 - 1 }),
		"size": aboutCommits(func(h *frames.Header) { h.SizeAfter = 1<<32 - 1 }),
	} {
		s := newLieScene(t, name, log)
		r := s.open()
		s.sync(r)
		s.p.Lie(lie)
		var err error
		cost := allocated(func() { _, err = r.Verify(t.Context()) })
		if !errors.Is(err, ErrCorrupt) || cost > 64<<20 {
			t.Errorf("%s: %v, want %v; %d MB of memory", name, err, ErrCorrupt, cost>>20)
		}
	}
}

func TestPrimaryWithTheGreatestFrameNumberIsRefused(t *testing.T) {
	log := lieLogs(t)["one request"]
	for _, n := range []uint64{1 << 62, 1<<63 - 1, 1 << 63, 1<<64 - 2, 1<<64 - 1} {
		s := newLieScene(t, "hello", log)
		s.patience = time.Minute
		s.p.Lie(aboutHello(func(h *frames.Hello) { h.Current = n }))
		r := s.open()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := r.Sync(ctx)
		cancel()
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("frame %d: sync gives %v, want %v", n, err, ErrCorrupt)
		}
		if _, err := Pull(t.Context(), r.cfg, 0, &bytes.Buffer{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("frame %d: pull gives %v, want %v", n, err, ErrCorrupt)
		}
		s.recovers(r, &lieTest{})
	}
}

// broken makes the file of a replica one that SQLite cannot read, and its log with it.
var broken = map[string]func(t *testing.T, path string){
	"no magic text":    func(t *testing.T, path string) { overwrite(t, path, 0, []byte("garbage")) },
	"zeros":            func(t *testing.T, path string) { overwrite(t, path, 0, make([]byte, 4096)) },
	"a b-tree of none": func(t *testing.T, path string) { overwrite(t, path, 100, []byte{0xff}) },
	"a version":        func(t *testing.T, path string) { overwrite(t, path, 18, []byte{9, 9}) },
	"23 bytes":         func(t *testing.T, path string) { cut(t, path, 23) },
	"nothing":          func(t *testing.T, path string) { cut(t, path, 0) },
}

func overwrite(t *testing.T, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(b, at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func TestReplicaThatCannotBeReadIsFetchedAnew(t *testing.T) {
	logs := lieLogs(t)
	log, other := logs["one request"], logs["several"]
	for name, damage := range broken {
		for what, next := range map[string]liar.Log{"the same log": log, "another log": other, "an empty primary": {ID: frames.LogID{7}}} {
			s := newLieScene(t, name+", "+what, log)
			s.patience = time.Minute
			r := s.open()
			s.sync(r)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, s.path)
			s.p.Set(next)
			r = s.open()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if what == "an empty primary" {
				s.p.Lie(aboutHello(func(h *frames.Hello) { h.HasCurrent = false }))
			}
			if _, err := r.Sync(ctx); err != nil {
				t.Errorf("%s, %s: sync: %v", name, what, err)
				continue
			}
			if got := queryText(t, s.path, "PRAGMA integrity_check"); got != "ok" {
				t.Errorf("%s, %s: integrity_check: %s", name, what, got)
			}
			if len(next.Frames) == 0 {
				continue
			}
			if diff := sqldtest.DiffPages(image(t, s.path), next.Image(len(next.Frames))); diff != "" {
				t.Errorf("%s, %s: replica and primary differ: %s", name, what, diff)
			}
			if p := r.Position(); p.LogID != next.ID || p.FrameNo != next.Last() {
				t.Errorf("%s, %s: position %v, want frame %d of log %v", name, what, p, next.Last(), next.ID)
			}
		}
	}
}

// A file that cannot be read stays until another one can take its place.
func TestReplicaThatCannotBeReadStaysWithoutAServer(t *testing.T) {
	log := lieLogs(t)["one request"]
	s := newLieScene(t, "broken", log)
	r := s.open()
	s.sync(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	broken["zeros"](t, s.path)
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	r = open(t, Config{Path: s.path})
	if _, err := r.ApplyFrames(t.Context(), log.ID, log.Frames[4:]); !errors.Is(err, ErrGap) {
		t.Errorf("frames from number 4 on: %v, want %v", err, ErrGap)
	}
	if _, err := r.Seal(t.Context()); !errors.Is(err, ErrNoData) {
		t.Errorf("freeze: %v, want %v", err, ErrNoData)
	}
	if after, err := os.ReadFile(s.path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed (%v)", err)
	}
	if _, err := r.ApplyFrames(t.Context(), log.ID, log.Frames); err != nil {
		t.Errorf("all frames: %v", err)
	}
	if diff := sqldtest.DiffPages(image(t, s.path), log.Image(len(log.Frames))); diff != "" {
		t.Errorf("replica and primary differ: %s", diff)
	}
}

// To floe a replica that libSQL's client has encrypted is not readable: it is theirs.
func TestForeignReplicaThatCannotBeReadIsLeftAlone(t *testing.T) {
	log := lieLogs(t)["one request"]
	s := newLieScene(t, "foreign", log)
	r := s.open()
	s.sync(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	overwrite(t, s.path, 0, []byte("encrypted bytes!"))
	overwrite(t, s.path+positionSuffix, 24, make([]byte, 8)) // as theirs writes it
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.open().Sync(t.Context()); !errors.Is(err, engine.NotADB) {
		t.Errorf("sync: %v, want %v", err, engine.NotADB)
	}
	if after, err := os.ReadFile(s.path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed (%v)", err)
	}
}

func TestLongFilesBesideADatabaseAreNotReadWhole(t *testing.T) {
	for _, suffix := range []string{positionSuffix, originSuffix} {
		path := filepath.Join(t.TempDir(), "replica.db")
		for _, name := range []string{path, path + suffix} {
			if err := os.WriteFile(name, []byte("{"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		cut(t, path+suffix, 1<<33) // with a hole
		var err error
		cost := allocated(func() { _, err = Open(Config{Path: path}) })
		if err == nil || cost > 5*maxOrigin {
			t.Errorf("%s of 8 GB: %v, and %d MB of memory", suffix, err, cost>>20)
		}
	}
}

// A primary that was replaced by a database with another text encoding is followed.
func TestNewLogWithAnotherTextEncodingIsFollowed(t *testing.T) {
	old := lieLogs(t)["several"]
	other := liar.Write(t, 9, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE a(id INTEGER PRIMARY KEY, v)", "INSERT INTO a(v) VALUES ('x'), ('ü')")
	if first := other.Image(1); textEncoding(first) != 2 {
		t.Fatalf("the other database has text encoding %d", textEncoding(first))
	}
	s := newLieScene(t, "encoding", other)
	s.patience = time.Minute
	s.p.Set(old)
	r := s.open()
	s.sync(r)
	s.p.Set(other)
	s.sync(r)
	if diff := sqldtest.DiffPages(image(t, s.path), other.Image(len(other.Frames))); diff != "" {
		t.Errorf("replica and primary differ: %s", diff)
	}
	if got := queryText(t, s.path, "SELECT v FROM a"); got != "xü" {
		t.Errorf("the replica has %q, want %q", got, "xü")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	s.sync(s.open())
}

// A real primary whose database grows and shrinks by large transactions breaks no bound,
// whether a replica follows it step by step or comes late, through a snapshot.
func TestNoHonestPrimaryIsImplausible(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithMaxLogSize(1))
	r := openTest(t, srv)
	bulk := func(table string, rows int) string {
		return fmt.Sprintf("INSERT INTO %s SELECT randomblob(3000) FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT %d) SELECT n FROM c)", table, rows)
	}
	for _, steps := range [][]string{
		{"CREATE TABLE keep(b)", bulk("keep", 20)},
		{"BEGIN", "CREATE TABLE gone(b)", bulk("gone", 2500), "DROP TABLE gone", "COMMIT"}, // pages that are free at once
		{bulk("keep", 50)},
		{"BEGIN", "CREATE TABLE back(b)", bulk("back", 900), "ROLLBACK"},
		{"CREATE TABLE more(b)", bulk("more", 900), "DROP TABLE more", bulk("keep", 10)},
		{"BEGIN", "SAVEPOINT s", "CREATE TABLE again(b)", bulk("again", 900), "ROLLBACK TO s", bulk("keep", 10), "COMMIT"},
	} {
		srv.Exec(t, steps...)
		mustSync(t, r)
		checkVerified(t, r)
	}
	late := openTest(t, srv)
	mustSync(t, late)
	checkVerified(t, late)
}

// checkVerified fails unless the replica is what its primary's log says, and whole. (What
// a savepoint took back may be in the log of a libSQL server, on pages that are free.)
func checkVerified(t *testing.T, r *Replicator) {
	t.Helper()
	v, err := r.Verify(t.Context())
	if err != nil && !errors.Is(err, ErrNotComparable) || err == nil && !v.Identical() {
		t.Errorf("verify: %+v, %v", v, err)
	}
	if got := queryText(t, r.cfg.Path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
}
