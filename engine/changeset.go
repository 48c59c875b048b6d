package engine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/floedb/floe/hooks"
)

// Undefined stands for a column in a [Change] that the change says nothing about. It is not NULL, which is nil.
type Undefined struct{}

// Change is one row that a changeset or patchset inserts, updates or deletes.
//
// https://sqlite.org/session/c_changeset_abort.html
type Change struct {
	Table string
	Op    hooks.Op

	// Indirect says that the change was made by a trigger or a foreign key action, or while the session was indirect.
	Indirect bool

	// Patchset says that it comes from a patchset, which has no old values but those of the primary key.
	Patchset bool

	// PrimaryKey says for each column whether it is a part of the primary key. Its length is the number of columns.
	PrimaryKey []bool

	// Old has the row before the change by column, and is nil for an INSERT. New has the row afterwards, and is nil for
	// a DELETE. The values are int64, float64, string, []byte, nil for NULL, or Undefined: for what an UPDATE leaves as it
	// is, but for the primary key, and for what a patchset leaves out.
	Old, New []any

	pk []byte // the primary key as the changeset has it: the place of each column in it, from 1
}

// ReadChangeset reads the changes of a changeset or patchset one after the other, without a database. A reader that ends
// in the middle, or has something else, gives an [*Error] with [Corrupt]; an error of the reader itself is returned as
// it is. An error comes last, with a nil change. Memory is taken for one change at a time.
//
// https://sqlite.org/session/sqlite3changeset_start.html
func ReadChangeset(r io.Reader) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		p := newChangesetParser(r)
		for {
			err := p.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if p.op != 0 && !yield(p.change(), nil) {
				return
			}
		}
	}
}

// The elements of a changeset, which has no description but the comments in SQLite's source. Each table begins with a
// header: 'T', or 'P' in a patchset; the number of columns as a varint; a byte for each that is not 0 in the primary
// key; the name with a NUL behind it. The changes of the table follow: the operation; a byte that is 1 if it is
// indirect; the old values but for an INSERT, the new ones but for a DELETE. A patchset has for an UPDATE the new values
// alone, primary key included, and for a DELETE the primary key alone. A value is its type in a byte, then 8 bytes for a
// number, or the length as a varint and the bytes of a TEXT or BLOB.
const (
	changesetTable = 'T'
	patchsetTable  = 'P'
	undefinedType  = 0

	maxChangeColumns = math.MaxInt16 // the most columns that a table can have
	maxTableName     = 1 << 20       // ours, in bytes: a name is kept in memory before it is looked at
)

// changesetParser finds the elements of a changeset. SQLite's own parser gets nothing but what has passed this one.
type changesetParser struct {
	r      *bufio.Reader
	offset int64        // of the next byte
	raw    bytes.Buffer // the element

	op     hooks.Op // of the element, 0 if it is the header of a table
	values int      // where they begin in raw

	table    string
	patchset bool
	pk       []byte // for each column
}

func newChangesetParser(r io.Reader) *changesetParser {
	return &changesetParser{r: bufio.NewReader(r)}
}

// next reads the next element. io.EOF is the end of the changeset.
func (p *changesetParser) next() error {
	p.raw.Reset()
	kind, err := p.r.ReadByte()
	if err != nil {
		return err
	}
	p.took(kind)
	switch kind {
	case changesetTable, patchsetTable:
		p.op, p.patchset = 0, kind == patchsetTable
		return p.header()
	case byte(hooks.Insert), byte(hooks.Update), byte(hooks.Delete):
		if p.pk == nil {
			return p.corrupt("a change comes before its table")
		}
		p.op = hooks.Op(kind)
		return p.row()
	}
	return p.corrupt(fmt.Sprintf("no such element: 0x%02x", kind))
}

func (p *changesetParser) took(b byte) {
	p.raw.WriteByte(b)
	p.offset++
}

func (p *changesetParser) byte() (byte, error) {
	b, err := p.r.ReadByte()
	if err != nil {
		return 0, p.cut(err)
	}
	p.took(b)
	return b, nil
}

// bytes takes n bytes. Memory grows with what is really there.
func (p *changesetParser) bytes(n int64) error {
	read, err := io.CopyN(&p.raw, p.r, n)
	p.offset += read
	if err != nil {
		return p.cut(err)
	}
	return nil
}

