package filters

import (
	"errors"
	"path"
)

// program is what every class has: the program that runs, and as whom.
type program struct{ exec, runAs string }

func (p program) Exec() string  { return p.exec }
func (p program) RunAs() string { return p.runAs }

var errFields = errors.New("needs an executable and a run-as user")

func newProgram(f []string) (program, error) {
	if len(f) < 2 || f[0] == "" || f[1] == "" {
		return program{}, errFields
	}
	return program{exec: f[0], runAs: f[1]}, nil
}

// called tells whether word is how the filter's program may be called: by its
// path exactly as the filter has it, or by its base name.
func (p program) called(word Untrusted) bool {
	return p.exec == string(word) || base(p.exec) == string(word)
}

// base is the part after the last slash, as os.path.basename: empty where the
// path ends in a slash (path.Base would name the directory).
func base(p string) string {
	_, file := path.Split(p)
	return file
}

// command allows a program with any arguments.
type command struct{ program }

func newCommand(f []string) (Filter, error) {
	p, err := newProgram(f)
	return &command{p}, err
}

func (c *command) Match(argv []Untrusted, _ Machine) Match {
	if !c.called(argv[0]) {
		return nof("the command is not %s", c.exec)
	}
	return Match{Matched: true, Args: argv[1:]}
}
