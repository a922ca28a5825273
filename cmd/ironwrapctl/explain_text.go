package main

import (
	"fmt"
	"io"
	"strings"

	"ironwrap/filters"
)

func (e explanation) printText(w io.Writer, ink ink) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "  %-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	switch e.Verdict {
	case "allow":
		fmt.Fprintln(w, ink.green("allowed"))
	case "deny":
		why := ""
		if e.Error != "" {
			why = filters.Prose(e.Error) + "; "
		}
		fmt.Fprintf(w, "%s: %sno filter matched (exit status 99)\n", ink.red("refused"), why)
	case "not-executable":
		fmt.Fprintf(w, "%s: the program cannot be executed: %s (exit status 96)\n", ink.red("refused"), filters.Prose(e.Error))
	case "too-long":
		fmt.Fprintf(w, "%s: %s (exit status 97)\n", ink.red("refused"), filters.Prose(e.Error))
	default:
		fmt.Fprintf(w, "%s: the configuration cannot be used: %s (exit status 97)\n", ink.red("refused"), filters.Prose(e.Error))
	}
	for _, n := range e.Near {
		line("near miss", "%s, %s: %s", n.Filter.Name, position(n.Filter.File, n.Filter.Line), filters.Prose(n.Why))
	}
	if f := e.Filter; f != nil {
		line("filter", "%s (%s), %s", f.Name, f.Class, position(f.File, f.Line))
	}
	if f := e.Nested; f != nil {
		line("nested", "%s (%s), %s", f.Name, f.Class, position(f.File, f.Line))
	}
	if p := e.Privsep; p != nil {
		line("context", "%s", p)
	}
	if e.Signal != nil {
		line("signal", "%d to process %d, sent by ironwrap itself", e.Signal.Number, e.Signal.PID)
	} else if e.Argv != nil {
		line("executable", "%s", e.Executable)
		line("argv", "%s", filters.QuoteLine(e.Argv))
	}
	for _, p := range e.Pinned {
		line("", "argument %d is %s, held open (pin_paths)", p.Argument, p.Path.Quote())
	}
	for i, v := range e.Env {
		label := ""
		if i == 0 {
			label = "environment"
		}
		line(label, "%s=%s", v.Name, v.Value.Quote())
	}
	if r := e.RunAs; r != nil {
		line("run-as", "%s: uid %d, gid %d, groups %v", r.User, r.UID, r.GID, r.Groups)
	}
	if e.Sandbox != nil {
		e.Sandbox.print(line)
	}
	if c := e.Caller; c != nil {
		if c.May {
			line("caller", "%s may call ironwrap where it is setuid", c.User)
		} else {
			line("caller", "where ironwrap is setuid: %s", filters.Prose(c.Why))
		}
	}
	if len(e.Notes) > 0 {
		fmt.Fprintln(w, "\nnotes on the configuration")
		for _, n := range e.Notes {
			fmt.Fprintf(w, "  %s\n", filters.Prose(n))
		}
	}
	if len(e.Steps) > 0 {
		fmt.Fprintln(w, "\nfilters, in the order they were asked")
	}
	printSteps(w, ink, "  ", e.Steps)
}

func (s *sandboxJSON) print(line func(label, format string, args ...any)) {
	files := fmt.Sprintf("%d descriptors", s.NoFile)
	if s.NoFile == 0 {
		files = "descriptors up to the hard limit"
	}
	line("sandbox", "umask %s, %s, nice %d, oom score %d", s.Umask, files, s.Nice, s.OOMScoreAdj)
	for _, l := range s.Limits {
		if l.Value == nil {
			line("", "rlimit_%s: unlimited", l.Name)
		} else {
			line("", "rlimit_%s: %d", l.Name, *l.Value)
		}
	}
	if s.NoTyping {
		line("", "typing into terminals (TIOCSTI, TIOCLINUX) refused")
	}
	line("", "capabilities: %s", none(s.Capabilities))
	for _, on := range []struct {
		set  bool
		what string
	}{
		{s.NoNewPrivs, "no_new_privs"}, {s.DenyWriteExec, "memory_deny_write_execute"}, {s.PrivateKeyring, "private_keyring"},
		{s.PrivateNetwork, "private_network"}, {s.PrivateMounts, "private_mounts"}, {s.PrivateTmp, "private_tmp"},
		{s.Survive, "survive: it goes on when a client (ironwrap-call) is gone"},
	} {
		if on.set {
			line("", "%s", on.what)
		}
	}
	if len(s.ReadOnly) > 0 {
		line("", "read-only: %s", filters.Prose(strings.Join(s.ReadOnly, " ")))
	}
	for i, name := range s.Seccomp {
		if i < len(s.Programs) {
			line("", "seccomp: %s, %s", filters.Prose(name), filters.Prose(s.Programs[i]))
		}
	}
	for _, l := range s.Landlock {
		text := "Landlock:"
		for _, r := range []struct {
			what string
			set  bool
			list string
		}{
			{"read and execute", l.ReadOnly != nil, none(l.ReadOnly)}, {"everything", l.ReadWrite != nil, none(l.ReadWrite)},
			{"bind", l.Bind != nil, ports(l.Bind)}, {"connect to", l.Connect != nil, ports(l.Connect)},
			{"nothing outside of it for", l.Scope != nil, none(l.Scope)},
		} {
			if r.set {
				text += fmt.Sprintf(" %s: %s;", r.what, r.list)
			}
		}
		if l.BestEffort {
			text += " nothing on a kernel without Landlock (best-effort);"
		}
		line("", "%s", filters.Prose(strings.TrimSuffix(text, ";")))
	}
}

func ports(list []uint16) string {
	var text []string
	for _, p := range list {
		text = append(text, fmt.Sprint(p))
	}
	return none(text)
}

// printSteps writes what each filter answered; below a prefix that matched, what
// they answered to the command behind it.
func printSteps(w io.Writer, ink ink, margin string, steps []stepJSON) {
	for _, s := range steps {
		answer := filters.Prose(s.Why)
		if s.Matched {
			answer = ink.green("matched")
		}
		fmt.Fprintf(w, "%s%-24s %s: %s\n", margin, s.Filter, position(s.File, s.Line), answer)
		printSteps(w, ink, margin+"  > ", s.Nested)
	}
}
