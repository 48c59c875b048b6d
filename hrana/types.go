package hrana

import "strconv"

// The structures that requests and answers share. They are described in "Shared structures" of
// https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md, and where libSQL's server adds a field to
// the specification the field says so.

// Stmt is one SQL statement with its arguments. Some servers, libSQL's among them, refuse a statement that has both
// positional and named arguments.
type Stmt struct {
	SQL    string
	Stored bool     // the text is the one stored as SQLID, and SQL is not sent
	SQLID  StoredID // from [Stream.StoreSQL]

	Args      []Value    // bound by position, the first one to parameter 1
	NamedArgs []NamedArg // bound by name

	// NoRows leaves the rows out of the result. libSQL's server sends them nevertheless; a cursor gives what it sends.
	NoRows bool

	// MinIndex has a server that is itself a replica wait until it holds this frame before it runs the statement. It
	// is an addition of libSQL, and used by [Stream.Execute] alone: in a batch, that of the batch counts.
	MinIndex Index
}

// NamedArg is an argument bound by name. The name is best given with its prefix, ":", "@" or "$"; without one, the
// server guesses.
type NamedArg struct {
	Name  string
	Value Value
}

// StoredID names an SQL text stored on the server.
type StoredID int32

// Index is a replication index: the number of a frame in the server's log, the first one 0. It is an addition of
// libSQL. The zero value is one that is not known.
type Index struct {
	FrameNo uint64
	Known   bool
}

// FrameIndex is the known index of frame no.
func FrameIndex(no uint64) Index { return Index{FrameNo: no, Known: true} }

// String gives the number of the frame, or "unknown".
func (i Index) String() string {
	if !i.Known {
		return "unknown"
	}
	return strconv.FormatUint(i.FrameNo, 10)
}

// Later gives the later of two indexes. Any known one is later than one that is not known.
func (i Index) Later(j Index) Index {
	if !i.Known || (j.Known && j.FrameNo > i.FrameNo) {
		return j
	}
	return i
}

// Col describes a column of a result. A name or declared type that the server left out is empty.
type Col struct {
	Name     string
	Decltype string
}

// StmtResult is what a statement gave. That a row has as many values as there are columns is the server's word: who goes
// by the columns looks at the row's length.
type StmtResult struct {
	Cols []Col
	Rows [][]Value

	// RowsAffected is the number of rows that an INSERT, UPDATE or DELETE changed, and undefined for others.
	RowsAffected uint64
	// LastInsertRowID is the rowid of the last row inserted, where the server says one.
	LastInsertRowID    int64
	HasLastInsertRowID bool

	// ReplicationIndex is the frame that contains what the statement wrote, or the newest frame there was when it
	// read: what a replica must hold to see the same. Servers leave it out in the results of a batch's steps, see
	// [BatchResult]. It is an addition of libSQL, as are those below.
	ReplicationIndex Index
	RowsRead         uint64
	RowsWritten      uint64
	DurationMS       float64 // the time the server took, in milliseconds
}

// Batch is a list of statements that run one after the other, each if its condition holds. It is no transaction: see
// [Transaction] for one.
type Batch struct {
	Steps    []BatchStep
	MinIndex Index // like that of [Stmt]
}

// BatchStep is one statement of a batch.
type BatchStep struct {
	Condition *Cond // nil is always
	Stmt      Stmt
}

// CondKind is what a condition looks at.
type CondKind uint8

// The kinds of conditions.
const (
	CondOK           CondKind = iota + 1 // step Step ran without an error
	CondError                            // step Step ran into an error
	CondNot                              // the only one of Conds is false
	CondAnd                              // all of Conds are true
	CondOr                               // any of Conds is true
	CondIsAutocommit                     // the stream is not in an explicit transaction
)

var condNames = [...]string{"", "ok", "error", "not", "and", "or", "is_autocommit"}

// String gives the name that the protocol has for the kind.
func (k CondKind) String() string {
	if k > 0 && int(k) < len(condNames) {
		return condNames[k]
	}
	return "condition " + strconv.Itoa(int(k))
}

