package work

import (
	"fmt"
	"strings"
	"testing"
)

// scripted is a session whose PRAGMAs read as the map says.
type scripted struct {
	Session
	reads map[string]string
}

func (scripted) Exec(string) error { return nil }

func (s scripted) Text(sql string) (string, error) {
	v, ok := s.reads[strings.TrimPrefix(sql, "PRAGMA ")]
	if !ok {
		return "", fmt.Errorf("unexpected %q", sql)
	}
	return v, nil
}

func settingsAsWanted() map[string]string {
	reads := make(map[string]string)
	for _, s := range Settings {
		reads[s.Name] = s.Reads
	}
	return reads
}

func TestASettingThatDidNotTakeEffectIsAnError(t *testing.T) {
	if err := apply(scripted{reads: settingsAsWanted()}); err != nil {
		t.Errorf("all settings as wanted: %v", err)
	}
	reads := settingsAsWanted()
	reads["journal_mode"] = "delete"
	err := apply(scripted{reads: reads})
	if err == nil || !strings.Contains(err.Error(), `it is "delete" afterwards, not "wal"`) {
		t.Errorf("a journal mode that stayed = %v, want an error with both values", err)
	}
}

func TestScatterStaysAmongTheRows(t *testing.T) {
	for _, n := range []int{1, 10, 100_000} {
		for k := range 1000 {
			if id := Scatter(k, n); id < 1 || id > int64(n) {
				t.Fatalf("Scatter(%d, %d) = %d", k, n, id)
			}
		}
	}
}

func TestNamesOfRowsHaveTwentyBytes(t *testing.T) {
	var name [20]byte
	for _, i := range []int{0, 1, 999_999} {
		if row := RowAt(i, &name); len(row.Name) != 20 || row.ID != int64(i+1) {
			t.Errorf("RowAt(%d) = %+v", i, row)
		}
	}
}

func TestHooksAreOnForWhatIsReportedSoAndOffAtTheEnd(t *testing.T) {
	h := &hooked{}
	var names []string
	b := &bench{s: h, report: func(r Result) { names = append(names, fmt.Sprint(r.Workload, r.Sum)) }}
	work := func() (uint64, error) {
		if h.on {
			h.order += "+"
			return 1, nil
		}
		h.order += "-"
		return 0, nil
	}
	if err := b.withAndWithout("progress", 1, Hooked.Progress, nothing, work); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(names, " "), "progress-off0 progress-on1"; got != want {
		t.Errorf("reported %q, want %q", got, want)
	}
	if h.order != "--++-" || h.on {
		t.Errorf("order %q, on at the end: %v; want --++- and off", h.order, h.on)
	}
}

type hooked struct {
	Session
	on    bool
	order string
}

func (*hooked) UpdateHook(bool) (bool, error) { return false, nil }
func (*hooked) Authorizer(bool) (bool, error) { return false, nil }
func (h *hooked) Progress(on bool) (bool, error) {
	h.on = on
	return true, nil
}
