package exposure

import (
	"fmt"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/environ"
	"ironwrap/policy/review/programs"
)

// prefixes are programs before a command that change what the command is, or what it
// does, without naming it: by the environment, the root directory, the namespaces, a
// tracer.
var prefixes = []way{
	{Code, "env", "-S {ldpreload} …", "the text is split into words, which set variables for the command (env(1))", ""},
	{Code, "strace", "-E {ldpreload} {cmd} …", "the variable is set for the program, which loads the library (strace(1))", ""},
	{Code, "strace", "-e {poke} {cmd} …", "it writes to the program's memory: what the program asks of the kernel is the caller's choice (strace(1))", ""},
	{Code, "strace", "--inject={poke} {cmd} …", "it writes to the program's memory: what the program asks of the kernel is the caller's choice (strace(1))", ""},
	{Run, "nsenter", "-t {pid} -a {cmd} …", "the program is that of the caller's mount namespace, and runs as root (nsenter(1))", "cap_sys_admin"},
	{Run, "nsenter", "-t {pid} -r {cmd} …", "the program is that of the process's root directory, and runs as root (nsenter(1))", "cap_sys_chroot"},
	{Run, "nsenter", "--root={mine} {cmd} …", "the program is that of the caller's directory, and runs as root (nsenter(1))", "cap_sys_chroot"},
	{Namespace, "nsenter", "--net={any} {cmd} …", "the command is run in any network namespace (nsenter(1))", "cap_sys_admin"},
	{Namespace, "ip", "netns exec {ns} {cmd} …", "the command is run in any network namespace (ip-netns(8))", "cap_sys_admin"},
	{Destroy, "time", "-o {file} {cmd} …", "it overwrites the file (time(1))", ""},
	{Write, "time", "-f {any} -o {file} {cmd} …", "it writes a text of the caller's to the file (time(1))", ""},
	{Services, "flock", "{new} {cmd} …", "it makes files whose being there matters: /etc/nologin keeps users out (flock(1))", ""},
	{Run, "systemd-run", "-p {any} {cmd} …", "properties of the unit name programs that are run before the command, or set variables for it (systemd-run(1))", ""},
	{Code, "systemd-run", "-E {ldpreload} {cmd} …", "the variable is set for the program, which loads the library (systemd-run(1))", ""},
	{Code, "envdir", "{mine} {cmd} …", "each file of the directory is a variable for the program, LD_PRELOAD for one (envdir(8))", ""},
	{Run, "proot", "-r {mine} {cmd} …", "the program is that of the caller's directory (proot(1))", ""},
	{Run, "bwrap", "--bind {mine} {any} {cmd} …", "the program, or a library of it, is that of the caller's directory (bwrap(1))", ""},
	{Run, "bwrap", "--ro-bind {mine} {any} {cmd} …", "the program, or a library of it, is that of the caller's directory (bwrap(1))", ""},
	{Run, "gdb", "--args {cmd} …", "on a terminal ! runs a command (gdb(1))", ""},
	{Destroy, "nohup", "{cmd} …", "on a terminal it adds the command's output to nohup.out, which may be a link in a directory of the caller's (nohup(1))", ""},
}

// chained are prefixes by which words behind a command that another filter allows are more
// than these seem: they are put together to a line for a shell.
var chained = []way{
	{Run, "watch", "{cmd} …", "a shell gets the words of the command as one line (watch(1))", ""},
	{Run, "ssh", "{any} {cmd} …", "a shell of the other machine gets the words of the command as one line (ssh(1))", ""},
	{Run, "su runuser", "-c {cmd} …", "words behind the command are options, -s for one (su(1))", ""},
}

// chains puts a prefix's forms before a filter behind which stands a command of another
// filter's. ironwrap names that program by its path, so that PATH does not change it.
func (b *board) chains(s *subject) {
	if s.own() {
		return
	}
	if !s.shape.More {
		return
	}
	b.variables(s)
	name := baseName(s.exec)
	for _, w := range chained {
		if !slices.Contains(strings.Fields(w.programs), name) {
			continue
		}
		if argv, l, ok := s.fits(w); ok {
			b.give(w, argv, l, why[l])
		}
	}
}

// variables is what a prefix of env's does to the programs behind it, whichever other
// filters allow.
func (b *board) variables(s *subject) {
	if name := baseName(s.exec); name != "env" && name != "sudo" {
		return
	}
	for _, v := range variables {
		program := b.behind(v)
		if program == "" {
			continue
		}
		argv, l, ok := s.fits(way{power: v.power, form: v.name + "={mine} {cmd} …"})
		if !ok {
			continue
		}
		argv[len(argv)-1] = filters.Untrusted(program)
		b.give(way{power: v.power, how: v.name + ": " + v.how}, argv, l, why[l])
	}
	if b.worst() {
		return
	}
	for _, v := range s.assigned(len(s.slots)) {
		danger := environ.Danger(v.Name.Raw())
		if v.Value != "" || danger == "" || !b.unsure(v.Name.Raw()) {
			continue
		}
		if _, _, ok := s.fits(way{power: Code, form: v.Name.Raw() + "={mine} {cmd} …"}); ok {
			b.rest(s, NotAssessed, fmt.Sprintf("%s: %s, and nobody has looked at what the commands behind it do with it", v.Name, danger))
		}
	}
}

// unsure tells whether some program that another filter allows may obey a variable, and
// nobody has looked.
func (b *board) unsure(name string) bool {
	rows := slices.ContainsFunc(variables, func(v variable) bool { return v.name == name })
	return b.others == nil || slices.ContainsFunc(b.others, func(other string) bool {
		p := baseName(other)
		binary := harmless[p] != "" && scripts[p] == "" && !anybody(name)
		return !known(p) || !binary && (!rows || scripts[p] != "") && !passesOn(grammar(p, ""))
	})
}

// behind is a program that another filter allows, and that obeys a variable; "" for none.
// Where nobody has said which programs there are it may be any.
func (b *board) behind(v variable) string {
	if v.programs == "*" {
		return nested.example
	}
	if b.others == nil {
		return strings.Fields(v.programs)[0]
	}
	for _, other := range b.others {
		if v.obeyed(baseName(other)) {
			return other
		}
	}
	return ""
}

// passesOn tells that a program runs the command behind it as it is, as far as is known.
func passesOn(p *programs.Program) bool {
	return p.Style == programs.Prefix || p.Style == programs.Environment
}
