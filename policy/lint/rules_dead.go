package lint

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/filters/pyre"
	"ironwrap/policy"
)

// deadRules are about filters that allow nothing, or nothing that another does not
// allow, and about those that contradict one another.
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
			{filters: "x: CommandFilter, /usr/bin/, root", says: "names a directory"},
			{filters: "x: KillFilter, root, /usr/bin/sleep, 9", at: "a.filters:2:38", says: "no signal that is written like -9"},
			{filters: "x: ReadFileFilter, etc/hostname", says: "not an absolute path"},
			{filters: "x: ReadFileFilter, DIR/t/f", setup: "mkdir t; echo >t/f; chown 65534 t", says: "owned by uid 65534"},
		},
		passes: []example{
			{filters: "x: RegExpFilter, ls, root, ls\ny: PathFilter, cat, root, /etc\nz: EnvFilter, env, root, A=, ls\nk: KillFilter, root, /usr/bin/sleep, -9, -HUP\nr: ReadFileFilter, /etc/hostname"},
			{filters: "x: ReadFileFilter, /nosuchfile"},
			{filters: "i: IpFilter, /sbin/ip, root\nn: IpNetnsExecFilter, ip, root"},
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
		ID: "bad-signal", Severity: Warning,
		Title:  "a KillFilter names a signal that does not exist",
		Help:   "It is never sent. Signals are written as they are given to kill: -9, -HUP, -SIGHUP.",
		check:  badSignals,
		finds:  []example{{filters: "x: KillFilter, root, /usr/bin/sleep, -9, HUP", at: "a.filters:2:42", says: "HUP"}},
		passes: []example{{filters: "x: KillFilter, root, /usr/bin/sleep, -9, -HUP, -SIGTERM, -0"}, {filters: "x: KillFilter, root, /usr/bin/sleep"}},
	},
	{
		ID: "dead-filter", Severity: Note,
		Title: "a filter is never reached, for an earlier one allows all that it allows",
		Help:  "It has no effect: the first filter that matches decides. Remove it, or put it first if it was meant to decide.",
		check: deadFilters,
		finds: []example{
			{filters: "a: CommandFilter, ls, root\nb: CommandFilter, ls, root", at: "a.filters:3:1", says: "filter a (DIR/d/a.filters:2) decides"},
			{filters: "a: CommandFilter, /bin/ls, root\nb: RegExpFilter, ls, root, ls, /etc", at: "a.filters:3:1"},
			{filters: "a: IpFilter, ip, root", also: "b: IpFilter, ip, root", at: "b.filters:2:1"},
			{filters: "a: RegExpFilter, ls, root, ls, .*\nb: RegExpFilter, ls, root, ls, /etc", at: "a.filters:3:1"},
		},
		passes: []example{
			{filters: "a: RegExpFilter, ls, root, ls, /etc\nb: CommandFilter, ls, root"},
			{filters: "a: CommandFilter, ls, root\nb: CommandFilter, ls, nobody"},
			{filters: "a: CommandFilter, ls, root\nb: CommandFilter, /bin/ls, root"},
			{filters: "a: CommandFilter, nosuch, root\nb: CommandFilter, /opt/nosuch, root"},
			{filters: "a: EnvFilter, env, root, A=, ls\nb: EnvFilter, env, root, B=, ls"},
			{filters: "a: RegExpFilter, ls, root, ls, /etc\nb: RegExpFilter, ls, root, ls, .*"},
		},
	},
	{
		ID: "pointless-restriction", Severity: Warning,
		Title: "a filter restricts arguments that another filter allows",
		Help:  "What this filter holds back goes through the other one. Remove the open filter, if nothing needs it; else the restriction only looks like one.",
		check: pointless,
		finds: []example{
			{filters: "a: RegExpFilter, cat, root, cat, /etc/hostname\nb: CommandFilter, cat, root", at: "a.filters:2:1", says: "filter b (DIR/d/a.filters:3) allows cat with any arguments"},
			{filters: "a: CommandFilter, /bin/cat, root", also: "b: PathFilter, cat, root, /srv", at: "b.filters:2:1"},
			{filters: "a: CommandFilter, ip, root\nb: IpFilter, ip, root", at: "a.filters:3:1"},
		},
		passes: []example{
			{filters: "a: RegExpFilter, cat, root, cat, /etc/hostname\nb: CommandFilter, cat, nobody"},
			{filters: "a: RegExpFilter, cat, root, cat, /etc/hostname\nb: CommandFilter, cat, root\n[Sandbox:b]\nno_new_privs=yes"},
			{filters: "a: CommandFilter, cat, root\nb: CommandFilter, cat, root"},
			{filters: "a: EnvFilter, env, root, A=, cat\nb: CommandFilter, cat, root"},
		},
	},
	{
		ID: "conflicting-filters", Severity: Warning,
		Title: "two filters allow the same command as different users, or confined differently",
		Help:  "Which one decides is a matter of their order, and of the names of their files; oslo.rootwrap reads files in the order in which the directory has them. Let one filter allow the command.",
		check: conflicts,
		finds: []example{
			{filters: "a: CommandFilter, ls, nobody", also: "b: CommandFilter, ls, root", at: "b.filters:2:23", says: "filter a (DIR/d/a.filters:2) allows ls too, as nobody"},
			{filters: "a: RegExpFilter, ls, root, ls, /etc\nb: CommandFilter, ls, nobody", at: "a.filters:3:23", says: "allows ls /etc too, as root"},
			{filters: "a: CommandFilter, ls, root\nb: CommandFilter, ls, root\n[Sandbox:b]\numask=077", at: "a.filters:3:1", says: "in another sandbox"},
		},
		passes: []example{
			{filters: "a: CommandFilter, ls, root", also: "b: CommandFilter, ls, root"},
			{filters: "a: CommandFilter, ls, root\nb: CommandFilter, cat, nobody"},
			{filters: "a: RegExpFilter, ls, root, ls, /etc\nb: RegExpFilter, ls, nobody, ls, /srv"},
		},
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
	if f.Class != "KillFilter" && f.Class != "ReadFileFilter" && base(f.Exec()) == "" && (f.Class != "RegExpFilter" && f.Class != "ChainingRegExpFilter") {
		return f.execField(), quote(f.Exec()) + " names a directory, not a program"
	}
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
			if _, err := os.Lstat(x.text); errors.Is(err, fs.ErrNotExist) {
				found = append(found, f.at(3+i, "there is no directory of the name "+quote(x.text)+", and it is taken as it is written", ""))
			}
		}
	}
	return found
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

