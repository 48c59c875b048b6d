package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/floedb/floe/cmd/floe/internal/session"
	"github.com/floedb/floe/engine"
)

// dataCommands bring data in and out.
var dataCommands = []command{
	{
		name: "dump", args: "[TABLE]", summary: "write a script that makes the database, or a table, anew",
		more:  "TABLE may be a pattern of LIKE. The script runs in this shell and in the sqlite3 shell.",
		kinds: []argKind{argTable}, max: 1, run: (*Shell).dump,
	},
	{
		name: "import", args: "[--csv|--tabs] [--skip N] FILE TABLE", summary: "insert the rows of a CSV file into a table", more: importHelp,
		kinds: []argKind{argFile, argTable}, min: 2, max: 5, run: (*Shell).importFile,
	},
}

const importHelp = `A table that is not there is made, with the fields of the first line as the names of its columns; for one that
is there, the first line is a row like the others. --skip N passes over N lines. A file named .tsv or .tab has tabs
between its fields, any other one commas, unless --csv or --tabs says it. All rows are inserted, or none. Missing
fields are NULL, and those too many are left out, which is told.`

// What an INSERT of several rows holds at most.
const (
	importRows   = 500
	importValues = 4000
	importBytes  = 512 << 10
)

// maxImportWarnings is how many odd rows are told of one by one.
const maxImportWarnings = 10

// importArgs are the arguments of .import.
type importArgs struct {
	file, table string
	separator   byte
	skip        int
}

func parseImport(args []string) (a importArgs, err error) {
	var names []string
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "--csv", "-csv":
			a.separator = ','
		case "--tabs", "-tabs", "--tsv":
			a.separator = '\t'
		case "--skip", "-skip":
			i++
			if i == len(args) {
				return a, errors.New("--skip needs a number of lines")
			}
			if a.skip, err = strconv.Atoi(args[i]); err != nil || a.skip < 0 {
				return a, fmt.Errorf("--skip %s: that is no number of lines", args[i])
			}
		default:
			if strings.HasPrefix(args[i], "-") {
				return a, fmt.Errorf("unknown option %s: there are --csv, --tabs and --skip", args[i])
			}
			names = append(names, args[i])
		}
	}
	if len(names) != 2 {
		return a, errors.New("usage: .import [--csv|--tabs] [--skip N] FILE TABLE")
	}
	a.file, a.table = names[0], names[1]
	if a.separator == 0 {
		a.separator = separatorOf(a.file)
	}
	return a, nil
}

func separatorOf(file string) byte {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".tsv", ".tab":
		return '\t'
	}
	return ','
}

func (sh *Shell) importFile(ctx context.Context, args []string) error {
	a, err := parseImport(args)
	if err != nil {
		return err
	}
	f, err := os.Open(a.file)
	if err != nil {
		return err
	}
	defer f.Close()
	in, err := newCSVReader(f, a.separator)
	if err != nil {
		return err
	}
	m := &importer{sh: sh, args: a, in: in, progress: sh.cfg.Interactive, told: time.Now()}
	err = sh.inWriteTx(ctx, func() error { return m.run(ctx) })
	sh.names = nameCache{}
	m.eraseProgress()
	if err != nil {
		return fmt.Errorf("import %s: %w", a.file, err)
	}
	if sh.cfg.Interactive {
		fmt.Fprintf(sh.err, "%d rows imported\n", m.rows)
	}
	return nil
}

// inWriteTx has do write all or nothing.
func (sh *Shell) inWriteTx(ctx context.Context, do func() error) error {
	begin, commit, rollback := "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"
	if sh.sess.InTx() {
		begin, commit, rollback = "SAVEPOINT floe_import", "RELEASE floe_import", "ROLLBACK TO floe_import"
	}
	if _, err := sh.sess.Run(ctx, begin, nil, session.Discard); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = sh.sess.Run(ctx, commit, nil, session.Discard)
	}
	if err != nil && sh.sess.InTx() {
		_, rollbackErr := sh.sess.Run(context.WithoutCancel(ctx), rollback, nil, session.Discard)
		if rollbackErr == nil && begin != "BEGIN IMMEDIATE" {
			_, rollbackErr = sh.sess.Run(context.WithoutCancel(ctx), commit, nil, session.Discard)
		}
		err = errors.Join(err, rollbackErr)
	}
	return err
}

// importer inserts the records of a file.
type importer struct {
	sh   *Shell
	args importArgs
	in   *csvReader

	columns  int
	held     []any // values of rows that are not inserted yet
	lines    []int // that these rows begin on
	bytes    int
	rows     int
	warnings int

	progress bool
	told     time.Time
	drawn    bool
}

