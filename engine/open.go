package engine

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// OpenFlags says how a database is opened. The values are SQLite's.
//
// https://sqlite.org/c3ref/c_open_autoproxy.html
type OpenFlags uint32

// The flags that [Open] takes. Others are an error.
const (
	OpenReadOnly     OpenFlags = sqlite3.SQLITE_OPEN_READONLY     // the database must exist and is not written
	OpenReadWrite    OpenFlags = sqlite3.SQLITE_OPEN_READWRITE    // read-only all the same if the file system says so
	OpenCreate       OpenFlags = sqlite3.SQLITE_OPEN_CREATE       // with OpenReadWrite: make the file if there is none
	OpenURI          OpenFlags = sqlite3.SQLITE_OPEN_URI          // a name that begins with "file:" is a URI
	OpenMemory       OpenFlags = sqlite3.SQLITE_OPEN_MEMORY       // in memory; the name is only a label
	OpenPrivateCache OpenFlags = sqlite3.SQLITE_OPEN_PRIVATECACHE // refuse a shared cache, also if the URI asks for it
	OpenNoFollow     OpenFlags = sqlite3.SQLITE_OPEN_NOFOLLOW     // the name may not be a symbolic link
)

const (
	openDefault = OpenReadWrite | OpenCreate | OpenURI
	openAccess  = OpenReadOnly | OpenReadWrite | OpenCreate
	openKnown   = openAccess | OpenURI | OpenMemory | OpenPrivateCache | OpenNoFollow

	// One goroutine at a time uses a connection, so SQLite's own mutex on it would be paid for nothing.
	openAlways = sqlite3.SQLITE_OPEN_NOMUTEX | sqlite3.SQLITE_OPEN_EXRESCODE
)

// initialize brings the library up once; every connection waits for it.
var initialize = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	if rc := sqlite3.Xsqlite3_initialize(tls); rc != sqlite3.SQLITE_OK {
		return newError("initialize", "", ResultCode(rc), libc.GoString(sqlite3.Xsqlite3_errstr(tls, rc)))
	}
	return nil
})

// Open opens a database and returns a connection, which the caller must close.
//
// The name is a path, ":memory:" for a database in memory, or "" for a temporary one on disk. With [OpenURI] a
// name that begins with "file:" is a URI. Without it every name but those two is taken literally, so that
// '?', '%' and '#' in it mean nothing special. A NUL byte inside the name is an error.
//
// Flags 0 stand for OpenReadWrite|OpenCreate|OpenURI; flags without an access mode get OpenReadWrite|OpenCreate.
// A database in memory, by whatever name, does not make others so: what it attaches or vacuums into is a file, unless
// its own name says otherwise.
//
// Extended result codes are on, and a lock held by others is waited for up to 5 seconds; see
// [Conn.SetBusyTimeout].
//
// SQLite reads the file with the first statement and not here: that a file is no database, or a damaged one, is
// an error of that statement.
//
// https://sqlite.org/c3ref/open.html
func Open(name string, flags OpenFlags) (*Conn, error) {
	flags, err := flags.complete()
	if err != nil {
		return nil, err
	}
	if strings.IndexByte(name, 0) >= 0 {
		return nil, newError(openOp(name), "", CantOpen, "the name has a NUL byte inside")
	}
	if err := initialize(); err != nil {
		return nil, err
	}
	c := &Conn{tls: libc.NewTLS()}
	if err := c.open(name, flags); err != nil {
		c.release()
		return nil, err
	}
	c.state.Store(stateFree)
	return c, nil
}

func (f OpenFlags) complete() (OpenFlags, error) {
	if unknown := f &^ openKnown; unknown != 0 {
		return 0, newError("open", "", Misuse, fmt.Sprintf("unknown flags %#x", uint32(unknown)))
	}
	if f == 0 {
		return openDefault, nil
	}
	if f&openAccess == 0 {
		f |= OpenReadWrite | OpenCreate
	}
	return f, nil
}

func openOp(name string) string { return "open " + strconv.Quote(name) }

// openError is the error of a database that could not be opened. A directory that is opened for reading is one only by
// reading from it, to SQLite.
func (c *Conn) openError(name string, rc int32) error {
	e := c.lastError(openOp(name), "", rc)
	if e.Code != IOErr {
		return e
	}
	path := name
	if rest, isURI := strings.CutPrefix(name, "file:"); isURI {
		rest, _, _ = strings.Cut(rest, "?")
		path, _ = url.PathUnescape(strings.TrimPrefix(rest, "//"))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		e.Code, e.Extended, e.Msg = CantOpen, CantOpenIsDir, "unable to open database file: it is a directory"
	}
	return e
}

func (c *Conn) open(name string, flags OpenFlags) error {
	c.scratch = sqlite3.Xsqlite3_malloc64(c.tls, scratchSize)
	cName := c.cString(name)
	if c.scratch == 0 || cName == 0 {
		return c.lastError(openOp(name), "", sqlite3.SQLITE_NOMEM)
	}
	rc := sqlite3.Xsqlite3_open_v2(c.tls, cName, c.slot(0), int32(flags|openAlways), 0)
	// A handle is made, and has to be closed, also when the open did not succeed.
	c.db = c.slotPointer(0)
	if rc != sqlite3.SQLITE_OK {
		return c.openError(name, rc)
	}
	c.detachFromMemory()
	c.interrupts.attach(c.db)
	c.installBusyHandler(DefaultBusyTimeout)
	c.openCache()
	return nil
}

// detachFromMemory keeps a database in memory from having others there: SQLite opens what ATTACH and VACUUM INTO name
// with the VFS and the flags of the connection where the name does not tell them, and these are to be files all the
// same. The main database is open already, and has its own.
func (c *Conn) detachFromMemory() {
	db := c.handle()
	db.FopenFlags &^= sqlite3.SQLITE_OPEN_MEMORY
	if vfs := (*sqlite3.Tsqlite3_vfs)(pointer(db.FpVfs)); libc.GoString(vfs.FzName) != "memdb" {
		return
	}
	if platform := sqlite3.Xsqlite3_vfs_find(c.tls, 0); platform != 0 {
		db.FpVfs = platform
	}
}
