package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// registerTest registers an extension under a name of the test's own, for as long as the test runs.
func registerTest(tb testing.TB, name string, init func(*Conn) error) {
	tb.Helper()
	if err := RegisterExtension(name, init); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		registry.Lock()
		defer registry.Unlock()
		delete(registry.inits, strings.ToLower(name))
	})
}

func answer(c *Conn) error {
	return c.CreateFunction("answer", 0, Deterministic, func(ctx *FuncContext, _ []Value) error { return ctx.Result(42) })
}

func TestExtensionIsLoadedOnceEnabled(t *testing.T) {
	runs := 0
	registerTest(t, "Answer", func(c *Conn) error { runs++; return answer(c) })
	registerTest(t, "other", answer)
	c := openMemory(t)
	if err := c.LoadExtension("answer"); !errors.Is(err, Auth) {
		t.Errorf("a new connection: %v, want %v", err, Auth)
	}
	if err := c.EnableExtensions("other"); err != nil {
		t.Fatal(err)
	}
	if err := c.LoadExtension("answer"); !errors.Is(err, Auth) {
		t.Errorf("another one is enabled: %v, want %v", err, Auth)
	}
	if err := c.EnableExtensions("ANSWER"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.LoadExtension("answer"); err != nil {
			t.Fatal(err)
		}
	}
	if runs != 1 {
		t.Errorf("run %d times, want once", runs)
	}
	wantValue(t, c, int64(42), "SELECT answer()")
	if err := c.DisableExtensions(); err != nil {
		t.Fatal(err)
	}
	if err := c.LoadExtension("other"); !errors.Is(err, Auth) {
		t.Errorf("disabled again: %v, want %v", err, Auth)
	}
	wantValue(t, c, int64(42), "SELECT answer()")
}

func TestAllExtensionsAreEnabled(t *testing.T) {
	c := openMemory(t)
	if err := c.EnableExtensions(AllExtensions); err != nil {
		t.Fatal(err)
	}
	registerTest(t, "later", answer)
	if err := c.LoadExtension("later"); err != nil {
		t.Error(err)
	}
	if !slices.Contains(Extensions(), "later") {
		t.Errorf("extensions %q, want later among them", Extensions())
	}
}

func TestExtensionNames(t *testing.T) {
	registerTest(t, "taken", answer)
	for _, name := range []string{"", "a\x00", "taken", "TAKEN", "a/b", "a.so", "ä", " ", AllExtensions, strings.Repeat("x", 65)} {
		if err := RegisterExtension(name, answer); !errors.Is(err, Misuse) {
			t.Errorf("register %q: %v, want %v", name, err, Misuse)
		}
	}
	if err := RegisterExtension("nothing", nil); !errors.Is(err, Misuse) {
		t.Errorf("register nothing: %v, want %v", err, Misuse)
	}
}

func TestUnknownExtension(t *testing.T) {
	registerTest(t, "known-one", answer)
	c := openMemory(t)
	for _, err := range []error{c.LoadExtension("unknown"), c.EnableExtensions("known-one", "unknown")} {
		if !errors.Is(err, NotFound) || !strings.Contains(err.Error(), "known-one") {
			t.Errorf("error %v, want %v with the names there are", err, NotFound)
		}
	}
	if err := c.LoadExtension("known-one"); !errors.Is(err, Auth) {
		t.Errorf("a call that was refused has enabled an extension: %v", err)
	}
}

func TestNativeExtensionIsRefusedWithAdvice(t *testing.T) {
	c := openMemory(t)
	for _, name := range []string{"./mod_spatialite", "vec0.so", `C:\vec0.DLL`, "libvec.dylib"} {
		err := c.LoadExtension(name)
		if !errors.Is(err, ErrNativeExtension) || !strings.Contains(err.Error(), "RegisterExtension") {
			t.Errorf("load %q: %v, want %v", name, err, ErrNativeExtension)
		}
	}
}

func TestSQLCannotLoadExtensions(t *testing.T) {
	registerTest(t, "answer", answer)
	c := openMemory(t)
	if err := c.EnableExtensions(AllExtensions); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"SELECT load_extension('answer')", "SELECT load_extension('./answer.so', 'init')"} {
		if err := c.Exec(background, sql); !errors.Is(err, Generic) || !strings.Contains(err.Error(), "not authorized") {
			t.Errorf("%s: %v, want that it is not authorized", sql, err)
		}
	}
}

func TestExtensionThatFailsCanBeLoadedAgain(t *testing.T) {
	failure := errors.New("not now")
	runs := 0
	registerTest(t, "second-time", func(c *Conn) error {
		switch runs++; runs {
		case 1:
			return failure
		case 2:
			panic(failure)
		}
		return answer(c)
	})
	c := openMemory(t)
	if err := c.EnableExtensions("second-time"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.LoadExtension("second-time"); !errors.Is(err, failure) {
			t.Errorf("error %v, want %v", err, failure)
		}
	}
	if err := c.LoadExtension("second-time"); err != nil {
		t.Error(err)
	}
	wantValue(t, c, int64(42), "SELECT answer()")
}

func TestExtensionsMayLoadEachOther(t *testing.T) {
	registerTest(t, "ping", func(c *Conn) error { return c.LoadExtension("pong") })
	registerTest(t, "pong", func(c *Conn) error { return errors.Join(c.LoadExtension("ping"), answer(c)) })
	c := openMemory(t)
	if err := c.EnableExtensions("ping", "pong"); err != nil {
		t.Fatal(err)
	}
	if err := c.LoadExtension("ping"); err != nil {
		t.Fatal(err)
	}
	wantValue(t, c, int64(42), "SELECT answer()")
}

func TestExtensionsOfClosedConnection(t *testing.T) {
	c := new(Conn)
	for _, err := range []error{c.EnableExtensions(), c.DisableExtensions(), c.LoadExtension("x")} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("error %v, want %v", err, ErrClosed)
		}
	}
}

// Whatever the name, a name that can be registered can be enabled and loaded, and no other.
func FuzzExtensionName(f *testing.F) {
	for _, name := range []string{"", "regexp", "a\x00b", "../x.so", "*", "Ä", "ſ", "K"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		c := openMemory(t)
		if err := RegisterExtension(name, answer); err != nil {
			if c.LoadExtension(name) == nil {
				t.Errorf("%q was loaded", name)
			}
			return
		}
		defer func() {
			registry.Lock()
			defer registry.Unlock()
			delete(registry.inits, strings.ToLower(name))
		}()
		if err := c.EnableExtensions(name); err != nil {
			t.Errorf("enable %q: %v", name, err)
		}
		if err := c.LoadExtension(strings.ToUpper(name)); err != nil {
			t.Errorf("load %q: %v", name, err)
		}
	})
}
