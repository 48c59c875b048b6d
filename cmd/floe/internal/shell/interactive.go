package shell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/peterh/liner"

	"github.com/floedb/floe"
	"github.com/floedb/floe/cmd/floe/internal/render"
)

// maxPromptName is how much of the database's name a prompt shows, in characters.
const maxPromptName = 24

var (
	// errInterrupted is the error of what Ctrl-C ended.
	errInterrupted = errors.New("interrupted")
	// errHangup ends the shell from outside.
	errHangup = errors.New("ended by a signal")
)

// stopper ends what runs when Ctrl-C is pressed.
type stopper struct {
	mu     sync.Mutex
	cancel context.CancelCauseFunc
	prompt func() // ends the line that is being asked for, as Ctrl-C does for the editor
}

// run has do run until Ctrl-C.
func (s *stopper) run(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.set(cancel)
	defer s.set(nil)
	err := do(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errInterrupted) {
		return interruption(err)
	}
	return err
}

// interruption is the error of what was interrupted. What it means for a transaction is kept.
func interruption(err error) error {
	if lost := txLost(err); lost != nil {
		return fmt.Errorf("%w: %w", errInterrupted, lost)
	}
	return errInterrupted
}

func (s *stopper) set(cancel context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = cancel
}

func (s *stopper) setPrompt(end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prompt = end
}

// stop ends what is asked for, else what runs, if anything does. The terminal makes a signal of Ctrl-C where it is
// pressed before the editor, which has shown its prompt, takes the keys.
func (s *stopper) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.prompt != nil:
		s.prompt()
	case s.cancel != nil:
		s.cancel(errInterrupted)
	}
}

// watchSignals has Ctrl-C stop statements, until the end of the context that it gives: that of SIGTERM.
func (s *stopper) watchSignals(ctx context.Context) (context.Context, func()) {
	// What ends other commands at Ctrl-C does not end a shell.
	ctx, end := context.WithCancelCause(context.WithoutCancel(ctx))
	interrupts, terms := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		for {
			select {
			case <-interrupts:
				s.stop()
			case <-terms:
				end(errHangup)
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(interrupts)
		signal.Stop(terms)
		end(nil)
	}
}

// terminal reads lines from a person.
type terminal struct {
	editor    *liner.State
	interrupt func() // gives the editor Ctrl-C as a key; nil where that cannot be done
	stopper   *stopper
	ctx       context.Context
}

// line asks for a line. The end of the context ends it, though nobody presses a key.
func (t *terminal) line(prompt string) (string, int, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	t.stopper.setPrompt(t.interrupt)
	defer t.stopper.setPrompt(nil)
	go func() {
		text, err := t.editor.Prompt(prompt)
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		if errors.Is(a.err, liner.ErrPromptAborted) {
			a.err = errInterrupted
		}
		return fromEditor.Replace(a.text), 0, a.err
	case <-t.ctx.Done():
		return "", 0, context.Cause(t.ctx)
	}
}

// ask asks a question that has the answers yes and no. Only a yes is one.
func (t *terminal) ask(question string) bool {
	answer, _, err := t.line(question + " [y/N] ")
	return err == nil && slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}

// remember has the editor give the line again.
func (t *terminal) remember(line string) { t.editor.AppendHistory(toEditor.Replace(line)) }

// interact runs the shell for a person, until they leave.
func (sh *Shell) interact(ctx context.Context) error {
	ctx, unwatch := sh.stopper.watchSignals(ctx)
	defer unwatch()
	editor, interrupt, closeEditor, err := openEditor()
	if err != nil {
		return err
	}
	defer closeEditor()
	editor.SetCtrlCAborts(true)
	editor.SetBeep(false)
	editor.SetMultiLineMode(true)
	editor.SetTabCompletionStyle(liner.TabPrints)
	editor.SetWordCompleter(func(line string, pos int) (string, []string, string) { return sh.completeTyped(ctx, line, pos) })
	t := &terminal{editor: editor, interrupt: interrupt, stopper: &sh.stopper, ctx: ctx}
	h := openHistory(sh.cfg.History, sh.cfg.Secrets)
	for _, line := range h.lines {
		t.remember(line)
	}
	fmt.Fprintln(sh.err, sh.cfg.Hello)
	sh.ask = t.ask
	err = sh.converse(ctx, t, h)
	if sh.sess.InTx() {
		fmt.Fprintln(sh.err, "the transaction that was open is rolled back")
	}
	return cmp.Or(err, context.Cause(ctx))
}

// converse runs what a person types, piece by piece.
func (sh *Shell) converse(ctx context.Context, t *terminal, h *history) error {
	for !sh.leave {
		p, err := readPiece(t.line, sh.prompt(), sh.morePrompt())
		switch {
		case errors.Is(err, errInterrupted):
			fmt.Fprintln(sh.err, "Ctrl-D or .quit leaves the shell.")
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(sh.err)
			if p.cutShort {
				fmt.Fprintln(sh.err, "the statement without its end was not run")
			}
			return nil
		case err != nil:
			return err
		}
		for _, line := range h.add(p.lines) {
			t.remember(line)
		}
		if err := sh.stopper.run(ctx, func(ctx context.Context) error { return sh.runTyped(ctx, p) }); err != nil {
			fmt.Fprintln(sh.err, "error:", err)
		}
		if err := sh.flush(); err != nil {
			return err
		}
	}
	return nil
}

// runTyped runs what a person typed, up to the first error.
func (sh *Shell) runTyped(ctx context.Context, p piece) error {
	if p.isCommand {
		return sh.command(ctx, p.text)
	}
	for st := range statements(p) {
		if err := sh.statement(ctx, st.SQL); err != nil {
			return err
		}
	}
	return nil
}

// prompt names the database, its frame if it is a replica, and has a star in a transaction.
func (sh *Shell) prompt() string {
	var b strings.Builder
	b.WriteString(promptName(sh.cfg.Name))
	if r := sh.sess.Replica(); r != nil {
		if n, ok := r.FrameNo(); ok {
			fmt.Fprintf(&b, "@%d", n)
		}
	}
	if sh.sess.InTx() {
		b.WriteByte('*')
	}
	return b.String() + "> "
}

// morePrompt is as wide as prompt, where a statement goes on.
func (sh *Shell) morePrompt() string {
	n := utf8.RuneCountInString(sh.prompt())
	return strings.Repeat(" ", max(0, n-len("...> "))) + "...> "
}

// promptName is the last part of a path, or the host of a URL.
func promptName(name string) string {
	name, _, _ = strings.Cut(name, "?")
	if floe.IsURL(name) {
		_, name, _ = strings.Cut(name, "://")
		name, _, _ = strings.Cut(name, "/")
	}
	name = render.Escape(path.Base(strings.ReplaceAll(name, `\`, "/")))
	if r := []rune(name); len(r) > maxPromptName {
		name = string(r[:maxPromptName-1]) + "…"
	}
	return name
}

// txLost gives the part of an error that says that a transaction is gone, nil when it says no such thing.
func txLost(err error) error {
	if errors.Is(err, floe.ErrTransactionLost) {
		return floe.ErrTransactionLost
	}
	return nil
}
