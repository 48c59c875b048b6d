// Package liar runs servers that lie, for tests: a primary whose replication service says what no primary would, and a
// server of Hrana, libSQL's SQL protocol.
//
// Each begins with an honest answer, made or passed on as the real server gives it, and changes one thing in it on
// purpose: a number, an order, a length. What a network does to bytes is the business of package faultproxy. A lie
// stands until the next call of Lie, and the zero lie is the truth, so that a test can see its client get over it.
package liar
