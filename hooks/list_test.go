package hooks

import (
	"errors"
	"slices"
	"testing"
)

func TestListCallsItsListenersInOrder(t *testing.T) {
	var list List[int]
	var got []string
	listen := func(name string, err error) func(int) error {
		return func(int) error { got = append(got, name); return err }
	}
	if err := list.Call(1); err != nil {
		t.Errorf("an empty list: %v", err)
	}
	list.Add(listen("a", nil))
	removeB := list.Add(listen("b", nil))
	wrong := errors.New("wrong")
	removeC := list.Add(listen("c", wrong))
	list.Add(listen("d", nil))
	if err := list.Call(1); err != wrong {
		t.Errorf("call: %v, want %v", err, wrong)
	}
	removeB()
	removeB()
	removeC()
	if err := list.Call(2); err != nil {
		t.Errorf("call: %v", err)
	}
	if want := []string{"a", "b", "c", "a", "d"}; !slices.Equal(got, want) {
		t.Errorf("called %q, want %q", got, want)
	}
}

func TestListenerMayRemoveItself(t *testing.T) {
	var list List[int]
	calls := 0
	var remove func()
	remove = list.Add(func(int) error { calls++; remove(); return nil })
	for range 3 {
		if err := list.Call(1); err != nil {
			t.Fatal(err)
		}
	}
	if calls != 1 {
		t.Errorf("called %d times, want 1", calls)
	}
}
