package engine

import (
	"strconv"

	sqlite3 "modernc.org/sqlite/lib"
)

// ResultCode is a result code of SQLite: a primary one, which is the low byte, or an extended one.
//
// Every ResultCode is an error, so that it can be the target of [errors.Is]: an [*Error] matches its primary
// and its extended code.
//
//	errors.Is(err, engine.Busy)          // SQLITE_BUSY and all of its extended codes
//	errors.Is(err, engine.BusySnapshot)  // SQLITE_BUSY_SNAPSHOT alone
//
// https://sqlite.org/rescode.html
type ResultCode int32

// Primary returns the primary code of r, which is r itself if it is not an extended code.
func (r ResultCode) Primary() ResultCode { return r & 0xff }

// Error returns the name of the code, as String does. It makes a ResultCode a target of [errors.Is].
func (r ResultCode) Error() string { return r.String() }

// String returns SQLite's name of the code, such as "SQLITE_BUSY_SNAPSHOT". An extended code that is not
// known gives the name of its primary code and the number.
func (r ResultCode) String() string {
	if name, ok := codeNames[r]; ok {
		return name
	}
	if name, ok := codeNames[r.Primary()]; ok && r > 0xff {
		return name + "(" + strconv.Itoa(int(r)) + ")"
	}
	return "SQLITE_UNKNOWN(" + strconv.Itoa(int(r)) + ")"
}

// The primary result codes. SQLITE_ERROR is called Generic, as the name Error is the type's.
//
// https://sqlite.org/rescode.html#primary_result_code_list
const (
	OK         ResultCode = sqlite3.SQLITE_OK
	Generic    ResultCode = sqlite3.SQLITE_ERROR
	Internal   ResultCode = sqlite3.SQLITE_INTERNAL
	Perm       ResultCode = sqlite3.SQLITE_PERM
	Abort      ResultCode = sqlite3.SQLITE_ABORT
	Busy       ResultCode = sqlite3.SQLITE_BUSY
	Locked     ResultCode = sqlite3.SQLITE_LOCKED
	NoMem      ResultCode = sqlite3.SQLITE_NOMEM
	ReadOnly   ResultCode = sqlite3.SQLITE_READONLY
	Interrupt  ResultCode = sqlite3.SQLITE_INTERRUPT
	IOErr      ResultCode = sqlite3.SQLITE_IOERR
	Corrupt    ResultCode = sqlite3.SQLITE_CORRUPT
	NotFound   ResultCode = sqlite3.SQLITE_NOTFOUND
	Full       ResultCode = sqlite3.SQLITE_FULL
	CantOpen   ResultCode = sqlite3.SQLITE_CANTOPEN
	Protocol   ResultCode = sqlite3.SQLITE_PROTOCOL
	Empty      ResultCode = sqlite3.SQLITE_EMPTY
	Schema     ResultCode = sqlite3.SQLITE_SCHEMA
	TooBig     ResultCode = sqlite3.SQLITE_TOOBIG
	Constraint ResultCode = sqlite3.SQLITE_CONSTRAINT
	Mismatch   ResultCode = sqlite3.SQLITE_MISMATCH
	Misuse     ResultCode = sqlite3.SQLITE_MISUSE
	NoLFS      ResultCode = sqlite3.SQLITE_NOLFS
	Auth       ResultCode = sqlite3.SQLITE_AUTH
	Format     ResultCode = sqlite3.SQLITE_FORMAT
	Range      ResultCode = sqlite3.SQLITE_RANGE
	NotADB     ResultCode = sqlite3.SQLITE_NOTADB
	Notice     ResultCode = sqlite3.SQLITE_NOTICE
	Warning    ResultCode = sqlite3.SQLITE_WARNING
	Row        ResultCode = sqlite3.SQLITE_ROW
	Done       ResultCode = sqlite3.SQLITE_DONE
)

