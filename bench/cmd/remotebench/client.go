package main

import (
	"database/sql"
	"fmt"
	"strings"

	_ "github.com/tursodatabase/libsql-client-go/libsql"

	_ "github.com/floedb/floe"
)

// client is a driver of database/sql with a way to the server.
type client struct {
	name   string
	driver string
	scheme string
}

var clients = []client{
	{"floe-http", "floe", "http"},
	{"client-http", "libsql", "http"},
	{"floe-ws", "floe", "ws"},
	{"client-ws", "libsql", "ws"},
}

func clientNames() (names []string) {
	for _, c := range clients {
		names = append(names, c.name)
	}
	return names
}

func clientNamed(name string) (client, error) {
	for _, c := range clients {
		if c.name == name {
			return c, nil
		}
	}
	return client{}, fmt.Errorf("no client is called %q; there are %s", name, strings.Join(clientNames(), ", "))
}

// open opens the database of a server at an http URL. It keeps up to conns connections.
func (c client) open(url string, conns int) (*sql.DB, error) {
	db, err := sql.Open(c.driver, c.scheme+strings.TrimPrefix(url, "http"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}
