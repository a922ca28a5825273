package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// steps is the privileged section: what happens, in this order, between a
// decision and execve(2). The first error ends it, and nothing is executed. All
// are raw system calls on the one thread that goes on to be the command; those
// of package syscall would act on all threads of the process, or put back what
// was set.
var steps = [...]struct {
	what string
	do   func(*Spec) error
}{
	// Credentials belong to threads, and the one that gives its rights up is to become
	// the command.
	{"be the leading thread", leading},

	// Nothing that was open before reaches the command, but what the Spec keeps
	// and 0, 1 and 2, which must be there, or the first file that it opens becomes
	// its standard output.
	{"mark descriptors close-on-exec", closeOnExec},
	{"find descriptors 0 to 2 open", standardOpen},

	// What a caller could set to make a command of root's do half its work.
	{"set the umask", umask},
	{"reset the resource limits", limits},
	{"set the nice value", nice},
	{"set the OOM score", oomScore},
	{"reset the signal mask", mask},
	{"reset what else is inherited", shed},

	// While root, whose quota of keys is large.
	{"join a new session keyring", keyring},

	// While /proc is as it was: below the mounts and rules that follow it may be out of
	// reach. To change the profile of this process forgets the one for the command.
	{"leave the AppArmor profile of ironwrap", leaveProfile},
	{"set the AppArmor profile of the command", profileOnExec},
	{"set the SELinux context of the command", contextOnExec},

	// What is open from outside stands on the mounts that it was opened through,
	// whatever Landlock and the mounts below say.
	{"find open files on mounts of this namespace (Landlock)", native},
	{"keep open files within the private view", descriptors},

	// Namespaces, while root may make them.
	{"leave the machine's namespaces (unshare)", unshare},
	{"mount what is the command's own", mounts},
	{"bring up the loopback interface", loopback},

	// A command of another user's must not type into a terminal of root's. The
	// filter must be in place before the ids change: without no_new_privs only
	// root may set one. It refuses nothing that comes after it here.
	{"forbid typing into terminals (seccomp)", noTyping},
	{"forbid leaving the private view (seccomp)", noWayOut},

	// Groups while root, then gid, then uid: after the uid there is no right
	// left to change the others, nor to drop from the bounding set.
	{"drop capabilities from the bounding set", dropBounding},
	{"say what becomes of capabilities on the change of ids", keepCapabilities},
	{"set the supplementary groups", setgroups},
	{"set the group id", setresgid},
	{"set the user id", setresuid},
	{"set the capabilities", setCapabilities},
	{"link the user's keys into the session keyring", userKeys},

	// Confinement that a process can always take upon itself, once it has
	// promised not to gain rights; before, it takes CAP_SYS_ADMIN.
	{"set no_new_privs", noNewPrivs},
	{"deny memory that is both writable and executable", denyWriteExec},
	{"enter the Landlock ruleset", landlock},

	// What counts is what the kernel says, whatever the calls returned.
	{"confirm the ids", confirmIDs},
	{"confirm the groups", confirmGroups},
	{"confirm the capabilities", confirmCapabilities},
	{"confirm no_new_privs", confirmNoNewPrivs},
	{"confirm the filter against typing", confirmNoTyping},
	{"confirm the filter against leaving the view", confirmNoWayOut},
	{"confirm that memory is not both writable and executable", confirmDenyWriteExec},
	{"confirm the AppArmor profile of the command", confirmProfileOnExec},
	{"confirm the SELinux context of the command", confirmContextOnExec},

	// Until here the kernel would have ended what takes too long.
	{"stop the deadline's timer (setitimer)", noDeadline},

	// Until here ^Z did nothing. From here on it stops what has the rights of the
	// command and no others, as it will stop the command.
	{"reset the ignored signals", dispositions},

	// Last, since a profile may refuse what the steps above need. It allows
	// execve(2), or it would not have been compiled.
	{"install the seccomp profile", profile},
}

