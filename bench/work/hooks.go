package work

// Each of these does the same work with a hook of SQLite that does nothing, and without.

const insertHooked = "INSERT INTO hooked(id, name, count, score) VALUES (?, ?, ?, ?)"

type setHook func(h Hooked, on bool) (has bool, err error)

func (b *bench) updateHook() error {
	return b.withAndWithout("updatehook", b.size.Hooked, Hooked.UpdateHook, b.emptyHooked, func() (uint64, error) {
		return 0, b.transaction(func() error { return b.s.Insert(insertHooked, b.size.Hooked) })
	})
}

// emptyHooked deletes rather than drops the table, so that its INSERT stays compiled. The hook is not told of a DELETE
// without a WHERE.
func (b *bench) emptyHooked() error {
	if err := b.s.Exec("CREATE TABLE IF NOT EXISTS hooked" + createTable[len("CREATE TABLE item"):]); err != nil {
		return err
	}
	return b.s.Exec("DELETE FROM hooked")
}

// authorizer takes the statement from the cache for each query. An authorizer is asked when it is compiled.
func (b *bench) authorizer() error {
	return b.withAndWithout("authorizer", b.size.Hooked, Hooked.Authorizer, nothing, func() (sum uint64, err error) {
		for k := range b.size.Hooked {
			part, err := b.s.Each(Query{SQL: oneInteger, Kinds: "i", Times: 1, Args: func(int) []int64 { return b.scattered(k) }})
			if err != nil {
				return 0, err
			}
			sum += part
		}
		return sum, nil
	})
}

func (b *bench) progress() error {
	return b.withAndWithout("progress", 1, Hooked.Progress, nothing, func() (uint64, error) {
		return b.s.Each(Query{SQL: aggregate, Kinds: "iift", Times: 1})
	})
}

func nothing() error { return nil }

// withAndWithout times f without a hook, twice with it, and without it again, so that what grows slower or faster with
// time falls on both alike. The means of the two are reported. What is done before them all is not timed. A contestant
// that has no such hook is left out.
func (b *bench) withAndWithout(name string, ops int, set setHook, before func() error, f func() (uint64, error)) error {
	h, ok := b.s.(Hooked)
	if !ok {
		return nil
	}
	var without, with Result
	for i, on := range []bool{false, false, true, true, false} {
		if has, err := set(h, on); err != nil || !has {
			return err
		}
		if err := before(); err != nil {
			return err
		}
		r, err := b.timed(name, ops, f)
		switch {
		case err != nil:
			return err
		case on:
			with = with.mean(r)
		case i > 0:
			without = without.mean(r)
		}
	}
	without.Workload, with.Workload = name+"-off", name+"-on"
	b.report(without)
	b.report(with)
	return nil
}

// mean is that of two measurements of the same; of the one if r is none yet.
func (r Result) mean(other Result) Result {
	if r.Ops == 0 {
		return other
	}
	other.NS = (r.NS + other.NS) / 2
	other.CPU = (r.CPU + other.CPU) / 2
	other.Allocs = (r.Allocs + other.Allocs) / 2
	return other
}
