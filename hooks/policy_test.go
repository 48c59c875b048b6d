package hooks

import "testing"

func TestEveryActionHasItsNameAndArguments(t *testing.T) {
	for code := ActionCreateIndex; code <= ActionRecursive; code++ {
		if kind, ok := actionKinds[code]; !ok || code.String() != kind.name {
			t.Errorf("action %d is called %v", int(code), code)
		}
	}
	for _, test := range []struct {
		action Action
		got    func(Action) string
		want   string
	}{
		{Action{Code: ActionCreateIndex, First: "i", Second: "t"}, Action.Index, "i"},
		{Action{Code: ActionCreateIndex, First: "i", Second: "t"}, Action.Table, "t"},
		{Action{Code: ActionDropTrigger, First: "g", Second: "t"}, Action.Trigger, "g"},
		{Action{Code: ActionCreateTempView, First: "v"}, Action.View, "v"},
		{Action{Code: ActionPragma, First: "p", Second: "1"}, Action.Pragma, "p"},
		{Action{Code: ActionPragma, First: "p", Second: "1"}, Action.PragmaArgument, "1"},
		{Action{Code: ActionRead, First: "t", Second: "c"}, Action.Table, "t"},
		{Action{Code: ActionRead, First: "t", Second: "c"}, Action.Column, "c"},
		{Action{Code: ActionSavepoint, First: "BEGIN", Second: "s"}, Action.Operation, "BEGIN"},
		{Action{Code: ActionSavepoint, First: "BEGIN", Second: "s"}, Action.Savepoint, "s"},
		{Action{Code: ActionAttach, First: "f"}, Action.Filename, "f"},
		{Action{Code: ActionDetach, First: "d"}, Action.Detached, "d"},
		{Action{Code: ActionCreateVTable, First: "t", Second: "m"}, Action.Module, "m"},
		{Action{Code: ActionFunction, Second: "f"}, Action.Function, "f"},
		{Action{Code: ActionAlterTable, First: "main", Second: "t"}, Action.Table, "t"},
		{Action{Code: ActionSelect, First: "x", Second: "y"}, Action.Table, ""},
	} {
		if got := test.got(test.action); got != test.want {
			t.Errorf("%v: got %q, want %q", test.action, got, test.want)
		}
	}
}

func TestRulesAreJoined(t *testing.T) {
	rule := func(v Verdict) Authorizer { return func(Action) Verdict { return v } }
	for _, test := range []struct{ a, b, all, any Verdict }{
		{Allow, Allow, Allow, Allow}, {Allow, Deny, Deny, Allow}, {Allow, Ignore, Ignore, Allow},
		{Ignore, Deny, Deny, Ignore}, {Deny, Deny, Deny, Deny}, {Ignore, Ignore, Ignore, Ignore},
	} {
		for _, rules := range [][]Authorizer{{rule(test.a), rule(test.b)}, {rule(test.b), rule(test.a)}} {
			if got := All(rules...)(Action{}); got != test.all {
				t.Errorf("all of %v and %v: %v, want %v", test.a, test.b, got, test.all)
			}
			if got := Any(rules...)(Action{}); got != test.any {
				t.Errorf("any of %v and %v: %v, want %v", test.a, test.b, got, test.any)
			}
		}
	}
}

func TestNamesDisregardTheCaseOfASCIILetters(t *testing.T) {
	rule := DenyColumns("Main.Users.ÄPassword", "dotted.name")
	for _, test := range []struct {
		action Action
		want   Verdict
	}{
		{Action{Code: ActionRead, Database: "main", First: "USERS", Second: "ÄpassworD"}, Deny},
		{Action{Code: ActionRead, Database: "main", First: "users", Second: "äpassword"}, Allow},
		{Action{Code: ActionRead, Database: "temp", First: "users", Second: "Äpassword"}, Allow},
		{Action{Code: ActionUpdate, Database: "any", First: "dotted", Second: "NAME"}, Deny},
		{Action{Code: ActionInsert, Database: "any", First: "dotted"}, Allow},
	} {
		if got := rule(test.action); got != test.want {
			t.Errorf("%v: %v, want %v", test.action, got, test.want)
		}
	}
}
