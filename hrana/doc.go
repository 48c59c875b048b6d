// Package hrana is a client of Hrana, the protocol of SQL over HTTP and WebSocket that libSQL servers have.
//
// A [Client] is a database on a server. Its streams are connections to it: each has a transaction of its own, and
// runs statements, batches and cursors one at a time.
//
//	client, err := hrana.Open("libsql://mydb.example.com", hrana.WithAuthToken(token))
//	stream, err := client.OpenStream(ctx)
//	res, err := stream.Execute(ctx, hrana.Stmt{SQL: "SELECT ?", Args: []hrana.Value{hrana.Integer(42)}})
//
// Over HTTP (libsql://, https://, http://) a stream costs nothing until it is used, and the server drops one that is
// idle for ten seconds or so. Over WebSocket (wss://, ws://) all streams of a client share one connection, live as long
// as it does and have less overhead per request. Versions 3 and 2 of the protocol are understood, the former in two
// encodings, of which [Protobuf] is used where the server has it.
//
// # Errors, and what may be sent again
//
// An [*Error] is the server's own about a statement, and leaves the stream as it was. All other errors are about the
// way there. This package sends a request a second time only if the server certainly did not run it: when the server
// refused the auth token and there is a new one, and when it answered 429 (too many requests). In particular a status
// of 502 or 503 can come from a proxy after the server ran the request, so it is an error.
//
// A request that was refused before it was looked at did not run, and leaves the stream as it was: with a new token the
// transaction on it goes on. Over WebSocket, libSQL's server looks at a token when it is given one, and closes the
// connection when it is a bad one, or when a token that only allows to read is used to write.
//
// The caller can know more, such as that the request only reads. errors.Is tells what is certain:
//
//   - [ErrNotExecuted]: the request did not run. It can be sent again.
//   - Neither [*Error] nor [ErrNotExecuted]: it may have run, or may still be running.
//   - [ErrStreamClosed]: the stream cannot go on, so a transaction on it is rolled back. A new stream can.
//   - [ErrStreamExpired]: the server no longer knew the stream.
//   - [ErrUnreachable]: there was no connection to the server.
//
// A context that ends during a request over HTTP closes the stream, as the baton for the next request is in the answer.
// Over WebSocket the stream goes on, its next request waiting at the server for the one that was given up.
//
// # Values
//
// SQLite's values go over unchanged, with these exceptions. A NaN is NULL. Text must be UTF-8, and libSQL's server
// fails with text that is not: over WebSocket, it closes the connection with all its streams. In [JSON] an infinity
// cannot be sent ([ErrNotEncodable]) and arrives as NaN.
//
// # Damage on the way
//
// Over plain HTTP or WebSocket nothing notices a byte that was changed on the way, and a server runs what it received.
// Over TLS such a request does not reach it, and the answer is an error of the network like any other.
//
// # Replication index
//
// libSQL's server says with each result which frame of its log holds what was written, or read: what a replica must
// wait for to see the same. [StmtResult], [BatchResult] and [Cursor] have it; a sequence does not say one.
//
// # Messages
//
// The messages of the protocol and both their encodings, for both sides, are in the methods of [Encoding]. They do no
// I/O.
//
// Specification: https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md
package hrana
