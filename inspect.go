package floe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/dbheader"
	"github.com/floedb/floe/internal/files"
	"github.com/floedb/floe/replicator"
)

// More errors that a caller may want to tell apart.
var (
	// ErrNoFrames says that a server has none of the frames asked for.
	ErrNoFrames = replicator.ErrNoFrames
	// ErrCompacted says that a server compacted its log while it was read.
	// Trying again helps.
	ErrCompacted = replicator.ErrCompacted
	// ErrNotComparable says that a replica must sync before it can be verified.
	ErrNotComparable = replicator.ErrNotComparable
)

// Role is what a database file is to floe. [Role.String] gives its name.
type Role = replicator.Role

// The roles of a file.
const (
	RoleNone    = replicator.RoleNone    // there is no such file
	RoleLocal   = replicator.RoleLocal   // a database of its own
	RoleReplica = replicator.RoleReplica // follows a primary
	RoleFrozen  = replicator.RoleFrozen  // was a replica; a database of its own now
)

// PullInfo tells what a [Pull] wrote.
type PullInfo = replicator.PullInfo

// VerifyResult tells how a replica compares with its primary.
type VerifyResult = replicator.VerifyResult

// FileStatus is what the files at a path say about themselves.
type FileStatus struct {
	Role     Role
	Position Position // of a replica
	Origin   Origin   // of a frozen database
	Holder   string   // who is at work on a replica, such as "process 4711 on host edge-3"; "" for nobody
}

// Inspect tells what is at path. It reaches for no server, changes nothing, and
// needs no more than to read the files.
//
// It looks at the beginning and the size of the database too. A file that is no
// database is an [engine.NotADB], one that lost its end an [engine.Corrupt], and what
// is no regular file an [engine.CantOpen]; the status is told all the same, as far as
// it is known. An empty file is a database without tables. While a log or a journal
// beside the file holds a part of the database, only opening it can tell.
func Inspect(path string) (FileStatus, error) {
	role, err := replicator.RoleOf(path)
	if err != nil {
		return FileStatus{}, fmt.Errorf("inspect %s: %w", path, err)
	}
	st := FileStatus{Role: role}
	switch role {
	case RoleNone:
		return st, nil
	case RoleFrozen:
		st.Origin, err = replicator.ReadOrigin(path)
	case RoleReplica:
		st.Position, err = replicator.PositionOf(path)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			st.Holder, err = replicator.LockHolder(path)
		}
	}
	if err == nil {
		err = checkFile(path, st.Position)
	}
	return st, wrapPath("inspect", path, err)
}

// checkFile tells whether the file at path can be the database that it is taken for.
func checkFile(path string, at Position) error {
	path, err := files.Real(path)
	if err != nil {
		return err
	}
	f, err := dbheader.Read(path)
	if err == nil && f.PageSize == 0 && !f.Pending && at.HasFrame {
		err = fmt.Errorf("the file of a replica that has frames is empty (%w)", engine.Corrupt)
	}
	return err
}

// Pull writes a frame archive to w with what the server at url has from frame
// since on: a file that [Replica.ApplyFile] takes, where no network is. Options
// that are not about the server are ignored, but for [WithProgress]. The archive
// is whole only when the error is nil. See [replicator.Pull].
func Pull(ctx context.Context, url string, since uint64, w io.Writer, opts ...Option) (PullInfo, error) {
	cfg := config{Config: replicator.Config{Remote: replicator.Remote{URL: url}}}
	for _, opt := range opts {
		opt(&cfg)
	}
	return replicator.Pull(ctx, cfg.Config, since, w)
}

// Primary asks the server where it is. It neither changes the file nor takes the
// lock, so it may be asked while another process keeps the replica in step.
func (r *Replica) Primary(ctx context.Context) (Position, error) { return r.rep.Primary(ctx) }

// AwaitChange waits until the position is another one than from, and returns it.
// Several changes in a row may be seen as one.
func (r *Replica) AwaitChange(ctx context.Context, from Position) (Position, error) {
	return r.rep.AwaitChange(ctx, from)
}

// Verify compares the replica with what the primary was at the replica's frame,
// page by page, by reading the primary's log again from its start. It takes no
// lock and writes nothing. See [replicator.Replicator.Verify] for its errors.
func (r *Replica) Verify(ctx context.Context) (VerifyResult, error) { return r.rep.Verify(ctx) }
