//go:build cgo

// Package compile makes seccomp programs out of profiles, with libseccomp. Only
// ironwrapctl and the build link it.
package compile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	iwseccomp "ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/profile"
)

// Program compiles data, the bytes of a profile. The notes are for people: what
// was left out, and what is likely not meant.
func Program(data []byte, m profile.Machine) (p *iwseccomp.Program, notes []string, err error) {
	parsed, err := profile.Parse(data)
	if err != nil {
		return nil, nil, err
	}
	rules, err := parsed.Resolve(m)
	if err != nil {
		return nil, nil, err
	}
	filter, flags, notes, err := Rules(rules)
	if err != nil {
		return nil, notes, err
	}
	major, minor, micro := seccomp.GetLibraryVersion()
	p, err = iwseccomp.New(filter, flags, [3]uint8{uint8(major), uint8(minor), uint8(micro)}, data)
	if err != nil {
		return nil, notes, fmt.Errorf("libseccomp made a program that cannot be used: %w", err)
	}
	return p, notes, nil
}

// ThisMachine is what profiles are resolved for: this architecture, the running
// kernel, and a command that may have the capabilities caps (CAP_*).
func ThisMachine(caps []string) (profile.Machine, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return profile.Machine{}, fmt.Errorf("cannot ask the kernel for its version: %w", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	parts := strings.FieldsFunc(release, func(r rune) bool { return r < '0' || r > '9' })
	if len(parts) < 2 {
		return profile.Machine{}, fmt.Errorf("cannot read the kernel's version %q", release)
	}
	k, err := profile.ParseKernel(parts[0] + "." + parts[1])
	return profile.Machine{Arch: runtime.GOARCH, Kernel: k, Caps: caps}, err
}

// Number is the number of a system call on this machine, by its name or as
// decimal digits.
func Number(name string) (uint32, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	n, err := seccomp.GetSyscallFromName(name)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a system call of this machine that libseccomp %s knows", name, version())
	}
	return uint32(n), nil
}

// Name is the name of a system call on this machine, or "".
func Name(number uint32) string {
	name, err := seccomp.ScmpSyscall(number).GetName()
	if err != nil {
		return ""
	}
	return name
}

func version() string {
	major, minor, micro := seccomp.GetLibraryVersion()
	return fmt.Sprintf("%d.%d.%d", major, minor, micro)
}

// Rules compiles what an OCI runtime would be given, as runc understands it:
//
//   - a system call that libseccomp does not know is left out, with a note;
//   - a rule with the default action is left out;
//   - the conditions of a rule must all hold, but if two are on the same argument
//     then any one of them;
//   - a system call with a greater number than any that the rules name is newer
//     than the profile, and fails with ENOSYS (see newer).
//
// Where libseccomp would forget a rule without a word, or a command could not be
// started at all, it is an error instead.
func Rules(s *specs.LinuxSeccomp) (filter []unix.SockFilter, flags uint32, notes []string, err error) {
	fallback, err := action(s.DefaultAction, s.DefaultErrnoRet)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("defaultAction: %w", err)
	}
	c := compiler{spec: s, fallback: fallback}
	if c.filter, err = seccomp.NewFilter(fallback); err != nil {
		return nil, 0, nil, fmt.Errorf("cannot begin a filter: %w", err)
	}
	defer c.filter.Release()
	if fallback == seccomp.ActErrno { // SetReturnCode(0)
		c.note("what no rule names is answered with errno 0: the command is told of a success that is none")
	}
	if flags, err = c.flags(); err != nil {
		return nil, 0, nil, err
	}
	// Whether no_new_privs is set is the sandbox's business.
	if err := c.filter.SetNoNewPrivsBit(false); err != nil {
		return nil, 0, nil, fmt.Errorf("cannot leave no_new_privs alone: %w", err)
	}
	if err := c.arches(); err != nil {
		return nil, 0, nil, err
	}
	if err := c.contradictions(); err != nil {
		return nil, 0, nil, err
	}
	for _, r := range s.Syscalls {
		if err := c.rule(r); err != nil {
			return nil, 0, nil, err
		}
	}
	// Long lists of rules as a tree. libseccomp makes mistakes with a tree of none.
	if c.rules > 32 {
		if err := c.filter.SetOptimize(2); err != nil {
			c.note("libseccomp %s cannot make a search tree: %v", version(), err)
		}
	}
	filter, err = export(c.filter)
	if err != nil {
		return nil, 0, nil, err
	}
	filter = append(c.newer(), filter...)
	if len(filter) > unix.BPF_MAXINSNS {
		return nil, 0, nil, fmt.Errorf("it would be %d instructions long, and the kernel takes %d at most", len(filter), unix.BPF_MAXINSNS)
	}
	return filter, flags, c.notes, c.usable(filter)
}

