package engine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDataVersionChangesWithEachCommit(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "PRAGMA journal_mode = WAL; CREATE TABLE t(x)")
	version := func(c *Conn) uint32 {
		t.Helper()
		mustExec(t, c, "SELECT * FROM t")
		v, err := c.DataVersion("")
		must(t, err)
		return v
	}
	for writer, name := range map[*Conn]string{a: "its own", b: "another connection's"} {
		before := version(a)
		if again := version(a); again != before {
			t.Errorf("data version %d, want %d as nothing was written", again, before)
		}
		mustExec(t, writer, "INSERT INTO t VALUES (1)")
		if after := version(a); after == before {
			t.Errorf("data version is %d before and after %s write", after, name)
		}
	}
}

func TestReserveBytesAreInTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "reserve.db")
	c := openTest(t, name, 0)
	must(t, c.SetReserveBytes("main", 12))
	if got, err := c.ReserveBytes(""); err != nil || got != 12 {
		t.Errorf("reserve bytes: %d, %v; want 12", got, err)
	}
	mustExec(t, c, "CREATE TABLE t(x)")
	file, err := os.ReadFile(name)
	must(t, err)
	if file[20] != 12 {
		t.Errorf("reserve bytes of the file: %d, want 12", file[20])
	}
	for _, n := range []int{-1, 256} {
		wantErr(t, "reserve bytes out of range", c.SetReserveBytes("", n), Range)
	}
}

func TestChunkSizeIsTheStepOfTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "chunk.db")
	c := openTest(t, name, 0)
	must(t, c.SetChunkSize("", 1<<20))
	mustExec(t, c, "CREATE TABLE t(x)")
	info, err := os.Stat(name)
	must(t, err)
	if info.Size() != 1<<20 {
		t.Errorf("size of the file: %d, want a chunk of %d", info.Size(), 1<<20)
	}
}

func TestPowersafeOverwriteAndMmapSizeAreWhatWasSet(t *testing.T) {
	c := openTest(t, filepath.Join(t.TempDir(), "a.db"), 0)
	mustExec(t, c, "CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	for _, on := range []bool{false, true} {
		must(t, c.SetPowersafeOverwrite("", on))
		if got, err := c.PowersafeOverwrite("main"); err != nil || got != on {
			t.Errorf("powersafe overwrite: %v, %v; want %v", got, err, on)
		}
	}
	_, err := c.MmapSize("", 1<<20)
	must(t, err)
	if got, err := c.MmapSize("", -1); err != nil || got != 1<<20 {
		t.Errorf("mmap size: %d, %v; want %d", got, err, 1<<20)
	}
	wantRows(t, c, int64(1))
}

func TestFileControlsRefuseWhatIsNotThere(t *testing.T) {
	c := openMemory(t)
	_, err := c.DataVersion("nobody")
	wantErr(t, "an unknown database", err, NotFound)
	_, err = c.MmapSize("a\x00b", 0)
	wantErr(t, "a name with a NUL byte", err, NotFound)
	_, err = closedConn(t).DataVersion("")
	wantErr(t, "a closed connection", err, ErrClosed)
}

func TestSystemErrnoIsThatOfTheFailure(t *testing.T) {
	c := openMemory(t)
	if got := c.SystemErrno(); got != 0 {
		t.Errorf("errno of nothing: %d, want 0", got)
	}
	err := c.Exec(background, "ATTACH ? AS other", filepath.Join(t.TempDir(), "missing", "a.db"))
	wantErr(t, "attach", err, CantOpen)
	if got := c.SystemErrno(); got == 0 {
		t.Errorf("errno of %v is 0", err)
	}
}
