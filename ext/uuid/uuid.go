// Package uuid adds UUIDs to SQL, as RFC 9562 has them.
//
//	uuid4(), gen_random_uuid()      a random UUID, as text
//	uuid7()                         one that begins with the time, as text: each is after the one before it
//	uuid_str(X)                     X as text: 6ba7b810-9dad-11d1-80b4-00c04fd430c8
//	uuid_blob(X)                    X as a blob of 16 bytes
//	uuid_extract_version(X)         the number of its version; NULL if it has none
//	uuid_extract_timestamp(X)       the time in a version 1, 6 or 7, as text that SQLite's date functions read
//	uuid7_timestamp_ms(X)           the time in a version 7, in milliseconds since 1970
//
// X is a UUID as text or blob. Text may be in either case, in braces, and with or without hyphens. What is no UUID
// gives NULL, so that "uuid_blob(X) IS NOT NULL" is a check.
//
// Importing the package registers the extension "uuid".
//
// https://www.rfc-editor.org/rfc/rfc9562
package uuid

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/sqlfunc"
)

func init() { sqlfunc.MustRegisterExtension("uuid", Register) }

// Register adds the functions to a connection.
func Register(c *engine.Conn) error {
	if err := sqlfunc.Register(c, engine.Innocuous, []sqlfunc.Scalar{
		{Name: "uuid4", NArgs: []int{0}, Fn: generate(newV4)},
		{Name: "gen_random_uuid", NArgs: []int{0}, Fn: generate(newV4)},
		{Name: "uuid7", NArgs: []int{0}, Fn: generate(newV7)},
	}); err != nil {
		return err
	}
	return sqlfunc.Register(c, sqlfunc.Pure, []sqlfunc.Scalar{
		{Name: "uuid_str", NArgs: []int{1}, Fn: of(func(ctx *engine.FuncContext, id uuid) { ctx.ResultText(id.String()) })},
		{Name: "uuid_blob", NArgs: []int{1}, Fn: of(func(ctx *engine.FuncContext, id uuid) { ctx.ResultBlob(id[:]) })},
		{Name: "uuid_extract_version", NArgs: []int{1}, Fn: of(version)},
		{Name: "uuid_extract_timestamp", NArgs: []int{1}, Fn: of(timestamp)},
		{Name: "uuid7_timestamp_ms", NArgs: []int{1}, Fn: of(milliseconds)},
	})
}

type uuid [16]byte

// String returns the usual form of 36 characters.
func (id uuid) String() string {
	var text [36]byte
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// stamp writes the version, and the variant of the RFC.
func (id *uuid) stamp(version byte) {
	id[6] = id[6]&0x0f | version<<4
	id[8] = id[8]&0x3f | 0x80
}

// version returns 0 if the UUID is not of the RFC's variant.
func (id uuid) version() byte {
	if id[8]&0xc0 != 0x80 {
		return 0
	}
	return id[6] >> 4
}

func newV4() (id uuid) {
	rand.Read(id[:]) // never fails
	id.stamp(4)
	return id
}

// clock gives each version 7 of the process a time of its own.
var clock struct {
	sync.Mutex
	last uint64
}

// ticks returns the time in 1/4096 milliseconds since 1970, at least one more than the last time.
func ticks(now time.Time) uint64 {
	const perMillisecond = 4096
	ms := uint64(now.UnixMilli())
	fraction := uint64(now.Nanosecond()%int(time.Millisecond)) * perMillisecond / uint64(time.Millisecond)
	clock.Lock()
	defer clock.Unlock()
	clock.last = max(ms*perMillisecond+fraction, clock.last+1)
	return clock.last
}

// newV7 has 48 bits of milliseconds, 12 bits of a fraction of one, and 62 random bits.
func newV7() (id uuid) {
	rand.Read(id[8:])
	t := ticks(time.Now())
	binary.BigEndian.PutUint64(id[:8], t>>12<<16|t&0xfff)
	id.stamp(7)
	return id
}

func generate(newUUID func() uuid) engine.ScalarFunc {
	return func(ctx *engine.FuncContext, _ []engine.Value) error {
		ctx.ResultText(newUUID().String())
		return nil
	}
}

// of makes a function of a UUID, which is NULL for what is none.
func of(fn func(ctx *engine.FuncContext, id uuid)) engine.ScalarFunc {
	return func(ctx *engine.FuncContext, args []engine.Value) error {
		if id, ok := parse(args[0]); ok {
			fn(ctx, id)
		}
		return nil
	}
}

func parse(v engine.Value) (id uuid, ok bool) {
	switch v.Type() {
	case engine.Blob:
		return id, copy(id[:], v.Raw()) == len(id) && len(v.Raw()) == len(id)
	case engine.Text:
		return parseText(v.Raw())
	}
	return id, false
}

func parseText(text []byte) (id uuid, ok bool) {
	if n := len(text); n > 2 && text[0] == '{' && text[n-1] == '}' {
		text = text[1 : n-1]
	}
	var digits [32]byte
	n := 0
	for i, b := range text {
		// A hyphen stands between bytes, and never first, last or twice.
		if b == '-' && n > 0 && n < len(digits) && n%2 == 0 && text[i-1] != '-' {
			continue
		}
		if n == len(digits) {
			return id, false
		}
		digits[n] = b
		n++
	}
	if n != len(digits) {
		return id, false
	}
	_, err := hex.Decode(id[:], digits[:])
	return id, err == nil
}

func version(ctx *engine.FuncContext, id uuid) {
	if v := id.version(); v > 0 {
		ctx.ResultInt64(int64(v))
	}
}

func milliseconds(ctx *engine.FuncContext, id uuid) {
	if id.version() == 7 {
		ctx.ResultInt64(id.unixMilli())
	}
}

func (id uuid) unixMilli() int64 { return int64(binary.BigEndian.Uint64(id[:8]) >> 16) }

func timestamp(ctx *engine.FuncContext, id uuid) {
	switch id.version() {
	case 1:
		low, mid := binary.BigEndian.Uint32(id[0:4]), binary.BigEndian.Uint16(id[4:6])
		high := binary.BigEndian.Uint16(id[6:8]) & 0xfff
		ctx.ResultTime(gregorian(uint64(high)<<48 | uint64(mid)<<32 | uint64(low)))
	case 6:
		high, low := binary.BigEndian.Uint64(id[:8])>>16, binary.BigEndian.Uint16(id[6:8])&0xfff
		ctx.ResultTime(gregorian(high<<12 | uint64(low)))
	case 7:
		ctx.ResultTime(time.UnixMilli(id.unixMilli()))
	}
}

// gregorian is the time of a number of 100 nanoseconds since the reform of the calendar.
func gregorian(n uint64) time.Time {
	const perSecond, unixEpoch = 10_000_000, 12_219_292_800
	return time.Unix(int64(n/perSecond)-unixEpoch, int64(n%perSecond)*100)
}
