// Package features asks the running kernel what it has: a version says nothing of what was
// configured, or of what a container's seccomp filter refuses. Nothing is changed but for
// a thread that ends at once. It is for ironwrapctl alone.
package features

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Probe is whether the kernel has something. Err is why that could not be tried; it wraps
// fs.ErrPermission where root could try.
type Probe struct {
	Has bool
	Err error
}

// errRefused is no fs.ErrPermission: that root asks makes no difference.
var errRefused = errors.New("a seccomp filter, or a container, does not permit the system call")

// None of these is a descriptor, a number of bytes, or an address.
const noFD = ^uintptr(0)

// Calls are openat2(2) and close_range(2), which every call of ironwrap's needs.
func Calls() Probe {
	p := there(unix.SYS_OPENAT2, [6]uintptr{noFD}, unix.EINVAL) // of size 0
	if !p.Has {
		return p
	}
	return there(unix.SYS_CLOSE_RANGE, [6]uintptr{1, 0}, unix.EINVAL) // from 1 to 0
}

// Seccomp is seccomp(2) with its filters (SECCOMP_GET_ACTION_AVAIL).
func Seccomp() Probe {
	kill := uint32(unix.SECCOMP_RET_KILL_PROCESS)
	return there(unix.SYS_SECCOMP, [6]uintptr{unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&kill))})
}

// DenyWriteExec is PR_SET_MDWE(2const).
func DenyWriteExec() Probe { return there(unix.SYS_PRCTL, [6]uintptr{unix.PR_GET_MDWE}) }

// Keyrings are keyrings(7).
func Keyrings() Probe {
	session := -3 // KEY_SPEC_SESSION_KEYRING
	return there(unix.SYS_KEYCTL, [6]uintptr{unix.KEYCTL_GET_KEYRING_ID, uintptr(session), 0}, unix.ENOKEY)
}

// ReadOnlyMounts is mount_setattr(2).
func ReadOnlyMounts() Probe {
	return there(unix.SYS_MOUNT_SETATTR, [6]uintptr{noFD}, unix.EINVAL) // of size 0
}

// there makes a system call that changes nothing. Without an error, or with one that
// proves that its arguments were looked at, the kernel has it.
func there(number uintptr, args [6]uintptr, proofs ...unix.Errno) Probe {
	_, _, errno := unix.Syscall6(number, args[0], args[1], args[2], args[3], args[4], args[5])
	for _, proof := range append(proofs, 0) {
		if errno == proof {
			return Probe{Has: true}
		}
	}
	if errno == unix.EPERM || errno == unix.EACCES {
		return Probe{Err: errRefused}
	}
	return Probe{}
}

// MountNamespace is a mount namespace of one's own (mount_namespaces(7)).
func MountNamespace() Probe { return unshares(unix.CLONE_NEWNS) }

// NetworkNamespace is a network of one's own (network_namespaces(7)).
func NetworkNamespace() Probe { return unshares(unix.CLONE_NEWNET) }

// unshares tries to give a thread a namespace of its own.
func unshares(flag int) Probe {
	if os.Geteuid() != 0 {
		return Probe{Err: fmt.Errorf("cannot try a namespace: %w", fs.ErrPermission)}
	}
	said := make(chan error)
	go unshare(flag, said)
	switch err := <-said; err {
	case nil:
		return Probe{Has: true}
	case unix.EPERM, unix.EACCES:
		return Probe{Err: errRefused}
	}
	return Probe{}
}

// unshare does it on a thread that ends with this goroutine, which stays locked to it. The
// leading thread does not end, and is the process to many: while this goroutine holds it
// another one runs elsewhere.
func unshare(flag int, said chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		said <- unix.Unshare(flag)
		return
	}
	defer runtime.UnlockOSThread()
	inner := make(chan error)
	go unshare(flag, inner)
	said <- <-inner
}

// Landlock is the version of landlock(7); 0 for none.
func Landlock() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}
