package lint

import (
	"errors"
	"slices"

	"ironwrap/policy/account"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/sudoers/grants"
)

// powerRules are about filters that give everything away, for what their program
// does with the arguments that they allow.
var powerRules = []*Rule{
	{
		ID: "open-shell", Severity: Error, Score: 10,
		Title: "a shell or an interpreter with arguments of the caller's choice",
		Help:  "Whoever may call it is the run-as user, whatever the filter seems to restrict. Move what the service needs into a program of root's, and allow that.",
		check: func(c *config) []Finding {
			return c.powers(func(f *filter, g given) bool { return f.interpreter() && g.rules() && !g.held })
		},
		finds: []example{
			{filters: "x: CommandFilter, sh, root", at: "a.filters:2:19", says: "sh -c id"},
			{filters: "x: CommandFilter, sh, root\n[Sandbox:x]\ncapabilities=none", at: "a.filters:2:19", says: "sh -c id"},
			{filters: "x: CommandFilter, sh, root\n[Sandbox:x]\nlandlock_ro=/usr\nlandlock_rw=none", says: "sh -c id"}, // chown, which Landlock does not look at
			{filters: "x: CommandFilter, /usr/bin/python3.11, root", says: "python3.11 -c"},
			{filters: "x: RegExpFilter, bash, root, bash, .*", at: "a.filters:2:36", says: "bash /tmp/x"},
			{filters: "x: RegExpFilter, sh, root, sh, -c, .*", says: "sh -c id"},
			{filters: `x: RegExpFilter, sh, root, sh, -c, echo '((.|\n)*)' > /.*`, at: "a.filters:2:36", says: `echo ''; id; '' > /`},
			{filters: `x: RegExpFilter, sh, root, sh, -c, rm -f /.*/\*\.conf$`, at: "a.filters:2:36", says: "rm -f /''; id; ''/*.conf"},
			{filters: `x: RegExpFilter, sh, root, sh, -c, echo "[^"]*"`, at: "a.filters:2:36", says: `$(id)`},
			{filters: `x: RegExpFilter, awk, root, awk, .*, /etc/hostname`, says: `BEGIN{system`},
			{filters: `x: EnvFilter, env, root, A=, perl`, says: `env "A=x" perl`},
		},
		passes: []example{
			{filters: `x: RegExpFilter, sh, root, sh, -c, echo '[^']*'`},
			{filters: `x: RegExpFilter, sh, root, sh, -c, rm -f /srv/[a-z]+`},
			{filters: `x: RegExpFilter, sh, root, sh, /usr/share/x/run\.sh, .*`},
			{filters: `x: RegExpFilter, python3, root, python3, -m, pip, list`},
			{filters: "x: CommandFilter, sha256sum, root\ny: CommandFilter, pythonx, root"},
			{filters: "x: CommandFilter, sh, nobody\n[Sandbox:x]\nseccomp=strict\nlandlock_ro=/usr\nlandlock_rw=none"},
			{filters: "x: CommandFilter, sh, nosuchuser", here: true},
		},
	},
	{
		ID: "hands-out-root", Severity: Warning, Score: 9,
		Title: "a program that makes its caller root is allowed with the arguments for it",
		Help:  "The arguments named are accepted by the filter, and with them the program runs a program of the caller's, writes a file of root's, or decides what root runs. Allow only the arguments that are needed (RegExpFilter, PathFilter, IpFilter), or confine the command: landlock_ro and landlock_rw in a sandbox section say which files it may read and write.",
		check: func(c *config) []Finding {
			return c.powers(func(f *filter, g given) bool { return f.root() && !f.interpreter() && g.rules() && !g.held })
		},
		finds: []example{
			{filters: "x: CommandFilter, find, root", at: "a.filters:2:19", says: "find /etc/shadow -exec /tmp/x \";\""},
			{filters: "x: CommandFilter, /usr/bin/tee, root", says: "tee /etc/shadow"},
			{filters: "x: RegExpFilter, tee, root, tee, -a, /.*", says: "tee -a /etc/shadow"},
			{filters: "x: EnvFilter, env, root, LC_ALL=C, lvs", says: `env "LC_ALL=C" lvs --config`},
			{filters: "x: RegExpFilter, haproxy, root, haproxy, -f, .*", says: "haproxy -f /tmp/x"},
			{filters: "x: CommandFilter, ip, root", says: "IpFilter"},
			{filters: "x: CommandFilter, chown, root\n[Sandbox:x]\nno_new_privs=yes"},
			{filters: "x: CommandFilter, tee, root\n[Sandbox:x]\nlandlock_rw=/srv\nlandlock=best-effort"},
			{filters: "x: CommandFilter, chown, root\n[Sandbox:x]\nlandlock_ro=/usr\nlandlock_rw=/srv"}, // Landlock does not look at it
		},
		passes: []example{
			{filters: "x: CommandFilter, ls, root\ny: IpFilter, ip, root\nz: RegExpFilter, find, root, find, /srv, -name, [a-z]+"},
			{filters: "x: CommandFilter, find, nobody"},
			{filters: "x: CommandFilter, tee, root\n[Sandbox:x]\nlandlock_ro=/usr\nlandlock_rw=/srv"},
			{filters: "x: PathFilter, chown, root, nova, /srv"},
			{filters: "x: CommandFilter, sh, root"},
		},
	},
	{
		ID: "hands-out-user", Severity: Note, Score: 6,
		Title: "a program that gives its caller all rights of another user is allowed with the arguments for it",
		Help:  "As hands-out-root, but the run-as user is not root: the caller may do what that user may do.",
		check: func(c *config) []Finding {
			return c.powers(func(f *filter, g given) bool { return !f.root() && !f.interpreter() && g.rules() && !g.held })
		},
		finds:  []example{{filters: "x: CommandFilter, find, nobody", at: "a.filters:2:19", says: "all rights of nobody"}},
		passes: []example{{filters: "x: CommandFilter, find, root\ny: CommandFilter, ls, nobody\nz: CommandFilter, find, nosuchuser", here: true}},
	},
	{
		ID: "confined-power", Severity: Note,
		Title: "a program that would make its caller root is confined by a sandbox",
		Help:  "The capabilities, the seccomp profile or the namespaces of its sandbox take some or all of it back; ironwrapctl audit tells what is left. landlock_ro and landlock_rw say which files it may read and write, and end this note.",
		check: func(c *config) []Finding {
			return c.powers(func(f *filter, g given) bool {
				return g.held && !c.rules(f) && !f.landlocked() && (g.rules() || g.Power == exposure.Destroy || g.Power == exposure.Read)
			})
		},
		finds: []example{
			{filters: "x: CommandFilter, chown, root\n[Sandbox:x]\ncapabilities=CAP_KILL", at: "a.filters:2:19", says: "chown nobody /etc/shadow"},
			{filters: "x: CommandFilter, find, root\n[Sandbox:x]\nseccomp=strict", says: "find"},
			{filters: "x: CommandFilter, sh, root\n[Sandbox:x]\nseccomp=strict", says: "sh -c id"},
		},
		passes: []example{
			{filters: "x: CommandFilter, chown, root\ny: CommandFilter, ls, root\n[Sandbox:y]\ncapabilities=none"},
			{filters: "x: CommandFilter, chown, root\n[Sandbox:x]\nlandlock_ro=/usr\nlandlock_rw=/srv\ncapabilities=none"},
			{filters: "x: CommandFilter, find, root\n[Sandbox:x]\ncapabilities=none"},
		},
	},
	{
		ID: "destroys-any-file", Severity: Note, Score: 6,
		Title: "a program removes or overwrites any file",
		Help:  "Files keep people out, and files keep records. A PathFilter keeps the command to a directory.",
		check: func(c *config) []Finding {
			return c.powers(func(f *filter, g given) bool {
				return f.root() && g.Power == exposure.Destroy && !g.held && !c.rules(f)
			})
		},
		finds: []example{{filters: "x: CommandFilter, rm, root", at: "a.filters:2:19", says: "rm /etc/shadow"}},
		passes: []example{
			{filters: "x: CommandFilter, rm, nobody\ny: PathFilter, rm, root, /srv\nz: CommandFilter, rmdir, root"},
			{filters: "x: RegExpFilter, rm, root, rm, -r, /srv/[a-z]+"},
		},
	},
	{
		ID: "reads-any-file", Severity: Note, Score: 7,
		Title: "a program shows any file, those of root's among them",
		Help:  "Keys and password hashes are files. A ReadFileFilter shows one file, a PathFilter those of a directory.",
		check: func(c *config) []Finding {
			return c.powers(func(f *filter, g given) bool { return f.root() && g.Power == exposure.Read && !g.held && !c.rules(f) })
		},
		finds: []example{{filters: "x: CommandFilter, cat, root", at: "a.filters:2:19", says: "cat /etc/shadow"}},
		passes: []example{
			{filters: "x: CommandFilter, cat, nobody\ny: ReadFileFilter, /etc/hostname\nz: PathFilter, cat, root, /srv"},
			{filters: "x: RegExpFilter, cat, root, cat, /proc/[0-9]+/status"},
		},
	},
	{
		ID: "not-assessed", Severity: Note,
		Title: "nobody has looked at what the program does with the arguments that are allowed",
		Help:  "It may be nothing, and it may be root. ironwrapctl audit has no score for it, and --threshold takes it for the worst. Look for options that name a program, a file or a configuration; then allow the arguments that are needed, and no words of the caller's choice (RegExpFilter).",
		check: func(c *config) []Finding {
			var found []Finding
			for _, f := range c.filters {
				if cell := c.unassessed(f); cell != nil {
					found = append(found, f.at(f.execField(), quote(base(f.Exec()))+": "+cell.How, ""))
				}
			}
			return found
		},
		finds: []example{
			{filters: "x: CommandFilter, pythonx, root", at: "a.filters:2:19", says: "nobody has looked at what pythonx does"},
			{filters: "x: RegExpFilter, pythonx, root, pythonx, .*", at: "a.filters:2:18"},
			{filters: "x: RegExpFilter, tee, root, tee, --no-such-option, [a-z]+", says: "options of tee that nobody has looked at"},
			{filters: "x: RegExpFilter, pythonx, root, pythonx, --version", says: "nobody has looked at what pythonx does"},
		},
		passes: []example{
			{filters: "x: RegExpFilter, ls, root, ls, --version\ny: CommandFilter, ls, root\nz: CommandFilter, sh, root"},
			{filters: "x: RegExpFilter, tee, root, tee, -a, /srv/[a-z]+"},
		},
	},
}

