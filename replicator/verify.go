package replicator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
)

// ErrNotComparable says that the primary can no longer tell what its database was
// at the replica's frame, because it compacted its log beyond it, or that the
// replica is between two states. It can be compared after the next sync.
var ErrNotComparable = errors.New("the replica cannot be compared before it has synced")

// VerifyResult tells how a replica compares with its primary.
type VerifyResult struct {
	Position     Position // where they were compared
	Pages        uint32   // of the replica
	PrimaryPages uint32   // of the primary at that frame
	Differing    uint32   // pages whose content is not the primary's
	FirstPage    uint32   // the lowest number of those; 0 when there is none
	Kind         string   // what the replica has FirstPage for: "leaf page of items"
}

// Identical tells whether the replica is what the primary was.
func (v VerifyResult) Identical() bool {
	return v.Pages == v.PrimaryPages && v.Differing == 0
}

// Verify reads the primary's log again, from the first frame to the replica's
// last one, and compares what it makes of each page with what the replica has.
// What is no part of the primary's state is left out: the journal mode, the change
// counter and the two version fields of page 1, and what a replica blanks out in the
// schema.
// Pages that the log never mentions are not compared.
//
// It takes no lock and writes nothing: another process may go on syncing. It
// needs 16 bytes of memory for each page. The error is [ErrWrongLog] when the
// primary has another log by now, [ErrAhead] when its log ends before the
// replica, and [ErrNotComparable] when it no longer knows the replica's frame.
func (r *Replicator) Verify(ctx context.Context) (VerifyResult, error) {
	var v VerifyResult
	_, err := r.do(ctx, func(ctx context.Context) error {
		if r.client == nil {
			return ErrNoServer
		}
		var err error
		v, err = r.verify(ctx)
		return err
	})
	if err != nil {
		return v, fmt.Errorf("verify %s: %w", r.cfg.Path, err)
	}
	return v, nil
}

// verifyTries is how often a server may compact its log under the reading.
const verifyTries = 3

func (r *Replicator) verify(ctx context.Context) (VerifyResult, error) {
	ours, err := r.readReplica(ctx)
	if err != nil {
		return VerifyResult{}, err
	}
	for try := 1; ; try++ {
		theirs, err := r.readPrimary(ctx, ours)
		if errors.Is(err, ErrCompacted) && try < verifyTries {
			continue
		}
		if err != nil {
			return VerifyResult{Position: ours.at}, err
		}
		return compareImages(ctx, r.cfg.Path, ours, theirs), nil
	}
}

// pageImage is a database with a hash in each page's place.
type pageImage struct {
	at     Position
	seed   maphash.Seed
	hashes []uint64          // by page number, less one; 0: no such page
	schema map[uint32][]byte // the pages of sqlite_schema, whole
}

// set takes page no. Those of the schema are kept whole.
func (p *pageImage) set(no uint32, page []byte) {
	for uint32(len(p.hashes)) < no {
		p.hashes = append(p.hashes, 0)
	}
	if kept, ok := p.schema[no]; ok {
		p.schema[no] = append(kept[:0], page...)
	}
	p.hashes[no-1] = max(1, maphash.Bytes(p.seed, page))
}

// resize cuts or extends the image to size pages.
func (p *pageImage) resize(size uint32) {
	if have := uint32(len(p.hashes)); have > size {
		clear(p.hashes[size:])
		p.hashes = p.hashes[:size]
	}
	for uint32(len(p.hashes)) < size {
		p.hashes = append(p.hashes, 0)
	}
}

// pages gives how many pages the database has to SQLite: see checkCount.
func (p *pageImage) pages() uint32 {
	n := uint32(len(p.hashes))
	if first := p.schema[1]; len(first) == frames.PageSize && countsPages(first) {
		n = min(n, binary.BigEndian.Uint32(first[offPages:]))
	}
	return n
}

// readReplica reads the replica, or says why there is none: not yet, or no more.
func (r *Replicator) readReplica(ctx context.Context) (*pageImage, error) {
	if at, err := inspect(r.cfg.Path); err != nil {
		return nil, err
	} else if !at.database {
		return nil, ErrNoData
	}
	img, err := readImage(ctx, r.cfg.Path)
	if err == nil {
		return img, nil
	}
	if _, why := inspect(r.cfg.Path); why != nil {
		err = why // frozen meanwhile
	}
	return nil, err
}

