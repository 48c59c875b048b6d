package replicator

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/liar"
	"github.com/floedb/floe/internal/sqldtest"
	"github.com/floedb/floe/testdata"
)

// A position file holds what was written, and one that is read says no more than it can know.
func FuzzPositionFile(f *testing.F) {
	f.Add(record{}.encode())
	at := Position{LogID: frames.LogID{1, 2, 3}, FrameNo: 4711, HasFrame: true}
	f.Add(record{Position: at, inFlight: 12}.encode())
	f.Add(slices.Concat(record{Position: at}.encode()[:24], make([]byte, 8)))
	f.Add(record{Position: Position{LogID: at.LogID, FrameNo: noFrame - 1, HasFrame: true}, inFlight: 1<<32 - 1}.encode())
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		checkRecord(t, b)
		if len(b) == positionSize { // the same with a check value that fits
			b = bytes.Clone(b)
			r, err := decodeRecord(b)
			if err == nil {
				r.inFlight = binary.LittleEndian.Uint32(b[24:])
				checkRecord(t, r.encode())
			}
		}
	})
}

// checkRecord fails where the bytes of a position file are misread.
func checkRecord(t *testing.T, b []byte) {
	t.Helper()
	r, err := decodeRecord(b)
	if err != nil {
		if !errors.Is(err, ErrPositionFile) {
			t.Fatalf("error %v, want %v", err, ErrPositionFile)
		}
		return
	}
	if again := r.encode(); r.proven && !r.foreign && !bytes.Equal(again, b) {
		t.Errorf("%x is written again as %x", b, again)
	}
	back, err := decodeRecord(r.encode())
	if err != nil || back.Position != r.Position || back.inFlight != r.inFlight {
		t.Errorf("%+v comes back as %+v, %v", r, back, err)
	}
	if floor := r.floor(); r.inFlight > 0 && floor < r.Next() {
		t.Errorf("%+v: the next transaction may end at frame %d, before the next frame %d", r, floor, r.Next())
	}
}

// The file that says where a frozen database came from is read whole or refused, and no role is made of a part.
func FuzzOriginFile(f *testing.F) {
	f.Add([]byte(`{"log_id":"f1000000-0000-0000-0000-000000000001","frame_no":12,"frozen_at":"2026-01-01T00:00:00Z","dropped_indexes":["CREATE INDEX i ON t(x)"]}`))
	f.Add([]byte(`{"log_id":"f1000000-0000-0000-0000-000000000001","frame_no":1e3}`))
	f.Add([]byte(`{}`))
	f.Add([]byte{})
	name := filepath.Join(f.TempDir(), "frozen.db")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(name+originSuffix, b, 0o666); err != nil {
			t.Fatal(err)
		}
		o, err := ReadOrigin(name)
		_, openErr := inspect(name)
		var frozen *FrozenError
		switch isFrozen := errors.As(openErr, &frozen); {
		case (err == nil) != isFrozen:
			t.Fatalf("the origin is %+v, %v; opening says %v", o, err, openErr)
		case isFrozen && frozen.Origin != o:
			t.Errorf("the origin is %+v and %+v", o, frozen.Origin)
		case err != nil && openErr == nil:
			t.Error("a file that cannot be read is taken for none")
		}
	})
}

// What makes libSQL's DDL readable keeps its length, changes nothing that plain SQLite reads already, is done with
// when it was done, and is what a page of the schema is compared with.
func FuzzAdaptedSchema(f *testing.F) {
	for _, sql := range []string{
		"CREATE TABLE u(x) RANDOM ROWID", "CREATE TABLE u(x, y) STRICT, random/**/rowid", `CREATE TABLE "random rowid"(x)`,
		"CREATE INDEX i ON t(libsql_vector_idx(e))", "CREATE INDEX i ON t ( libsql_vector_idx(\n\"my e\", 'metric=cosine') )",
		"CREATE INDEX i ON t(e)WHERE 0--libsql_v, 'metric=cosine'))", "CREATE INDEX i ON t(e) WHERE e <> 'libsql_vector_idx('",
		"CREATE TABLE t2(x DEFAULT '(', y) RANDOM ROWID, WITHOUT ROWID",
	} {
		f.Add(sql)
	}
	conn, err := engine.Open(":memory:", engine.OpenReadWrite|engine.OpenCreate)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { conn.Close() })
	if err := conn.Exec(context.Background(), "CREATE TABLE t(e, f, g)"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if len(sql) > frames.PageSize-200 {
			return
		}
		readable := false
		if s, err := conn.Prepare(sql); err == nil {
			readable = true
			_ = s.Finalize()
		}
		for _, kind := range []string{"table", "index"} {
			got, changed := adapted(kind, sql)
			if len(got) != len(sql) || !changed && got != sql {
				t.Fatalf("%s: %q became %q (%v)", kind, sql, got, changed)
			}
			if changed && readable && strings.HasPrefix(strings.ToUpper(sql), "CREATE "+strings.ToUpper(kind)) {
				t.Errorf("%s: %q, which plain SQLite reads, became %q", kind, sql, got)
			}
			if again, more := adapted(kind, got); more {
				t.Errorf("%s: %q became %q, and that %q", kind, sql, got, again)
			}
			if back := withVectorCalls(got); kind == "index" && len(back) > len(got) {
				t.Errorf("%q grew to %q", got, back)
			}
		}
		page := slices.Concat(make([]byte, 100), []byte(sql), make([]byte, 100))
		if adapted := adaptVectorCalls(page); len(adapted) != len(page) || !sameBytes(2, page, page, false) {
			t.Fatalf("a page with %q changed its length", sql)
		}
	})
}

