package difference

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/program"
)

// world is the machine that one of the policies is asked about, the same for both:
//
//   - a program lies where the policy finds it. One that neither finds is taken to lie
//     at a place that both find, for else nothing could be said about its filters
//   - no path leads through a link, and nobody but root made any file that a filter
//     names; of others nobody knows who did
//   - of each program that a KillFilter names there is one process
type world struct {
	side, other *Side
	processes   []string // what they run; the first has the id firstProcess
	absent      map[string]bool
	marks       map[thing]string // what sandboxes name, where it means something else on the other side
}

const firstProcess = 1001

// Machine is what s is asked about by itself. Programs that are not there are taken for
// present.
func (s *Side) Machine() policy.Machine { return worlds(s, s)[0] }

// worlds are those of the old and of the new policy.
func worlds(old, new *Side) [2]*world {
	w := [2]*world{{side: old, other: new, absent: map[string]bool{}, marks: map[thing]string{}}, {side: new, other: old, marks: map[thing]string{}}}
	w[1].absent = w[0].absent
	var running []string
	for _, s := range []*Side{old, new} {
		for _, e := range s.Policy.Filters {
			if target := filters.ShapeOf(e.Filter).Target; target != "" {
				running = append(running, s.places(target)...)
			}
		}
	}
	slices.Sort(running)
	running = slices.Compact(running)
	w[0].processes, w[1].processes = running, running
	return w
}

func (w *world) Find(name, runAs string) (program.Program, error) {
	p, err := w.side.find(name, runAs)
	if err == nil {
		return p, nil
	}
	if _, elsewhere := w.other.find(name, runAs); elsewhere == nil {
		return p, err
	}
	w.absent[name] = true
	return program.Program{Path: name}, nil
}

func (w *world) Base(dir, _ string) (string, error) { return path.Clean(dir), nil }

func (w *world) Resolve(p filters.Untrusted, _, _ string) (filters.Untrusted, error) {
	return filters.Untrusted(path.Clean(p.Raw())), nil
}

func (w *world) Process(pid int) (filters.Process, error) {
	i := pid - firstProcess
	if i < 0 || i >= len(w.processes) {
		return filters.Process{}, fmt.Errorf("there is no process %d", pid)
	}
	runs := w.processes[i]
	return filters.Process{PID: pid, FD: -1, Dir: -1, Exe: w.file(runs), Link: filters.Untrusted(runs), SameRoot: true}, nil
}

func (w *world) Programs(name string) (list []filters.Program) {
	for _, p := range w.side.places(name) {
		list = append(list, filters.Program{Path: p, Exists: true, File: w.file(p), DirDev: 1})
	}
	return list
}

// file is that of a program that some process runs; there is no other.
func (w *world) file(name string) filters.File {
	return filters.File{Dev: 1, Ino: uint64(slices.Index(w.processes, name) + 2), Links: 1}
}

func (*world) Stable(string) error { return nil }

func (*world) Trusted(filters.Untrusted) error {
	return errors.New("is not known to be root's alone")
}

// given tells what a witness takes for granted.
func (w *world) given(d policy.Decision) string {
	if d.Signal == nil {
		return ""
	}
	return fmt.Sprintf("process %d being one that runs %s", d.Signal.Process.PID, d.Signal.Process.Link.Show())
}
