package sqldtest

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// workloads are writes whose image is compared with what SQLite itself makes of the same files.
var workloads = []struct {
	name string
	run  func(t *testing.T, s *Server)
}{
	{"log never checkpointed", func(t *testing.T, s *Server) {
		s.Exec(t, "CREATE TABLE t(a, b)", "INSERT INTO t VALUES (1, randomblob(9000))", "UPDATE t SET a = 2")
	}},
	{"log checkpointed and begun again", func(t *testing.T, s *Server) {
		s.Exec(t, "CREATE TABLE t(a, b)")
		for range 3 {
			s.Exec(t, "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 900) SELECT x, randomblob(3000) FROM c")
		}
		s.Exec(t, "UPDATE t SET a = -a WHERE rowid < 20")
	}},
	{"pages freed", func(t *testing.T, s *Server) {
		s.Exec(t, "CREATE TABLE t(a, b)", "CREATE TABLE u(a)")
		s.Exec(t, "INSERT INTO u WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 300) SELECT randomblob(3000) FROM c")
		s.Exec(t, "DROP TABLE u", "INSERT INTO t VALUES (1, 'one')")
	}},
}

func TestPrimaryImageIsWhatSQLiteSees(t *testing.T) {
	shell := sqliteShell(t)
	for _, w := range workloads {
		t.Run(w.name, func(t *testing.T) {
			s := Start(t)
			w.run(t, s)
			img := s.PrimaryImage(t)
			if diff := DiffPages(img, shellImage(t, shell, s.DataPath(DefaultNamespace))); diff != "" {
				t.Errorf("image and SQLite's own checkpoint: %s", diff)
			}
			s.Kill()
			if diff := DiffPages(img, s.PrimaryImage(t)); diff != "" {
				t.Errorf("image of the running and of the killed server: %s", diff)
			}
		})
	}
}

// shellImage copies a database and its log, lets the sqlite3 shell check and checkpoint the copy, and reads it.
func shellImage(t *testing.T, shell, path string) []byte {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "copy")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dst+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(shell, dst, "PRAGMA integrity_check; PRAGMA wal_checkpoint(TRUNCATE);").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "ok\n0|") {
		t.Fatalf("sqlite3 shell: %v, output %q, want ok and a whole checkpoint", err, out)
	}
	img, err := os.ReadFile(dst)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func sqliteShell(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("sqlite3")
	if err == nil {
		return path
	}
	if os.Getenv("FLOE_REQUIRE_SQLD") == "1" {
		t.Fatal("no sqlite3 shell: run tools/setup.sh shell")
	}
	t.Skip("no sqlite3 shell: run tools/setup.sh shell")
	return ""
}

func TestDiffPagesNamesTheFirstDifference(t *testing.T) {
	image := func(change func(img []byte)) []byte {
		img := bytes.Repeat([]byte{7}, 3*pageSize)
		change(img)
		return img
	}
	for _, tc := range []struct {
		name string
		b    []byte
		want string
	}{
		{"equal", image(func([]byte) {}), ""},
		{"page 1's counters", image(func(b []byte) {
			for _, i := range []int{24, 27, 92, 99} {
				b[i] = 1
			}
		}), ""},
		{"page 1 beside the counters", image(func(b []byte) { b[28] = 1 }),
			"page 1 differs first at offset 28: 0x07 (0707070707070707…) and 0x01 (0107070707070707…)"},
		{"the counters' offsets in page 2", image(func(b []byte) { b[pageSize+24] = 1 }),
			"page 2 differs first at offset 24: 0x07 (0707070707070707…) and 0x01 (0107070707070707…)"},
		{"last byte", image(func(b []byte) { b[len(b)-1] = 1 }),
			"page 3 differs first at offset 4095: 0x07 (07…) and 0x01 (01…)"},
		{"a page less", image(func([]byte) {})[:2*pageSize],
			"12288 bytes (3 pages) and 8192 bytes (2 pages), equal as far as both go"},
		{"empty", nil, "12288 bytes (3 pages) and 0 bytes (0 pages), equal as far as both go"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, DiffPages(image(func([]byte) {}), tc.b)); diff != "" {
				t.Errorf("description differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeLeavesOutWhatWasNotCommitted(t *testing.T) {
	base := dbImage('a', 'b')
	wal := newWAL(7)
	wal.frame(2, 'c', 2)
	whole := bytes.Clone(wal.bytes)
	wal.frame(1, 'd', 0)
	unfinished := bytes.Clone(wal.bytes)
	shrinking := newWAL(9)
	shrinking.frame(1, 'e', 1)
	stale := append(bytes.Clone(whole), newWALFrames(8)...)
	flipped := bytes.Clone(whole)
	flipped[walHeaderSize+frameHeaderSize] ^= 1
	for _, tc := range []struct {
		name string
		wal  []byte
		want []byte
	}{
		{"no log", nil, base},
		{"committed", whole, dbImage('a', 'c')},
		{"shrunk", shrinking.bytes, bytes.Repeat([]byte{'e'}, pageSize)},
		{"no commit frame at the end", unfinished, dbImage('a', 'c')},
		{"frames of an earlier log", stale, dbImage('a', 'c')},
		{"half a frame", whole[:len(whole)-1], base},
		{"damaged frame", flipped, base},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := mergeWAL(bytes.Clone(base), tc.wal)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, tc.want) {
				t.Errorf("merged image has pages %q, want %q", firstBytes(got), firstBytes(tc.want))
			}
		})
	}
}

// dbImage makes an image whose pages are filled with one byte each and whose header names their number.
func dbImage(fill ...byte) []byte {
	var img []byte
	for _, b := range fill {
		img = append(img, bytes.Repeat([]byte{b}, pageSize)...)
	}
	binary.BigEndian.PutUint32(img[28:], uint32(len(fill)))
	return img
}

func firstBytes(img []byte) (pages []byte) {
	for off := 0; off < len(img); off += pageSize {
		pages = append(pages, img[off])
	}
	return pages
}

// walWriter writes a log with little-endian checksums.
type walWriter struct {
	bytes []byte
	sum   [2]uint32
}

func newWAL(salt uint32) *walWriter {
	head := make([]byte, walHeaderSize)
	for i, v := range []uint32{walMagic, 3007000, pageSize, 0, salt, salt} {
		binary.BigEndian.PutUint32(head[4*i:], v)
	}
	w := &walWriter{bytes: head}
	w.sum = checksum(binary.LittleEndian, w.sum, head[:24])
	binary.BigEndian.PutUint32(head[24:], w.sum[0])
	binary.BigEndian.PutUint32(head[28:], w.sum[1])
	return w
}

func (w *walWriter) frame(page uint32, fill byte, size uint32) {
	frame := append(make([]byte, frameHeaderSize), bytes.Repeat([]byte{fill}, pageSize)...)
	binary.BigEndian.PutUint32(frame[0:], page)
	binary.BigEndian.PutUint32(frame[4:], size)
	copy(frame[8:16], w.bytes[16:24])
	w.sum = checksum(binary.LittleEndian, checksum(binary.LittleEndian, w.sum, frame[:8]), frame[frameHeaderSize:])
	binary.BigEndian.PutUint32(frame[16:], w.sum[0])
	binary.BigEndian.PutUint32(frame[20:], w.sum[1])
	w.bytes = append(w.bytes, frame...)
}

// newWALFrames gives the frames of another log, as they are left behind one that was begun again.
func newWALFrames(salt uint32) []byte {
	w := newWAL(salt)
	w.frame(2, 'x', 2)
	return w.bytes[walHeaderSize:]
}
