package replicator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
)

// settleTime bounds what a call that was cut off may still take to apply the
// whole transactions it has received.
const settleTime = 10 * time.Second

// session is what the holder of the turn works with: the lock, the files, and
// how far frames have been received and applied. Between two turns others may move
// the file; what is kept meanwhile is looked at again when the next one begins.
type session struct {
	r        *Replicator
	lock     *fileLock
	position positionFile
	files    identity // of the database that the applier has open
	existed  bool     // there was a database when the turn began
	rec      record   // as the position file has it
	applier  *applier
	builder  *builder
	batch    batch
	rebuild  bool // everything is fetched anew, over a database that exists
	broken   bool // the database that exists is of no use: a new one takes its place
	retries  int  // of the call that has the turn, see Config.Retries

	log    frames.LogID // whose frames are being received
	last   uint64       // last frame received, where any
	any    bool
	sum    uint64 // its checksum
	sumOK  bool
	proven bool // the local file was found to be what the log says it is
	count  uint64
	goal   uint64 // last frame that the call goes to, for Progress
}

// begin makes the session ready for a call: it takes the lock, and finds out
// whether the file still is where this handle left it.
func (s *session) begin(ctx context.Context, offline bool) error {
	if err := s.r.alive(); err != nil {
		return err
	}
	s.count = 0
	if s.applier == nil {
		if _, err := inspect(s.r.cfg.Path); err != nil {
			return err // before a lock file is created
		}
	}
	l, err := lock(s.r.cfg.Path)
	if err != nil {
		return err
	}
	s.lock = l
	l.beat(s.progress(offline))
	s.position = positionFile{path: s.r.cfg.Path + positionSuffix, fs: s.r.cfg.fs}
	if err := s.load(ctx); err != nil {
		s.unlock()
		return err
	}
	return nil
}

// progress returns what tells that the session's work goes on. What needs no
// server always does, and so does work on the files, however long the disk takes.
func (s *session) progress(offline bool) func() int64 {
	n := int64(0)
	return func() int64 {
		if offline || s.r.working.Load() > 0 {
			n++
		}
		if s.r.client != nil {
			return n + s.r.client.bytes.Load()
		}
		return n
	}
}

// load reads the state of the files, now that nobody else changes them. Where it
// is what it was at the end of the last turn, the session goes on with what it has.
func (s *session) load(ctx context.Context) error {
	s.r.working.Add(1)
	defer s.r.working.Add(-1)
	at, err := inspect(s.r.cfg.Path)
	if err != nil {
		return errors.Join(err, s.leaveApplier())
	}
	s.existed = at.database
	if s.applier != nil && at.rec == s.rec && s.files.is(s.r.cfg.Path) {
		s.applier.use(ctx)
		s.hold(at.rec.Position)
		return nil
	}
	if err := s.leaveApplier(); err != nil {
		return err
	}
	s.rec = at.rec
	s.rebuild = at.database && !at.rec.HasFrame
	s.setReceived(at.rec.Position)
	s.proven, s.sumOK, s.broken = false, false, false
	s.hold(at.rec.Position)
	if !at.database {
		return nil
	}
	err = s.openApplier(ctx)
	if unreadable(err) && s.ours() {
		s.r.cfg.Logger.Warn("the database of the replica cannot be read, and is fetched anew", "path", s.r.cfg.Path, "err", err)
		s.startOver()
		return nil
	}
	return err
}

// ours tells whether a database that cannot be read is one that floe may replace. To
// floe, one that libSQL's own client has encrypted is not readable either.
func (s *session) ours() bool { return s.rec.proven && !s.rec.foreign }

// startOver has a new database take the place of the one that there is, which has
// been let go.
func (s *session) startOver() {
	s.rec, s.rebuild, s.broken = record{}, false, true
	s.proven, s.sumOK = false, false
	s.setReceived(Position{})
	s.hold(Position{})
}

// hold says that from now on this handle knows where the file is.
func (s *session) hold(at Position) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.holding = true
	if s.r.at != at {
		s.r.changeLocked(func() { s.r.at = at })
	}
}

func (s *session) openApplier(ctx context.Context) error {
	a, err := openApplier(ctx, s.r.cfg.Path, s)
	if err != nil {
		return err
	}
	if a.pages == 0 && s.rec.HasFrame {
		return errors.Join(fmt.Errorf("open database %s: %w: it is empty", s.r.cfg.Path, engine.NotADB), a.close())
	}
	s.applier = a
	s.files = identify(s.r.cfg.Path)
	long := filePages(s.files.db)
	s.batch = batch{to: a, floor: s.rec.floor(), known: max(pageCount(a.pages), long)}
	if s.rec.proven && !s.rec.foreign && s.rec.inFlight == 0 && long <= pageCount(a.pages) {
		s.batch.applied = a.pages
	}
	return nil
}

