package floe

import (
	"database/sql/driver"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTimesAreRead(t *testing.T) {
	zone := func(minutes int) *time.Location { return time.FixedZone("", minutes*60) }
	at := func(nano int, loc *time.Location) time.Time { return time.Date(2024, 2, 29, 13, 14, 15, nano, loc) }
	for text, want := range map[string]time.Time{
		"2024-02-29 13:14:15.123456789+02:00":                  at(123456789, zone(120)),
		"2024-02-29T13:14:15.123456789+02:00":                  at(123456789, zone(120)),
		"2024-02-29 13:14:15.123456789-05:30":                  at(123456789, zone(-330)),
		"2024-02-29 13:14:15+00:00":                            at(0, time.UTC),
		"2024-02-29 13:14:15.5":                                at(500_000_000, time.UTC),
		"2024-02-29T13:14:15.000001":                           at(1000, time.UTC),
		"2024-02-29 13:14:15.1234567899":                       at(123456789, time.UTC),
		"2024-02-29 13:14:15":                                  at(0, time.UTC),
		"2024-02-29T13:14:15Z":                                 at(0, time.UTC),
		"2024-02-29 13:14":                                     at(0, time.UTC).Add(-15 * time.Second),
		"2024-02-29T13:14Z":                                    at(0, time.UTC).Add(-15 * time.Second),
		"2024-02-29":                                           time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		"2024-02-29Z":                                          time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		"2024-02-29 13:14:15.000000001 +0000 UTC":              at(1, time.UTC),
		"2024-02-29 13:14:15.000000001 +0200 CEST m=+0.000012": at(1, zone(120)),
		"2024-02-29 13:14:15 -0330 -0330":                      at(0, zone(-210)),
		"0000-01-01 00:00:00":                                  time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		"9999-12-31 23:59:59+23:59":                            time.Date(9999, 12, 31, 23, 59, 59, 0, zone(1439)),
	} {
		got, ok := parseTime(text)
		if !ok || !got.Equal(want) || got.Format(time.RFC3339Nano) != want.Format(time.RFC3339Nano) {
			t.Errorf("%q: %v, %v, want %v", text, got, ok, want)
		}
	}
}

func TestWhatIsNoTimeStaysText(t *testing.T) {
	for _, text := range []string{
		"", "now", "2024", "2024-02", "2024-2-29", "2023-02-29", "2024-13-01", "2024-00-10", "2024-01-00", "0000-00-00",
		"2024-02-29 ", "2024-02-29 13", "2024-02-29 24:00", "2024-02-29 13:60", "2024-02-29 13:14:60", "2024-02-29x13:14",
		"2024-02-29 13:14:15.", "2024-02-29 13:14:15+", "2024-02-29 13:14:15+02", "2024-02-29 13:14:15+24:00",
		"2024-02-29 13:14:15ZZ", "2024-02-29 13:14:15 UTC", "2024-02-29 13:14:15 +0000 UTC rest", "2024-02-29 13:14:15 +0000 ",
		"24-02-29", "-024-02-29", "13:14:15", "２024-02-29",
	} {
		if got, ok := parseTime(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
		if got := new(valueMaker).ofText(columnTime, text, nil); got != text {
			t.Errorf("%q becomes %#v", text, got)
		}
	}
}

func TestReadingATimeAllocatesNothing(t *testing.T) {
	text := []byte("2024-02-29 13:14:15.123456789+02:00")
	parseTime(text)
	if n := testing.AllocsPerRun(100, func() { parseTime(text) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// layouts are those that Go programs write times in. What time.Parse reads with one of them is the same time.
var layouts = []string{
	"2006-01-02 15:04:05.999999999-07:00", "2006-01-02T15:04:05.999999999-07:00", "2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02", time.RFC3339Nano,
	"2006-01-02 15:04:05.999999999 -0700 MST",
}

func FuzzParseTime(f *testing.F) {
	at := time.Date(2024, 2, 29, 13, 14, 15, 123456789, time.FixedZone("", 5*3600+1800))
	for _, layout := range layouts {
		f.Add(at.Format(layout))
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseTime(text)
		raw, rawOK := parseTime([]byte(text))
		if ok != rawOK || !got.Equal(raw) {
			t.Errorf("%q: %v, %v as text and %v, %v as bytes", text, got, ok, raw, rawOK)
		}
		if !ok {
			return
		}
		for _, layout := range layouts {
			if want, err := time.Parse(layout, text); err == nil && !got.Equal(want) {
				t.Errorf("%q is %v, and by %q %v", text, got, layout, want)
			}
		}
		if again, ok := parseTime(got.Format(timeFormat)); !ok || !again.Equal(got) {
			t.Errorf("%q is %v, and written again %v, %v", text, got, again, ok)
		}
	})
}

func TestDeclaredTypesDecide(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		declared string
		value    any
		loc      *time.Location
		want     driver.Value
	}{
		{"INTEGER", int64(1), nil, int64(1)},
		{"BOOLEAN", int64(1), nil, true},
		{"bool", int64(0), nil, false},
		{"boolean", int64(2), nil, int64(2)},
		{"BOOLEAN", "true", nil, "true"},
		{"TIMESTAMP", at.Unix(), nil, at},
		{"date", at.UnixMilli(), nil, at},
		{"datetime", int64(-1e12), nil, time.Unix(-1e12, 0).UTC()},
		{"datetime", int64(-1e12 - 1), nil, time.UnixMilli(-1e12 - 1).UTC()},
		{"datetime", int64(1e12), nil, time.Unix(1e12, 0).UTC()},
		{"DATETIME(6)", "2024-02-29 12:00:00", nil, at},
		{"timestamp with time zone", "2024-02-29 12:00:00", nil, at},
		{"Timestamp NOT", "2024-02-29 12:00:00", berlin, at.In(berlin)},
		{"TIMESTAMP", at.Unix(), berlin, at.In(berlin)},
		{"TIMESTAMP", "soon", berlin, "soon"},
		{"TIMESTAMPTZ", "2024-02-29 12:00:00", nil, "2024-02-29 12:00:00"},
		{"TEXT", "2024-02-29 12:00:00", nil, "2024-02-29 12:00:00"},
		{"", "2024-02-29 12:00:00", nil, "2024-02-29 12:00:00"},
		{"", int64(1), nil, int64(1)},
	} {
		var m valueMaker
		var got, raw driver.Value
		switch v := tt.value.(type) {
		case int64:
			got = m.ofInt(columnKindOf(tt.declared), v, tt.loc)
			raw = got
		case string:
			got = m.ofText(columnKindOf(tt.declared), v, tt.loc)
			raw = m.ofRawText(columnKindOf(tt.declared), []byte(v), tt.loc)
		}
		if diff := cmp.Diff([]any{tt.want, tt.want}, []any{got, raw}); diff != "" {
			t.Errorf("%v in a column declared %q (-want +got):\n%s", tt.value, tt.declared, diff)
		}
		if want, ok := tt.want.(time.Time); ok && got.(time.Time).Location().String() != want.Location().String() {
			t.Errorf("%v in a column declared %q is in zone %v, want %v", tt.value, tt.declared, got.(time.Time).Location(), want.Location())
		}
	}
}

func TestColumnTypesAreThoseDeclared(t *testing.T) {
	type described struct {
		Name      string
		Type      reflect.Type
		Length    int64
		HasLength bool
	}
	for declared, want := range map[string]described{
		"":                            {Type: typeAny},
		"integer":                     {Name: "INTEGER", Type: typeInt},
		"UNSIGNED BIG INT":            {Name: "UNSIGNED BIG INT", Type: typeInt},
		"varchar(20)":                 {Name: "VARCHAR", Type: typeString, Length: 20, HasLength: true},
		"VARCHAR ( 20 )":              {Name: "VARCHAR", Type: typeString, Length: 20, HasLength: true},
		"TEXT":                        {Name: "TEXT", Type: typeString},
		"CHAR(x)":                     {Name: "CHAR", Type: typeString},
		"BLOB":                        {Name: "BLOB", Type: typeBytes},
		"double precision":            {Name: "DOUBLE PRECISION", Type: typeFloat},
		"DECIMAL(10, 2)":              {Name: "DECIMAL", Type: typeAny},
		"numeric(5)":                  {Name: "NUMERIC", Type: typeAny},
		"NUMERIC":                     {Name: "NUMERIC", Type: typeAny},
		"NUMERIC(5":                   {Name: "NUMERIC", Type: typeAny},
		"boolean":                     {Name: "BOOLEAN", Type: typeBool},
		"DATETIME(6)":                 {Name: "DATETIME", Type: typeTime},
		"timestamp(3) with time zone": {Name: "TIMESTAMP WITH TIME ZONE", Type: typeTime},
	} {
		c := columnTypes{declared}
		got := described{Name: c.ColumnTypeDatabaseTypeName(0), Type: c.ColumnTypeScanType(0)}
		got.Length, got.HasLength = c.ColumnTypeLength(0)
		if got != want {
			t.Errorf("%q is %+v, want %+v", declared, got, want)
		}
	}
}
