package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/machine"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/lint"
	"ironwrap/policy/trust"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
)

// auditOptions is what audit was called with.
type auditOptions struct {
	format, baseline, sudoers, accepted string
	thresholds, roots                   []string
}

func auditCommand() *cobra.Command {
	var o auditOptions
	c := &cobra.Command{
		Use:   "audit [--format text|json|html|prometheus|accepted] [--accepted FILE] [--baseline FILE] [--threshold WHAT=N,...] [--root DIR]... CONFIG...",
		Short: "tell what a policy gives away",
		Long: `Audit tells, for each filter that CONFIG leads to, which powers it hands to whoever
may call ironwrap: running programs, writing files, changing mounts, and so on. Each
has a command that the filter allows as its proof, and a score from 0 to 10 that
takes the run-as user and the sandbox section into account. It says what to change
first, and how many filters make their callers root then: each change was tried.
Nothing is executed, and no privilege is needed.

--threshold bounds what is found: a score from 0 to 10 for the worst filter, or
WHAT=N for how many there may be. WHAT is new (powers that --baseline, an earlier
report as JSON, has not got), stale (entries of --accepted that hold no more), ways (to root), a band (root, high, medium, low, each
with all that is worse; not-assessed) or a power, such as write. A filter of which
nobody knows what its program does is not assessed, and counts as the most it could be.
What --accepted FILE accepts is shown and does not count; --format accepted prints an
entry for all else, to be filled in: docs/accepted.md describes the file.

Of several CONFIG, or several trees, there is one report: worst first, which decide
alike, and what the others decide otherwise. --root DIR is a tree that was collected
from a host, whoever owns its files; CONFIG is a path on that host. Both may be
patterns. --format prometheus writes numbers for the textfile collector of
Prometheus's node exporter. docs/fleet.md tells more.

exit status: 0 audited, 1 audited and above --threshold, or some CONFIG of several
cannot be used, 2 wrong use, or no CONFIG or no FILE can be used, or the report cannot
be written.`,
		Example: `  ironwrapctl audit /etc/neutron/rootwrap.conf
  ironwrapctl audit --format html /etc/cinder/rootwrap.conf > cinder.html
  ironwrapctl audit --format json /etc/nova/rootwrap.conf > accepted.json
  ironwrapctl audit --baseline accepted.json --threshold new=0 /etc/nova/rootwrap.conf
  ironwrapctl audit --root '/srv/collected/*' /etc/neutron/rootwrap.conf
  ironwrapctl audit --format prometheus /etc/*/rootwrap.conf > /var/lib/node_exporter/ironwrap.prom`,
		Args: needs("CONFIG"),
		RunE: func(c *cobra.Command, args []string) error {
			limits, err := limitsOf(o.thresholds, o.baseline, o.accepted)
			if err != nil {
				return err
			}
			risks, err := readAccepted(o.accepted)
			if err != nil {
				return err
			}
			if err := noSudoers(o.roots, o.sudoers, nil); err != nil {
				return err
			}
			all, err := members(o.roots, args)
			if err != nil {
				return err
			}
			if o.format == "prometheus" || several(o.roots, args) {
				return auditFleet(c.OutOrStdout(), c.ErrOrStderr(), all, o, limits, risks)
			}
			return auditOne(c.OutOrStdout(), c.ErrOrStderr(), all[0], o, limits, risks)
		},
	}
	c.Flags().StringVar(&o.format, "format", "text", "how to print: text, json, html, prometheus or accepted")
	c.Flags().StringVar(&o.accepted, "accepted", "", "what `FILE` accepts is shown and does not count")
	c.Flags().StringVar(&o.baseline, "baseline", "", "tell what is new since the report in `FILE`, which is JSON")
	c.Flags().StringArrayVar(&o.thresholds, "threshold", nil, "exit with 1 where there is more than that: `WHAT=N,...`, or a score")
	c.Flags().StringVar(&o.sudoers, "sudoers", "", "read who may call from `FILE` instead of the machine's sudoers; none: do not")
	c.Flags().StringArrayVar(&o.roots, "root", nil, "CONFIG lies in the tree at `DIR`, which was collected from a host; may be given several times, or be a pattern")
	return c
}

// auditOne audits one policy. The error is the exit status where it is above a limit.
func auditOne(out, errs io.Writer, m member, o auditOptions, limits []exposure.Limit, risks *accepted.List) error {
	print := map[string]func(io.Writer, exposure.Report) error{"text": auditText, "json": auditJSON, "html": auditHTML, "accepted": auditAccepted}[o.format]
	if print == nil {
		return fmt.Errorf("format %q is none of text, json, html, prometheus and accepted", o.format)
	}
	before, err := readBaselines(o.baseline, []member{m})
	if err != nil {
		return err
	}
	r, err := m.audit(o.sudoers, nil)
	if err != nil {
		return err
	}
	r.Accept(risks)
	if before != nil {
		r.Compare(before.of(m.host, m.config))
	}
	if err := print(out, r); err != nil {
		return err
	}
	return gate(errs, r, limits)
}

