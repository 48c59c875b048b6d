package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/floedb/floe"
	"github.com/floedb/floe/cmd/floe/internal/session"
)

// databaseCommands are about the database as a whole.
var databaseCommands = []command{
	{name: "status", summary: "tell what the database is, and how far a replica has come", run: (*Shell).status},
	{name: "sync", summary: "bring a replica to where its server is", run: (*Shell).sync},
	{
		name: "freeze", args: "[--yes]", summary: "make a replica a database of its own", inFull: true, max: 1,
		more: `The file keeps the last state that was applied, may be written to, and follows its server no more.
There is no way back, so it asks first. A script is not asked, and says --yes.`,
		run: (*Shell).freeze,
	},
	{
		name: "read", args: "FILE", summary: "run the statements and commands in FILE", kinds: []argKind{argFile}, min: 1, max: 1,
		run: (*Shell).read,
	},
}

func (sh *Shell) status(ctx context.Context, _ []string) error {
	if sh.cfg.Status == nil {
		return errors.New("nothing is known of this database")
	}
	return sh.done(sh.cfg.Status(ctx, sh.current(), sh.cfg.Target))
}

// errNoReplica is the error of what only a replica can do.
var errNoReplica = errors.New("the database is not a replica with a server: floe shell PATH --primary URL opens one")

func (sh *Shell) sync(ctx context.Context, _ []string) error {
	r := sh.sess.Replica()
	if r == nil {
		return errNoReplica
	}
	res, err := r.Sync(ctx)
	if err != nil {
		return err
	}
	sh.names = nameCache{}
	where := "no frame yet"
	if res.Position.HasFrame {
		where = fmt.Sprintf("frame %d", res.Position.FrameNo)
	}
	_, err = fmt.Fprintf(sh.current(), "at %s of log %s (%d new)\n", where, res.Position.LogID, res.Frames)
	return sh.done(err)
}

func (sh *Shell) freeze(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] != "--yes" {
		return fmt.Errorf("unknown option %s: there is --yes", args[0])
	}
	st, err := floe.Inspect(sh.cfg.Target.File())
	if err == nil && st.Role != floe.RoleReplica {
		err = errors.New("the database is not a replica")
	}
	if err != nil {
		return err
	}
	if sh.sess.InTx() {
		return errors.New("a transaction is open: end it first")
	}
	if err := sh.confirmFreeze(len(args) == 1); err != nil {
		return err
	}
	return sh.freezeAndReopen(ctx)
}

// confirmFreeze makes sure that a freeze is meant.
func (sh *Shell) confirmFreeze(yes bool) error {
	switch {
	case yes:
		return nil
	case sh.ask == nil || sh.reading > 0:
		return errors.New("a freeze cannot be undone: a script says .freeze --yes")
	case !sh.ask("The replica will follow its server no more, and there is no way back. Freeze it?"):
		return errors.New("it was not frozen")
	}
	return nil
}

func (sh *Shell) freezeAndReopen(ctx context.Context) error {
	if err := sh.sess.Close(); err != nil {
		return err
	}
	freezeErr := freezeFile(ctx, sh.cfg.Target)
	if freezeErr == nil {
		sh.cfg.Target = session.Target{Name: sh.cfg.Target.File(), Log: sh.cfg.Target.Log}
		_, freezeErr = fmt.Fprintln(sh.current(), "the database is one of its own now")
	}
	sess, err := sh.cfg.Target.Open(ctx)
	if err != nil {
		sh.leave = true
		return errors.Join(freezeErr, fmt.Errorf("open again: %w", err))
	}
	sh.sess = sess
	return sh.done(freezeErr)
}

func freezeFile(ctx context.Context, target session.Target) error {
	r, err := floe.OpenReplica(ctx, target.File(), "", floe.WithLogger(target.Log))
	if err != nil {
		return err
	}
	defer r.Close()
	db, err := r.Freeze(ctx)
	if err != nil {
		return err
	}
	return db.Close()
}

// maxReading is how deep scripts may read each other.
const maxReading = 20

func (sh *Shell) read(ctx context.Context, args []string) error {
	if sh.reading == maxReading {
		return fmt.Errorf("more than %d scripts read each other", maxReading)
	}
	sh.reading++
	defer func() { sh.reading-- }()
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	return sh.runScript(ctx, &reader{in: bufio.NewReaderSize(f, 1<<16), name: args[0]})
}
