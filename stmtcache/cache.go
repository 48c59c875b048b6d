package stmtcache

// Cache keeps prepared statements of type S by their text. [New] makes one.
type Cache[S any] struct {
	recycle func(S) bool
	free    func(S)
	limit   int

	texts          map[string]*text[S]
	newest, oldest *Item[S] // the idle ones, by when they were put back
	stats          Stats
}

// Item is a statement in a cache. It belongs to who got it until it is put back.
type Item[S any] struct {
	Stmt S

	text         *text[S]
	idle         bool
	newer, older *Item[S] // among all idle ones
	next, prev   *Item[S] // among the idle ones with the same text; prev was put back later
}

// text is what a cache knows about one text: there is one for as long as a statement has it, idle or in use.
type text[S any] struct {
	sql   string
	idle  *Item[S] // the one that was put back last
	count int      // of statements, idle and in use
}

// Stats says what a cache holds and what it was good for.
type Stats struct {
	Hits      uint64 // times that an idle statement was handed out
	Misses    uint64 // statements that were added, as there was no idle one
	Evictions uint64 // statements that were freed because too many were idle
	Idle      int    // statements that wait to be used again
	InUse     int    // statements that were handed out and not put back yet
	Limit     int    // how many may be idle
}

// New makes a cache for at most limit idle statements; zero or less keeps none.
//
// Put calls recycle, which ends what the statement was doing and clears its bindings. It returns false for a statement
// that cannot be used again. That one is freed, as are those which are too many: free is called for each, once. Neither
// function may call the cache, but for Remove, which does nothing then.
func New[S any](limit int, recycle func(S) bool, free func(S)) *Cache[S] {
	return &Cache[S]{recycle: recycle, free: free, limit: max(limit, 0), texts: make(map[string]*text[S])}
}

// Get hands out an idle statement that was prepared from sql, or nil if there is none. The
// caller prepares one then, and may Add it.
func (c *Cache[S]) Get(sql string) *Item[S] {
	t := c.texts[sql]
	if t == nil || t.idle == nil {
		return nil
	}
	c.stats.Hits++
	it := t.idle
	c.unlink(it)
	c.stats.InUse++
	return it
}

// Add takes s in, a statement that was prepared from sql. It is in use until it is put back,
// and counts as a miss.
func (c *Cache[S]) Add(sql string, s S) *Item[S] {
	t := c.texts[sql]
	if t == nil {
		t = &text[S]{sql: sql}
		c.texts[sql] = t
	}
	t.count++
	c.stats.Misses++
	c.stats.InUse++
	return &Item[S]{Stmt: s, text: t}
}

// Put takes a statement back that Get or Add handed out, and makes it as good as new. An item that is idle already,
// or was removed, is left as it is.
func (c *Cache[S]) Put(it *Item[S]) {
	if it.idle || it.text == nil {
		return
	}
	if !c.recycle(it.Stmt) || c.limit == 0 {
		c.Remove(it)
		c.free(it.Stmt)
		return
	}
	c.stats.InUse--
	c.link(it)
	c.evict()
}

// Remove makes the cache forget a statement, in use or idle, which the caller frees. An item that was removed already
// is left as it is.
func (c *Cache[S]) Remove(it *Item[S]) {
	t := it.text
	if t == nil {
		return
	}
	if it.idle {
		c.unlink(it)
	} else {
		c.stats.InUse--
	}
	it.text = nil
	if t.count--; t.count == 0 {
		delete(c.texts, t.sql)
	}
}

// Resize changes how many statements may be idle, and frees those which are too many. Zero or less frees all, and keeps
// none from there on.
func (c *Cache[S]) Resize(limit int) {
	c.limit = max(limit, 0)
	c.evict()
}

// Clear frees all idle statements. Those in use are kept when they are put back.
func (c *Cache[S]) Clear() {
	for c.oldest != nil {
		c.freeOldest()
	}
}

// Limit returns how many statements may be idle.
func (c *Cache[S]) Limit() int { return c.limit }

// Stats returns the counters.
func (c *Cache[S]) Stats() Stats {
	stats := c.stats
	stats.Limit = c.limit
	return stats
}

func (c *Cache[S]) evict() {
	for c.stats.Idle > c.limit {
		c.freeOldest()
		c.stats.Evictions++
	}
}

func (c *Cache[S]) freeOldest() {
	it := c.oldest
	c.Remove(it)
	c.free(it.Stmt)
}

// link makes it the newest of the idle ones.
func (c *Cache[S]) link(it *Item[S]) {
	it.idle = true
	c.stats.Idle++
	if it.older = c.newest; it.older != nil {
		it.older.newer = it
	} else {
		c.oldest = it
	}
	c.newest = it
	if it.next = it.text.idle; it.next != nil {
		it.next.prev = it
	}
	it.text.idle = it
}

// unlink takes it off the idle ones.
func (c *Cache[S]) unlink(it *Item[S]) {
	it.idle = false
	c.stats.Idle--
	if it.newer != nil {
		it.newer.older = it.older
	} else {
		c.newest = it.older
	}
	if it.older != nil {
		it.older.newer = it.newer
	} else {
		c.oldest = it.newer
	}
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		it.text.idle = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	}
	it.newer, it.older, it.next, it.prev = nil, nil, nil, nil
}
