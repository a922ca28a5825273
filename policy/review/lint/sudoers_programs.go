package lint

import (
	"bytes"
	"debug/buildinfo"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/sudoers/grants"
	"ironwrap/policy/trust"
)

// What a command of a sudoers line is, by its path.
type nature int

const (
	plain    nature = iota // any other program
	anything               // ALL
	rootwrap               // a wrapper: ironwrap, oslo.rootwrap
	privsep                // oslo.privsep's helper
	edit                   // sudoedit, which edits files as another user
	tool                   // a program of ironwrap's that is not for callers
	builtin                // list, which shows and runs nothing
)

func (a *allowed) nature() nature {
	if !a.asked {
		a.kind, a.asked = a.look(), true
	}
	return a.kind
}

func (a *allowed) look() nature {
	base := filepath.Base(a.program)
	switch {
	case a.program == "":
		return anything
	case a.pattern():
		return plain
	case base == "sudoedit": // with a path too, as sudo has it
		return edit
	case !filepath.IsAbs(a.program):
		return builtin
	case helper(a.program):
		return privsep
	case base == "ironwrapctl" || base == "ironwrap-launch":
		return tool
	}
	if _, _, ok := wrapper(a.program); ok || madeBy(a.program) != unknownMaker {
		return rootwrap
	}
	return plain
}

// helper tells whether a program is oslo.privsep's, under its own name or another.
func helper(path string) bool {
	if filepath.Base(path) == "privsep-helper" {
		return true
	}
	real, err := filepath.EvalSymlinks(path)
	return err == nil && (filepath.Base(real) == "privsep-helper" || script(real) != "" && bytes.Contains(beginning(real), []byte("oslo_privsep")))
}

// wrapper tells by its name whether a program is a wrapper, and of which service; ""
// for one of none. Services call theirs X-rootwrap and X-rootwrap-daemon.
func wrapper(program string) (service string, daemon, ok bool) {
	base, daemon := strings.CutSuffix(filepath.Base(program), "-daemon")
	switch base {
	case "ironwrap":
		return base, daemon, true
	case "rootwrap", "oslo-rootwrap":
		return "", daemon, true
	}
	service, ok = strings.CutSuffix(base, "-rootwrap")
	return service, daemon, ok
}

// pattern tells whether the path stands for more than one program.
func (a *allowed) pattern() bool {
	return strings.HasSuffix(a.program, "/") || grants.Wild(a.program) || a.expression()
}

func (a *allowed) expression() bool {
	return len(a.program) > 1 && a.program[0] == '^' && strings.HasSuffix(a.program, "$")
}

// maxPrograms is how many programs of a directory are looked at.
const maxPrograms = 20_000

// programs are those on this machine that the path stands for.
func (a *allowed) programs() (list []string) {
	switch {
	case strings.HasSuffix(a.program, "/"):
		list = inside(strings.TrimRight(a.program, "/"))
	case a.expression():
		re, err := regexp.Compile(a.program)
		if err != nil {
			return nil
		}
		for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/local/sbin"} {
			list = append(list, slices.DeleteFunc(inside(dir), func(p string) bool { return !re.MatchString(p) })...)
		}
	case grants.Wild(a.program):
		list, _ = filepath.Glob(a.program) // a pattern that is none stands for nothing
	default:
		return []string{a.program}
	}
	return list[:min(len(list), maxPrograms)]
}

func inside(dir string) (list []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		list = append(list, dir+"/"+e.Name())
	}
	return list
}

// gives looks for a command that the line allows, and that gives one of powers away.
func (a *allowed) gives(powers []string) (how string, argv []string, ok bool) {
	switch a.nature() {
	case anything:
		return "any program", a.anyProgram(), slices.Contains(powers, exposure.Run)
	case plain:
	default:
		return "", nil, false
	}
	text, whole := a.args.Literal()
	for _, path := range a.programs() {
		for _, name := range called(path) {
			if how, argv, ok := exposure.Attempt(name, powers, a.args.Takes, a.args.Hints(), whole); ok {
				argv[0] = path
				return how, argv, true
			}
			if !whole {
				continue
			}
			if how, ok := exposure.Given(name, strings.Fields(text), powers); ok {
				return how, append([]string{path}, strings.Fields(text)...), true
			}
		}
		if how, argv, ok := a.untold(path); ok && slices.Contains(powers, exposure.Run) {
			return how, argv, true
		}
	}
	return "", nil, false
}

// evil are the arguments by which privsep-helper runs the Python in a file.
var evil = []string{"--log-config-append", "/tmp/x", "--privsep_context", "os.path", "--privsep_sock_path", "/tmp/x"}

