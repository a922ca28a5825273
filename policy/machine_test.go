package policy

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy/program"
)

// fakeMachine has every program in /bin, and every absolute one, but those that
// are absent.
type fakeMachine struct {
	absent    map[string]bool
	processes map[int]filters.Process
	found     []string // programs that were looked for
}

func (m *fakeMachine) Find(name, runAs string) (program.Program, error) {
	m.found = append(m.found, name)
	if m.absent[name] {
		return program.Program{}, program.ErrNotFound
	}
	if path.IsAbs(name) {
		return program.Program{Path: name}, nil
	}
	return program.Program{Path: "/bin/" + name, InPATH: strings.HasPrefix(name, "env-script")}, nil
}

func (m *fakeMachine) Base(dir, runAs string) (string, error) {
	base, err := m.Resolve(filters.Untrusted(dir), "", runAs)
	return base.Raw(), err
}

func (m *fakeMachine) Resolve(p filters.Untrusted, _, runAs string) (filters.Untrusted, error) {
	if !path.IsAbs(p.Raw()) {
		return "", errors.New("not absolute")
	}
	return filters.Untrusted(path.Clean(p.Raw())), nil
}

func (m *fakeMachine) Process(pid int) (filters.Process, error) {
	if p, ok := m.processes[pid]; ok {
		return p, nil
	}
	return filters.Process{}, fmt.Errorf("cannot find process %d", pid)
}

func (m *fakeMachine) Programs(name string) []filters.Program {
	return []filters.Program{{Path: "/bin/" + path.Base(name), Exists: true, File: filters.File{Dev: 1, Ino: 1}, DirDev: 1}}
}

func (m *fakeMachine) Stable(string) error { return nil }

func (m *fakeMachine) Trusted(p filters.Untrusted) error {
	return fmt.Errorf("cannot trust %s", p)
}

// newMachine has process 100, which runs /bin/daemon.
func newMachine(absent ...string) *fakeMachine {
	m := &fakeMachine{absent: make(map[string]bool), processes: map[int]filters.Process{
		100: {PID: 100, FD: 7, Link: "/bin/daemon", SameRoot: true, Exe: filters.File{Dev: 1, Ino: 1, Links: 1}},
	}}
	for _, name := range absent {
		m.absent[name] = true
	}
	return m
}

// newPolicy makes a policy of definitions "name: definition", one a line.
func newPolicy(t testing.TB, lines string) *Policy {
	t.Helper()
	p := &Policy{Path: "/etc/x/rootwrap.conf"}
	for i, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		name, definition, _ := strings.Cut(strings.TrimSpace(line), ": ")
		f, err := filters.New(definition)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		p.Filters = append(p.Filters, Entry{Filter: f, Name: name, File: "/etc/x/f.filters", Line: i + 1})
	}
	return p
}

// words splits at each single blank.
func words(line string) []filters.Untrusted { return filters.Words(strings.Split(line, " ")) }
