package harness

import (
	"cmp"
	"fmt"
	"os"
	"time"
)

// Measure is one kind of measurement, on servers of its own. It emits what it finds as it does.
type Measure struct {
	Name string
	Run  func(h *Host, emit func(Result)) error
}

// Hosted gives the measure its host, and cleans up behind it.
func (m Measure) Hosted(emit func(Result)) (err error) {
	h := NewHost()
	defer func() { err = cmp.Or(err, h.Finish(recover())) }()
	return m.Run(h, emit)
}

// Report runs the measure for a program, prints what it finds, and saves that in the directory out unless it is "".
func (m Measure) Report(program, out string, peers ...string) error {
	rep := NewReport(program, m.Name, time.Now(), peers...)
	rep.WriteHead(os.Stdout)
	err := m.Hosted(func(r Result) {
		rep.Results = append(rep.Results, r)
		r.Write(os.Stdout)
	})
	fmt.Println()
	if err != nil || out == "" {
		return err
	}
	return rep.Save(out)
}
