package uuid_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/exttest"
	"github.com/floedb/floe/ext/uuid"
)

func TestUUID(t *testing.T) {
	c := exttest.Open(t, "uuid")
	const text = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	blob, err := hex.DecodeString("6ba7b8109dad11d180b400c04fd430c8")
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []any{
		text, "6BA7B8109DAD11D180B400C04FD430C8", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", "6ba7-b810-9dad11d180b400c04fd430c8", blob,
	} {
		exttest.Want(t, c, text, "SELECT uuid_str(?)", in)
		exttest.Want(t, c, blob, "SELECT uuid_blob(?)", in)
	}
	for _, in := range []any{
		nil, 1, 1.5, "", "{}", text + "0", text[1:], "-" + text, text + "-", "6ba7b810--9dad11d180b400c04fd430c8",
		"6ba7b810-9dad-11d1-80b4-00c04fd430cg", "{" + text, blob[1:], append(bytes.Clone(blob), 0), []byte{},
	} {
		exttest.Want(t, c, nil, "SELECT uuid_str(?)", in)
		exttest.Want(t, c, nil, "SELECT uuid_blob(?)", in)
	}
}

// The examples are those of RFC 9562, appendix A.
func TestPartsOfUUID(t *testing.T) {
	c := exttest.Open(t, "uuid")
	for _, test := range []struct {
		id        string
		version   any
		timestamp any
		ms        any
	}{
		{"C232AB00-9414-11EC-B3C8-9F6BDECED846", 1, "2022-02-22 19:22:22", nil},
		{"5df41881-3aed-3515-88a7-2f4a814cf09e", 3, nil, nil},
		{"919108f7-52d1-4320-9bac-f847db4148a8", 4, nil, nil},
		{"1EC9414C-232A-6B00-B3C8-9F6BDECED846", 6, "2022-02-22 19:22:22", nil},
		{"017F22E2-79B0-7CC3-98C4-DC0C0C07398F", 7, "2022-02-22 19:22:22", int64(1645557742000)},
		{"00000000-0000-0000-0000-000000000000", nil, nil, nil},
		{"no uuid", nil, nil, nil},
	} {
		exttest.Want(t, c, test.version, "SELECT uuid_extract_version(?)", test.id)
		exttest.Want(t, c, test.timestamp, "SELECT uuid_extract_timestamp(?)", test.id)
		exttest.Want(t, c, test.ms, "SELECT uuid7_timestamp_ms(?)", test.id)
	}
}

func TestNewUUIDs(t *testing.T) {
	c := exttest.Open(t, "uuid")
	for sql, form := range map[string]string{
		"SELECT uuid4()":           "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
		"SELECT gen_random_uuid()": "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
		"SELECT uuid7()":           "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
	} {
		id := exttest.Rows(t, c, sql)[0][0].(string)
		if !regexp.MustCompile(form).MatchString(id) {
			t.Errorf("%s: %s", sql, id)
		}
	}
	exttest.Want(t, c, 1000, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000)
		SELECT count(DISTINCT id) FROM (SELECT uuid4() AS id FROM n)`)
}

func TestUUID7IsInOrderAndHasTheTime(t *testing.T) {
	c := exttest.Open(t, "uuid")
	before := time.Now().UnixMilli()
	rows := exttest.Rows(t, c, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10000)
		SELECT uuid7() FROM n`)
	if !slices.IsSortedFunc(rows, func(a, b []any) int {
		if a[0].(string) < b[0].(string) {
			return -1
		}
		return 1
	}) {
		t.Error("not in order")
	}
	ms := exttest.Rows(t, c, "SELECT uuid7_timestamp_ms(?)", rows[0][0])[0][0].(int64)
	if after := time.Now().UnixMilli(); ms < before || ms > after {
		t.Errorf("time %d, made between %d and %d", ms, before, after)
	}
}

func Example() {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := uuid.Register(c); err != nil {
		log.Fatal(err)
	}
	const script = `CREATE TABLE floes (id BLOB PRIMARY KEY DEFAULT (uuid_blob(uuid7())), name TEXT);
		INSERT INTO floes (name) VALUES ('Big'), ('Small')`
	if err := c.Exec(context.Background(), script); err != nil {
		log.Fatal(err)
	}
	err = c.Query(context.Background(), "SELECT uuid_extract_version(id), name FROM floes ORDER BY id", nil,
		func(s *engine.Stmt) error {
			fmt.Println(s.ColumnInt64(0), s.ColumnText(1))
			return nil
		})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 7 Big
	// 7 Small
}
