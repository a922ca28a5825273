package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
	"ironwrap/sandbox"
	"ironwrap/sandbox/seccomp"
)

// confine adds to a plan what the sandbox sections say of the filter that matched
// and, for a nested command, of that command's filter too, and of a privsep context:
// going through a chain must not be a way out of a sandbox, so that the stricter holds
// in each respect.
func confine(p *Plan, d policy.Decision, level trust.Level) error {
	p.Spec.Capabilities = sandbox.Capabilities{All: true}
	pinned := false
	set := given{bestEffort: true}
	netns := d.Leaf != nil && d.Filter.Class == "IpNetnsExecFilter"
	for _, s := range d.Confinements() {
		// ip(8) enters the namespace that was named, and leaves any other.
		if netns && s.PrivateNetwork && s.Sandbox != d.Filter.Sandbox {
			return fmt.Errorf("cannot run in network namespace %s: the sandbox of %s has private_network", p.Argv[3].Show(), s.Whose)
		}
		// It mounts what belongs to the namespace, which Landlock does not allow.
		if netns && private(s.Sandbox) {
			return fmt.Errorf("cannot run in network namespace %s, for which ip(8) mounts /sys: the sandbox of %s has private_tmp or read_only, below which nothing can be mounted: take them out of that section", p.Argv[3].Show(), s.Whose)
		}
		if err := set.add(&p.Spec, s.Sandbox, level); err != nil {
			return fmt.Errorf("cannot set up the sandbox of %s: %w", s.Whose, err)
		}
		pinned = pinned || s.PinPaths
	}
	if len(p.Spec.PrivateTmp)+len(p.Spec.ReadOnly) > 0 {
		ruleset, err := sandbox.NewViewRuleset(set.bestEffort)
		if err != nil {
			return fmt.Errorf("cannot set up the sandbox of filter %s: %w", filters.Untrusted(d.Filter.Name), err)
		}
		if ruleset >= 0 {
			p.Spec.Landlock = append(p.Spec.Landlock, ruleset)
		}
	}
	if pinned {
		return pin(p, d.Paths)
	}
	return nil
}

// given tells which numbers a section has set: the first takes the place of the
// default, and of two the stricter holds.
type given struct {
	umask, nice, oomScore bool
	bestEffort            bool // all sections with a private view do without Landlock
}

// private tells that a section gives the command a view of its own of the file system.
func private(b *policy.Sandbox) bool { return b.PrivateTmp || len(b.ReadOnly) > 0 }

func (g *given) add(spec *sandbox.Spec, b *policy.Sandbox, level trust.Level) error {
	if b.Capabilities != nil {
		allowed := sandbox.Capabilities{}
		for _, name := range b.Capabilities {
			c, err := sandbox.Capability(name)
			if err != nil {
				return err
			}
			allowed.Set |= c.Set
		}
		spec.Capabilities = spec.Capabilities.And(allowed)
	}
	spec.NoNewPrivs = spec.NoNewPrivs || b.NoNewPrivs
	spec.DenyWriteExec = spec.DenyWriteExec || b.DenyWriteExec
	switch {
	case b.PrivateKeyring == nil:
	case *b.PrivateKeyring:
		spec.Keyring = sandbox.KeyringPrivate
	case spec.Keyring == sandbox.KeyringFresh:
		spec.Keyring = sandbox.KeyringKept
	}
	spec.PrivateNetwork = spec.PrivateNetwork || b.PrivateNetwork
	spec.PrivateMounts = spec.PrivateMounts || b.PrivateMounts
	if private(b) {
		g.bestEffort = g.bestEffort && b.BestEffort
	}
	if b.PrivateTmp && spec.PrivateTmp == nil {
		if err := hold(&spec.PrivateTmp, []string{"/tmp", "/var/tmp"}, "cannot make %q private"); err != nil {
			return err
		}
	}
	if err := hold(&spec.ReadOnly, b.ReadOnly, "cannot make read-only %q"); err != nil {
		return err
	}
	if b.Umask != nil {
		if !g.umask {
			spec.Umask, g.umask = 0, true
		}
		spec.Umask |= *b.Umask
	}
	if b.Nice != nil {
		if !g.nice {
			spec.Nice, spec.NiceAsked, g.nice = *b.Nice, true, true
		}
		spec.Nice = max(spec.Nice, *b.Nice)
	}
	if b.OOMScore != nil {
		if !g.oomScore {
			spec.OOMScore, spec.OOMScoreAsked, g.oomScore = *b.OOMScore, true, true
		}
		spec.OOMScore = max(spec.OOMScore, *b.OOMScore)
	}
	for _, l := range b.Limits {
		addLimit(spec, sandbox.Limit{Resource: resource(l.Name), Value: l.Value})
	}
	if err := landlock(spec, b); err != nil {
		return err
	}
	if err := label(spec, b); err != nil {
		return err
	}
	if b.Seccomp != "" && b.Seccomp != "none" {
		read := Program
		if b.SeccompLog {
			read = Trial
		}
		program, err := read(b.Seccomp, level)
		if err != nil {
			return err
		}
		if spec.Seccomp != nil {
			if program, err = spec.Seccomp.Both(program); err != nil {
				return fmt.Errorf("cannot confine to seccomp profile %s: %w", filters.Show(b.Seccomp), err)
			}
		}
		spec.Seccomp = program
	}
	return nil
}