// The extended result codes.
//
// https://sqlite.org/rescode.html#extended_result_code_list
const (
	GenericMissingCollSeq ResultCode = sqlite3.SQLITE_ERROR_MISSING_COLLSEQ
	GenericRetry          ResultCode = sqlite3.SQLITE_ERROR_RETRY
	GenericSnapshot       ResultCode = sqlite3.SQLITE_ERROR_SNAPSHOT
	GenericReserveSize    ResultCode = sqlite3.SQLITE_ERROR_RESERVESIZE
	GenericKey            ResultCode = sqlite3.SQLITE_ERROR_KEY
	GenericUnable         ResultCode = sqlite3.SQLITE_ERROR_UNABLE

	AbortRollback ResultCode = sqlite3.SQLITE_ABORT_ROLLBACK

	BusyRecovery ResultCode = sqlite3.SQLITE_BUSY_RECOVERY
	BusySnapshot ResultCode = sqlite3.SQLITE_BUSY_SNAPSHOT
	BusyTimeout  ResultCode = sqlite3.SQLITE_BUSY_TIMEOUT

	LockedSharedCache ResultCode = sqlite3.SQLITE_LOCKED_SHAREDCACHE
	LockedVTab        ResultCode = sqlite3.SQLITE_LOCKED_VTAB

	ReadOnlyRecovery  ResultCode = sqlite3.SQLITE_READONLY_RECOVERY
	ReadOnlyCantLock  ResultCode = sqlite3.SQLITE_READONLY_CANTLOCK
	ReadOnlyRollback  ResultCode = sqlite3.SQLITE_READONLY_ROLLBACK
	ReadOnlyDBMoved   ResultCode = sqlite3.SQLITE_READONLY_DBMOVED
	ReadOnlyCantInit  ResultCode = sqlite3.SQLITE_READONLY_CANTINIT
	ReadOnlyDirectory ResultCode = sqlite3.SQLITE_READONLY_DIRECTORY

	IOErrRead              ResultCode = sqlite3.SQLITE_IOERR_READ
	IOErrShortRead         ResultCode = sqlite3.SQLITE_IOERR_SHORT_READ
	IOErrWrite             ResultCode = sqlite3.SQLITE_IOERR_WRITE
	IOErrFsync             ResultCode = sqlite3.SQLITE_IOERR_FSYNC
	IOErrDirFsync          ResultCode = sqlite3.SQLITE_IOERR_DIR_FSYNC
	IOErrTruncate          ResultCode = sqlite3.SQLITE_IOERR_TRUNCATE
	IOErrFstat             ResultCode = sqlite3.SQLITE_IOERR_FSTAT
	IOErrUnlock            ResultCode = sqlite3.SQLITE_IOERR_UNLOCK
	IOErrRdLock            ResultCode = sqlite3.SQLITE_IOERR_RDLOCK
	IOErrDelete            ResultCode = sqlite3.SQLITE_IOERR_DELETE
	IOErrBlocked           ResultCode = sqlite3.SQLITE_IOERR_BLOCKED
	IOErrNoMem             ResultCode = sqlite3.SQLITE_IOERR_NOMEM
	IOErrAccess            ResultCode = sqlite3.SQLITE_IOERR_ACCESS
	IOErrCheckReservedLock ResultCode = sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK
	IOErrLock              ResultCode = sqlite3.SQLITE_IOERR_LOCK
	IOErrClose             ResultCode = sqlite3.SQLITE_IOERR_CLOSE
	IOErrDirClose          ResultCode = sqlite3.SQLITE_IOERR_DIR_CLOSE
	IOErrShmOpen           ResultCode = sqlite3.SQLITE_IOERR_SHMOPEN
	IOErrShmSize           ResultCode = sqlite3.SQLITE_IOERR_SHMSIZE
	IOErrShmLock           ResultCode = sqlite3.SQLITE_IOERR_SHMLOCK
	IOErrShmMap            ResultCode = sqlite3.SQLITE_IOERR_SHMMAP
	IOErrSeek              ResultCode = sqlite3.SQLITE_IOERR_SEEK
	IOErrDeleteNoEnt       ResultCode = sqlite3.SQLITE_IOERR_DELETE_NOENT
	IOErrMmap              ResultCode = sqlite3.SQLITE_IOERR_MMAP
	IOErrGetTempPath       ResultCode = sqlite3.SQLITE_IOERR_GETTEMPPATH
	IOErrConvPath          ResultCode = sqlite3.SQLITE_IOERR_CONVPATH
	IOErrVnode             ResultCode = sqlite3.SQLITE_IOERR_VNODE
	IOErrAuth              ResultCode = sqlite3.SQLITE_IOERR_AUTH
	IOErrBeginAtomic       ResultCode = sqlite3.SQLITE_IOERR_BEGIN_ATOMIC
	IOErrCommitAtomic      ResultCode = sqlite3.SQLITE_IOERR_COMMIT_ATOMIC
	IOErrRollbackAtomic    ResultCode = sqlite3.SQLITE_IOERR_ROLLBACK_ATOMIC
	IOErrData              ResultCode = sqlite3.SQLITE_IOERR_DATA
	IOErrCorruptFS         ResultCode = sqlite3.SQLITE_IOERR_CORRUPTFS
	IOErrInPage            ResultCode = sqlite3.SQLITE_IOERR_IN_PAGE
	IOErrBadKey            ResultCode = sqlite3.SQLITE_IOERR_BADKEY
	IOErrCodec             ResultCode = sqlite3.SQLITE_IOERR_CODEC

	CorruptVTab     ResultCode = sqlite3.SQLITE_CORRUPT_VTAB
	CorruptSequence ResultCode = sqlite3.SQLITE_CORRUPT_SEQUENCE
	CorruptIndex    ResultCode = sqlite3.SQLITE_CORRUPT_INDEX

	CantOpenNoTempDir ResultCode = sqlite3.SQLITE_CANTOPEN_NOTEMPDIR
	CantOpenIsDir     ResultCode = sqlite3.SQLITE_CANTOPEN_ISDIR
	CantOpenFullPath  ResultCode = sqlite3.SQLITE_CANTOPEN_FULLPATH
	CantOpenConvPath  ResultCode = sqlite3.SQLITE_CANTOPEN_CONVPATH
	CantOpenDirtyWAL  ResultCode = sqlite3.SQLITE_CANTOPEN_DIRTYWAL
	CantOpenSymlink   ResultCode = sqlite3.SQLITE_CANTOPEN_SYMLINK

	ConstraintCheck      ResultCode = sqlite3.SQLITE_CONSTRAINT_CHECK
	ConstraintCommitHook ResultCode = sqlite3.SQLITE_CONSTRAINT_COMMITHOOK
	ConstraintForeignKey ResultCode = sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
	ConstraintFunction   ResultCode = sqlite3.SQLITE_CONSTRAINT_FUNCTION
	ConstraintNotNull    ResultCode = sqlite3.SQLITE_CONSTRAINT_NOTNULL
	ConstraintPrimaryKey ResultCode = sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	ConstraintTrigger    ResultCode = sqlite3.SQLITE_CONSTRAINT_TRIGGER
	ConstraintUnique     ResultCode = sqlite3.SQLITE_CONSTRAINT_UNIQUE
	ConstraintVTab       ResultCode = sqlite3.SQLITE_CONSTRAINT_VTAB
	ConstraintRowID      ResultCode = sqlite3.SQLITE_CONSTRAINT_ROWID
	ConstraintPinned     ResultCode = sqlite3.SQLITE_CONSTRAINT_PINNED
	ConstraintDataType   ResultCode = sqlite3.SQLITE_CONSTRAINT_DATATYPE

	AuthUser ResultCode = sqlite3.SQLITE_AUTH_USER

	NoticeRecoverWAL      ResultCode = sqlite3.SQLITE_NOTICE_RECOVER_WAL
	NoticeRecoverRollback ResultCode = sqlite3.SQLITE_NOTICE_RECOVER_ROLLBACK
	NoticeRBU             ResultCode = sqlite3.SQLITE_NOTICE_RBU

	WarningAutoIndex ResultCode = sqlite3.SQLITE_WARNING_AUTOINDEX
)

