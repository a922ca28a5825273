package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
)

// showProgram knows numbers only; those that libseccomp has no name for share
// their answer, mostly, with a great many others.
func showProgram(w io.Writer, p *seccomp.Program) {
	fmt.Fprintf(w, "compiled by libseccomp %s, %d instructions\n", p.Libseccomp(), len(p.Filter()))
	for number := range uint32(1024) {
		name := compile.Name(number)
		if name == "" {
			continue
		}
		var answers []string
		for _, a := range bpf.Answers(p.Filter(), seccomp.Arch, number) {
			answers = append(answers, bpf.Name(a))
		}
		text := strings.Join(answers, " or ")
		if len(answers) > 1 {
			text += ", by the arguments"
		}
		fmt.Fprintf(w, "%-24s %s\n", name, text)
	}
}

// ruleHeader is what holds for all system calls.
func ruleHeader(r *specs.LinuxSeccomp) []string {
	h := []string{fmt.Sprintf("%-24s %s", "(any other)", actionText(r.DefaultAction, r.DefaultErrnoRet))}
	for i, a := range r.Architectures {
		text := "its programs may run"
		if i == 0 {
			text = "this machine"
		}
		h = append(h, fmt.Sprintf("%-24s %s", a, text))
	}
	for _, f := range r.Flags {
		h = append(h, string(f))
	}
	return h
}

// ruleLines are the rules, one a line, by system call. Rules that say the same twice
// are one.
func ruleLines(r *specs.LinuxSeccomp) []string {
	var all []string
	for _, rule := range r.Syscalls {
		for _, name := range rule.Names {
			all = append(all, fmt.Sprintf("%-24s %s", name, actionText(rule.Action, rule.ErrnoRet)+conditionText(rule.Args)))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func actionText(a specs.LinuxSeccompAction, errno *uint) string {
	switch a {
	case specs.ActAllow:
		return "allow"
	case specs.ActLog:
		return "allow and log"
	case specs.ActTrap:
		return "send SIGSYS"
	case specs.ActKill, specs.ActKillThread:
		return "kill the thread"
	case specs.ActKillProcess:
		return "kill the process"
	}
	number := uint32(1)
	if errno != nil {
		number = uint32(*errno)
	}
	return bpf.Name(0x00050000 | number) // SECCOMP_RET_ERRNO
}

var comparisonText = map[specs.LinuxSeccompOperator]string{
	specs.OpEqualTo: "==", specs.OpNotEqual: "!=",
	specs.OpLessThan: "<", specs.OpLessEqual: "<=",
	specs.OpGreaterThan: ">", specs.OpGreaterEqual: ">=",
}

// conditionText joins with "or" where two are on one argument (see compile.Rules).
func conditionText(args []specs.LinuxSeccompArg) string {
	if len(args) == 0 {
		return ""
	}
	var each []string
	seen := map[uint]bool{}
	word := " and "
	for _, a := range args {
		text := fmt.Sprintf("arg%d %s %#x", a.Index, comparisonText[a.Op], a.Value)
		if a.Op == specs.OpMaskedEqual {
			text = fmt.Sprintf("arg%d & %#x == %#x", a.Index, a.Value, a.ValueTwo)
		}
		each = append(each, text)
		if seen[a.Index] {
			word = " or "
		}
		seen[a.Index] = true
	}
	return " if " + strings.Join(each, word)
}
