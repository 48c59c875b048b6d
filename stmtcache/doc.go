// Package stmtcache keeps prepared statements that nobody uses at the moment, so that a text is compiled once and run
// many times. It knows nothing of SQLite: a statement is any type, with one function that makes it as good as new and
// one that frees it.
//
// A statement is idle or in use. [Cache.Get] hands an idle one out, [Cache.Add] takes one in that was just prepared
// and is in use from the start, and [Cache.Put] takes it back. The bound of a cache counts the idle ones: beyond it
// the one that was put back longest ago is freed. A statement in use is never freed behind its user's back. A text
// that is asked for while its statement is in use is a miss, so that it gets a second statement; both are kept.
//
// A hit allocates nothing, and neither does putting back.
//
// A [Cache] belongs to one goroutine at a time, as the connection does whose statements it keeps.
package stmtcache