// untold looks for privsep-helper where it is one of many programs.
func (a *allowed) untold(path string) (how string, argv []string, ok bool) {
	if a.pattern() && helper(path) {
		for _, before := range append([]string{""}, a.args.Hints()...) {
			if words := append(strings.Fields(before), evil...); a.args.Takes(words) {
				return "it runs the Python in a file", append([]string{path}, words...), true
			}
		}
	}
	return "", nil, false
}

// anyProgram is a command of those that are left where the line forbids some.
func (a *allowed) anyProgram() []string {
	for _, argv := range [][]string{{"/bin/sh", "-c", "id"}, {"/usr/bin/env", "id"}, {"/usr/bin/timeout", "9", "id"}} {
		info, err := os.Stat(argv[0])
		if !slices.ContainsFunc(a.list, func(m grants.Member) bool {
			path, _ := split(m.Name)
			other, missing := os.Stat(path)
			return m.Negated && (path == argv[0] || err == nil && missing == nil && os.SameFile(info, other))
		}) {
			return argv
		}
	}
	return []string{"/tmp/x"}
}

// called are the names that the table may know a program by: its own, and that of the
// file that it leads to (editor, awk).
func called(path string) []string {
	names := []string{path}
	if real, err := filepath.EvalSymlinks(path); err == nil && filepath.Base(real) != filepath.Base(path) {
		names = append(names, real)
	}
	return names
}

// exists tells whether something is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// maker is whose program a wrapper is.
type maker int

const (
	unknownMaker maker = iota
	ours               // ironwrap
	original           // oslo.rootwrap, in Python
)

// madeBy looks at a program: at the path it leads to, at what Go writes into those it
// makes, and at the text of a script.
func madeBy(path string) maker {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return unknownMaker
	}
	head := beginning(real)
	if bytes.HasPrefix(head, []byte("#!")) {
		if bytes.Contains(head, []byte("oslo_rootwrap")) || bytes.Contains(head, []byte("oslo.rootwrap")) {
			return original
		}
		return unknownMaker
	}
	if base := strings.TrimSuffix(filepath.Base(real), "-daemon"); base == "ironwrap" {
		return ours
	}
	if len(head) > 0 {
		if info, err := buildinfo.ReadFile(real); err == nil && strings.HasPrefix(info.Path, "ironwrap/cmd/") {
			return ours
		}
	}
	return unknownMaker
}

// beginning is the first part of a regular file; nothing of anything else.
func beginning(path string) []byte {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	head, _ := io.ReadAll(io.LimitReader(f, 64<<10))
	return head
}

// script is the base name of the interpreter that runs a program; "" for none.
func script(path string) string {
	line, _, _ := bytes.Cut(beginning(path), []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("#!"))
	words := strings.Fields(string(rest))
	if !ok || len(words) == 0 {
		return ""
	}
	if filepath.Base(words[0]) == "env" && len(words) > 1 {
		return filepath.Base(words[len(words)-1])
	}
	return filepath.Base(words[0])
}

// leadsToIronwrap tells whether any line of the file leads to ironwrap.
func (s *sudo) leadsToIronwrap() bool {
	for i := range s.Rules.Grants {
		for _, m := range s.Rules.Expand(s.Rules.Grants[i].Commands) {
			path, _ := split(m.Name)
			if _, _, ok := wrapper(path); ok && madeBy(path) == ours {
				return true
			}
		}
	}
	return false
}

// pin is the configuration that a wrapper's arguments name.
type pin struct {
	path string // "" where no argument is allowed
	ok   bool   // no other can be named
}

func pinned(args grants.Args) pin {
	prefix, whole := args.Literal()
	if first, _, ok := strings.Cut(prefix, " "); ok || whole && prefix != "" {
		return pin{first, filepath.IsAbs(first)}
	}
	return pin{"", whole && args.Text == `""`}
}

// interpreted says who besides root decides what an interpreter is given to run, among
// the words of its arguments; "" where nobody does.
func (a *allowed) interpreted() string {
	if !exposure.Interpreter(a.program) {
		return ""
	}
	prefix, _ := a.args.Literal()
	for _, word := range strings.Fields(prefix) {
		if !filepath.IsAbs(word) {
			continue
		}
		if _, err := trust.File(word, trust.Ancestors); err != nil && !missing(err) && !denied(err) {
			return err.Error()
		}
	}
	return ""
}

// changeable says who besides root decides what runs when path is called, be it there
// or not; "" where nobody does.
func changeable(path string) string {
	if _, err := trust.Executable(path, trust.Ancestors); err != nil && !missing(err) && !denied(err) {
		return err.Error()
	}
	return ""
}
