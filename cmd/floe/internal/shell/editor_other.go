//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd

package shell

import "github.com/peterh/liner"

// openEditor begins to edit lines. What was pasted comes as keys that are pressed.
func openEditor() (editor *liner.State, interrupt func(), closeEditor func() error, err error) {
	editor = liner.NewLiner()
	return editor, nil, editor.Close, nil
}
