package lint

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/filters/pyre"
)

// deadRules are about filters that allow nothing, or not what they were written for.
var deadRules = []*Rule{
	{
		ID: "never-matches", Severity: Warning,
		Title: "a filter cannot match any command",
		Help:  "Whatever it was meant to allow is refused. Correct it, or remove it.",
		check: neverMatches,
		finds: []example{
			{filters: "x: RegExpFilter, ls, root", at: "a.filters:2:4", says: "no pattern"},
			{filters: "x: PathFilter, cat, root", says: "no constraint"},
			{filters: "x: EnvFilter, env, root, ls", says: "no variable"},
			{filters: "x: ChainingRegExpFilter, nice, root", says: "no pattern"},
			{filters: "x: ChainingFilter, nice, root", says: "a bare ChainingFilter"},
			{filters: "x: IpFilter, /opt/ipx, root", says: "must be named ip"},
			{filters: "x: IpNetnsExecFilter, ip, nobody", says: "run-as root"},
			{filters: "x: KillFilter, root, /usr/bin/sleep, 9", at: "a.filters:2:38", says: "no signal that is written like -9"},
			{filters: "x: ReadFileFilter, etc/hostname", says: "not an absolute path"},
			{filters: "x: ReadFileFilter, DIR/t/f", setup: "mkdir t; echo >t/f; chown 65534 t", here: true, says: "owned by uid 65534"},
		},
		passes: []example{
			{filters: "x: RegExpFilter, ls, root, ls\ny: PathFilter, cat, root, /etc\nz: EnvFilter, env, root, A=, ls\nk: KillFilter, root, /usr/bin/sleep, -9, -HUP\nr: ReadFileFilter, /etc/hostname"},
			{filters: "x: ReadFileFilter, /nosuchfile"},
			{filters: "i: IpFilter, /sbin/ip, root\nn: IpNetnsExecFilter, ip, root"},
		},
	},
	{
		ID: "name-not-matched", Severity: Warning,
		Title: "the first pattern of a filter does not match the name of its program",
		Help:  "The first pattern is for the command's name, and the arguments begin with the second. Called by its name, the program is refused.",
		check: func(c *config) []Finding {
			return c.eachPattern(func(f *filter, i int, p field) (string, string) {
				re, err := pyre.Compile(p.text)
				if i > 0 || err != nil || f.Class == "EnvFilter" || re.Match(f.Exec()) || re.Match(base(f.Exec())) {
					return "", ""
				}
				return "pattern " + quote(p.text) + " does not match " + quote(base(f.Exec())), "put " + quote(base(f.Exec())) + " before it"
			})
		},
		finds: []example{
			{filters: `x: RegExpFilter, kpartx, root, -a, /dev/[a-z]+`, at: "a.filters:2:32", says: "pattern -a does not match kpartx"},
			{filters: `x: ChainingRegExpFilter, nice, root, -n, \d+`, at: "a.filters:2:38"},
		},
		passes: []example{
			{filters: "x: RegExpFilter, kpartx, root, kpartx, -a\ny: RegExpFilter, /sbin/kpartx, root, /sbin/kpartx\nz: RegExpFilter, /sbin/kpartx, root, (/sbin/)?kpartx"},
			{filters: "x: EnvFilter, env, root, A=, ls, -a\ny: RegExpFilter, ls, root, ["},
		},
	},
	{
		ID: "pattern-as-path", Severity: Warning,
		Title: "a PathFilter has a regular expression in the place of a directory",
		Help:  "Its constraints are paths, as they are written; only what lies in a directory of that very name would match. Write the directory, or make it a RegExpFilter.",
		check: patternPaths,
		finds: []example{
			{filters: `x: PathFilter, p, root, --config-file, /etc/(?!\.\.).*`, at: "a.filters:2:40", says: `no directory of the name /etc/(?!\.\.).*`},
			{filters: `x: PathFilter, p, root, /srv/[a-z]+`},
		},
		passes: []example{
			{filters: `x: PathFilter, p, root, /srv, pass, .*`},
			{filters: `x: PathFilter, p, root, DIR/[x]`, setup: "mkdir '[x]'"},
			{filters: `x: RegExpFilter, p, root, p, /srv/[a-z]+`},
		},
	},
	{
		ID: "refused-here", Severity: Warning,
		Title: "a filter refuses commands here that oslo.rootwrap allows by the same line",
		Help:  "ironwrap enforces the fields behind the program of an EnvFilter, a pattern for each argument; oslo.rootwrap allows any arguments. So ironwrap refuses calls that oslo.rootwrap allowed. Remove those fields to allow any arguments, or make sure that the service calls the program with these alone. ironwrap also enforces a value behind a variable (LC_ALL=C). A script that begins with #!/usr/bin/env NAME is refused where the filter sets PATH: name the interpreter by its path in the script.",
		check: refusedHere,
		finds: []example{
			{filters: "x: EnvFilter, env, root, LC_ALL=, LANG=, qemu-img, root", at: "a.filters:2:52", says: "refused here, allowed there: any other arguments of qemu-img than root"},
			{filters: "x: EnvFilter, env, root, A=, ls, -l, /srv/[a-z]+", at: "a.filters:2:34", says: "than -l, /srv/[a-z]+"},
			{filters: "x: EnvFilter, /bin/ls, root, A=1, -l", at: "a.filters:2:35"},
			{filters: "x: EnvFilter, env, root, A=, PATH=, DIR/x", setup: "echo '#!/usr/bin/env sh' >x; chmod 755 x", here: true, at: "a.filters:2:30", says: "refused here, allowed there: DIR/x"},
		},
		passes: []example{
			{filters: "x: EnvFilter, env, root, LC_ALL=, LANG=, qemu-img\ny: RegExpFilter, ls, root, ls, root\nz: EnvFilter, /bin/ls, root, A=1"},
			{filters: "x: EnvFilter, env, root, PATH=, DIR/x\ny: EnvFilter, env, root, A=, DIR/y", setup: "echo '#!/bin/sh' >x; echo '#!/usr/bin/env sh' >y; chmod 755 x y"},
		},
	},
	{
		ID: "bad-signal", Severity: Warning,
		Title:  "a KillFilter names a signal that does not exist",
		Help:   "It is never sent. Signals are written as they are given to kill: -9, -HUP, -SIGHUP.",
		check:  badSignals,
		finds:  []example{{filters: "x: KillFilter, root, /usr/bin/sleep, -9, HUP", at: "a.filters:2:42", says: "HUP"}},
		passes: []example{{filters: "x: KillFilter, root, /usr/bin/sleep, -9, -HUP, -SIGTERM, -0"}, {filters: "x: KillFilter, root, /usr/bin/sleep"}},
	},
}

