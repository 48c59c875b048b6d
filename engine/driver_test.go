package engine

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCountersAreWhatTheirMethodsReturn(t *testing.T) {
	c := openMemory(t)
	for _, sql := range []string{"CREATE TABLE t(a)", "INSERT INTO t VALUES (1), (2)", "UPDATE t SET a = 3", "DELETE FROM t WHERE a > 5"} {
		mustExec(t, c, sql)
		id, changes, total := c.Counters()
		want := []int64{c.LastInsertRowID(), c.Changes(), c.TotalChanges()}
		if diff := cmp.Diff(want, []int64{id, changes, total}); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", sql, diff)
		}
	}
}

func TestScanRawReadsWhatScanDoes(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT 1, 2.5, 'text', x'00ff', NULL, zeroblob(3), ''")
	if err := s.ScanRaw(make([]RawValue, 7)); !errors.Is(err, Misuse) {
		t.Errorf("without a row: error %v, want Misuse", err)
	}
	mustRow(t, s)
	got, want, dest := make([]RawValue, 7), make([]RawValue, 7), make([]any, 7)
	for i := range dest {
		dest[i] = &want[i]
	}
	if err := errors.Join(s.ScanRaw(got), s.Scan(dest...)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-Scan +ScanRaw):\n%s", diff)
	}
	if err := s.ScanRaw(got[:6]); !errors.Is(err, Misuse) {
		t.Errorf("6 destinations for 7 columns: error %v, want Misuse", err)
	}
}

func TestPreparingFromTheCacheEndsWithItsContext(t *testing.T) {
	c := openMemory(t)
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := c.PrepareCachedContext(ctx, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
}

func TestArgumentsOfDatabaseSQLAreBound(t *testing.T) {
	c := openMemory(t)
	arg := func(name string, v any) driver.NamedValue { return driver.NamedValue{Name: name, Value: v} }
	for _, tt := range []struct {
		sql  string
		args []driver.NamedValue
		want string
	}{
		{"SELECT ? || ? || ?", []driver.NamedValue{arg("", int64(1)), arg("", "b"), arg("", 2.5)}, "1b2.5"},
		{"SELECT :a || ? || @a", []driver.NamedValue{arg("", "b"), arg("a", "x")}, "xbx"},
		{"SELECT typeof(?) || typeof(?) || typeof(?)", []driver.NamedValue{arg("", nil), arg("", ""), arg("", []byte{})}, "nulltextblob"},
	} {
		for _, lent := range []bool{false, true} {
			s := mustPrepare(t, c, tt.sql)
			if err := s.BindArgs(tt.args, lent); err != nil {
				t.Errorf("%s: %v", tt.sql, err)
				continue
			}
			mustRow(t, s)
			if got := s.ColumnText(0); got != tt.want {
				t.Errorf("%s: %q, want %q", tt.sql, got, tt.want)
			}
		}
	}
	s := mustPrepare(t, c, "SELECT ?, :b")
	for want, args := range map[string][]driver.NamedValue{
		"no argument for parameter 2, :b": {arg("", int64(1))},
		"3 arguments for 2 parameters":    {arg("", int64(1)), arg("", int64(1)), arg("", int64(1))},
		`no parameter named "c"`:          {arg("", int64(1)), arg("c", int64(1))},
	} {
		if err := s.BindArgs(args, true); !errors.Is(err, Range) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want Range with %q", err, want)
		}
	}
}

func TestOnlyALentArgumentIsReadWhereItIs(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT ?")
	for _, lent := range []bool{true, false} {
		blob := []byte("before")
		if err := s.BindArgs([]driver.NamedValue{{Ordinal: 1, Value: blob}}, lent); err != nil {
			t.Fatal(err)
		}
		copy(blob, "later!")
		mustRow(t, s)
		if got, want := s.ColumnText(0), map[bool]string{true: "later!", false: "before"}[lent]; got != want {
			t.Errorf("lent %v: %q, want %q", lent, got, want)
		}
		mustDone(t, s)
	}
}