// leaveApplier closes the applier's connection. One to a database that is no longer
// at the path is kept from tidying up: it would remove the log of another one, by
// its name. One whose log alone was deleted copies that into the database.
func (s *session) leaveApplier() error {
	if s.applier == nil {
		return nil
	}
	a := s.applier
	s.applier, s.batch = nil, batch{}
	if !s.files.isDatabase(s.r.cfg.Path) {
		a.leave()
		return nil
	}
	return a.close()
}

// setReceived says that the next frame to receive is the one after p.
func (s *session) setReceived(p Position) {
	s.log, s.last, s.any = p.LogID, p.FrameNo, p.HasFrame
}

// next returns the number of the next frame to receive.
func (s *session) next() uint64 {
	if !s.any {
		return 0
	}
	return s.last + 1
}

// ready makes a target for frames of log id: the database there is, or a new
// file. upTo is the last frame that the call will bring.
func (s *session) ready(ctx context.Context, id frames.LogID, upTo uint64) error {
	s.log, s.goal = id, upTo
	if s.applier != nil {
		s.applier.use(ctx)
		s.applier.replaces = s.rebuild
		switch {
		case s.rebuild:
			// Readers go from the old database to the new one in one step. Frames
			// in flight before do not matter: each page is written anew.
			s.batch.floor = upTo
		case !s.rec.proven:
			// The file may be further on than a damaged position says. The same
			// frames, applied in one step, show no reader a state in between.
			s.batch.floor = max(s.batch.floor, upTo)
		}
		return nil
	}
	if s.builder != nil {
		return nil
	}
	b, err := newBuilder(s.r.cfg.fs, s.r.cfg.Path)
	if err != nil {
		return err
	}
	b.anew = s.r.client != nil && s.doubleRead()
	s.builder = b
	s.batch = batch{to: b}
	return nil
}

// restart begins anew with another log: the primary was replaced.
func (s *session) restart(id frames.LogID) {
	s.batch.reset()
	s.rebuild = s.applier != nil
	s.setReceived(Position{LogID: id})
	s.sumOK, s.proven = false, true
}

// accept takes one verified frame of the log.
func (s *session) accept(f frames.Frame) error {
	h := f.Header()
	if err := s.put(h.FrameNo, h.PageNo, f.Page()); err != nil {
		return err
	}
	s.last, s.any, s.sum, s.sumOK = h.FrameNo, true, h.Checksum, true
	s.count++
	if !h.IsCommit() {
		return nil
	}
	err := s.commit(h.FrameNo, h.SizeAfter)
	s.r.unflushed.Store(s.batch.ready())
	if err != nil {
		return err
	}
	select {
	case answer := <-s.r.flushes:
		return answer.with(s.flush())
	default:
		return nil
	}
}

// put adds one page of the current transaction; see [batch.put].
func (s *session) put(frameNo uint64, pageNo uint32, page []byte) error {
	s.r.working.Add(1)
	defer s.r.working.Add(-1)
	return s.batch.put(frameNo, pageNo, page)
}

// commit ends the current transaction; see [batch.commit].
func (s *session) commit(frameNo uint64, size uint32) error {
	s.r.working.Add(1)
	defer s.r.working.Add(-1)
	return s.batch.commit(frameNo, size)
}

// flush applies what is whole.
func (s *session) flush() error {
	s.r.working.Add(1)
	defer s.r.working.Add(-1)
	err := s.batch.flush()
	s.r.unflushed.Store(s.batch.ready())
	return err
}

// report tells the caller's progress function how far the call has come.
func (s *session) report() {
	if s.r.cfg.Progress == nil {
		return
	}
	p := Progress{FrameNo: s.last, Primary: s.goal, Frames: s.count}
	if s.r.client != nil {
		p.Bytes = s.r.client.bytes.Load()
	}
	s.r.cfg.Progress(p)
}

