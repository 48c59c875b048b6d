package work

import "sync"

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
	{"blobio", (*bench).blobIO},
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

// function calls a function of C, and one of Go, for each row.
func (b *bench) function() error {
	if err := b.query("builtin", b.size.Rows, Query{SQL: builtin, Kinds: "i"}); err != nil {
		return err
	}
	f, ok := b.s.(WithFunction)
	if !ok {
		return nil
	}
	if err := f.DefineIncrement(); err != nil {
		return err
	}
	return b.query("function", b.size.Rows, Query{SQL: goFunction, Kinds: "i"})
}

func (b *bench) query(name string, ops int, q Query) error {
	q.Times = max(q.Times, 1)
	return b.time(name, ops, func() (uint64, error) { return b.s.Each(q) })
}
