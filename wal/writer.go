package wal

import (
	"fmt"
	"io"
)

// Writer writes a log that SQLite recovers. It does not sync, and it writes the
// header at once: a log must not come beside a database that it does not belong
// to, and not while a connection is open.
type Writer struct {
	w      io.Writer
	header Header
	sum    Sum
	buf    []byte // one frame
	err    error
}

// NewWriter writes the header of a new log. Salts should be those of no log
// that the file held before. The error wraps [ErrHeader] for a page size that
// SQLite does not have, and is otherwise one of w.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if err := checkPageSize(h.PageSize); err != nil {
		return nil, fmt.Errorf("write wal header: %w", err)
	}
	b := h.Append(nil)
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("write wal header: %w", err)
	}
	return &Writer{
		w:      w,
		header: h,
		sum:    parseSum(b[24:]),
		buf:    make([]byte, 0, FrameHeaderSize+int(h.PageSize)),
	}, nil
}

// WriteFrame writes one page with one Write. sizeAfter is the size of the
// database in pages when the page is the last of a transaction, and 0
// otherwise. It does not keep page and does not allocate. The error wraps
// [ErrPage] for what no log may hold, which changes nothing; after one of w
// every call returns the same one, because nothing written behind a torn frame
// would be read.
func (w *Writer) WriteFrame(pageNo uint32, page []byte, sizeAfter uint32) error {
	if w.err != nil {
		return w.err
	}
	if pageNo == 0 || len(page) != int(w.header.PageSize) {
		return fmt.Errorf("write wal frame: %w: page %d of %d bytes, want %d", ErrPage, pageNo, len(page), w.header.PageSize)
	}
	h := FrameHeader{PageNo: pageNo, SizeAfter: sizeAfter, Salt1: w.header.Salt1, Salt2: w.header.Salt2}
	b := append(h.append(w.buf), page...)
	sum := frameSum(w.sum, w.header.BigEndian, b, page)
	sum.append(b[:16])
	if _, err := w.w.Write(b); err != nil {
		w.err = fmt.Errorf("write wal frame (page %d): %w", pageNo, err)
		return w.err
	}
	w.sum = sum
	return nil
}