// rulers are the powers that are root by another name, where root has them.
var rulers = []string{exposure.Run, exposure.Code, exposure.Write, exposure.Owner, exposure.Users, exposure.Kernel, exposure.Device, exposure.Mount}

// given is a power that a filter gives away by its arguments, over whatever the
// caller likes. What variables do is for the rule env-loads-code.
type given struct {
	exposure.Cell
	held bool // its sandbox takes something of it back
}

func (g given) rules() bool { return slices.Contains(rulers, g.Power) }

// gives asks package exposure what f gives away, with its sandbox and without.
func (c *config) gives(f *filter) []given {
	if list, ok := c.given[f]; ok {
		return list
	}
	confined := c.cells(f)
	free := confined
	if f.Sandbox != nil {
		bare := f.Entry
		bare.Sandbox = nil
		free = exposure.Of(&bare, c.exposed()).Cells
	}
	var list []given
	for _, g := range free {
		i := slices.IndexFunc(confined, func(x exposure.Cell) bool { return x.Power == g.Power })
		if i < 0 {
			continue
		}
		if left := confined[i].Score; g.Free && max(left, g.Score) > 0 {
			list = append(list, given{g, left < g.Score})
		}
	}
	if c.given == nil {
		c.given = map[*filter][]given{}
	}
	c.given[f] = list
	return list
}

