// Package shell is the interactive shell of floe, and what runs scripts: it reads SQL and commands that begin with a
// dot, line by line, and writes what they give.
package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/cmd/floe/internal/render"
	"github.com/floedb/floe/cmd/floe/internal/session"
	"github.com/floedb/floe/internal/sqltext"
)

// Config says what a shell works on.
type Config struct {
	Target session.Target
	Name   string // what the prompt calls the database, without a token
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	// Interactive shells edit lines on the terminal that is the standard input and output of the process; others read
	// a script from In and stop at its first error.
	Interactive bool
	Screen      bool   // Out is a terminal
	Mode        string // one of render.Modes to begin with
	History     string // file that keeps lines between interactive shells; "" for none
	Secrets     []string
	// Status writes what there is to know about a database.
	Status func(ctx context.Context, w io.Writer, target session.Target) error
	Hello  string // what an interactive shell says first
}

// Shell is one run of the shell.
type Shell struct {
	cfg  Config
	sess session.Session
	out  *output // where results go
	once *output // where those of the next statement go, if it is another place
	err  io.Writer

	settings
	batches  bool // statements of scripts are gathered for a server
	batch    batch
	names    nameCache
	failed   bool // a statement failed, and the script went on
	leave    bool
	reading  int                        // how many scripts .read is in
	ask      func(question string) bool // of the person at the terminal; nil where there is none
	stopper  stopper
	commands []command
}

// settings are what dot commands change.
type settings struct {
	mode    string
	headers bool
	null    *string
	timer   bool
	plan    bool // show the plan of each statement
	bail    bool
}

var (
	// errFailed is the error of a script that went on behind errors.
	errFailed = errors.New("statements failed")
	// errOpenTx is the error of a script that ends in a transaction.
	errOpenTx = errors.New("the script ends in a transaction without COMMIT, which is rolled back")
)

