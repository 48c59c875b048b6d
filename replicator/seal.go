package replicator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/files"
)

// originSuffix, appended to the database's path, names the file that says where
// a frozen database came from. It is kept outside the database, whose schema is
// its owner's.
const originSuffix = "-floe-frozen"

// originFile is the content of the file, as JSON.
type originFile struct {
	LogID   string    `json:"log_id"`
	FrameNo uint64    `json:"frame_no"`
	Frozen  time.Time `json:"frozen_at"`
	// Dropped holds the DDL of indexes that only libSQL can maintain.
	Dropped []string `json:"dropped_indexes,omitempty"`
}

// ReadOrigin tells where the frozen database at path came from. The error is
// fs.ErrNotExist where the database was not frozen.
func ReadOrigin(path string) (Origin, error) {
	path, err := files.Real(path)
	if err != nil {
		return Origin{}, err
	}
	return readOrigin(path)
}

// maxOrigin bounds an origin file, in bytes. One with the DDL of a thousand indexes
// has some 200 KB.
const maxOrigin = 16 << 20

func readOrigin(path string) (Origin, error) {
	b, err := readBounded(path+originSuffix, maxOrigin+1)
	if err != nil {
		return Origin{}, err
	}
	if len(b) > maxOrigin {
		return Origin{}, fmt.Errorf("%s: longer than %d bytes", path+originSuffix, maxOrigin)
	}
	var o originFile
	if err := json.Unmarshal(b, &o); err != nil {
		return Origin{}, fmt.Errorf("%s: %w", path+originSuffix, err)
	}
	id, err := frames.ParseLogID(o.LogID)
	if err != nil {
		return Origin{}, fmt.Errorf("%s: %w", path+originSuffix, err)
	}
	return Origin{LogID: id, FrameNo: o.FrameNo}, nil
}

// Seal makes the replica a database of its own: what is whole is applied, the
// origin recorded and the position removed. Every call under way ends with
// [ErrFrozen], and every later one fails with it. The caller has seen to it that
// no reader of its own is left that it does not want to see the end.
//
// A crash in the middle leaves either the replica or the sealed database, and
// calling Seal again, or opening the file, finishes the work. The server is not
// needed.
func (r *Replicator) Seal(ctx context.Context) (Origin, error) {
	var o Origin
	_, err := r.do(ctx, func(ctx context.Context) error {
		err := r.offline(ctx, func(s *session) error {
			if err := s.flush(); err != nil {
				return err
			}
			s.batch.reset()
			var err error
			if o, err = s.seal(ctx); err != nil {
				err = errors.Join(err, s.close()) // the next call opens it again
			}
			return err
		})
		if err == nil {
			r.finish(&FrozenError{Path: r.cfg.Path, Origin: o})
		}
		return err
	})
	return o, err
}

func (s *session) seal(ctx context.Context) (Origin, error) {
	if s.applier == nil || !s.rec.HasFrame {
		return Origin{}, fmt.Errorf("freeze %s: %w", s.r.cfg.Path, ErrNoData)
	}
	// The connection that wrote pages below SQLite's b-tree layer may still have
	// some decoded as they were before (see rereadSchema).
	err := s.applier.close()
	if s.applier = nil; err == nil {
		err = s.openApplier(ctx)
	}
	if err != nil {
		return Origin{}, fmt.Errorf("freeze: %w", err)
	}
	foreign, err := s.applier.foreignIndexes()
	if err != nil {
		return Origin{}, fmt.Errorf("freeze: %w", err)
	}
	if err := s.applier.checkpoint(); err != nil {
		return Origin{}, fmt.Errorf("freeze: %w", err)
	}
	o := Origin{LogID: s.rec.LogID, FrameNo: s.rec.FrameNo}
	if err := s.writeOrigin(o, foreign.ddl); err != nil {
		return Origin{}, fmt.Errorf("freeze: %w", err)
	}
	// Not before: a replica that floe has changed would no longer be the primary's.
	if err := s.applier.drop(foreign); err != nil {
		return Origin{}, fmt.Errorf("freeze: %w", err)
	}
	if err := s.applier.close(); err != nil {
		return Origin{}, fmt.Errorf("freeze: %w", err)
	}
	s.applier, s.batch = nil, batch{}
	if err := s.position.remove(); err != nil {
		return Origin{}, fmt.Errorf("freeze: %w", err)
	}
	s.rec = record{}
	return o, nil
}