// neverMatches follows what each class needs in order to match at all; the test
// puts the examples before the real filters.
func neverMatches(c *config) (found []Finding) {
	for _, f := range c.filters {
		if f.file == nil {
			continue
		}
		if at, why := c.never(f); why != "" {
			found = append(found, f.at(at, why, ""))
		}
	}
	return found
}

// never returns the field at fault and why f cannot match; "" if it can.
func (c *config) never(f *filter) (field int, why string) {
	switch f.Class {
	case "RegExpFilter", "ChainingRegExpFilter":
		if len(f.patterns()) == 0 {
			return 0, "the filter has no pattern: the first is for the name of the command"
		}
	case "PathFilter":
		if len(f.rest(3)) == 0 {
			return 0, "the filter has no constraint: one is needed for each argument"
		}
	case "EnvFilter":
		if len(f.variables()) == 0 {
			return 0, "the filter names no variable"
		}
	case "ChainingFilter":
		return 0, "a bare ChainingFilter allows nothing: ChainingRegExpFilter says what may stand before a command"
	case "IpFilter":
		if base(f.Exec()) != "ip" {
			return 1, "the program of an IpFilter must be named ip, not " + quote(f.Exec())
		}
	case "IpNetnsExecFilter":
		if f.RunAs() != "root" {
			return 2, "entering a network namespace needs run-as root"
		}
	case "KillFilter":
		if wrong := badSignal(f); len(wrong) > 0 && len(wrong) == len(f.rest(3)) {
			return 3, "there is no signal that is written like -9 or -HUP"
		}
	case "ReadFileFilter":
		path := f.fields[1].text
		if !strings.HasPrefix(path, "/") {
			return 1, quote(path) + " is not an absolute path"
		}
		if c.machine != nil {
			if err := c.machine.Stable(path); err != nil && !absent(err) && !closed(err) {
				return 1, err.Error()
			}
		}
	}
	return 0, ""
}