// Run runs a shell to its end: that of its input, or a command that leaves it. The error is that of a script.
func Run(ctx context.Context, cfg Config) (err error) {
	resolved, err := cfg.Target.Resolve()
	if err != nil {
		return err
	}
	sess, err := cfg.Target.Open(ctx)
	if err != nil {
		return err
	}
	sh := newShell(cfg, sess)
	sh.batches = !cfg.Interactive && (floe.IsURL(resolved.Name) || resolved.Primary != "")
	defer func() { err = errors.Join(err, sh.closeAll()) }()
	if cfg.Interactive {
		return sh.interact(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return sh.script(ctx, &reader{in: bufio.NewReaderSize(newInputReader(ctx, cfg.In), 1<<16)})
}

func newShell(cfg Config, sess session.Session) *Shell {
	sh := &Shell{cfg: cfg, sess: sess, err: render.Terminal(cfg.Err), commands: commandTable()}
	sh.settings = settings{mode: cfg.Mode, headers: true, bail: !cfg.Interactive}
	if sh.mode == "" {
		sh.mode = render.Table
	}
	sh.out = newOutput(cfg.Out, cfg.Screen)
	return sh
}

func (sh *Shell) closeAll() error {
	return errors.Join(sh.out.close(), sh.closeOnce(), sh.sess.Close())
}

// script runs a script to its end, and stops at the first error unless told not to.
func (sh *Shell) script(ctx context.Context, in *reader) error {
	err := sh.runScript(ctx, in)
	if err == nil && sh.failed {
		err = errFailed
	}
	switch {
	case !sh.sess.InTx():
		return err
	case err == nil:
		return errOpenTx
	}
	return fmt.Errorf("%w; the transaction that was open is rolled back", err)
}

// runScript is script for one of several files.
func (sh *Shell) runScript(ctx context.Context, in *reader) error {
	for !sh.leave && ctx.Err() == nil {
		p, readErr := readPiece(in.line, "", "")
		err := sh.runPiece(ctx, p, in)
		if err == nil && (readErr != nil || sh.leave) {
			err = sh.flushBatch(ctx, in)
		}
		if err != nil {
			return err
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
	return context.Cause(ctx)
}

// piece is what is run at once: a dot command, or text that ends with the end of a statement.
type piece struct {
	text  string
	line  int      // of its beginning, from 1
	lines []string // as they were read

	isCommand bool
	cutShort  bool // the input ended in a statement, or in a comment
}

// runPiece runs a piece of a script. Its error says where it was.
func (sh *Shell) runPiece(ctx context.Context, p piece, in *reader) error {
	if p.isCommand {
		if err := sh.flushBatch(ctx, in); err != nil {
			return err
		}
		return sh.stumble(in.at(p.line, sh.command(ctx, p.text)))
	}
	for st, line := range statements(p) {
		if err := sh.runInScript(ctx, st, line, in); err != nil {
			return err
		}
	}
	return nil
}

// runInScript runs a statement, or has it wait with others like it.
func (sh *Shell) runInScript(ctx context.Context, st sqltext.Statement, line int, in *reader) error {
	if sh.batch.takes(sh, st) {
		sh.batch.add(st, line)
		if sh.batch.full() {
			return sh.flushBatch(ctx, in)
		}
		return nil
	}
	if err := sh.flushBatch(ctx, in); err != nil {
		return err
	}
	return sh.stumble(in.at(line, sh.statement(ctx, st.SQL)))
}

// statements gives the statements of a piece with the lines they begin on.
func statements(p piece) func(yield func(sqltext.Statement, int) bool) {
	return func(yield func(sqltext.Statement, int) bool) {
		line := p.line
		for rest := p.text; ; {
			st, n := sqltext.First(rest)
			if st.SQL == "" || !yield(st, line+strings.Count(rest[:st.Offset], "\n")) {
				return
			}
			line += strings.Count(rest[:n], "\n")
			rest = rest[n:]
		}
	}
}

// stumble takes an error of a script: where it does not end the script, it is told.
func (sh *Shell) stumble(err error) error {
	if err == nil || sh.bail {
		return err
	}
	sh.failed = true
	fmt.Fprintln(sh.err, "error:", err)
	return nil
}

// statement runs one statement and writes what it gives.
func (sh *Shell) statement(ctx context.Context, sql string) error {
	if sh.plan {
		if err := sh.showPlan(ctx, sql); err != nil {
			return err
		}
	}
	began, inTx := time.Now(), sh.sess.InTx()
	out := sh.current()
	rows := &statementRows{Writer: render.New(out, render.Options{Mode: sh.mode, Headers: sh.headers, Null: sh.null})}
	res, err := sh.sess.Run(ctx, sql, nil, rows)
	if res.Warning != nil {
		fmt.Fprintln(sh.err, "warning:", res.Warning)
	}
	if err == nil {
		err = rows.end(res.Changes, sh.cfg.Interactive && res.Writes && changesRows(sql))
	}
	if sh.timer {
		fmt.Fprintf(out, "Run time: %.3f s\n", time.Since(began).Seconds())
	}
	sh.names.forget(sql)
	return errors.Join(sh.withLoss(inTx, err), sh.flush())
}

// withLoss has the error of a statement say that it ended the transaction that was open, if one was.
func (sh *Shell) withLoss(inTx bool, err error) error {
	if err != nil && inTx && !sh.sess.InTx() && txLost(err) == nil {
		return fmt.Errorf("%w: %w", floe.ErrTransactionLost, err)
	}
	return err
}

// changesRows tells whether it is worth telling how many rows a statement changed.
func changesRows(sql string) bool {
	st, _ := sqltext.First(sql)
	switch st.Keyword {
	case "INSERT", "REPLACE", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}

// statementRows leaves statements out that give no columns.
type statementRows struct {
	render.Writer
	begun bool
}

func (r *statementRows) Begin(columns []string) error {
	if len(columns) == 0 {
		return nil
	}
	r.begun = true
	return r.Writer.Begin(columns)
}

// end ends the result, if there is one; told is whether a person wants to know of changes.
func (r *statementRows) end(changes int64, told bool) error {
	if !r.begun && !told {
		return nil
	}
	if !r.begun {
		if err := r.Writer.Begin([]string{}); err != nil {
			return err
		}
	}
	return r.Writer.End(changes, told)
}

// current is where the results of a statement go.
func (sh *Shell) current() *output {
	if sh.once != nil {
		return sh.once
	}
	return sh.out
}

// flush ends the output of a statement.
func (sh *Shell) flush() error { return errors.Join(sh.closeOnce(), sh.out.Flush()) }

func (sh *Shell) closeOnce() error {
	if sh.once == nil {
		return nil
	}
	once := sh.once
	sh.once = nil
	return once.close()
}
