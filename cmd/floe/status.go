package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/dbheader"
	"github.com/floedb/floe/internal/files"
)

// statusReport is the JSON of `floe status`.
type statusReport struct {
	Path           string      `json:"path"`
	Role           string      `json:"role"`
	LogID          string      `json:"log_id,omitempty"`
	FrameNo        *uint64     `json:"frame_no,omitempty"`
	Origin         *originInfo `json:"origin,omitempty"`
	LockedBy       string      `json:"locked_by,omitempty"`
	DatabaseBytes  int64       `json:"database_bytes"`
	WALBytes       int64       `json:"wal_bytes"`
	Pages          int64       `json:"pages"`
	PageSize       int64       `json:"page_size"`
	PrimaryFrameNo *uint64     `json:"primary_frame_no,omitempty"`
	Lag            *uint64     `json:"lag_frames,omitempty"`
}

// originInfo tells where a frozen database came from.
type originInfo struct {
	LogID   string `json:"log_id"`
	FrameNo uint64 `json:"frame_no"`
}

func newStatus() *cobra.Command {
	var (
		from   remote
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "status PATH|URL",
		Short: "Tell what a database is and how far a replica has come",
		Long: `Status of a file tells whether the file is a replica, a database frozen from one, or a
local database; its size; and for a replica its log, its frame, and who is
writing to it. With --from it asks the server too and tells how many frames the
replica is behind. It changes nothing, and may run beside a sync.

Status of a server tells its version, its log and the last frame there, and the
size of the database. A server that cannot be reached is an error.`,
		Example: `  floe status app.db
  floe status libsql://db.example.com
  floe status app.db --from libsql://db.example.com --json`,
		Args: takes("PATH|URL"),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			from.log = newLogger(cmd, nil)
			return status(cmd.Context(), cmd.OutOrStdout(), args[0], from, asJSON)
		}),
	}
	from.addURL(cmd, serverUsage+", to tell the lag")
	from.addAccess(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

// inspectExisting looks at the file at path, which must exist.
func inspectExisting(path string) (floe.FileStatus, error) {
	st, err := floe.Inspect(path)
	if err == nil && st.Role == floe.RoleNone {
		err = fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return st, err
}

// status writes what there is to know about the database called name.
func status(ctx context.Context, w io.Writer, name string, from remote, asJSON bool) error {
	target, err := from.target(name).Resolve()
	if err != nil {
		return err
	}
	from.token, from.namespace = target.Token, target.Namespace
	if floe.IsURL(target.Name) {
		return serverStatus(ctx, w, target.Name, from, asJSON)
	}
	if from.url == "" {
		from.url = target.Primary
	}
	if target.File() == "" {
		return fmt.Errorf("%s is in memory, and no file", target.Name)
	}
	rep, err := fileStatus(ctx, target.File(), from)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(w, rep)
	}
	return printFields(w, rep.fields())
}

func fileStatus(ctx context.Context, path string, from remote) (*statusReport, error) {
	st, err := inspectExisting(path)
	if err != nil {
		return nil, err
	}
	rep := &statusReport{Path: path, Role: st.Role.String(), LockedBy: st.Holder}
	switch st.Role {
	case floe.RoleReplica:
		rep.LogID, rep.FrameNo = st.Position.LogID.String(), frameNo(st.Position)
	case floe.RoleFrozen:
		rep.Origin = &originInfo{st.Origin.LogID.String(), st.Origin.FrameNo}
	}
	if err := rep.measure(ctx); err != nil {
		return nil, err
	}
	if from.url != "" {
		err = rep.compare(ctx, st, from)
	}
	return rep, err
}

// measure fills in the sizes.
func (s *statusReport) measure(ctx context.Context) error {
	path, err := files.Real(s.Path)
	if err != nil {
		return err
	}
	f, err := dbheader.Read(path)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Path, err)
	}
	s.DatabaseBytes = f.Bytes
	if s.WALBytes, err = fileSize(path + "-wal"); err != nil {
		return err
	}
	if f.Pending {
		err := s.askDatabase(ctx)
		if f.PageSize == 0 || !errors.Is(err, engine.ReadOnlyRollback) {
			return err
		}
		// A crash cut a transaction short, which the next one who may write rolls back. Status is not to.
	}
	// The file by itself has all pages. SQLite would leave an empty log and its index beside a file that it opens for
	// reading only.
	if s.PageSize, s.Pages = f.PageSize, f.Pages; s.Pages == 0 && f.PageSize > 0 {
		s.Pages = f.Bytes / f.PageSize
	}
	return nil
}

