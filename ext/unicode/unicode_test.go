package unicode_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/exttest"
	"github.com/floedb/floe/ext/unicode"
)

func TestUnicode(t *testing.T) {
	c := exttest.Open(t, "unicode")
	for _, test := range []struct {
		sql  string
		want any
	}{
		{"upper('größe éψж')", "GRÖßE ÉΨЖ"}, {"lower('GRÖẞE ÉΨЖ')", "größe éψж"}, {"upper(NULL)", nil}, {"lower(12)", "12"},
		{"casefold('ΣΊΣΥΦΟΣ') = casefold('σίσυφος')", 1}, {"casefold('K')", "k"}, {"casefold('ſ')", "s"}, {"casefold('ẞ')", "ß"},
		{"casefold('İ')", "İ"}, {"casefold('Ab1')", "ab1"},
		{"unaccent('Åse Øst, São, Łódź, façade, naïve')", "Ase Ost, Sao, Lodz, facade, naive"},
		{"unaccent('Straße, Æsop, Œuvre, þing')", "Strasse, AEsop, OEuvre, thing"},
		{"unaccent('e' || char(0x301) || 'x')", "ex"}, {"unaccent('Άλφα, йод, Việt')", "Αλφα, иод, Viet"},
		{"unaccent('plain')", "plain"}, {"unaccent('漢字')", "漢字"}, {"unaccent(NULL)", nil},
		{"'ÄÖÜ' LIKE 'äö_'", 1}, {"'Größe' LIKE 'GRÖ%'", 1}, {"'Größe' LIKE '%ÖS%'", 0}, {"'ice' LIKE ''", 0}, {"'' LIKE ''", 1},
		{"'' LIKE '%'", 1}, {"'' LIKE '_'", 0}, {"'abcabd' LIKE '%AB_'", 1}, {"'abc' LIKE '%%c'", 1}, {"'abc' LIKE 'ab'", 0},
		{"'ab' LIKE 'abc'", 0}, {"'漢' LIKE '_'", 1}, {"'50%' LIKE '50!%' ESCAPE '!'", 1}, {"'500' LIKE '50!%' ESCAPE '!'", 0},
		{"'a_' LIKE 'a!_' ESCAPE '!'", 1}, {"'ab' LIKE 'a!_' ESCAPE '!'", 0}, {"'a!' LIKE 'a!' ESCAPE '!'", 0},
		{"'aÖb' LIKE 'aÖöb' ESCAPE 'Ö'", 1}, {"NULL LIKE 'x'", nil}, {"'x' LIKE NULL", nil},
		{"'aab' LIKE '%ab%'", 1}, {"'mississippi' LIKE 'm%iss%ip%i'", 1}, {"'mississippi' LIKE 'm%iss%ip%x'", 0},
		{"'Ä' = 'ä' COLLATE unicode_nocase", 1}, {"'Ä' = 'a' COLLATE unicode_nocase", 0}, {"'É' = 'é' COLLATE text_nocase", 1},
		{"'ab' < 'ABC' COLLATE unicode_nocase", 1}, {"'Zebra' > 'apple' COLLATE unicode_nocase", 1},
	} {
		exttest.Want(t, c, test.want, "SELECT "+test.sql)
	}
	exttest.WantError(t, c, "single character", "SELECT 'a' LIKE 'a' ESCAPE 'xy'")
	exttest.WantError(t, c, "single character", "SELECT 'a' LIKE 'a' ESCAPE ''")
}

func TestEscapeOfEveryRowIsItsOwn(t *testing.T) {
	c := exttest.Open(t, "unicode")
	exttest.Want(t, c, "1,0", `SELECT group_concat('%' LIKE '!%' ESCAPE column1) FROM (VALUES ('!'), ('?'))`)
}

func TestLikeAgreesWithBuiltInForASCII(t *testing.T) {
	c := exttest.Open(t, "unicode")
	plain, err := engine.Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	// All patterns and texts of up to four of these characters.
	const rows = `WITH RECURSIVE w(s) AS (SELECT '' UNION ALL SELECT s || column1 FROM w, (VALUES %s) WHERE length(s) < 4)`
	const sql = `, p(s) AS (SELECT '' UNION ALL SELECT p.s || column1 FROM p, (VALUES ('a'), ('B'), ('%'), ('_')) WHERE length(s) < 4)
		SELECT count(*), sum(w.s LIKE p.s), sum(w.s LIKE p.s ESCAPE 'B') FROM w, p`
	query := strings.Replace(rows, "%s", "('A'), ('b')", 1) + sql
	want, got := exttest.Rows(t, plain, query), exttest.Rows(t, c, query)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-built-in +ours):\n%s", diff)
	}
}

func TestCollationInAnIndex(t *testing.T) {
	c := exttest.Open(t, "unicode")
	if err := c.Exec(context.Background(), `CREATE TABLE t(a TEXT COLLATE unicode_nocase UNIQUE);
		INSERT INTO t VALUES ('Öl'), ('eis'), ('Eisberg'), ('ABER')`); err != nil {
		t.Fatal(err)
	}
	exttest.Want(t, c, "ABER,eis,Eisberg,Öl", "SELECT group_concat(a) FROM (SELECT a FROM t ORDER BY a)")
	exttest.WantError(t, c, "UNIQUE", "INSERT INTO t VALUES ('ÖL')")
	exttest.Want(t, c, "ok", "PRAGMA integrity_check")
}

// What has no accents any more stays as it is.
func FuzzUnaccent(f *testing.F) {
	f.Add("Åse")
	f.Add("\xffé\u0301")
	f.Add("\xc3\u0329\x81")
	f.Fuzz(func(t *testing.T, s string) {
		c := exttest.Open(t, "unicode")
		if !utf8.ValidString(s) {
			// A mark between two halves of another letter holds them apart.
			exttest.Rows(t, c, "SELECT unaccent(?1), casefold(?1), ?1 = ?1 COLLATE unicode_nocase", s)
			return
		}
		exttest.Want(t, c, 1, "SELECT unaccent(?1) = unaccent(unaccent(?1)) AND casefold(?1) = casefold(casefold(?1))", s)
		exttest.Want(t, c, 1, "SELECT ?1 = casefold(?1) COLLATE unicode_nocase", s)
	})
}

func Example() {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := unicode.Register(c); err != nil {
		log.Fatal(err)
	}
	err = c.Query(context.Background(), `SELECT upper('öl'), unaccent('Łódź'), 'ÉTÉ' LIKE 'é%'`, nil,
		func(s *engine.Stmt) error {
			fmt.Println(s.ColumnText(0), s.ColumnText(1), s.ColumnInt64(2))
			return nil
		})
	if err != nil {
		log.Fatal(err)
	}
	// Output: ÖL Lodz 1
}