// The pages of a schema are found, each once, or the file is refused: whatever its pages point to.
func FuzzSchemaPages(f *testing.F) {
	f.Add([]byte{leafTable, 0, 0, 0, 0, 0, 0, 0}, uint8(0))
	f.Add([]byte{interiorTable, 0, 0, 0, 1, 15, 240, 0, 0, 0, 0, 2}, uint8(3))
	f.Add([]byte{interiorTable, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1}, uint8(255))
	f.Fuzz(func(t *testing.T, head []byte, pages uint8) {
		reads := 0
		tree, err := schemaTree(func(no uint32) ([]byte, error) {
			if reads++; reads > 1<<16 {
				t.Fatal("the walk has no end")
			}
			if no == 0 || no > uint32(pages)+1 {
				return nil, nil
			}
			page := make([]byte, frames.PageSize)
			at := 0
			if no == 1 {
				at = 100
			}
			copy(page[at:], head[len(head)*int(no-1)/(int(pages)+1):])
			return page, nil
		})
		seen := map[uint32]bool{}
		for _, no := range tree {
			if seen[no] {
				t.Errorf("page %d comes twice", no)
			}
			seen[no] = true
		}
		if err == nil && !seen[1] {
			t.Error("page 1 is left out")
		}
	})
}

// scripted answers each request with the next body, and the last one again.
type scripted struct {
	hello  []byte
	bodies [][]byte
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	body := s.hello
	if path.Base(r.URL.Path) != "Hello" {
		body = s.bodies[0]
		if len(s.bodies) > 1 {
			s.bodies = s.bodies[1:]
		}
	}
	res := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/grpc-web"}}, Request: r}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// What a walk over a server's log writes into an archive is whole, whatever the server's answers are.
func FuzzPull(f *testing.F) {
	hello := testdata.Read(f, "wire/hello.bin")
	f.Add(hello, testdata.Read(f, "wire/batch.bin"), []byte{}, uint16(0))
	f.Add(hello, testdata.Read(f, "wire/batch-empty.bin"), testdata.Read(f, "wire/batch-tail.bin"), uint16(5))
	needSnapshot := frames.AppendTrailers(nil, frames.Status{Code: 9, Message: "NEED_SNAPSHOT"})
	f.Add(hello, needSnapshot, testdata.Read(f, "wire/snapshot.bin"), uint16(0))
	f.Fuzz(func(t *testing.T, hello, one, two []byte, since uint16) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // the last body comes again and again
		defer cancel()
		transport := &scripted{hello: hello, bodies: [][]byte{one, two}}
		remote := Remote{URL: "http://127.0.0.1:1", HTTPClient: &http.Client{Transport: lockedTransport{transport, make(chan struct{}, 1)}}}
		var archive bytes.Buffer
		info, err := Pull(ctx, Config{Remote: remote, Retries: NoRetries}, uint64(since), &archive)
		if err != nil {
			return
		}
		got, err := frames.VerifyArchive(bytes.NewReader(archive.Bytes()))
		if err != nil || got.Frames != info.Frames || got.Last != info.Last || got.First != uint64(since) {
			t.Errorf("pulled %+v, the archive has %+v, %v", info, got, err)
		}
	})
}

// lockedTransport has one request at a time use a transport.
type lockedTransport struct {
	http.RoundTripper
	lock chan struct{}
}

func (l lockedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	l.lock <- struct{}{}
	defer func() { <-l.lock }()
	return l.RoundTripper.RoundTrip(r)
}

// applyModel is a replica without a server, and what it must hold.
type applyModel struct {
	t      *testing.T
	log    liar.Log
	ends   []int    // frames in the log after each transaction
	images [][]byte // the database then
	path   string
	r      *Replicator
	have   int // transactions applied
}

func (m *applyModel) open() {
	r, err := Open(Config{Path: m.path})
	if err != nil {
		m.t.Fatal(err)
	}
	m.r = r
}

// from gives the frames of n transactions that come after the first skip.
func (m *applyModel) from(skip, n int) []frames.Frame {
	first := 0
	if skip > 0 {
		first = m.ends[min(skip, len(m.ends))-1]
	}
	return slices.Clone(m.log.Frames[first:m.ends[max(0, min(skip+n, len(m.ends))-1)]])
}

