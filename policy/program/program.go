// Package program tells what execve(2) of a file runs: the file itself, the
// interpreters of a script, the loader of an ELF program and the directories that it
// takes libraries from. All of it is held to what the file is held to: nobody but root
// may come to decide it, or, as far as files go, the user whom it runs as.
package program

import (
	"errors"
	"fmt"
	"io/fs"

	"ironwrap/filters"
	"ironwrap/policy/trust"
)

// Program is a program that was found, with what is known of what it runs.
type Program struct {
	Path string // absolute, as it is executed

	// Others names what runs in it that is not root's but the run-as user's:
	// "/opt/tool is owned by uid 1001". Empty where all is root's.
	Others string

	// Personal names an interpreter that reads files of the run-as user's:
	// "python3.11". Empty for none.
	Personal string

	// Script says why the script that an interpreter is called with is not root's alone.
	// Empty where it is, and for none.
	Script string

	// InPATH tells that env(1) looks for an interpreter in PATH: it was looked for in
	// exec_dirs.
	InPATH bool

	// ELF is the file that is loaded in the end: the program, or the interpreter that
	// its first line leads to. Absolute, without symbolic links; empty where it is not
	// known.
	ELF string

	direct string // the name of an interpreter that is the program itself
}

// Called returns p as it is when it is called with these arguments: an interpreter may
// be told to read nothing of the user's (python3 -I). The script that it runs may be the
// user's then.
func (p Program) Called(args []filters.Untrusted) Program {
	if p.direct == "" {
		return p
	}
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a.Raw()
	}
	if !impersonal(p.direct, words) {
		return p
	}
	p.Personal = ""
	if script := scriptOf(p.direct, words); script != "" {
		p.Script = ofOthers(script)
	}
	return p
}

func ofOthers(script string) string {
	if script[0] != '/' {
		return filters.Show(script) + " is not an absolute path, so that the caller's directory would decide"
	}
	if _, err := trust.Regular(script, trust.Ancestors); err != nil && !trust.Absent(script) && !hidden(err) {
		return err.Error()
	}
	return ""
}

// Theirs tells how a user whom p runs as can change what it does: empty where that
// user cannot, as far as is known.
func (p Program) Theirs(user string) string {
	switch {
	case p.Script != "":
		return "the script that it runs is not root's alone: " + p.Script
	case p.Others != "":
		return p.Others + ", who can change what it does: let all of it be root's"
	case p.Personal != "":
		return fmt.Sprintf("%s can load code from the home of %s: run it as root, with only these capabilities, or tell it not to (python3 -I)", filters.Untrusted(p.Personal), filters.Untrusted(user))
	}
	return ""
}

// ErrNotFound tells that no directory has the program.
var ErrNotFound = errors.New("not found in exec_dirs")

// Finder looks for programs.
type Finder struct {
	Dirs   []string    // absolute, all of them root's: exec_dirs
	Level  trust.Level // how far up the paths must be root's
	Owners []uint32    // to whom a file may belong: root, and the run-as user
	Road   *trust.Road // what was passed before for the same request; may be nil
}

// Find returns the program that name stands for: name itself where it is absolute,
// else the first in Dirs. One that somebody else decides about is an error, also where
// a later directory has another of the name.
func (f Finder) Find(name string) (Program, error) {
	if name[0] == '/' {
		return f.look(name)
	}
	for _, dir := range f.Dirs {
		p, err := f.look(dir + "/" + name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		return p, err
	}
	return Program{}, ErrNotFound
}

func (f Finder) look(path string) (Program, error) {
	c := chain{Finder: f, found: Program{Path: path}}
	if _, err := c.program(path, nil, 0); err != nil {
		return Program{}, err
	}
	return c.found, nil
}
