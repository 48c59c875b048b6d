// Package cursor reads the rows of a statement in batches, by column, in constant memory.
//
// A [Cursor] takes the rows of one execution of a statement, a [Pager] runs a statement anew for each batch and goes
// on behind the last key. Both fill a [Batch], whose columns are slices of numbers and bytes with the storage class of
// each value beside them. The memory is used again for the next batch: what a program wants to keep it copies.
//
// A cursor belongs to the goroutine that its connection belongs to; a batch may be read by another one until the next
// Fetch.
//
// # Transactions
//
// A cursor between two batches is a SELECT in the middle of its rows. It keeps its read transaction open: in WAL mode
// it sees the database as it was at the first Fetch, whatever other connections commit; in the rollback journal modes
// they cannot commit meanwhile.
//
// On its own connection a cursor goes on after a COMMIT, and after a ROLLBACK of a transaction that did not change the
// schema. After a ROLLBACK of one that did, the next Fetch fails with [engine.AbortRollback]. Whether a cursor sees
// what its own connection inserts, changes or deletes while it is open is undefined, as in SQLite at large.
//
// A [Pager] holds nothing between its batches. Each one sees what is committed by then.
//
// https://sqlite.org/lang_transaction.html, https://sqlite.org/isolation.html
package cursor
