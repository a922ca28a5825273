// Package sudoers says with sudo alone what a policy allows, as far as that can be
// said: for the day when ironwrap has to be out of the way. What sudo would allow is
// allowed by the policy too, the same program as the same user with the same
// arguments; where that cannot be had, a filter is left out with the reason.
//
// Much cannot. sudo compares all arguments as one string with a blank between them:
// it takes the one word "a b" for the two words "a" and "b". So any number of any
// arguments can be said, or none, or a single one without blanks, and nothing else.
// And it knows of no path that leads elsewhere, no process that is signalled, no
// sandbox, and no variable whose value counts.
//
// sudoers(5) of sudo 1.9.10, which brought regular expressions, and later.
package sudoers

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"ironwrap/filters"
	"ironwrap/filters/pyre"
	"ironwrap/policy"
)

// File is a sudoers file in the making.
type File struct {
	User     string
	Config   string
	ExecDirs []string
	Lines    []Line
	Left     []Left
}

// Line is a filter that can be said.
type Line struct {
	Filter *policy.Entry
	RunAs  string
	Spec   string // the program's path, and what its arguments must be
	Narrow string // how sudo allows less; "" where it does not
}

// Left is a filter that cannot.
type Left struct {
	Filter *policy.Entry
	Why    string
}

// A user's name that has no other meaning in a sudoers file. Names in capitals are
// aliases there.
var (
	nameShape = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	alias     = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	pathShape = regexp.MustCompile(`^(/[A-Za-z0-9_.+~@-]+)+$`)
)

func checkName(name string) error {
	if !nameShape.MatchString(name) || alias.MatchString(name) {
		return fmt.Errorf("%q cannot stand in a sudoers file as the name of a user", name)
	}
	return nil
}

// New makes the file that lets user run what p allows. exists tells whether there is
// a user of that name. The error says why nothing at all can be said.
func New(p *policy.Policy, user string, m policy.Machine, exists func(name string) bool) (*File, error) {
	if err := checkName(user); err != nil {
		return nil, err
	}
	if user == "root" {
		return nil, fmt.Errorf("root needs no sudoers file")
	}
	for _, dir := range p.ExecDirs {
		if !pathShape.MatchString(dir) {
			return nil, fmt.Errorf("%s: the directory %q of exec_dirs cannot stand in a sudoers file", filters.Untrusted(p.Path), dir)
		}
	}
	if len(p.ExecDirs) == 0 {
		return nil, fmt.Errorf("%s: none of exec_dirs is there: sudo would look for programs in a path of its own", filters.Untrusted(p.Path))
	}
	f := &File{User: user, Config: p.Path, ExecDirs: p.ExecDirs}
	for i := range p.Filters {
		e := &p.Filters[i]
		line, err := say(p, i, m, exists)
		if err != nil {
			f.Left = append(f.Left, Left{e, err.Error()})
			continue
		}
		f.Lines = append(f.Lines, line)
	}
	return f, nil
}

// say puts one filter into words of sudo's.
func say(p *policy.Policy, i int, m policy.Machine, exists func(string) bool) (Line, error) {
	e := &p.Filters[i]
	if err := sayable(e); err != nil {
		return Line{}, err
	}
	if err := checkName(e.RunAs()); err != nil || !exists(e.RunAs()) {
		return Line{}, fmt.Errorf("the run-as user %s does not exist, or has a name that means something else in a sudoers file", filters.Untrusted(e.RunAs()))
	}
	found, err := m.Find(e.Exec(), e.RunAs())
	if err != nil {
		return Line{}, fmt.Errorf("its program cannot be executed: %w", err)
	}
	program := found.Path
	if !pathShape.MatchString(program) || base(program) == "sudoedit" {
		return Line{}, fmt.Errorf("the path %s cannot stand in a sudoers file", filters.Untrusted(program))
	}
	if err := alone(p, i, program, m); err != nil {
		return Line{}, err
	}
	args, narrow, err := arguments(e, program, m)
	if err != nil {
		return Line{}, err
	}
	return Line{Filter: e, RunAs: e.RunAs(), Spec: strings.TrimSpace(program + " " + args), Narrow: narrow}, nil
}

