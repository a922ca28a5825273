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
	var fromAudit, detach, recording bool
	var audit auditSource
	c := &cobra.Command{
		Use: `learn [--into DIR [--detach]] CONFIG -- COMMAND [ARG...]
  ironwrapctl learn --from-audit [--exe PATH] [--user NAME] [--add CALL] [--profile FILE] CONFIG --journal [--since TIME] | FILE... -- COMMAND [ARG...]`,
		DisableFlagsInUseLine: true,
		Short:                 "run a command, and tell the smallest sandbox that it works in",
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

With --from-audit nothing is run. COMMAND only says which filter is meant, whose
section has been in use with seccomp_log = yes or landlock_log = yes. What the kernel
wrote of that (in audit.log, the output of dmesg, the journal) is held against the
section, and what would have to be added is printed. --profile writes the profile with
the system calls that are listed as added. Those that are dangerous, or whose arguments
matter, are added when --add names them. Records count when they are the run-as user's,
and of the command's own program, or of one that --exe names.

Standard input and output are the command's, and signals reach it. Learn ends when
nothing that it started runs any more: stop a daemon once it has shown enough. With
--detach it returns with the command, and what the command has left is recorded in the
background until it ends. Notes are then in DIR/FILTER.notes.

exit status: the command's, 128 and the number of the signal that killed it; else
as ironwrap: 96, 97, 99; 2 when nothing could be recorded.`,
		Example: `  ironwrapctl learn /etc/cinder/rootwrap.conf -- df /
  ironwrapctl learn --into /etc/ironwrap /etc/cinder/rootwrap.conf -- qemu-img create /tmp/a 1G
  ironwrapctl learn --into /etc/ironwrap /etc/cinder/rootwrap.conf -- qemu-img info /tmp/a
  ironwrapctl seccomp compile /etc/ironwrap/qemu-img_convert.json
  ironwrapctl learn --from-audit --profile /etc/ironwrap/new.json /etc/cinder/rootwrap.conf /var/log/audit/audit.log -- qemu-img info disk`,
		RunE: func(c *cobra.Command, args []string) error {
			dash := c.ArgsLenAtDash()
			if fromAudit && dash >= 1 && len(args) > dash {
				audit.files = args[1:dash]
				if err := audit.usable(); err != nil {
					return err
				}
				config, err := filepath.Abs(args[0])
				if err != nil {
					return err
				}
				return learnFromAudit(c, config, filters.Words(args[dash:]), audit)
			}
			for _, name := range auditFlags {
				if !fromAudit && c.Flags().Changed(name) {
					return fmt.Errorf("--%s is for --from-audit", name)
				}
			}
			if dash != 1 || len(args) < 2 {
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
			if detach && into == "" {
				return errors.New("--detach needs --into: nobody is there any more when there is something to print")
			}
			return learn(c, config, filters.Words(args[1:]), into, detach, recording)
		},
	}
	c.Flags().BoolVar(&fromAudit, "from-audit", false, "run nothing, and read the kernel's records instead")
	c.Flags().BoolVar(&audit.journal, "journal", false, "read them from the journal")
	c.Flags().StringVar(&audit.since, "since", "", "from the journal only what is not older than TIME (journalctl --since)")
	c.Flags().StringArrayVar(&audit.programs, "exe", nil, "records of the program at `PATH` count too")
	c.Flags().StringArrayVar(&audit.users, "user", nil, "records of the user `NAME` count too")
	c.Flags().StringSliceVar(&audit.add, "add", nil, "add the system call `CALL`, which is not added by itself")
	c.Flags().StringVar(&audit.profile, "profile", "", "write the profile with what is added to `FILE`, which must not exist")
	c.Flags().StringVar(&into, "into", "", "add to what the filter's earlier runs left in this directory")
	c.Flags().BoolVar(&detach, "detach", false, "return when the command does, and go on in the background")
	c.Flags().BoolVar(&recording, "recording", false, "")
	_ = c.Flags().MarkHidden("recording") // it is there
	c.MarkFlagsMutuallyExclusive("from-audit", "into")
	return c
}

// auditFlags are for --from-audit alone.
var auditFlags = []string{"journal", "since", "exe", "user", "add", "profile"}

func learn(c *cobra.Command, config string, argv []filters.Untrusted, into string, detach, recording bool) error {
	told := func(int) {}
	if recording {
		told = reporter()
	}
	d, plan, err := allowed(config, argv, exec.Caller{Env: filters.Words(os.Environ())})
	if err != nil {
		return err
	}
	if plan.Signal != nil {
		return fmt.Errorf("%s is a signal, which ironwrap sends itself: there is no command to learn from, and nothing was sent", filters.Line(argv))
	}
	// What earlier runs left must be usable before another is made.
	if into != "" {
		if err := usable(into, learned{Filter: d.Filter.Name, RunAs: d.RunAs, Context: contextOf(d)}); err != nil {
			return err
		}
	}
	if detach && !recording {
		return detached(config, argv, into)
	}

	r, err := observe(c.ErrOrStderr(), config, argv, told)
	if err != nil {
		return err
	}
	l := summarize(r, d, plan)
	l.Context = contextOf(d)
	if into == "" {
		err = l.print(c.OutOrStdout())
	} else {
		l, err = l.addTo(into)
	}
	if err != nil {
		return err
	}
	notes := append(append(l.notes(), l.unseen()...), filesFree)
	for _, n := range notes {
		fmt.Fprintln(c.ErrOrStderr(), "ironwrapctl: note:", filters.Prose(n))
	}
	if recording {
		if err := l.keepNotes(into, notes); err != nil {
			return err
		}
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
	if d.Verdict != policy.Allowed {
		return d, nil, unallowed(d, argv)
	}
	if plan, err = exec.NewPlan(d, caller); err != nil {
		return d, nil, refuse(97, "%v", err)
	}
	return d, plan, nil
}

// unallowed refuses what a decision does not allow.
func unallowed(d policy.Decision, argv []filters.Untrusted) error {
	switch d.Verdict {
	case policy.NotExecutable:
		return refuse(96, "Executable not found: %s (filter match = %s): %s", filters.Untrusted(d.Filter.Exec()), filters.Untrusted(d.Filter.Name), d.Why)
	case policy.TooLong:
		return refuse(97, "%s", d.Why)
	}
	return refuse(99, "Unauthorized command: %s (no filter matched); ironwrapctl explain tells why", filters.Line(argv))
}
