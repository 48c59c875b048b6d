package csv_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	csvtable "github.com/floedb/floe/ext/csv"
	"github.com/floedb/floe/ext/internal/exttest"
)

var background = context.Background()

func Example() {
	files := fstest.MapFS{"prices.csv": {Data: []byte("item,price\napple,0.5\n\"pear, large\",0.75\n")}}

	c, err := engine.Open(":memory:", 0)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	if err := csvtable.RegisterFS(c, files); err != nil {
		panic(err)
	}
	err = c.Exec(background, `CREATE VIRTUAL TABLE prices USING csv(filename='prices.csv', header=yes,
		schema='CREATE TABLE x(item TEXT, price REAL)')`)
	if err != nil {
		panic(err)
	}
	sql := "SELECT item, price FROM prices ORDER BY price DESC"
	err = c.Query(background, sql, nil, func(s *engine.Stmt) error {
		fmt.Println(s.ColumnText(0), s.ColumnFloat(1))
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// pear, large 0.75
	// apple 0.5
}

// open opens a database with the files in reach.
func open(tb testing.TB, files fs.FS) *engine.Conn {
	tb.Helper()
	c := exttest.Open(tb, "csv")
	if err := csvtable.RegisterFS(c, files); err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestParametersSayWhatIsRead(t *testing.T) {
	c := exttest.Open(t, "csv")
	for params, want := range map[string][][]any{
		"data='a,b\nc,d'":                {{"a", "b"}, {"c", "d"}},
		"data='a,b\nc,d', header=yes":    {{"c", "d"}},
		"data='a,b\nc,d', header":        {{"c", "d"}},
		"data='a,b\nc,d', header = off":  {{"a", "b"}, {"c", "d"}},
		"data='a;b', delimiter=';'":      {{"a", "b"}},
		"data='a;b', comma=;":            {{"a", "b"}},
		"data='a\tb', delimiter='\\t'":   {{"a", "b"}},
		"data='#x\na', comment='#'":      {{"a"}},
		"data='a\nb,c', columns=3":       {{"a", nil, nil}, {"b", "c", nil}},
		"data=''":                        nil,
		"data='', header=1":              nil,
		"data='it''s'":                   {{"it's"}},
		`data="it's"`:                    {{"it's"}},
		`data="""it's"""`:                {{"it's"}},
		"data='\ufeffa'":                 {{"a"}},
		"data='a\r\n\r\n\"b\r\nc\"\r\n'": {{"a"}, {"b\nc"}},
		"data='\"x \"\"y\"\", z\",\n,'":  {{`x "y", z`, ""}, {"", ""}},
		"data='1,2,3\n4,5', schema='CREATE TABLE t(a INT, b REAL, c)'": {{int64(1), 2.0, "3"}, {int64(4), 5.0, nil}},
		"header, data='h\n1', schema='create table \"t(\" (a INT)'":    {{int64(1)}},
		"data='1.0,1e3,x,,0x10,inf, 7 ,9223372036854775808', schema='CREATE TABLE t(a NUM, b INT, c INT, d INT, e INT, f REAL, g INT, h INT)'": {
			{int64(1), int64(1000), "x", nil, "0x10", "inf", int64(7), 9223372036854775808.0}},
	} {
		if err := c.Exec(background, "CREATE VIRTUAL TABLE t USING csv("+params+")"); err != nil {
			t.Errorf("%s: %v", params, err)
			continue
		}
		if diff := cmp.Diff(want, exttest.Rows(t, c, "SELECT * FROM t")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", params, diff)
		}
		if err := c.Exec(background, "DROP TABLE t"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHeaderNamesTheColumns(t *testing.T) {
	c := exttest.Open(t, "csv")
	err := c.Exec(background, `CREATE VIRTUAL TABLE t USING csv(data='a "b" c,,rowid,select
1,2,3,4', columns=5, header)`)
	if err == nil || !strings.Contains(err.Error(), "line 1, column") {
		t.Errorf("bare quote: error %v, want one with the place", err)
	}
	err = c.Exec(background, `CREATE VIRTUAL TABLE t USING csv(data='"a ""b"" c",,select
1,2,3,4', columns=5, header)`)
	if err != nil {
		t.Fatal(err)
	}
	got := exttest.Rows(t, c, `SELECT rowid, "a ""b"" c", c1, "select", c3, c4 FROM t`)
	if diff := cmp.Diff([][]any{{int64(1), "1", "2", "3", "4", nil}}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBadParametersAndTextsAreErrors(t *testing.T) {
	c := open(t, fstest.MapFS{"dir/x.csv": {Data: []byte("a,b\n\"c\nd\",e\nf,\"g\"h\n")}})
	for params, want := range map[string]string{
		"":                                   "one of filename= and data=",
		"data='a', filename='x'":             "one of filename= and data=",
		"filename=''":                        "not a name for a file",
		"data='a', data='b'":                 "more than one data=",
		"data='a', comma=',', delimiter=','": "more than one delimiter=",
		"data='a', color=red":                `unknown parameter "color"`,
		"data='a', columns=0":                "not a number from 1",
		"data='a', columns=99999":            "not a number from 1",
		"data='a', columns=2, schema='CREATE TABLE t(a)'": "no use for columns=",
		"data='a', header=maybe":                          "neither yes nor no",
		"data='a', delimiter=ab":                          "not one character",
		"data='a', delimiter='\"'":                        "not one character",
		"data='a', delimiter='#', comment='#'":            "the same",
		"data='a":                                         "unrecognized token",
		"data=\"a'":                                       "unrecognized token",
		"data='a' 'b":                                     "unrecognized token",
		"just this":                                       "not of the form key=value",
		"data='a', schema=''":                             "schema= is empty",
		"data='a', schema='SELECT 1'":                     "not a CREATE TABLE",
		"data='a', schema='CREATE TABLE t AS SELECT 1'":   "not a CREATE TABLE",
		"data='a', schema='CREATE TABLE t(a); SELECT 1'":  "more than one statement",
		"data='a', schema='CREATE TABLE t(a'":             "incomplete input",
		"data='a,a\n1,2', header":                         "duplicate column name: a",
		"filename='none.csv'":                             "file does not exist",
		"filename='../dir/x.csv'":                         "not a name for a file",
		"filename='dir'":                                  "dir",
	} {
		err := c.Exec(background, "CREATE VIRTUAL TABLE t USING csv("+params+")")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", params, err, want)
		}
	}
	if err := c.Exec(background, "CREATE VIRTUAL TABLE t USING csv(filename='dir/x.csv')"); err != nil {
		t.Fatal(err)
	}
	err := c.Exec(background, "SELECT * FROM t")
	var parse *csv.ParseError
	if !errors.As(err, &parse) || parse.Line != 4 || !strings.Contains(err.Error(), `"dir/x.csv"`) {
		t.Errorf("error %v, want a parse error in line 4 with the name of the file", err)
	}
	if err := c.Exec(background, "CREATE VIRTUAL TABLE u USING csv(data='a\n\nb,c')"); err != nil {
		t.Fatal(err)
	}
	exttest.WantError(t, c, "line 3: 2 fields for 1 columns", "SELECT * FROM u")
	exttest.WantError(t, c, "may not be modified", "DELETE FROM u")
}

func TestFilesNeedAFileSystem(t *testing.T) {
	c := exttest.Open(t, "csv")
	exttest.WantError(t, c, "reads no files", "CREATE VIRTUAL TABLE t USING csv(filename='csv_test.go')")
}

// endless is a file that goes on for ever, and counts what is open of it.
type endless struct {
	open, read int
}

func (e *endless) Open(name string) (fs.File, error) {
	if name != "endless.csv" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	e.open++
	return &endlessFile{e}, nil
}

type endlessFile struct{ e *endless }

func (f *endlessFile) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }
func (f *endlessFile) Close() error               { f.e.open--; return nil }
func (f *endlessFile) Read(b []byte) (int, error) {
	f.e.read += len(b)
	for i := range b {
		b[i] = "1,2\n"[i%4]
	}
	return len(b) &^ 3, nil
}

var _ io.Reader = (*endlessFile)(nil)

func TestFilesAreReadAsFarAsNeededAndClosed(t *testing.T) {
	e := &endless{}
	c := open(t, e)
	if err := c.Exec(background, "CREATE VIRTUAL TABLE t USING csv(filename='endless.csv')"); err != nil {
		t.Fatal(err)
	}
	exttest.Want(t, c, 200_000, "SELECT sum(c1) FROM (SELECT c1 FROM t LIMIT 100000)")
	exttest.Want(t, c, 3, "SELECT count(*) FROM (SELECT * FROM t LIMIT 1), (SELECT * FROM t LIMIT 3)")
	if e.open != 0 {
		t.Errorf("%d files are open", e.open)
	}
	if e.read > 2<<20 {
		t.Errorf("%d bytes were read, want those of 100,000 records and little more", e.read)
	}
}

// Whatever the text is, the table has what package encoding/csv reads.
func FuzzData(f *testing.F) {
	for _, seed := range []string{"a,b\nc,d", "\"a\nb\",c\r\n", "a\n\nb,c", "\ufeff\"", "a,\"b\"c", "\x00,\xff\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := open(t, fstest.MapFS{"x": {Data: []byte(text)}})
		err := c.Exec(background, "CREATE VIRTUAL TABLE t USING csv(filename=x, columns=3)")
		if err != nil {
			t.Fatal(err)
		}
		r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
		r.FieldsPerRecord = -1
		var want [][]any
		var wantErr bool
		for {
			record, err := r.Read()
			if wantErr = err != nil && err != io.EOF || len(record) > 3; err != nil || wantErr {
				break
			}
			row := make([]any, 3)
			for i, field := range record {
				row[i] = field
			}
			want = append(want, row)
		}
		var got [][]any
		err = c.Query(background, "SELECT * FROM t", nil, func(s *engine.Stmt) error {
			got = append(got, []any{s.ColumnValue(0), s.ColumnValue(1), s.ColumnValue(2)})
			return nil
		})
		if (err != nil) != wantErr {
			t.Fatalf("error %v, want one: %v", err, wantErr)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}
