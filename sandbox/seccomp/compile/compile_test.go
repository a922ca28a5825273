//go:build cgo

package compile

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	docker "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	iwseccomp "ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/probe"
	"ironwrap/sandbox/seccomp/profile"
)

func TestMain(m *testing.M) {
	probe.Child()
	if os.Getenv(asLibseccomp) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The reference: a child in which libseccomp itself loads the rules, as its
// documentation and runc's have it, and the kernel answers. No call is made: the
// child first loads a guard, under which a call whose last argument is the magic
// number fails with 4095, unless a later filter fails it otherwise.
const (
	asLibseccomp = "IRONWRAP_TEST_LIBSECCOMP"
	magic        = 0x69726f6e
)

type task struct {
	Rules  *specs.LinuxSeccomp // for libseccomp to load, or
	Filter []unix.SockFilter   // to load as it is
	Calls  []call
}

type call struct {
	Number uint32
	Args   [5]uint64
}

func child() error {
	runtime.LockOSThread()
	var todo task
	if err := json.NewDecoder(os.Stdin).Decode(&todo); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	load := func(filter []unix.SockFilter) error {
		return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})), 0, 0)
	}
	if err := load([]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 56},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: magic, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | 4095},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	if todo.Rules != nil {
		f, err := plain(todo.Rules)
		if err != nil {
			return err
		}
		if err := f.Load(); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	} else if err := load(todo.Filter); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	answers := []uint32{}
	for _, c := range todo.Calls {
		r, _, errno := unix.RawSyscall6(uintptr(c.Number), uintptr(c.Args[0]), uintptr(c.Args[1]), uintptr(c.Args[2]), uintptr(c.Args[3]), uintptr(c.Args[4]), magic)
		switch {
		case errno == 0 && int64(r) == -4095:
			answers = append(answers, unix.SECCOMP_RET_ALLOW)
		default:
			answers = append(answers, unix.SECCOMP_RET_ERRNO|uint32(errno))
		}
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// plain is the rules in libseccomp's hands, and nothing more.
func plain(s *specs.LinuxSeccomp) (*seccomp.ScmpFilter, error) {
	act := func(a specs.LinuxSeccompAction, errno *uint) seccomp.ScmpAction {
		n := int16(1)
		if errno != nil {
			n = int16(*errno)
		}
		return map[specs.LinuxSeccompAction]seccomp.ScmpAction{
			"SCMP_ACT_ALLOW": seccomp.ActAllow, "SCMP_ACT_ERRNO": seccomp.ActErrno.SetReturnCode(n), "SCMP_ACT_LOG": seccomp.ActLog,
			"SCMP_ACT_KILL": seccomp.ActKillThread, "SCMP_ACT_KILL_PROCESS": seccomp.ActKillProcess, "SCMP_ACT_TRAP": seccomp.ActTrap,
		}[a]
	}
	f, err := seccomp.NewFilter(act(s.DefaultAction, s.DefaultErrnoRet))
	if err != nil {
		return nil, err
	}
	for _, a := range s.Architectures {
		if err := f.AddArch(map[specs.Arch]seccomp.ScmpArch{"SCMP_ARCH_X86_64": seccomp.ArchAMD64, "SCMP_ARCH_X86": seccomp.ArchX86, "SCMP_ARCH_X32": seccomp.ArchX32,
			"SCMP_ARCH_AARCH64": seccomp.ArchARM64, "SCMP_ARCH_ARM": seccomp.ArchARM}[a]); err != nil {
			return nil, err
		}
	}
	for _, r := range s.Syscalls {
		for _, name := range r.Names {
			number, err := seccomp.GetSyscallFromName(name)
			if err != nil || act(r.Action, r.ErrnoRet) == act(s.DefaultAction, s.DefaultErrnoRet) {
				continue
			}
			var all []seccomp.ScmpCondition
			indices := map[uint]int{}
			for _, a := range r.Args {
				op := map[specs.LinuxSeccompOperator]seccomp.ScmpCompareOp{"SCMP_CMP_NE": seccomp.CompareNotEqual, "SCMP_CMP_LT": seccomp.CompareLess, "SCMP_CMP_LE": seccomp.CompareLessOrEqual,
					"SCMP_CMP_EQ": seccomp.CompareEqual, "SCMP_CMP_GE": seccomp.CompareGreaterEqual, "SCMP_CMP_GT": seccomp.CompareGreater, "SCMP_CMP_MASKED_EQ": seccomp.CompareMaskedEqual}[a.Op]
				all = append(all, seccomp.ScmpCondition{Argument: a.Index, Op: op, Operand1: a.Value, Operand2: a.ValueTwo})
				indices[a.Index]++
			}
			if len(indices) == len(all) {
				err = f.AddRuleConditional(number, act(r.Action, r.ErrnoRet), all)
			} else {
				for _, one := range all {
					if err = f.AddRuleConditional(number, act(r.Action, r.ErrnoRet), []seccomp.ScmpCondition{one}); err != nil {
						break
					}
				}
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return f, nil
}

// ask has a child answer.
func ask(t *testing.T, todo task) []uint32 {
	t.Helper()
	text, err := json.Marshal(todo)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A child under a filter gone wrong may not even be able to end.
	limit, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := exec.CommandContext(limit, self)
	c.Env = append(os.Environ(), asLibseccomp+"=1", "GODEBUG=asyncpreemptoff=1")
	c.Stdin = strings.NewReader(string(text))
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("the child: %v: %s", err, said.String())
	}
	var answers []uint32
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(todo.Calls) {
		t.Fatalf("%d answers, %v: %s", len(answers), err, out)
	}
	return answers
}

// calls are all that there are, and with them, for each condition, the arguments
// around its values.
func calls(s *specs.LinuxSeccomp) []call {
	var all []call
	for number := range uint32(500) {
		if runtime.GOARCH == "amd64" && (number == 335 || number == 336) {
			continue // uretprobe and uprobe: the kernel keeps them from filters, and answers with SIGILL
		}
		all = append(all, call{Number: number}, call{number, [5]uint64{1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}})
	}
	for _, r := range s.Syscalls {
		for _, name := range r.Names {
			number, err := seccomp.GetSyscallFromName(name)
			if err != nil || number < 0 {
				continue
			}
			// Each argument at each value of interest, the others where their
			// first condition holds and where not.
			base := [5]uint64{}
			for _, a := range r.Args {
				if a.Index < 5 {
					base[a.Index] = a.Value
				}
			}
			for _, a := range r.Args {
				if a.Index > 4 {
					continue
				}
				for _, v := range []uint64{a.Value, a.ValueTwo, a.Value & -a.Value, a.Value | 1<<32, a.ValueTwo | 1<<32, a.Value << 32, ^a.Value, a.Value ^ 1<<31} {
					for _, d := range []uint64{0, 1, ^uint64(0)} {
						for _, others := range [][5]uint64{base, {}} {
							others[a.Index] = v + d
							all = append(all, call{uint32(number), others})
						}
					}
				}
			}
		}
	}
	return all
}

// compareWith holds what Rules makes of s against libseccomp and the kernel, on
// this machine's own calls. It returns how many were refused, and how many not.
func compareWith(t *testing.T, name string, s *specs.LinuxSeccomp) (refused, allowed int) {
	t.Helper()
	filter, _, _, err := Rules(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	newest := uint32(0)
	for _, r := range s.Syscalls {
		for _, n := range r.Names {
			if number, err := seccomp.GetSyscallFromName(n); err == nil && number > 0 {
				newest = max(newest, uint32(number))
			}
		}
	}
	open := s.DefaultAction == specs.ActAllow
	all := calls(s)
	want := ask(t, task{Rules: s, Calls: all})
	kernel := ask(t, task{Filter: filter, Calls: all})
	for i, c := range all {
		w := want[i]
		if c.Number > newest && !open {
			w = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
		}
		if kernel[i] != w {
			t.Errorf("%s: %s (%d) %#x: the kernel says %s, and under libseccomp's own program %s", name, Name(c.Number), c.Number, c.Args, bpf.Name(kernel[i]), bpf.Name(want[i]))
		}
		args := [6]uint64{5: magic}
		copy(args[:], c.Args[:])
		if a, err := bpf.Answer(filter, bpf.Call{Number: c.Number, Arch: iwseccomp.Arch, Args: args}); err != nil || a != kernel[i] {
			t.Errorf("%s: %s (%d) %#x: package bpf says %s, %v, and the kernel %s", name, Name(c.Number), c.Number, c.Args, bpf.Name(a), err, bpf.Name(kernel[i]))
		}
		if bpf.Allows(kernel[i]) {
			allowed++
		} else {
			refused++
		}
	}
	return refused, allowed
}

// Docker's default profile, resolved by Docker's own code.
func TestDockerDefault(t *testing.T) {
	for _, caps := range [][]string{nil, {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF", "CAP_SYSLOG"}} {
		rs := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}}
		s, err := docker.GetDefaultProfile(rs)
		if err != nil {
			t.Fatal(err)
		}
		refused, allowed := compareWith(t, fmt.Sprint("docker ", caps), s)
		if refused < 100 || allowed < 500 {
			t.Errorf("only %d refused, %d allowed", refused, allowed)
		}
	}
}

// base allows what a Go program under test needs to answer.
const base = `"mmap", "munmap", "mprotect", "madvise", "brk", "read", "write", "close", "fstat", "futex", "nanosleep", "clock_nanosleep", "clock_gettime", "getpid", "gettid", "tgkill",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "sched_yield", "sched_getaffinity", "epoll_ctl", "epoll_pwait", "epoll_create1", "eventfd2", "fcntl", "exit", "exit_group",
	"clone", "clone3", "set_robust_list", "rseq", "seccomp", "prctl", "execve", "getrandom", "restart_syscall", "waitid", "pipe2", "openat", "pidfd_send_signal"`

// Profiles in the manner of runc's tests, and of the specification's example.
var inTheMannerOfRunc = map[string]string{
	"conditions": `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
		{"names": [` + base + `], "action": "SCMP_ACT_ALLOW"},
		{"names": ["dup3"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
		{"names": ["dup3"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_GT"}]},
		{"names": ["ftruncate", "ftruncate64"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 123456789, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 1337, "op": "SCMP_CMP_EQ"}]},
		{"names": ["process_vm_readv"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 100, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 9001, "op": "SCMP_CMP_EQ"}]},
		{"names": ["process_vm_writev"], "action": "SCMP_ACT_ERRNO", "errnoRet": 55, "args": [{"index": 0, "value": 1337, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2020, "op": "SCMP_CMP_EQ"}]},
		{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 2, "value": 3840, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]}`,
	"another default": `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 6, "syscalls": [{"names": [` + base + `], "action": "SCMP_ACT_ALLOW"}]}`,
	"no such call":    `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [{"names": [` + base + `], "action": "SCMP_ACT_ALLOW"}]}`,
	"what is listed": `{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": [{"names": ["getcwd", "chmod"], "action": "SCMP_ACT_ERRNO"},
		{"names": ["syslog"], "action": "SCMP_ACT_ERRNO", "errnoRet": 3},
		{"names": ["mount"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 3, "value": 4294967295, "valueTwo": 4096, "op": "SCMP_CMP_MASKED_EQ"}]},
		{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 0, "op": "SCMP_CMP_NE"}]}]}`,
	"every operator": `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["acct"], "action": "SCMP_ACT_ERRNO", "errnoRet": 11, "args": [{"index": 0, "value": 4294967296, "op": "SCMP_CMP_LT"}]},
		{"names": ["chown"], "action": "SCMP_ACT_ERRNO", "errnoRet": 12, "args": [{"index": 1, "value": 4294967295, "op": "SCMP_CMP_LE"}]},
		{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13, "args": [{"index": 2, "value": 4294967296, "op": "SCMP_CMP_GE"}]},
		{"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 14, "args": [{"index": 3, "value": 4294967295, "op": "SCMP_CMP_GT"}]},
		{"names": ["link"], "action": "SCMP_ACT_ERRNO", "errnoRet": 15, "args": [{"index": 4, "value": 4294967297, "op": "SCMP_CMP_NE"}]},
		{"names": ["chroot"], "action": "SCMP_ACT_ERRNO", "errnoRet": 16, "args": [{"index": 0, "value": 18446744069414584320, "valueTwo": 4294967296, "op": "SCMP_CMP_MASKED_EQ"}, {"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}]}]}`,
}

func TestInTheMannerOfRunc(t *testing.T) {
	m, err := ThisMachine(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range inTheMannerOfRunc {
		p, err := profile.Parse([]byte(text))
		if err != nil {
			t.Fatal(name, err)
		}
		s, err := p.Resolve(m)
		if err != nil {
			t.Fatal(name, err)
		}
		if refused, allowed := compareWith(t, name, s); refused < 3 || allowed < 20 {
			t.Errorf("%s: only %d refused, %d allowed", name, refused, allowed)
		}
	}
}

// The other architectures cannot be asked on a kernel without them: there the
// program is held against libseccomp's own in package bpf.
func TestOtherArchitectures(t *testing.T) {
	s, err := docker.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}})
	if err != nil {
		t.Fatal(err)
	}
	ours, _, _, err := Rules(s)
	if err != nil {
		t.Fatal(err)
	}
	f, err := plain(s)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := export(f)
	if err != nil {
		t.Fatal(err)
	}
	type space struct{ arch, base uint32 }
	known := []space{{iwseccomp.Arch, 0}}
	for _, a := range s.Architectures {
		switch a {
		case specs.ArchX86:
			known = append(known, space{unix.AUDIT_ARCH_I386, 0})
		case specs.ArchX32:
			known = append(known, space{unix.AUDIT_ARCH_X86_64, 0x40000000})
		case specs.ArchARM:
			known = append(known, space{unix.AUDIT_ARCH_ARM, 0})
		}
	}
	if len(known) < 2 {
		t.Errorf("only the architectures %s", s.Architectures)
	}
	spaces := append(known, space{unix.AUDIT_ARCH_PPC64LE, 0}, space{unix.AUDIT_ARCH_S390X, 0}, space{0, 0})
	enosys := unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	for _, space := range spaces {
		changed := map[uint32]bool{}
		for n := range uint32(700) {
			for _, args := range [][6]uint64{{}, {1<<64 - 1, 1<<64 - 1}, {38}, {8, 8}, {0x20000, 0x7e020000}} {
				c := bpf.Call{Number: space.base + n, Arch: space.arch, Args: args}
				a, err1 := bpf.Answer(ours, c)
				b, err2 := bpf.Answer(theirs, c)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				if a != b {
					if a != enosys || bpf.Allows(b) {
						t.Errorf("arch %#x, number %d, %#x: %s, not %s", space.arch, n, args, bpf.Name(a), bpf.Name(b))
					}
					changed[n] = true
				}
			}
		}
		// ENOSYS is for the end of the numbers alone.
		for n := range uint32(699) {
			if changed[n] && !changed[n+1] {
				t.Errorf("arch %#x: number %d fails with ENOSYS, and %d does not", space.arch, n, n+1)
			}
		}
		if slices.Contains(known, space) != changed[699] {
			t.Errorf("arch %#x: numbers to come fail with ENOSYS: %v", space.arch, changed[699])
		}
	}
}

func TestRefused(t *testing.T) {
	rules := func(byDefault, list string) string {
		return `{"defaultAction": "` + byDefault + `", "syscalls": [` + list + `]}`
	}
	const (
		exec   = `{"name": "execve", "action": "SCMP_ACT_ALLOW"}`
		deny   = "SCMP_ACT_ERRNO"
		allow  = "SCMP_ACT_ALLOW"
		tiocst = `"args": [{"index": 1, "value": 4294967295, "valueTwo": 21522, "op": "SCMP_CMP_MASKED_EQ"}]`
	)
	for text, want := range map[string]string{
		rules(deny, ``): "it would refuse execve (refuse with EPERM)",
		rules(deny, `{"name": "read", "action": "SCMP_ACT_ALLOW"}`):                                                                                   "it would refuse execve",
		rules("SCMP_ACT_KILL", `{"name": "execveat", "action": "SCMP_ACT_ALLOW"}`):                                                                    "it would refuse execve (kill the thread)",
		rules(allow, `{"name": "execve", "action": "SCMP_ACT_KILL_PROCESS"}`):                                                                         "it would refuse execve (kill the process)",
		rules(allow, `{"name": "execve", "action": "SCMP_ACT_ERRNO", "errnoRet": 0}`):                                                                 "it would refuse execve",
		rules(allow, `{"name": "execve", "action": "SCMP_ACT_TRAP", "args": [{"index": 0, "value": 123, "op": "SCMP_CMP_EQ"}]}`):                      "it would refuse execve (send SIGSYS)",
		rules(deny, `{"name": "execve", "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_NE"}]}`):                        "it would refuse execve",
		rules(deny, exec+`, {"name": "ioctl", "action": "SCMP_ACT_ALLOW"}, {"name": "ioctl", "action": "SCMP_ACT_ERRNO", "errnoRet": 5, `+tiocst+`}`): "ioctl has rules that contradict each other (Action: Return error code 5",
		rules(deny, exec+`, {"name": "ioctl", "action": "SCMP_ACT_ERRNO", "errnoRet": 5, `+tiocst+`}, {"name": "ioctl", "action": "SCMP_ACT_ALLOW"}`): "contradict",
		rules(deny, exec+`, {"name": "ioctl", "action": "SCMP_ACT_ALLOW"}, {"name": "ioctl", "action": "SCMP_ACT_ERRNO", `+tiocst+`}`):                "contradict",
		rules(deny, exec+`, {"name": "mount", "action": "SCMP_ACT_ERRNO"}, {"name": "mount", "action": "SCMP_ACT_ALLOW"}`):                            "contradict",
		rules(deny, exec+`, {"name": "mount", "action": "SCMP_ACT_ALLOW"}, {"name": "mount", "action": "SCMP_ACT_KILL"}`):                             "contradict",
		"{}": "line 1: defaultAction is missing",
	} {
		m, err := ThisMachine(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Program([]byte(text), m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v\n%s", text, err, want)
		}
	}

	// What looks like a contradiction and is none.
	for _, text := range []string{
		rules(deny, exec+`, {"name": "ioctl", "action": "SCMP_ACT_ERRNO"}, {"name": "ioctl", "action": "SCMP_ACT_ALLOW", `+tiocst+`}`),
		rules(deny, exec+`, {"name": "ioctl", "action": "SCMP_ACT_ALLOW", `+tiocst+`}, {"name": "ioctl", "action": "SCMP_ACT_ERRNO"}`),
		rules(deny, exec+`, {"name": "mount", "action": "SCMP_ACT_ALLOW"}, {"name": "mount", "action": "SCMP_ACT_ALLOW"}`),
		rules(allow, `{"name": "execve", "action": "SCMP_ACT_LOG"}, {"name": "mount", "action": "SCMP_ACT_ERRNO"}`),
	} {
		m, _ := ThisMachine(nil)
		if _, _, err := Program([]byte(text), m); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}

	for _, s := range []specs.LinuxSeccomp{
		{DefaultAction: "SCMP_ACT_TRACE"},
		{DefaultAction: "SCMP_ACT_NOTIFY"},
		{},
		{DefaultAction: "SCMP_ACT_ALLOW", Architectures: []specs.Arch{"SCMP_ARCH_MIPS"}},
		{DefaultAction: "SCMP_ACT_ALLOW", Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_NEW_LISTENER"}},
		{DefaultAction: "SCMP_ACT_ALLOW", Syscalls: []specs.LinuxSyscall{{Names: []string{"mount"}, Action: "SCMP_ACT_TRACE"}}},
		{DefaultAction: "SCMP_ACT_ALLOW", Syscalls: []specs.LinuxSyscall{{Names: []string{"mount"}, Action: "SCMP_ACT_KILL", Args: []specs.LinuxSeccompArg{{Op: "="}}}}},
		{DefaultAction: "SCMP_ACT_ALLOW", Syscalls: []specs.LinuxSyscall{{Names: []string{"mount"}, Action: "SCMP_ACT_KILL", Args: []specs.LinuxSeccompArg{{Index: 6, Op: "SCMP_CMP_EQ"}}}}},
	} {
		if _, _, _, err := Rules(&s); err == nil {
			t.Errorf("%+v: compiled", s)
		}
	}
}

func TestNotes(t *testing.T) {
	m, err := ThisMachine(nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"defaultAction": "SCMP_ACT_ALLOW"}`: "it refuses nothing: every system call is allowed",
		`{"defaultAction": "SCMP_ACT_LOG"}`:   "it refuses nothing: every system call is allowed",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mout"], "action": "SCMP_ACT_ERRNO"}, {"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]}`: "mout is not known to libseccomp " + version() + ": the rule that refuses it is left out",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0}]}`:                                    "kill is answered with errno 0: the command is told of a success that is none",
		`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"], "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ERRNO"}]}`:      "SECCOMP_FILTER_FLAG_SPEC_ALLOW takes a mitigation of speculative store bypass away from the command",
		`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_TSYNC"], "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ERRNO"}]}`:           "SECCOMP_FILTER_FLAG_TSYNC has no meaning for a command, and is left out",
		// CVE-2019-10063
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 21522, "op": "SCMP_CMP_EQ"}]}]}`:                                                                                                    "ioctl is refused if all 64 bits of argument 1 are 0x5412; where the kernel looks at 32 only, the caller can set another: use SCMP_CMP_MASKED_EQ with the mask 4294967295",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 1, "op": "SCMP_CMP_GE"}]}, {"names": ["kill"], "action": "SCMP_ACT_LOG", "args": [{"index": 1, "value": 3, "op": "SCMP_CMP_GE"}]}]}`: "kill has rules with conditions and different actions: where both hold, libseccomp chooses",
	} {
		_, notes, err := Program([]byte(text), m)
		if err != nil || len(notes) != 1 || notes[0] != want {
			t.Errorf("%s\n%q, %v\n%q", text, notes, err, want)
		}
	}
	data := []byte(`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ERRNO"}]}`)
	p, _, err := Program(data, m)
	if err != nil {
		t.Fatal(err)
	}
	if p.Flags() != unix.SECCOMP_FILTER_FLAG_LOG|unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW || p.Libseccomp() != version() || p.Check(data) != nil {
		t.Errorf("flags %#x, libseccomp %s", p.Flags(), p.Libseccomp())
	}
	again, _, err := Program(data, m)
	if err != nil || string(again.Encode()) != string(p.Encode()) {
		t.Errorf("compiled twice it is another: %v", err)
	}
}

