package work

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Sizes says how much is done.
type Sizes struct {
	Rows    int // of the table
	Points  int // point queries
	Ranges  int // queries of ten rows
	Small   int // rounds of five small queries
	Joins   int
	Blobs   int
	Hooked  int // inserts and queries with and without a hook
	Execs   int // executions of one statement, for its allocations
	Readers int // point queries of each concurrent reader
}

// Full and Quick are the sizes of the two forms.
var (
	Full = Sizes{Rows: 1_000_000, Points: 200_000, Ranges: 50_000, Small: 200, Joins: 20_000, Blobs: 200,
		Hooked: 100_000, Execs: 100_000, Readers: 50_000}
	Quick = Sizes{Rows: 100_000, Points: 20_000, Ranges: 5_000, Small: 50, Joins: 2_000, Blobs: 20,
		Hooked: 20_000, Execs: 20_000, Readers: 5_000}
)

const readers = 8

// Settings are the PRAGMAs that every connection begins with.
var Settings = []string{
	"PRAGMA page_size = 4096",
	"PRAGMA journal_mode = WAL",
	"PRAGMA synchronous = NORMAL",
	"PRAGMA cache_size = -65536",
	"PRAGMA temp_store = MEMORY",
	"PRAGMA wal_autocheckpoint = 1000",
}

// The texts of the workloads. The C program has the same ones.
const (
	createTable = "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT NOT NULL, count INTEGER NOT NULL, score REAL NOT NULL)"
	createIndex = "CREATE INDEX item_count ON item(count)"
	insertItem  = "INSERT INTO item(id, name, count, score) VALUES (?, ?, ?, ?)"
	readItems   = "SELECT id, name, count, score FROM item"
	pointQuery  = "SELECT id, name, count, score FROM item WHERE id = ?"
	rangeQuery  = "SELECT id, name, count, score FROM item WHERE id >= ? ORDER BY id LIMIT 10"
	joinQuery   = "SELECT item.name, grp.name, kind.name FROM item JOIN grp ON grp.id = item.count % 1000 " +
		"JOIN kind ON kind.id = grp.kind WHERE item.id >= ? ORDER BY item.id LIMIT 10"
	fillGroups = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999) INSERT INTO grp SELECT i, 'group ' || i, i % 10 FROM n"
	fillKinds  = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9) INSERT INTO kind SELECT i, 'kind ' || i FROM n"
	oneInteger = "SELECT count FROM item WHERE id = ?"
	aggregate  = "SELECT count % 100, count(*), sum(score), max(name) FROM item GROUP BY 1"
	sorted     = "SELECT id, name FROM item ORDER BY name"
	like       = "SELECT count(*) FROM item WHERE name LIKE '%ab%'"
	insertHook = "INSERT INTO hooked(id, name, count, score) VALUES (?, ?, ?, ?)"
	insertBlob = "INSERT INTO large(id, data) VALUES (?, ?)"
	readBlob   = "SELECT data FROM large WHERE id = ?"
	builtin    = "SELECT sum(abs(count)) FROM item"
	goFunction = "SELECT sum(increment(count)) FROM item"
)

// small are five queries with small results.
var small = []Query{
	{SQL: "SELECT id, name FROM item WHERE id < 4", Kinds: "it"},
	{SQL: "SELECT count(*) FROM grp", Kinds: "i"},
	{SQL: "SELECT name, kind FROM grp WHERE id BETWEEN 10 AND 14", Kinds: "ti"},
	{SQL: "SELECT max(id) FROM item", Kinds: "i"},
	{SQL: "SELECT name FROM kind ORDER BY id DESC", Kinds: "t"},
}

// bench is one contestant in one run.
type bench struct {
	open    func() (Session, error)
	s       Session
	size    Sizes
	report  func(Result)
	args    [2]int64
	skipped func(string)
}

// Result is the time of one workload.
type Result struct {
	Workload string  `json:"workload"`
	NS       float64 `json:"ns"`     // for each operation
	Ops      int     `json:"ops"`    // operations that were timed
	Sum      uint64  `json:"sum"`    // checksum
	Allocs   float64 `json:"allocs"` // Go allocations for each operation
	Extra    float64 `json:"extra"`  // growth of the resident memory in bytes, where it is measured
}

