package lint

import (
	"errors"
	"slices"

	"ironwrap/policy/account"
)

// powerRules are about filters that give everything away, for what their program
// does with the arguments that they allow.
var powerRules = []*Rule{
	{
		ID: "open-shell", Severity: Error,
		Title: "a shell or an interpreter with arguments of the caller's choice",
		Help:  "Whoever may call it is the run-as user, whatever the filter seems to restrict. Move what the service needs into a program of root's, and allow that.",
		check: func(c *config) []Finding { return openShells(c, false) },
		finds: []example{
			{filters: "x: CommandFilter, sh, root", at: "a.filters:2:19", says: "sh -c /tmp/evil"},
			{filters: "x: CommandFilter, sh, root\n[Sandbox:x]\ncapabilities=none", at: "a.filters:2:19", says: "sh -c /tmp/evil"},
			{filters: "x: CommandFilter, /usr/bin/python3.11, root", says: "python3.11 -c"},
			{filters: "x: RegExpFilter, bash, root, bash, .*", at: "a.filters:2:18", says: "bash /tmp/mine"},
			{filters: "x: RegExpFilter, sh, root, sh, -c, .*", says: "sh -c /tmp/evil"},
			{filters: `x: RegExpFilter, sh, root, sh, -c, echo '((.|\n)*)' > /.*`, at: "a.filters:2:36", says: `echo 'x' > /; /tmp/evil;`},
			{filters: `x: RegExpFilter, sh, root, sh, -c, rm -f /.*/\*\.conf$`, at: "a.filters:2:36", says: "rm -f /; /tmp/evil; /*.conf"},
			{filters: `x: RegExpFilter, sh, root, sh, -c, echo "[^"]*"`, at: "a.filters:2:36", says: `$(/tmp/evil)`},
			{filters: `x: RegExpFilter, awk, root, awk, .*, /etc/hostname`, says: `BEGIN{system`},
			{filters: `x: EnvFilter, env, root, A=, perl`, says: `env "A=x" perl -e`},
		},
		passes: []example{
			{filters: `x: RegExpFilter, sh, root, sh, -c, echo '[^']*'`},
			{filters: `x: RegExpFilter, sh, root, sh, -c, rm -f /srv/[a-z]+`},
			{filters: `x: RegExpFilter, sh, root, sh, /usr/share/x/run\.sh, .*`},
			{filters: `x: RegExpFilter, python3, root, python3, -m, pip, list`},
			{filters: "x: CommandFilter, sha256sum, root\ny: CommandFilter, pythonx, root"},
			{filters: "x: CommandFilter, sh, nobody\n[Sandbox:x]\nlandlock_ro=/usr\nlandlock_rw=none"},
			{filters: "x: CommandFilter, sh, nosuchuser"},
		},
	},
	{
		ID: "hands-out-root", Severity: Warning,
		Title: "a program that makes its caller root is allowed with the arguments for it",
		Help:  "The arguments named are accepted by the filter, and with them the program runs a program of the caller's, writes a file of root's, or rules over what root runs. Allow only the arguments that are needed (RegExpFilter, PathFilter, IpFilter), or confine the command: landlock_ro and landlock_rw in a sandbox section say which files it may touch.",
		check: func(c *config) []Finding { return c.powers("root", runs, writes, governs) },
		finds: []example{
			{filters: "x: CommandFilter, find, root", at: "a.filters:2:19", says: "find /etc/hostname -exec /tmp/evil \";\""},
			{filters: "x: CommandFilter, /usr/bin/tee, root", says: "tee /etc/passwd"},
			{filters: "x: RegExpFilter, tee, root, tee, -a, /.*", says: "tee -a /etc/passwd"},
			{filters: "x: EnvFilter, env, root, LC_ALL=C, lvs", says: `env "LC_ALL=C" lvs --config`},
			{filters: "x: RegExpFilter, haproxy, root, haproxy, -f, .*", says: "haproxy -f /tmp/mine"},
			{filters: "x: CommandFilter, ip, root", says: "IpFilter"},
			{filters: "x: CommandFilter, chown, root\n[Sandbox:x]\nno_new_privs=yes"},
			{filters: "x: CommandFilter, chown, root\n[Sandbox:x]\nlandlock_rw=/srv\nlandlock=best-effort"},
		},
		passes: []example{
			{filters: "x: CommandFilter, ls, root\ny: IpFilter, ip, root\nz: RegExpFilter, find, root, find, /srv, -name, [a-z]+"},
			{filters: "x: CommandFilter, find, nobody"},
			{filters: "x: CommandFilter, chown, root\n[Sandbox:x]\nlandlock_ro=/usr\nlandlock_rw=/srv"},
			{filters: "x: PathFilter, chown, root, nova, /srv"},
			{filters: "x: CommandFilter, sh, root"},
		},
	},
	{
		ID: "hands-out-user", Severity: Note,
		Title:  "a program that gives its caller all rights of another user is allowed with the arguments for it",
		Help:   "As hands-out-root, but the run-as user is not root: what that user may do, the caller may do.",
		check:  func(c *config) []Finding { return c.powers("", runs, writes, governs) },
		finds:  []example{{filters: "x: CommandFilter, find, nobody", at: "a.filters:2:19", says: "all rights of nobody"}},
		passes: []example{{filters: "x: CommandFilter, find, root\ny: CommandFilter, ls, nobody\nz: CommandFilter, find, nosuchuser"}},
	},
	{
		ID: "confined-power", Severity: Note,
		Title: "a program that would make its caller root is confined by a sandbox",
		Help:  "Whether the capabilities, the seccomp profile or the read-only paths of its sandbox hold it back is not judged here (ironwrapctl audit does). Only landlock_ro and landlock_rw say which files it may touch.",
		check: func(c *config) []Finding {
			return append(c.powersOf("root", true, writes, governs, runs, destroys, reads), openShells(c, true)...)
		},
		finds: []example{
			{filters: "x: CommandFilter, chown, root\n[Sandbox:x]\ncapabilities=CAP_KILL", at: "a.filters:2:19", says: "chown nobody /etc/passwd"},
			{filters: "x: CommandFilter, find, root\n[Sandbox:x]\nseccomp=strict", says: "find"},
			{filters: "x: CommandFilter, sh, root\n[Sandbox:x]\nseccomp=strict", says: "sh -c /tmp/evil"},
		},
		passes: []example{
			{filters: "x: CommandFilter, chown, root\ny: CommandFilter, ls, root\n[Sandbox:y]\ncapabilities=none"},
			{filters: "x: CommandFilter, chown, root\n[Sandbox:x]\nlandlock_ro=/usr\nlandlock_rw=/srv\ncapabilities=none"},
			{filters: "x: CommandFilter, find, root\n[Sandbox:x]\ncapabilities=none"},
		},
	},
	{
		ID: "destroys-any-file", Severity: Note,
		Title: "a program removes or overwrites any file",
		Help:  "What keeps somebody out, or keeps a record, is a file as well. A PathFilter keeps the command to a directory.",
		check: func(c *config) []Finding { return c.powers("root", destroys) },
		finds: []example{{filters: "x: CommandFilter, rm, root", at: "a.filters:2:19", says: "rm /etc/passwd"}},
		passes: []example{
			{filters: "x: CommandFilter, rm, nobody\ny: PathFilter, rm, root, /srv\nz: CommandFilter, rmdir, root"},
			{filters: "x: RegExpFilter, rm, root, rm, -r, /srv/[a-z]+"},
		},
	},
	{
		ID: "reads-any-file", Severity: Note,
		Title: "a program shows any file, those of root's among them",
		Help:  "Keys and password hashes are files. A ReadFileFilter shows one file, a PathFilter those of a directory.",
		check: func(c *config) []Finding { return c.powers("root", reads) },
		finds: []example{{filters: "x: CommandFilter, cat, root", at: "a.filters:2:19", says: "cat /etc/passwd"}},
		passes: []example{
			{filters: "x: CommandFilter, cat, nobody\ny: ReadFileFilter, /etc/hostname\nz: PathFilter, cat, root, /srv"},
			{filters: "x: RegExpFilter, cat, root, cat, /proc/[0-9]+/status"},
		},
	},
}

