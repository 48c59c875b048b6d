package engine

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A table of the rows of a Go slice, and of an argument.
func ExampleConn_CreateTableFunc() {
	c, err := Open(":memory:", 0)
	if err != nil {
		panic(err)
	}
	defer c.Close()

	type user struct {
		name string
		age  int
	}
	users := []user{{"Ann", 35}, {"Bob", 17}, {"Cyd", 52}}

	err = c.CreateTableFunc("users", TableFunc{
		Columns: []string{"name TEXT", "age INTEGER"},
		Args:    []string{"min_age"},
		Rows: func(args []Value) iter.Seq2[TableRow, error] {
			return func(yield func(TableRow, error) bool) {
				for _, u := range users {
					if int64(u.age) >= args[0].Int64() && !yield(TableRow{u.name, u.age}, nil) {
						return
					}
				}
			}
		},
	})
	if err != nil {
		panic(err)
	}

	err = c.Query(background, "SELECT name, age FROM users(18) ORDER BY age DESC", nil, func(s *Stmt) error {
		fmt.Println(s.ColumnText(0), s.ColumnInt64(1))
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// Cyd 52
	// Ann 35
}

// rangeFunc has rows from its first argument up to its second.
func rangeFunc(args []Value) iter.Seq2[TableRow, error] {
	return func(yield func(TableRow, error) bool) {
		row := make(TableRow, 2)
		for i := args[0].Int64(); i <= args[1].Int64(); i++ {
			row[0], row[1] = i, fmt.Sprint("row ", i)
			if !yield(row, nil) {
				return
			}
		}
	}
}

func TestTableFuncIsATable(t *testing.T) {
	c := openMemory(t)
	if err := c.CreateTableFunc("range", TableFunc{
		Columns: []string{"n INTEGER", "text"}, Args: []string{"low", "high"}, MinArgs: 2, Rows: rangeFunc,
	}); err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (3)")
	for _, test := range []struct {
		sql  string
		want [][]any
	}{
		{"SELECT * FROM range(1, 2)", [][]any{{int64(1), "row 1"}, {int64(2), "row 2"}}},
		{"SELECT n, low, high FROM range(5, 5)", [][]any{{int64(5), int64(5), int64(5)}}},
		{"SELECT n FROM range WHERE high = 2 AND low = 2", [][]any{{int64(2)}}},
		{"SELECT n FROM range(2, 3) WHERE low = 7", nil},
		{"SELECT a, n FROM range(a, a + 1), t", [][]any{
			{int64(1), int64(1)}, {int64(1), int64(2)}, {int64(3), int64(3)}, {int64(3), int64(4)}}},
		{"SELECT n FROM range WHERE (low = 1 AND high = 1) OR (low = 9 AND high = 9)", [][]any{{int64(1)}, {int64(9)}}},
		{"SELECT n FROM range(1, 100) LIMIT 1 OFFSET 3", [][]any{{int64(4)}}},
		{"SELECT count(*) FROM range(1, 1000) WHERE n IN (SELECT a FROM t)", [][]any{{int64(2)}}},
		{"SELECT n FROM range WHERE (low = 1 AND high = 2) OR (low = 1.0 AND high = 2)", [][]any{{int64(1)}, {int64(2)}}},
	} {
		if diff := cmp.Diff(test.want, values(t, c, test.sql)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.sql, diff)
		}
	}
}

// phoneBook is a virtual table of a Go map, in which names are looked up.
type phoneBook map[string]string

// BestIndex asks for the value in "name = value", if there is one.
func (b phoneBook) BestIndex(info *IndexInfo) error {
	for i, con := range info.Constraints {
		if con.Usable && con.Op == IndexEQ && con.Column == 0 && info.Collation(i) == "BINARY" {
			info.Constraints[i].ArgvIndex = 1
			info.Plan = "look up"
			info.EstimatedCost, info.EstimatedRows = 1, 1
			return nil
		}
	}
	info.Plan = "all"
	return nil
}

func (b phoneBook) Open() (Cursor, error) { return &phoneCursor{book: b}, nil }

type phoneCursor struct {
	book  phoneBook
	names []string
	row   int
}

func (cu *phoneCursor) Filter(plan any, args []Value) error {
	cu.row = 0
	if plan == "look up" {
		cu.names = nil
		if name := args[0].Text(); cu.book[name] != "" {
			cu.names = []string{name}
		}
		return nil
	}
	cu.names = slices.Sorted(maps.Keys(cu.book))
	return nil
}

func (cu *phoneCursor) Next() error { cu.row++; return nil }
func (cu *phoneCursor) EOF() bool   { return cu.row >= len(cu.names) }

// RowID is not asked for: the table has none.
func (cu *phoneCursor) RowID() (int64, error) { return 0, nil }

func (cu *phoneCursor) Column(ctx *FuncContext, i int) error {
	if i == 0 {
		ctx.ResultText(cu.names[cu.row])
	} else {
		ctx.ResultText(cu.book[cu.names[cu.row]])
	}
	return nil
}

// A table that looks rows up by itself, without going through all of them.
func ExampleConn_CreateModule() {
	c, err := Open(":memory:", 0)
	if err != nil {
		panic(err)
	}
	defer c.Close()

	book := phoneBook{"Ann": "555-1234", "Bob": "555-9876"}
	err = c.CreateModule("phone_book", Module[phoneBook]{
		Kind: EponymousOnlyModule,
		Connect: func(*TableArgs) (phoneBook, string, error) {
			return book, "CREATE TABLE x(name TEXT PRIMARY KEY, number TEXT) WITHOUT ROWID", nil
		},
	})
	if err != nil {
		panic(err)
	}

	for _, sql := range []string{"SELECT * FROM phone_book WHERE name = 'Bob'", "SELECT * FROM phone_book"} {
		err = c.Query(background, sql, nil, func(s *Stmt) error {
			fmt.Println(s.ColumnText(0), s.ColumnText(1))
			return nil
		})
		if err != nil {
			panic(err)
		}
	}
	// Output:
	// Bob 555-9876
	// Ann 555-1234
	// Bob 555-9876
}

// Insert, Update and Delete make the phone book one that can be written, by the names.
func (b writablePhoneBook) Insert(_ Value, columns []Value, _ OnConflict) (int64, error) {
	return 0, b.set(columns)
}

func (b writablePhoneBook) Update(old, _ Value, columns []Value, _ OnConflict) error {
	if old.Text() != columns[0].Text() {
		delete(b.phoneBook, old.Text())
	}
	return b.set(columns)
}

func (b writablePhoneBook) Delete(name Value) error {
	delete(b.phoneBook, name.Text())
	return nil
}

func (b writablePhoneBook) set(columns []Value) error {
	b.phoneBook[columns[0].Text()] = columns[1].Text()
	return nil
}

type writablePhoneBook struct{ phoneBook }

func TestVirtualTableWithoutRowID(t *testing.T) {
	c := openMemory(t)
	book := phoneBook{"Ann": "1", "Bob": "2", "Cyd": "3"}
	if err := c.CreateModule("book", Module[writablePhoneBook]{Kind: EponymousModule,
		Connect: func(*TableArgs) (writablePhoneBook, string, error) {
			return writablePhoneBook{book}, "CREATE TABLE x(name TEXT PRIMARY KEY, number TEXT) WITHOUT ROWID", nil
		}}); err != nil {
		t.Fatal(err)
	}
	either := "SELECT name FROM book WHERE (name = 'Ann' AND number > 0) OR (name = 'Cyd' AND number > 1) ORDER BY 1"
	if diff := cmp.Diff([][]any{{"Ann"}, {"Cyd"}}, values(t, c, either)); diff != "" {
		t.Errorf("%s (-want +got)\n%s", either, diff)
	}
	mustExec(t, c, "INSERT INTO book VALUES ('Dan', 4); UPDATE book SET number = '7' WHERE name = 'Bob'")
	mustExec(t, c, "UPDATE book SET name = 'Eve' WHERE name = 'Ann'; DELETE FROM book WHERE name = 'Cyd'")
	if diff := cmp.Diff(phoneBook{"Bob": "7", "Dan": "4", "Eve": "1"}, book); diff != "" {
		t.Errorf("after writes (-want +got)\n%s", diff)
	}
}
