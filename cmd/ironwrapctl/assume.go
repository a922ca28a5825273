package main

import (
	"errors"
	"io/fs"

	"ironwrap/policy"
	"ironwrap/policy/machine"
	"ironwrap/policy/program"
)

// engineMachine is what the engine asks, and what holds processes until it is closed.
type engineMachine interface {
	policy.Machine
	Close()
}

// assuming takes a program that is not installed for one that is: for what is asked of
// a policy on another machine than its own.
type assuming struct {
	*machine.Machine
	dir   string // the first of exec_dirs
	found map[[2]string]answer
}

type answer struct {
	program program.Program
	err     error
}

func newAssuming(p *policy.Policy) assuming {
	dir := "/usr/bin"
	if len(p.ExecDirs) > 0 {
		dir = p.ExecDirs[0]
	}
	return assuming{machine.New(p.ExecDirs, p.Trust), dir, map[[2]string]answer{}}
}

// Find looks for each program once.
func (a assuming) Find(name, runAs string) (program.Program, error) {
	key := [2]string{name, runAs}
	known, ok := a.found[key]
	if !ok {
		known.program, known.err = a.Machine.Find(name, runAs)
		if errors.Is(known.err, program.ErrNotFound) || errors.Is(known.err, fs.ErrNotExist) {
			known = answer{program: program.Program{Path: a.path(name)}}
		}
		a.found[key] = known
	}
	return known.program, known.err
}

func (a assuming) path(name string) string {
	if name[0] == '/' {
		return name
	}
	return a.dir + "/" + name
}
