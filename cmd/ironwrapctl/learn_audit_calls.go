package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy/trust"
	"ironwrap/sandbox/record/audited"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
	"ironwrap/sandbox/seccomp/profile"
)

// trial is what the records of a section say.
type trial struct {
	box      boxed
	log      *audited.Log
	programs []string // whose records count
	wanted   []string // system calls that are added whatever they are

	path           string // of the profile
	added, left    []finding
	already        int            // records of calls that the profile allows now
	strange, alien map[string]int // records left out, by program and by architecture
	extended       []byte         // the new profile

	rules   []pathRule
	remarks []string
}

// finding is a system call that the profile refuses, and the command made.
type finding struct {
	name    string
	records int
	by      []string // programs
	why     string   // it takes a look; "" for nothing special
}

// powerful are system calls by which a process of root's leaves a sandbox, or changes
// the machine for all; they are as a rule not what a command needs.
var powerful = map[string]string{
	"acct":              "writes into a file whenever a process ends",
	"add_key":           "puts keys into the kernel",
	"adjtimex":          "changes the machine's clock",
	"bpf":               "loads programs into the kernel",
	"chroot":            "changes what paths lead to",
	"clock_adjtime":     "changes the machine's clock",
	"clock_settime":     "changes the machine's clock",
	"delete_module":     "removes a module of the kernel's",
	"execveat":          "executes a file that has no name",
	"fanotify_init":     "watches and holds up the files of all",
	"finit_module":      "loads a module into the kernel",
	"fsconfig":          "mounts",
	"fsmount":           "mounts",
	"fsopen":            "mounts",
	"init_module":       "loads a module into the kernel",
	"io_uring_enter":    "makes other system calls, which no profile sees",
	"io_uring_register": "makes other system calls, which no profile sees",
	"io_uring_setup":    "makes other system calls, which no profile sees",
	"ioperm":            "reaches the hardware",
	"iopl":              "reaches the hardware",
	"kexec_file_load":   "starts another kernel",
	"kexec_load":        "starts another kernel",
	"keyctl":            "reads and changes keys in the kernel",
	"mknod":             "makes devices",
	"mknodat":           "makes devices",
	"mount":             "mounts",
	"mount_setattr":     "changes mounts",
	"move_mount":        "mounts",
	"open_by_handle_at": "opens files that no path leads to",
	"open_tree":         "mounts",
	"perf_event_open":   "looks into other processes and the kernel",
	"personality":       "turns protections of memory off",
	"pidfd_getfd":       "takes open files from other processes",
	"pivot_root":        "changes what paths lead to",
	"process_vm_readv":  "reads the memory of other processes",
	"process_vm_writev": "writes the memory of other processes",
	"ptrace":            "rules over other processes",
	"quotactl":          "changes quotas of the file system",
	"quotactl_fd":       "changes quotas of the file system",
	"reboot":            "stops the machine",
	"request_key":       "has the kernel start a program",
	"setdomainname":     "renames the machine",
	"sethostname":       "renames the machine",
	"setns":             "enters other namespaces",
	"settimeofday":      "changes the machine's clock",
	"swapoff":           "changes where memory is written",
	"swapon":            "changes where memory is written",
	"syslog":            "reads and clears the kernel's log",
	"umount2":           "unmounts",
	"userfaultfd":       "holds up the kernel in the middle of a call",
	"vhangup":           "takes a terminal away",
}

// assess goes through the records.
func (t *trial) assess() error {
	t.strange, t.alien = map[string]int{}, map[string]int{}
	if t.box.profiled() {
		if err := t.calls(); err != nil {
			return err
		}
	}
	t.refusals()
	return nil
}

func (t *trial) calls() error {
	program, err := exec.Program(t.box.Seccomp, trust.Object)
	if err != nil {
		return err
	}
	path, _, err := seccomp.Locate(t.box.Seccomp)
	if err != nil {
		return err
	}
	source, err := openProfile(path, nil)
	if err != nil {
		return err
	}
	t.path = source.path
	found := map[uint32]*finding{}
	for _, c := range sorted(t.log.Calls, func(a, b audited.Call) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Exe, b.Exe), cmp.Compare(a.UID, b.UID), cmp.Compare(a.Arch, b.Arch))
	}) {
		n := t.log.Calls[c]
		switch {
		case c.Arch != seccomp.Arch:
			t.alien[fmt.Sprintf("%#x", c.Arch)] += n
			continue
		case !slices.Contains(t.programs, c.Exe):
			t.strange[c.Exe] += n
			continue
		case found[c.Number] == nil:
			found[c.Number] = &finding{name: compile.Name(c.Number)}
		}
		f := found[c.Number]
		if f.records += n; !slices.Contains(f.by, c.Exe) {
			f.by = append(f.by, c.Exe)
		}
	}
	for _, number := range sorted(found, cmp.Compare[uint32]) {
		t.call(*found[number], number, program, source)
	}
	for _, name := range t.wanted {
		if !slices.ContainsFunc(t.added, func(f finding) bool { return f.name == name }) {
			return fmt.Errorf("--add %s: no record that counts is of such a call, or it cannot be added", filters.Show(name))
		}
	}
	return t.extend(source)
}

