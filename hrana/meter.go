package hrana

import (
	"context"
	"fmt"
	"unsafe"
)

// A decoder takes no more memory than this many times the bytes of its message, and so much on top: the smallest value
// is 4 bytes in a message and 24 in memory. It is for servers that lie: what a real one sends stays far below.
const (
	memoryPerByte = 12
	memoryOnTop   = 256 << 10
)

// Sizes of what a message is made of, in memory. Lists that grow are reckoned at twice the size of their elements.
const (
	sizeOfValue   = int(unsafe.Sizeof(Value{}))
	sizeOfRow     = int(unsafe.Sizeof([]Value{}))
	sizeOfCol     = int(unsafe.Sizeof(Col{}))
	sizeOfEntry   = int(unsafe.Sizeof(CursorEntry{}))
	sizeOfResult  = int(unsafe.Sizeof(StmtResult{}))
	sizeOfString  = int(unsafe.Sizeof(""))
	sizeOfRequest = int(unsafe.Sizeof(Request{}))
	sizeOfStmt    = int(unsafe.Sizeof(Stmt{}))
	sizeOfStep    = int(unsafe.Sizeof(BatchStep{}))
	sizeOfCond    = int(unsafe.Sizeof(Cond{}))
	sizeOfArg     = int(unsafe.Sizeof(NamedArg{}))
)

// meter watches over the decoding of one message: over its memory, and over the context that it is for. Nil watches
// over nothing.
type meter struct {
	ctx   context.Context
	left  int64
	limit int64
	steps uint32
}

func newMeter(ctx context.Context, size int) *meter {
	m := &meter{}
	m.begin(ctx, size)
	return m
}

// begin readies the meter for a message of size bytes.
func (m *meter) begin(ctx context.Context, size int) {
	m.limit = memoryPerByte*int64(size) + memoryOnTop
	*m = meter{ctx: ctx, left: m.limit, limit: m.limit}
}

// take reckons with n more bytes of memory.
func (m *meter) take(n int) error {
	if m == nil {
		return nil
	}
	if m.left -= int64(n); m.left < 0 {
		return fmt.Errorf("%w: it would take more than %d bytes of memory", ErrTooLarge, m.limit)
	}
	return m.step()
}

// step looks at the context now and then.
func (m *meter) step() error {
	if m == nil {
		return nil
	}
	if m.steps++; m.steps%1024 == 0 && m.ctx.Err() != nil {
		return ended(m.ctx)
	}
	return nil
}

// maxColumns is the highest SQLITE_LIMIT_COLUMN there is, and more than the parameters of a statement:
// https://sqlite.org/limits.html
const maxColumns = 32767

// fits refuses a result whose rows are not of its columns. Whoever reads them goes by the columns.
func (r *StmtResult) fits() error {
	for _, row := range r.Rows {
		if len(row) != len(r.Cols) || len(row) == 0 {
			return fmt.Errorf("%w: a row of %d values for %d columns", ErrMalformed, len(row), len(r.Cols))
		}
	}
	return nil
}
