package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/floedb/floe/bench/work"
)

const peersPackage = "github.com/floedb/floe/bench/peers/"

// The C library is the amalgamation that mattn/go-sqlite3 carries, so that nothing has to be installed. There is one
// thread to a connection in all contestants.
const amalgamationModule = "github.com/mattn/go-sqlite3"

var cFlags = []string{"-O2", "-DNDEBUG", "-DSQLITE_THREADSAFE=2", "-DSQLITE_DEFAULT_MEMSTATUS=0", "-DSQLITE_OMIT_LOAD_EXTENSION"}

// needsC are the contestants that are built with cgo.
var needsC = map[string]bool{"mattn": true, "golibsql": true}

// buildAll builds the programs of the contestants into dir and returns their paths by name.
func buildAll(ctx context.Context, dir string, s settings) (map[string]string, error) {
	programs := make(map[string]string)
	for _, name := range s.of {
		fmt.Fprintln(s.progress, "building", name)
		path := filepath.Join(dir, name)
		var err error
		if name == "c" {
			err = buildC(ctx, dir, path)
		} else {
			err = buildGo(ctx, name, path)
		}
		if err != nil {
			return nil, err
		}
		programs[name] = path
	}
	return programs, nil
}

func buildGo(ctx context.Context, name, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, peersPackage+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo(needsC[name]))
	return quietly(cmd)
}

func cgo(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

func buildC(ctx context.Context, dir, path string) error {
	source, err := moduleDir(ctx, amalgamationModule)
	if err != nil {
		return err
	}
	header, err := os.ReadFile(filepath.Join(source, "sqlite3-binding.h"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "sqlite3.h"), header, 0o666); err != nil {
		return err
	}
	own, err := packageDir(ctx, peersPackage+"floe")
	if err != nil {
		return err
	}
	args := append(slices.Clone(cFlags), "-I"+dir, "-o", path, filepath.Join(own, "..", "c", "bench.c"),
		filepath.Join(source, "sqlite3-binding.c"), "-lpthread", "-lm")
	return quietly(exec.CommandContext(ctx, compiler(), args...))
}

func compiler() string {
	if cc := os.Getenv("CC"); cc != "" {
		return cc
	}
	return "cc"
}

// quietly runs a command whose output is only of interest if it fails.
func quietly(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

func moduleDir(ctx context.Context, module string) (string, error) {
	return output(exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module))
}

func packageDir(ctx context.Context, name string) (string, error) {
	return output(exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", name))
}

// version is that of a contestant's module, "" for floe and c.
func version(ctx context.Context, name string) string {
	module := map[string]string{"mattn": amalgamationModule, "modernc": "modernc.org/sqlite", "zombiezen": "zombiezen.com/go/sqlite",
		"ncruces": "github.com/ncruces/go-sqlite3", "golibsql": "github.com/tursodatabase/go-libsql", "c": amalgamationModule}[name]
	if module == "" {
		return "this tree"
	}
	v, err := output(exec.CommandContext(ctx, "go", "list", "-m", module))
	if err != nil {
		return module
	}
	if name == "c" {
		return "SQLite of " + v + ", " + strings.Join(cFlags, " ")
	}
	return v
}

func output(cmd *exec.Cmd) (string, error) {
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// childRun is what a contestant printed.
type childRun struct {
	sqlite  string // the version of SQLite
	results []work.Result
}

// runChild runs a contestant's program once, in a new directory.
func runChild(ctx context.Context, program string, arguments func(dir string) []string) (childRun, error) {
	dir, err := os.MkdirTemp("", "enginebench-db-")
	if err != nil {
		return childRun{}, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, program, arguments(dir)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return childRun{}, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return parseRun(out)
}

func parseRun(out []byte) (r childRun, err error) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var l work.Line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return r, fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		if l.SQLite != "" {
			r.sqlite = l.SQLite
		}
		if l.Result != nil {
			r.results = append(r.results, *l.Result)
		}
	}
	return r, lines.Err()
}

// workloadArguments are those of a run of the workloads.
func workloadArguments(name string, s settings) func(dir string) []string {
	if name == "c" {
		return func(dir string) []string { return []string{dir, sizeName(s.quick), strings.Join(s.only, ",")} }
	}
	return func(dir string) []string {
		return []string{"-dir", dir, "-quick=" + strconv.FormatBool(s.quick), "-only", strings.Join(s.only, ",")}
	}
}

func sizeName(quick bool) string {
	if quick {
		return "quick"
	}
	return "full"
}

// runOne runs a contestant for one result.
func runOne(ctx context.Context, program string, flags ...string) (work.Result, error) {
	r, err := runChild(ctx, program, func(dir string) []string { return append([]string{"-dir", dir}, flags...) })
	if err != nil {
		return work.Result{}, err
	}
	if len(r.results) == 0 {
		return work.Result{}, fmt.Errorf("%s %s printed no result", filepath.Base(program), strings.Join(flags, " "))
	}
	return r.results[len(r.results)-1], nil
}
