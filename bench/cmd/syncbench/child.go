package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
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
	if res.PeakMB, err = peakMB(); err != nil {
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

// peakMB gives the most memory that the process ever had resident, in MB of 10^6 bytes. The kernel counts the
// program's own text and every mapped file page with it.
func peakMB() (float64, error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
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