func landlock(spec *sandbox.Spec, b *policy.Sandbox) error {
	rules := sandbox.Rules{Bind: b.LandlockBind, Connect: b.LandlockConnect, BestEffort: b.BestEffort}
	defer func() {
		for _, p := range append(rules.ReadOnly, rules.ReadWrite...) {
			unix.Close(p.FD)
		}
	}()
	for _, l := range []struct {
		to    *[]sandbox.Place
		paths []string
	}{{&rules.ReadOnly, b.LandlockRO}, {&rules.ReadWrite, b.LandlockRW}} {
		if l.paths == nil {
			continue
		}
		*l.to = []sandbox.Place{} // for none: nothing at all
		if err := hold(l.to, l.paths, "cannot open %q for a Landlock rule"); err != nil {
			return err
		}
	}
	for _, name := range b.LandlockScope {
		scope, err := sandbox.Scope(name)
		if err != nil {
			return err
		}
		rules.Scope |= scope
	}
	if b.LandlockLog {
		logs := sandbox.LandlockLogs()
		if !logs && !b.BestEffort {
			return errNoRecords
		}
		spec.LandlockLog = spec.LandlockLog || logs
	}
	ruleset, err := sandbox.NewRuleset(rules)
	if ruleset >= 0 {
		spec.Landlock = append(spec.Landlock, ruleset)
	}
	return err
}

var errNoRecords = errors.New("this kernel writes no records of what Landlock refuses (Linux 6.15 does): take landlock_log out of the section, or set landlock = best-effort")

// hold opens what paths lead to, and adds it to a list. What somebody but root put on
// the way, to lead elsewhere, is not followed. Of two paths to one place the list gets
// one. An error begins with what (of a path, %q) failed.
func hold(list *[]sandbox.Place, paths []string, what string) error {
	for _, path := range paths {
		p, err := trust.Lead(path)
		if err != nil {
			var errno unix.Errno
			if errors.As(err, &errno) {
				err = errno // the path is said already
			}
			return fmt.Errorf(what+": %w", path, err)
		}
		if slices.ContainsFunc(*list, func(o sandbox.Place) bool { return o.Path == p.Path }) {
			unix.Close(p.FD)
			continue
		}
		*list = append(*list, sandbox.Place{Path: p.Path, FD: p.FD})
	}
	return nil
}

func addLimit(spec *sandbox.Spec, l sandbox.Limit) {
	i := slices.IndexFunc(spec.Limits, func(o sandbox.Limit) bool { return o.Resource == l.Resource })
	if i < 0 {
		spec.Limits = append(spec.Limits, l)
		return
	}
	spec.Limits[i].Value = min(spec.Limits[i].Value, l.Value)
}

// resource is a limit of getrlimit(2) by its name in a section, which package policy has
// looked at; -1 is none that can be set.
func resource(name string) int {
	switch name {
	case "as":
		return unix.RLIMIT_AS
	case "core":
		return unix.RLIMIT_CORE
	case "cpu":
		return unix.RLIMIT_CPU
	case "data":
		return unix.RLIMIT_DATA
	case "fsize":
		return unix.RLIMIT_FSIZE
	case "locks":
		return unix.RLIMIT_LOCKS
	case "memlock":
		return unix.RLIMIT_MEMLOCK
	case "msgqueue":
		return unix.RLIMIT_MSGQUEUE
	case "nice":
		return unix.RLIMIT_NICE
	case "nofile":
		return unix.RLIMIT_NOFILE
	case "nproc":
		return unix.RLIMIT_NPROC
	case "rss":
		return unix.RLIMIT_RSS
	case "rtprio":
		return unix.RLIMIT_RTPRIO
	case "rttime":
		return unix.RLIMIT_RTTIME
	case "sigpending":
		return unix.RLIMIT_SIGPENDING
	case "stack":
		return unix.RLIMIT_STACK
	}
	return -1
}

// Program reads the seccomp program of the profile that the value of a key seccomp
// names. It must have been compiled from the profile as it is now. Nobody but root
// can have written either.
func Program(name string, level trust.Level) (*seccomp.Program, error) {
	profile, compiled, err := seccomp.Locate(name)
	if err != nil {
		return nil, err
	}
	source, err := trust.File(profile, level)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: install the profile, or correct the key seccomp", err)
	}
	if err != nil {
		return nil, err
	}
	data, err := trust.File(compiled, level)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, seccomp.NotCompiled(name, err)
	}
	if err != nil {
		return nil, err
	}
	program, err := seccomp.Parse(data)
	if err != nil {
		return nil, seccomp.NotCompiled(name, err)
	}
	if err := program.Check(source); err != nil {
		return nil, seccomp.NotCompiled(name, err)
	}
	return program, nil
}

// pin replaces the words that lead to checked files by these files themselves,
// held open: no rename between the check and the command's use matters.
func pin(p *Plan, paths []int) error {
	for _, i := range paths {
		path := p.Argv[i].Raw()
		fd, err := machine.Pin(p.Argv[i], p.User)
		if err != nil {
			return fmt.Errorf("cannot pin %s (pin_paths): %w", p.Argv[i].Show(), err)
		}
		if err := withinView(path, fd, &p.Spec); err != nil {
			unix.Close(fd)
			return fmt.Errorf("cannot pin %s (pin_paths): %w", p.Argv[i].Show(), err)
		}
		p.Pinned(i, fd)
	}
	return nil
}

// withinView tells why a file that is held open would lead around a private view: it
// stands on the machine's mounts.
func withinView(path string, fd int, s *sandbox.Spec) error {
	for _, l := range []struct {
		places []sandbox.Place
		key    string
	}{{s.ReadOnly, "read_only"}, {s.PrivateTmp, "private_tmp"}} {
		for _, p := range l.places {
			if p.Holds(path) {
				return fmt.Errorf("it lies in %q (%s), which holds for names only, not for a file that is open", p.Path, l.key)
			}
		}
	}
	if len(s.ReadOnly)+len(s.PrivateTmp) == 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return errors.New("it is a directory, and from one that is open a path leads around read_only and private_tmp")
	}
	return nil
}
