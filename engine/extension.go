package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ErrNativeExtension is the cause of the error when [Conn.LoadExtension] is given the file of a loadable extension.
var ErrNativeExtension = errors.New("a native extension needs cgo: import a Go package which registers " +
	"the extension by name, such as those below github.com/floedb/floe/ext, or call RegisterExtension")

// AllExtensions stands for every registered extension in a call of [Conn.EnableExtensions].
const AllExtensions = "*"

// maxExtensionName bounds the name of an extension, in bytes.
const maxExtensionName = 64

// registry holds the extensions of the process.
var registry = struct {
	sync.RWMutex
	inits map[string]func(*Conn) error
}{inits: map[string]func(*Conn) error{}}

// RegisterExtension makes an extension known to the process: Go code that adds functions, collations and the like to
// a connection. Connections get it by name, with [Conn.LoadExtension]; a package of an extension calls this when it is
// initialised.
//
// A name has 1 to 64 letters, digits, '_' and '-', all of them ASCII; case does not count. A name that is taken is an
// error, and so is a nil init. Any goroutine may call it.
func RegisterExtension(name string, init func(*Conn) error) error {
	op := "register extension " + strconv.Quote(name)
	if !isExtensionName(name) {
		return newError(op, "", Misuse, "the name must be 1 to 64 ASCII letters, digits, '_' and '-'")
	}
	if init == nil {
		return newError(op, "", Misuse, "there is nothing to run")
	}
	registry.Lock()
	defer registry.Unlock()
	key := strings.ToLower(name)
	if registry.inits[key] != nil {
		return newError(op, "", Misuse, "the name is taken")
	}
	registry.inits[key] = init
	return nil
}

func isExtensionName(name string) bool {
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '-':
		default:
			return false
		}
	}
	return name != "" && len(name) <= maxExtensionName
}

// Extensions returns the names of all registered extensions, in lower case and in order.
func Extensions() []string {
	registry.RLock()
	defer registry.RUnlock()
	return slices.Sorted(maps.Keys(registry.inits))
}

func findExtension(op, name string) (func(*Conn) error, error) {
	registry.RLock()
	init := registry.inits[strings.ToLower(name)]
	registry.RUnlock()
	switch {
	case init != nil:
		return init, nil
	case isFile(name):
		e := newError(op, "", Generic, "not the name of a registered extension")
		e.cause = ErrNativeExtension
		return nil, e
	}
	known := strings.Join(Extensions(), ", ")
	if known == "" {
		known = "none"
	}
	return nil, newError(op, "", NotFound, fmt.Sprintf("no such extension; registered: %s", known))
}

// isFile reports whether name looks like the file of a loadable extension.
func isFile(name string) bool {
	lower := strings.ToLower(name)
	return strings.ContainsAny(name, `/\`) ||
		slices.ContainsFunc([]string{".so", ".dll", ".dylib"}, func(s string) bool { return strings.HasSuffix(lower, s) })
}

// extensions is what a connection knows of extensions.
type extensions struct {
	allowed map[string]bool
	loaded  map[string]struct{} // those being loaded included
}

// EnableExtensions lets the connection load these extensions, beside those that were enabled before. Each has to be
// registered, otherwise none is enabled. [AllExtensions] stands for all, also those that are registered later.
//
// SQLite's own loading of shared libraries, and its function load_extension() with it, stays off: it needs cgo.
//
// https://sqlite.org/loadext.html
func (c *Conn) EnableExtensions(names ...string) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	for _, name := range names {
		if name == AllExtensions {
			continue
		}
		if _, err := findExtension("enable extension "+strconv.Quote(name), name); err != nil {
			return err
		}
	}
	if c.extensions.allowed == nil {
		c.extensions.allowed = make(map[string]bool)
	}
	for _, name := range names {
		c.extensions.allowed[strings.ToLower(name)] = true
	}
	return nil
}

// DisableExtensions forbids the connection to load extensions, as a new one is. What is loaded stays.
func (c *Conn) DisableExtensions() error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	c.extensions.allowed = nil
	return nil
}

// LoadExtension runs the extension registered under a name on this connection. It has to be enabled by
// [Conn.EnableExtensions], otherwise the error is an [*Error] with [Auth]; a name that is not registered is one with
// [NotFound], and a file has [ErrNativeExtension] as its cause. An extension that is loaded already is left as it is.
//
// If the extension fails or panics, LoadExtension returns that and the extension may be loaded again; what it had
// created by then stays.
//
// https://sqlite.org/loadext.html
func (c *Conn) LoadExtension(name string) error {
	op := "load extension " + strconv.Quote(name)
	key := strings.ToLower(name)
	init, err := c.beginLoad(op, key)
	if init == nil {
		return err
	}
	if err := c.runExtension(init); err != nil {
		c.forgetLoad(key)
		return fmt.Errorf("engine: %s: %w", op, err)
	}
	return nil
}

// beginLoad returns what has to be run, which is nil also if nothing has to.
func (c *Conn) beginLoad(op, key string) (init func(*Conn) error, err error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	init, err = findExtension(op, key)
	if err != nil {
		return nil, err
	}
	if !c.extensions.allowed[key] && !c.extensions.allowed[AllExtensions] {
		return nil, newError(op, "", Auth, "the extension is not enabled on this connection")
	}
	if _, begun := c.extensions.loaded[key]; begun {
		return nil, nil
	}
	if c.extensions.loaded == nil {
		c.extensions.loaded = make(map[string]struct{})
	}
	c.extensions.loaded[key] = struct{}{}
	return init, nil
}

func (c *Conn) runExtension(init func(*Conn) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = c.ended(v)
		}
	}()
	return init(c)
}

// forgetLoad makes it possible to load an extension again. If it has closed the connection, that is not needed.
func (c *Conn) forgetLoad(key string) {
	if c.enter() == nil {
		delete(c.extensions.loaded, key)
		c.leave()
	}
}