// writeOrigin puts the origin file in place, whole and durable. From then on the
// database is frozen.
func (s *session) writeOrigin(o Origin, dropped []string) error {
	b, err := json.MarshalIndent(originFile{
		LogID: o.LogID.String(), FrameNo: o.FrameNo, Frozen: time.Now().UTC().Truncate(time.Second), Dropped: dropped,
	}, "", "  ")
	if err != nil {
		return err
	}
	if len(b) > maxOrigin {
		return fmt.Errorf("the DDL of the vector indexes, which would be dropped, has %d bytes", len(b))
	}
	name, fsys := s.r.cfg.Path+originSuffix, s.r.cfg.fs
	if err := fsys.Remove(name + ".tmp"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.OpenFile(name+".tmp", os.O_RDWR|os.O_CREATE|os.O_EXCL, s.r.cfg.Path)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(append(b, '\n'), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(name+".tmp", name); err != nil {
		return err
	}
	return fsys.SyncDir(name)
}

// FinishSeal does what a crash in the middle of a Seal may have left undone to
// the frozen database at path, and removes what it left beside it. It does
// nothing where the database is not frozen.
func FinishSeal(path string) error {
	path, err := files.Real(path)
	if err != nil {
		return err
	}
	if _, err := readOrigin(path); err != nil {
		return nil
	}
	if _, err := os.Lstat(path + positionSuffix); err == nil {
		if err := dropForeignIndexes(path); err != nil {
			return fmt.Errorf("finish freezing %s: %w", path, err)
		}
	}
	for _, suffix := range []string{positionSuffix, lockSuffix, originSuffix + ".tmp"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("finish freezing %s: %w", path, err)
		}
	}
	return nil
}

// dropForeignIndexes drops them from a database that was a replica until now.
func dropForeignIndexes(path string) error {
	conn, err := engine.Open(path, engine.OpenReadWrite)
	if err != nil {
		return err
	}
	a := &applier{ctx: context.Background(), conn: conn}
	err = conn.Exec(a.ctx, applierPragmas)
	if err == nil {
		var foreign indexes
		if foreign, err = a.foreignIndexes(); err == nil {
			err = a.drop(foreign)
		}
	}
	return errors.Join(err, a.close())
}

// indexes are some indexes, by name and by DDL.
type indexes struct{ names, ddl []string }

// foreignIndexes finds the indexes that only libSQL can maintain, its vector
// indexes, and gives their DDL as the primary has it.
func (a *applier) foreignIndexes() (found indexes, err error) {
	const find = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND (sql LIKE '%libsql_vector_idx%' OR instr(sql, '" + vectorMark + "'))"
	err = a.conn.Query(a.ctx, find, nil, func(s *engine.Stmt) error {
		found.names, found.ddl = append(found.names, s.ColumnText(0)), append(found.ddl, withVectorCalls(s.ColumnText(1)))
		return nil
	})
	return found, err
}

// drop drops indexes, all or none.
func (a *applier) drop(some indexes) error {
	if len(some.names) == 0 {
		return nil
	}
	script := "BEGIN IMMEDIATE;"
	for _, name := range some.names {
		script += ` DROP INDEX IF EXISTS "` + strings.ReplaceAll(name, `"`, `""`) + `";`
	}
	if err := a.conn.Exec(a.ctx, script+" COMMIT"); err != nil {
		_ = a.conn.Exec(context.Background(), "ROLLBACK")
		return fmt.Errorf("drop vector indexes: %w", err)
	}
	return nil
}
