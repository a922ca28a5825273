package doctor

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/lint"
)

// policies reads the configuration as the executor does.
func (e *examination) policies() {
	p, err := e.host.Load(e.report.Config, e.setuid())
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		e.unknown("policy", "policy-use", "the policy", err)
		return
	case err != nil:
		e.say("policy", "policy-use", Problem, command("ironwrapctl check %s", e.report.Config), "it cannot be used, and every call is refused: %v", err)
		return
	}
	e.policy = p
	files := map[string]bool{}
	for _, f := range p.Filters {
		files[f.File] = f.File != ""
	}
	delete(files, "")
	e.say("policy", "policy-use", Fine, "", "%s: %s in %s, which nobody but root can have written", filters.Show(p.Path), many(len(p.Filters), "filter"), many(len(files), "file"))
	e.callers()
	e.checks()
	e.compiled()
}

// callers tells whether the policy names the service's user, where nothing else vouches
// for the caller: sudo, or who has started a daemon by it.
func (e *examination) callers() {
	if !slices.ContainsFunc(e.calls, func(c call) bool { return c.good && !c.sudo }) {
		return
	}
	yes, err := e.host.MayCall(e.policy, e.report.Service)
	switch {
	case err != nil:
		e.unknown("policy", "policy-callers", "whether the service may call", err)
	case !yes:
		e.say("policy", "policy-callers", Problem, "set in [DEFAULT] of "+filters.Show(e.policy.Path)+": allow_users = "+e.report.Service, "user %s may not call without sudo: neither allow_users nor allow_groups names them", filters.Show(e.report.Service))
	default:
		e.say("policy", "policy-callers", Fine, "", "user %s may call (allow_users, allow_groups)", filters.Show(e.report.Service))
	}
}

// setuid tells that some call comes without sudo, so that the configuration has to be
// below directories of root's alone.
func (e *examination) setuid() bool {
	return slices.ContainsFunc(e.calls, func(c call) bool { return !c.sudo && c.kind == Ironwrap })
}

// checks is what check finds in the policy itself, in short.
func (e *examination) checks() {
	var errs, warnings int
	var rules []string
	for _, f := range e.findings().Findings {
		if strings.HasPrefix(f.Rule.ID, "sudoers-") || f.Accepted != nil || f.Rule.Severity < lint.Warning {
			continue
		}
		if f.Rule.Severity == lint.Error {
			errs++
		} else {
			warnings++
		}
		if !slices.Contains(rules, f.Rule.ID) {
			rules = append(rules, f.Rule.ID)
		}
	}
	if errs+warnings == 0 {
		e.say("policy", "policy-check", Fine, "", "check finds no error and no warning")
		return
	}
	more := ""
	if len(rules) > 5 {
		rules, more = rules[:5], " ..."
	}
	e.say("policy", "policy-check", Warning, command("ironwrapctl check %s", e.report.Config)+" # what is meant to be so can be accepted: --accepted FILE",
		"check finds %s and %s: %s%s", many(errs, "error"), many(warnings, "warning"), strings.Join(rules, ", "), more)
}

// compiled tells whether calls find the policy ready.
func (e *examination) compiled() {
	said, err := e.host.Compiled(e.report.Config)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.say("policy", "policy-compiled", Note, "", "no compiled policy is kept: calls read the files, and the next one by root keeps one")
	case errors.Is(err, fs.ErrPermission):
		e.say("policy", "policy-compiled", Note, "run this as root", "the compiled policy was not assessed: %v", err)
	case err != nil: // as after each change of a file: it costs time, and protects no less
		e.say("policy", "policy-compiled", Note, command("ironwrapctl compile %s", e.report.Config), "calls read the files: %v", err)
	default:
		e.say("policy", "policy-compiled", Fine, "", "the compiled policy %s", said)
	}
}

// need is something of the kernel's that a sandbox asks for.
type need struct {
	what string
	asks func(*policy.Sandbox) bool
	has  func(Kernel) Probe
}

func landlock(version int) func(Kernel) Probe {
	return func(k Kernel) Probe { return Probe{Has: k.Landlock >= version} }
}

// needs is what the keys of a sandbox section take.
var needs = []need{
	{"seccomp filters", func(s *policy.Sandbox) bool { return filtered(s) }, func(k Kernel) Probe { return k.Seccomp }},
	{"memory_deny_write_execute (Linux 6.3)", func(s *policy.Sandbox) bool { return s.DenyWriteExec }, func(k Kernel) Probe { return k.MDWE }},
	{"keyrings (private_keyring)", func(s *policy.Sandbox) bool { return s.PrivateKeyring != nil && *s.PrivateKeyring }, func(k Kernel) Probe { return k.Keyrings }},
	{"mount namespaces", func(s *policy.Sandbox) bool { return s.PrivateMounts || view(s) }, func(k Kernel) Probe { return k.Mounts }},
	{"network namespaces (private_network)", func(s *policy.Sandbox) bool { return s.PrivateNetwork }, func(k Kernel) Probe { return k.Network }},
	{"read-only mounts (read_only, Linux 5.12)", func(s *policy.Sandbox) bool { return len(s.ReadOnly) > 0 }, func(k Kernel) Probe { return k.ReadOnly }},
	{"Landlock for paths, version 1", func(s *policy.Sandbox) bool { return s.LandlockRO != nil || s.LandlockRW != nil || view(s) }, landlock(1)},
	{"Landlock for ports, version 4", func(s *policy.Sandbox) bool { return s.LandlockBind != nil || s.LandlockConnect != nil }, landlock(4)},
	{"Landlock scopes, version 6", func(s *policy.Sandbox) bool { return len(s.LandlockScope) > 0 }, landlock(6)},
	{"Landlock's records (landlock_log), version 7", func(s *policy.Sandbox) bool { return s.LandlockLog }, landlock(7)},
	{"AppArmor (apparmor_profile)", func(s *policy.Sandbox) bool { return s.AppArmor != "" }, module("apparmor")},
	{"SELinux (selinux_context)", func(s *policy.Sandbox) bool { return s.SELinux != "" }, module("selinux")},
}

