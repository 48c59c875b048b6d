package stmtcache_test

import (
	"fmt"

	"github.com/floedb/floe/stmtcache"
)

type statement struct {
	text  string
	bound []any
}

func Example() {
	cache := stmtcache.New(16,
		func(s *statement) bool { s.bound = nil; return true },
		func(s *statement) { fmt.Println("freed", s.text) })
	for i := range 3 {
		const text = "SELECT ?"
		item := cache.Get(text)
		if item == nil {
			fmt.Println("prepared", text)
			item = cache.Add(text, &statement{text: text})
		}
		item.Stmt.bound = append(item.Stmt.bound, i)
		fmt.Println("run with", item.Stmt.bound)
		cache.Put(item)
	}
	stats := cache.Stats()
	fmt.Println(stats.Hits, "hits,", stats.Misses, "miss")
	cache.Clear()
	// Output:
	// prepared SELECT ?
	// run with [0]
	// run with [1]
	// run with [2]
	// 2 hits, 1 miss
	// freed SELECT ?
}
