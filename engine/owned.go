package engine

// owned is something that lives inside a connection and has to be gone before it, such as an open blob. Statements
// have a list of their own.
type owned interface {
	// discard frees SQLite's side of it. The connection is entered.
	discard()
}

// own makes o end with the connection at the latest.
func (c *Conn) own(o owned) {
	if c.owned == nil {
		c.owned = make(map[owned]struct{})
	}
	c.owned[o] = struct{}{}
}

// disown is called for what was freed.
func (c *Conn) disown(o owned) { delete(c.owned, o) }

// discardOwned frees all that is left. discard may take further ones off.
func (c *Conn) discardOwned() {
	for o := range c.owned {
		o.discard()
		delete(c.owned, o)
	}
}