// Every action, asked in the way that `ironwrapctl seccomp test` does.
func TestProbe(t *testing.T) {
	m, err := ThisMachine(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := Program([]byte(`{"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [
		{"names": ["execve", "read"], "action": "SCMP_ACT_ALLOW"}, {"names": ["getuid"], "action": "SCMP_ACT_LOG"},
		{"names": ["write", "seccomp"], "action": "SCMP_ACT_TRAP"}, {"names": ["exit_group", "prctl"], "action": "SCMP_ACT_KILL_THREAD"},
		{"names": ["getpid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0}, {"names": ["gettid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4094},
		{"names": ["kill"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 18446744073709551615, "op": "SCMP_CMP_EQ"}, {"index": 5, "value": 7, "op": "SCMP_CMP_EQ"}]}]}`), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args [6]uint64
		want probe.Verdict
	}{
		{"execve", [6]uint64{}, probe.Verdict{Allowed: true}},
		{"read", [6]uint64{}, probe.Verdict{Allowed: true}},
		{"getuid", [6]uint64{}, probe.Verdict{Allowed: true}},
		{"write", [6]uint64{1}, probe.Verdict{Killed: true}},
		{"seccomp", [6]uint64{}, probe.Verdict{Killed: true}},
		{"exit_group", [6]uint64{}, probe.Verdict{Killed: true}},
		{"prctl", [6]uint64{}, probe.Verdict{Killed: true}},
		{"reboot", [6]uint64{}, probe.Verdict{Killed: true}},
		{"getpid", [6]uint64{}, probe.Verdict{Errno: 0}},
		{"gettid", [6]uint64{}, probe.Verdict{Errno: 4094}},
		{"kill", [6]uint64{1<<64 - 1, 0, 0, 0, 0, 7}, probe.Verdict{Allowed: true}},
		{"kill", [6]uint64{1<<64 - 1, 0, 0, 0, 0, 8}, probe.Verdict{Killed: true}},
		{"700", [6]uint64{}, probe.Verdict{Errno: unix.ENOSYS}},
	} {
		number, err := Number(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := probe.Ask(p, number, c.args); err != nil || got != c.want {
			t.Errorf("%s %x: %v, %v, not %v", c.name, c.args, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "mout", "-1", "4294967296", "waitpid_"} {
		if n, err := Number(bad); err == nil {
			t.Errorf("%q has number %d", bad, n)
		}
	}
}

// A shipped profile, with its long lists of alternatives.
func TestShipped(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "profiles", "storage.json"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ThisMachine(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Resolve(m)
	if err != nil {
		t.Fatal(err)
	}
	if refused, allowed := compareWith(t, "storage", s); refused < 100 || allowed < 500 {
		t.Errorf("only %d refused, %d allowed", refused, allowed)
	}
}
