package hooks

import (
	"fmt"
	"strconv"
	"strings"
)

// Authorizer decides whether a statement that is being compiled may do something. It is asked for each thing that
// the statement does.
//
// https://sqlite.org/c3ref/set_authorizer.html
type Authorizer func(Action) Verdict

// Verdict is the answer of an [Authorizer]. The values are SQLite's.
//
// https://sqlite.org/c3ref/c_deny.html
type Verdict int32

// The verdicts.
const (
	Allow  Verdict = 0
	Deny   Verdict = 1 // the statement is an error
	Ignore Verdict = 2 // a column reads as NULL and is not updated; other things are not done, where that is possible
)

// String returns the name of the verdict.
func (v Verdict) String() string {
	switch v {
	case Allow:
		return "allow"
	case Deny:
		return "deny"
	case Ignore:
		return "ignore"
	}
	return fmt.Sprintf("Verdict(%d)", int32(v))
}

// ActionCode says what kind of thing an [Action] is. The values are SQLite's.
//
// https://sqlite.org/c3ref/c_alter_table.html
type ActionCode int32

// The kinds of actions, each with the methods of [Action] that have its arguments.
const (
	ActionCreateIndex       ActionCode = 1  // Index, Table
	ActionCreateTable       ActionCode = 2  // Table
	ActionCreateTempIndex   ActionCode = 3  // Index, Table
	ActionCreateTempTable   ActionCode = 4  // Table
	ActionCreateTempTrigger ActionCode = 5  // Trigger, Table
	ActionCreateTempView    ActionCode = 6  // View
	ActionCreateTrigger     ActionCode = 7  // Trigger, Table
	ActionCreateView        ActionCode = 8  // View
	ActionDelete            ActionCode = 9  // Table
	ActionDropIndex         ActionCode = 10 // Index, Table
	ActionDropTable         ActionCode = 11 // Table
	ActionDropTempIndex     ActionCode = 12 // Index, Table
	ActionDropTempTable     ActionCode = 13 // Table
	ActionDropTempTrigger   ActionCode = 14 // Trigger, Table
	ActionDropTempView      ActionCode = 15 // View
	ActionDropTrigger       ActionCode = 16 // Trigger, Table
	ActionDropView          ActionCode = 17 // View
	ActionInsert            ActionCode = 18 // Table
	ActionPragma            ActionCode = 19 // Pragma, PragmaArgument
	ActionRead              ActionCode = 20 // Table, Column, which is "" if no column of the table is read
	ActionSelect            ActionCode = 21
	ActionTransaction       ActionCode = 22 // Operation: BEGIN, COMMIT or ROLLBACK
	ActionUpdate            ActionCode = 23 // Table, Column
	ActionAttach            ActionCode = 24 // Filename
	ActionDetach            ActionCode = 25 // Detached
	ActionAlterTable        ActionCode = 26 // Table; Database is that of the table
	ActionReindex           ActionCode = 27 // Index
	ActionAnalyze           ActionCode = 28 // Table
	ActionCreateVTable      ActionCode = 29 // Table, Module
	ActionDropVTable        ActionCode = 30 // Table, Module
	ActionFunction          ActionCode = 31 // Function
	ActionSavepoint         ActionCode = 32 // Operation: BEGIN, RELEASE or ROLLBACK; Savepoint
	ActionRecursive         ActionCode = 33
)

// role is what an argument of an action is.
type role uint8

const (
	roleNone role = iota
	roleTable
	roleColumn
	roleIndex
	roleTrigger
	roleView
	rolePragma
	rolePragmaArgument
	roleOperation
	roleFilename
	roleDatabase
	roleModule
	roleFunction
	roleSavepoint
)

