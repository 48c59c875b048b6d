package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http/httputil"
	"os"
	"path/filepath"
	"time"

	"github.com/floedb/floe/frames"
)

// captureLog records what a server with a short log answers.
func captureLog(ctx context.Context, sqld, out string) error {
	s, err := startServer(ctx, sqld)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := captureHello(ctx, s, out); err != nil {
		return err
	}
	if err := captureError(ctx, s, out, "error-snapshot.txt", "Snapshot", "default", frames.AppendLogOffset(nil, 0)); err != nil {
		return err
	}
	for name, next := range map[string]uint64{"batch.bin.gz": 0, "batch-tail.bin.gz": 5, "batch-empty.bin": 1 << 40} {
		body, err := s.body(ctx, "BatchLogEntries", frames.AppendLogOffset(nil, next))
		if err != nil {
			return err
		}
		if err := save(out, name, body); err != nil {
			return err
		}
	}
	return captureStream(ctx, s, out)
}

// captureHello records the answers on an empty and on a filled log, and the
// refusal of a call before it.
func captureHello(ctx context.Context, s *server, out string) error {
	if err := captureError(ctx, s, out, "error-no-hello.txt", "BatchLogEntries", "default", frames.AppendLogOffset(nil, 0)); err != nil {
		return err
	}
	body, _, err := s.hello(ctx)
	if err != nil {
		return err
	}
	if err := save(out, "hello-empty.bin", body); err != nil {
		return err
	}
	answer, err := s.exec(ctx, smallSQL()...)
	if err != nil {
		return err
	}
	if err := save(out, "pipeline.json", answer); err != nil {
		return err
	}
	if body, _, err = s.hello(ctx); err != nil {
		return err
	}
	return save(out, "hello.bin", body)
}

// smallSQL makes some dozens of frames: rows that overflow a page, an index,
// transactions of several statements, a rollback and deletes.
func smallSQL() []string {
	return []string{
		"CREATE TABLE note(id INTEGER PRIMARY KEY, title TEXT, body TEXT)",
		"CREATE INDEX note_title ON note(title)",
		"INSERT INTO note VALUES(1, 'first', 'a floe is a piece of ice')",
		"INSERT INTO note VALUES(2, 'overflow', hex(zeroblob(6000)))",
		"BEGIN",
		"INSERT INTO note SELECT value + 10, 'title ' || value, hex(zeroblob(100 + value)) FROM generate_series(1, 40)",
		"UPDATE note SET title = upper(title) WHERE id % 3 = 0",
		"COMMIT",
		"BEGIN",
		"DELETE FROM note",
		"ROLLBACK",
		"DELETE FROM note WHERE id > 30",
	}
}

// captureStream records the beginning of a LogEntries answer: it joins the log
// shortly before its end and takes a transaction committed while it is open.
func captureStream(ctx context.Context, s *server, out string) error {
	_, h, err := s.hello(ctx)
	if err != nil {
		return err
	}
	res, err := s.call(ctx, "LogEntries", "default", frames.AppendLogOffset(nil, h.Current-1))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := s.exec(ctx, "INSERT INTO note VALUES(100, 'live', 'while the stream is open')"); err != nil {
		return err
	}
	var raw bytes.Buffer
	e := frames.NewEnvelopeReader(io.TeeReader(res.Body, &raw))
	for commits := 0; commits < 2; {
		_, length, err := e.Next()
		if err != nil {
			return err
		}
		message, err := e.AppendPayload(nil, int(length))
		if err != nil {
			return err
		}
		m, err := frames.ParseFrameMessage(message)
		if err != nil {
			return err
		}
		if m.Data.IsCommit() {
			commits++
		}
	}
	return save(out, "stream.bin.gz", raw.Bytes())
}

// captureNamespace records how a server with namespaces refuses one it does
// not have.
func captureNamespace(ctx context.Context, sqld, out string) error {
	admin, err := freeAddr()
	if err != nil {
		return err
	}
	s, err := startServer(ctx, sqld, "--enable-namespaces", "--admin-listen-addr", admin)
	if err != nil {
		return err
	}
	defer s.stop()
	return captureError(ctx, s, out, "error-namespace.txt", "Hello", "nowhere", frames.AppendHelloRequest(nil))
}

// captureSnapshot records what a server answers that has compacted its log.
func captureSnapshot(ctx context.Context, sqld, out string) error {
	s, err := startServer(ctx, sqld, "--max-log-size", "1")
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := s.exec(ctx, bigSQL()...); err != nil {
		return err
	}
	file, err := waitSnapshot(ctx, s)
	if err != nil {
		return err
	}
	if err := save(out, "snapshot.snap.gz", file); err != nil {
		return err
	}
	header, err := frames.ParseSnapshotHeader(file)
	if err != nil {
		return err
	}
	if _, _, err := s.hello(ctx); err != nil {
		return err
	}
	if err := captureError(ctx, s, out, "error-need-snapshot.txt", "BatchLogEntries", "default", frames.AppendLogOffset(nil, 0)); err != nil {
		return err
	}
	calls := []struct {
		name, method string
		next         uint64
	}{
		{"snapshot.bin.gz", "Snapshot", 0},
		{"snapshot-part.bin.gz", "Snapshot", header.End - 4},
		{"batch-after-snapshot.bin.gz", "BatchLogEntries", header.End + 1},
	}
	var body []byte
	for _, c := range calls {
		if body, err = s.body(ctx, c.method, frames.AppendLogOffset(nil, c.next)); err != nil {
			return err
		}
		if err := save(out, c.name, body); err != nil {
			return err
		}
	}
	archive, err := makeArchive(file, body) // of the last call: the log behind the snapshot
	if err != nil {
		return fmt.Errorf("make archive: %w", err)
	}
	return save(filepath.Join(filepath.Dir(out), "archive"), "version1.frames", archive)
}

// bigSQL writes few pages often, so that the log is compacted (at 1 MB) and
// the snapshot is small. A last transaction comes after the compaction.
func bigSQL() []string {
	statements := []string{
		"CREATE TABLE counter(id INTEGER PRIMARY KEY, n INTEGER, pad TEXT)",
		"INSERT INTO counter SELECT value, 0, hex(zeroblob(1000)) FROM generate_series(1, 24)",
	}
	for range 20 {
		statements = append(statements, "UPDATE counter SET n = n + 1")
	}
	return append(statements, "UPDATE counter SET n = 1000 WHERE id = 1", "INSERT INTO counter VALUES(100, 0, 'last')")
}

// waitSnapshot waits for the one snapshot file of the server and reads it.
func waitSnapshot(ctx context.Context, s *server) ([]byte, error) {
	pattern := filepath.Join(s.namespaceDir(), "snapshots", "*.snap")
	for {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		if len(names) == 1 {
			return os.ReadFile(names[0])
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s: %w, have %v", pattern, ctx.Err(), names)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// captureError records a whole HTTP answer, which must be an error.
func captureError(ctx context.Context, s *server, out, name, method, namespace string, message []byte) error {
	res, err := s.call(ctx, method, namespace, message)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if code := res.Header.Get("Grpc-Status"); code == "" || code == "0" {
		return fmt.Errorf("%s for %s: no error in the headers: %v", method, name, res.Header)
	}
	dump, err := httputil.DumpResponse(res, true)
	if err != nil {
		return err
	}
	return save(out, name, dump)
}

// save writes a file, compressed when its name ends in .gz.
func save(dir, name string, data []byte) error {
	if filepath.Ext(name) == ".gz" {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		data = packed.Bytes()
	}
	return os.WriteFile(filepath.Join(dir, name), data, 0o644)
}