// step does one thing to the replica. It may succeed only with frames that are right.
func (m *applyModel) step(op, arg byte) {
	id, next := m.log.ID, m.have
	fs := m.from(m.have, 1+int(arg)%3)
	want := min(m.have+1+int(arg)%3, len(m.ends))
	at := 0
	if len(fs) > 0 {
		at = int(arg) % len(fs)
	}
	mayWork := len(fs) > 0
	switch op % 12 {
	case 0:
		fs, want = m.from(0, int(arg)%len(m.ends)+1), max(next, int(arg)%len(m.ends)+1)
		mayWork = true
	case 1:
		fs, mayWork = fs[:max(0, len(fs)-1)], false
		if n := len(fs); n > 0 && fs[n-1].IsCommit() {
			return // what is cut off was a whole transaction
		}
	case 2:
		fs, mayWork = m.from(m.have+1, 2), false
	case 3:
		id[7]++
		mayWork = mayWork && m.have == 0
	case 4:
		mayWork = false
		if len(fs) > 0 {
			fs[at] = liar.Edit(fs[at], func(h *frames.Header) { h.PageNo = 0 })
		}
	case 5:
		if len(fs) > 1 { // nothing vouches for the first checksum
			mayWork, at = false, max(at, 1)
			fs[at] = liar.Edit(fs[at], func(h *frames.Header) { h.Checksum ^= 1 << (arg % 64) })
		}
	case 6:
		if len(fs) > 1 {
			mayWork, at = false, max(at, 1)
			fs[at] = liar.EditPage(fs[at], func(p []byte) { p[int(arg)*16] ^= 0x80 })
		}
	case 7:
		mayWork = false
		if len(fs) > 0 {
			fs[at] = fs[at][:int(arg)*16]
		}
	case 8:
		if len(fs) > 1 {
			mayWork = false
			fs = slices.Delete(fs, at, at+1)
		}
	case 9:
		if err := m.r.Close(); err != nil {
			m.t.Fatal(err)
		}
		m.open()
		return
	case 10:
		fs = nil
	}
	_, err := m.r.ApplyFrames(m.t.Context(), id, fs)
	switch {
	case err == nil && len(fs) > 0 && !mayWork:
		m.t.Fatalf("frames that are wrong were taken: operation %d, %d", op%12, arg)
	case err == nil && len(fs) > 0:
		m.have, m.log.ID = max(m.have, want), id
	case err != nil && mayWork:
		m.t.Fatalf("frames that are right were refused: operation %d, %d with %d transactions: %v", op%12, arg, m.have, err)
	}
	m.check()
}

// check fails unless the replica holds the transactions it was given, whole.
func (m *applyModel) check() {
	if m.have == 0 {
		return
	}
	if diff := sqldtest.DiffPages(image(m.t, m.path), m.images[m.have-1]); diff != "" {
		m.t.Fatalf("after %d transactions: %s", m.have, diff)
	}
	if p := m.r.Position(); p.FrameNo != uint64(m.ends[m.have-1]-1) || p.LogID != m.log.ID {
		m.t.Fatalf("after %d transactions the position is %v", m.have, p)
	}
}

// Frames that are offered are taken whole transaction by whole transaction, or refused without a trace.
func FuzzApplyFrames(f *testing.F) {
	log := liar.Write(f, 1, "CREATE TABLE a(id INTEGER PRIMARY KEY, pad)", "CREATE TABLE b(x)",
		"INSERT INTO a(pad) VALUES (hex(zeroblob(5000))), (2)", "INSERT INTO b VALUES (1)", "DELETE FROM a", "CREATE INDEX i ON b(x)")
	f.Add([]byte{11, 0, 11, 1, 11, 0, 9, 0, 11, 2})
	f.Add([]byte{1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9, 0, 10, 0, 11, 0})
	f.Add([]byte{0, 5, 9, 0, 0, 2, 1, 3, 4, 1, 0, 5})
	f.Add([]byte{11, 2, 5, 1, 6, 2, 7, 3, 8, 1, 2, 1, 3, 1, 11, 1})
	var images [][]byte
	for _, n := range log.Commits() {
		images = append(images, log.Image(n))
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		m := &applyModel{t: t, log: log, ends: log.Commits(), images: images, path: filepath.Join(t.TempDir(), "replica.db")}
		m.open()
		defer func() {
			if err := m.r.Close(); err != nil {
				t.Error(err)
			}
		}()
		for len(ops) >= 2 && len(ops) < 60 {
			m.step(ops[0], ops[1])
			ops = ops[2:]
		}
		if m.have > 0 {
			if got := queryText(t, m.path, "PRAGMA integrity_check"); got != "ok" {
				t.Fatal("integrity_check:", got)
			}
		}
	})
}
