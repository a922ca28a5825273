//go:build cgo

// Package profiles_test holds the shipped profiles against the kernel.
package profiles_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
	"ironwrap/sandbox/seccomp/probe"
	"ironwrap/sandbox/seccomp/profile"
)

func TestMain(m *testing.M) {
	probe.Child()
	os.Exit(m.Run())
}

// The profiles, each allowing no more than those it points to.
var narrower = map[string][]string{
	"strict":         {"readonly-tools"},
	"readonly-tools": {"default"},
	"default":        {"storage", "network"},
	"storage":        nil,
	"network":        nil,
}

func compiled(t *testing.T, name string) (*seccomp.Program, *profile.Profile) {
	t.Helper()
	data, err := os.ReadFile(name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := compile.ThisMachine(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, notes, err := compile.Program(data, m)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, n := range notes {
		t.Errorf("%s: %s", name, n)
	}
	source, err := profile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return p, source
}

// y and n for strict, readonly-tools, default, storage, network, in this order.
// e is ENOSYS, which makes programs take an older call.
var order = []string{"strict", "readonly-tools", "default", "storage", "network"}

const (
	high    = 1 << 32 // a bit that the kernel does not look at
	sigchld = 17
	thread  = 0x3d0f00 // what glibc's threads are cloned with
)

var verdicts = []struct {
	calls string
	args  []uint64
	want  string
}{
	// What everything needs.
	{"execve", nil, "yyyyy"}, {"read", nil, "yyyyy"}, {"write", []uint64{1}, "yyyyy"}, {"close", nil, "yyyyy"}, {"mmap", nil, "yyyyy"}, {"brk", nil, "yyyyy"},
	{"exit_group", nil, "yyyyy"}, {"rt_sigreturn", nil, "yyyyy"}, {"futex", nil, "yyyyy"}, {"getrandom", nil, "yyyyy"}, {"newfstatat", nil, "yyyyy"}, {"statx", nil, "yyyyy"},
	{"getdents64", nil, "yyyyy"}, {"prlimit64", []uint64{0, 7}, "yyyyy"}, {"prlimit64", []uint64{1, 7}, "nnyyy"}, {"set_robust_list", nil, "yyyyy"}, {"rseq", nil, "yyyyy"},

	// Opening: by the flags, and by nothing else.
	{"openat", []uint64{0, 0, unix.O_RDONLY | unix.O_CLOEXEC}, "yyyyy"},
	{"openat", []uint64{^uint64(0), 1, unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_PATH}, "yyyyy"},
	{"openat", []uint64{0, 0, unix.O_WRONLY}, "nnyyy"}, {"openat", []uint64{0, 0, unix.O_RDWR}, "nnyyy"}, {"openat", []uint64{0, 0, 3}, "nnyyy"},
	{"openat", []uint64{0, 0, unix.O_RDONLY | unix.O_CREAT}, "nnyyy"}, {"openat", []uint64{0, 0, unix.O_RDONLY | unix.O_TRUNC}, "nnyyy"},
	{"openat", []uint64{0, 0, unix.O_TMPFILE | unix.O_RDWR}, "nnyyy"}, {"openat", []uint64{0, 0, high | unix.O_WRONLY}, "nnyyy"}, {"openat", []uint64{0, 0, high}, "yyyyy"},
	{"openat2", nil, "eeyyy"},

	// Changing files.
	{"unlinkat", nil, "nnyyy"}, {"renameat2", nil, "nnyyy"}, {"mkdirat", nil, "nnyyy"}, {"fchmodat", nil, "nnyyy"}, {"fchownat", nil, "nnyyy"}, {"linkat", nil, "nnyyy"},
	{"symlinkat", nil, "nnyyy"}, {"ftruncate", nil, "nnyyy"}, {"fallocate", nil, "nnyyy"}, {"setxattr", nil, "nnyyy"}, {"utimensat", nil, "nnyyy"}, {"fchmod", nil, "nnyyy"},
	{"mknodat", []uint64{0, 0, unix.S_IFIFO | 0o600}, "nnyyy"}, {"mknodat", []uint64{0, 0, unix.S_IFSOCK | 0o600}, "nnyyy"}, {"mknodat", []uint64{0, 0, 0o600}, "nnyyy"},
	{"mknodat", []uint64{0, 0, unix.S_IFBLK | 0o600}, "nnnyn"}, {"mknodat", []uint64{0, 0, unix.S_IFCHR | 0o600}, "nnnyn"}, {"mknodat", []uint64{0, 0, high | unix.S_IFBLK}, "nnnyn"},

	// Processes.
	{"clone", []uint64{sigchld}, "nyyyy"}, {"clone", []uint64{thread}, "nyyyy"}, {"clone3", nil, "neeee"}, {"wait4", nil, "nyyyy"}, {"kill", nil, "nyyyy"}, {"tgkill", []uint64{1 << 31}, "nyyyy"},
	{"clone", []uint64{unix.CLONE_NEWUSER | sigchld}, "nnnnn"}, {"clone", []uint64{unix.CLONE_NEWNET | sigchld}, "nnnnn"}, {"clone", []uint64{unix.CLONE_NEWNS}, "nnnnn"},
	{"clone", []uint64{unix.CLONE_NEWPID | high}, "nnnnn"}, {"clone", []uint64{unix.CLONE_NEWCGROUP}, "nnnnn"}, {"clone", []uint64{unix.CLONE_NEWIPC}, "nnnnn"}, {"clone", []uint64{unix.CLONE_NEWUTS}, "nnnnn"},
	{"prctl", []uint64{unix.PR_SET_NAME}, "nyyyy"}, {"prctl", []uint64{unix.PR_SET_MM}, "nnyyy"}, {"setuid", nil, "nnyyy"}, {"setgroups", nil, "nnyyy"}, {"capset", nil, "nnyyy"},
	{"setpriority", nil, "nnyyy"}, {"mlockall", nil, "nnyyy"}, {"memfd_create", nil, "nnyyy"}, {"io_setup", nil, "nnyyy"}, {"semget", nil, "nnyyy"}, {"seccomp", nil, "nnyyy"},
	{"execveat", nil, "nnnnn"}, {"ptrace", nil, "nnnnn"}, {"process_vm_readv", nil, "nnnnn"}, {"process_vm_writev", nil, "nnnnn"}, {"pidfd_getfd", nil, "nnnnn"}, {"kcmp", nil, "nnnnn"},
	{"personality", []uint64{0}, "nnyyy"}, {"personality", []uint64{0xffffffff}, "nnyyy"}, {"personality", []uint64{0x40000}, "nnnnn"}, // ADDR_NO_RANDOMIZE

	// Sockets: AF_UNIX, INET, NETLINK, PACKET, ALG, VSOCK, and one to come.
	{"socket", []uint64{1}, "nnyyy"}, {"socket", []uint64{2}, "nnyyy"}, {"socket", []uint64{10}, "nnyyy"}, {"socket", []uint64{16}, "nnyyy"}, {"socket", []uint64{17}, "nnnny"},
	{"socket", []uint64{38}, "nnnnn"}, {"socket", []uint64{40}, "nnnnn"}, {"socket", []uint64{9}, "nnnnn"}, {"socket", []uint64{60}, "nnnnn"}, {"socket", []uint64{high | 38}, "nnnnn"},
	{"socketpair", []uint64{1}, "nnyyy"}, {"socketpair", []uint64{2}, "nnnnn"}, {"connect", nil, "nnyyy"}, {"bind", nil, "nnyyy"}, {"sendmsg", nil, "nnyyy"},

	// ioctl: TCGETS, BLKGETSIZE64, FS_IOC_FIEMAP; FICLONE, DM_VERSION, SIOCSIFFLAGS, BLKDISCARD, SG_IO.
	{"ioctl", []uint64{0, 0x5401}, "yyyyy"}, {"ioctl", []uint64{0, 0x80081272}, "nyyyy"}, {"ioctl", []uint64{0, 0xc020660b}, "nyyyy"},
	{"ioctl", []uint64{0, 0x40049409}, "nnyyy"}, {"ioctl", []uint64{0, 0xc138fd00}, "nnyyy"}, {"ioctl", []uint64{0, 0x8914}, "nnyyy"}, {"ioctl", []uint64{0, 0x1277}, "nnyyy"}, {"ioctl", []uint64{0, 0x2285}, "nnyyy"},
	// TIOCSTI and TIOCLINUX, however they are written (CVE-2019-10063), and their neighbours.
	{"ioctl", []uint64{0, 0x5412}, "nnnnn"}, {"ioctl", []uint64{0, high | 0x5412}, "nnnnn"}, {"ioctl", []uint64{0, 0xffffffff<<32 | 0x5412}, "nnnnn"},
	{"ioctl", []uint64{0, 0x541c}, "nnnnn"}, {"ioctl", []uint64{0, high | 0x541c}, "nnnnn"},
	{"ioctl", []uint64{0, 0x5413}, "yyyyy"}, {"ioctl", []uint64{0, 0x5411}, "nnyyy"}, {"ioctl", []uint64{0, 0x541b}, "yyyyy"}, {"ioctl", []uint64{0, 0x541d}, "nnyyy"}, {"ioctl", []uint64{0, high | 0x5401}, "yyyyy"},

	// Mounts and namespaces.
	{"mount", nil, "nnnyy"}, {"mount", []uint64{0, 0, 0, unix.MS_BIND}, "nnnyy"}, {"umount2", nil, "nnnyy"}, {"fsopen", nil, "nnnyn"}, {"move_mount", nil, "nnnyn"}, {"open_tree", nil, "nnnyn"}, {"mount_setattr", nil, "nnnyn"},
	{"setns", []uint64{3, unix.CLONE_NEWNET}, "nnnny"}, {"setns", []uint64{3, unix.CLONE_NEWNS}, "nnnnn"}, {"setns", []uint64{3, 0}, "nnnnn"},
	{"unshare", []uint64{unix.CLONE_NEWNET}, "nnnny"}, {"unshare", []uint64{unix.CLONE_NEWNS}, "nnnny"}, {"unshare", []uint64{unix.CLONE_NEWUSER}, "nnnnn"}, {"unshare", []uint64{unix.CLONE_NEWUSER | unix.CLONE_NEWNET}, "nnnnn"},
	{"unshare", []uint64{unix.CLONE_NEWPID}, "nnnnn"}, {"unshare", []uint64{high | unix.CLONE_NEWNET}, "nnnnn"},
	{"chroot", nil, "nnnnn"}, {"pivot_root", nil, "nnnnn"}, {"open_by_handle_at", nil, "nnnnn"}, {"name_to_handle_at", nil, "yyyyy"}, {"quotactl", nil, "nnnyn"},
	{"add_key", nil, "nnnyn"}, {"keyctl", nil, "nnnyn"}, {"request_key", nil, "nnnyn"},

	// What no command has to do.
	{"init_module", nil, "nnnnn"}, {"finit_module", nil, "nnnnn"}, {"delete_module", nil, "nnnnn"}, {"kexec_load", nil, "nnnnn"}, {"kexec_file_load", nil, "nnnnn"}, {"bpf", nil, "nnnnn"},
	{"perf_event_open", nil, "nnnnn"}, {"userfaultfd", nil, "nnnnn"}, {"io_uring_setup", nil, "nnnnn"}, {"io_uring_enter", nil, "nnnnn"}, {"io_uring_register", nil, "nnnnn"},
	{"reboot", nil, "nnnnn"}, {"swapon", nil, "nnnnn"}, {"swapoff", nil, "nnnnn"}, {"acct", nil, "nnnnn"}, {"syslog", nil, "nnnnn"}, {"settimeofday", nil, "nnnnn"},
	{"clock_settime", nil, "nnnnn"}, {"adjtimex", nil, "nnnnn"}, {"sethostname", nil, "nnnnn"}, {"fanotify_init", nil, "nnnnn"}, {"move_pages", nil, "nnnnn"}, {"vhangup", nil, "nnnnn"}, {"lookup_dcookie", nil, "nnnnn"},

	// The rest of what is allowed without conditions, name by name.
	{"arch_prctl set_tid_address uname sysinfo getcpu getrlimit restart_syscall exit mprotect munmap mremap madvise msync mincore membarrier futex_waitv", nil, "yyyyy"},
	{"rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack pause signalfd signalfd4 getpid getppid gettid getpgid getpgrp getsid getuid geteuid getgid getegid", nil, "yyyyy"},
	{"getresuid getresgid getgroups capget getpriority ioprio_get getrusage times sched_getaffinity sched_yield clock_gettime clock_getres clock_nanosleep gettimeofday nanosleep time alarm", nil, "yyyyy"},
	{"setitimer timer_create timerfd_create timerfd_settime access faccessat faccessat2 stat lstat fstat statfs fstatfs readlink readlinkat getcwd chdir fchdir umask getdents getxattr lgetxattr", nil, "yyyyy"},
	{"fgetxattr listxattr readv pread64 preadv preadv2 writev pwrite64 pwritev pwritev2 lseek fadvise64 readahead close_range dup dup2 dup3 fcntl flock fsync fdatasync poll ppoll select", nil, "yyyyy"},
	{"pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait pipe pipe2 eventfd eventfd2 sendfile splice tee copy_file_range", nil, "yyyyy"},
	{"fork vfork waitid tkill rt_sigqueueinfo pidfd_open pidfd_send_signal setpgid setsid", nil, "nyyyy"},
	{"creat link symlink unlink rename renameat mkdir rmdir chmod chown fchown lchown truncate utime utimes lsetxattr fsetxattr removexattr lremovexattr fremovexattr sync syncfs sync_file_range", nil, "nnyyy"},
	{"inotify_init inotify_init1 inotify_add_watch inotify_rm_watch mlock mlock2 munlock munlockall pkey_alloc pkey_free pkey_mprotect shmget shmat shmctl shmdt setgid setreuid setregid setresuid", nil, "nnyyy"},
	{"setresgid setfsuid setfsgid sched_setaffinity sched_setscheduler sched_setattr sched_setparam ioprio_set setrlimit semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink", nil, "nnyyy"},
	{"io_submit io_getevents io_pgetevents io_cancel io_destroy vmsplice landlock_create_ruleset landlock_add_rule landlock_restrict_self", nil, "nnyyy"},
	{"listen accept accept4 getsockname getpeername getsockopt setsockopt sendto sendmmsg recvfrom recvmsg recvmmsg shutdown", nil, "nnyyy"},
	{"fsconfig fsmount fspick", nil, "nnnyn"},
	{"iopl ioperm clock_adjtime setdomainname fanotify_mark migrate_pages mbind set_mempolicy modify_ldt nfsservctl sysfs uselib ustat _sysctl process_madvise", nil, "nnnnn"},

	// Calls that nobody has heard of yet.
	{"462", nil, "eeeee"}, {"1000", nil, "eeeee"},
}

// Each row is answered by the kernel, in a process under the profile.
func TestVerdicts(t *testing.T) {
	if len(order) != len(narrower) {
		t.Fatal("order is not all profiles")
	}
	for i, name := range order {
		p, _ := compiled(t, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, v := range verdicts {
				want := map[byte]probe.Verdict{'y': {Allowed: true}, 'n': {Errno: unix.EPERM}, 'e': {Errno: unix.ENOSYS}}[v.want[i]]
				for call := range strings.FieldsSeq(v.calls) {
					number, err := compile.Number(call)
					if err != nil {
						if runtime.GOARCH == "amd64" {
							t.Error(err)
						}
						continue
					}
					var args [6]uint64
					copy(args[:], v.args)
					if got, err := probe.Ask(p, number, args); err != nil || got != want {
						t.Errorf("%s %#x: %v, %v, not %v", call, v.args, got, err, want)
					}
				}
			}
		})
	}
}

// A profile may do what a narrower one may: no rule was forgotten in one of them.
// The arguments are all that any profile compares with, and around them.
func TestNarrower(t *testing.T) {
	values := map[uint32][6][]uint64{}
	programs := map[string]*seccomp.Program{}
	for name := range narrower {
		p, source := compiled(t, name)
		programs[name] = p
		for _, r := range source.Rules {
			for _, call := range r.Names {
				number, err := compile.Number(call)
				if err != nil {
					continue
				}
				v := values[number]
				for _, a := range r.Args {
					for _, x := range []uint64{a.Value, a.ValueTwo, ^a.Value, a.Value + 1, a.ValueTwo + 1, a.ValueTwo - 1, a.ValueTwo | 1<<32, a.Value | 1<<32} {
						v[a.Index] = append(v[a.Index], x)
					}
				}
				values[number] = v
			}
		}
	}
	for number, v := range values {
		calls := []bpf.Call{{Number: number, Arch: seccomp.Arch}}
		for i, list := range v {
			for _, x := range list {
				c := bpf.Call{Number: number, Arch: seccomp.Arch}
				c.Args[i] = x
				calls = append(calls, c)
			}
		}
		for _, c := range calls {
			for name, wider := range narrower {
				for _, w := range wider {
					a, err1 := bpf.Answer(programs[name].Filter(), c)
					b, err2 := bpf.Answer(programs[w].Filter(), c)
					if err1 != nil || err2 != nil {
						t.Fatal(err1, err2)
					}
					if bpf.Allows(a) && !bpf.Allows(b) {
						t.Errorf("%s %#x: allowed by %s, and not by %s", compile.Name(number), c.Args, name, w)
					}
				}
			}
		}
	}
}

// Of all 2^16 low halves of an ioctl request, the two that type into terminals
// are refused, whatever is in the other bits.
func TestNoTyping(t *testing.T) {
	number, err := compile.Number("ioctl")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"default", "storage", "network"} {
		p, _ := compiled(t, name)
		for low := range uint64(1 << 16) {
			for _, rest := range []uint64{0, 0x8008 << 16, 0xffff << 16, 1 << 32, 0xffffffffffff << 16} {
				a, err := bpf.Answer(p.Filter(), bpf.Call{Number: number, Arch: seccomp.Arch, Args: [6]uint64{0, rest | low}})
				if err != nil {
					t.Fatal(err)
				}
				if want := low != 0x5412 && low != 0x541c; bpf.Allows(a) != want {
					t.Fatalf("%s: request %#x: %s", name, rest|low, bpf.Name(a))
				}
			}
		}
	}
}

