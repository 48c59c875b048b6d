package floe

import (
	"strings"
	"sync"
	"time"
)

// parseTime reads a time as SQLite and Go programs write it: a date, by itself or with a time behind a blank or a T,
// with minutes, seconds or fractions of them, and with a zone or without, which is UTC. It allocates nothing, but for a
// zone that nobody lives in.
//
//	2006-01-02
//	2006-01-02 15:04
//	2006-01-02T15:04:05Z
//	2006-01-02 15:04:05.999999999-07:00
//	2006-01-02 15:04:05.999999999 -0700 MST m=+0.000000001
func parseTime[T string | []byte](s T) (t time.Time, ok bool) {
	p := timeParser[T]{rest: s}
	year, month, day := p.number(4), p.after('-', 2), p.after('-', 2)
	hour, minute, second, nano, offset := 0, 0, 0, 0, 0
	if p.skip(' ') || p.skip('T') {
		hour, minute = p.number(2), p.after(':', 2)
		if p.skip(':') {
			second = p.number(2)
			nano = p.fraction()
		}
		offset = p.zone()
	} else {
		p.skip('Z')
	}
	if p.bad || len(p.rest) != 0 || !isDate(year, month, day) || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, nano, time.UTC)
	if offset != 0 {
		t = t.Add(-time.Duration(offset) * time.Minute).In(zoneAt(offset))
	}
	return t, true
}

// timeParser reads a text from its beginning. After something that is not there it is bad.
type timeParser[T string | []byte] struct {
	rest T
	bad  bool
}

func (p *timeParser[T]) skip(c byte) bool {
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// number reads n digits.
func (p *timeParser[T]) number(n int) (v int) {
	if len(p.rest) < n {
		p.bad = true
		return 0
	}
	for i := range n {
		digit := p.rest[i] - '0'
		if digit > 9 {
			p.bad = true
			return 0
		}
		v = v*10 + int(digit)
	}
	p.rest = p.rest[n:]
	return v
}

// after reads n digits behind c.
func (p *timeParser[T]) after(c byte, n int) int {
	if !p.skip(c) {
		p.bad = true
	}
	return p.number(n)
}

// fraction reads a point and what is behind it, if there is one, in nanoseconds. Digits behind those are dropped.
func (p *timeParser[T]) fraction() (nano int) {
	if !p.skip('.') {
		return 0
	}
	n := 0
	for ; n < len(p.rest) && p.rest[n]-'0' <= 9; n++ {
		if n < 9 {
			nano = nano*10 + int(p.rest[n]-'0')
		}
	}
	p.bad = p.bad || n == 0
	p.rest = p.rest[n:]
	for ; n < 9; n++ {
		nano *= 10
	}
	return nano
}

// zone reads a zone, if there is one, as minutes east of UTC.
func (p *timeParser[T]) zone() (offset int) {
	if p.skip('Z') || len(p.rest) == 0 {
		return 0
	}
	named := p.skip(' ')
	sign := 1
	if p.skip('-') {
		sign = -1
	} else if !p.skip('+') {
		p.bad = true
	}
	hours := p.number(2)
	p.skip(':')
	minutes := p.number(2)
	p.bad = p.bad || hours > 23 || minutes > 59
	if named {
		p.zoneName()
	}
	return sign * (60*hours + minutes)
}

// zoneName reads what the String method of a time has behind the offset.
func (p *timeParser[T]) zoneName() {
	if !p.skip(' ') {
		return
	}
	name, clock, _ := strings.Cut(string(p.rest), " m=")
	p.bad = p.bad || name == "" || strings.Trim(name, "+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != ""
	p.bad = p.bad || strings.Trim(clock, "+-.0123456789") != ""
	p.rest = p.rest[len(p.rest):]
}

func isDate(year, month, day int) bool {
	return month >= 1 && month <= 12 && day >= 1 && (day <= 28 || day <= daysIn(year, month))
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

const (
	quarter     = 15 // minutes
	maxQuarters = 14 * 60 / quarter
)

// zones are the offsets that there are on Earth, in quarters of an hour.
var zones = sync.OnceValue(func() []*time.Location {
	zones := make([]*time.Location, 2*maxQuarters+1)
	for i := range zones {
		zones[i] = time.FixedZone("", (i-maxQuarters)*quarter*60)
	}
	return zones
})

// zoneAt returns the zone with an offset in minutes.
func zoneAt(offset int) *time.Location {
	if q := offset / quarter; offset%quarter == 0 && q >= -maxQuarters && q <= maxQuarters {
		return zones()[q+maxQuarters]
	}
	return time.FixedZone("", offset*60)
}
