package csv

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/floedb/floe/engine"
)

// errNoFiles is the error of filename= on a connection that has no file system.
var errNoFiles = errors.New("csv: this connection reads no files: see RegisterFS")

// table is a text or a file.
type table struct {
	*params
	fsys       fs.FS
	affinities []affinity // of the columns
}

func connect(fsys fs.FS, args []string) (*table, string, error) {
	p, err := parseParams(args)
	if err != nil {
		return nil, "", err
	}
	if fsys == nil && !p.hasData {
		return nil, "", errNoFiles
	}
	t := &table{params: p, fsys: fsys}
	schema, err := t.declare()
	if err != nil {
		return nil, "", err
	}
	return t, schema, nil
}

// declare finds out what the columns are. It reads the first record if it has to.
func (t *table) declare() (string, error) {
	if t.params.schema != "" {
		affinities, err := schemaAffinities(t.params.schema)
		t.affinities = affinities
		return t.params.schema, err
	}
	var first []string
	if t.header || t.columns == 0 {
		record, err := t.first()
		if err != nil {
			return "", err
		}
		first = record
	}
	n := t.columns
	if n == 0 {
		n = max(len(first), 1)
	}
	if n > maxColumns {
		return "", fmt.Errorf("%s: %d columns", t.name(), n)
	}
	t.affinities = make([]affinity, n)
	return t.schemaOf(first), nil
}

// schemaOf makes a schema of the first record, if that has the names.
func (t *table) schemaOf(first []string) string {
	var b strings.Builder
	b.WriteString("CREATE TABLE x(")
	for i := range t.affinities {
		if i > 0 {
			b.WriteString(", ")
		}
		name := "c" + strconv.Itoa(i)
		if t.header && i < len(first) && first[i] != "" {
			name = strings.ReplaceAll(first[i], `"`, `""`)
		}
		b.WriteString(`"` + name + `" TEXT`)
	}
	b.WriteString(")")
	return b.String()
}

// first returns the first record, nil if there is none.
func (t *table) first() ([]string, error) {
	cu := &cursor{t: t}
	defer cu.Close()
	if err := cu.open(); err != nil {
		return nil, err
	}
	record, err := cu.reader.Read()
	if err == io.EOF {
		return nil, nil
	}
	return record, cu.wrap(err)
}

// name is what errors call the table.
func (t *table) name() string {
	if t.hasData {
		return "csv: data"
	}
	return "csv: " + strconv.Quote(t.filename)
}

// BestIndex implements engine.Table: it is always a scan.
func (t *table) BestIndex(info *engine.IndexInfo) error {
	info.EstimatedCost, info.EstimatedRows = 1e6, 1e5
	return nil
}

// Open implements engine.Table.
func (t *table) Open() (engine.Cursor, error) { return &cursor{t: t}, nil }

// cursor is a scan.
type cursor struct {
	t      *table
	file   io.Closer
	reader *csv.Reader
	record []string
	n      int64 // of records
	eof    bool
}

// open begins to read the text.
func (cu *cursor) open() error {
	cu.Close()
	var text io.Reader = strings.NewReader(cu.t.data)
	if !cu.t.hasData {
		f, err := cu.t.fsys.Open(cu.t.filename)
		if err != nil {
			return fmt.Errorf("csv: %w", err)
		}
		text, cu.file = f, f
	}
	buffered := bufio.NewReaderSize(text, 64<<10)
	if mark, _ := buffered.Peek(3); string(mark) == "\ufeff" {
		buffered.Discard(3)
	}
	cu.reader = csv.NewReader(buffered)
	cu.reader.Comma, cu.reader.Comment = cu.t.comma, cu.t.comment
	cu.reader.FieldsPerRecord = -1
	cu.reader.ReuseRecord = true
	return nil
}

// wrap says where an error is. The reader's has the line.
func (cu *cursor) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", cu.t.name(), err)
}

// Filter implements engine.Cursor.
func (cu *cursor) Filter(any, []engine.Value) error {
	cu.n, cu.eof = 0, false
	if err := cu.open(); err != nil {
		return err
	}
	if cu.t.header {
		if _, err := cu.reader.Read(); err != nil && err != io.EOF {
			return cu.wrap(err)
		}
	}
	return cu.Next()
}

// Next implements engine.Cursor.
func (cu *cursor) Next() (err error) {
	cu.record, err = cu.reader.Read()
	if err == io.EOF {
		cu.eof = true
		return nil
	}
	if err != nil {
		return cu.wrap(err)
	}
	cu.n++
	if columns := len(cu.t.affinities); len(cu.record) > columns {
		line, _ := cu.reader.FieldPos(columns)
		return fmt.Errorf("%s: record on line %d: %d fields for %d columns", cu.t.name(), line, len(cu.record), columns)
	}
	return nil
}

// EOF implements engine.Cursor.
func (cu *cursor) EOF() bool { return cu.eof }

// RowID is the number of the record.
func (cu *cursor) RowID() (int64, error) { return cu.n, nil }

// Column implements engine.Cursor.
func (cu *cursor) Column(ctx *engine.FuncContext, i int) error {
	if i < len(cu.record) {
		cu.t.affinities[i].result(ctx, cu.record[i])
	}
	return nil
}

// Close implements io.Closer.
func (cu *cursor) Close() error {
	if cu.file == nil {
		return nil
	}
	f := cu.file
	cu.file = nil
	return f.Close()
}