// Enter confines the calling thread as s says: the leading thread, to which the caller's
// goroutine is locked. It returns nil only if every step succeeded and was confirmed.
// After an error the process is neither what it was nor what it should be: it must exit.
func Enter(s *Spec) error {
	for i := range steps {
		step := &steps[i]
		if err := step.do(s); err != nil {
			return fmt.Errorf("cannot %s: %w", step.what, s.explained(step.what, err))
		}
	}
	return nil
}

// result is the error of a system call that unix.RawSyscall has made, on this thread
// alone. It is written around the call, so that what the arguments point to stays in
// place and alive (package unsafe, Pointer), and takes no memory of its own.
func result(_, _ uintptr, errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// prctl takes no pointers. What is not given is 0.
func prctl(option uintptr, args ...uintptr) error {
	var a [4]uintptr
	copy(a[:], args)
	return result(unix.RawSyscall6(unix.SYS_PRCTL, option, a[0], a[1], a[2], a[3], 0))
}

func leading(*Spec) error {
	pid, _, _ := unix.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
	tid, _, _ := unix.RawSyscall(unix.SYS_GETTID, 0, 0, 0)
	if pid != tid {
		return errors.New("internal error: the caller is not locked to it")
	}
	return nil
}

// closeOnExec needs Linux 5.11, see close_range(2).
func closeOnExec(s *Spec) error {
	if err := result(unix.RawSyscall(unix.SYS_CLOSE_RANGE, 3, ^uintptr(0)>>32, unix.CLOSE_RANGE_CLOEXEC)); err != nil {
		return err
	}
	for _, fd := range s.Keep {
		if err := result(unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFD, 0)); err != nil {
			return err
		}
	}
	return nil
}

func standardOpen(*Spec) error {
	for fd := uintptr(0); fd <= 2; fd++ {
		if err := result(unix.RawSyscall(unix.SYS_FCNTL, fd, unix.F_GETFD, 0)); err != nil {
			return err
		}
	}
	return nil
}

func umask(s *Spec) error { return result(unix.RawSyscall(unix.SYS_UMASK, uintptr(s.Umask), 0, 0)) }

// nice leaves alone a value that it may not lower, unless the section asks for one.
func nice(s *Spec) error {
	err := result(unix.RawSyscall(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, uintptr(s.Nice)))
	if err == unix.EACCES && !s.NiceAsked && !able(unix.CAP_SYS_NICE) {
		return nil
	}
	return err
}

// oomScore leaves alone a score that it may not lower to 0: the kernel refuses
// that only below a value that somebody with CAP_SYS_RESOURCE has set, which no
// unprivileged caller can be (proc_pid_oom_score_adj(5)). What a section asks for is
// an error where it cannot be had.
func oomScore(s *Spec) error {
	here := unix.AT_FDCWD
	path := []byte("/proc/self/oom_score_adj\x00")
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, uintptr(here), uintptr(unsafe.Pointer(&path[0])), unix.O_WRONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	var buf [8]byte
	score := strconv.AppendInt(buf[:0], int64(s.OOMScore), 10)
	err := result(unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&score[0])), uintptr(len(score))))
	_ = result(unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0))
	if err == unix.EACCES && !s.OOMScoreAsked {
		return nil
	}
	return err
}

// sigaction is the kernel's, long enough for every architecture; all zero it is
// SIG_DFL.
type sigaction struct{ handler, flags, restorer, mask uintptr }

const sigIgn = 1

// dispositions undoes what is ignored, by the caller or by Begin. What is caught,
// by the Go runtime, execve(2) resets itself.
func dispositions(*Spec) error {
	for sig := uintptr(1); sig <= 64; sig++ {
		if sig == uintptr(unix.SIGKILL) || sig == uintptr(unix.SIGSTOP) {
			continue
		}
		var now sigaction
		if err := result(unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&now)), 8, 0, 0)); err != nil {
			return fmt.Errorf("signal %d: %w", sig, err)
		}
		if now.handler != sigIgn {
			continue
		}
		if err := setAction(sig, sigaction{}); err != nil {
			return fmt.Errorf("signal %d: %w", sig, err)
		}
	}
	return nil
}

