package launch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/sandbox"
)

// SignalError tells that an allowed signal could not be sent.
type SignalError struct {
	PID, Number int
	Err         error
}

func (e *SignalError) Error() string {
	return fmt.Sprintf("cannot send signal %d to process %d: %v", e.Number, e.PID, e.Err)
}
func (e *SignalError) Unwrap() error { return e.Err }

// errExecuted tells that a process does not run any more what the filter found.
var errExecuted = errors.New("it has ended, or runs another program than when the filter looked at it")

// signal confines the process and does what kill(1) would do. The process was
// identified through the descriptors that send uses: no other can be hit. But it
// may have executed another program since, a set-user-id one for example, and a
// record that is slow to write gives it the time. So it is looked at twice more:
// here, where the rights to do so are there for certain, and in send, where nothing
// but the signal comes after.
func signal(c *Command) error {
	image, err := image(c.Signal.Process)
	if err == nil {
		if err := sandbox.Enter(&c.Spec); err != nil {
			return err
		}
		err = send(c.Signal, image, seesAll(&c.Spec))
	}
	var errno unix.Errno
	var unseen *unseenError
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &unseen) && !(errors.As(err, &errno) && errno == unix.ESRCH):
		return fmt.Errorf("cannot look at process %d once more: %w", c.Signal.Process.PID, unseen.err)
	case errors.As(err, &unseen):
		err = unix.ESRCH
	}
	return &SignalError{c.Signal.Process.PID, c.Signal.Number, err}
}

// seesAll tells that a process confined so may look at every other one: it is root's,
// and has given up nothing.
func seesAll(s *sandbox.Spec) bool {
	return s.UID == 0 && s.Capabilities.All && len(s.Landlock) == 0 && s.Seccomp == nil
}

// unseenError tells that a process could not be looked at.
type unseenError struct{ err error }

func (e *unseenError) Error() string { return e.err.Error() }
func (e *unseenError) Unwrap() error { return e.err }

// image opens /proc/PID/maps of a process that runs the program expected. The
// descriptor stands for the address space, which execve(2) puts an end to: it reads
// as empty from then on. Reading takes no rights, opening does.
func image(p filters.Process) (int, error) {
	fd, err := unix.Openat(p.Dir, "maps", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &unseenError{err}
	}
	// After maps was opened: a program executed before is seen here, one executed
	// later in send.
	if err := runs(p); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// runs returns nil when the process runs the file that the filter has seen.
func runs(p filters.Process) error {
	var exe unix.Stat_t
	if err := unix.Fstatat(p.Dir, "exe", &exe, 0); err != nil {
		return &unseenError{err}
	}
	if exe.Dev != p.Exe.Dev || exe.Ino != p.Exe.Ino {
		return errExecuted
	}
	return nil
}

// send sends a signal to a process that runs the program still. seen tells that the
// process must be seen for that.
func send(s *filters.Signal, image int, seen bool) error {
	// An address space outlives its program where two processes share it, for the
	// moment between vfork(2) and execve(2). A confined process, or one of another
	// user, may not look itself.
	if err := runs(s.Process); err != nil && (seen || errors.Is(err, errExecuted)) {
		return err
	}
	var first [1]byte
	n, err := unix.Pread(image, first[:], 0)
	if err != nil {
		return &unseenError{err}
	}
	if n == 0 {
		return errExecuted
	}
	return unix.PidfdSendSignal(s.Process.FD, unix.Signal(s.Number), nil, 0)
}