// Cond is the condition of a batch's step. A step counts from 0 and must come before the one with the condition; of
// a step that was skipped neither OK nor Failed is true.
type Cond struct {
	Kind  CondKind
	Step  uint32
	Conds []Cond
}

// OK is true when the step ran without an error.
func OK(step int) *Cond { return &Cond{Kind: CondOK, Step: uint32(step)} }

// Failed is true when the step ran into an error.
func Failed(step int) *Cond { return &Cond{Kind: CondError, Step: uint32(step)} }

// Not is true when c is false.
func Not(c *Cond) *Cond { return &Cond{Kind: CondNot, Conds: []Cond{*c}} }

// And is true when all of conds are true, and when there is none.
func And(conds ...*Cond) *Cond { return &Cond{Kind: CondAnd, Conds: condList(conds)} }

// Or is true when any of conds is true.
func Or(conds ...*Cond) *Cond { return &Cond{Kind: CondOr, Conds: condList(conds)} }

// IsAutocommit is true when the stream is not in an explicit transaction. It needs version 3 of the protocol.
func IsAutocommit() *Cond { return &Cond{Kind: CondIsAutocommit} }

func condList(conds []*Cond) []Cond {
	list := make([]Cond, len(conds))
	for i, c := range conds {
		list[i] = *c
	}
	return list
}

// Transaction is the batch that runs the statements in a transaction and commits it when all of them succeed, and
// otherwise rolls it back. Begin is the statement that opens it, such as "BEGIN IMMEDIATE". In the results, the first
// step is the opening one, and the two after the statements are COMMIT and ROLLBACK.
func Transaction(begin string, stmts ...Stmt) Batch {
	steps := make([]BatchStep, 0, len(stmts)+3)
	steps = append(steps, BatchStep{Stmt: Stmt{SQL: begin, NoRows: true}})
	for _, s := range stmts {
		steps = append(steps, BatchStep{Condition: OK(len(steps) - 1), Stmt: s})
	}
	commit := len(steps)
	steps = append(steps,
		BatchStep{Condition: OK(commit - 1), Stmt: Stmt{SQL: "COMMIT", NoRows: true}},
		BatchStep{Condition: And(OK(0), Not(OK(commit))), Stmt: Stmt{SQL: "ROLLBACK", NoRows: true}})
	return Batch{Steps: steps}
}

// BatchResult is what a batch gave: one entry for each of its steps.
type BatchResult struct {
	Steps []StepResult
	// ReplicationIndex is that of the whole batch: see [StmtResult]. In [Protobuf] the protocol has no place for it:
	// there, it is known from [Cursor.Collect] only.
	ReplicationIndex Index
}

// Err gives the error of the first step that failed, and nil when none did.
func (r *BatchResult) Err() error {
	for i := range r.Steps {
		if e := r.Steps[i].Error; e != nil {
			return e
		}
	}
	return nil
}

// StepResult is what a batch's step gave. Both fields are nil for a step that was skipped.
type StepResult struct {
	Result *StmtResult
	Error  *Error
}

// EntryKind is the kind of a [CursorEntry].
type EntryKind uint8

// The kinds of entries.
const (
	EntryStepBegin        EntryKind = iota + 1 // Step begins, with Cols
	EntryStepEnd                               // the step ended, with RowsAffected and LastInsertRowID
	EntryStepError                             // Step failed with Error
	EntryRow                                   // the next Row of the step
	EntryError                                 // the whole batch failed with Error; nothing follows
	EntryReplicationIndex                      // the ReplicationIndex of the batch: an addition of libSQL
)

var entryNames = [...]string{"", "step_begin", "step_end", "step_error", "row", "error", "replication_index"}

// String gives the name that the protocol has for the kind.
func (k EntryKind) String() string {
	if k > 0 && int(k) < len(entryNames) {
		return entryNames[k]
	}
	return "entry " + strconv.Itoa(int(k))
}

// CursorEntry is one piece of a batch's result as a cursor gives it. Which fields are set depends on Kind.
type CursorEntry struct {
	Kind EntryKind
	Step uint32
	Cols []Col
	Row  []Value

	RowsAffected       uint64
	LastInsertRowID    int64
	HasLastInsertRowID bool

	Error            *Error
	ReplicationIndex Index
}