// varint takes a number in SQLite's form: 7 bits a byte, the highest first, 8 bits in a ninth one.
//
// https://sqlite.org/fileformat2.html#varint
func (p *changesetParser) varint() (uint64, error) {
	var v uint64
	for range 8 {
		b, err := p.byte()
		if err != nil {
			return 0, err
		}
		v = v<<7 | uint64(b&0x7f)
		if b < 0x80 {
			return v, nil
		}
	}
	b, err := p.byte()
	return v<<8 | uint64(b), err
}

func (p *changesetParser) header() error {
	columns, err := p.varint()
	if err != nil {
		return err
	}
	if columns < 1 || columns > maxChangeColumns {
		return p.corrupt(fmt.Sprintf("a table of %d columns", columns))
	}
	start := p.raw.Len()
	if err := p.bytes(int64(columns)); err != nil {
		return err
	}
	p.pk = bytes.Clone(p.raw.Bytes()[start:])
	start = p.raw.Len()
	for {
		b, err := p.byte()
		if err != nil {
			return err
		}
		if b == 0 {
			p.table = string(p.raw.Bytes()[start : p.raw.Len()-1])
			return nil
		}
		if p.raw.Len()-start > maxTableName {
			return p.corrupt("the name of the table is too long")
		}
	}
}