// settle ends a call, which failed if err is not nil: what is whole is applied,
// a new database gets its name, and what is not whole is forgotten.
func (s *session) settle(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if s.applier != nil {
		s.applier.use(ctx)
	}
	flushErr := s.flush()
	s.batch.reset()
	s.r.unflushed.Store(false)
	s.leaveUnreadable(errors.Join(err, flushErr))
	s.batch.floor = s.rec.floor()
	if flushErr == nil && s.builder != nil {
		flushErr = s.place(ctx)
	}
	if s.builder != nil {
		// It is not kept for the next call: its file's name is anybody's from now on.
		flushErr = errors.Join(flushErr, s.builder.discard())
		s.builder, s.batch = nil, batch{}
	}
	s.resume()
	if err == nil {
		err = flushErr
	}
	return err
}

// leaveUnreadable lets a database go in which SQLite has found damage that did not
// come with what was applied: the next call opens it again, or begins anew.
func (s *session) leaveUnreadable(err error) {
	if s.applier == nil || !unreadable(err) || errors.Is(err, ErrCorrupt) {
		return
	}
	_ = s.leaveApplier()
}

// resume ends what settle ended: with no new database under way, the next frame
// to receive is the one after the position.
func (s *session) resume() {
	s.rebuild = s.applier != nil && !s.rec.HasFrame
	s.rewind()
}

// rewind makes the next frame to receive the one after the last whole
// transaction that the target or the batch has.
func (s *session) rewind() {
	at := s.rec.Position
	switch {
	case s.batch.ended:
		at = Position{LogID: s.log, FrameNo: s.batch.end, HasFrame: true}
	case s.builder != nil:
		at = Position{LogID: s.log, FrameNo: s.builder.last, HasFrame: s.builder.any}
	case s.rebuild:
		at = Position{LogID: s.log}
	}
	if s.any && at == (Position{LogID: s.log, FrameNo: s.last, HasFrame: true}) {
		return
	}
	s.proven = s.proven && at.LogID == s.log
	s.setReceived(at)
	s.sumOK = false
}

// place gives a built database its name. The position file says "no frame yet"
// before it does, so that a crash between leaves no database that seems to be
// somebody's own, and the position after.
func (s *session) place(ctx context.Context) error {
	s.r.working.Add(1)
	defer s.r.working.Add(-1)
	b := s.builder
	s.builder, s.batch = nil, batch{}
	if !b.usable() {
		return b.discard()
	}
	if err := s.unclaimed(); err != nil {
		return errors.Join(err, b.discard())
	}
	if err := b.finish(); err != nil {
		return errors.Join(err, b.discard())
	}
	empty := record{Position: Position{LogID: s.log}}
	if err := s.position.write(empty, true); err != nil {
		return errors.Join(err, b.discard())
	}
	if err := b.publish(); err != nil {
		return errors.Join(err, b.discard())
	}
	at := record{Position: Position{LogID: s.log, FrameNo: b.last, HasFrame: true}, proven: true}
	if err := s.position.write(at, true); err != nil {
		return err
	}
	s.proven, s.existed = true, true
	s.applied(at)
	return s.openApplier(ctx)
}

// unclaimed makes sure that there is no database at the path that somebody else has
// made since the turn began: it is not to be replaced, or made a replica.
func (s *session) unclaimed() error {
	if err := s.intact(); err != nil {
		return err
	}
	database, err := exists(s.r.cfg.Path)
	if err == nil && database && !s.existed {
		err = fmt.Errorf("%w: a database that was not there before", errFilesChanged)
	}
	return err
}

// beforeCommit makes durable that the database may be at frameNo from now on.
// It is part of the applier's commit.
func (s *session) beforeCommit(frameNo uint64) error {
	if err := s.intact(); err != nil {
		return err
	}
	before := s.rec
	if s.rebuild {
		before = record{Position: Position{LogID: s.log}}
	}
	before.inFlight = uint32(min(frameNo+1-before.Next(), 1<<32-1))
	if err := s.position.write(before, true); err != nil {
		return err
	}
	s.rec.inFlight = before.inFlight
	return nil
}

// afterCommit records that the database is at frameNo. Nothing waits for that
// to be durable: should it be lost, the frames in flight say what is needed.
func (s *session) afterCommit(frameNo uint64) error {
	at := record{Position: Position{LogID: s.log, FrameNo: frameNo, HasFrame: true}, proven: true}
	if err := s.position.write(at, false); err != nil {
		return err
	}
	s.rebuild, s.batch.floor = false, 0
	s.applier.replaces = false
	s.applied(at)
	return nil
}

// applied publishes a new position.
func (s *session) applied(at record) {
	gained := at.Next() - s.rec.Next()
	if s.rec.LogID != at.LogID {
		gained = at.Next()
	}
	s.rec = at
	s.r.change(func() {
		s.r.at = at.Position
		s.r.stats.Frames += gained
	})
}

