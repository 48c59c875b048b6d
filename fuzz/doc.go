// Package fuzz holds the fuzz targets of floe's decoders: everything that
// takes bytes from a network, or from a file that someone else may have
// written. It has no code of its own.
//
// Each target is seeded from testdata and asserts more than that nothing
// panics: what is accepted holds what it promises, comes back the same when it
// is written again, and costs memory in proportion to the input, whatever
// lengths the input claims.
//
//	go test ./fuzz -run '^$' -fuzz '^FuzzArchive$' -fuzztime 20s -fuzzminimizetime 10x
//
// Package replicator has the targets for its own files, the schema it adapts,
// and frames that are applied. "make fuzz" finds them all.
//
// What is damaged with a plan is elsewhere: internal/liar has servers that lie,
// internal/mutate damages databases where SQLite goes by them; "go test" runs a
// sample and "make torture" much more.
//
// Without the last flag most of the time goes into making inputs of several
// kilobytes shorter.
package fuzz
