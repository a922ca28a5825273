package lint

import (
	"fmt"
	"path/filepath"
	"slices"
)

// Way is one command that sudo lets somebody run as root whom a configuration serves.
type Way struct {
	Who      string // user or %group
	Command  string // as it stands there
	Program  string // "" for ALL
	Wrapper  bool   // it is a program as oslo.rootwrap is
	Password bool   // sudo asks for one
	Hosts    string // on which machines alone, as it stands there; "" for all
	Path     string // of the file that it stands in
	Line     int    // 0 where that cannot be told

	// Takes tells whether the line is for a program, by its path, with these arguments.
	Takes func(path string, args []string) bool
}

// Ways are those that sudo lets go as root whom the configuration at path (absolute)
// serves, in the order of sudoers, and what of sudo's rules is not known. Where sudoers
// was not looked at there is nothing of either.
func Ways(path string, facts Facts) (ways []Way, unknown []string) {
	c := read(Target{Path: path}, facts)
	c.checked = []string{path}
	for _, rule := range sudoRules {
		if rule.ID != "sudoers-refused" && rule.ID != "sudoers-not-assessed" {
			continue
		}
		for _, f := range rule.check(c) {
			unknown = append(unknown, quote(f.Path)+": "+f.Message)
		}
	}
	s := c.beside()
	if s == nil {
		return nil, unknown
	}
	for _, a := range s.allowed {
		if as, _ := s.equal(a.target, nil); !as {
			continue
		}
		f := s.at(a, "", "")
		ways = append(ways, Way{
			Who: a.who.String(), Command: a.command, Program: a.program, Wrapper: a.nature() == rootwrap,
			Password: s.asks(a), Hosts: hosts(a.rule.Hosts), Path: f.Path, Line: f.Line, Takes: a.takes,
		})
	}
	return ways, unknown
}

// takes is Way.Takes. Of two paths to one program sudo compares the last part.
func (a *allowed) takes(path string, args []string) bool {
	one := filepath.Base(a.program) == filepath.Base(path) && same(a.program, path)
	switch {
	case a.program == "":
		return true
	case a.pattern():
		one = slices.Contains(a.programs(), path)
	}
	return one && a.args.Takes(args)
}

// asks tells whether sudo asks for a password (sudoers(5), authenticate).
func (s *sudo) asks(a *allowed) bool {
	on := true
	for _, o := range s.settings(a) {
		if o.Name == "authenticate" {
			on = o.On
		}
	}
	return on
}

// SecurePath is what sudoers says of the directories in which sudo looks for programs;
// nil where it says nothing, and an error where it says it for some alone.
func SecurePath(s *Sudoers) (path string, err error) {
	if s == nil || s.Rules == nil {
		return "", nil
	}
	for _, o := range s.Rules.Settings {
		if o.Name != "secure_path" {
			continue
		}
		if o.Binding != nil {
			err = fmt.Errorf("%s sets secure_path for some alone", quote(s.Path))
		}
		if o.Binding == nil && len(o.Values) == 1 {
			path = o.Values[0]
		}
	}
	return path, err
}

// Original tells whether the program at path is oslo.rootwrap, by its text.
func Original(path string) bool { return madeBy(path) == original }

// ReadText reads a text of root's; of anybody else's only what is a plain file, through
// no link.
func ReadText(path string) ([]byte, error) { return readText(path) }