// exposed is what package exposure has to know.
func (c *config) exposed() exposure.Machine {
	if c.powersOf != nil {
		return *c.powersOf
	}
	m := exposure.Machine{
		UID:     c.uid,
		Seccomp: c.facts.Allows,
	}
	for _, f := range c.filters {
		m.Programs = append(m.Programs, f.Exec())
	}
	if c.policy != nil {
		var sudoers []grants.Who
		if s := c.beside(); s != nil {
			sudoers = s.served
		}
		m.Callers = Callers(c.policy, c.tree, sudoers)
	}
	slices.Sort(m.Programs)
	m.Programs = slices.Compact(m.Programs)
	c.powersOf = &m
	return m
}

// cells is what audit says of a filter, once.
func (c *config) cells(f *filter) []exposure.Cell {
	if !f.assessed {
		f.cells, f.assessed = exposure.Of(&f.Entry, c.exposed()).Cells, true
	}
	return f.cells
}

// unassessed is what audit says of f where it has no score for it; nil where it has one.
func (c *config) unassessed(f *filter) *exposure.Cell {
	if f.file == nil {
		return nil
	}
	cells := c.cells(f)
	if len(cells) == 0 || cells[0].Score != exposure.NotAssessed {
		return nil
	}
	return &cells[0]
}

