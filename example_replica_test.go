package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/floedb/floe"
)

// A program that reads a local replica and writes to its primary, through
// database/sql. The connection string is all that tells.
func Example_replica() {
	ctx := context.Background()
	db, err := sql.Open("floe", "file:replica.db?primary=libsql://db.example.com&syncInterval=1m&authToken="+os.Getenv("FLOE_AUTH_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	_, err = db.ExecContext(ctx, "INSERT INTO notes(text) VALUES (?)", "hello") // on the primary
	if errors.Is(err, floe.ErrUnreachable) {
		log.Print("no network: the note was not written, and nothing is queued")
	} else if err != nil {
		log.Fatal(err)
	}
	var notes int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM notes").Scan(&notes) // here, with the new note
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(notes, "notes")
}

// Writing through a replica that the program opened itself, and syncs as it likes.
func ExampleReplica_Connector() {
	ctx := context.Background()
	r, err := floe.OpenReplica(ctx, "replica.db", "libsql://db.example.com", floe.WithAuthToken(os.Getenv("FLOE_AUTH_TOKEN")))
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	go r.Watch(ctx) // the writes of others

	db := sql.OpenDB(r.Connector())
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil) // on the primary
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "UPDATE accounts SET balance = balance - 10 WHERE id = 1"); err != nil {
		log.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE accounts SET balance = balance + 10 WHERE id = 2"); err != nil {
		log.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		log.Fatal(err)
	}
	var balance int
	if err := db.QueryRowContext(ctx, "SELECT balance FROM accounts WHERE id = 2").Scan(&balance); err != nil { // here
		log.Fatal(err)
	}
	wrote, _ := r.MaxWriteFrameNo()
	at, _ := r.FrameNo()
	fmt.Println(balance, "by frame", wrote, "of", at)
}
