package replicator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/floedb/floe/frames"
)

// ApplyFile applies a frame archive (see package frames) or a libSQL snapshot
// file to the replica. The file is read once to verify all of it before anything
// is applied. Frames that the replica has are passed over. The error is
// [ErrWrongLog] where the file is of another database, [ErrGap] where it begins
// too late, and [ErrCorrupt] where it is damaged; nothing is changed then.
func (r *Replicator) ApplyFile(ctx context.Context, path string) (Result, error) {
	return r.do(ctx, func(ctx context.Context) error {
		return r.offline(ctx, func(s *session) error { return s.applyFile(ctx, path) })
	})
}

// ApplyFrames applies whole transactions of the log id from memory: frames in
// order, the first one not after the next one that the replica needs, the last
// one the end of a transaction. A replica without frames takes id as its log.
// The frames are only read, until ApplyFrames returns. It fails as ApplyFile does.
func (r *Replicator) ApplyFrames(ctx context.Context, id frames.LogID, fs []frames.Frame) (Result, error) {
	return r.do(ctx, func(ctx context.Context) error {
		return r.offline(ctx, func(s *session) error { return s.applyFrames(ctx, id, fs) })
	})
}

func (s *session) applyFrames(ctx context.Context, id frames.LogID, fs []frames.Frame) error {
	if len(fs) == 0 {
		return nil
	}
	chain := frames.NewOpenChain(fs[0].FrameNo())
	for _, f := range fs {
		if err := chain.Verify(f); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	last := fs[len(fs)-1]
	if !last.IsCommit() {
		return fmt.Errorf("%w: frame %d, the last one, does not end a transaction", ErrCorrupt, last.FrameNo())
	}
	if err := s.offer(ctx, id, fs[0].FrameNo(), last.FrameNo()); err != nil {
		return err
	}
	for _, f := range fs {
		if err := s.acceptNew(f); err != nil {
			return err
		}
	}
	return s.flush()
}

// offer checks that frames first to last of log id go on where the replica is,
// and makes ready for them.
func (s *session) offer(ctx context.Context, id frames.LogID, first, last uint64) error {
	switch {
	case id.IsZero():
		return fmt.Errorf("%w: no log id is given", ErrWrongLog)
	case s.rec.HasFrame && s.rec.LogID != id:
		return fmt.Errorf("%w: theirs is %s, the replica's %s", ErrWrongLog, id, s.rec.LogID)
	case first > s.next():
		return fmt.Errorf("%w: they begin at frame %d, the replica needs %d", ErrGap, first, s.next())
	case last < s.next():
		return nil
	case s.rec.HasFrame && last < s.rec.floor():
		return fmt.Errorf("%w: they end at frame %d, but frames up to %d may have been applied before a crash", ErrGap, last, s.rec.floor())
	}
	return s.ready(ctx, id, last)
}

// acceptNew takes in a frame of the log unless the replica has it.
func (s *session) acceptNew(f frames.Frame) error {
	if f.FrameNo() < s.next() {
		if s.any && f.FrameNo() == s.last && s.applier != nil && !s.proven {
			err := s.checkTip(f)
			s.proven = err == nil
			return err
		}
		return nil
	}
	return s.accept(f)
}

func (s *session) applyFile(ctx context.Context, path string) error {
	f, err := s.openOther(path)
	if err != nil {
		return err
	}
	defer f.Close()
	kind, err := detect(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	apply := s.applyArchive
	switch kind {
	case frames.FileArchive:
	case frames.FileSnapshot:
		apply = s.applySnapshotFile
	default:
		return fmt.Errorf("%s: %w: neither a frame archive nor a snapshot file", path, ErrCorrupt)
	}
	if err := apply(ctx, f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return s.flush()
}

// openOther opens a file that is none of the replica's own: to close one of those
// gives up the locks that SQLite has on it, for all connections of the process.
func (s *session) openOther(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if own, err := os.Stat(s.r.cfg.Path + suffix); err == nil && os.SameFile(own, info) {
			return nil, fmt.Errorf("%s: %w: it is a file of the replica itself", path, ErrCorrupt)
		}
	}
	return os.Open(path)
}

// detect finds out what kind of file f is.
func detect(f *os.File) (frames.FileKind, error) {
	info, err := f.Stat()
	if err != nil {
		return frames.FileUnknown, err
	}
	head := make([]byte, frames.SnapshotHeaderSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return frames.FileUnknown, err
	}
	return frames.DetectFile(head[:n], info.Size()), nil
}

// rewind goes back to the file's begin and buffers its reading.
func rewind(f *os.File) (io.Reader, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(f, 256<<10), nil
}

func (s *session) applyArchive(ctx context.Context, f *os.File) error {
	src, err := rewind(f)
	if err != nil {
		return err
	}
	info, err := verifyArchive(ctx, src)
	if err != nil {
		return damagedFile(err)
	}
	if err := s.offer(ctx, info.LogID, info.First, info.Last); err != nil {
		return err
	}
	if src, err = rewind(f); err != nil {
		return err
	}
	a, err := frames.NewArchiveReader(src)
	if err != nil {
		return damagedFile(err)
	}
	return s.eachSegment(ctx, a)
}

// verifyArchive reads a whole archive, as long as ctx lasts: a small one can hold
// very many frames.
func verifyArchive(ctx context.Context, src io.Reader) (frames.ArchiveInfo, error) {
	a, err := frames.NewArchiveReader(src)
	if err != nil {
		return frames.ArchiveInfo{}, err
	}
	buf := make([]byte, frames.Size)
	for {
		if _, err := a.NextSegment(); errors.Is(err, io.EOF) {
			return a.Info(), nil
		} else if err != nil {
			return frames.ArchiveInfo{}, err
		}
		if err := drain(ctx, func() error { _, err := a.NextFrame(buf); return err }); err != nil {
			return frames.ArchiveInfo{}, err
		}
	}
}

// drain calls next until it says io.EOF, or ctx ends.
func drain(ctx context.Context, next func() error) error {
	for {
		switch err := next(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}

// damagedFile marks an error about what a file holds; one of reading it is none.
func damagedFile(err error) error {
	if errors.Is(err, frames.ErrArchive) || errors.Is(err, frames.ErrSnapshot) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

func (s *session) eachSegment(ctx context.Context, a *frames.ArchiveReader) error {
	buf := make([]byte, frames.Size)
	for {
		seg, err := a.NextSegment()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && seg.Kind == frames.SegmentSnapshot {
			err = s.takeSnapshot(ctx, func() (frames.Frame, error) { return a.NextFrame(buf) })
		} else if err == nil {
			err = s.takeLog(ctx, func() (frames.Frame, error) { return a.NextFrame(buf) })
		}
		if err != nil {
			return damagedFile(err)
		}
	}
}

func (s *session) takeLog(ctx context.Context, next func() (frames.Frame, error)) error {
	for {
		f, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.acceptNew(f)
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if f.IsCommit() {
			s.report()
		}
	}
}

// takeSnapshot takes in the frames of a verified snapshot that the replica does
// not have.
func (s *session) takeSnapshot(ctx context.Context, next func() (frames.Frame, error)) error {
	from := s.next()
	run := frames.NewSnapshotRun(0)
	var seen pageBits
	for {
		f, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = run.Verify(f)
		}
		if err == nil && f.FrameNo() >= from && seen.add(f.PageNo()) {
			err = s.put(run.Last(), f.PageNo(), f.Page())
			s.count++
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
	if run.Count() == 0 || run.Last() < from {
		return nil // all of it is there already
	}
	s.last, s.any, s.sumOK = run.Last(), true, false
	s.report()
	return s.commit(run.Last(), run.SizeAfter())
}

func (s *session) applySnapshotFile(ctx context.Context, f *os.File) error {
	src, err := rewind(f)
	if err != nil {
		return err
	}
	head, err := verifySnapshot(ctx, src)
	if err != nil {
		return damagedFile(err)
	}
	if err := s.offer(ctx, head.LogID, head.Start, head.End); err != nil {
		return err
	}
	if src, err = rewind(f); err != nil {
		return err
	}
	r, err := frames.NewSnapshotReader(src)
	if err != nil {
		return damagedFile(err)
	}
	buf := make([]byte, frames.Size)
	return damagedFile(s.takeSnapshot(ctx, func() (frames.Frame, error) { return r.Next(buf) }))
}

// verifySnapshot reads a whole snapshot file.
func verifySnapshot(ctx context.Context, src io.Reader) (frames.SnapshotHeader, error) {
	r, err := frames.NewSnapshotReader(src)
	if err != nil {
		return frames.SnapshotHeader{}, err
	}
	buf := make([]byte, frames.Size)
	return r.Header(), drain(ctx, func() error { _, err := r.Next(buf); return err })
}
