// Package frames is the codec of libSQL replication: the frame, the checksum
// chain, the messages of the replication service, snapshot files, and floe's
// own archive of frames.
//
// A frame is one version of one database page. The log of a primary numbers
// its frames from 0 upwards without gaps; a frame whose SizeAfter is not zero
// ends a transaction. Three things carry frames:
//
//   - answers of the replication service ([BatchReader], [ParseFrameMessage]),
//     wrapped in gRPC-web envelopes ([EnvelopeReader]);
//   - snapshot files, which libSQL servers write when they compact their log
//     ([SnapshotReader]);
//   - frame archives, which carry frames where there is no network
//     ([ArchiveReader], see ARCHIVE.md).
//
// Everything in this package works on byte slices and on the reader and writer
// interfaces of package io; it opens no file and no connection. No type may be
// used by two goroutines at once. Input is never trusted: bad input gives an
// error, and a length that the input claims is never allocated before the
// bytes are there.
//
// The protocol is that of libsql-server:
// https://github.com/tursodatabase/libsql/tree/main/libsql-replication
package frames
