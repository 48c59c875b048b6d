package engine

import (
	"strings"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// TraceKind is a kind of event that a trace hook is told about. They can be joined with |.
//
// https://sqlite.org/c3ref/c_trace.html
type TraceKind uint32

// The kinds.
const (
	TraceStmt    TraceKind = sqlite3.SQLITE_TRACE_STMT    // an execution of a statement, or a trigger in it, begins
	TraceProfile TraceKind = sqlite3.SQLITE_TRACE_PROFILE // an execution has ended
	TraceRow     TraceKind = sqlite3.SQLITE_TRACE_ROW     // a row of the result is there
	TraceClose   TraceKind = sqlite3.SQLITE_TRACE_CLOSE   // the connection is being closed

	traceAll = TraceStmt | TraceProfile | TraceRow | TraceClose
)

// String returns the names of the kinds.
func (k TraceKind) String() string {
	var names []string
	for _, kind := range []struct {
		bit  TraceKind
		name string
	}{{TraceStmt, "stmt"}, {TraceProfile, "profile"}, {TraceRow, "row"}, {TraceClose, "close"}} {
		if k&kind.bit != 0 {
			names = append(names, kind.name)
		}
	}
	return strings.Join(names, "|")
}

// TraceEvent is what a trace hook is told. It is lent to the hook, and must not be used after that.
//
// https://sqlite.org/c3ref/trace_v2.html
type TraceEvent struct {
	Kind     TraceKind     // one kind
	Duration time.Duration // of a TraceProfile: from the begin of the execution to its end; 0 for other kinds

	c    *Conn // nil when the hook is not running
	stmt uintptr
	text uintptr
}

type traceHook struct {
	call    func() error
	event   TraceEvent
	kinds   TraceKind             // that are told
	started map[uintptr]time.Time // by statement: SQLite's own clock goes by milliseconds
}

var traceCallback = cFunc(onTrace)

// SetTrace sets the function that is told about the events of the given kinds. It takes the place of an earlier one;
// nil, or no kinds, removes it. Inside a callback it is [ErrConcurrentUse].
//
// An error of the function, or a panic, is the cause of the error of the statement. What was committed before, such as
// all that a [TraceProfile] outside of a transaction tells about, stays committed; what was not is treated as when an
// update hook fails, see [Conn.SetUpdateHook].
//
// https://sqlite.org/c3ref/trace_v2.html
func (c *Conn) SetTrace(kinds TraceKind, told func(*TraceEvent) error) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	if kinds&^traceAll != 0 {
		return newError("set trace", "", Misuse, "no such kind of event")
	}
	t := &c.hooks.trace
	*t = traceHook{kinds: kinds}
	if told == nil || kinds == 0 {
		sqlite3.Xsqlite3_trace_v2(c.tls, c.db, 0, 0, 0)
		c.installHooks()
		return nil
	}
	t.call = func() error { return told(&t.event) }
	if kinds&TraceProfile != 0 {
		kinds |= TraceStmt // tells when it began
		t.started = make(map[uintptr]time.Time)
	}
	sqlite3.Xsqlite3_trace_v2(c.tls, c.db, uint32(kinds), traceCallback, c.busy.handle)
	c.installHooks()
	return nil
}

func onTrace(_ *libc.TLS, kind uint32, handle, subject, detail uintptr) int32 {
	c := conns.get(handle)
	if c == nil || c.hooks.trace.call == nil {
		return 0
	}
	t := &c.hooks.trace
	t.event = TraceEvent{Kind: TraceKind(kind), c: c, stmt: subject}
	switch t.event.Kind {
	case TraceStmt:
		t.event.text = detail
		t.start(subject)
	case TraceProfile:
		t.event.Duration = t.stop(subject, time.Duration(*(*int64)(pointer(detail))))
	case TraceClose:
		t.event.stmt = 0
	}
	if t.kinds&t.event.Kind != 0 && c.failure == nil {
		c.callGo(t.call)
	}
	t.event.c = nil
	return 0
}

// start notes when a statement began. What comes while it runs is a trigger of its.
func (t *traceHook) start(stmt uintptr) {
	if _, runs := t.started[stmt]; t.started != nil && !runs {
		t.started[stmt] = time.Now()
	}
}

// stop returns how long a statement has run: what SQLite says if it began before there was a hook.
func (t *traceHook) stop(stmt uintptr, measured time.Duration) time.Duration {
	if began, ok := t.started[stmt]; ok {
		delete(t.started, stmt)
		return time.Since(began)
	}
	return measured
}

// SQL returns the text of the statement, with its parameters as they were written. A [TraceStmt] inside a trigger has a
// comment instead: "-- TRIGGER name" where the trigger begins, and "-- " with the text of each statement in it. A
// [TraceClose] has no text.
//
// https://sqlite.org/c3ref/c_trace.html
func (e *TraceEvent) SQL() string {
	switch {
	case e.c == nil || e.stmt == 0:
		return ""
	case e.text != 0:
		return libc.GoString(e.text)
	}
	return libc.GoString(sqlite3.Xsqlite3_sql(e.c.tls, e.stmt))
}

// ExpandedSQL returns the text of the statement with the values of its parameters in it. It is "" if that would be
// larger than [LimitLength] allows, and for a [TraceClose].
//
// https://sqlite.org/c3ref/expanded_sql.html
func (e *TraceEvent) ExpandedSQL() string {
	if e.c == nil || e.stmt == 0 {
		return ""
	}
	p := sqlite3.Xsqlite3_expanded_sql(e.c.tls, e.stmt)
	defer sqlite3.Xsqlite3_free(e.c.tls, p)
	return libc.GoString(p)
}
