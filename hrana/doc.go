// Package hrana speaks Hrana, the protocol of SQL over HTTP and WebSocket that libSQL servers have.
package hrana
