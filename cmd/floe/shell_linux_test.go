package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/floedb/floe/internal/sqldtest"
)

// openTerminal opens a pseudo terminal: the side of the screen and keyboard, and that of the program.
// See https://man7.org/linux/man-pages/man7/pty.7.html.
func openTerminal(t *testing.T) (screen, program *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there are no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	var unlock, number int32
	size := struct{ rows, columns, x, y uint16 }{24, 100, 0, 0}
	terminalControl(t, screen, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	terminalControl(t, screen, syscall.TIOCGPTN, unsafe.Pointer(&number))
	terminalControl(t, screen, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo terminals here: %v", err)
	}
	return screen, program
}

func terminalControl(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		t.Skipf("there are no pseudo terminals here: %v", errno)
	}
}

// person works at a terminal.
type person struct {
	t      *testing.T
	screen *os.File
	shown  chan string // what comes on the screen
	seen   strings.Builder
	cmd    *exec.Cmd
}

// sitDown starts floe at a terminal.
func sitDown(t *testing.T, env []string, args ...string) *person {
	t.Helper()
	screen, program := openTerminal(t)
	cmd := command(t, args...)
	cmd.Env = append(append(cmd.Env, "TERM=xterm"), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := program.Close(); err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, screen: screen, shown: make(chan string, 100), cmd: cmd}
	go func() {
		defer close(p.shown)
		b := make([]byte, 4096)
		for {
			n, err := screen.Read(b)
			if err != nil {
				return // Linux has EIO when the program is gone
			}
			p.shown <- string(b[:n])
		}
	}()
	return p
}

// sees waits until text comes on the screen, after what was seen before.
func (p *person) sees(text string) {
	p.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		all := p.seen.String()
		if i := strings.Index(all, text); i >= 0 {
			p.seen.Reset()
			p.seen.WriteString(all[i+len(text):])
			return
		}
		select {
		case s, ok := <-p.shown:
			if !ok {
				p.t.Fatalf("the program ended before %q came; on the screen is %q", text, all)
			}
			p.seen.WriteString(s)
		case <-deadline:
			p.t.Fatalf("%q did not come; on the screen is %q", text, all)
		}
	}
}

// insists types keys again and again until text comes on the screen: a program that is about to do something does not
// heed them yet.
func (p *person) insists(keys, text string) {
	p.t.Helper()
	for range 200 {
		p.types(keys)
		select {
		case s := <-p.shown:
			p.seen.WriteString(s)
		case <-time.After(100 * time.Millisecond):
		}
		if strings.Contains(p.seen.String(), text) {
			break
		}
	}
	p.sees(text)
}

