package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/trust"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
)

func auditCommand() *cobra.Command {
	var format string
	var threshold float64
	c := &cobra.Command{
		Use:   "audit [--format text|json|html] [--threshold N] CONFIG",
		Short: "tell what a policy gives away",
		Long: `Audit tells, for each filter that CONFIG leads to, which powers it hands to whoever
may call ironwrap: running programs, writing files, changing mounts, and so on. Each
has a command that the filter allows as its proof, and a score from 0 to 10 that
takes the run-as user and the sandbox section into account. The policy's score is
that of its worst filter. A filter of which nobody knows what its program does has no
score: it is not assessed, and --threshold takes it for 10. Nothing is executed, and no
privilege is needed.

exit status: 0 audited, 1 the policy's score is above --threshold, 2 wrong use or
CONFIG cannot be used.`,
		Example: `  ironwrapctl audit /etc/neutron/rootwrap.conf
  ironwrapctl audit --format html /etc/cinder/rootwrap.conf > cinder.html
  ironwrapctl audit --format json --threshold 6.9 /etc/nova/rootwrap.conf`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			print := map[string]func(io.Writer, exposure.Report) error{"text": auditText, "json": auditJSON, "html": auditHTML}[format]
			if print == nil {
				return fmt.Errorf("format %q is none of text, json and html", format)
			}
			if !(threshold >= 0 && threshold <= 10) { // NaN is neither
				return fmt.Errorf("threshold %v is not a number from 0 to 10", threshold)
			}
			r, err := auditPolicy(args[0])
			if err != nil {
				return err
			}
			if err := print(c.OutOrStdout(), r); err != nil {
				return err
			}
			if r.Gate() > threshold {
				return status(1)
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "text", "how to print: text, json or html")
	c.Flags().Float64Var(&threshold, "threshold", 10, "exit with 1 where the policy's score is above N")
	return c
}

func auditPolicy(config string) (exposure.Report, error) {
	path, err := filepath.Abs(config)
	if err != nil {
		return exposure.Report{}, err
	}
	p, err := policy.Load(path, trust.Object, inifile.Parse)
	if err != nil {
		return exposure.Report{}, err
	}
	programs := machine.New(p.ExecDirs, p.Trust)
	return exposure.Assess(p, exposure.Machine{
		Find:    func(name, runAs string) (string, error) { p, err := programs.Find(name, runAs); return p.Path, err },
		UID:     func(name string) (uint32, error) { u, err := account.Lookup(name); return u.UID, err },
		Gains:   gains,
		Seccomp: profiles{}.allows,
	}), nil
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

func auditJSON(w io.Writer, r exposure.Report) error {
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", out)
	return err
}
