package floe_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// The position file of libSQL's own clients: the log id as a 128-bit number and
// the frame number, both little-endian, and 8 bytes of padding.

func TestPositionFileHasTheLayoutOfOtherLibSQLClients(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	r := openNew(t, srv)
	at := mustSync(t, r).Position
	b := readFile(t, r.Path()+"-client_wal_index")
	want := at.LogID.AppendLE(nil)
	want = binary.LittleEndian.AppendUint64(want, srv.FrameNo(t))
	if len(b) != 32 || !bytes.Equal(b[:24], want) {
		t.Errorf("position file %x, want 32 bytes that begin with %x", b, want)
	}
}

func TestReplicaOfAnotherLibSQLClientIsTakenOver(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	path := newPath(t)
	synced(t, path, srv)
	position := path + "-client_wal_index"
	writeFile(t, position, append(readFile(t, position)[:24], make([]byte, 8)...))
	fill(t, srv, 5)
	r := openAt(t, path, srv)
	mustSync(t, r)
	wantEqual(t, path, srv)
}

// movedOn makes a replica that another client moved on from one state to a later
// one: it keeps the padding, which is floe's check value of the position before.
func movedOn(t *testing.T, srv *sqldtest.Server, forge uint64) (path string) {
	t.Helper()
	path = newPath(t)
	fill(t, srv, 5)
	synced(t, path, srv)
	padding := readFile(t, path+"-client_wal_index")[24:]
	fill(t, srv, 5)
	synced(t, path, srv)
	b := append(readFile(t, path+"-client_wal_index")[:24], padding...)
	binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])-forge)
	writeFile(t, path+"-client_wal_index", b)
	return path
}

func TestReplicaMovedOnByAnotherClientIsTakenWhenItsTipFits(t *testing.T) {
	srv := sqldtest.Start(t)
	path := movedOn(t, srv, 0)
	fill(t, srv, 5)
	r := openAt(t, path, srv)
	mustSync(t, r)
	wantEqual(t, path, srv)
}

func TestStalePositionIsRefusedWhenItsTipDoesNotFit(t *testing.T) {
	srv := sqldtest.Start(t)
	path := movedOn(t, srv, 1)
	before := image(t, path)
	fill(t, srv, 5)
	r := openAt(t, path, srv)
	_, err := r.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrPositionFile)
	if diff := sqldtest.DiffPages(image(t, path), before); diff != "" {
		t.Error("the replica changed:", diff)
	}
}