func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := p.screen.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// leaves waits for the end of the program and gives its exit status.
func (p *person) leaves() int {
	for range p.shown {
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	up    = "\x1b[A"
)

func TestShellAtATerminal(t *testing.T) {
	dir := t.TempDir()
	history := "FLOE_HISTORY=" + filepath.Join(dir, "history")
	p := sitDown(t, []string{history}, "shell", filepath.Join(dir, "app.db"))
	p.sees("app.db> ")
	p.types("CREATE TABLE animals(name TEXT);\r")
	p.sees("app.db> ")
	p.types("INSERT INTO ani\t")
	p.sees("INSERT INTO animals")
	p.types("VALUES -- and a comment;\r")
	p.sees("...> ")
	p.types("('cat'), ('dog' || char(27) || '[2J');\r")
	p.sees("2 rows changed")
	p.types("SELECT * FROM animals;\r")
	p.sees(`dog\x1b[2J`)

	p.types("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT max(i) FROM c;\r")
	p.sees("max(i) FROM c;")
	p.insists(ctrlC, "error: interrupted")
	p.types("BEGIN;\r")
	p.sees("app.db*> ")
	p.types("SELECT 'never")
	p.sees("'never")
	p.types(ctrlC)
	p.sees("Ctrl-D or .quit leaves")
	p.sees("app.db*> ")
	p.types("COMMIT;\r")
	p.sees("app.db> ")
	p.types(ctrlD)
	if status := p.leaves(); status != exitDone {
		t.Errorf("status %d after Ctrl-D, want %d", status, exitDone)
	}

	p = sitDown(t, []string{history}, "shell", filepath.Join(dir, "app.db"))
	p.sees("app.db> ")
	p.types(up + up + up + up + "\r") // behind it are BEGIN, COMMIT and the endless query
	p.sees(`dog\x1b[2J`)
	p.types(".quit\r")
	if status := p.leaves(); status != exitDone {
		t.Errorf("status %d after .quit, want %d", status, exitDone)
	}
}

func TestShellAtATerminalEndsWithASignal(t *testing.T) {
	p := sitDown(t, []string{"FLOE_HISTORY="}, "shell", filepath.Join(t.TempDir(), "app.db"))
	p.sees("app.db> ")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := p.leaves(); status != exitFailed {
		t.Errorf("status %d after SIGTERM, want %d", status, exitFailed)
	}
}

// A paste comes as a terminal sends it that was asked to mark it, and as one that was not.
func TestTabsInAPasteStayInTheText(t *testing.T) {
	for name, paste := range map[string]func(string) string{
		"marked":   func(text string) string { return "\x1b[200~" + text + "\x1b[201~" },
		"unmarked": func(text string) string { return text },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.db")
			p := sitDown(t, []string{"FLOE_HISTORY=" + path + ".history"}, "shell", path)
			p.sees("app.db> ")
			p.types(paste("CREATE TABLE sel(a TEXT);\r"))
			p.sees("app.db> ")
			// Behind se and a there are words to complete.
			p.types(paste("INSERT INTO\tsel\tVALUES('se\tx'),\r\n\t('a\t\ty');") + "\r")
			p.sees("2 rows changed")
			p.sees("app.db> ")
			p.types(up)
			p.sees("VALUES")
			p.types("\r") // the statement as it was kept
			p.sees("2 rows changed")
			p.types(".mode list\r")
			p.types("SELECT count(*) || ' of ' || hex(a) FROM sel GROUP BY a;\r")
			p.sees("2 of 61090979")
			p.sees("2 of 73650978")
			p.types(".quit\r")
			if status := p.leaves(); status != exitDone {
				t.Errorf("status %d after .quit, want %d", status, exitDone)
			}
		})
	}
}

func TestOpenTransactionsAreToldOf(t *testing.T) {
	for _, leave := range []string{ctrlD, ".quit\r", ".exit\r"} {
		p := sitDown(t, []string{"FLOE_HISTORY="}, "shell", filepath.Join(t.TempDir(), "app.db"))
		p.sees("app.db> ")
		p.types("BEGIN; CREATE TABLE t(a); -- not committed\r")
		p.sees("app.db*> ")
		p.types(leave)
		p.sees("the transaction that was open is rolled back")
		if status := p.leaves(); status != exitDone {
			t.Errorf("status %d after %q, want %d", status, leave, exitDone)
		}
	}
}

func TestCtrlDDoesNotRunWhatWasBegun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	p := sitDown(t, []string{"FLOE_HISTORY="}, "shell", path)
	p.sees("app.db> ")
	p.types("CREATE TABLE t(a)\r")
	p.sees("...> ")
	p.types(ctrlD)
	p.sees("the statement without its end was not run")
	p.leaves()
	if got := floeDone(t, "query", path, "SELECT count(*) AS n FROM sqlite_schema"); got != "n\n-\n0\n" {
		t.Errorf("the schema has %q, want 0", got)
	}
}

func TestFreezeAsksAPerson(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	path := filepath.Join(t.TempDir(), "app.db")
	floeDone(t, "sync", path, "--from", srv.URL)
	p := sitDown(t, []string{"FLOE_HISTORY="}, "shell", path)
	p.sees("> ")
	p.types(".f\r")
	p.sees(".freeze has to be typed in full")
	for _, no := range []string{"\r", "n\r", "SELECT 1;\r", ctrlC, ctrlD} {
		p.sees("> ")
		p.types(".freeze\r")
		p.sees("Freeze it? [y/N] ")
		p.types(no)
		p.sees("it was not frozen")
	}
	// Ctrl-C is a signal until the editor has the terminal, and can come from elsewhere.
	p.sees("> ")
	p.types(".freeze\r")
	p.sees("Freeze it? [y/N] ")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.sees("it was not frozen")
	check(t, "status after noes", floeJSON(t, "status", path), map[string]any{"role": "replica"})
	p.sees("> ")
	p.types(".FREEZE\r")
	p.sees("Freeze it? [y/N] ")
	p.types("y\r")
	p.sees("the database is one of its own now")
	p.types(".quit\r")
	p.leaves()
	check(t, "status after a yes", floeJSON(t, "status", path), map[string]any{"role": "frozen"})
}
