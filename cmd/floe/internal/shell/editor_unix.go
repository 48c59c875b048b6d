//go:build linux || darwin || freebsd || netbsd || openbsd

package shell

import (
	"fmt"
	"os"

	"github.com/peterh/liner"
)

// openEditor begins to edit lines. The editor reads its keys from a pipe, in which they come by way of [copyKeys].
func openEditor() (editor *liner.State, closeEditor func() error, err error) {
	terminal := os.Stdin
	if !liner.TerminalSupported() {
		editor = liner.NewLiner()
		return editor, editor.Close, nil
	}
	in, out, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	go func() {
		copyKeys(out, terminal)
		_ = out.Close()
	}()
	os.Stdin = in // which the editor reads, whereas it sets up the terminal by its number
	editor = liner.NewLiner()
	os.Stdin = terminal
	fmt.Print(askForPastes)
	return editor, func() error {
		fmt.Print(endOfAsking)
		return editor.Close()
	}, nil
}
