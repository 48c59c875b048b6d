package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/files"
)

// pullReport is the JSON of `floe pull`.
type pullReport struct {
	File      string `json:"file"`
	LogID     string `json:"log_id"`
	First     uint64 `json:"first_frame_no"`
	Last      uint64 `json:"last_frame_no"`
	Frames    uint64 `json:"frames"`
	Segments  uint64 `json:"segments"`
	Snapshots uint64 `json:"snapshots"`
	Pages     uint32 `json:"pages"`
	Bytes     int64  `json:"bytes"`
	FileBytes int64  `json:"file_bytes"`
	ElapsedMS int64  `json:"elapsed_ms"`
}

// pullTries is how often a server may compact its log under the reading.
const pullTries = 3

func newPull() *cobra.Command {
	var (
		from   remote
		since  uint64
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "pull FILE --from URL",
		Short: "Write a server's log into a frame archive",
		Long: `Pull writes what a server has into one compressed, self-checking file, for a
machine that the network does not reach: its log, or the part of it from one
frame on. Where the log no longer reaches back, the server's snapshots take its
place. No database is made; "floe apply" makes or moves on a replica with it.

FILE appears when it is complete and on disk; until then it is FILE.tmp, which the
next pull removes should this one be killed. A replica at frame N needs an
archive that was pulled with --since N+1 or less.`,
		Example: `  floe pull all.frames --from libsql://db.example.com
  floe pull news.frames --from libsql://db.example.com --since 1200`,
		Args: takes("FILE"),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			if err := requirePath(args[0], "floe pull FILE --from URL writes what it has into a file"); err != nil {
				return err
			}
			if err := from.requireURL(); err != nil {
				return err
			}
			return pull(cmd, args[0], from, since, asJSON)
		}),
	}
	from.addURL(cmd, serverUsage)
	from.addAccess(cmd)
	cmd.Flags().Uint64Var(&since, "since", 0, "`number` of the first frame to pull")
	addJSON(cmd, &asJSON)
	return cmd
}

func pull(cmd *cobra.Command, name string, from remote, since uint64, asJSON bool) error {
	began := time.Now()
	b := startBar(cmd.ErrOrStderr(), since)
	from.log = newLogger(cmd, b)
	var info floe.PullInfo
	size, err := writeWhole(name, func(f *os.File) (err error) {
		info, err = pullInto(cmd.Context(), f, from, since, b)
		return err
	})
	b.finish()
	if err != nil {
		return err
	}
	rep := pullReport{
		File: name, LogID: info.LogID.String(), First: info.First, Last: info.Last, Frames: info.Frames,
		Segments: info.Segments, Snapshots: info.Snapshots, Pages: info.SizeAfter, Bytes: info.Bytes,
		FileBytes: size, ElapsedMS: time.Since(began).Milliseconds(),
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), rep)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s holds frames %d to %d of log %s (%s, %s)\n",
		name, rep.First, rep.Last, rep.LogID, plural(rep.Frames, "frame"), byteText(float64(size)))
	return err
}

// pullInto pulls into f, from its start again where the server compacted its log.
func pullInto(ctx context.Context, f *os.File, from remote, since uint64, b *bar) (floe.PullInfo, error) {
	for try := 1; ; try++ {
		info, err := floe.Pull(ctx, from.url, since, f, from.options(b.option())...)
		if !errors.Is(err, floe.ErrCompacted) || try == pullTries {
			return info, err
		}
		if err := f.Truncate(0); err != nil {
			return info, err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return info, err
		}
	}
}

// writeWhole makes the file that name leads to with what write writes, all of it or
// none, and durably. It returns the file's size in bytes. What a process that was
// killed left beside it is removed.
func writeWhole(name string, write func(*os.File) error) (size int64, err error) {
	if name, err = files.Real(name); err != nil {
		return 0, err
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a file that can be replaced", name)
	}
	f, err := createAnew(name+unfinished, name)
	if err != nil {
		return 0, err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	info, statErr := f.Stat()
	if err == nil {
		err = statErr
	}
	if !isStill(info, f.Name()) {
		// Nothing of it has a name any more.
		return 0, errors.Join(cmp.Or(err, fmt.Errorf("%s: another process is writing this file", name)), f.Close())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(f.Name()))
	}
	return info.Size(), syncFolder(filepath.Dir(name))
}

// unfinished, behind a file's name, is that of the file while it is written.
const unfinished = ".tmp"

// createAnew makes a file with the mode of the one called like, in the place of what
// has its name, be it a link.
func createAnew(name, like string) (*os.File, error) {
	if info, err := os.Lstat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", name)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return files.Open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, like)
}

// isStill tells whether name still is that of a file.
func isStill(file fs.FileInfo, name string) bool {
	now, err := os.Lstat(name)
	return err == nil && file != nil && os.SameFile(file, now)
}

// syncFolder makes the names in a folder durable. Windows has no such call: NTFS
// journals its folders.
func syncFolder(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
