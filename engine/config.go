package engine

import (
	"context"
	"math"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// DBConfigOp is a switch of a connection that [Conn.DBConfig] turns on or off.
//
// https://sqlite.org/c3ref/c_dbconfig_defensive.html
type DBConfigOp int32

// The switches. Each one says what it does when it is on.
const (
	DBConfigDefensive           DBConfigOp = sqlite3.SQLITE_DBCONFIG_DEFENSIVE            // SQL cannot damage the file
	DBConfigDQSDDL              DBConfigOp = sqlite3.SQLITE_DBCONFIG_DQS_DDL              // "x" may be a string in DDL
	DBConfigDQSDML              DBConfigOp = sqlite3.SQLITE_DBCONFIG_DQS_DML              // "x" may be a string in DML
	DBConfigEnableFKey          DBConfigOp = sqlite3.SQLITE_DBCONFIG_ENABLE_FKEY          // foreign keys are enforced
	DBConfigEnableTrigger       DBConfigOp = sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER       // triggers run
	DBConfigEnableView          DBConfigOp = sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW          // views can be read
	DBConfigEnableQPSG          DBConfigOp = sqlite3.SQLITE_DBCONFIG_ENABLE_QPSG          // plans do not depend on bound values
	DBConfigEnableAttachCreate  DBConfigOp = sqlite3.SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE // ATTACH may make files
	DBConfigEnableAttachWrite   DBConfigOp = sqlite3.SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE  // ATTACH may open for writing
	DBConfigEnableComments      DBConfigOp = sqlite3.SQLITE_DBCONFIG_ENABLE_COMMENTS      // SQL may hold comments
	DBConfigLegacyAlterTable    DBConfigOp = sqlite3.SQLITE_DBCONFIG_LEGACY_ALTER_TABLE   // RENAME leaves triggers and views alone
	DBConfigLegacyFileFormat    DBConfigOp = sqlite3.SQLITE_DBCONFIG_LEGACY_FILE_FORMAT   // new files are readable by SQLite 3.0
	DBConfigNoCheckpointOnClose DBConfigOp = sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE     // Close leaves the WAL as it is
	DBConfigResetDatabase       DBConfigOp = sqlite3.SQLITE_DBCONFIG_RESET_DATABASE       // VACUUM empties the database
	DBConfigReverseScanOrder    DBConfigOp = sqlite3.SQLITE_DBCONFIG_REVERSE_SCANORDER    // scans run backwards, for tests
	DBConfigTriggerEQP          DBConfigOp = sqlite3.SQLITE_DBCONFIG_TRIGGER_EQP          // EXPLAIN QUERY PLAN shows triggers
	DBConfigTrustedSchema       DBConfigOp = sqlite3.SQLITE_DBCONFIG_TRUSTED_SCHEMA       // the schema may call any function
	DBConfigWritableSchema      DBConfigOp = sqlite3.SQLITE_DBCONFIG_WRITABLE_SCHEMA      // sqlite_schema can be written
)

// DBConfig turns a switch of the connection on or off and returns its state afterwards.
//
// https://sqlite.org/c3ref/db_config.html
func (c *Conn) DBConfig(op DBConfigOp, on bool) (bool, error) {
	if err := c.enter(); err != nil {
		return false, err
	}
	defer c.leave()
	if !op.isSwitch() {
		return false, newError("db config", "", Misuse, "not a switch")
	}
	var value int32
	if on {
		value = 1
	}
	state := c.slot(0)
	args := libc.VaList(c.slot(2), value, state)
	if rc := sqlite3.Xsqlite3_db_config(c.tls, c.db, int32(op), args); rc != sqlite3.SQLITE_OK {
		return false, c.lastError("db config", "", rc)
	}
	return c.slotInt32(0) != 0, nil
}

// isSwitch keeps operations out that read other arguments than a switch has: they would take whatever lies
// behind in memory.
func (op DBConfigOp) isSwitch() bool {
	return op >= sqlite3.SQLITE_DBCONFIG_ENABLE_FKEY && op < sqlite3.SQLITE_DBCONFIG_FP_DIGITS
}

// LimitID names a limit of a connection.
//
// https://sqlite.org/c3ref/c_limit_attached.html
type LimitID int32

// The limits.
const (
	LimitLength            LimitID = sqlite3.SQLITE_LIMIT_LENGTH              // size of a text, blob or row, in bytes
	LimitSQLLength         LimitID = sqlite3.SQLITE_LIMIT_SQL_LENGTH          // size of a statement's text, in bytes
	LimitColumn            LimitID = sqlite3.SQLITE_LIMIT_COLUMN              // columns of a table, index, view or result
	LimitExprDepth         LimitID = sqlite3.SQLITE_LIMIT_EXPR_DEPTH          // depth of the parse tree of an expression
	LimitCompoundSelect    LimitID = sqlite3.SQLITE_LIMIT_COMPOUND_SELECT     // terms of a compound SELECT
	LimitVDBEOp            LimitID = sqlite3.SQLITE_LIMIT_VDBE_OP             // instructions of a compiled statement
	LimitFunctionArg       LimitID = sqlite3.SQLITE_LIMIT_FUNCTION_ARG        // arguments of a function
	LimitAttached          LimitID = sqlite3.SQLITE_LIMIT_ATTACHED            // attached databases
	LimitLikePatternLength LimitID = sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH // size of a LIKE or GLOB pattern, in bytes
	LimitVariableNumber    LimitID = sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER     // the largest parameter index
	LimitTriggerDepth      LimitID = sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH       // depth of trigger recursion
	LimitWorkerThreads     LimitID = sqlite3.SQLITE_LIMIT_WORKER_THREADS      // helper threads of one statement
	LimitParserDepth       LimitID = sqlite3.SQLITE_LIMIT_PARSER_DEPTH        // depth of the parser's stack
	LimitSchema            LimitID = sqlite3.SQLITE_LIMIT_SCHEMA              // tables (sqlite_schema too), indexes and triggers of a database
	LimitTriggerSteps      LimitID = sqlite3.SQLITE_LIMIT_TRIGGER_STEPS       // statements of a trigger
)

// Limit sets a limit, unless value is negative, and returns what it was before. It is cut to the upper bound
// that was compiled in. An unknown id gives -1.
//
// https://sqlite.org/c3ref/limit.html
func (c *Conn) Limit(id LimitID, value int) int {
	if c.enter() != nil {
		return 0
	}
	defer c.leave()
	v := int32(max(min(value, math.MaxInt32), -1))
	return int(sqlite3.Xsqlite3_limit(c.tls, c.db, int32(id), v))
}

// SetPersistWAL says whether the -wal and -shm files of the main database stay when the last connection to it
// is closed. By default they are removed.
//
// https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlpersistwal
func (c *Conn) SetPersistWAL(on bool) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	arg := c.slot(0)
	if on {
		*(*int32)(pointer(arg)) = 1
	}
	if rc := sqlite3.Xsqlite3_file_control(c.tls, c.db, 0, sqlite3.SQLITE_FCNTL_PERSIST_WAL, arg); rc != sqlite3.SQLITE_OK {
		return c.lastError("set persistent wal", "", rc)
	}
	return nil
}

