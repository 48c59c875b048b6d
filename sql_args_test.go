package floe

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
)

type (
	namedInt    int16
	namedBytes  []byte
	namedString string
	namedTime   time.Time
	self        struct{}
	badValuer   struct{}
	pointValuer struct{ n int }
)

func (t namedTime) Value() (driver.Value, error)   { return time.Time(t), nil }
func (s self) Value() (driver.Value, error)        { return s, nil }
func (badValuer) Value() (driver.Value, error)     { return nil, errWorthless }
func (p pointValuer) Value() (driver.Value, error) { return p.n, nil }

var errWorthless = errors.New("worthless")

func TestArgumentsBecomeWhatSQLiteHas(t *testing.T) {
	n, text := 7, "text"
	pointer := &n
	at := time.Date(2024, 2, 29, 13, 14, 15, 120_000_000, time.FixedZone("", -5*3600-1800))
	for _, tt := range []struct{ arg, want any }{
		{nil, nil},
		{int64(-1), int64(-1)},
		{7, int64(7)},
		{int8(-7), int64(-7)},
		{uint16(7), int64(7)},
		{uint64(math.MaxInt64), int64(math.MaxInt64)},
		{1.5, 1.5},
		{float32(1.5), 1.5},
		{true, int64(1)},
		{false, int64(0)},
		{"text", "text"},
		{"", ""},
		{[]byte{1}, []byte{1}},
		{[]byte{}, []byte{}},
		{[]byte(nil), nil},
		{namedInt(3), int64(3)},
		{namedString("s"), "s"},
		{namedBytes("b"), []byte("b")},
		{namedBytes(nil), nil},
		{json.RawMessage(`{}`), []byte(`{}`)},
		{json.RawMessage(nil), nil},
		{&n, int64(7)},
		{&pointer, int64(7)},
		{&text, "text"},
		{(*int)(nil), nil},
		{(*time.Time)(nil), nil},
		{sql.NullString{}, nil},
		{sql.NullString{String: "s", Valid: true}, "s"},
		{&sql.NullInt64{Int64: 3, Valid: true}, int64(3)},
		{sql.NullBool{Bool: true, Valid: true}, int64(1)},
		{sql.Null[uint8]{V: 3, Valid: true}, int64(3)},
		{sql.NullTime{Time: at, Valid: true}, "2024-02-29 13:14:15.12-05:30"},
		{pointValuer{3}, int64(3)},
		{&pointValuer{3}, int64(3)},
		{(*pointValuer)(nil), nil},
		{engine.JSON([]int{1}), "[1]"},
		{at, "2024-02-29 13:14:15.12-05:30"},
		{&at, "2024-02-29 13:14:15.12-05:30"},
		{namedTime(at), "2024-02-29 13:14:15.12-05:30"},
		{at.UTC(), "2024-02-29 18:44:15.12+00:00"},
		{time.Time{}, "0001-01-01 00:00:00+00:00"},
		{at.In(time.FixedZone("LMT", 53*60+28)), "2024-02-29 18:44:15.12+00:00"},
		{engine.Pointer{Value: 1}, engine.Pointer{Value: 1}},
	} {
		v := driver.NamedValue{Ordinal: 1, Value: tt.arg}
		if err := checkArg(&v); err != nil {
			t.Errorf("%T %v: %v", tt.arg, tt.arg, err)
			continue
		}
		if diff := cmp.Diff(tt.want, v.Value); diff != "" {
			t.Errorf("%T %v (-want +got):\n%s", tt.arg, tt.arg, diff)
		}
	}
}

func TestAMonotonicClockIsNotWritten(t *testing.T) {
	v := driver.NamedValue{Value: time.Now()}
	if err := checkArg(&v); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(v.Value.(string), "m=") {
		t.Errorf("written as %q", v.Value)
	}
}

func TestAnArgumentThatSQLiteCannotHaveIsRefused(t *testing.T) {
	type loop *loop
	var round loop
	round = &round
	for _, tt := range []struct {
		arg  any
		want string
	}{
		{uint64(math.MaxInt64 + 1), "9223372036854775808 is more than the largest INTEGER"},
		{struct{}{}, "unsupported type struct {}"},
		{[]int{1}, "unsupported type []int"},
		{make(chan int), "unsupported type chan int"},
		{map[string]int{}, "unsupported type map[string]int"},
		{sql.Out{}, "unsupported type sql.Out"},
		{1i, "unsupported type complex128"},
		{self{}, "again and again"},
		{round, "points to pointers without an end"},
		{badValuer{}, "worthless"},
	} {
		v := driver.NamedValue{Value: tt.arg}
		if err := checkArg(&v); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%T: error %v, want one with %q", tt.arg, err, tt.want)
		}
	}
	v := driver.NamedValue{Value: badValuer{}}
	if err := checkArg(&v); !errors.Is(err, errWorthless) {
		t.Errorf("error %v, want that of Value", err)
	}
}
