package replicator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/floedb/floe/frames"
)

// ErrNoFrames says that the primary has none of the frames asked for.
var ErrNoFrames = errors.New("there are no frames")

// PullInfo tells what a [Pull] wrote.
type PullInfo struct {
	LogID     frames.LogID
	First     uint64 // number of the first frame covered
	Last      uint64 // number of the last frame covered
	Frames    uint64 // frames in the archive; fewer than it covers where it has snapshots
	Segments  uint64
	Snapshots uint64 // how many of the segments are snapshots
	SizeAfter uint32 // pages of the database after Last
	Bytes     int64  // received from the server
}

// Pull writes a frame archive with what the server of cfg has from frame since
// on, up to where it is at the time of the call: the log, and where that no
// longer reaches back, the snapshots that stand for it. Of cfg it uses Remote,
// Retries, DoubleRead and Progress. It needs no database and little memory.
//
// The archive is whole only when the error is nil; what was written otherwise is
// refused by every reader. The error is [ErrNoFrames] when the server has none
// from since on, and [ErrCompacted] when the server changed what was being read.
func Pull(ctx context.Context, cfg Config, since uint64, w io.Writer) (PullInfo, error) {
	info, err := pull(ctx, cfg, since, w)
	if err != nil {
		return info, fmt.Errorf("pull frames from %d on: %w", since, err)
	}
	return info, nil
}

func pull(ctx context.Context, cfg Config, since uint64, dst io.Writer) (PullInfo, error) {
	c, err := newClient(cfg.Remote, cfg.Logger)
	if err != nil {
		return PullInfo{}, err
	}
	defer c.close()
	c.warnIfPlain(cfg)
	h, err := c.greet(ctx, cfg.tries(), c.doubleRead(cfg.DoubleRead))
	if err != nil {
		return PullInfo{}, err
	}
	if !h.HasCurrent || h.Current < since {
		return PullInfo{}, fmt.Errorf("%w from there: the primary has %s", ErrNoFrames, lastFrame(h))
	}
	archive, err := frames.NewArchiveWriter(dst, h.LogID)
	if err != nil {
		return PullInfo{}, err
	}
	to := archiver{w: archive, info: PullInfo{LogID: h.LogID, First: since}}
	w := &walk{
		client: c, retries: cfg.tries(), twice: c.doubleRead(cfg.DoubleRead), log: h.LogID,
		next: since, to: h.Current, taker: &to, report: cfg.Progress,
	}
	err = w.run(ctx)
	if err == nil {
		err = to.close()
	}
	to.info.Bytes = c.bytes.Load()
	return to.info, err
}

// archiver writes what a walk reads into an archive.
type archiver struct {
	w    *frames.ArchiveWriter
	open bool // a segment is
	info PullInfo
}

func (a *archiver) takeFrame(prev *frames.Chain, f frames.Frame) error {
	if !a.open {
		if err := a.w.BeginLog(prev); err != nil {
			return err
		}
		a.open = true
	}
	return a.write(f)
}

func (a *archiver) write(f frames.Frame) error {
	if err := a.w.WriteFrame(f); err != nil {
		return err
	}
	a.info.Frames++
	return nil
}

func (a *archiver) beginSnapshot(first uint64) error {
	if err := a.endSegment(); errors.Is(err, frames.ErrCommit) {
		// The frames left of a transaction that was begun are gone.
		return fmt.Errorf("%w: in the middle of a transaction, before frame %d", ErrCompacted, first)
	} else if err != nil {
		return err
	}
	a.open = true
	a.info.Snapshots++
	return a.w.BeginSnapshot(first)
}

func (a *archiver) takeSnapshotFrame(f frames.Frame, _ uint64) error { return a.write(f) }

func (a *archiver) endSnapshot() error { return a.endSegment() }

func (a *archiver) endSegment() error {
	if !a.open {
		return nil
	}
	seg, err := a.w.EndSegment()
	if err != nil {
		return err
	}
	a.open = false
	a.info.Segments++
	a.info.Last, a.info.SizeAfter = seg.Last, seg.SizeAfter
	return nil
}

func (a *archiver) close() error {
	if err := a.endSegment(); err != nil {
		return err
	}
	return a.w.Close()
}
