// Package record watches a command from outside: the system calls that it makes,
// and the capabilities that it makes use of. Nothing that ironwrap itself links
// needs it.
//
// The system calls come by seccomp's user notification (seccomp_unotify(2)): the
// process that is to be the command installs a filter which answers every call
// with "ask", and the recorder answers each with "go on". The filter goes along
// to all children and threads. The alternatives are worse: the log
// (SECCOMP_RET_LOG) is rate limited and loses calls, and tracing (ptrace(2))
// changes what set-user-id programs may do, and what their parents wait for.
package record

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offer has this thread's system calls recorded: from the next one on each waits
// for the answer of whoever has the other end of the socket. The caller goes on to
// become the command (execve(2)), which closes the socket; or says Failed.
//
// It needs CAP_SYS_ADMIN, or no_new_privs, and Linux 5.19 for
// SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, without which a signal would make calls
// fail with EINTR that never do.
func Offer(socket int) error {
	// This thread cannot hand the listener over itself: sendmsg(2) would wait for
	// an answer of the one who has yet to be handed it. Another does, which is not
	// under the filter. Until it has, this thread must not wait for anything, nor the
	// other for this one, as the garbage collector would have it.
	debug.SetGCPercent(-1) // waits until it rests
	debug.SetMemoryLimit(math.MaxInt64)
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
	h := handOver{socket: socket}
	go h.run()
	for !h.ready.Load() {
		runtime.Gosched()
	}

	// Nor may a signal come, such as those by which Go stops a goroutine: the end of its
	// handler is a system call (sigreturn(2)), and nobody would know of the listener yet.
	var none, before unix.Sigset_t
	for i := range none.Val {
		none.Val[i] = math.MaxUint64
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &none, &before); err != nil {
		h.listener.Store(-1)
		return fmt.Errorf("cannot block signals: %w", err)
	}

	all := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF}}
	load := unix.SockFprog{Len: uint16(len(all)), Filter: &all[0]}
	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, uintptr(unsafe.Pointer(&load)))
	if errno != 0 {
		h.listener.Store(-1)
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
		return fmt.Errorf("cannot have system calls recorded (seccomp with a listener, Linux 5.19): %w", errno)
	}
	h.listener.Store(int64(fd))
	for !h.done.Load() {
	}
	return unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}

// handOver is the other thread's part.
type handOver struct {
	socket      int
	ready, done atomic.Bool
	listener    atomic.Int64 // 0 until there is one, -1 where there will be none
}

// run sends the listener, and closes it here: nobody must be left who could answer,
// but does not.
func (h *handOver) run() {
	runtime.LockOSThread()
	h.ready.Store(true)
	fd := h.listener.Load()
	for fd == 0 {
		fd = h.listener.Load()
	}
	if fd < 0 {
		return
	}
	// An error leaves the recorder without a listener; it sees the socket close.
	_ = unix.Sendmsg(h.socket, []byte{handed}, unix.UnixRights(int(fd)), nil, 0)
	unix.Close(int(fd))
	h.done.Store(true)
}

// What goes over the socket, a byte each.
const (
	handed = 'L' // with the listener
	failed = 'F' // the command was not executed
)

// Failed tells the recorder that there is no command to record.
func Failed(socket int) { _ = unix.Sendmsg(socket, []byte{failed}, nil, nil, 0) }

// Pair makes the two ends of the socket, both close-on-exec.
func Pair() (recorder, command int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	return fds[0], fds[1], nil
}

// patience is how long the other end may take to decide and to hand over.
const patience = 30 // seconds

// Take waits for the listener; ok is false when the other end was closed instead.
func Take(socket int) (listener int, ok bool, err error) {
	for {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(socket), Events: unix.POLLIN}}, patience*1000)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, false, fmt.Errorf("cannot wait for the listener: %w", err)
		}
		if ready == 0 {
			return -1, false, fmt.Errorf("the process that was to be the command has not begun within %d seconds", patience)
		}
		break
	}
	message, control := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	n, used, err := receive(socket, message, control)
	if err != nil || n == 0 || message[0] != handed {
		return -1, false, err
	}
	parts, err := unix.ParseSocketControlMessage(control[:used])
	if err != nil || len(parts) != 1 {
		return -1, false, fmt.Errorf("cannot take the listener: %w", err)
	}
	fds, err := unix.ParseUnixRights(&parts[0])
	if err != nil || len(fds) != 1 {
		return -1, false, fmt.Errorf("cannot take the listener: %w", err)
	}
	return fds[0], true, nil
}

// Executed waits until the other end has become the command, or has failed to. The
// system calls must be answered meanwhile.
func Executed(socket int) (bool, error) {
	message := make([]byte, 1)
	n, _, err := receive(socket, message, nil)
	return err == nil && n == 0, err
}

func receive(socket int, message, control []byte) (n, used int, err error) {
	for {
		n, used, _, _, err = unix.Recvmsg(socket, message, control, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			return n, used, err
		}
	}
}