// Programs of other architectures end at once.
func TestForeign(t *testing.T) {
	for name := range narrower {
		p, source := compiled(t, name)
		if source.Architectures != nil || source.ArchMap != nil {
			t.Errorf("%s has other architectures", name)
		}
		for _, arch := range []uint32{unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_PPC64LE} {
			for number := range uint32(600) {
				if a := bpf.Answers(p.Filter(), arch, number); !slices.Equal(a, []uint32{unix.SECCOMP_RET_KILL_THREAD}) {
					t.Fatalf("%s: architecture %#x, number %d: %d", name, arch, number, a)
				}
			}
		}
		if runtime.GOARCH == "amd64" { // x32
			for number := range uint32(600) {
				if a := bpf.Answers(p.Filter(), seccomp.Arch, 0x40000000|number); !slices.Equal(a, []uint32{unix.SECCOMP_RET_KILL_THREAD}) {
					t.Fatalf("%s: x32 number %d: %d", name, number, a)
				}
			}
		}
	}
}

// Every call is in every profile, allowed or with the reason why not: a reader
// finds what he looks for. So are the files: each profile is in the README.
func TestComments(t *testing.T) {
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) != len(narrower) {
		t.Errorf("%s, %v: not the profiles of this test", files, err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	dangerous := []string{
		"mount", "umount2", "move_mount", "fsopen", "unshare", "setns", "chroot", "pivot_root", "init_module", "finit_module", "kexec_load", "kexec_file_load", "bpf", "perf_event_open",
		"ptrace", "process_vm_readv", "process_vm_writev", "keyctl", "add_key", "userfaultfd", "io_uring_setup", "open_by_handle_at", "swapon", "reboot", "settimeofday", "clock_settime",
		"iopl", "ioperm", "acct", "syslog", "quotactl", "fanotify_init", "clone3", "socket", "clone", "ioctl", "execve",
	}
	for name := range narrower {
		if !strings.Contains(string(readme), "| `"+name+"` |") {
			t.Errorf("%s is not in README.md", name)
		}
		_, source := compiled(t, name)
		have := map[string]bool{}
		for _, r := range source.Rules {
			if len(strings.Fields(r.Comment)) == 0 {
				t.Errorf("%s.json:%d: no comment", name, r.Line)
			}
			for _, call := range r.Names {
				if have[call] {
					t.Errorf("%s.json:%d: %s is there twice", name, r.Line, call)
				}
				have[call] = true
			}
		}
		for _, call := range dangerous {
			if !have[call] {
				t.Errorf("%s.json does not say what it does with %s", name, call)
			}
		}
		if source.DefaultAction != specs.ActErrno || *source.DefaultErrno != uint(unix.EPERM) {
			t.Errorf("%s: by default %s", name, source.DefaultAction)
		}
	}
}