func patternPaths(c *config) (found []Finding) {
	for _, f := range c.filters {
		if f.Class != "PathFilter" {
			continue
		}
		for i, x := range f.rest(3) {
			if !strings.HasPrefix(x.text, "/") || !strings.ContainsAny(x.text, `*[]()\^$|?+`) {
				continue
			}
			if _, err := c.stat(x.text); errors.Is(err, fs.ErrNotExist) {
				found = append(found, f.at(3+i, "there is no directory of the name "+quote(x.text)+", and it is taken as it is written", ""))
			}
		}
	}
	return found
}

func refusedHere(c *config) (found []Finding) {
	for _, f := range c.filters {
		if f.Class != "EnvFilter" {
			continue
		}
		if n := len(f.patterns()); n > 0 {
			found = append(found, f.enforced(len(f.fields)-n))
		}
		path := slices.IndexFunc(f.variables(), func(v field) bool { return strings.HasPrefix(v.text, "PATH=") })
		if path < 0 || c.machine == nil {
			continue
		}
		if p, err := c.find(f); err == nil && p.InPATH {
			found = append(found, f.at(3+path, "refused here, allowed there: "+quote(f.Exec())+", whose first line looks for its interpreter in PATH", ""))
		}
	}
	return found
}

// enforced is the finding at the first field behind the program of an EnvFilter.
func (f *filter) enforced(first int) Finding {
	var texts []string
	for _, x := range f.rest(first) {
		texts = append(texts, x.text)
	}
	written := strings.Join(texts, ", ")
	hint := ""
	if _, err := f.host.uid(written); err == nil {
		hint = "it reads like the user, who stands in the third field: take " + quote(written) + " out"
	}
	return f.at(first, "refused here, allowed there: any other arguments of "+quote(base(f.Exec()))+" than "+quote(written), hint)
}

// badSignal lists the fields of a KillFilter that are no signals, by the filter's
// own word: with a signal that it knows it goes on to ask for the process.
func badSignal(f *filter) (wrong []int) {
	for i, s := range f.rest(3) {
		if why := f.why([]string{"kill", s.text, "1"}); !strings.Contains(why, errPaper.Error()) {
			wrong = append(wrong, 3+i)
		}
	}
	return wrong
}

func badSignals(c *config) (found []Finding) {
	for _, f := range c.filters {
		if f.Class != "KillFilter" {
			continue
		}
		wrong := badSignal(f)
		if len(wrong) == len(f.rest(3)) {
			continue // never-matches says so
		}
		for _, i := range wrong {
			found = append(found, f.at(i, quote(f.fields[i].text)+" is not a signal of signal(7)", ""))
		}
	}
	return found
}

// why is the filter's own reason for refusing a command.
func (f *filter) why(argv []string) string {
	m := f.Match(filters.Words(argv), paper{})
	if m.Matched {
		return ""
	}
	return m.Why.String()
}

// closed tells that an error is for want of root's rights.
func closed(err error) bool { return errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 }
