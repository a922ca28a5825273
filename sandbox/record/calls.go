package record

import (
	"fmt"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"ironwrap/sandbox/seccomp"
)

// Call is a system call of one of the machine's number spaces.
type Call struct {
	Arch   uint32 // AUDIT_ARCH_*
	Number uint32
}

// Watch is an argument that decides what a system call is good for: the bits of
// Mask in argument Index.
type Watch struct {
	Index uint
	Mask  uint64
}

const (
	whole = 0xffffffff // all that the kernel looks at of an int

	// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: clone(2).
	newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
)

// Watched are the system calls that are many in one, by their number on this
// machine's own architecture: what a command does with them hardly changes from run
// to run, and the rest of them is what exploits are made of.
var Watched = map[uint32]Watch{
	unix.SYS_CLONE:   {0, newNamespaces},
	unix.SYS_IOCTL:   {1, whole}, // the request
	unix.SYS_PRCTL:   {0, whole}, // the option
	unix.SYS_SOCKET:  {0, whole}, // the address family
	unix.SYS_UNSHARE: {0, whole},
}

// Calls is what a command did.
type Calls struct {
	Seen map[Call]map[uint64]bool // with the values of the argument that is watched; else nil
	// Gained tells that a program got rights by being executed: a set-user-id or
	// set-group-id bit, or file capabilities.
	Gained bool

	process   int                 // that becomes the command
	state     progress            // of it
	executing map[string]identity // by id: who is in the middle of execve(2)

	lock      sync.Mutex
	processes map[int]int // the pidfd of each process, by its id
}

type progress int

const (
	preparing progress = iota // confining itself
	replacing                 // the execve(2) that makes it the command
	running
)

// NewCalls is for the process of that id, which is going to be the command.
func NewCalls(process int) *Calls {
	return &Calls{Seen: map[Call]map[uint64]bool{}, process: process, executing: map[string]identity{}, processes: map[int]int{}}
}

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

// Follow answers all calls until nobody is left who makes any. begun is called
// when the command is about to be executed, and while it waits.
func (c *Calls) Follow(listener int, begun func()) error {
	// The kernel's structures grow; what is behind those of this version is not
	// looked at.
	var sizes struct{ notification, response, data uint16 }
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes))); errno != 0 {
		return fmt.Errorf("cannot ask for the size of a notification: %w", errno)
	}
	question := make([]uint64, (max(uintptr(sizes.notification), unsafe.Sizeof(notification{}))+7)/8)
	answer := make([]uint64, (max(uintptr(sizes.response), unsafe.Sizeof(response{}))+7)/8)
	n, r := (*notification)(unsafe.Pointer(&question[0])), (*response)(unsafe.Pointer(&answer[0]))

	for {
		poll := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err == unix.EINTR {
			continue
		} else if err != nil {
			return fmt.Errorf("cannot wait for system calls: %w", err)
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			return nil // POLLHUP: the filter is nobody's any more
		}
		clear(question) // else the kernel refuses
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(n))); errno != 0 {
			if errno == unix.EINTR || errno == unix.ENOENT { // killed meanwhile
				continue
			}
			return fmt.Errorf("cannot receive a system call: %w", errno)
		}
		c.note(n, begun)
		*r = response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(r))); errno != 0 && errno != unix.ENOENT {
			return fmt.Errorf("cannot let a system call go on: %w", errno)
		}
	}
}

// note remembers one call. What the process does before it is the command is its
// own confinement; the threads that it had until then are none of the command's.
func (c *Calls) note(n *notification, begun func()) {
	pid := int(n.pid)
	execve := n.arch == seccomp.Arch && (n.number == unix.SYS_EXECVE || n.number == unix.SYS_EXECVEAT)
	if c.state != running {
		if pid != c.process {
			return
		}
		switch {
		case c.state == replacing:
			c.state = running
		case execve:
			c.state = replacing
			begun()
		default:
			return
		}
	}
	c.meet(pid)
	c.compare(pid, execve)

	call := Call{n.arch, n.number}
	values := c.Seen[call]
	if w, ok := Watched[n.number]; ok && n.arch == seccomp.Arch {
		if values == nil {
			values = map[uint64]bool{}
		}
		values[n.args[w.Index]&w.Mask] = true
	}
	c.Seen[call] = values
}
