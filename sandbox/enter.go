package sandbox

import (
	"fmt"
	"slices"
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
	// Nothing that was open before reaches the command, but 0, 1 and 2, which
	// must be there, or the first file it opens becomes its standard output.
	{"mark descriptors close-on-exec", closeOnExec},
	{"find descriptors 0 to 2 open", standardOpen},

	// What a caller could set to make a command of root's do half its work.
	{"set the umask", umask},
	{"reset the resource limits", limits},
	{"set the nice value", nice},
	{"set the OOM score", oomScore},
	{"reset the signal mask", mask},

	// A command of another user's must not type into a terminal of root's. The
	// filter must be in place before the ids change: without no_new_privs only
	// root may set one.
	{"forbid typing into terminals (seccomp)", noTyping},

	// Groups while root, then gid, then uid: after the uid there is no right
	// left to change the others.
	{"drop kept capabilities on the change of ids", noKeepCaps},
	{"set the supplementary groups", setgroups},
	{"set the group id", setresgid},
	{"set the user id", setresuid},
	{"clear the ambient capabilities", clearAmbient},
	{"clear the inheritable capabilities", clearInheritable},

	// What counts is what the kernel says, whatever the calls returned.
	{"confirm the ids", confirmIDs},
	{"confirm the groups", confirmGroups},
	{"confirm the capabilities", confirmCapabilities},

	// Until here ^Z did nothing. From here on it stops what has the rights of the
	// command and no others, as it will stop the command.
	{"reset the ignored signals", dispositions},
}

// Enter confines the calling thread as s says. It returns nil only if every step
// succeeded and was confirmed. After an error the process is neither what it was
// nor what it should be: it must exit.
func Enter(s *Spec) error {
	for _, step := range steps {
		if err := step.do(s); err != nil {
			return fmt.Errorf("cannot %s: %w", step.what, err)
		}
	}
	return nil
}

// call makes a system call on this thread alone. The directive keeps what the
// arguments point to in place and alive.
//
//go:uintptrescapes
func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// closeOnExec needs Linux 5.11, see close_range(2).
func closeOnExec(*Spec) error {
	return call(unix.SYS_CLOSE_RANGE, 3, ^uintptr(0)>>32, unix.CLOSE_RANGE_CLOEXEC)
}

func standardOpen(*Spec) error {
	for fd := uintptr(0); fd <= 2; fd++ {
		if err := call(unix.SYS_FCNTL, fd, unix.F_GETFD); err != nil {
			return err
		}
	}
	return nil
}

func umask(s *Spec) error { return call(unix.SYS_UMASK, uintptr(s.Umask)) }

const infinity = ^uint64(0)

// limits resets what would make a command fail half-way: a file cut off at
// RLIMIT_FSIZE, a death by RLIMIT_CPU. Where a finite hard limit cannot be
// raised for want of CAP_SYS_RESOURCE, that is an error.
func limits(s *Spec) error {
	for _, l := range [...]struct {
		resource  int
		name      string
		soft, min uint64 // min is what the hard limit must be at least
	}{
		{unix.RLIMIT_FSIZE, "RLIMIT_FSIZE", infinity, infinity},
		{unix.RLIMIT_CPU, "RLIMIT_CPU", infinity, infinity},
		{unix.RLIMIT_DATA, "RLIMIT_DATA", infinity, infinity},
		{unix.RLIMIT_AS, "RLIMIT_AS", infinity, infinity},
		{unix.RLIMIT_STACK, "RLIMIT_STACK", 8 << 20, 8 << 20},
		{unix.RLIMIT_CORE, "RLIMIT_CORE", 0, 0}, // a core file of root's may hold secrets
		{unix.RLIMIT_NOFILE, "RLIMIT_NOFILE", s.NoFile, 0},
	} {
		var now unix.Rlimit
		if err := prlimit(l.resource, nil, &now); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		set := unix.Rlimit{Cur: l.soft, Max: max(now.Max, l.min)}
		if l.resource == unix.RLIMIT_NOFILE && (l.soft == 0 || l.soft > now.Max) {
			set.Cur = now.Max
		}
		if err := prlimit(l.resource, &set, nil); err != nil {
			return fmt.Errorf("%s, which has the hard limit %d: %w", l.name, now.Max, err)
		}
	}
	return nil
}

func prlimit(resource int, set, get *unix.Rlimit) error {
	return call(unix.SYS_PRLIMIT64, 0, uintptr(resource), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)))
}

func nice(s *Spec) error { return call(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, uintptr(s.Nice)) }

// oomScore leaves alone a score that it may not lower: the kernel refuses that
// only below a value that somebody with CAP_SYS_RESOURCE has set, which no
// unprivileged caller can be (proc_pid_oom_score_adj(5)).
func oomScore(s *Spec) error {
	fd, err := unix.Open("/proc/self/oom_score_adj", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, fmt.Appendf(nil, "%d", s.OOMScore))
	if err == unix.EACCES {
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
		if err := call(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&now)), 8); err != nil {
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
	return call(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&a)), 0, 8)
}

func mask(*Spec) error {
	var none uint64
	return call(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&none)), 0, 8)
}

func noKeepCaps(*Spec) error { return call(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0) }

func setgroups(s *Spec) error {
	if len(s.Groups) == 0 {
		return call(unix.SYS_SETGROUPS, 0, 0)
	}
	return call(unix.SYS_SETGROUPS, uintptr(len(s.Groups)), uintptr(unsafe.Pointer(&s.Groups[0])))
}

func setresgid(s *Spec) error {
	g := uintptr(s.GID)
	return call(unix.SYS_SETRESGID, g, g, g)
}

func setresuid(s *Spec) error {
	u := uintptr(s.UID)
	return call(unix.SYS_SETRESUID, u, u, u)
}

func clearAmbient(*Spec) error {
	return call(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
}

// clearInheritable: a non-empty set lets file capabilities add to the command's
// (CVE-2022-29162).
func clearInheritable(*Spec) error {
	c, err := capget()
	if err != nil {
		return err
	}
	c[0].Inheritable, c[1].Inheritable = 0, 0
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return call(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&h)), uintptr(unsafe.Pointer(&c)))
}

func capget() (c [2]unix.CapUserData, err error) {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	err = call(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&h)), uintptr(unsafe.Pointer(&c)))
	return c, err
}

func confirmIDs(s *Spec) error {
	var r, e, v uint32
	if err := call(unix.SYS_GETRESUID, uintptr(unsafe.Pointer(&r)), uintptr(unsafe.Pointer(&e)), uintptr(unsafe.Pointer(&v))); err != nil {
		return err
	}
	if r != s.UID || e != s.UID || v != s.UID {
		return fmt.Errorf("the kernel says uids %d, %d, %d, not %d", r, e, v, s.UID)
	}
	if err := call(unix.SYS_GETRESGID, uintptr(unsafe.Pointer(&r)), uintptr(unsafe.Pointer(&e)), uintptr(unsafe.Pointer(&v))); err != nil {
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

// confirmCapabilities: of another user than root the command has none, and of
// root none to inherit.
func confirmCapabilities(s *Spec) error {
	c, err := capget()
	if err != nil {
		return err
	}
	if c[0].Inheritable|c[1].Inheritable != 0 {
		return fmt.Errorf("the kernel says inheritable %08x%08x, not none", c[1].Inheritable, c[0].Inheritable)
	}
	if s.UID != 0 && c[0].Permitted|c[1].Permitted|c[0].Effective|c[1].Effective != 0 {
		return fmt.Errorf("the kernel says permitted %08x%08x, not none", c[1].Permitted, c[0].Permitted)
	}
	return nil
}
