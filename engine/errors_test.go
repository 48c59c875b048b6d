package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestErrorsTellWhatSQLiteSays(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, `
		CREATE TABLE t(a UNIQUE, b NOT NULL, c CHECK (c > 0), d REFERENCES u(x));
		CREATE TABLE u(x PRIMARY KEY);
		INSERT INTO t VALUES (1, 1, 1, NULL);
		PRAGMA foreign_keys = ON`)
	for _, want := range []Error{
		{Code: Generic, Extended: Generic, Op: "prepare", SQL: "SELEC 1", Offset: 0, Msg: `near "SELEC": syntax error`},
		{Code: Generic, Extended: Generic, Op: "prepare", SQL: "SELECT nix FROM t", Offset: 7, Msg: "no such column: nix"},
		{Code: Generic, Extended: Generic, Op: "prepare", SQL: "DROP TABLE nix", Offset: -1, Msg: "no such table: nix"},
		{Code: Constraint, Extended: ConstraintUnique, Op: "step", SQL: "INSERT INTO t VALUES (1, 1, 1, NULL)", Offset: -1,
			Msg: "UNIQUE constraint failed: t.a"},
		{Code: Constraint, Extended: ConstraintNotNull, Op: "step", SQL: "INSERT INTO t VALUES (2, NULL, 1, NULL)", Offset: -1,
			Msg: "NOT NULL constraint failed: t.b"},
		{Code: Constraint, Extended: ConstraintCheck, Op: "step", SQL: "INSERT INTO t VALUES (2, 1, 0, NULL)", Offset: -1,
			Msg: "CHECK constraint failed: c > 0"},
		{Code: Constraint, Extended: ConstraintForeignKey, Op: "step", SQL: "INSERT INTO t VALUES (2, 1, 1, 9)", Offset: -1,
			Msg: "FOREIGN KEY constraint failed"},
		{Code: Generic, Extended: Generic, Op: "step", SQL: "SELECT abs(-9223372036854775808)", Offset: -1, Msg: "integer overflow"},
	} {
		err := c.Exec(background, want.SQL)
		var got *Error
		if !errors.As(err, &got) {
			t.Errorf("%q: %v, want an *Error", want.SQL, err)
			continue
		}
		if diff := cmp.Diff(&want, got, cmpopts.IgnoreUnexported(Error{})); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
		if !errors.Is(err, want.Code) || !errors.Is(err, want.Extended) || errors.Is(err, Busy) || errors.Is(err, context.Canceled) {
			t.Errorf("%v: matches other codes than %v and %v", err, want.Code, want.Extended)
		}
		for _, part := range []string{want.Msg, want.Op, want.Extended.String(), want.SQL[:5]} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("message %q does not tell %q", err, part)
			}
		}
	}
}

func TestErrorOffsetsCountFromTheBeginningOfTheText(t *testing.T) {
	c := openMemory(t)
	for _, sql := range []string{"SELECT 1; SELECT @@ 2", "/* ž */ ; SELECT @@"} {
		want := strings.Index(sql, "@@")
		_, prepareErr := c.Prepare(sql[strings.LastIndex(sql, ";"):])
		for call, test := range map[string]struct {
			err  error
			want int
		}{"Exec": {c.Exec(background, sql), want}, "Prepare": {prepareErr, want - strings.LastIndex(sql, ";")}} {
			var e *Error
			if !errors.As(test.err, &e) || e.Offset != test.want {
				t.Errorf("%s %q: %v, want offset %d", call, sql, test.err, test.want)
			}
		}
	}
}

func TestErrorSQLIsShortened(t *testing.T) {
	c := openMemory(t)
	err := c.Exec(background, "SELEC '"+strings.Repeat("ž", 10_000)+"'")
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v, want an *Error", err)
	}
	if len(e.SQL) > maxErrorSQL+len("…") || !utf8.ValidString(e.SQL) || !strings.HasSuffix(e.SQL, "…") {
		t.Errorf("SQL of %d bytes, valid %v: %q", len(e.SQL), utf8.ValidString(e.SQL), e.SQL)
	}
}

func TestResultCodesHaveSQLitesNames(t *testing.T) {
	for code, want := range map[ResultCode]string{
		OK: "SQLITE_OK", Generic: "SQLITE_ERROR", Busy: "SQLITE_BUSY", BusySnapshot: "SQLITE_BUSY_SNAPSHOT",
		IOErrFsync: "SQLITE_IOERR_FSYNC", NotADB: "SQLITE_NOTADB", ConstraintRowID: "SQLITE_CONSTRAINT_ROWID",
		Busy | 99<<8: "SQLITE_BUSY(25349)", 99: "SQLITE_UNKNOWN(99)", -1: "SQLITE_UNKNOWN(-1)",
	} {
		if got := fmt.Sprint(code); got != want {
			t.Errorf("code %d: %q, want %q", int32(code), got, want)
		}
	}
	if BusySnapshot.Primary() != Busy || Busy.Primary() != Busy {
		t.Errorf("Primary: %v and %v, want %v", BusySnapshot.Primary(), Busy.Primary(), Busy)
	}
}

func TestResultCodesMatchPrimaryAndExtended(t *testing.T) {
	err := fmt.Errorf("sync: %w", newError("step", "", IOErrFsync, "disk I/O error"))
	for code, want := range map[ResultCode]bool{IOErr: true, IOErrFsync: true, IOErrRead: false, Busy: false, Interrupt: false} {
		if got := errors.Is(err, code); got != want {
			t.Errorf("errors.Is(%v, %v): %v, want %v", err, code, got, want)
		}
	}
}
