package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"ironwrap/filters"
	"ironwrap/sandbox/record"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/compile"
)

// defaultDir is where a profile is meant to go, if nothing else is said.
const defaultDir = "/etc/ironwrap"

// chance are calls that a run makes or not by chance: the kernel's own, when a
// signal comes; a lock's, when two threads meet; and those that the vDSO answers
// where the machine's clock allows (vdso(7)). They give next to nothing away.
var chance = []string{
	"clock_getres", "clock_gettime", "futex", "getcpu", "gettimeofday", "restart_syscall", "rt_sigreturn", "sched_yield", "time",
}

// watched are record.Watched by name.
var watched = func() map[string]record.Watch {
	m := map[string]record.Watch{}
	for number, w := range record.Watched {
		name, _ := compile.NameOn(seccomp.Arch, number)
		m[name] = w
	}
	return m
}()

// profile is a seccomp profile that allows what was seen.
func (l learned) profile() ([]byte, error) {
	eperm := uint(1)
	p := struct {
		Comment string `json:"comment"`
		specs.LinuxSeccomp
	}{fmt.Sprintf("Learned from %s of filter %s, run as %s.", times(l.Runs), filters.Untrusted(l.Filter), filters.Untrusted(l.RunAs)),
		specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &eperm}}
	if len(l.Foreign) > 0 {
		p.Architectures = append([]specs.Arch{native()}, l.Foreign...)
	}

	plain := slices.Clone(chance)
	for _, name := range slices.Sorted(maps.Keys(l.Calls)) {
		w, ok := watched[name]
		// A condition would hold for programs of the other architectures too, whose
		// arguments are not watched.
		if !ok || len(l.Foreign) > 0 {
			plain = append(plain, name)
			continue
		}
		rule := specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow}
		for _, value := range l.Calls[name] {
			rule.Args = append(rule.Args, specs.LinuxSeccompArg{Index: w.Index, Op: specs.OpMaskedEqual, Value: w.Mask, ValueTwo: value})
		}
		p.Syscalls = append(p.Syscalls, rule)
	}
	p.Syscalls = append([]specs.LinuxSyscall{{Names: unique(plain), Action: specs.ActAllow}}, p.Syscalls...)
	out, err := json.MarshalIndent(p, "", "\t")
	return append(out, '\n'), err
}

func native() specs.Arch {
	_, in := compile.NameOn(seccomp.Arch, 0)
	return in
}

// filesFree is what nothing here is learned of.
const filesFree = "files are not limited: landlock_ro and landlock_rw say which it may read and write"

// section is the sandbox section that goes beside the filter, its profile being in
// dir.
func (l learned) section(dir string) string {
	var b strings.Builder
	heading := "Sandbox:" + l.Filter
	if l.Context != "" {
		heading = "Privsep:" + l.Context
	}
	fmt.Fprintf(&b, "[%s]\n# %s\nseccomp = %s\n", heading, filesFree, l.path(dir, ".json"))
	if list, known := l.capabilities(); known {
		fmt.Fprintf(&b, "capabilities = %s\n", list)
	}
	if !l.Gained {
		fmt.Fprintln(&b, "no_new_privs = yes")
	}
	return b.String()
}

// capabilities is the value of the key; known is false where it must not be there.
func (l learned) capabilities() (list string, known bool) {
	switch {
	case !l.Root && l.Gained, // the key would give them away, not limit them
		!l.Powerless && l.Unknown != "":
		return "", false
	case l.Powerless || len(l.Granted) == 0:
		return "none", true
	}
	return strings.Join(l.Granted, ", "), true
}

// notes are what was not learned, and why.
func (l learned) notes() (list []string) {
	note := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if l.Failed > 0 {
		note("%s of %d ended with another status than 0: what the command does when all goes well is not in it", times(l.Failed), l.Runs)
	}
	if l.Unknown != "" && !l.Powerless {
		note("capabilities were not learned, and are not limited: %s", l.Unknown)
	}
	vain := slices.DeleteFunc(slices.Clone(l.Refused), func(c string) bool { return slices.Contains(l.Granted, c) })
	if len(vain) > 0 {
		note("asked for in vain, and done without: %s", strings.Join(vain, ", "))
	}
	if l.Gained {
		note("a program got rights by being executed (a set-user-id bit, or file capabilities): no_new_privs would have kept it from that")
	}
	if l.Gained && !l.Root {
		note("the key capabilities is left out: for a user other than root it gives capabilities, and would give the command those that only the other program had")
	}
	if len(l.Foreign) > 0 {
		note("programs of another architecture ran (%s): arguments are not limited", join(l.Foreign))
	}
	for _, call := range l.Unnamed {
		note("system call %s has no name in this version of libseccomp: the profile refuses it", call)
	}
	if l.Confined {
		note("the command ran under the sandbox that it has already: what that refuses is not in the new one, whose keys take the place of its own")
	}
	if l.Nested != nil {
		note("the command was nested in another (filter %s within %s): the section allows what both did", strings.Join(l.Nested, ", "), l.Filter)
	}
	if l.Full {
		note("it made more different calls than were kept: the profile refuses the others")
	}
	if l.File == "" && l.Context == "" {
		note("the filter is built in: only [Sandbox] in rootwrap.conf, which is for all filters, can confine it")
	}
	return list
}

func join(list []specs.Arch) string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = string(a)
	}
	return strings.Join(words, ", ")
}

func times(n int) string { return count(n, "run", "runs") }

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// print writes section and profile, one after the other.
func (l learned) print(w io.Writer) error {
	profile, err := l.profile()
	if err != nil {
		return err
	}
	beside := "beside the filter, the filters file"
	if l.Context != "" {
		beside = "for rootwrap.conf"
	} else if l.File != "" {
		beside = fmt.Sprintf("beside the filter, %s:%d", filters.Untrusted(l.File), l.Line)
	}
	_, err = fmt.Fprintf(w, "# %s\n%s\n# %s, then ironwrapctl seccomp compile %[3]s\n%s",
		beside, l.section(defaultDir), l.path(defaultDir, ".json"), profile)
	return err
}