// call decides what becomes of one system call.
func (t *trial) call(f finding, number uint32, program *seccomp.Program, source *profileSource) {
	answers := bpf.Answers(program.Filter(), seccomp.Arch, number)
	refused := slices.DeleteFunc(slices.Clone(answers), func(a uint32) bool { return a == unix.SECCOMP_RET_ALLOW })
	_, isWatched := watched[f.name]
	rule := refusing(source.rules, f.name)
	addable := true
	switch what := powerful[f.name]; {
	case len(refused) == 0:
		t.already += f.records
		return
	case f.name == "":
		f.name, addable = fmt.Sprint(number), false
		f.why = "libseccomp has no name for it, and no profile can allow it"
	case rule == conditional:
		f.why, addable = "a rule of the profile refuses it with some arguments: change that by hand", false
	case what != "":
		f.why = "DANGEROUS: it " + what
	case len(refused) < len(answers):
		f.why = "the profile allows it with some arguments, and the record does not say with which it was made: this would allow all"
	case isWatched:
		f.why = "it is many calls in one, and the record does not say which: this would allow all; ironwrapctl learn without --from-audit tells them apart"
	case rule == always:
		f.why = "a rule of the profile refuses it by name, and was not written for nothing"
	case !slices.ContainsFunc(refused, func(a uint32) bool { return a != unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS) }):
		f.why = "it is newer than the profile, which answers that there is no such call: most programs have another way then"
	}
	if addable && (f.why == "" || slices.Contains(t.wanted, f.name)) {
		t.added = append(t.added, f)
		return
	}
	if addable {
		f.why += fmt.Sprintf(" (--add %s)", f.name)
	}
	t.left = append(t.left, f)
}

// How the rules of a profile refuse a call by name.
const (
	never       = iota
	conditional // with some arguments
	always
)

func refusing(rules *specs.LinuxSeccomp, name string) (how int) {
	for _, r := range rules.Syscalls {
		switch {
		case !slices.Contains(r.Names, name) || r.Action == specs.ActAllow || r.Action == specs.ActLog:
		case len(r.Args) > 0:
			return conditional
		default:
			how = always
		}
	}
	return how
}

// extend makes the profile that allows the calls to be added too, and has it compiled.
func (t *trial) extend(source *profileSource) error {
	if len(t.added) == 0 {
		return nil
	}
	names := make([]string, len(t.added))
	for i, f := range t.added {
		names[i] = f.name
	}
	slices.Sort(names)
	var err error
	if t.extended, err = withRule(source.data, names); err != nil {
		return fmt.Errorf("cannot extend %s: %w", source.path, err)
	}
	p, _, err := compile.Program(t.extended, source.machine)
	if err != nil {
		return fmt.Errorf("cannot extend %s: %w", source.path, err)
	}
	for _, name := range names {
		number, err := compile.Number(name)
		if err != nil || slices.ContainsFunc(bpf.Answers(p.Filter(), seccomp.Arch, number), func(a uint32) bool { return !bpf.Allows(a) }) {
			return fmt.Errorf("cannot extend %s: other rules of it keep %s from being allowed: change it by hand", source.path, name)
		}
	}
	return nil
}

// withRule is a profile with one rule more, which allows names, and which no rule
// refuses by name any more. All else stays as it is written.
func withRule(data []byte, names []string) ([]byte, error) {
	if _, err := profile.Parse(data); err != nil {
		return nil, err
	}
	begin, end, rules, err := syscallRules(data)
	if err != nil {
		return nil, err
	}
	kept := [][]byte{}
	for _, r := range rules {
		if r, err = unrefused(r, names); err != nil {
			return nil, err
		}
		if r != nil {
			kept = append(kept, r)
		}
	}
	rule, err := json.Marshal(map[string]any{"comment": "Added from the kernel's records.", "names": names, "action": specs.ActAllow})
	if err != nil {
		return nil, err
	}
	return slices.Concat(data[:begin], []byte("\n\t\t"), bytes.Join(append(kept, rule), []byte(",\n\t\t")), []byte("\n\t"), data[end:]), nil
}

// syscallRules are the elements of the list syscalls, and where it begins and ends.
func syscallRules(data []byte) (begin, end int64, rules [][]byte, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return 0, 0, nil, err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return 0, 0, nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return 0, 0, nil, err
		}
		if key != "syscalls" {
			continue
		}
		var list []json.RawMessage
		if err := json.Unmarshal(value, &list); err != nil {
			return 0, 0, nil, err
		}
		for _, r := range list {
			rules = append(rules, r)
		}
		end = dec.InputOffset() - 1 // before the bracket
		return end - int64(len(value)) + 2, end, rules, nil
	}
	return 0, 0, nil, errors.New("it has no list syscalls to add to")
}

// unrefused is a rule without names, where it refuses them whatever the arguments; nil
// when nothing is left of it.
func unrefused(rule []byte, names []string) ([]byte, error) {
	var r struct {
		Name   string
		Names  []string
		Action specs.LinuxSeccompAction
		Args   []any
	}
	if err := json.Unmarshal(rule, &r); err != nil {
		return nil, err
	}
	if r.Name != "" {
		r.Names = []string{r.Name}
	}
	named := func(name string) bool { return slices.Contains(names, name) }
	if r.Action == specs.ActAllow || r.Action == specs.ActLog || len(r.Args) > 0 || !slices.ContainsFunc(r.Names, named) {
		return rule, nil
	}
	left := slices.DeleteFunc(r.Names, named)
	if len(left) == 0 {
		return nil, nil
	}
	var all map[string]any
	if err := json.Unmarshal(rule, &all); err != nil {
		return nil, err
	}
	all["names"] = left
	return json.Marshal(all)
}
