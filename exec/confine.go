package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
	"ironwrap/sandbox"
	"ironwrap/sandbox/seccomp"
)

// confine adds to a plan what the sandbox sections say of the filter that matched
// and, for a nested command, of that command's filter too: going through a chain
// must not be a way out of a sandbox, so that the stricter holds in each respect.
func confine(p *Plan, d policy.Decision, level trust.Level) error {
	p.Spec.Capabilities = sandbox.Capabilities{All: true}
	pinned := false
	// ip(8) enters the namespace that was named, and leaves any other.
	if d.Leaf != nil && d.Leaf.Sandbox != nil && d.Leaf.Sandbox.PrivateNetwork && d.Filter.Class == "IpNetnsExecFilter" {
		return fmt.Errorf("cannot run in network namespace %s: the sandbox of filter %s has private_network", p.Argv[3], filters.Untrusted(d.Leaf.Name))
	}
	set := given{}
	for _, e := range []*policy.Entry{d.Filter, d.Leaf} {
		if e == nil || e.Sandbox == nil {
			continue
		}
		if err := set.add(&p.Spec, e.Sandbox, level); err != nil {
			return fmt.Errorf("cannot set up the sandbox of filter %s: %w", filters.Untrusted(e.Name), err)
		}
		pinned = pinned || e.Sandbox.PinPaths
	}
	if pinned {
		return pin(p, d.Paths)
	}
	return nil
}

// given tells which numbers a section has set: the first takes the place of the
// default, and of two the stricter holds.
type given struct{ umask, nice, oomScore bool }

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
	spec.PrivateTmp = spec.PrivateTmp || b.PrivateTmp
	spec.ReadOnly = append(spec.ReadOnly, b.ReadOnly...)
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
		addLimit(spec, sandbox.Limit{Resource: resources[l.Name], Value: l.Value})
	}
	ruleset, err := sandbox.NewRuleset(sandbox.Rules{
		ReadOnly: b.LandlockRO, ReadWrite: b.LandlockRW,
		Bind: b.LandlockBind, Connect: b.LandlockConnect, BestEffort: b.BestEffort,
	})
	if err != nil {
		return err
	}
	if ruleset >= 0 {
		spec.Landlock = append(spec.Landlock, ruleset)
	}
	if b.Seccomp != "" && b.Seccomp != "none" {
		program, err := Program(b.Seccomp, level)
		if err != nil {
			return err
		}
		spec.Seccomp = append(spec.Seccomp, program)
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

// resources are the limits of getrlimit(2) by their names in a section.
var resources = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK,
	"msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE,
	"nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
	"rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
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
			return fmt.Errorf("cannot pin %s (pin_paths): %w", p.Argv[i], err)
		}
		if dir := readOnlyAbove(path, p.Spec.ReadOnly); dir != "" {
			unix.Close(fd)
			return fmt.Errorf("cannot pin %s (pin_paths): it lies in %q (read_only), which holds for names only, not for a file that is open", p.Argv[i], dir)
		}
		p.Pinned(i, fd)
	}
	return nil
}

// readOnlyAbove returns the first of dirs that path, which has no symbolic links,
// lies in; "" for none.
func readOnlyAbove(path string, dirs []string) string {
	for _, dir := range dirs {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil && (path == real || strings.HasPrefix(path, strings.TrimSuffix(real, "/")+"/")) {
			return dir
		}
	}
	return ""
}