// DescribeResult is what the server says about a statement without running it.
type DescribeResult struct {
	Params     []string // name of each parameter with its prefix, "" for one without a name; the first is parameter 1
	Cols       []Col
	IsExplain  bool // the statement is an EXPLAIN
	IsReadOnly bool // the statement does not write to the database: https://sqlite.org/c3ref/stmt_readonly.html
}

// RequestKind is the kind of a [Request] and of the [Response] to it.
type RequestKind uint8

// The kinds of requests. Over HTTP streams and cursors are not opened, closed and read by requests, except for
// ReqCloseStream.
const (
	ReqOpenStream RequestKind = iota + 1
	ReqCloseStream
	ReqExecute
	ReqBatch
	ReqOpenCursor
	ReqCloseCursor
	ReqFetchCursor
	ReqSequence
	ReqDescribe
	ReqStoreSQL
	ReqCloseSQL
	ReqGetAutocommit
)

var requestNames = [...]string{"", "open_stream", "close_stream", "execute", "batch", "open_cursor", "close_cursor",
	"fetch_cursor", "sequence", "describe", "store_sql", "close_sql", "get_autocommit"}

// String gives the name that the protocol has for the kind over WebSocket.
func (k RequestKind) String() string {
	if k > 0 && int(k) < len(requestNames) {
		return requestNames[k]
	}
	return "request " + strconv.Itoa(int(k))
}

// Request is one request of a client's. Which fields are used depends on Kind; StreamID and CursorID are for
// WebSocket only.
type Request struct {
	Kind     RequestKind
	StreamID int32
	CursorID int32
	MaxCount uint32 // entries that FetchCursor wants at most

	Stmt  *Stmt  // of Execute; of Sequence, Describe, StoreSQL and CloseSQL its SQL, SQLID and Stored
	Batch *Batch // of Batch and OpenCursor
}

// Response is the answer to a [Request] that succeeded, of the same Kind.
type Response struct {
	Kind       RequestKind
	Result     *StmtResult     // of Execute
	Batch      *BatchResult    // of Batch
	Describe   *DescribeResult // of Describe
	Autocommit bool            // of GetAutocommit
	Entries    []CursorEntry   // of FetchCursor
	Done       bool            // of FetchCursor: nothing follows
}

// PipelineRequest is the body of a request that runs requests on a stream over HTTP.
type PipelineRequest struct {
	Baton    string // empty for a new stream
	Requests []Request
}

// PipelineResponse is the body of the answer to a [PipelineRequest].
type PipelineResponse struct {
	Baton   string // for the next request; empty when the server closed the stream
	BaseURL string // where the next request goes; empty when that did not change
	Results []StreamResult
}

// StreamResult is the answer to one request of a pipeline: one of its fields is set.
type StreamResult struct {
	Response *Response
	Error    *Error
}

// CursorRequest is the body of a request that runs a batch on a stream over HTTP and streams its result.
type CursorRequest struct {
	Baton string
	Batch *Batch
}

// CursorResponse is what the answer to a [CursorRequest] begins with, before its entries.
type CursorResponse struct {
	Baton   string
	BaseURL string
}

// ClientMsg is a message of a client's over WebSocket: a hello, or a request.
type ClientMsg struct {
	Hello   bool
	JWT     string // of a hello; empty when there is none
	ID      int32  // of a request: names the answer
	Request *Request
}

// ServerMsgKind is the kind of a [ServerMsg].
type ServerMsgKind uint8

// The kinds of messages of a server's.
const (
	MsgHelloOK ServerMsgKind = iota + 1
	MsgHelloError
	MsgResponseOK
	MsgResponseError
)

var serverMsgNames = [...]string{"", "hello_ok", "hello_error", "response_ok", "response_error"}

// ServerMsg is a message of a server's over WebSocket.
type ServerMsg struct {
	Kind     ServerMsgKind
	ID       int32     // of a response: that of the request
	Response *Response // of MsgResponseOK
	Error    *Error    // of MsgHelloError and MsgResponseError
}
