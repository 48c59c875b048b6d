package shell

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/floedb/floe/cmd/floe/internal/render"
	"github.com/floedb/floe/cmd/floe/internal/session"
	"github.com/floedb/floe/internal/nearest"
)

// outputCommands say where results go, and how they look.
var outputCommands = []command{
	{
		name: "mode", args: "[MODE]", summary: "write rows as " + strings.Join(render.Modes(), ", "),
		more:  "Without MODE it tells the present one. json is one object a statement, as of floe query --json.",
		kinds: []argKind{argMode}, max: 1, run: (*Shell).setMode,
	},
	{
		name: "headers", args: "on|off", summary: "write the names of columns above rows, or not", kinds: []argKind{argOnOff},
		min: 1, max: 1, run: toggle(func(sh *Shell) *bool { return &sh.headers }),
	},
	{
		name: "nullvalue", args: "[TEXT]", summary: "write NULL as TEXT; without it, as is usual in the mode",
		max: 1, run: (*Shell).setNull,
	},
	{
		name: "output", args: "[FILE]", summary: "write results to FILE from now on; without it, to the screen",
		kinds: []argKind{argFile}, max: 1, run: (*Shell).setOutput,
	},
	{
		name: "once", args: "FILE", summary: "write the result of the next statement or command to FILE",
		kinds: []argKind{argFile}, min: 1, max: 1, run: (*Shell).setOnce,
	},
	{
		name: "timer", args: "on|off", summary: "tell how long each statement took", kinds: []argKind{argOnOff},
		min: 1, max: 1, run: toggle(func(sh *Shell) *bool { return &sh.timer }),
	},
	{
		name: "explain", args: "on|off", summary: "show how each statement is going to find its rows, before it runs",
		kinds: []argKind{argOnOff}, min: 1, max: 1, run: toggle(func(sh *Shell) *bool { return &sh.plan }),
	},
	{
		name: "bail", args: "on|off", summary: "end a script at its first error, or go on behind it", kinds: []argKind{argOnOff},
		min: 1, max: 1, run: toggle(func(sh *Shell) *bool { return &sh.bail }),
	},
}

// toggle makes a command of a setting that is on or off.
func toggle(setting func(*Shell) *bool) func(*Shell, context.Context, []string) error {
	return func(sh *Shell, _ context.Context, args []string) error {
		on, err := onOff(args[0])
		if err == nil {
			*setting(sh) = on
		}
		return err
	}
}

func (sh *Shell) setMode(_ context.Context, args []string) error {
	if len(args) == 0 {
		_, err := fmt.Fprintln(sh.out, sh.mode)
		return err
	}
	if !slices.Contains(render.Modes(), args[0]) {
		return fmt.Errorf("unknown mode %q: did you mean %s?", args[0], nearest.Word(args[0], render.Modes()))
	}
	sh.mode = args[0]
	return nil
}

func (sh *Shell) setNull(_ context.Context, args []string) error {
	sh.null = nil
	if len(args) == 1 {
		sh.null = &args[0]
	}
	return nil
}

func (sh *Shell) setOutput(_ context.Context, args []string) error {
	out := newOutput(sh.cfg.Out, sh.cfg.Screen)
	if len(args) == 1 && args[0] != "stdout" {
		var err error
		if out, err = sh.createOutput(args[0]); err != nil {
			return err
		}
	}
	before := sh.out
	sh.out = out
	return before.close()
}

func (sh *Shell) setOnce(_ context.Context, args []string) (err error) {
	if err := sh.closeOnce(); err != nil {
		return err
	}
	sh.once, err = sh.createOutput(args[0])
	return err
}

// showPlan writes the query plan of a statement as a tree.
func (sh *Shell) showPlan(ctx context.Context, sql string) error {
	depth := map[int64]int{}
	_, err := sh.sess.Run(ctx, "EXPLAIN QUERY PLAN "+sql, nil, session.RowFunc(func(row []any) error {
		id, _ := row[0].(int64)
		parent, _ := row[1].(int64)
		depth[id] = depth[parent] + 1
		_, err := fmt.Fprintf(sh.current(), "%s%s\n", strings.Repeat("  ", depth[id]), render.Escape(render.Text(row[3])))
		return err
	}))
	return err
}