type compiler struct {
	spec     *specs.LinuxSeccomp
	filter   *seccomp.ScmpFilter
	fallback seccomp.ScmpAction
	archs    []seccomp.ScmpArch // the machine's own first
	rules    int                // that are in the filter
	notes    []string
}

func (c *compiler) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(c.notes, n) {
		c.notes = append(c.notes, n)
	}
}

// action is an action as libseccomp has it. EPERM is where no number is given.
func action(a specs.LinuxSeccompAction, errno *uint) (seccomp.ScmpAction, error) {
	switch a {
	case specs.ActAllow:
		return seccomp.ActAllow, nil
	case specs.ActLog:
		return seccomp.ActLog, nil
	case specs.ActTrap:
		return seccomp.ActTrap, nil
	case specs.ActKill, specs.ActKillThread:
		return seccomp.ActKillThread, nil
	case specs.ActKillProcess:
		return seccomp.ActKillProcess, nil
	case specs.ActErrno:
		number := uint(unix.EPERM)
		if errno != nil {
			number = *errno
		}
		if number > 4094 {
			return 0, fmt.Errorf("errno %d is too great", number)
		}
		return seccomp.ActErrno.SetReturnCode(int16(number)), nil
	}
	return 0, fmt.Errorf("action %q is not for commands", string(a))
}

func (c *compiler) flags() (flags uint32, err error) {
	for _, f := range c.spec.Flags {
		switch f {
		case specs.LinuxSeccompFlagLog:
			flags |= unix.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			flags |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
			c.note("%s takes a mitigation of speculative store bypass away from the command", f)
		case "SECCOMP_FILTER_FLAG_TSYNC", specs.LinuxSeccompFlagWaitKillableRecv:
			c.note("%s has no meaning for a command, and is left out", f)
		default:
			return 0, fmt.Errorf("flag %q is unknown", string(f))
		}
	}
	return flags, nil
}

func (c *compiler) arches() error {
	own, err := seccomp.GetNativeArch()
	if err != nil {
		return fmt.Errorf("cannot tell this machine's architecture: %w", err)
	}
	c.archs = []seccomp.ScmpArch{own}
	for _, name := range c.spec.Architectures {
		a, ok := archNames[name]
		if !ok {
			return fmt.Errorf("architecture %q is none that this machine could have", string(name))
		}
		if err := c.filter.AddArch(a); err != nil {
			return fmt.Errorf("cannot add architecture %s: %w", name, err)
		}
		if !slices.Contains(c.archs, a) {
			c.archs = append(c.archs, a)
		}
	}
	return nil
}

var archNames = map[specs.Arch]seccomp.ScmpArch{
	specs.ArchX86_64:  seccomp.ArchAMD64,
	specs.ArchX86:     seccomp.ArchX86,
	specs.ArchX32:     seccomp.ArchX32,
	specs.ArchAARCH64: seccomp.ArchARM64,
	specs.ArchARM:     seccomp.ArchARM,
}