// askDatabase has SQLite tell of pages that may be in a log.
func (s *statusReport) askDatabase(ctx context.Context) error {
	db, err := floe.OpenReadOnly(ctx, s.Path)
	if err != nil {
		return err
	}
	defer db.Close()
	if s.Pages, err = selectInt(ctx, db, "PRAGMA page_count"); err != nil {
		return err
	}
	s.PageSize, err = selectInt(ctx, db, "PRAGMA page_size")
	return err
}

// fileSize gives the size of a file in bytes, 0 when there is none.
func fileSize(name string) (int64, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// compare asks the server how far it is.
func (s *statusReport) compare(ctx context.Context, st floe.FileStatus, from remote) error {
	if st.Role != floe.RoleReplica {
		return fmt.Errorf("%s follows no server: it is %s", s.Path, roleText(st.Role))
	}
	r, err := floe.OpenReplica(ctx, s.Path, from.url, from.options()...)
	if err != nil {
		return err
	}
	defer r.Close()
	p, err := r.Primary(ctx)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	if p.LogID != st.Position.LogID {
		return fmt.Errorf("ask the server: %w: the primary's is %s, the replica's %s", floe.ErrWrongLog, p.LogID, st.Position.LogID)
	}
	stats := floe.Stats{Position: st.Position, Primary: p.FrameNo, HasPrimary: p.HasFrame}
	lag := stats.Lag()
	s.PrimaryFrameNo, s.Lag = frameNo(p), &lag
	return nil
}

func roleText(r floe.Role) string {
	if r == floe.RoleFrozen {
		return "a frozen database"
	}
	return "a local database"
}

func (s *statusReport) fields() []field {
	fs := []field{{"role", s.Role}}
	if s.LogID != "" {
		fs = append(fs, field{"log", s.LogID})
		if s.FrameNo != nil {
			fs = append(fs, field{"frame", *s.FrameNo})
		} else {
			fs = append(fs, field{"frame", "none yet"})
		}
	}
	if s.Origin != nil {
		fs = append(fs, field{"frozen from log", s.Origin.LogID}, field{"frozen at frame", s.Origin.FrameNo})
	}
	if s.Lag != nil {
		fs = append(fs, field{"lag", plural(*s.Lag, "frame")})
	}
	if s.LockedBy != "" {
		fs = append(fs, field{"in use by", s.LockedBy})
	}
	return append(fs,
		field{"database", byteText(float64(s.DatabaseBytes))},
		field{"wal", byteText(float64(s.WALBytes))},
		field{"pages", s.pagesText()},
	)
}

func (s *statusReport) pagesText() string {
	if s.Pages == 0 {
		return "none: the database is empty"
	}
	return fmt.Sprintf("%d of %d bytes", s.Pages, s.PageSize)
}

// selectInt runs a query that gives one integer.
func selectInt(ctx context.Context, db *floe.DB, sql string) (n int64, err error) {
	err = selectOne(ctx, db, sql, func(s *engine.Stmt) { n = s.ColumnInt64(0) })
	return n, err
}

// selectText runs a query that gives one text.
func selectText(ctx context.Context, db *floe.DB, sql string) (text string, err error) {
	err = selectOne(ctx, db, sql, func(s *engine.Stmt) { text = s.ColumnText(0) })
	return text, err
}

func selectOne(ctx context.Context, db *floe.DB, sql string, take func(*engine.Stmt)) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	err = c.Query(ctx, sql, nil, func(s *engine.Stmt) error {
		take(s)
		return nil
	})
	return errors.Join(err, c.Close())
}
