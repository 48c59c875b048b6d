package engine

import (
	"fmt"
	"iter"
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