// sayable refuses the classes, and what a filter may have besides, that sudo has no
// words for.
func sayable(e *policy.Entry) error {
	shape := filters.ShapeOf(e.Filter)
	switch {
	case policy.StartsHelper(e.Filter):
		return fmt.Errorf("privsep-helper gets variables from ironwrap that keep it from obeying log configurations of the service's; sudo sets none")
	case shape.Target != "":
		return fmt.Errorf("sudo does not look at which program a process runs before it is signalled")
	case shape.More:
		return fmt.Errorf("sudo does not look at the command that follows a prefix")
	case len(shape.Vars) > 0 || e.Class == "EnvFilter":
		return fmt.Errorf("sudo cannot demand variables, nor compare what they are set to")
	case shape.Path:
		return fmt.Errorf("sudo does not look at where a path leads")
	case e.Class == "IpFilter":
		return fmt.Errorf("sudo does not read the arguments of ip, some of which run other programs")
	case e.Sandbox != nil:
		return fmt.Errorf("sudo alone has no sandbox, and this filter has a section of its own or the defaults of [Sandbox]")
	}
	return nil
}

// alone refuses a filter where one before it answers the same commands in another
// way: sudo would let the user choose.
func alone(p *policy.Policy, i int, program string, m policy.Machine) error {
	e := &p.Filters[i]
	for j := range p.Filters[:i] {
		o := &p.Filters[j]
		if !answers(o, e) {
			continue
		}
		shape := filters.ShapeOf(o.Filter)
		switch {
		case shape.Target != "" || shape.Path || shape.More || len(shape.Vars) > 0 || o.Sandbox != nil || o.RunAs() != e.RunAs():
			return fmt.Errorf("filter %s before it allows some of its commands otherwise, and sudo would let the user choose", filters.Untrusted(o.Name))
		case !sameProgram(o, program, m):
			return fmt.Errorf("filter %s before it has another program of this name", filters.Untrusted(o.Name))
		}
	}
	return nil
}

// answers tells whether a filter may match commands that are called as another's.
func answers(o, e *policy.Entry) bool {
	shape := filters.ShapeOf(o.Filter)
	if len(shape.Vars) > 0 {
		return base(e.Exec()) == "env" // a command with variables begins with it
	}
	if base(o.Exec()) == base(e.Exec()) {
		return true
	}
	name := shape.Name
	return name != "" && (takes(name, base(e.Exec())) || takes(name, e.Exec()))
}

func takes(pattern, word string) bool {
	re, err := pyre.Compile(pattern)
	return err == nil && re.Match(word)
}

func sameProgram(o *policy.Entry, program string, m policy.Machine) bool {
	found, err := m.Find(o.Exec(), o.RunAs())
	if err != nil {
		return false
	}
	if found.Path == program {
		return true
	}
	a, err := os.Stat(found.Path)
	if err != nil {
		return false
	}
	b, err := os.Stat(program)
	return err == nil && os.SameFile(a, b)
}

// maxExpression is how long sudo lets a regular expression be.
const maxExpression = 1024

// arguments are the words for a filter's arguments: none for any arguments, "" for
// no argument, a regular expression for a single one.
func arguments(e *policy.Entry, program string, m policy.Machine) (args, narrow string, err error) {
	shape := filters.ShapeOf(e.Filter)
	if shape.File != "" {
		if !e.Match(filters.Words([]string{"cat", shape.File}), m).Matched {
			return "", "", fmt.Errorf("somebody besides root can redirect the path %s", filters.Untrusted(shape.File))
		}
		return single(regexp.QuoteMeta(shape.File))
	}
	if shape.Open {
		return "", "", nil
	}
	if !takes(shape.Name, base(program)) {
		return "", "", fmt.Errorf("its first pattern does not match %s, by which name sudo calls the program", filters.Untrusted(base(program)))
	}
	switch len(shape.Args) {
	case 0:
		return `""`, "", nil
	case 1:
		return single(shape.Args[0])
	}
	return "", "", fmt.Errorf("it has %d arguments, and sudo does not see where one ends: it takes \"a b\" for \"a\" and \"b\"", len(shape.Args))
}

// single is an expression for one argument.
func single(pattern string) (args, narrow string, err error) {
	re, err := pyre.Compile(pattern)
	if err != nil {
		return "", "", fmt.Errorf("pattern %q cannot be used: %w", pattern, err)
	}
	if re.Match("") {
		return "", "", fmt.Errorf("pattern %q matches an empty argument, which sudo does not tell from none", pattern)
	}
	text, err := re.POSIX()
	if err != nil {
		return "", "", fmt.Errorf("pattern %q has %w, which sudo has no words for", pattern, err)
	}
	if len(text)+2 > maxExpression {
		return "", "", fmt.Errorf("pattern %q comes to more than %d characters, which sudo does not read", pattern, maxExpression)
	}
	if re.Engine() != pyre.Literal {
		narrow = "no blanks, no characters outside of ASCII, and none of # $ , \\ \" ^ in a place that takes any"
	}
	return "^" + text + "$", narrow, nil
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
