package shell

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/floedb/floe/internal/files"
)

const (
	// historyLines is how many lines are kept.
	historyLines = 1000
	// historyLineBytes is how long a line may be to be kept.
	historyLineBytes = 10_000
)

// HistoryVariable names the environment variable with the file of the history; set and empty, there is none.
const HistoryVariable = "FLOE_HISTORY"

// HistoryFile tells where the history is kept, "" for nowhere.
func HistoryFile() string {
	if name, ok := os.LookupEnv(HistoryVariable); ok {
		return name
	}
	dir := stateDir()
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "floe", "history")
}

// stateDir is where programs keep what is neither configuration nor anything to miss, "" if there is no such place.
func stateDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state")
}

// history keeps lines in a file. Whatever goes wrong with it is no reason to keep a person from working.
type history struct {
	file    string // "" for none
	lines   []string
	secrets []string
}

// openHistory reads the lines of earlier shells.
func openHistory(file string, secrets []string) *history {
	h := &history{file: file, secrets: slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return s == "" })}
	if file == "" {
		return h
	}
	f, err := os.Open(file)
	if err != nil {
		return h
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, historyLineBytes+1)
	for in.Scan() {
		if utf8.ValidString(in.Text()) {
			h.lines = append(h.lines, in.Text())
		}
	}
	if extra := len(h.lines) - historyLines; extra > 0 {
		h.lines = h.lines[extra:]
		h.rewrite()
	}
	return h
}

// add takes what was typed, and returns what of it is kept.
func (h *history) add(typed []string) []string {
	kept := h.entries(typed)
	if len(kept) == 0 || h.file == "" {
		return kept
	}
	if err := os.MkdirAll(filepath.Dir(h.file), 0o700); err != nil {
		return kept
	}
	f, err := os.OpenFile(h.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return kept
	}
	defer f.Close()
	_, _ = f.WriteString(strings.Join(kept, "\n") + "\n")
	return kept
}

// entries makes one line of a statement of several, so that it comes back whole. Where that would change it, the lines
// stay by themselves.
func (h *history) entries(typed []string) []string {
	if len(typed) == 0 || slices.ContainsFunc(typed, h.isSecret) || slices.ContainsFunc(typed, tooLong) {
		return nil
	}
	joined := strings.Join(typed, " ")
	if tooLong(joined) || strings.Contains(joined, "--") || slices.ContainsFunc(typed, splitsQuotes) {
		return typed
	}
	return []string{joined}
}

func tooLong(line string) bool { return len(line) > historyLineBytes }

// splitsQuotes tells whether a line may end within a text.
func splitsQuotes(line string) bool {
	for _, quote := range []string{"'", `"`, "`"} {
		if strings.Count(line, quote)%2 != 0 {
			return true
		}
	}
	return false
}

// secretPattern finds what looks like an auth token, or the place where one is given.
var secretPattern = regexp.MustCompile(`(?i)auth[_-]?token|bearer\s|\beyJ[a-z0-9_-]{8,}\.`)

// isSecret tells whether a line holds a token.
func (h *history) isSecret(line string) bool {
	return secretPattern.MatchString(line) || slices.ContainsFunc(h.secrets, func(s string) bool { return strings.Contains(line, s) })
}

// rewrite leaves the lines in the file that are kept.
func (h *history) rewrite() {
	file, err := files.Real(h.file) // which may be kept elsewhere
	if err != nil {
		return
	}
	tmp := file + ".tmp"
	_ = os.Remove(tmp) // what a killed process left; nothing here follows a link
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_, err = f.WriteString(strings.Join(h.lines, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, file)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
}
