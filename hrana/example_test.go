package hrana_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/floedb/floe/hrana"
)

// A database on a server, with a token.
func Example() {
	ctx := context.Background()
	client, err := hrana.Open("libsql://mydb.example.com", hrana.WithAuthToken("token"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	stream, err := client.OpenStream(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close(ctx)
	res, err := stream.Execute(ctx, hrana.Stmt{
		SQL: "INSERT INTO users(name) VALUES(?) RETURNING id", Args: []hrana.Value{hrana.Text("Ada")},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Rows[0][0], "is in frame", res.ReplicationIndex)
}

// A request is sent again only when the error says that it did not run.
func ExampleStream_Execute_retry() {
	ctx := context.Background()
	client, err := hrana.Open("wss://mydb.example.com")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	write := func() error {
		stream, err := client.OpenStream(ctx)
		if err != nil {
			return err
		}
		defer stream.Close(ctx)
		_, err = stream.Execute(ctx, hrana.Stmt{SQL: "UPDATE counters SET n = n + 1"})
		return err
	}
	err = write()
	for errors.Is(err, hrana.ErrNotExecuted) {
		time.Sleep(time.Second)
		err = write()
	}
	var answered *hrana.Error
	switch {
	case errors.As(err, &answered):
		fmt.Println("the statement failed:", answered.Code)
	case err != nil:
		fmt.Println("it may have run:", err)
	}
}

// A cursor reads a large result while it comes.
func ExampleStream_Cursor() {
	ctx := context.Background()
	client, err := hrana.Open("https://mydb.example.com")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	stream, err := client.OpenStream(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close(ctx)
	cursor, err := stream.Cursor(ctx, hrana.Batch{Steps: []hrana.BatchStep{
		{Stmt: hrana.Stmt{SQL: "SELECT id, name FROM users"}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer cursor.Close()
	for row, err := range cursor.Rows() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row[0].Int64(), row[1].Text())
	}
}

// A batch that is a transaction.
func ExampleTransaction() {
	batch := hrana.Transaction("BEGIN IMMEDIATE",
		hrana.Stmt{SQL: "UPDATE accounts SET balance = balance - 10 WHERE id = 1"},
		hrana.Stmt{SQL: "UPDATE accounts SET balance = balance + 10 WHERE id = 2"})
	for i, step := range batch.Steps {
		condition := "always"
		if step.Condition != nil {
			condition = fmt.Sprint("if ", step.Condition.Kind)
		}
		fmt.Println(i, step.Stmt.SQL, condition)
	}
	// Output:
	// 0 BEGIN IMMEDIATE always
	// 1 UPDATE accounts SET balance = balance - 10 WHERE id = 1 if ok
	// 2 UPDATE accounts SET balance = balance + 10 WHERE id = 2 if ok
	// 3 COMMIT if ok
	// 4 ROLLBACK if and
}

// The encodings work without a connection, so a server can use them as well.
func ExampleEncoding() {
	b, err := hrana.JSON.AppendPipelineRequest(nil, &hrana.PipelineRequest{Requests: []hrana.Request{
		{Kind: hrana.ReqExecute, Stmt: &hrana.Stmt{SQL: "SELECT ?", Args: []hrana.Value{hrana.Integer(1 << 60)}}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(b))
	// Output:
	// {"baton":null,"requests":[{"type":"execute","stmt":{"sql":"SELECT ?","args":[{"type":"integer","value":"1152921504606846976"}],"want_rows":true}}]}
}

// An answer that is none of the protocol's, here of a fake proxy.
func ExampleHTTPError() {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "upstream is away", http.StatusBadGateway)
	}))
	defer proxy.Close()
	client, err := hrana.Open(proxy.URL)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.OpenStream(context.Background())
	var status *hrana.HTTPError
	fmt.Println(errors.As(err, &status), errors.Is(err, hrana.ErrNotExecuted))
	fmt.Println(err)
	// Output:
	// true true
	// open stream: ask for the protocol's version: HTTP status 502: upstream is away
}
