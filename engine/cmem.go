package engine

import (
	"unsafe"

	sqlite3 "modernc.org/sqlite/lib"
)

// Memory on SQLite's side comes from sqlite3_malloc alone, so that SQLite's own accounting sees all of it.

// pointer makes an unsafe.Pointer of an address in SQLite's memory, which the garbage collector never moves.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// bytesAt returns n bytes of SQLite's memory as a slice, without copying.
func bytesAt(p uintptr, n int) []byte { return unsafe.Slice((*byte)(pointer(p)), n) }

// scratchSize holds the out parameters of one call: two slots of 8 bytes, and two more for an argument list.
const scratchSize = 32

// retainedText is the largest text buffer a connection keeps between calls, in bytes.
const retainedText = 64 << 10

// textBuffer is C memory that holds one NUL-terminated string at a time.
type textBuffer struct {
	p   uintptr
	cap int
}

// cString copies text into the connection's buffer, with a NUL behind it. The result is valid until the next
// call of cString or releaseText. It is 0 if there is no memory.
func (c *Conn) cString(text string) uintptr {
	n := len(text) + 1
	if n > c.text.cap && !c.growText(n) {
		return 0
	}
	b := bytesAt(c.text.p, n)
	copy(b, text)
	b[n-1] = 0
	return c.text.p
}

func (c *Conn) growText(n int) bool {
	n = max(n, 256)
	if n < retainedText {
		n += n / 2
	}
	p := sqlite3.Xsqlite3_realloc64(c.tls, c.text.p, sqlite3.Tsqlite3_uint64(n))
	if p == 0 {
		return false
	}
	c.text = textBuffer{p: p, cap: n}
	return true
}

// releaseText gives an unusually large buffer back; ordinary ones stay for the next call.
func (c *Conn) releaseText() {
	if c.text.cap > 2*retainedText {
		c.freeText()
	}
}

func (c *Conn) freeText() {
	sqlite3.Xsqlite3_free(c.tls, c.text.p)
	c.text = textBuffer{}
}

// slot returns the address of the n-th 8-byte slot of the scratch memory, set to zero.
func (c *Conn) slot(n int) uintptr {
	p := c.scratch + uintptr(n)*8
	*(*uint64)(pointer(p)) = 0
	return p
}

func (c *Conn) slotPointer(n int) uintptr {
	return *(*uintptr)(pointer(c.scratch + uintptr(n)*8))
}

func (c *Conn) slotInt32(n int) int32 {
	return *(*int32)(pointer(c.scratch + uintptr(n)*8))
}
