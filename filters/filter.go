// Package filters holds oslo.rootwrap's filter classes: given the words of a
// command, does a filter allow them, and what exactly does it allow.
//
// Matching is pure: what a filter has to know of the machine it asks a Machine.
// The words given are never changed, and a Match carries everything that may be
// executed. The zero Match is a refusal.
package filters

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Filter is one definition of a filters file.
type Filter interface {
	// Exec names the program that runs: an absolute path, or a name that is
	// looked for in exec_dirs.
	Exec() string
	// RunAs names the user that the program runs as.
	RunAs() string
	// Match decides about argv, which has at least one word. It asks m about
	// files and processes, and changes nothing.
	Match(argv []Untrusted, m Machine) Match
}

// Match is a filter's answer. The zero Match is a refusal.
type Match struct {
	Matched bool
	Why     Why    // of a refusal
	Hint    string // of a refusal that is nobody's decision: what hindered it, and what to do; mostly empty

	// Of a match: what may run. The engine puts the program's resolved path
	// before Args.
	Args   []Untrusted
	Env    []Var
	Nested int     // index in argv of a command that must match a filter of its own; 0 for none
	Signal *Signal // sent instead of executing anything; nil for none
	Paths  []int   // the words of Args that were resolved to a file
}

// Var is one variable for the environment of the command.
type Var struct{ Name, Value Untrusted }

// Signal is what a KillFilter allows: one signal to one process.
type Signal struct {
	Number  int
	Process Process
}

// Machine is what filters may know of the machine that they run on.
type Machine interface {
	// Base returns the absolute path, free of symbolic links and dots, that dir
	// leads to, which the filter names, with the rights of the user runAs. Where a
	// link on the way is not root's alone it is ErrRedirected. Its last components
	// need not exist.
	Base(dir, runAs string) (string, error)
	// Resolve returns the absolute path, free of symbolic links and dots, that
	// path leads to when the user runAs follows it, whoever made the links. Its
	// last components need not exist. Whether there is a directory neither above
	// nor below base it does not tell by way of dots.
	Resolve(path Untrusted, base, runAs string) (Untrusted, error)
	// Process looks up a process by its id.
	Process(pid int) (Process, error)
	// Programs lists the places at which a program may lie: name itself where
	// it is absolute, else one in each of exec_dirs.
	Programs(name string) []Program
	// Stable returns nil when nobody but root can decide what path leads to. It is
	// fs.ErrNotExist where nothing is there, and nobody but root can put anything
	// there.
	Stable(path string) error
	// Trusted returns nil when nobody but root can have written the file or
	// directory at path, nor can put another one there.
	Trusted(path Untrusted) error
}

// Process is a running process, held so that its id cannot come to mean another.
type Process struct {
	PID int
	FD  int // pidfd_open(2); -1 in a process that only explains
	Dir int // its directory in /proc, which no other process can get; -1 likewise
	// Exe is what /proc/PID/exe leads to, and Link the text of that link.
	Exe  File
	Link Untrusted
	// SameRoot tells that the process has our root directory, so that Link
	// means here what it means there.
	SameRoot bool
}

// File identifies a file, and tells who can have made it.
type File struct {
	Dev, Ino uint64
	Links    uint64 // st_nlink: 0 when no directory holds the file any more
	UID      uint32
	Mode     uint32 // permission bits
}

// Program is a place where a program may lie.
type Program struct {
	Path   string
	Exists bool
	File   File
	DirDev uint64 // st_dev of the directory, existing or not the file
}

// Why tells why a filter did not match. Its parts are put together only when
// somebody reads them: most refusals are never read.
type Why struct {
	format string
	args   [2]any
}

// String returns the reason, lower case, on one line.
func (w Why) String() string {
	if w.format == "" {
		return "not matched"
	}
	args := w.args
	for i, a := range args {
		if u, ok := a.(Untrusted); ok {
			args[i] = u.Show()
		}
	}
	return Prose(fmt.Sprintf(w.format, args[:strings.Count(w.format, "%")]...))
}

// Because is a reason that names things; format takes one verb per arg, at most two.
func Because(format string, args ...any) Why {
	w := Why{format: format}
	copy(w.args[:], args)
	return w
}

// no is a refusal for a fixed reason.
func no(reason string) Match { return Match{Why: Why{format: reason}} }

// nof is a refusal whose reason names things; format takes one verb per arg, at
// most two.
func nof(format string, args ...any) Match { return Match{Why: Because(format, args...)} }

// words and arguments are numbers of such, put into words only when a reason is shown.
type (
	words     int
	arguments int
)

func (n words) String() string     { return many(int(n), "word") }
func (n arguments) String() string { return many(int(n), "argument") }

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// ErrUnknownClass tells that a definition names a class that is none of the
// peer's. The peer skips such a line with a warning.
var ErrUnknownClass = errors.New("unknown filter class")

// ErrRootSquash tells that a path was not resolved since an NFS server keeps root
// out (exports(5), root_squash). The text of what wraps it says what to do.
var ErrRootSquash = errors.New("permission denied by the NFS server")

// ErrRedirected tells that a directory that a filter names leads through a symbolic
// link that somebody besides root decides about. The text of what wraps it says
// which, and what to do.
var ErrRedirected = errors.New("somebody besides root decides where a directory of the filter leads")

// ErrWithheld tells that a path was not resolved since the process has to do without a
// system call (seccomp(2)). The text of what wraps it says which, and what to do.
var ErrWithheld = errors.New("a system call is withheld")

// classes are the filter classes, each with what makes its filters from the fields after
// its name.
var classes = []struct {
	name      string
	construct func(f []string) (Filter, error)
}{
	{"CommandFilter", newCommand},
	{"RegExpFilter", newRegExp},
	{"PathFilter", newPath},
	{"EnvFilter", newEnv},
	{"ReadFileFilter", newReadFile},
	{"KillFilter", newKill},
	{"IpFilter", newIP},
	{"IpNetnsExecFilter", newNetnsExec},
	{"ChainingRegExpFilter", newChainingRegExp},
	{"ChainingFilter", newChaining},
}

// Classes lists the filter classes.
func Classes() []string {
	var names []string
	for _, c := range classes {
		names = append(names, c.name)
	}
	return names
}

// constructor returns what makes the filters of a class; nil for a class that there is
// not.
func constructor(class string) func(f []string) (Filter, error) {
	for _, c := range classes {
		if c.name == class {
			return c.construct
		}
	}
	return nil
}

// Fields splits a definition as the peer does: at each comma, white space
// (Python's) cut from both ends. The first field is the class.
func Fields(definition string) []string {
	f := strings.Split(definition, ",")
	for i := range f {
		f[i] = strings.TrimFunc(f[i], pythonSpace)
	}
	return f
}

// New makes the filter that a definition describes, such as
// "CommandFilter, /usr/bin/id, root". The error is ErrUnknownClass, or says what
// the class needs.
func New(definition string) (Filter, error) {
	f := Fields(definition)
	construct := constructor(f[0])
	if construct == nil {
		return nil, fmt.Errorf("%w %q", ErrUnknownClass, f[0])
	}
	filter, err := construct(f[1:])
	if err != nil {
		return nil, fmt.Errorf("%s %w", f[0], err)
	}
	return filter, nil
}

// Chaining tells whether f only prefixes another command, which must match a
// filter of its own that does not chain.
func Chaining(f Filter) bool {
	switch f.(type) {
	case *netnsExec, *chainingRegExp, *chaining:
		return true
	}
	return false
}

// pythonSpace is str.isspace, which counts the four information separators that
// Go does not.
func pythonSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