// rules tells whether f gives away a power that is root by another name, of which its
// sandbox takes nothing back.
func (c *config) rules(f *filter) bool {
	return slices.ContainsFunc(c.gives(f), func(g given) bool { return g.rules() && !g.held })
}

// powers finds filters that give away what is wanted, each with the worst of it.
func (c *config) powers(wanted func(*filter, given) bool) (found []Finding) {
	for _, f := range c.filters {
		_, err := c.uid(f.RunAs())
		if f.file == nil || errors.Is(err, account.ErrUnknown) { // where the user does not exist nothing is given away
			continue
		}
		list := c.gives(f)
		if i := slices.IndexFunc(list, func(g given) bool { return wanted(f, g) }); i >= 0 {
			found = append(found, f.tell(list[i]))
		}
	}
	return found
}

func (f *filter) tell(g given) Finding {
	argv := make([]string, len(g.Example))
	for i, w := range g.Example {
		argv[i] = w.Raw()
	}
	message := quote(base(f.Exec())) + ": " + g.How + "; the filter accepts " + line(argv)
	if !f.root() && !g.held {
		message += ", which gives all rights of " + quote(f.RunAs())
	}
	one := f.at(f.loose(argv), message, "")
	one.Witness = argv
	return one
}

// loose is the field that lets a command pass: the first pattern that could be
// something else, the program's name where any argument goes.
func (f *filter) loose(argv []string) int {
	patterns := f.patterns()
	words := argv[max(len(argv)-len(patterns), 0):]
	for i, w := range words {
		if (i > 0 || f.Class == "EnvFilter") && i < len(patterns) && !literal(patterns[i].text, w) {
			return len(f.fields) - len(patterns) + i
		}
	}
	return f.execField()
}

// interpreter tells whether the program of f runs code that it is given.
func (f *filter) interpreter() bool { return exposure.Interpreter(f.Exec()) }

// root tells whether f runs as root, by whatever name.
func (f *filter) root() bool {
	id, err := f.host.uid(f.RunAs())
	return err == nil && id == 0
}

// landlocked tells whether f says which files its command may touch, and not only
// where the kernel can hold it to that.
func (f *filter) landlocked() bool {
	s := f.Sandbox
	return s != nil && (s.LandlockRO != nil || s.LandlockRW != nil) && !s.BestEffort
}
