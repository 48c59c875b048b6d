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
	p.types("INSERT INTO ani\t VALUES\r")
	p.sees("animals")
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
