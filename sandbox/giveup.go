package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Owner is whom a process is given to by GiveUp. The zero value is root.
type Owner struct {
	UID, GID uint32
	Groups   []uint32
}

var suidDumpable = "/proc/sys/fs/suid_dumpable"

// GiveUp makes the calling thread its owner's, for good. On the leading thread that
// makes the process theirs: the kernel looks there for who may signal it, and counts it
// for RLIMIT_NPROC (kill(2), setrlimit(2)). Other threads do not matter: they do no more
// than the runtime's work, and nobody can reach their memory, since the process stays
// one that only root may trace.
func GiveUp(to Owner) error {
	if to.UID == 0 {
		return nil
	}
	// With fs.suid_dumpable=1 the change of ids makes a process one that its user may
	// trace (proc_sys_fs(5)), other threads included, which are root's still.
	if setting, err := readSome(suidDumpable); err == nil && bytes.HasPrefix(setting, []byte("1")) {
		return errors.New("fs.suid_dumpable is 1: the user could trace the process")
	}
	s := &Spec{UID: to.UID, GID: to.GID, Groups: to.Groups}
	for _, step := range []func(*Spec) error{setgroups, setresgid, setresuid, confirmIDs, confirmGroups} {
		if err := step(s); err != nil {
			return fmt.Errorf("cannot become uid %d: %w", to.UID, err)
		}
	}
	return prctl(unix.PR_SET_DUMPABLE, 0)
}

func readSome(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 16)
	n, err := unix.Read(fd, buf)
	return buf[:max(n, 0)], err
}

// Deadline has the kernel end the process after d, whatever its threads are doing then:
// SIGALRM is not caught, so that it ends also a wait for an NFS server, and this thread
// does not block it. It takes the place of a deadline before. Enter takes it back.
func Deadline(d time.Duration) error {
	_, err := deadline(d)
	return err
}

// Sleep has the thread wait in the kernel (nanosleep(2)). A process that waits once, and
// in most cases does not live to see the end of it, does so at half the cost of package
// time, which sets up the runtime's timers and poller.
func Sleep(d time.Duration) {
	left := unix.NsecToTimespec(d.Nanoseconds())
	for unix.Nanosleep(&left, &left) == unix.EINTR {
	}
}

// Within calls do, which must not take longer than d, or the kernel ends the process.
// The deadline before counts again afterwards.
func Within(d time.Duration, do func()) {
	before, err := deadline(d)
	if err != nil {
		return
	}
	do()
	_, _ = timer(before)
}

func deadline(d time.Duration) (before unix.Itimerval, err error) {
	if err := resetAction(unix.SIGALRM); err != nil {
		return before, err
	}
	alarm := uint64(1) << (unix.SIGALRM - 1)
	if err := result(unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_UNBLOCK, uintptr(unsafe.Pointer(&alarm)), 0, 8, 0, 0)); err != nil {
		return before, fmt.Errorf("cannot unblock SIGALRM: %w", err)
	}
	if before, err = timer(unix.Itimerval{Value: unix.NsecToTimeval(d.Nanoseconds())}); err != nil {
		return before, fmt.Errorf("cannot set a timer (setitimer): %w", err)
	}
	return before, nil
}

// resetAction gives a signal its default action. One that the caller has left pending,
// blocked, is dropped: that is what ignoring does (sigaction(2)).
func resetAction(s unix.Signal) error {
	for _, a := range []sigaction{{handler: sigIgn}, {}} {
		if err := setAction(uintptr(s), a); err != nil {
			return fmt.Errorf("cannot set the action of %v: %w", s, err)
		}
	}
	return nil
}

func timer(t unix.Itimerval) (before unix.Itimerval, err error) {
	err = result(unix.RawSyscall(unix.SYS_SETITIMER, unix.ITIMER_REAL, uintptr(unsafe.Pointer(&t)), uintptr(unsafe.Pointer(&before))))
	return before, err
}

// noDeadline undoes Deadline: the timer would survive execve(2), and kill the command.
func noDeadline(*Spec) error {
	_, err := timer(unix.Itimerval{})
	return err
}