func (m *importer) run(ctx context.Context) error {
	for range m.args.skip {
		if _, err := m.in.record(); err != nil {
			return endOfFile(err)
		}
	}
	if err := m.prepareTable(ctx); err != nil {
		return endOfFile(err)
	}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fields, err := m.in.record()
		if errors.Is(err, io.EOF) {
			return m.flush(ctx)
		}
		if err != nil {
			return err
		}
		m.hold(fields)
		if m.full() {
			if err := m.flush(ctx); err != nil {
				return err
			}
		}
	}
}

func endOfFile(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the file has no rows")
	}
	return err
}

// prepareTable learns how many columns the table has, and makes it where there is none.
func (m *importer) prepareTable(ctx context.Context) error {
	_, err := m.sh.sess.Run(ctx, "SELECT count(*) FROM pragma_table_info(?)", []any{m.args.table}, session.RowFunc(func(row []any) error {
		n, _ := row[0].(int64)
		m.columns = int(n)
		return nil
	}))
	if err != nil || m.columns > 0 {
		return err
	}
	names, err := m.in.record()
	if err != nil {
		return err
	}
	m.columns = len(names)
	_, err = m.sh.sess.Run(ctx, createTable(m.args.table, m.uniqueNames(names)), nil, session.Discard)
	return err
}

func createTable(table string, names []string) string {
	columns := make([]string, len(names))
	for i, name := range names {
		columns[i] = engine.QuoteName(name) + " TEXT"
	}
	return "CREATE TABLE " + engine.QuoteName(table) + "(\n" + strings.Join(columns, ", ") + ")"
}

// uniqueNames makes names of columns of fields: an empty one is a question mark, and those that are not alone get the
// number of their column.
func (m *importer) uniqueNames(fields []string) []string {
	count := map[string]int{}
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = field
		if field == "" {
			names[i] = "?"
		}
		count[strings.ToLower(names[i])]++
	}
	for i, name := range names {
		if count[strings.ToLower(name)] < 2 {
			continue
		}
		names[i] = fmt.Sprintf("%s_%d", name, i+1)
		for count[strings.ToLower(names[i])] > 0 {
			names[i] += "_"
		}
		fmt.Fprintf(m.sh.err, "%s: column %d is called %s, as there is another %s\n", m.args.file, i+1, names[i], name)
	}
	return names
}

// hold keeps a record for the next INSERT.
func (m *importer) hold(fields []string) {
	if len(fields) != m.columns {
		m.warn(len(fields))
	}
	for i := range m.columns {
		if i >= len(fields) {
			m.held = append(m.held, nil)
			continue
		}
		m.held = append(m.held, fields[i])
		m.bytes += len(fields[i])
	}
	m.lines = append(m.lines, m.in.begun)
}

func (m *importer) warn(fields int) {
	if m.warnings++; m.warnings > maxImportWarnings {
		return
	}
	m.eraseProgress()
	what := "those that are missing are NULL"
	if fields > m.columns {
		what = "those too many are left out"
	}
	fmt.Fprintf(m.sh.err, "%s:%d: %d fields for %d columns: %s\n", m.args.file, m.in.begun, fields, m.columns, what)
	if m.warnings == maxImportWarnings {
		fmt.Fprintln(m.sh.err, "further rows like that are not told")
	}
}

func (m *importer) full() bool {
	return len(m.lines) >= importRows || len(m.held)+m.columns > importValues || m.bytes >= importBytes
}

// flush inserts the rows that are held. When that fails they are inserted one by one, to find the one that it is.
func (m *importer) flush(ctx context.Context) error {
	if len(m.lines) == 0 {
		return nil
	}
	err := m.insert(ctx, m.held)
	if err != nil && ctx.Err() == nil && m.sh.sess.InTx() {
		err = m.insertEach(ctx)
	}
	m.rows += len(m.lines)
	m.held, m.lines, m.bytes = m.held[:0], m.lines[:0], 0
	m.showProgress()
	return err
}

func (m *importer) insertEach(ctx context.Context) error {
	for i, line := range m.lines {
		if err := m.insert(ctx, m.held[i*m.columns:(i+1)*m.columns]); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	return nil
}

func (m *importer) insert(ctx context.Context, values []any) error {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", m.columns), ",") + ")"
	rows := strings.TrimSuffix(strings.Repeat(row+",", len(values)/m.columns), ",")
	_, err := m.sh.sess.Run(ctx, "INSERT INTO "+engine.QuoteName(m.args.table)+" VALUES "+rows, values, session.Discard)
	return err
}

// progressEvery is the time between two states of the progress.
const progressEvery = 200 * time.Millisecond

func (m *importer) showProgress() {
	if !m.progress || time.Since(m.told) < progressEvery {
		return
	}
	m.told, m.drawn = time.Now(), true
	// Not through sh.err, which lets no carriage return pass.
	fmt.Fprintf(m.sh.cfg.Err, "\r%d rows", m.rows)
}

func (m *importer) eraseProgress() {
	if m.drawn {
		fmt.Fprintf(m.sh.cfg.Err, "\r%s\r", strings.Repeat(" ", 30))
		m.drawn = false
	}
}