// CheckpointMode says how much a checkpoint insists.
//
// https://sqlite.org/c3ref/c_checkpoint_full.html
type CheckpointMode int32

// The modes, in order of how much they wait.
const (
	CheckpointPassive  CheckpointMode = sqlite3.SQLITE_CHECKPOINT_PASSIVE  // as much as goes without a wait
	CheckpointFull     CheckpointMode = sqlite3.SQLITE_CHECKPOINT_FULL     // wait for writers, copy everything
	CheckpointRestart  CheckpointMode = sqlite3.SQLITE_CHECKPOINT_RESTART  // and wait for readers of the WAL
	CheckpointTruncate CheckpointMode = sqlite3.SQLITE_CHECKPOINT_TRUNCATE // and cut the WAL to nothing
)

// Checkpoint copies the WAL of the database named schema ("" means all of them) into the database file.
// It returns the number of frames in the WAL and how many of those are in the database file now; both are -1 if
// the database is not in WAL mode. The modes that wait do so up to the busy timeout, or until [Conn.Interrupt];
// then the error is [Busy] and the counts tell what was done. See [Conn.CheckpointContext] for a wait that a context
// ends.
//
// https://sqlite.org/c3ref/wal_checkpoint_v2.html
func (c *Conn) Checkpoint(schema string, mode CheckpointMode) (logFrames, checkpointed int, err error) {
	return c.CheckpointContext(context.Background(), schema, mode)
}

// CheckpointContext is [Conn.Checkpoint] under a context, which ends the work and the wait for locks.
//
// https://sqlite.org/c3ref/wal_checkpoint_v2.html
func (c *Conn) CheckpointContext(ctx context.Context, schema string, mode CheckpointMode) (logFrames, checkpointed int, err error) {
	if err := c.enter(); err != nil {
		return -1, -1, err
	}
	defer c.leave()
	name, err := c.schemaName(schema)
	if err != nil {
		return -1, -1, err
	}
	logFrames, checkpointed = -1, -1
	_, err = c.under(ctx, "checkpoint "+schema, func() int32 {
		rc := sqlite3.Xsqlite3_wal_checkpoint_v2(c.tls, c.db, name, int32(mode), c.slot(0), c.slot(1))
		logFrames, checkpointed = int(c.slotInt32(0)), int(c.slotInt32(1))
		return rc
	})
	return logFrames, checkpointed, err
}
