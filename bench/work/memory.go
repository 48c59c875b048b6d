package work

// What executions and results of any length leave in memory.

// fewRows are those that exec reads, so few that all of their pages are in the cache soon.
const fewRows = 10_000

// From and To are the executions between which the growth of the memory is measured.
const (
	From = 10_000
	To   = 1_000_000
)

// exec executes one statement over and over.
func (b *bench) exec() error {
	return b.query("exec", b.size.Execs, b.executions(b.size.Execs))
}

func (b *bench) executions(times int) Query {
	return Query{SQL: oneInteger, Kinds: "i", Times: times, Args: func(k int) []int64 {
		b.args[0] = Scatter(k, min(fewRows, b.size.Rows))
		return b.args[:1]
	}}
}

// growth executes one statement a million times and tells how the memory grew after the first ones.
func (b *bench) growth() error {
	if err := b.insert(); err != nil {
		return err
	}
	if _, err := b.s.Each(b.executions(From)); err != nil {
		return err
	}
	before, err := b.held()
	if err != nil {
		return err
	}
	r, err := b.timed("growth", To-From, func() (uint64, error) { return b.s.Each(b.executions(To - From)) })
	if err != nil {
		return err
	}
	after, err := b.held()
	r.Growth = after.since(before)
	b.report(r)
	return err
}

// stream reads rows that are made as they are read.
func (b *bench) stream(rows int) error {
	q := Query{
		SQL: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) " +
			"SELECT i, 'row number ' || i, i * 0.5 FROM n",
		Kinds: "itf", Times: 1,
		Args: func(int) []int64 { return []int64{int64(rows)} },
	}
	each := b.s.Each
	if s, ok := b.s.(Streamer); ok {
		each = s.Stream
	}
	return b.time("stream", rows, func() (uint64, error) { return each(q) })
}
