package replicator

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// sectorSize is what a disk writes whole or not at all.
const sectorSize = 512

// disk is a file system that knows what a loss of power would leave: writes of a
// file are durable with its Sync, names with SyncDir. It does everything in the
// real directory too.
type disk struct {
	osFS
	mu      sync.Mutex
	durable map[string]*inode // names as of the last SyncDir
	pending [][]entry         // changes of names since then
	event   func(what string) // called after each change but the pages of a new database
}

// entry is what a name stands for after a change; a nil inode for nothing.
type entry struct {
	name string
	node *inode
}

// inode is a file's content: what is durable, and what was written since.
type inode struct {
	durable []byte
	pending []diskWrite
}

// diskWrite is a write of data at off, or a cut to length off when data is nil.
type diskWrite struct {
	off  int64
	data []byte
}

// newDisk takes the files of dir as durable.
func newDisk(t *testing.T, dir string) *disk {
	t.Helper()
	d := &disk{durable: map[string]*inode{}, event: func(string) {}}
	for name, content := range readDir(t, dir) {
		d.durable[filepath.Join(dir, name)] = &inode{durable: content}
	}
	return d
}

func readDir(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = b
	}
	return files
}

// names gives what the names stand for after the first n pending changes.
func (d *disk) names(n int) map[string]*inode {
	at := maps.Clone(d.durable)
	for _, change := range d.pending[:n] {
		apply(at, change)
	}
	return at
}

func apply(at map[string]*inode, change []entry) {
	for _, e := range change {
		if at[e.name] = e.node; e.node == nil {
			delete(at, e.name)
		}
	}
}

func (d *disk) changed(what string, change ...entry) {
	d.mu.Lock()
	d.pending = append(d.pending, change)
	d.mu.Unlock()
	d.event(what)
}

func (d *disk) node(name string) *inode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names(len(d.pending))[name]
}

func (d *disk) OpenFile(name string, flag int, like string) (file, error) {
	f, err := os.OpenFile(name, flag, 0o666)
	if err != nil {
		return nil, err
	}
	node := d.node(name)
	if node == nil {
		node = &inode{}
		d.changed("create "+name, entry{name, node})
	} else if flag&os.O_TRUNC != 0 {
		node.pending = append(node.pending, diskWrite{})
	}
	return &diskFile{File: f, disk: d, node: node}, nil
}

func (d *disk) Rename(from, to string) error {
	node := d.node(from)
	if err := os.Rename(from, to); err != nil {
		return err
	}
	d.changed("rename "+from, entry{from, nil}, entry{to, node})
	return nil
}

func (d *disk) Remove(name string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	if d.node(name) != nil {
		d.changed("remove "+name, entry{name, nil})
	}
	return nil
}

func (d *disk) SyncDir(name string) error {
	d.mu.Lock()
	d.durable, d.pending = d.names(len(d.pending)), nil
	d.mu.Unlock()
	d.event("sync directory of " + name)
	return nil
}

// diskFile is an open file of a disk. Its Sync does not bother the real disk.
type diskFile struct {
	*os.File
	disk *disk
	node *inode
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	f.record(diskWrite{off, bytes.Clone(p)})
	n, err := f.File.WriteAt(p, off)
	if !strings.HasSuffix(f.Name(), buildSuffix) {
		f.disk.event("write " + f.Name())
	}
	return n, err
}

func (f *diskFile) Truncate(size int64) error {
	f.record(diskWrite{off: size})
	return f.File.Truncate(size)
}

func (f *diskFile) record(w diskWrite) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.node.pending = append(f.node.pending, w)
}

func (f *diskFile) Sync() error {
	f.disk.event("before the sync of " + f.Name())
	f.disk.mu.Lock()
	f.node.durable, f.node.pending = f.node.content(func(int64) bool { return true }), nil
	f.disk.mu.Unlock()
	f.disk.event("sync " + f.Name())
	return nil
}

// content gives the file with those sectors of the pending writes that keep
// chooses by their offset; a cut counts as the sector it is at. A sector that is
// left out, beyond the durable end and before one that is kept, reads as zeros.
func (n *inode) content(keep func(off int64) bool) []byte {
	b := bytes.Clone(n.durable)
	for _, w := range n.pending {
		if w.data == nil {
			if keep(w.off) {
				b = append(b[:min(int64(len(b)), w.off)], make([]byte, max(0, w.off-int64(len(b))))...)
			}
			continue
		}
		for at := int64(0); at < int64(len(w.data)); at += sectorSize {
			if !keep(w.off + at) {
				continue
			}
			part := w.data[at:min(at+sectorSize, int64(len(w.data)))]
			if grow := w.off + at + int64(len(part)) - int64(len(b)); grow > 0 {
				b = append(b, make([]byte, grow)...)
			}
			copy(b[w.off+at:], part)
		}
	}
	return b
}

// crash is one state that a loss of power can leave.
type crash struct {
	what  string
	files map[string][]byte // by base name
}

// zeroed gives the file where its length is durable, and what was written is not.
func (n *inode) zeroed() []byte {
	full := n.content(func(int64) bool { return true })
	b := n.content(func(int64) bool { return false })
	return append(b[:min(len(b), len(full))], make([]byte, max(0, len(full)-len(b)))...)
}

// crashes gives states that a loss of power at this moment can leave: of the
// pending names a first part, or all but one; of the pending writes none, all,
// any sectors, or only the length they made the file.
func (d *disk) crashes(what string, rnd *rand.Rand) []crash {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []crash
	for _, writes := range []struct {
		name string
		left func(*inode) []byte
	}{
		{"no", func(n *inode) []byte { return n.content(func(int64) bool { return false }) }},
		{"all", func(n *inode) []byte { return n.content(func(int64) bool { return true }) }},
		{"some", func(n *inode) []byte { return n.content(func(int64) bool { return rnd.IntN(2) == 0 }) }},
		{"zeroed", (*inode).zeroed},
	} {
		add := func(names string, at map[string]*inode) {
			out = append(out, take(fmt.Sprintf("%s, with %s names and %s writes", what, names, writes.name), at, writes.left))
		}
		for n := range len(d.pending) + 1 {
			add(fmt.Sprintf("%d new", n), d.names(n))
		}
		for left := range d.pending {
			at := maps.Clone(d.durable)
			for i, change := range d.pending {
				if i != left {
					apply(at, change)
				}
			}
			add(fmt.Sprintf("all but the %d. new", left+1), at)
		}
	}
	return out
}

func take(what string, at map[string]*inode, left func(*inode) []byte) crash {
	c := crash{what: what, files: map[string][]byte{}}
	for name, node := range at {
		c.files[filepath.Base(name)] = left(node)
	}
	return c
}
