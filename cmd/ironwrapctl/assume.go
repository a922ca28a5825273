package main

import (
	"errors"
	"io/fs"

	"ironwrap/filters"
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
// a policy on another machine than its own. It looks for each program and each path
// once.
type assuming struct {
	*machine.Machine
	dir      string // the first of exec_dirs
	found    map[[2]string]answer
	bases    map[[2]string]base
	resolved map[[3]string]resolved
}

type base struct {
	path string
	err  error
}

type resolved struct {
	path filters.Untrusted
	err  error
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
	return assuming{machine.New(p.ExecDirs, p.Trust), dir, map[[2]string]answer{}, map[[2]string]base{}, map[[3]string]resolved{}}
}

func (a assuming) Base(dir, runAs string) (string, error) {
	key := [2]string{dir, runAs}
	known, ok := a.bases[key]
	if !ok {
		known.path, known.err = a.Machine.Base(dir, runAs)
		a.bases[key] = known
	}
	return known.path, known.err
}

func (a assuming) Resolve(path filters.Untrusted, dir, runAs string) (filters.Untrusted, error) {
	key := [3]string{path.Raw(), dir, runAs}
	known, ok := a.resolved[key]
	if !ok {
		known.path, known.err = a.Machine.Resolve(path, dir, runAs)
		a.resolved[key] = known
	}
	return known.path, known.err
}

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
