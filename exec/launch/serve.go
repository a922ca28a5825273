package launch

import (
	"errors"
	"fmt"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"

	"ironwrap/sandbox"
)

// Socket is the descriptor on which a launcher takes its order.
const Socket = 3

// Serve takes one order and becomes the command. It returns only where there was
// none, or it could not be carried out: told says that the daemon knows of the
// error.
func Serve() (told bool, err error) {
	if err := sandbox.Begin(); err != nil {
		return false, err
	}
	if err := fromParent(Socket); err != nil {
		return false, fmt.Errorf("not started by ironwrap-daemon, which alone can use it: %w", err)
	}
	unix.CloseOnExec(Socket)
	defer func() {
		if bug := recover(); bug != nil {
			told, err = true, fmt.Errorf("internal error, nothing was executed: %v", bug)
			report(Socket, err)
		}
	}()
	c, err := receive(Socket)
	if err == io.EOF {
		return true, nil // the daemon needs no more launchers
	}
	if err == nil {
		err = Replace(c)
	}
	report(Socket, err)
	return true, err
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
	if cred.Uid != 0 || int(cred.Pid) != unix.Getppid() || cred.Pid <= 1 {
		return fmt.Errorf("its order would come from process %d of uid %d, and its parent is process %d", cred.Pid, cred.Uid, unix.Getppid())
	}
	return nil
}
