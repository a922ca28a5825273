package sandbox

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Begin takes the process out of its caller's hands: none but root can stop,
// kill or trace it from here on. It comes before anything is read, on the leading thread.
func Begin() error {
	if euid := unix.Geteuid(); euid != 0 {
		return fmt.Errorf("not run as root but as uid %d: %s", euid, whyNotRoot())
	}
	// What makes us slow comes first.
	if err := shedEarly(); err != nil {
		return err
	}
	if err := openFiles(); err != nil {
		return err
	}
	if err := noCore(); err != nil {
		return err
	}
	// The terminal's signals come from the kernel, whoever we are: ^Z must not
	// hold a check open. Enter puts this back, after the ids have changed.
	for _, s := range []unix.Signal{unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU} {
		if err := setAction(uintptr(s), sigaction{handler: sigIgn}); err != nil {
			return fmt.Errorf("cannot set the action of %v: %w", s, err)
		}
	}
	if err := allRoot(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot forbid tracing (PR_SET_DUMPABLE): %w", err)
	}
	// An interval timer survives execve(2) and would kill the command.
	for _, timer := range []unix.ItimerWhich{unix.ItimerReal, unix.ItimerVirtual, unix.ItimerProf} {
		if _, err := unix.Setitimer(timer, unix.Itimerval{}); err != nil {
			return fmt.Errorf("cannot stop the caller's timers (setitimer): %w", err)
		}
	}
	return nil
}

// Uncatch is for a process that serves one request. The signals that end it do so at
// once then, also while it waits for an NFS server that is gone: the kernel interrupts
// that wait for a signal that kills, but for none that is caught, as the Go runtime
// does. A caller's nohup(1) stays.
//
// Nor does the runtime catch those of which it would die with a long report, written to
// standard error by a process of root's: a caller can leave one pending, or set a limit.
// What passes RLIMIT_FSIZE is an error of write(2) instead.
func Uncatch() error {
	for _, s := range []unix.Signal{unix.SIGABRT, unix.SIGSYS, unix.SIGXCPU} {
		if err := resetAction(s); err != nil {
			return err
		}
	}
	if err := setAction(uintptr(unix.SIGXFSZ), sigaction{handler: sigIgn}); err != nil {
		return fmt.Errorf("cannot ignore %v: %w", unix.SIGXFSZ, err)
	}
	for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
		if err := uncatch(uintptr(s)); err != nil {
			return fmt.Errorf("cannot set the action of %v: %w", s, err)
		}
	}
	return nil
}

// uncatch gives a signal back its default action, unless it is ignored.
func uncatch(sig uintptr) error {
	var now sigaction
	if err := result(unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&now)), 8, 0, 0)); err != nil || now.handler == sigIgn {
		return err
	}
	return setAction(sig, sigaction{})
}

// whyNotRoot says why the set-user-id bit had no effect (execve(2)), and what to
// do about it. It is asked when all is lost already: what it cannot find out it
// leaves out.
func whyNotRoot() string {
	if set, _, err := ask(unix.PR_GET_NO_NEW_PRIVS); err == nil && set {
		return "no_new_privs is set, so that neither setuid programs nor sudo have any effect: take NoNewPrivileges= out of the service's unit"
	}
	const exe = "/proc/self/exe"
	var st unix.Stat_t
	var fs unix.Statfs_t
	if unix.Stat(exe, &st) != nil || unix.Statfs(exe, &fs) != nil || st.Mode&unix.S_ISUID == 0 {
		return "call it through sudo, or install it setuid root"
	}
	switch {
	case st.Uid != 0:
		return fmt.Sprintf("it is setuid, but owned by uid %d here: chown it to root and set the bit again, or call it outside of user namespaces", st.Uid)
	case fs.Flags&unix.MS_NOSUID != 0: // ST_NOSUID of statfs(2)
		return "it is setuid root, but on a nosuid mount: install it elsewhere, or mount without nosuid"
	}
	return "it is setuid root, but the kernel paid no heed: it is being traced, or was called in a user namespace"
}

// allRoot makes the real and saved ids root's too. A caller whose uid is still
// our real one may send any signal to any of our threads: so all of them change,
// which these two calls of package syscall see to. Under sudo there is nothing to
// change.
func allRoot() error {
	if r, e, s := unix.Getresuid(); r|e|s != 0 {
		if err := signalQueue(); err != nil {
			return err
		}
		if err := syscall.Setresuid(0, 0, 0); err != nil {
			return fmt.Errorf("cannot become uid 0: %w", err)
		}
	}
	if r, e, s := unix.Getresgid(); r|e|s != 0 {
		if err := syscall.Setresgid(0, 0, 0); err != nil {
			return fmt.Errorf("cannot become gid 0: %w", err)
		}
	}
	return nil
}

// signalQueue sees to it that package syscall can send each thread the signal that
// makes it change its ids: it waits for all, and would for ever where the caller's
// limit lets no signal queue.
func signalQueue() error {
	const enough = 1024
	var now unix.Rlimit
	if err := prlimit(unix.RLIMIT_SIGPENDING, nil, &now); err != nil {
		return fmt.Errorf("cannot read RLIMIT_SIGPENDING: %w", err)
	}
	if now.Cur >= enough {
		return nil
	}
	if err := prlimit(unix.RLIMIT_SIGPENDING, &unix.Rlimit{Cur: enough, Max: max(now.Max, enough)}, nil); err != nil {
		return fmt.Errorf("cannot raise RLIMIT_SIGPENDING, which is %d: %w", now.Cur, err)
	}
	return nil
}

// noCore keeps what is started before the command from leaving a core file of root's, which
// a caller who may set the limit could have made of it (CVE-2006-2451): getent, and who reads
// the policy. This process is not dumpable, and the command gets no more.
func noCore() error {
	var now unix.Rlimit
	if err := prlimit(unix.RLIMIT_CORE, nil, &now); err != nil {
		return fmt.Errorf("cannot read RLIMIT_CORE: %w", err)
	}
	if now.Cur == 0 {
		return nil
	}
	if err := prlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 0, Max: now.Max}, nil); err != nil {
		return fmt.Errorf("cannot set RLIMIT_CORE: %w", err)
	}
	return nil
}

// openFiles sees to it that the caller's limit leaves room for the files of this process,
// and of a command, which would do half its work. Where it cannot be raised, what is
// enough for most commands will do.
func openFiles() error {
	const want, enough = 1024, 64
	var now unix.Rlimit
	if err := prlimit(unix.RLIMIT_NOFILE, nil, &now); err != nil {
		return fmt.Errorf("cannot read RLIMIT_NOFILE: %w", err)
	}
	if now.Max >= want {
		return nil
	}
	err := prlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: want, Max: want}, nil)
	if err != nil && now.Max < enough {
		return fmt.Errorf("cannot raise RLIMIT_NOFILE, which is %d: %w: CAP_SYS_RESOURCE is missing here: %s", now.Max, err, raise)
	}
	return nil
}
