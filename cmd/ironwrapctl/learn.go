package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
)

func learnCommand() *cobra.Command {
	var into string
	c := &cobra.Command{
		Use:   "learn [--into DIR] CONFIG -- COMMAND [ARG...]",
		Short: "run a command, and tell the smallest sandbox that it works in",
		Long: `Learn runs COMMAND as ironwrap would, under the first filter that matches, records
what system calls and capabilities it uses, together with all that it starts, and
prints a sandbox section and a seccomp profile which allow that and no more. It must
be run as root.

What a command did not do this time it may not do later: show it all that it has to
be able to do. With --into the runs add up, in DIR/FILTER.learned.json; section and
profile are made anew after each, as DIR/FILTER.section and DIR/FILTER.json, and
standard output is the command's alone. DIR must be root's.

Capabilities are learned from the kernel's tracepoint capability:cap_capable, Linux
6.15. Where they cannot be, the section does not limit them, and a note says why.

Standard input and output are the command's, and signals reach it. Learn ends when
nothing that it started runs any more: stop a daemon once it has shown enough.

exit status: the command's, 128 and the number of the signal that killed it; else
as ironwrap: 96, 97, 99; 2 when nothing could be recorded.`,
		Example: `  ironwrapctl learn /etc/cinder/rootwrap.conf -- df /
  ironwrapctl learn --into /etc/ironwrap /etc/cinder/rootwrap.conf -- qemu-img create /tmp/a 1G
  ironwrapctl learn --into /etc/ironwrap /etc/cinder/rootwrap.conf -- qemu-img info /tmp/a
  ironwrapctl seccomp compile /etc/ironwrap/qemu-img_convert.json`,
		RunE: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() != 1 || len(args) < 2 {
				return errors.New("write the configuration, two dashes, and the command: ironwrapctl learn /etc/nova/rootwrap.conf -- qemu-img info disk")
			}
			if os.Geteuid() != 0 {
				return errors.New("learn must be run as root: it runs the command with the rights that its filter gives")
			}
			config := args[0]
			if !filepath.IsAbs(config) {
				return fmt.Errorf("%s is not an absolute path, and ironwrap takes no other: where a relative one leads is for its caller to choose", filters.Untrusted(config))
			}
			if into != "" {
				var err error
				if into, err = filepath.Abs(into); err != nil {
					return err
				}
			}
			return learn(c, config, filters.Words(args[1:]), into)
		},
	}
	c.Flags().StringVar(&into, "into", "", "add to what the filter's earlier runs left in this directory")
	return c
}

func learn(c *cobra.Command, config string, argv []filters.Untrusted, into string) error {
	d, plan, err := allowed(config, argv, exec.Caller{Env: filters.Words(os.Environ())})
	if err != nil {
		return err
	}
	if plan.Signal != nil {
		return fmt.Errorf("%s is a signal, which ironwrap sends itself: there is no command to learn from, and nothing was sent", filters.Line(argv))
	}
	// What earlier runs left must be usable before another is made.
	if into != "" {
		if err := usable(into, d.Filter.Name, d.RunAs); err != nil {
			return err
		}
	}

	r, err := observe(c.ErrOrStderr(), config, argv)
	if err != nil {
		return err
	}
	l := summarize(r, d, plan)
	if into == "" {
		err = l.print(c.OutOrStdout())
	} else {
		l, err = l.addTo(into)
	}
	if err != nil {
		return err
	}
	for _, n := range append(l.notes(), filesFree) {
		fmt.Fprintln(c.ErrOrStderr(), "ironwrapctl: note:", filters.Prose(n))
	}
	if into != "" {
		fmt.Fprintf(c.ErrOrStderr(), "ironwrapctl: learned from %s: %s\n", times(l.Runs), filters.Untrusted(l.path(into, ".section")))
	}
	if r.status != 0 {
		return status(r.status)
	}
	return nil
}

// refuse says why a command does not run, in the executor's words, and returns its
// exit status.
func refuse(code int, format string, args ...any) error {
	fmt.Fprintln(os.Stderr, "ironwrapctl:", filters.Prose(fmt.Sprintf(format, args...)))
	return status(code)
}

// allowed decides as the executor does.
func allowed(config string, argv []filters.Untrusted, caller exec.Caller) (d policy.Decision, plan *exec.Plan, err error) {
	p, err := policy.Load(config, trust.Object, inifile.Parse)
	if err != nil {
		return d, nil, refuse(97, "Incorrect configuration file: %v", err)
	}
	d = p.Decide(policy.Request{Argv: argv, Machine: machine.New(p.ExecDirs, p.Trust)})
	switch d.Verdict {
	case policy.Allowed:
	case policy.NotExecutable:
		return d, nil, refuse(96, "Executable not found: %s (filter match = %s): %s", filters.Untrusted(d.Filter.Exec()), filters.Untrusted(d.Filter.Name), d.Why)
	case policy.TooLong:
		return d, nil, refuse(97, "%s", d.Why)
	default:
		return d, nil, refuse(99, "Unauthorized command: %s (no filter matched); ironwrapctl explain tells why", filters.Line(argv))
	}
	if plan, err = exec.NewPlan(d, caller); err != nil {
		return d, nil, refuse(97, "%v", err)
	}
	return d, plan, nil
}