// openShells finds interpreters that run what the caller likes, or with held those
// that a sandbox may hold back.
func openShells(c *config, held bool) (found []Finding) {
	for _, f := range c.filters {
		in := interpreterOf(f.Exec())
		if f.file == nil || in == nil || !f.userExists() || f.confinement() == someFiles || held != (f.confinement() >= runs.heldBy()) {
			continue
		}
		argv, at := in.escapes(f)
		if argv == nil {
			continue
		}
		one := f.at(at, "the filter accepts "+line(argv)+", which runs what the caller likes as "+quote(f.RunAs()), "")
		one.Witness = argv
		found = append(found, one)
	}
	return found
}

// powers finds filters whose program has one of the effects, that accept a way to
// it, and that no sandbox holds back. user is the run-as user that is meant; empty
// for all but root.
func (c *config) powers(user string, effects ...effect) []Finding {
	return c.powersOf(user, false, effects...)
}

// powersOf is powers, or with held for those that a sandbox may hold back.
func (c *config) powersOf(user string, held bool, effects ...effect) (found []Finding) {
	for _, f := range c.filters {
		p := of(powers, f.Exec())
		if f.file == nil || p == nil || f.chain() || (f.RunAs() == "root") != (user == "root") || !slices.Contains(effects, p.gives) || !f.userExists() {
			continue
		}
		if by := f.confinement(); by == someFiles || held != (by >= p.gives.heldBy()) {
			continue
		}
		for _, way := range p.ways {
			argv := append(f.called(), split(way, blanks)...)
			if !f.accepts(argv) {
				continue
			}
			message := quote(base(f.Exec())) + ": " + p.why + "; the filter accepts " + line(argv)
			if user == "" {
				message += ", which gives all rights of " + quote(f.RunAs())
			}
			one := f.at(f.execField(), message, "")
			one.Witness = argv
			found = append(found, one)
			break
		}
	}
	return found
}

// userExists: where the run-as user does not exist nothing is given away.
func (f *filter) userExists() bool {
	_, err := account.Lookup(f.RunAs())
	return !errors.Is(err, account.ErrUnknown)
}

// confinement is what a sandbox takes away that matters here, the more the greater.
type confinement int

const (
	unconfined confinement = iota
	someRights             // capabilities, or paths that are read-only
	someCalls              // system calls
	someFiles              // files: Landlock, and not only where the kernel has it
)

func (f *filter) confinement() confinement {
	s := f.Sandbox
	switch {
	case s == nil:
		return unconfined
	case (s.LandlockRO != nil || s.LandlockRW != nil) && !s.BestEffort:
		return someFiles
	case s.Seccomp != "" && s.Seccomp != "none":
		return someCalls
	case s.Capabilities != nil || s.ReadOnly != nil:
		return someRights
	}
	return unconfined
}

// heldBy is the least confinement that may hold an effect back. A program of the
// caller's that runs as root without any capability still owns what is root's.
func (e effect) heldBy() confinement {
	if e == runs {
		return someCalls
	}
	return someRights
}
