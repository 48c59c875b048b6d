package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/floedb/floe/bench/harness"
)

// childEnv, in the environment, makes the command the child of itself that does one first sync of the contestant
// named, so that the peak memory of nothing else is measured.
const childEnv = "FLOE_SYNCBENCH_CHILD"

// childResult is what a child prints.
type childResult struct {
	Seconds float64 `json:"seconds"`
	PeakMB  float64 `json:"peak_mb"` // VmHWM
	Rows    int64   `json:"rows"`
}

// runChild syncs, prints a childResult and ends.
func runChild(name string, args []string) error {
	if len(args) != 2 {
		return errors.New("a child takes a path and a URL")
	}
	begin := time.Now()
	c, err := opened(name, args[0], args[1])
	if err != nil {
		return err
	}
	res := childResult{Seconds: time.Since(begin).Seconds()}
	// Before the check below, whose memory does not count.
	if res.PeakMB, err = harness.PeakMB(); err != nil {
		return err
	}
	if db, ok := c.(replica); ok {
		if res.Rows, err = rowsOf(db); err != nil {
			return err
		}
	}
	if err := c.close(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

func rowsOf(db replica) (int64, error) {
	r, err := db.reader()
	if err != nil {
		return 0, err
	}
	defer r.close()
	return r.count()
}

// inChild runs a first sync in a child process.
func inChild(name, path, url string) (res childResult, err error) {
	exe, err := os.Executable()
	if err != nil {
		return res, err
	}
	cmd := exec.Command(exe, path, url)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return res, fmt.Errorf("child %s: %w", name, err)
	}
	// The peer's library may print too; the result is the last line.
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return res, json.Unmarshal(lines[len(lines)-1], &res)
}
