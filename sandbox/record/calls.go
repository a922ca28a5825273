package record

import (
	"sync"
	"sync/atomic"

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
	// Kept are capabilities that a process kept when it gave others up (capset(2)): one
	// that it had not had it could not have kept, which ends a program that asks for it.
	// Bit n is capability n.
	Kept uint64
	// Full tells that it made more different calls than are kept.
	Full bool

	process   int                 // that becomes the command
	state     progress            // of it
	executing map[string]identity // by id: who is in the middle of execve(2)
	setting   map[int]uint64      // by id: what who is in the middle of capset(2) had

	lock      sync.Mutex
	processes map[int]int // the pidfd of each process, by its id

	inHand *atomic.Uint32 // whose call has been received but not answered; for the guard
}

// A command that runs for long must not fill the memory. No program comes near these:
// the numbers of all calls, and the values of an argument that is watched.
const (
	mostCalls  = 4096
	mostValues = 4096
)

type progress int

const (
	preparing progress = iota // confining itself
	replacing                 // the execve(2) that makes it the command
	running
)

// NewCalls is for the process of that id, which is going to be the command.
func NewCalls(process int, shared *Shared) *Calls {
	return &Calls{
		Seen: map[Call]map[uint64]bool{}, process: process, executing: map[string]identity{}, setting: map[int]uint64{}, processes: map[int]int{}, inHand: shared.inHand,
	}
}

// Follow answers all calls until nobody is left who makes any. begun is called
// when the command is about to be executed, and while it waits.
func (c *Calls) Follow(listener int, begun func()) error {
	r, err := newReceiver(listener)
	if err != nil {
		return err
	}
	for {
		n, err := r.next()
		if n == nil {
			return err
		}
		c.inHand.Store(n.pid)
		c.note(n, begun)
		if err := r.goOn(n.id); err != nil {
			return err
		}
		c.inHand.Store(0)
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
	c.keep(pid, n.arch == seccomp.Arch && n.number == unix.SYS_CAPSET)

	call := Call{n.arch, n.number}
	values, known := c.Seen[call]
	if !known && len(c.Seen) == mostCalls {
		c.Full = true
		return
	}
	if w, ok := Watched[n.number]; ok && n.arch == seccomp.Arch {
		if values == nil {
			values = map[uint64]bool{}
		}
		value := n.args[w.Index] & w.Mask
		if !values[value] && len(values) == mostValues {
			c.Full = true
		} else {
			values[value] = true
		}
	}
	c.Seen[call] = values
}
