package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/floedb/floe/wal"
)

// walReport is the JSON of `floe wal`.
type walReport struct {
	File            string     `json:"file"`
	FileBytes       int64      `json:"file_bytes"`
	Empty           bool       `json:"empty"`
	PageSize        uint32     `json:"page_size,omitempty"`
	ByteOrder       string     `json:"checksum_byte_order,omitempty"`
	CheckpointSeq   uint32     `json:"checkpoint_seq"`
	Salts           string     `json:"salts,omitempty"`
	Frames          int        `json:"valid_frames"`
	Commits         int        `json:"commits"`
	CommittedFrames int        `json:"committed_frames"`
	CommittedBytes  int64      `json:"committed_bytes"`
	PagesAfter      uint32     `json:"pages_after"`
	End             string     `json:"end"`
	TailBytes       int64      `json:"tail_bytes"`
	List            []walFrame `json:"frames,omitempty"`
}

// walFrame is one frame of a log.
type walFrame struct {
	No       int    `json:"no"`
	Offset   int64  `json:"offset"`
	Page     uint32 `json:"page"`
	Pages    uint32 `json:"pages_after"`
	Checksum string `json:"checksum"`
}

func newWAL() *cobra.Command {
	var asJSON, list bool
	cmd := &cobra.Command{
		Use:   "wal FILE",
		Short: "Tell what a write-ahead log holds",
		Long: `Wal reads a SQLite write-ahead log, the file beside a database whose name ends
in "-wal", as SQLite does when it recovers one: up to the first frame that does
not have the salts of the header or whose checksum does not hold. It tells how
many frames and commits there are, and what follows them:

  clean                 nothing
  stale frames follow   frames from before the log was begun anew; that is usual
  torn                  a frame that was not written whole, or was damaged

It takes no lock; a log that is being written to may seem torn.`,
		Example: `  floe wal app.db-wal
  floe wal app.db-wal --frames`,
		Args: takes("FILE"),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			return showWAL(cmd, args[0], list, asJSON)
		}),
	}
	cmd.Flags().BoolVar(&list, "frames", false, "list every valid frame")
	addJSON(cmd, &asJSON)
	return cmd
}

func showWAL(cmd *cobra.Command, name string, list, asJSON bool) error {
	if err := requirePath(name, "its log is on its own machine; floe pull fetches the frames that it hands out"); err != nil {
		return err
	}
	rep, err := readWAL(name, list)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), rep)
	}
	if err := printFields(cmd.OutOrStdout(), rep.fields()); err != nil || len(rep.List) == 0 {
		return err
	}
	return printFrames(cmd.OutOrStdout(), rep.List)
}

// readWAL reads the log in the file name.
func readWAL(name string, list bool) (*walReport, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	rep := &walReport{File: name, FileBytes: info.Size()}
	err = rep.read(f, list)
	if errors.Is(err, wal.ErrHeader) && isDatabase(f) {
		return nil, fmt.Errorf("%s is a database; its write-ahead log is %s-wal", name, name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rep, nil
}

func (w *walReport) read(f io.Reader, list bool) error {
	r, err := wal.NewReader(f)
	if errors.Is(err, wal.ErrEmpty) {
		w.Empty, w.End = true, wal.EndClean.String()
		return nil
	}
	if err != nil {
		return err
	}
	for {
		frame, err := r.Next()
		if errors.Is(err, io.EOF) {
			w.summarize(r.Summary())
			return nil
		}
		if err != nil {
			return err
		}
		if list {
			w.List = append(w.List, walFrame{len(w.List) + 1, frame.Offset, frame.PageNo, frame.SizeAfter, frame.Sum.String()})
		}
	}
}

func (w *walReport) summarize(s wal.Summary) {
	w.PageSize, w.CheckpointSeq = s.Header.PageSize, s.Header.CheckpointSeq
	w.Salts = fmt.Sprintf("%08x-%08x", s.Header.Salt1, s.Header.Salt2)
	w.ByteOrder = "little-endian"
	if s.Header.BigEndian {
		w.ByteOrder = "big-endian"
	}
	w.Frames, w.Commits, w.CommittedFrames = s.Frames, s.Commits, s.Committed
	w.CommittedBytes, w.PagesAfter, w.End = s.CommittedEnd, s.SizeAfter, s.End.String()
	valid := wal.HeaderSize + int64(s.Frames)*int64(wal.FrameHeaderSize+s.Header.PageSize)
	w.TailBytes = w.FileBytes - valid
}

// isDatabase tells whether f begins as a SQLite database does:
// https://sqlite.org/fileformat2.html#magic_header_string
func isDatabase(f *os.File) bool {
	magic := []byte("SQLite format 3\x00")
	head := make([]byte, len(magic))
	_, err := f.ReadAt(head, 0)
	return err == nil && bytes.Equal(head, magic)
}

func (w *walReport) fields() []field {
	if w.Empty {
		return []field{{"file", "empty: everything in it was checkpointed"}}
	}
	return []field{
		{"file", byteText(float64(w.FileBytes))},
		{"page size", w.PageSize},
		{"checksums", w.ByteOrder},
		{"checkpoints", w.CheckpointSeq},
		{"salts", w.Salts},
		{"frames", fmt.Sprintf("%d valid, %d committed", w.Frames, w.CommittedFrames)},
		{"commits", w.Commits},
		{"last commit", w.lastCommit()},
		{"end", w.ending()},
	}
}

func (w *walReport) lastCommit() string {
	if w.Commits == 0 {
		return "none"
	}
	return fmt.Sprintf("frame %d, ends at byte %d, database of %s", w.CommittedFrames, w.CommittedBytes, plural(w.PagesAfter, "page"))
}

func (w *walReport) ending() string {
	if w.TailBytes == 0 {
		return w.End
	}
	return fmt.Sprintf("%s (%d bytes)", w.End, w.TailBytes)
}

func printFrames(w io.Writer, list []walFrame) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "\n%8s  %12s  %8s  %s\n", "frame", "offset", "page", "checksum")
	for _, f := range list {
		fmt.Fprintf(out, "%8d  %12d  %8d  %s", f.No, f.Offset, f.Page, f.Checksum)
		if f.Pages != 0 {
			fmt.Fprintf(out, "  commit, %s", plural(f.Pages, "page"))
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}
