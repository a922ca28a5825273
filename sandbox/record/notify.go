package record

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification and response are struct seccomp_notif and seccomp_notif_resp,
// seccomp_unotify(2).
type notification struct {
	id         uint64
	pid, flags uint32
	number     uint32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// receiver takes system calls from a listener, one at a time.
type receiver struct {
	listener         int
	question, answer []uint64
}

// newReceiver makes room for what this kernel has. Its structures grow; what is
// behind those of this version is not looked at.
func newReceiver(listener int) (*receiver, error) {
	var sizes struct{ notification, response, data uint16 }
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes))); errno != 0 {
		return nil, fmt.Errorf("cannot ask for the size of a notification: %w", errno)
	}
	room := func(size uint16, mine uintptr) []uint64 { return make([]uint64, (max(uintptr(size), mine)+7)/8) }
	return &receiver{listener, room(sizes.notification, unsafe.Sizeof(notification{})), room(sizes.response, unsafe.Sizeof(response{}))}, nil
}

// next waits for a call; it returns nil when nobody is left to make one. What it
// returns is good until it is called again.
func (r *receiver) next() (*notification, error) {
	for {
		poll := []unix.PollFd{{Fd: int32(r.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err == unix.EINTR {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("cannot wait for system calls: %w", err)
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			return nil, nil // POLLHUP: the filter is nobody's any more
		}
		clear(r.question) // else the kernel refuses
		n := (*notification)(unsafe.Pointer(&r.question[0]))
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(r.listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(n)))
		switch errno {
		case 0:
			return n, nil
		case unix.EINTR, unix.ENOENT: // killed meanwhile
		default:
			return nil, fmt.Errorf("cannot receive a system call: %w", errno)
		}
	}
}

// goOn has the kernel execute a call. Who made it may have been killed.
func (r *receiver) goOn(id uint64) error {
	answer := (*response)(unsafe.Pointer(&r.answer[0]))
	*answer = response{id: id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(r.listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(answer)))
	if errno != 0 && errno != unix.ENOENT {
		return fmt.Errorf("cannot let a system call go on: %w", errno)
	}
	return nil
}