// readImage reads the replica as one reader sees it.
func readImage(ctx context.Context, path string) (*pageImage, error) {
	conn, err := engine.Open(path, engine.OpenReadOnly)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	at, err := beginAtPosition(ctx, conn, path)
	if err != nil {
		return nil, err
	}
	img := &pageImage{at: at, seed: maphash.MakeSeed(), schema: map[uint32][]byte{1: nil}}
	err = conn.Query(ctx, "SELECT pageno FROM dbstat('main') WHERE name = 'sqlite_schema'", nil, func(s *engine.Stmt) error {
		img.schema[uint32(s.ColumnInt64(0))] = nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find the schema's pages: %w", err)
	}
	err = conn.Query(ctx, "SELECT pgno, data FROM sqlite_dbpage", nil, func(s *engine.Stmt) error {
		img.set(uint32(s.ColumnInt64(0)), s.ColumnRaw(1))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the replica's pages: %w", err)
	}
	return img, nil
}

// positionTries is how often a replica that others move may be looked at before
// a read transaction is found to be at a recorded position.
const positionTries = 100

// beginAtPosition begins a read transaction whose position is known: the position
// file, which is written around each commit, says the same before and after.
func beginAtPosition(ctx context.Context, conn *engine.Conn, path string) (Position, error) {
	if err := conn.Exec(ctx, "PRAGMA writable_schema = ON"); err != nil {
		return Position{}, err
	}
	for range positionTries {
		before, err := readPosition(path + positionSuffix)
		if err != nil {
			return Position{}, err
		}
		if !before.HasFrame {
			return Position{}, ErrNoData
		}
		// A transaction begins with its first reading.
		if err := conn.Exec(ctx, "BEGIN; SELECT count(*) FROM sqlite_schema"); err != nil {
			return Position{}, err
		}
		after, err := readPosition(path + positionSuffix)
		if err != nil {
			return Position{}, err
		}
		if before == after && after.inFlight == 0 {
			return after.Position, nil
		}
		if err := conn.Exec(ctx, "ROLLBACK"); err != nil {
			return Position{}, err
		}
	}
	return Position{}, fmt.Errorf("%w: its position is not settled", ErrNotComparable)
}

// readPrimary finds out what the primary's database was where ours is.
func (r *Replicator) readPrimary(ctx context.Context, ours *pageImage) (*pageImage, error) {
	h, err := r.client.greet(ctx, r.cfg.Retries, r.client.doubleRead(r.cfg.DoubleRead))
	switch {
	case err != nil:
		return nil, err
	case h.LogID != ours.at.LogID:
		return nil, fmt.Errorf("%w: the primary's is %s, the replica's %s", ErrWrongLog, h.LogID, ours.at.LogID)
	case !h.HasCurrent || h.Current < ours.at.FrameNo:
		return nil, fmt.Errorf("%w: the replica is at frame %d, the primary has %s", ErrAhead, ours.at.FrameNo, lastFrame(h))
	}
	theirs := &pageImage{at: ours.at, seed: ours.seed, schema: make(map[uint32][]byte)}
	for no := range ours.schema {
		theirs.schema[no] = nil
	}
	w := &walk{
		client: r.client, retries: r.cfg.Retries, twice: r.client.doubleRead(r.cfg.DoubleRead), log: h.LogID,
		to: ours.at.FrameNo, taker: &imageTaker{img: theirs}, report: r.cfg.Progress,
	}
	return theirs, w.run(ctx)
}

// imageTaker makes an image of what a walk reads.
type imageTaker struct {
	img   *pageImage
	known pageCount // pages that the database can have
	seen  pageBits  // pages of the current snapshot
	size  uint32    // after it
}

// set takes a page, if the database can have it.
func (t *imageTaker) set(no uint32, page []byte) error {
	t.known++
	if err := t.known.checkPage(no); err != nil {
		return err
	}
	t.img.set(no, page)
	return nil
}

func (t *imageTaker) resize(size uint32) error {
	if err := t.known.checkSize(size); err != nil {
		return err
	}
	t.img.resize(size)
	return nil
}

func (t *imageTaker) takeFrame(_ *frames.Chain, f frames.Frame) error {
	if err := t.set(f.PageNo(), f.Page()); err != nil || !f.IsCommit() {
		return err
	}
	return t.resize(f.SizeAfter())
}

func (t *imageTaker) beginSnapshot(uint64) error {
	t.seen = nil
	return nil
}

func (t *imageTaker) takeSnapshotFrame(f frames.Frame, last uint64) error {
	if last > t.img.at.FrameNo {
		return fmt.Errorf("%w: the replica is at frame %d, and the primary's log was compacted up to frame %d", ErrNotComparable, t.img.at.FrameNo, last)
	}
	t.size = f.SizeAfter()
	if !t.seen.add(f.PageNo()) {
		return nil // what comes first is the newest
	}
	return t.set(f.PageNo(), f.Page())
}

func (t *imageTaker) endSnapshot() error { return t.resize(t.size) }

func compareImages(ctx context.Context, path string, ours, theirs *pageImage) VerifyResult {
	v := VerifyResult{Position: ours.at, Pages: ours.pages(), PrimaryPages: theirs.pages()}
	for i := range min(len(ours.hashes), len(theirs.hashes)) {
		no := uint32(i + 1)
		if theirs.hashes[i] == 0 || ours.hashes[i] == theirs.hashes[i] || sameSchemaPage(no, ours, theirs) {
			continue
		}
		v.Differing++
		if v.FirstPage == 0 {
			v.FirstPage = no
		}
	}
	if v.FirstPage != 0 {
		v.Kind = pageKind(ctx, path, v.FirstPage)
	}
	return v
}

// sameSchemaPage compares two pages of the schema, of which ours may hold adapted
// DDL, and our page 1 SQLite's own counters.
func sameSchemaPage(no uint32, ours, theirs *pageImage) bool {
	a, b := ours.schema[no], theirs.schema[no]
	return len(a) > 0 && sameBytes(no, a, b, true)
}

// pageKind says what page no of the database is used for.
func pageKind(ctx context.Context, path string, no uint32) string {
	if no == 1 {
		return "file header and schema"
	}
	kind := "free page"
	conn, err := engine.Open(path, engine.OpenReadOnly)
	if err != nil {
		return "unknown"
	}
	defer conn.Close()
	err = conn.Exec(ctx, "PRAGMA writable_schema = ON")
	if err == nil {
		err = conn.Query(ctx, "SELECT pagetype, name FROM dbstat('main') WHERE pageno = ?1", []any{int64(no)}, func(s *engine.Stmt) error {
			kind = strings.TrimSpace(s.ColumnText(0)) + " page of " + s.ColumnText(1)
			return nil
		})
	}
	if err != nil {
		return "unknown" // a page that differs may be one that dbstat cannot read past
	}
	return kind
}