// workloads are in the order in which they are run: the later ones need what the earlier ones made.
var workloads = []struct {
	name string
	run  func(*bench) error
}{
	{"insert", (*bench).insert},
	{"read", (*bench).read},
	{"point", (*bench).point},
	{"range10", (*bench).range10},
	{"small", (*bench).small},
	{"join3", (*bench).join3},
	{"readers8", (*bench).readers8},
	{"aggregate", (*bench).aggregate},
	{"sort", (*bench).sort},
	{"like", (*bench).like},
	{"blob", (*bench).blob},
	{"function", (*bench).function},
	{"updatehook", (*bench).updateHook},
	{"authorizer", (*bench).authorizer},
	{"progress", (*bench).progress},
	{"exec", (*bench).exec},
}

func (b *bench) insert() error {
	for _, sql := range []string{createTable, createIndex, "CREATE TABLE grp(id INTEGER PRIMARY KEY, name TEXT, kind INTEGER)",
		"CREATE TABLE kind(id INTEGER PRIMARY KEY, name TEXT)", fillGroups, fillKinds} {
		if err := b.s.Exec(sql); err != nil {
			return err
		}
	}
	return b.time("insert", b.size.Rows, func() (uint64, error) {
		return 0, b.transaction(func() error { return b.s.Insert(insertItem, b.size.Rows) })
	})
}

func (b *bench) transaction(f func() error) error {
	if err := b.s.Exec("BEGIN"); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return b.s.Exec("COMMIT")
}

func (b *bench) read() error {
	return b.query("read", b.size.Rows, Query{SQL: readItems, Kinds: "itif"})
}

func (b *bench) scattered(k int) []int64 {
	b.args[0] = Scatter(k, b.size.Rows)
	return b.args[:1]
}

func (b *bench) point() error {
	return b.bothWays("point", b.size.Points, Query{SQL: pointQuery, Kinds: "itif", Args: b.scattered})
}

func (b *bench) range10() error {
	return b.bothWays("range10", b.size.Ranges, Query{SQL: rangeQuery, Kinds: "itif", Args: b.scattered})
}

func (b *bench) join3() error {
	return b.bothWays("join3", b.size.Joins, Query{SQL: joinQuery, Kinds: "ttt", Args: b.scattered})
}

// bothWays runs each query as a transaction of its own, which locks and unlocks the file by system calls that all
// contestants make alike, and then all of them in one transaction.
func (b *bench) bothWays(name string, times int, q Query) error {
	q.Times = times
	if err := b.query(name, times, q); err != nil {
		return err
	}
	return b.transaction(func() error { return b.query(name+"-tx", times, q) })
}

func (b *bench) aggregate() error {
	return b.query("aggregate", 1, Query{SQL: aggregate, Kinds: "iift"})
}
func (b *bench) sort() error { return b.query("sort", 1, Query{SQL: sorted, Kinds: "it"}) }
func (b *bench) like() error { return b.query("like", 1, Query{SQL: like, Kinds: "i"}) }

// small runs each of five queries once, over and over, so that a text is compiled again unless it is kept.
func (b *bench) small() error {
	return b.time("small", b.size.Small*len(small), func() (sum uint64, err error) {
		for range b.size.Small {
			for _, q := range small {
				q.Times = 1
				part, err := b.s.Each(q)
				if err != nil {
					return 0, err
				}
				sum += part
			}
		}
		return sum, nil
	})
}

// readers8 has eight connections, each on a goroutine of its own.
func (b *bench) readers8() error {
	sessions := make([]Session, readers)
	for i := range sessions {
		s, err := b.open()
		if err != nil {
			return err
		}
		defer s.Close()
		sessions[i] = s
	}
	return b.time("readers8", readers*b.size.Readers, func() (uint64, error) { return concurrently(sessions, b.size) })
}

func concurrently(sessions []Session, size Sizes) (sum uint64, err error) {
	sums, errs := make([]uint64, len(sessions)), make([]error, len(sessions))
	var wait sync.WaitGroup
	for i, s := range sessions {
		wait.Go(func() {
			args := make([]int64, 1)
			sums[i], errs[i] = s.Each(Query{SQL: pointQuery, Kinds: "itif", Times: size.Readers, Args: func(k int) []int64 {
				args[0] = Scatter(k*readers+i, size.Rows)
				return args
			}})
		})
	}
	wait.Wait()
	for i := range sessions {
		sum += sums[i]
		if errs[i] != nil {
			return 0, errs[i]
		}
	}
	return sum, nil
}

// blob writes and reads blobs of 1 MiB.
func (b *bench) blob() error {
	if err := b.s.Exec("CREATE TABLE large(id INTEGER PRIMARY KEY, data BLOB)"); err != nil {
		return err
	}
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 7)
	}
	return b.time("blob", 2*b.size.Blobs, func() (uint64, error) {
		err := b.transaction(func() error { return b.s.Blobs(insertBlob, b.size.Blobs, data) })
		if err != nil {
			return 0, err
		}
		return b.s.Each(Query{SQL: readBlob, Kinds: "b", Times: b.size.Blobs, Args: func(k int) []int64 {
			b.args[0] = int64(k)
			return b.args[:1]
		}})
	})
}