// actionKinds has the name and the roles of both arguments of each kind of action.
var actionKinds = map[ActionCode]struct {
	name   string
	first  role
	second role
}{
	ActionCreateIndex:       {"CREATE_INDEX", roleIndex, roleTable},
	ActionCreateTable:       {"CREATE_TABLE", roleTable, roleNone},
	ActionCreateTempIndex:   {"CREATE_TEMP_INDEX", roleIndex, roleTable},
	ActionCreateTempTable:   {"CREATE_TEMP_TABLE", roleTable, roleNone},
	ActionCreateTempTrigger: {"CREATE_TEMP_TRIGGER", roleTrigger, roleTable},
	ActionCreateTempView:    {"CREATE_TEMP_VIEW", roleView, roleNone},
	ActionCreateTrigger:     {"CREATE_TRIGGER", roleTrigger, roleTable},
	ActionCreateView:        {"CREATE_VIEW", roleView, roleNone},
	ActionDelete:            {"DELETE", roleTable, roleNone},
	ActionDropIndex:         {"DROP_INDEX", roleIndex, roleTable},
	ActionDropTable:         {"DROP_TABLE", roleTable, roleNone},
	ActionDropTempIndex:     {"DROP_TEMP_INDEX", roleIndex, roleTable},
	ActionDropTempTable:     {"DROP_TEMP_TABLE", roleTable, roleNone},
	ActionDropTempTrigger:   {"DROP_TEMP_TRIGGER", roleTrigger, roleTable},
	ActionDropTempView:      {"DROP_TEMP_VIEW", roleView, roleNone},
	ActionDropTrigger:       {"DROP_TRIGGER", roleTrigger, roleTable},
	ActionDropView:          {"DROP_VIEW", roleView, roleNone},
	ActionInsert:            {"INSERT", roleTable, roleNone},
	ActionPragma:            {"PRAGMA", rolePragma, rolePragmaArgument},
	ActionRead:              {"READ", roleTable, roleColumn},
	ActionSelect:            {"SELECT", roleNone, roleNone},
	ActionTransaction:       {"TRANSACTION", roleOperation, roleNone},
	ActionUpdate:            {"UPDATE", roleTable, roleColumn},
	ActionAttach:            {"ATTACH", roleFilename, roleNone},
	ActionDetach:            {"DETACH", roleDatabase, roleNone},
	ActionAlterTable:        {"ALTER_TABLE", roleDatabase, roleTable},
	ActionReindex:           {"REINDEX", roleIndex, roleNone},
	ActionAnalyze:           {"ANALYZE", roleTable, roleNone},
	ActionCreateVTable:      {"CREATE_VTABLE", roleTable, roleModule},
	ActionDropVTable:        {"DROP_VTABLE", roleTable, roleModule},
	ActionFunction:          {"FUNCTION", roleNone, roleFunction},
	ActionSavepoint:         {"SAVEPOINT", roleOperation, roleSavepoint},
	ActionRecursive:         {"RECURSIVE", roleNone, roleNone},
}

// String returns SQLite's name of the code without its prefix, such as "CREATE_TABLE".
func (code ActionCode) String() string {
	if kind, ok := actionKinds[code]; ok {
		return kind.name
	}
	return fmt.Sprintf("ActionCode(%d)", int32(code))
}

// Action is one thing that a statement does. The arguments, which mean something else for each kind of action, are
// read by the methods that are named after what they are; a method gives "" for an action that has no such thing.
//
// https://sqlite.org/c3ref/set_authorizer.html
type Action struct {
	Code     ActionCode
	Database string // "main", "temp" or the name that it was attached under; "" if the action has none
	Accessor string // the innermost trigger or view whose SQL does this; "" if it is that of the statement

	First, Second string // the arguments as SQLite gives them
}

func (a Action) argument(r role) string {
	kind := actionKinds[a.Code]
	switch r {
	case kind.first:
		return a.First
	case kind.second:
		return a.Second
	}
	return ""
}

// Table returns the table that is acted on.
func (a Action) Table() string {
	// These are asked about most, and cost no look-up.
	switch a.Code {
	case ActionRead, ActionUpdate, ActionInsert, ActionDelete:
		return a.First
	}
	return a.argument(roleTable)
}

// Column returns the column that is read or updated.
func (a Action) Column() string {
	if a.Code == ActionRead || a.Code == ActionUpdate {
		return a.Second
	}
	return ""
}

// Index returns the index that is made, dropped or built anew.
func (a Action) Index() string { return a.argument(roleIndex) }

// Trigger returns the trigger that is made or dropped.
func (a Action) Trigger() string { return a.argument(roleTrigger) }

// View returns the view that is made or dropped.
func (a Action) View() string { return a.argument(roleView) }

// Pragma returns the name of a PRAGMA, as it was written.
func (a Action) Pragma() string { return a.argument(rolePragma) }

// PragmaArgument returns what a PRAGMA is set to or called with, "" if there is nothing.
func (a Action) PragmaArgument() string { return a.argument(rolePragmaArgument) }

// Operation returns which operation on a transaction or a savepoint it is.
func (a Action) Operation() string { return a.argument(roleOperation) }

// Filename returns the name of the file that is attached; "" also if it is not a literal.
func (a Action) Filename() string { return a.argument(roleFilename) }

// Detached returns the name of the database that is detached.
func (a Action) Detached() string {
	if a.Code == ActionDetach {
		return a.First
	}
	return ""
}

// Module returns the module of a virtual table.
func (a Action) Module() string { return a.argument(roleModule) }

// Function returns the function that is called.
func (a Action) Function() string { return a.argument(roleFunction) }

// Savepoint returns the name of a savepoint.
func (a Action) Savepoint() string { return a.argument(roleSavepoint) }

// String returns the action with all that is known about it.
func (a Action) String() string {
	var b strings.Builder
	b.WriteString(a.Code.String())
	for _, part := range []struct{ before, text string }{
		{" ", a.First}, {" ", a.Second}, {" in ", a.Database}, {" by ", a.Accessor},
	} {
		if part.text != "" {
			b.WriteString(part.before)
			b.WriteString(strconv.Quote(part.text))
		}
	}
	return b.String()
}

// DeniedError is the cause of the error of a statement that an [Authorizer] has refused.
//
// https://sqlite.org/c3ref/set_authorizer.html
type DeniedError struct {
	Action Action
}

// Error returns the action that was refused.
func (e *DeniedError) Error() string { return "hooks: denied: " + e.Action.String() }
