package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/machine"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/trust"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
)

func auditCommand() *cobra.Command {
	var format, baseline, sudoers, accepts string
	var thresholds []string
	c := &cobra.Command{
		Use:   "audit [--format text|json|html|accepted] [--accepted FILE] [--baseline FILE] [--threshold WHAT=N,...] CONFIG",
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

exit status: 0 audited, 1 audited and above --threshold, 2 wrong use, or CONFIG or
FILE cannot be used, or the report cannot be written.`,
		Example: `  ironwrapctl audit /etc/neutron/rootwrap.conf
  ironwrapctl audit --format html /etc/cinder/rootwrap.conf > cinder.html
  ironwrapctl audit --format json /etc/nova/rootwrap.conf > accepted.json
  ironwrapctl audit --baseline accepted.json --threshold new=0 /etc/nova/rootwrap.conf`,
		Args: takes("CONFIG"),
		RunE: func(c *cobra.Command, args []string) error {
			print := map[string]func(io.Writer, exposure.Report) error{"text": auditText, "json": auditJSON, "html": auditHTML, "accepted": auditAccepted}[format]
			if print == nil {
				return fmt.Errorf("format %q is none of text, json, html and accepted", format)
			}
			limits, err := limitsOf(thresholds, baseline, accepts)
			if err != nil {
				return err
			}
			before, err := readBaseline(baseline)
			if err != nil {
				return err
			}
			risks, err := readAccepted(accepts)
			if err != nil {
				return err
			}
			r, err := auditPolicy(args[0], sudoers)
			if err != nil {
				return err
			}
			r.Accept(risks)
			if before != nil {
				r.Compare(before)
			}
			if err := print(c.OutOrStdout(), r); err != nil {
				return err
			}
			return gate(c.ErrOrStderr(), r, limits)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "how to print: text, json, html or accepted")
	c.Flags().StringVar(&accepts, "accepted", "", "what `FILE` accepts is shown and does not count")
	c.Flags().StringVar(&baseline, "baseline", "", "tell what is new since the report in `FILE`, which is JSON")
	c.Flags().StringArrayVar(&thresholds, "threshold", nil, "exit with 1 where there is more than that: `WHAT=N,...`, or a score")
	c.Flags().StringVar(&sudoers, "sudoers", "", "read who may call from `FILE` instead of the machine's sudoers; none: do not")
	return c
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

func readBaseline(path string) (exposure.Baseline, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the baseline: %w", err)
	}
	b, err := exposure.ReadBaseline(data)
	if err != nil {
		return nil, fmt.Errorf("cannot use the baseline %s: %w", filters.Untrusted(path), err)
	}
	return b, nil
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

func auditPolicy(config, sudoers string) (exposure.Report, error) {
	path, err := filepath.Abs(config)
	if err != nil {
		return exposure.Report{}, err
	}
	var s sources
	p, err := policy.Load(path, trust.Object, s.parse)
	if err != nil {
		return exposure.Report{}, err
	}
	sudo, err := readSudoers(sudoers, nil)
	if err != nil {
		return exposure.Report{}, err
	}
	programs := machine.New(p.ExecDirs, p.Trust)
	r := exposure.Assess(p, exposure.Machine{
		Find:    func(name, runAs string) (string, error) { p, err := programs.Find(name, runAs); return p.Path, err },
		UID:     func(name string) (uint32, error) { u, err := account.Lookup(name); return u.UID, err },
		Gains:   gains,
		Seccomp: profiles{}.allows,
	})
	r.About = about(s, p, sudo)
	s.define(r.Filters)
	return r, nil
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
