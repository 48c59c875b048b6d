// Package replicator follows a libSQL server into a local SQLite file.
//
// A frame takes this way through the package:
//
//	client.go    asks the server (gRPC-web over net/http)
//	answer.go    reads its answers
//	fetch.go     keeps several ranges of the log in flight and hands their
//	             frames over in order, each link of the checksum chain verified
//	batch.go     gathers whole transactions, the last version of each page
//	plausible.go refuses what no database can become
//	builder.go   writes them into a new file, beside the database, on a first sync
//	applier.go   or into the existing database, as one SQLite transaction
//	position.go  records how far the file has come
//
// replicator.go holds the state machine that drives them (Sync, SyncUntil,
// Watch, ApplyFile, ApplyFrames, Seal), lock.go keeps a second process out, and
// compat.go makes schemas readable that only libSQL can parse.
//
// # What is promised
//
// The database file is a plain SQLite database in WAL mode at every moment. Any
// reader, in any process, sees a state that the primary once committed. A crash
// at any instruction, or a loss of power, costs at most work done again.
//
// Memory stays bounded however large the log or a single transaction is: at most
// [fetchBuffers] chunks of [chunkFrames] frames in flight (17 MB), [batchPages]
// pages gathered (8 MB) and SQLite's own page cache (8 MB).
package replicator
