package shell

import (
	"context"
	"strings"

	"github.com/floedb/floe/internal/sqltext"
)

// What a batch holds at most.
const (
	batchStatements = 200
	batchBytes      = 256 << 10
)

// batch holds statements of a script that are sent to a server together: one by one, each would cost the time of a
// request.
type batch struct {
	sql   []string
	lines []int
	bytes int
}

// takes tells whether a statement may wait: whether it only changes rows, and nothing is to be shown after it.
func (b *batch) takes(sh *Shell, st sqltext.Statement) bool {
	if !sh.batches || !sh.bail || sh.timer || sh.plan {
		return false
	}
	switch st.Keyword {
	case "INSERT", "REPLACE", "UPDATE", "DELETE":
		return len(st.Params) == 0 && !strings.Contains(strings.ToUpper(st.SQL), "RETURNING")
	}
	return false
}

func (b *batch) add(st sqltext.Statement, line int) {
	b.sql = append(b.sql, st.SQL)
	b.lines = append(b.lines, line)
	b.bytes += len(st.SQL)
}

func (b *batch) full() bool { return len(b.sql) >= batchStatements || b.bytes >= batchBytes }

// flushBatch runs the statements that wait.
func (sh *Shell) flushBatch(ctx context.Context, in *reader) error {
	b := sh.batch
	if len(b.sql) == 0 {
		return nil
	}
	sh.batch = batch{}
	inTx := sh.sess.InTx()
	done, err := sh.sess.RunBatch(ctx, b.sql)
	if err != nil {
		return in.at(b.lines[max(0, min(done, len(b.lines)-1))], sh.withLoss(inTx, err))
	}
	return nil
}
