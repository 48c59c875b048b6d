package cursor

import "github.com/floedb/floe/engine"

// Defaults of [Limits].
const (
	DefaultRows  = 1024
	DefaultBytes = 1 << 20
)

// Limits say how large a batch may become. Zero or less is the default.
type Limits struct {
	Rows  int // at most so many rows
	Bytes int // no further row when the texts and blobs have so many bytes
}

func (l Limits) complete() Limits {
	if l.Rows <= 0 {
		l.Rows = DefaultRows
	}
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	return l
}

// Batch is some consecutive rows of a result, by column. It is valid until the next Fetch.
type Batch struct {
	Columns []Column
	rows    int
	bytes   int // of all texts and blobs
	row     []engine.RawValue
	dest    []any // pointers to row
}

// Column is one column of a [Batch]. The slices have an element for each row.
type Column struct {
	Name   string
	Types  []engine.Type // the storage class of each value: they can differ, and NULL is one
	Ints   []int64       // where Types is Integer, otherwise 0
	Floats []float64     // where Types is Float, otherwise 0
	Data   []byte        // all texts and blobs, one behind the other
	Ends   []int         // where in Data the text or blob of the row ends; it begins where that of the row before ends
}

// Len returns the number of rows.
func (b *Batch) Len() int { return b.rows }

// Bytes returns the text or blob in a row, nil for other values. It is a part of Data.
func (c *Column) Bytes(row int) []byte {
	if t := c.Types[row]; t != engine.Text && t != engine.Blob {
		return nil
	}
	start := 0
	if row > 0 {
		start = c.Ends[row-1]
	}
	return c.Data[start:c.Ends[row]:c.Ends[row]]
}

// Text returns a copy of the text or blob in a row, "" for other values.
func (c *Column) Text(row int) string { return string(c.Bytes(row)) }

// IsNull reports whether the value in a row is NULL.
func (c *Column) IsNull(row int) bool { return c.Types[row] == engine.Null }

// Value returns a copy of the value in a row as the Go type of its storage class: int64, float64, string, []byte (not
// nil) or nil.
func (c *Column) Value(row int) any {
	switch c.Types[row] {
	case engine.Integer:
		return c.Ints[row]
	case engine.Float:
		return c.Floats[row]
	case engine.Text:
		return c.Text(row)
	case engine.Blob:
		return append([]byte{}, c.Bytes(row)...)
	}
	return nil
}

// prepare makes the batch one of no rows with the columns of s. They can change from one execution to the next.
func (b *Batch) prepare(s *engine.Stmt, limits Limits) {
	n := s.ColumnCount()
	if len(b.Columns) != n {
		b.Columns = make([]Column, n)
		b.row = make([]engine.RawValue, n)
		b.dest = make([]any, n)
		for i := range b.row {
			b.dest[i] = &b.row[i]
		}
	}
	for i := range b.Columns {
		b.Columns[i].Name = s.ColumnName(i)
	}
	b.clear(limits)
}

func (b *Batch) clear(limits Limits) {
	b.rows, b.bytes = 0, 0
	for i := range b.Columns {
		b.Columns[i].clear(limits)
	}
}

// clear keeps the memory, unless a large value made it much more than the usual batch needs.
func (c *Column) clear(limits Limits) {
	if cap(c.Data) > 2*limits.Bytes {
		c.Data = nil
	}
	c.Types, c.Ints, c.Floats, c.Data, c.Ends = c.Types[:0], c.Ints[:0], c.Floats[:0], c.Data[:0], c.Ends[:0]
}

// full reports whether the batch takes no further row.
func (b *Batch) full(limits Limits) bool { return b.rows >= limits.Rows || b.bytes >= limits.Bytes }

// add appends the row that s stands on.
func (b *Batch) add(s *engine.Stmt) error {
	if err := s.Scan(b.dest...); err != nil {
		return err
	}
	for i := range b.Columns {
		b.Columns[i].add(&b.row[i])
		b.bytes += len(b.row[i].Bytes)
	}
	b.rows++
	return nil
}

func (c *Column) add(v *engine.RawValue) {
	c.Types = append(c.Types, v.Type)
	c.Ints = append(c.Ints, v.Int)
	c.Floats = append(c.Floats, v.Float)
	c.Data = append(c.Data, v.Bytes...)
	c.Ends = append(c.Ends, len(c.Data))
}

// key returns what a query goes on behind after that row: a copy of its first column.
func (b *Batch) key(row int) any { return b.Columns[0].Value(row) }

// Column returns the first column with that name, nil if there is none.
func (b *Batch) Column(name string) *Column {
	for i := range b.Columns {
		if b.Columns[i].Name == name {
			return &b.Columns[i]
		}
	}
	return nil
}
