package hooks_test

import (
	"context"
	"fmt"

	"github.com/floedb/floe/hooks"
)

// Anything can feed a feed. Connections of package engine do it by themselves, see their SetFeed.
func ExampleFeed() {
	feed := hooks.NewFeed(hooks.FeedOptions{Capacity: 2, Overflow: hooks.DropOldest})
	consumer := feed.Consumer()
	defer consumer.Close()
	for rowid := range int64(4) {
		place, err := feed.Reserve(1, nil, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		place.Commit([]hooks.Change{{Op: hooks.Insert, Table: "floes", NewRowID: rowid}}, false)
	}
	feed.Close()
	for tx, err := range consumer.Changes(context.Background()) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(tx.Seq, tx.Changes[0].Op, tx.Changes[0].NewRowID)
	}
	// Output:
	// hooks: transactions 1 to 2 of the change feed were dropped
	// 3 INSERT 2
	// 4 INSERT 3
}

func ExampleAll() {
	rule := hooks.All(hooks.ReadOnly(), hooks.DenyColumns("users.password"))
	for _, column := range []string{"name", "password"} {
		fmt.Println(column, rule(hooks.Action{Code: hooks.ActionRead, First: "users", Second: column}))
	}
	// Output:
	// name allow
	// password deny
}