// function calls a function of C, and one of Go, for each row.
func (b *bench) function() error {
	if err := b.query("builtin", b.size.Rows, Query{SQL: builtin, Kinds: "i"}); err != nil {
		return err
	}
	f, ok := b.s.(WithFunction)
	if !ok {
		b.skipped("function")
		return nil
	}
	if err := f.DefineIncrement(); err != nil {
		return err
	}
	return b.query("function", b.size.Rows, Query{SQL: goFunction, Kinds: "i"})
}

func (b *bench) updateHook() error {
	const clear = "DROP TABLE IF EXISTS hooked"
	create := "CREATE TABLE hooked" + createTable[len("CREATE TABLE item"):]
	return b.withAndWithout("updatehook", b.size.Hooked, Hooked.UpdateHook, func() (uint64, error) {
		return 0, b.transaction(func() error { return b.s.Insert(insertHook, b.size.Hooked) })
	}, clear, create)
}

func (b *bench) authorizer() error {
	return b.withAndWithout("authorizer", b.size.Hooked, Hooked.Authorizer, b.separatePoints)
}

// separatePoints takes the statement from the cache for each query.
func (b *bench) separatePoints() (sum uint64, err error) {
	for k := range b.size.Hooked {
		part, err := b.s.Each(Query{SQL: oneInteger, Kinds: "i", Times: 1, Args: func(int) []int64 { return b.scattered(k) }})
		if err != nil {
			return 0, err
		}
		sum += part
	}
	return sum, nil
}

func (b *bench) progress() error {
	return b.withAndWithout("progress", 1, Hooked.Progress, func() (uint64, error) {
		return b.s.Each(Query{SQL: aggregate, Kinds: "iift", Times: 1})
	})
}

// withAndWithout times f without a hook and with it, three times in turn, and reports the medians.
func (b *bench) withAndWithout(name string, ops int, set func(Hooked, bool) (bool, error), f func() (uint64, error), before ...string) error {
	h, ok := b.s.(Hooked)
	if !ok {
		b.skipped(name)
		return nil
	}
	var results [2][]Result
	for range 2 * 3 {
		on := len(results[0]) > len(results[1])
		if has, err := set(h, on); err != nil || !has {
			b.skipped(name)
			return err
		}
		for _, sql := range before {
			if err := b.s.Exec(sql); err != nil {
				return err
			}
		}
		r, err := b.timed(name+map[bool]string{false: "-off", true: "-on"}[on], ops, f)
		if err != nil {
			return err
		}
		results[map[bool]int{false: 0, true: 1}[on]] = append(results[map[bool]int{false: 0, true: 1}[on]], r)
	}
	for _, r := range results {
		slices.SortFunc(r, func(x, y Result) int { return int(x.NS - y.NS) })
		b.report(r[1])
	}
	_, err := set(h, false)
	return err
}

// exec is about what an execution leaves behind: allocations, and memory that grows.
func (b *bench) exec() error {
	q := Query{SQL: oneInteger, Kinds: "i", Times: 10_000, Args: b.scattered}
	if _, err := b.s.Each(q); err != nil {
		return err
	}
	before := resident()
	q.Times = b.size.Execs
	r, err := b.timed("exec", q.Times, func() (uint64, error) { return b.s.Each(q) })
	if err != nil {
		return err
	}
	q.Times = 1_000_000 - q.Times
	if b.size != Full {
		q.Times = 0
	}
	if _, err := b.s.Each(q); err != nil {
		return err
	}
	r.Extra = resident() - before
	b.report(r)
	return nil
}

func (b *bench) query(name string, ops int, q Query) error {
	q.Times = max(q.Times, 1)
	return b.time(name, ops, func() (uint64, error) { return b.s.Each(q) })
}

func (b *bench) time(name string, ops int, f func() (uint64, error)) error {
	r, err := b.timed(name, ops, f)
	if err == nil {
		b.report(r)
	}
	return err
}

func (b *bench) timed(name string, ops int, f func() (uint64, error)) (Result, error) {
	settle()
	before := allocations()
	start := time.Now()
	sum, err := f()
	took := time.Since(start)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", name, err)
	}
	return Result{
		Workload: name,
		NS:       float64(took.Nanoseconds()) / float64(ops),
		Ops:      ops,
		Sum:      sum,
		Allocs:   float64(allocations()-before) / float64(ops),
	}, nil
}