// createEmpty makes the replica of a primary that was never written to: an empty
// database.
func (s *session) createEmpty(ctx context.Context, id frames.LogID) error {
	if s.applier != nil {
		return nil
	}
	if err := s.unclaimed(); err != nil {
		return err
	}
	rec := record{Position: Position{LogID: id}, proven: true}
	if err := s.position.write(rec, true); err != nil {
		return err
	}
	s.rec, s.rebuild, s.existed = rec, true, true
	if s.broken {
		if err := removeDatabase(s.r.cfg.fs, s.r.cfg.Path); err != nil {
			return err
		}
	}
	if err := s.openApplier(ctx); err != nil {
		return err
	}
	s.r.change(func() { s.r.at = rec.Position })
	return nil
}

// close lets everything go.
func (s *session) close() error {
	var err error
	if s.builder != nil {
		err = s.builder.discard()
		s.builder = nil
	}
	err = errors.Join(err, s.leaveApplier())
	s.unlock()
	return err
}

// unlock ends a turn. The lock file of what never became a replica, or is none any
// more, is removed.
func (s *session) unlock() {
	if s.lock == nil {
		return
	}
	_ = s.position.close()
	_, err := os.Lstat(s.r.cfg.Path + positionSuffix)
	s.r.change(func() { s.r.holding = false }) // others may move the file from now on
	s.lock.release(errors.Is(err, fs.ErrNotExist))
	s.lock = nil
}

// checkTip finds out whether the local database is what it was when the position
// was recorded: tip is the log's frame at that position. An update of the file
// by another program, a damaged position file, or a primary that lost commits
// and went on with others shows here.
func (s *session) checkTip(tip frames.Frame) error {
	h := tip.Header()
	if !h.IsCommit() {
		return fmt.Errorf("%w: frame %d, the last one applied, ends no transaction in the primary's log", s.doubt(), h.FrameNo)
	}
	if s.rec.inFlight > 0 {
		return nil // the file may be further on
	}
	size, err := s.applier.pragma("page_count")
	if err != nil {
		return err
	}
	if size != int64(h.SizeAfter) && !s.isLonger(size, h.SizeAfter) {
		return fmt.Errorf("%w: the database has %d pages, at frame %d it had %d", s.doubt(), size, h.FrameNo, h.SizeAfter)
	}
	page, err := s.applier.page(h.PageNo)
	if err != nil {
		return err
	}
	if !samePage(h.PageNo, page, tip.Page()) {
		return fmt.Errorf("%w: page %d is not what frame %d made it", s.doubt(), h.PageNo, h.FrameNo)
	}
	return nil
}

// isLonger tells whether the database has size pages, of which its page 1 counts
// fewer: see checkCount.
func (s *session) isLonger(counted int64, size uint32) bool {
	info, err := os.Stat(s.r.cfg.Path)
	return err == nil && counted < int64(size) && filePages(info) >= pageCount(size)
}

// doubt is the error when the file does not fit the log: the position file's
// where that is suspect, else the file's.
func (s *session) doubt() error {
	if !s.rec.proven {
		return ErrPositionFile
	}
	return ErrDiverged
}

// samePage compares a page with the primary's, but for what SQLite sets itself (the
// journal mode, and on commit the change counter, version-valid-for and library
// version of page 1), the schema cookie, and a schema that was adapted (compat.go).
func samePage(no uint32, ours, theirs []byte) bool {
	return sameBytes(no, ours, theirs, holdsForeign(theirs))
}

// sameBytes compares as samePage does; adapted says that the page may hold DDL
// that was.
func sameBytes(no uint32, ours, theirs []byte, adapted bool) bool {
	if len(ours) != len(theirs) {
		return false
	}
	if adapted {
		theirs = adaptVectorCalls(theirs)
	}
	for i := range ours {
		own := no == 1 && ownBytes(i)
		blanked := adapted && ours[i] == ' ' && strings.IndexByte("RANDOMWIrandomwi,\n\r", theirs[i]) >= 0
		if ours[i] != theirs[i] && !own && !blanked {
			return false
		}
	}
	return true
}

// ownBytes tells whether byte i of page 1 is one that SQLite sets itself. A replica
// is in WAL mode; a log that was made of a file that was not does not say so.
func ownBytes(i int) bool {
	switch {
	case offWriteFormat <= i && i < offReserved, offChanges <= i && i < offPages, offCookie <= i && i < offCookie+4, offValidFor <= i && i < headerSize:
		return true
	}
	return false
}

var _ commitHook = (*session)(nil)