func (p *changesetParser) row() error {
	if _, err := p.byte(); err != nil {
		return err
	}
	p.values = p.raw.Len()
	for range p.records() {
		for i := range p.pk {
			if p.has(i) {
				if err := p.value(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// records returns how many rows of values a change has.
func (p *changesetParser) records() int {
	if p.op == hooks.Update && !p.patchset {
		return 2
	}
	return 1
}

// has reports whether a change has column i.
func (p *changesetParser) has(i int) bool {
	return !p.patchset || p.op != hooks.Delete || p.pk[i] != 0
}

func (p *changesetParser) value() error {
	t, err := p.byte()
	if err != nil {
		return err
	}
	switch Type(t) {
	case undefinedType, Null:
		return nil
	case Integer, Float:
		return p.bytes(8)
	case Text, Blob:
		n, err := p.varint()
		if err != nil {
			return err
		}
		if n > math.MaxInt32 {
			return p.corrupt(fmt.Sprintf("a value of %d bytes", n))
		}
		return p.bytes(int64(n))
	}
	return p.corrupt(fmt.Sprintf("no such type of a value: %d", t))
}

// change decodes the element, which is a change.
func (p *changesetParser) change() *Change {
	raw := p.raw.Bytes()
	c := &Change{
		Table:      p.table,
		Op:         p.op,
		Indirect:   raw[1] != 0,
		Patchset:   p.patchset,
		PrimaryKey: make([]bool, len(p.pk)),
		pk:         p.pk,
	}
	for i, pk := range p.pk {
		c.PrimaryKey[i] = pk != 0
	}
	rest := raw[p.values:]
	if p.op == hooks.Delete || p.op == hooks.Update && !p.patchset {
		c.Old, rest = p.decodeRow(rest)
	}
	if p.op != hooks.Delete {
		c.New, _ = p.decodeRow(rest)
	}
	if p.op == hooks.Update && p.patchset {
		c.splitKey()
	}
	return c
}

// splitKey moves the primary key of an UPDATE in a patchset to the old values, where that of a changeset is.
func (c *Change) splitKey() {
	c.Old = make([]any, len(c.New))
	for i, key := range c.PrimaryKey {
		c.Old[i] = Undefined{}
		if key {
			c.Old[i], c.New[i] = c.New[i], Undefined{}
		}
	}
}

func (p *changesetParser) decodeRow(raw []byte) (row []any, rest []byte) {
	row = make([]any, len(p.pk))
	for i := range row {
		row[i] = Undefined{}
		if p.has(i) {
			row[i], raw = decodeChangeValue(raw)
		}
	}
	return row, raw
}

// decodeChangeValue decodes a value that the parser has found to be one.
func decodeChangeValue(raw []byte) (v any, rest []byte) {
	t, raw := Type(raw[0]), raw[1:]
	switch t {
	case Null:
		return nil, raw
	case Integer:
		return int64(binary.BigEndian.Uint64(raw)), raw[8:]
	case Float:
		return math.Float64frombits(binary.BigEndian.Uint64(raw)), raw[8:]
	case Text, Blob:
		n, raw := decodeVarint(raw)
		if t == Text {
			return string(raw[:n]), raw[n:]
		}
		return bytes.Clone(raw[:n:n]), raw[n:]
	}
	return Undefined{}, raw
}

func decodeVarint(raw []byte) (v uint64, rest []byte) {
	for i, b := range raw[:min(8, len(raw))] {
		v = v<<7 | uint64(b&0x7f)
		if b < 0x80 {
			return v, raw[i+1:]
		}
	}
	return v<<8 | uint64(raw[8]), raw[9:]
}

// cut is the error of a reader inside an element.
func (p *changesetParser) cut(err error) error {
	if err == io.EOF {
		return p.corrupt("it ends in the middle of an element")
	}
	return err
}

func (p *changesetParser) corrupt(why string) error {
	return newError("read changeset", "", Corrupt, fmt.Sprintf("malformed at byte %d: %s", p.offset, why))
}

// appendChange appends a changeset of one change to dst.
func appendChange(dst []byte, c *Change) ([]byte, error) {
	if err := c.check(); err != nil {
		return dst, err
	}
	kind := byte(changesetTable)
	if c.Patchset {
		kind = patchsetTable
	}
	dst = appendVarint(append(dst, kind), uint64(len(c.PrimaryKey)))
	dst = append(append(append(dst, c.key()...), c.Table...), 0)
	dst = append(dst, byte(c.Op), 0)
	if c.Indirect {
		dst[len(dst)-1] = 1
	}
	return c.appendValues(dst)
}

func (c *Change) check() error {
	n := len(c.PrimaryKey)
	bad := func(why string) error { return newError("encode change", "", Misuse, why) }
	switch {
	case c.Op != hooks.Insert && c.Op != hooks.Update && c.Op != hooks.Delete:
		return bad(fmt.Sprintf("no such operation: %d", c.Op))
	case n == 0 || n > maxChangeColumns:
		return bad(fmt.Sprintf("a table of %d columns", n))
	case bytes.IndexByte([]byte(c.Table), 0) >= 0 || len(c.Table) > maxTableName:
		return bad("the name of the table has a NUL byte inside, or is too long")
	case c.Op != hooks.Insert && len(c.Old) != n:
		return bad(fmt.Sprintf("%d old values for %d columns", len(c.Old), n))
	case c.Op != hooks.Delete && len(c.New) != n:
		return bad(fmt.Sprintf("%d new values for %d columns", len(c.New), n))
	}
	return nil
}

// key returns the primary key in the form of a changeset. The places of its columns are not known of a change that was
// not read from one: their order in the table is taken.
func (c *Change) key() []byte {
	if len(c.pk) == len(c.PrimaryKey) {
		return c.pk
	}
	key := make([]byte, len(c.PrimaryKey))
	place := byte(0)
	for i, is := range c.PrimaryKey {
		if is {
			place++
			key[i] = place
		}
	}
	return key
}

func (c *Change) appendValues(dst []byte) (_ []byte, err error) {
	if c.Op == hooks.Delete || c.Op == hooks.Update && !c.Patchset {
		for i, v := range c.Old {
			if c.Patchset && !c.PrimaryKey[i] {
				continue
			}
			if dst, err = appendChangeValue(dst, v); err != nil {
				return dst, err
			}
		}
	}
	if c.Op == hooks.Delete {
		return dst, nil
	}
	for i, v := range c.New {
		if c.Patchset && c.Op == hooks.Update && c.PrimaryKey[i] {
			v = c.Old[i]
		}
		if dst, err = appendChangeValue(dst, v); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func appendChangeValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case Undefined:
		return append(dst, undefinedType), nil
	case nil:
		return append(dst, byte(Null)), nil
	case int64:
		return binary.BigEndian.AppendUint64(append(dst, byte(Integer)), uint64(v)), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(dst, byte(Float)), math.Float64bits(v)), nil
	case string:
		return append(appendVarint(append(dst, byte(Text)), uint64(len(v))), v...), nil
	case []byte:
		return append(appendVarint(append(dst, byte(Blob)), uint64(len(v))), v...), nil
	}
	return dst, newError("encode change", "", Mismatch, fmt.Sprintf("unsupported type %T", v))
}

// appendVarint appends a number below 1<<56 in SQLite's form.
func appendVarint(dst []byte, v uint64) []byte {
	shift := 0
	for v>>(shift+7) != 0 {
		shift += 7
	}
	for ; shift > 0; shift -= 7 {
		dst = append(dst, byte(v>>shift)|0x80)
	}
	return append(dst, byte(v&0x7f))
}
