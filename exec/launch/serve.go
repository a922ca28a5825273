package launch

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ironwrap/sandbox"
)

// Socket is the descriptor on which a launcher takes its orders.
const Socket = 3

// Serve takes an order and becomes the command, or starts it and stays for others.
// It returns when there is nothing more to do. The error is one that nobody else
// knows of; the daemon is told of all others.
func Serve() (err error) {
	if err := sandbox.Begin(); err != nil {
		return err
	}
	if err := fromParent(Socket); err != nil {
		return fmt.Errorf("not started by ironwrap-daemon, which alone can use it: %w", err)
	}
	unix.CloseOnExec(Socket)
	daemon := &channel{fd: Socket}
	defer func() {
		if bug := recover(); bug != nil {
			daemon.fail(fmt.Errorf("internal error, nothing was executed: %v", bug))
		}
	}()
	o, err := daemon.order()
	switch {
	case err == io.EOF:
		return nil // the daemon needs no more launchers
	case err != nil:
	case o == nil:
		err = errMalformed
	case o.Stay:
		err = stay(daemon, o)
	default:
		err = become(o)
	}
	if err != nil {
		daemon.fail(err)
	}
	return nil
}

// become is for a command that is confined: the confinement is this process's.
func become(o *Order) error {
	if _, err := o.settle(); err != nil {
		return err
	}
	for fd, from := range o.Stdio {
		if err := unix.Dup3(from, fd, 0); err != nil {
			return fmt.Errorf("cannot set descriptor %d: %w", fd, err)
		}
	}
	return Replace(o.Command)
}

// stay is for commands of root's that are not confined. The process goes through
// the privileged section once, as the first of them would; each then inherits what
// was set and confirmed there, and costs no start of a launcher.
func stay(daemon *channel, o *Order) error {
	if !o.Plain() {
		return errors.New("internal error, nothing was executed: a launcher cannot stay for a confined command")
	}
	kind := o.Confinement()
	if err := sandbox.Enter(&o.Spec); err != nil {
		return err
	}
	// Package syscall would put back in each child the limit that was found at the
	// start; once it has been set through the package it does not.
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	if err != nil {
		return fmt.Errorf("cannot keep RLIMIT_NOFILE: %w", err)
	}
	// A limit of CPU time would in the end kill this process, and a command with it.
	var processor unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CPU, &processor); err != nil {
		return fmt.Errorf("cannot read RLIMIT_CPU: %w", err)
	}
	for {
		if err := start(daemon, o); err != nil {
			return err
		}
		if processor.Max != unix.RLIM_INFINITY {
			return nil
		}
		if err := sandbox.RenewKeyring(&o.Spec); err != nil {
			return fmt.Errorf("cannot join a new session keyring: %w", err)
		}
		if o, err = daemon.order(); err != nil {
			return nil // or the daemon is gone
		}
		if o == nil || !o.Stay || o.Confinement() != kind {
			return errMalformed
		}
	}
}

// start runs one command to its end. The error is one of the talk with the daemon:
// what goes wrong with the command is told, and another can come.
func start(daemon *channel, o *Order) error {
	env := make([]string, len(o.Env))
	for i, v := range o.Env {
		env[i] = v.Name.Raw() + "=" + v.Value.Raw()
	}
	back, err := o.settle()
	if err != nil {
		daemon.fail(err)
		return nil
	}
	files := []uintptr{uintptr(o.Stdio[0]), uintptr(o.Stdio[1]), uintptr(o.Stdio[2])}
	// A session of its own, as a launcher that becomes the command has; and who
	// kills the launcher kills the command, as there.
	pidfd := -1
	pid, err := syscall.ForkExec(o.Argv[0].Raw(), raw(o.Argv), &syscall.ProcAttr{
		Env: env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, PidFD: &pidfd},
	})
	unix.Close(o.Stdio[0])
	if err := back(); err != nil {
		return err
	}
	if err != nil {
		unix.Close(o.Stdio[1])
		unix.Close(o.Stdio[2])
		daemon.fail(failed(o.Argv[0], err))
		return nil
	}
	started := reply(replyStarted, uint64(pid))
	if !endsSoon(pidfd) {
		daemon.send(started)
		started = nil
	}
	status, err := ended(pid)
	// Not before: so the end of its output and its own wake the daemon once.
	unix.Close(o.Stdio[1])
	unix.Close(o.Stdio[2])
	if err != nil {
		return fmt.Errorf("cannot wait for the command: %w", err)
	}
	daemon.send(append(started, reply(replyEnded, uint64(status))...))
	// Until it is waited for, its id, and that of its group, can be no other's: the
	// daemon may want to signal it.
	if o, err := daemon.order(); err != nil || o != nil {
		return errMalformed
	}
	_, err = syscall.Wait4(pid, nil, 0, nil)
	return err
}

// soon is how long a command may take before the daemon is told its process id, which
// it needs for signals alone. That of a shorter one it learns with the end.
const soon = 20 * time.Millisecond

// endsSoon tells whether a child ends so soon, and closes its pidfd.
func endsSoon(pidfd int) bool {
	defer unix.Close(pidfd)
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(soon.Milliseconds()))
	return err == nil && n > 0
}

// ended waits for the end of a child, which stays a zombie, and returns its status
// as wait(2) has it.
func ended(pid int) (uint32, error) {
	var info struct { // siginfo_t for SIGCHLD, on machines of 64 bits
		signo, errno, code, _ int32
		pid, uid, status      int32
		_                     [100]byte
	}
	for {
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, unix.P_PID, uintptr(pid), uintptr(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return 0, errno
		}
		const exited, dumped = 1, 3 // CLD_EXITED, CLD_DUMPED
		switch info.code {
		case exited:
			return uint32(info.status) << 8, nil
		case dumped:
			return uint32(info.status) | 0x80, nil
		}
		return uint32(info.status), nil
	}
}

// fromParent tells whether a socket is one end of a pair that the parent process
// made as root. The kernel wrote down who made it (SO_PEERCRED, unix(7)): nobody
// else can come by such a socket, whatever program they may start as root and
// with whatever descriptors, arguments and environment. A socket that was
// connected to a listening one has the listener's credentials, and its name; one
// that was accepted has those of whoever connected, and a name of its own.
func fromParent(socket int) error {
	domain, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return fmt.Errorf("descriptor %d is no socket: %w", socket, err)
	}
	if domain != unix.AF_UNIX {
		return fmt.Errorf("descriptor %d is no local socket", socket)
	}
	for _, call := range []uintptr{unix.SYS_GETPEERNAME, unix.SYS_GETSOCKNAME} {
		// unix.Getpeername does not tell an address without a name from some others.
		var name unix.RawSockaddrUnix
		size := uint32(unsafe.Sizeof(name))
		if _, _, errno := unix.RawSyscall(call, uintptr(socket), uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&size))); errno != 0 {
			return fmt.Errorf("nobody is at the other end of descriptor %d: %w", socket, errno)
		}
		if size > uint32(unsafe.Sizeof(name.Family)) {
			return errors.New("its order would come from a socket that others can reach")
		}
	}
	cred, err := unix.GetsockoptUcred(socket, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return err
	}
	if cred.Uid != 0 || int(cred.Pid) != unix.Getppid() || cred.Pid < 1 {
		return fmt.Errorf("its order would come from process %d of uid %d, and its parent is process %d", cred.Pid, cred.Uid, unix.Getppid())
	}
	return nil
}
