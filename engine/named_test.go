package engine

import (
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArgumentsGoToTheirParameters(t *testing.T) {
	c := openMemory(t)
	for _, test := range []struct {
		sql  string
		args []any
		want []any
	}{
		{"SELECT ?, ?", []any{1, 2}, []any{1, 2}},
		{"SELECT ?2, ?1", []any{1, 2}, []any{2, 1}},
		{"SELECT ?1, ?1", []any{1}, []any{1, 1}},
		{"SELECT ?3", []any{1, 2, 3}, []any{3}},
		{"SELECT :a, @b, $c", []any{1, 2, 3}, []any{1, 2, 3}},
		{"SELECT :a, @b, $c", []any{Named("c", 3), Named("a", 1), Named("b", 2)}, []any{1, 2, 3}},
		{"SELECT :a, @b, $c", []any{Named("$c", 3), Named(":a", 1), Named("@b", 2)}, []any{1, 2, 3}},
		{"SELECT :a, @a, $a", []any{Named("a", 1)}, []any{1, 1, 1}},
		{"SELECT :a, @a", []any{Named("@a", 2), Named(":a", 1)}, []any{1, 2}},
		{"SELECT :a, ?, :b, ?", []any{Named("b", 3), 2, Named("a", 1), 4}, []any{1, 2, 3, 4}},
		{"SELECT :a, ?", []any{1, 2}, []any{1, 2}},
		{"SELECT ?2, ?1", []any{Named("?2", 2), 1}, []any{2, 1}},
		{"SELECT :jméno", []any{Named("jméno", 1)}, []any{1}},
		{"SELECT $a::b(c)", []any{Named("a::b(c)", 1)}, []any{1}},
		{"SELECT 1", nil, []any{1}},
	} {
		var want []any
		for _, v := range test.want {
			want = append(want, int64(v.(int)))
		}
		if diff := cmp.Diff([][]any{want}, values(t, c, test.sql, test.args...)); diff != "" {
			t.Errorf("%s with %v (-want +got):\n%s", test.sql, test.args, diff)
		}
	}
}

func TestArgumentsThatDoNotFitAreNamed(t *testing.T) {
	c := openMemory(t)
	for _, test := range []struct {
		sql  string
		args []any
		want string
	}{
		{"SELECT ?, ?", []any{1}, "no argument for parameter 2"},
		{"SELECT ?, :b", []any{1}, "no argument for parameter 2, :b"},
		{"SELECT :a, :b", []any{Named("b", 1)}, "no argument for parameter 1, :a"},
		{"SELECT ?", nil, "no argument for parameter 1"},
		{"SELECT ?", []any{1, 2}, "2 arguments for 1 parameters"},
		{"SELECT 1", []any{1}, "1 arguments for 0 parameters"},
		{"SELECT :a", []any{Named("a", 1), 2}, "2 arguments are more than"},
		{"SELECT :a", []any{Named("b", 1)}, `no parameter named "b"`},
		{"SELECT :a", []any{Named("@a", 1)}, `no parameter named "@a"`},
		{"SELECT :a", []any{Named("", 1)}, `no parameter named ""`},
		{"SELECT :a", []any{Named("a\x00", 1)}, `no parameter named "a\x00"`},
		{"SELECT :a", []any{Named("a", 1), Named(":a", 2)}, "two arguments for parameter :a"},
	} {
		for name, err := range map[string]error{
			"Exec":  c.Exec(background, test.sql, test.args...),
			"Query": c.Query(background, test.sql, test.args, ignoreRow),
		} {
			if !errors.Is(err, Range) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s of %s with %v: %v, want %v: %s", name, test.sql, test.args, err, Range, test.want)
			}
		}
	}
	if n := c.CacheStats().InUse; n != 0 {
		t.Errorf("%d statements are still in use", n)
	}
}

func TestBindAllOfAFinalizedStatementRefuses(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT ?, :a")
	mustFinalize(t, s)
	for _, args := range [][]any{nil, {1}, {1, 2}, {Named("a", 1)}, {Named(":a", 1), 1}} {
		if err := s.BindAll(args...); !errors.Is(err, ErrFinalized) {
			t.Errorf("%v: %v, want %v", args, err, ErrFinalized)
		}
		if err := s.Exec(background, args...); !errors.Is(err, ErrFinalized) {
			t.Errorf("exec with %v: %v, want %v", args, err, ErrFinalized)
		}
	}
}

// celsius is a driver.Valuer with a method on the value: a nil pointer to it has none to call.
type celsius float64

var errNoValue = errors.New("no value")

func (c celsius) Value() (driver.Value, error) {
	if c < -273 {
		return nil, errNoValue
	}
	return float64(c), nil
}

func TestValuersAreBoundAsTheirValue(t *testing.T) {
	c := openMemory(t)
	warm := celsius(20)
	got := values(t, c, "SELECT ?, ?, ?, :d", warm, &warm, (*celsius)(nil), Named("d", warm))
	if diff := cmp.Diff([][]any{{20.0, 20.0, nil, 20.0}}, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	err := c.Exec(background, "SELECT ?", celsius(-300))
	if !errors.Is(err, errNoValue) || !errors.Is(err, Mismatch) {
		t.Errorf("a Value that fails: %v, want %v and %v", err, errNoValue, Mismatch)
	}
}