func deadFilters(c *config) (found []Finding) {
	for i, f := range c.filters {
		if f.file == nil {
			continue
		}
		for _, earlier := range c.filters[:i] {
			if c.covers(earlier, f) && earlier.RunAs() == f.RunAs() && sameSandbox(earlier.Sandbox, f.Sandbox) {
				found = append(found, f.at(-1, "filter "+quote(f.Name)+" is never reached: "+earlier.where()+" decides", ""))
				break
			}
		}
	}
	return found
}

// covers tells whether a, which comes first, allows whatever b would allow. It may
// say no where that is so, and never yes where it is not.
func (c *config) covers(a, b *filter) bool {
	if a.file == nil || a.chain() != b.chain() {
		return false
	}
	// A filter whose program is missing passes a command on to the next, unless
	// that has the same program. So it does behind a chain, where the command is
	// called by a path that is not its program's.
	if a.Exec() != b.Exec() && (c.machine == nil || !c.found(a) || c.chains(b.RunAs())) {
		return false
	}
	if a.sameAs(b) {
		return a.Class != "KillFilter"
	}
	names := []string{a.Exec(), base(a.Exec())}
	in := func(word string) bool { return word == names[0] || word == names[1] }
	switch {
	case a.Class == "CommandFilter":
		switch b.Class {
		case "CommandFilter", "PathFilter", "IpFilter":
			return in(b.Exec()) && in(base(b.Exec()))
		case "RegExpFilter":
			p := b.patterns()
			return len(p) > 0 && (literal(p[0].text, names[0]) || literal(p[0].text, names[1]))
		}
	case a.Class == "RegExpFilter" && b.Class == "RegExpFilter" && a.Exec() == b.Exec():
		p, q := a.patterns(), b.patterns()
		if len(p) != len(q) || len(p) == 0 {
			return false
		}
		for i := range p {
			if p[i].text != q[i].text && !takesLiteral(p[i].text, q[i].text) {
				return false
			}
		}
		return true
	}
	return false
}