// contradictions finds the rules that libseccomp forgets: of a rule with
// conditions beside one without, and of one with the default action beside any
// other. "ioctl is allowed" and "ioctl with TIOCSTI is refused" would allow both.
func (c *compiler) contradictions() error {
	type verdict struct {
		action      seccomp.ScmpAction
		conditional bool
	}
	of := map[string][]verdict{}
	for _, r := range c.spec.Syscalls {
		act, err := action(r.Action, r.ErrnoRet)
		if err != nil {
			return fmt.Errorf("rule for %s: %w", r.Names, err)
		}
		for _, name := range r.Names {
			mine := verdict{act, len(r.Args) > 0}
			for _, other := range of[name] {
				if mine.action == other.action {
					continue
				}
				dropped, kept := mine, other
				if mine.action != c.fallback && (other.action == c.fallback || other.conditional && !mine.conditional) {
					dropped, kept = other, mine
				}
				if dropped.action == c.fallback && !dropped.conditional && kept.conditional {
					continue // allowed under conditions, and else not, as by default
				}
				if dropped.action == c.fallback || !dropped.conditional || !kept.conditional {
					return fmt.Errorf("%s has rules that contradict each other (%s, and %s): the first would have no effect; write out the cases of the second that are left",
						name, describe(dropped.action, dropped.conditional), describe(kept.action, kept.conditional))
				}
				c.note("%s has rules with conditions and different actions: where both hold, libseccomp chooses", name)
			}
			of[name] = append(of[name], mine)
		}
	}
	return nil
}

func describe(a seccomp.ScmpAction, conditional bool) string {
	if conditional {
		return a.String() + " under conditions"
	}
	return a.String() + " always"
}

func (c *compiler) rule(r specs.LinuxSyscall) error {
	act, err := action(r.Action, r.ErrnoRet)
	if err != nil {
		return fmt.Errorf("rule for %s: %w", r.Names, err)
	}
	refuses := act != seccomp.ActAllow && act != seccomp.ActLog
	if act == seccomp.ActErrno { // SetReturnCode(0)
		c.note("%s is answered with errno 0: the command is told of a success that is none", strings.Join(r.Names, ", "))
	}
	if act == c.fallback {
		return nil // libseccomp would not take it
	}
	conditions, err := conditions(r.Args)
	if err != nil {
		return fmt.Errorf("rule for %s: %w", r.Names, err)
	}
	for _, name := range r.Names {
		number, err := seccomp.GetSyscallFromName(name)
		if errors.Is(err, seccomp.ErrSyscallDoesNotExist) {
			if refuses {
				c.note("%s is not known to libseccomp %s: the rule that refuses it is left out", name, version())
			} else {
				c.note("%s is not known to libseccomp %s: the rule that allows it is left out", name, version())
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("system call %s: %w", name, err)
		}
		for _, a := range r.Args {
			if refuses && a.Op == specs.OpEqualTo && a.Value <= 0xffffffff {
				c.note("%s is refused if all 64 bits of argument %d are %#x; where the kernel looks at 32 only, the caller can set another: use SCMP_CMP_MASKED_EQ with the mask 4294967295", name, a.Index, a.Value)
			}
		}
		for _, all := range conditions {
			if err := c.filter.AddRuleConditional(number, act, all); err != nil {
				return fmt.Errorf("libseccomp does not take the rule for %s: %w", name, err)
			}
			c.rules++
		}
	}
	return nil
}

var operators = map[specs.LinuxSeccompOperator]seccomp.ScmpCompareOp{
	specs.OpNotEqual:     seccomp.CompareNotEqual,
	specs.OpLessThan:     seccomp.CompareLess,
	specs.OpLessEqual:    seccomp.CompareLessOrEqual,
	specs.OpEqualTo:      seccomp.CompareEqual,
	specs.OpGreaterEqual: seccomp.CompareGreaterEqual,
	specs.OpGreaterThan:  seccomp.CompareGreater,
	specs.OpMaskedEqual:  seccomp.CompareMaskedEqual,
}

// conditions are the alternatives of a rule, each a list that must hold whole:
// one alternative, or if two are on the same argument, each for itself. That is
// runc's reading, and the only one there is a use for.
func conditions(args []specs.LinuxSeccompArg) ([][]seccomp.ScmpCondition, error) {
	var all []seccomp.ScmpCondition
	seen := map[uint]bool{}
	twice := false
	for _, a := range args {
		op, ok := operators[a.Op]
		if !ok {
			return nil, fmt.Errorf("op %q is unknown", string(a.Op))
		}
		condition, err := seccomp.MakeCondition(a.Index, op, a.Value, a.ValueTwo)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", a.Index, err)
		}
		all = append(all, condition)
		twice = twice || seen[a.Index]
		seen[a.Index] = true
	}
	if !twice {
		return [][]seccomp.ScmpCondition{all}, nil
	}
	var each [][]seccomp.ScmpCondition
	for _, condition := range all {
		each = append(each, []seccomp.ScmpCondition{condition})
	}
	return each, nil
}

