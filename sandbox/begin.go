package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// The goroutine of main stays on the leading thread: credentials belong to
// threads, and execve(2) must be called by the one that gave its rights up.
func init() { runtime.LockOSThread() }

// Begin takes the process out of its caller's hands: none but root can stop,
// kill or trace it from here on. It comes before anything is read.
func Begin() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("not run as root but as uid %d: call it through sudo, or check that it is setuid root, not on a nosuid mount and not below no_new_privs", os.Geteuid())
	}
	// The terminal's signals come from the kernel, whoever we are: ^Z must not
	// hold a check open. Enter puts this back, after the ids have changed.
	for _, s := range []unix.Signal{unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU} {
		if err := setAction(uintptr(s), sigaction{handler: sigIgn}); err != nil {
			return fmt.Errorf("cannot ignore %v: %w", s, err)
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

// allRoot makes the real and saved ids root's too. A caller whose uid is still
// our real one may send any signal to any of our threads: so all of them change,
// which these two calls of package syscall see to. Under sudo there is nothing to
// change.
func allRoot() error {
	if r, e, s := unix.Getresuid(); r|e|s != 0 {
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