// chains tells whether a filter may prefix commands of this user.
func (c *config) chains(runAs string) bool {
	return slices.ContainsFunc(c.filters, func(f *filter) bool { return f.chain() && f.RunAs() == runAs })
}

func (c *config) found(f *filter) bool {
	_, err := c.machine.Find(f.Exec(), f.RunAs())
	return err == nil
}

// literal tells whether a pattern matches this word and no other.
func literal(pattern, word string) bool {
	p, err := pyre.Compile(pattern)
	return err == nil && p.Engine() == pyre.Literal && p.Match(word)
}

// takesLiteral tells whether a pattern matches the only word that other matches.
func takesLiteral(pattern, other string) bool {
	p, err := pyre.Compile(pattern)
	q, err2 := pyre.Compile(other)
	if err != nil || err2 != nil || q.Engine() != pyre.Literal {
		return false
	}
	words := pyre.Words(other, "")
	return len(words) == 1 && p.Match(words[0])
}

func pointless(c *config) (found []Finding) {
	for _, f := range c.filters {
		if f.file == nil || f.open() || f.chain() || f.Class != "RegExpFilter" && f.Class != "PathFilter" && f.Class != "IpFilter" {
			continue
		}
		for _, wide := range c.filters {
			if wide.Class != "CommandFilter" || wide.file == nil || wide.RunAs() != f.RunAs() || base(wide.Exec()) != base(f.Exec()) ||
				!sameSandbox(wide.Sandbox, f.Sandbox) {
				continue
			}
			found = append(found, f.at(-1, "filter "+quote(f.Name)+" restricts nothing: "+wide.where()+" allows "+quote(base(wide.Exec()))+" with any arguments", ""))
			break
		}
	}
	return found
}

func conflicts(c *config) (found []Finding) {
	for i, f := range c.filters {
		if f.file == nil || f.chain() {
			continue
		}
		for _, earlier := range c.filters[:i] {
			as := earlier.RunAs() != f.RunAs()
			if earlier.file == nil || earlier.chain() || !as && sameSandbox(earlier.Sandbox, f.Sandbox) {
				continue
			}
			argv := common(earlier, f)
			if argv == nil {
				continue
			}
			if as {
				found = append(found, f.at(2, earlier.where()+" allows "+line(argv)+" too, as "+quote(earlier.RunAs()), ""))
			} else {
				found = append(found, f.at(-1, earlier.where()+" allows "+line(argv)+" too, in another sandbox", ""))
			}
			break
		}
	}
	return found
}

// common is a command that both filters accept; nil if none was found.
func common(a, b *filter) []string {
	for _, argv := range append(a.samples(), b.samples()...) {
		if a.accepts(argv) && b.accepts(argv) {
			return argv
		}
	}
	return nil
}

// samples are commands that f accepts.
func (f *filter) samples() (list [][]string) {
	argv := f.called()
	if f.Class == "RegExpFilter" {
		argv = nil
	}
	for _, p := range f.patterns() {
		words := pyre.Words(p.text, "")
		if len(words) == 0 {
			return nil
		}
		argv = append(argv, words[0])
	}
	if f.accepts(argv) {
		list = append(list, argv)
	}
	return list
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

// sameSandbox compares what two filters are confined to.
func sameSandbox(a, b *policy.Sandbox) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}