func filtered(s *policy.Sandbox) bool { return s.Seccomp != "" && s.Seccomp != "none" }

func view(s *policy.Sandbox) bool { return s.PrivateTmp || len(s.ReadOnly) > 0 }

// sandboxes asks the kernel for what the policy's sandbox sections need.
func (e *examination) sandboxes() {
	k := e.host.Kernel()
	e.kernel(k)
	if e.policy == nil {
		e.say("sandbox", "sandbox-use", Unknown, "", "not assessed: the policy was not read")
		return
	}
	confined, profiles := 0, []string{}
	for _, f := range e.policy.Filters {
		if f.Sandbox == nil {
			continue
		}
		confined++
		if filtered(f.Sandbox) && !slices.Contains(profiles, f.Sandbox.Seccomp) {
			profiles = append(profiles, f.Sandbox.Seccomp)
		}
	}
	if confined == 0 {
		e.say("sandbox", "sandbox-use", Note, "", "no filter has a sandbox section: what a filter allows has all rights of its run-as user")
		return
	}
	e.say("sandbox", "sandbox-use", Fine, "", "filters with a sandbox section: %d of %d", confined, len(e.policy.Filters))
	for _, n := range needs {
		e.need(n, n.has(k))
	}
	for _, name := range profiles {
		e.profile(name)
	}
}

// kernel is what every call needs, and what the machine has besides.
func (e *examination) kernel(k Kernel) {
	switch {
	case k.Calls.Err != nil:
		e.unknown("sandbox", "kernel", "the kernel", k.Calls.Err)
	case !k.Calls.Has:
		e.say("sandbox", "kernel", Problem, "Linux 5.11 or newer is needed; in a container, its seccomp profile may refuse them", "the kernel refuses openat2 or close_range: no call can run")
	}
	if k.LSM == nil {
		e.say("sandbox", "kernel-lsm", Note, "", "which security modules the kernel has was not assessed: /sys/kernel/security cannot be read")
		return
	}
	e.say("sandbox", "kernel-lsm", Note, "", "security modules of the kernel: %s", strings.Join(k.LSM, ", "))
}

// need tells whether the kernel has something, where some filter asks for it.
func (e *examination) need(n need, p Probe) {
	asking, effort := 0, true
	for _, f := range e.policy.Filters {
		if f.Sandbox != nil && n.asks(f.Sandbox) {
			asking++
			effort = effort && spared(f.Sandbox, n.what)
		}
	}
	switch {
	case asking == 0:
	case p.Err != nil:
		e.unknown("sandbox", "kernel-feature", n.what, p.Err)
	case p.Has:
		e.say("sandbox", "kernel-feature", Fine, "", "the kernel has %s, for %s", n.what, many(asking, "filter"))
	case effort:
		e.say("sandbox", "kernel-feature", Warning, "take a newer kernel", "the kernel has no %s: %s without it (best-effort)", n.what, run(asking))
	default:
		e.say("sandbox", "kernel-feature", Problem, "take a newer kernel, or that key out of the sandbox section", "the kernel has no %s: the commands of %s do not run", n.what, many(asking, "filter"))
	}
}

// spared tells that a command runs without what the kernel has not got.
func spared(s *policy.Sandbox, what string) bool {
	switch word, _, _ := strings.Cut(what, " "); word {
	case "Landlock", "Landlock's":
		return s.BestEffort
	case "AppArmor":
		return s.AppArmorBestEffort
	case "SELinux":
		return s.SELinuxBestEffort
	}
	return false
}

// module tells whether a security module is in force (/sys/kernel/security/lsm).
func module(name string) func(Kernel) Probe {
	return func(k Kernel) Probe {
		if k.LSM == nil {
			return Probe{Err: errors.New("/sys/kernel/security cannot be read")}
		}
		return Probe{Has: slices.Contains(k.LSM, name)}
	}
}

func run(n int) string {
	if n == 1 {
		return "the commands of 1 filter run"
	}
	return "the commands of " + many(n, "filter") + " run"
}

func (e *examination) profile(name string) {
	err := e.host.Profile(name)
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.unknown("sandbox", "seccomp-profile", "seccomp profile "+filters.Show(name), err)
	case err != nil:
		e.say("sandbox", "seccomp-profile", Problem, command("ironwrapctl seccomp compile %s", name), "commands under it do not run: %v", err)
	default:
		e.say("sandbox", "seccomp-profile", Fine, "", "seccomp profile %s is compiled for this machine", filters.Show(name))
	}
}