var codeNames = map[ResultCode]string{
	OK:                     "SQLITE_OK",
	Generic:                "SQLITE_ERROR",
	Internal:               "SQLITE_INTERNAL",
	Perm:                   "SQLITE_PERM",
	Abort:                  "SQLITE_ABORT",
	Busy:                   "SQLITE_BUSY",
	Locked:                 "SQLITE_LOCKED",
	NoMem:                  "SQLITE_NOMEM",
	ReadOnly:               "SQLITE_READONLY",
	Interrupt:              "SQLITE_INTERRUPT",
	IOErr:                  "SQLITE_IOERR",
	Corrupt:                "SQLITE_CORRUPT",
	NotFound:               "SQLITE_NOTFOUND",
	Full:                   "SQLITE_FULL",
	CantOpen:               "SQLITE_CANTOPEN",
	Protocol:               "SQLITE_PROTOCOL",
	Empty:                  "SQLITE_EMPTY",
	Schema:                 "SQLITE_SCHEMA",
	TooBig:                 "SQLITE_TOOBIG",
	Constraint:             "SQLITE_CONSTRAINT",
	Mismatch:               "SQLITE_MISMATCH",
	Misuse:                 "SQLITE_MISUSE",
	NoLFS:                  "SQLITE_NOLFS",
	Auth:                   "SQLITE_AUTH",
	Format:                 "SQLITE_FORMAT",
	Range:                  "SQLITE_RANGE",
	NotADB:                 "SQLITE_NOTADB",
	Notice:                 "SQLITE_NOTICE",
	Warning:                "SQLITE_WARNING",
	Row:                    "SQLITE_ROW",
	Done:                   "SQLITE_DONE",
	GenericMissingCollSeq:  "SQLITE_ERROR_MISSING_COLLSEQ",
	GenericRetry:           "SQLITE_ERROR_RETRY",
	GenericSnapshot:        "SQLITE_ERROR_SNAPSHOT",
	GenericReserveSize:     "SQLITE_ERROR_RESERVESIZE",
	GenericKey:             "SQLITE_ERROR_KEY",
	GenericUnable:          "SQLITE_ERROR_UNABLE",
	AbortRollback:          "SQLITE_ABORT_ROLLBACK",
	BusyRecovery:           "SQLITE_BUSY_RECOVERY",
	BusySnapshot:           "SQLITE_BUSY_SNAPSHOT",
	BusyTimeout:            "SQLITE_BUSY_TIMEOUT",
	LockedSharedCache:      "SQLITE_LOCKED_SHAREDCACHE",
	LockedVTab:             "SQLITE_LOCKED_VTAB",
	ReadOnlyRecovery:       "SQLITE_READONLY_RECOVERY",
	ReadOnlyCantLock:       "SQLITE_READONLY_CANTLOCK",
	ReadOnlyRollback:       "SQLITE_READONLY_ROLLBACK",
	ReadOnlyDBMoved:        "SQLITE_READONLY_DBMOVED",
	ReadOnlyCantInit:       "SQLITE_READONLY_CANTINIT",
	ReadOnlyDirectory:      "SQLITE_READONLY_DIRECTORY",
	IOErrRead:              "SQLITE_IOERR_READ",
	IOErrShortRead:         "SQLITE_IOERR_SHORT_READ",
	IOErrWrite:             "SQLITE_IOERR_WRITE",
	IOErrFsync:             "SQLITE_IOERR_FSYNC",
	IOErrDirFsync:          "SQLITE_IOERR_DIR_FSYNC",
	IOErrTruncate:          "SQLITE_IOERR_TRUNCATE",
	IOErrFstat:             "SQLITE_IOERR_FSTAT",
	IOErrUnlock:            "SQLITE_IOERR_UNLOCK",
	IOErrRdLock:            "SQLITE_IOERR_RDLOCK",
	IOErrDelete:            "SQLITE_IOERR_DELETE",
	IOErrBlocked:           "SQLITE_IOERR_BLOCKED",
	IOErrNoMem:             "SQLITE_IOERR_NOMEM",
	IOErrAccess:            "SQLITE_IOERR_ACCESS",
	IOErrCheckReservedLock: "SQLITE_IOERR_CHECKRESERVEDLOCK",
	IOErrLock:              "SQLITE_IOERR_LOCK",
	IOErrClose:             "SQLITE_IOERR_CLOSE",
	IOErrDirClose:          "SQLITE_IOERR_DIR_CLOSE",
	IOErrShmOpen:           "SQLITE_IOERR_SHMOPEN",
	IOErrShmSize:           "SQLITE_IOERR_SHMSIZE",
	IOErrShmLock:           "SQLITE_IOERR_SHMLOCK",
	IOErrShmMap:            "SQLITE_IOERR_SHMMAP",
	IOErrSeek:              "SQLITE_IOERR_SEEK",
	IOErrDeleteNoEnt:       "SQLITE_IOERR_DELETE_NOENT",
	IOErrMmap:              "SQLITE_IOERR_MMAP",
	IOErrGetTempPath:       "SQLITE_IOERR_GETTEMPPATH",
	IOErrConvPath:          "SQLITE_IOERR_CONVPATH",
	IOErrVnode:             "SQLITE_IOERR_VNODE",
	IOErrAuth:              "SQLITE_IOERR_AUTH",
	IOErrBeginAtomic:       "SQLITE_IOERR_BEGIN_ATOMIC",
	IOErrCommitAtomic:      "SQLITE_IOERR_COMMIT_ATOMIC",
	IOErrRollbackAtomic:    "SQLITE_IOERR_ROLLBACK_ATOMIC",
	IOErrData:              "SQLITE_IOERR_DATA",
	IOErrCorruptFS:         "SQLITE_IOERR_CORRUPTFS",
	IOErrInPage:            "SQLITE_IOERR_IN_PAGE",
	IOErrBadKey:            "SQLITE_IOERR_BADKEY",
	IOErrCodec:             "SQLITE_IOERR_CODEC",
	CorruptVTab:            "SQLITE_CORRUPT_VTAB",
	CorruptSequence:        "SQLITE_CORRUPT_SEQUENCE",
	CorruptIndex:           "SQLITE_CORRUPT_INDEX",
	CantOpenNoTempDir:      "SQLITE_CANTOPEN_NOTEMPDIR",
	CantOpenIsDir:          "SQLITE_CANTOPEN_ISDIR",
	CantOpenFullPath:       "SQLITE_CANTOPEN_FULLPATH",
	CantOpenConvPath:       "SQLITE_CANTOPEN_CONVPATH",
	CantOpenDirtyWAL:       "SQLITE_CANTOPEN_DIRTYWAL",
	CantOpenSymlink:        "SQLITE_CANTOPEN_SYMLINK",
	ConstraintCheck:        "SQLITE_CONSTRAINT_CHECK",
	ConstraintCommitHook:   "SQLITE_CONSTRAINT_COMMITHOOK",
	ConstraintForeignKey:   "SQLITE_CONSTRAINT_FOREIGNKEY",
	ConstraintFunction:     "SQLITE_CONSTRAINT_FUNCTION",
	ConstraintNotNull:      "SQLITE_CONSTRAINT_NOTNULL",
	ConstraintPrimaryKey:   "SQLITE_CONSTRAINT_PRIMARYKEY",
	ConstraintTrigger:      "SQLITE_CONSTRAINT_TRIGGER",
	ConstraintUnique:       "SQLITE_CONSTRAINT_UNIQUE",
	ConstraintVTab:         "SQLITE_CONSTRAINT_VTAB",
	ConstraintRowID:        "SQLITE_CONSTRAINT_ROWID",
	ConstraintPinned:       "SQLITE_CONSTRAINT_PINNED",
	ConstraintDataType:     "SQLITE_CONSTRAINT_DATATYPE",
	AuthUser:               "SQLITE_AUTH_USER",
	NoticeRecoverWAL:       "SQLITE_NOTICE_RECOVER_WAL",
	NoticeRecoverRollback:  "SQLITE_NOTICE_RECOVER_ROLLBACK",
	NoticeRBU:              "SQLITE_NOTICE_RBU",
	WarningAutoIndex:       "SQLITE_WARNING_AUTOINDEX",
}

// CodeByName returns the code with a name that [ResultCode.String] gives, such as "SQLITE_BUSY_SNAPSHOT".
func CodeByName(name string) (code ResultCode, ok bool) {
	for code, known := range codeNames {
		if known == name {
			return code, true
		}
	}
	return 0, false
}