func setAction(sig uintptr, a sigaction) error {
	return result(unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&a)), 0, 8, 0, 0))
}

func mask(*Spec) error {
	var none uint64
	return result(unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0))
}

func setgroups(s *Spec) error {
	if len(s.Groups) == 0 {
		return result(unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0))
	}
	return result(unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(s.Groups)), uintptr(unsafe.Pointer(&s.Groups[0])), 0))
}

func setresgid(s *Spec) error {
	g := uintptr(s.GID)
	return result(unix.RawSyscall(unix.SYS_SETRESGID, g, g, g))
}

func setresuid(s *Spec) error {
	u := uintptr(s.UID)
	return result(unix.RawSyscall(unix.SYS_SETRESUID, u, u, u))
}

func noNewPrivs(s *Spec) error {
	if !s.NoNewPrivs {
		return nil
	}
	return prctl(unix.PR_SET_NO_NEW_PRIVS, 1)
}

func confirmNoNewPrivs(s *Spec) error {
	if !s.NoNewPrivs {
		return nil
	}
	set, _, err := ask(unix.PR_GET_NO_NEW_PRIVS)
	if err == nil && !set {
		err = errors.New("the kernel says that it is not set")
	}
	return err
}

// denyWriteExec needs Linux 6.3, see PR_SET_MDWE(2const).
func denyWriteExec(s *Spec) error {
	if !s.DenyWriteExec {
		return nil
	}
	return prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN)
}

func confirmDenyWriteExec(s *Spec) error {
	if !s.DenyWriteExec {
		return nil
	}
	set, _, err := ask(unix.PR_GET_MDWE)
	if err == nil && !set {
		err = errors.New("the kernel says that it may be")
	}
	return err
}

// profile installs on this thread alone, and as it is: a library would set
// no_new_privs and take the other threads along (SECCOMP_FILTER_FLAG_TSYNC), who
// would die of it before the command runs.
func profile(s *Spec) error {
	if s.Seccomp == nil {
		return nil
	}
	return install(s.Seccomp.Filter(), s.Seccomp.Flags())
}

func install(program []unix.SockFilter, flags uint32) error {
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return result(unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flags), uintptr(unsafe.Pointer(&fprog))))
}

func confirmIDs(s *Spec) error {
	var r, e, v uint32
	if err := result(unix.RawSyscall(unix.SYS_GETRESUID, uintptr(unsafe.Pointer(&r)), uintptr(unsafe.Pointer(&e)), uintptr(unsafe.Pointer(&v)))); err != nil {
		return err
	}
	if r != s.UID || e != s.UID || v != s.UID {
		return fmt.Errorf("the kernel says uids %d, %d, %d, not %d", r, e, v, s.UID)
	}
	if err := result(unix.RawSyscall(unix.SYS_GETRESGID, uintptr(unsafe.Pointer(&r)), uintptr(unsafe.Pointer(&e)), uintptr(unsafe.Pointer(&v)))); err != nil {
		return err
	}
	if r != s.GID || e != s.GID || v != s.GID {
		return fmt.Errorf("the kernel says gids %d, %d, %d, not %d", r, e, v, s.GID)
	}
	return nil
}

// confirmGroups compares as sets: the kernel sorts.
func confirmGroups(s *Spec) error {
	n, _, errno := unix.RawSyscall(unix.SYS_GETGROUPS, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	have := make([]uint32, n+1)
	n, _, errno = unix.RawSyscall(unix.SYS_GETGROUPS, uintptr(len(have)), uintptr(unsafe.Pointer(&have[0])), 0)
	if errno != 0 {
		return errno
	}
	have = have[:n]
	want := slices.Clone(s.Groups)
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		return fmt.Errorf("the kernel says %v, not %v", have, want)
	}
	return nil
}