// export is the program that libseccomp makes. It goes through a file since
// Debian 12's libseccomp cannot write to memory (2.6 can).
func export(f *seccomp.ScmpFilter) ([]unix.SockFilter, error) {
	fd, err := unix.MemfdCreate("seccomp", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "seccomp")
	defer file.Close()
	if err := f.ExportBPF(file); err != nil {
		return nil, fmt.Errorf("libseccomp cannot write its program: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	filter := make([]unix.SockFilter, len(data)/8)
	return filter, binary.Read(bytes.NewReader(data), binary.NativeEndian, filter)
}

// newer is a piece of program to run before filter: a system call above all
// those that the profile names did not exist for whoever wrote it, so it fails
// as on a kernel without it (ENOSYS) and the command takes an older one, where
// EPERM would end it. A profile that allows what it does not name needs none.
func (c *compiler) newer() []unix.SockFilter {
	if c.fallback == seccomp.ActAllow || c.fallback == seccomp.ActLog || c.fallback == seccomp.ActErrno.SetReturnCode(int16(unix.ENOSYS)) {
		return nil
	}
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		above = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
		bit   = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret   = unix.BPF_RET | unix.BPF_K
	)
	var stub []unix.SockFilter
	for _, arch := range c.archs {
		newest := seccomp.ScmpSyscall(-1)
		for _, r := range c.spec.Syscalls {
			for _, name := range r.Names {
				// A number below zero is libseccomp's, for a call of other machines.
				if n, err := seccomp.GetSyscallFromNameByArch(name, arch); err == nil {
					newest = max(newest, n)
				}
			}
		}
		if newest < 0 {
			continue
		}
		var last []unix.SockFilter
		switch arch {
		case seccomp.ArchAMD64:
			last = append(last, unix.SockFilter{Code: bit, K: x32, Jt: 2})
		case seccomp.ArchX32:
			last = append(last, unix.SockFilter{Code: bit, K: x32, Jf: 2})
		}
		last = append(last,
			unix.SockFilter{Code: above, K: uint32(newest), Jf: 1},
			unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
		stub = append(stub,
			unix.SockFilter{Code: load, K: 4}, // the architecture
			unix.SockFilter{Code: equal, K: auditArch[arch], Jf: uint8(1 + len(last))},
			unix.SockFilter{Code: load, K: 0}) // the number
		stub = append(stub, last...)
	}
	return stub
}

var auditArch = map[seccomp.ScmpArch]uint32{
	seccomp.ArchAMD64: unix.AUDIT_ARCH_X86_64,
	seccomp.ArchX32:   unix.AUDIT_ARCH_X86_64,
	seccomp.ArchX86:   unix.AUDIT_ARCH_I386,
	seccomp.ArchARM64: unix.AUDIT_ARCH_AARCH64,
	seccomp.ArchARM:   unix.AUDIT_ARCH_ARM,
}

// usable finds the profiles that stop everything or nothing.
func (c *compiler) usable(filter []unix.SockFilter) error {
	for _, answer := range bpf.Answers(filter, iwseccomp.Arch, unix.SYS_EXECVE) {
		if !bpf.Allows(answer) {
			return fmt.Errorf("it would refuse execve (%s), with which every command begins: allow it, without conditions", bpf.Name(answer))
		}
	}
	for number := uint32(0); number < 1024; number++ {
		for _, answer := range bpf.Answers(filter, iwseccomp.Arch, number) {
			if !bpf.Allows(answer) {
				return nil
			}
		}
	}
	c.note("it refuses nothing: every system call is allowed")
	return nil
}