func limitsOf(thresholds []string, baseline, accepts string) (all []exposure.Limit, err error) {
	for _, text := range thresholds {
		limits, err := exposure.ParseLimits(text)
		if err != nil {
			return nil, err
		}
		all = append(all, limits...)
	}
	if baseline == "" && slices.ContainsFunc(all, func(l exposure.Limit) bool { return l.What == "new" }) {
		return nil, errors.New("threshold new counts what is new since an earlier report: --baseline FILE names it")
	}
	if accepts == "" && slices.ContainsFunc(all, func(l exposure.Limit) bool { return l.What == "stale" }) {
		return nil, errors.New("threshold stale counts entries of the accepted risks that hold no more: --accepted FILE names them")
	}
	return all, nil
}

// gate says what is above its limit. The error is the exit status.
func gate(w io.Writer, r exposure.Report, limits []exposure.Limit) (err error) {
	for _, l := range limits {
		if text := r.Above(l); text != "" {
			fmt.Fprintf(w, "ironwrapctl: above the threshold: %s\n", text)
			err = status(1)
		}
	}
	return err
}

// audit assesses a policy. known has what was assessed before; nil for nothing.
func (m member) audit(sudoers string, known *assessments) (r exposure.Report, err error) {
	var s sources
	p, err := m.load(s.parse)
	if err != nil {
		return r, err
	}
	sudo := (*lint.Sudoers)(nil)
	if m.tree == nil {
		if sudo, err = readSudoers(sudoers, nil); err != nil {
			return r, err
		}
	}
	ask := m.machine(p)
	ask.Callers = lint.Callers(p, m.tree, sudoUsers(p, sudo))
	assess := func() exposure.Report {
		r := exposure.Assess(p, ask)
		s.define(r.Filters)
		return r
	}
	if known == nil {
		r = assess()
	} else {
		r = known.report(s.digest()+asked(p, ask), assess)
	}
	r.About = about(s, p, sudo, m.host)
	return r, nil
}

func (m member) load(parse policy.Parser) (*policy.Policy, error) {
	if m.tree != nil {
		return m.tree.Load(m.config, parse)
	}
	return policy.Load(m.config, trust.Object, parse)
}

// machine is what is asked of the host. A tree does not tell which programs are given more
// rights when they are executed: all may be.
func (m member) machine(p *policy.Policy) exposure.Machine {
	if m.tree == nil {
		programs := machine.New(p.ExecDirs, p.Trust)
		return exposure.Machine{
			Find:    func(name, runAs string) (string, error) { p, err := programs.Find(name, runAs); return p.Path, err },
			UID:     func(name string) (uint32, error) { u, err := account.Lookup(name); return u.UID, err },
			Gains:   gains,
			Seccomp: profiles{}.allows,
		}
	}
	shipped := profiles{}
	return exposure.Machine{
		Find:  func(name, _ string) (string, error) { p, err := m.tree.Find(name, p.ExecDirs); return p.Path, err },
		UID:   m.tree.UID,
		Gains: func(string) bool { return true },
		Seccomp: func(profile string, call exposure.Syscall) (bool, error) {
			if strings.HasPrefix(profile, "/") {
				return false, fmt.Errorf("profile %s of a tree is not looked at", filters.Show(profile))
			}
			return shipped.allows(profile, call)
		},
	}
}

// asked is what the host says of the programs and users of a policy.
func asked(p *policy.Policy, m exposure.Machine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", m.Callers)
	for _, f := range p.Filters {
		path, found := m.Find(f.Exec(), f.RunAs())
		id, known := m.UID(f.RunAs())
		fmt.Fprintf(&b, "\n%q %v %d %v", path, found, id, known)
	}
	return b.String()
}

// gains tells whether execve(2) gives a program more rights than its user has; one that
// cannot be looked at may.
func gains(path string) bool {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		return true
	}
	_, err = syscall.Getxattr(path, "security.capability", nil) // capabilities(7)
	return err != syscall.ENODATA && err != syscall.ENOTSUP
}

// profiles are seccomp profiles, compiled when first asked for.
type profiles map[string]*compiledProfile

// compiledProfile is a program, and what it was asked.
type compiledProfile struct {
	*seccomp.Program
	answers map[exposure.Syscall]bool
}

// allows tells whether a profile lets a system call pass, on this machine, with some
// arguments of those that are not known.
func (ps profiles) allows(name string, call exposure.Syscall) (bool, error) {
	p := ps[name]
	if p == nil {
		s, err := openProfile(name, nil)
		if err != nil {
			return false, err
		}
		program, err := s.compiled(io.Discard)
		if err != nil {
			return false, err
		}
		p = &compiledProfile{program, map[exposure.Syscall]bool{}}
		ps[name] = p
	}
	allowed, known := p.answers[call]
	if !known {
		allowed = p.passes(call)
		p.answers[call] = allowed
	}
	return allowed, nil
}

func (p *compiledProfile) passes(call exposure.Syscall) bool {
	number, err := compile.Number(call.Name)
	if err != nil {
		return false // the machine has no such call
	}
	var args [6]bpf.Known
	for i := range args {
		args[i] = bpf.Known{Mask: call.Mask[i], Value: call.Value[i]}
	}
	return slices.ContainsFunc(bpf.Answers(p.Filter(), seccomp.Arch, number, args[:]...), bpf.Allows)
}

func auditAccepted(w io.Writer, r exposure.Report) error { return accepted.Propose(w, r.Unaccepted()) }

func auditJSON(w io.Writer, r exposure.Report) error {
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", out)
	return err
}
