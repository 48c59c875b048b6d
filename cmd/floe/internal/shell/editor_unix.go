//go:build linux || darwin || freebsd || netbsd || openbsd

package shell

import (
	"fmt"
	"os"

	"github.com/peterh/liner"
)

// openEditor begins to edit lines. The editor reads its keys from a pipe, in which they come by way of [copyKeys];
// interrupt adds a Ctrl-C. It is nil where there is no pipe.
func openEditor() (editor *liner.State, interrupt func(), closeEditor func() error, err error) {
	terminal := os.Stdin
	if !liner.TerminalSupported() {
		editor = liner.NewLiner()
		return editor, nil, editor.Close, nil
	}
	in, out, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	go func() {
		copyKeys(out, terminal)
		_ = out.Close()
	}()
	os.Stdin = in // which the editor reads, whereas it sets up the terminal by its number
	editor = liner.NewLiner()
	os.Stdin = terminal
	fmt.Print(askForPastes)
	interrupt = func() { _, _ = out.Write([]byte{ctrlC}) }
	return editor, interrupt, func() error {
		fmt.Print(endOfAsking)
		return editor.Close()
	}, nil
}
