package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ironwrap/policy/review/doctor"
)

// Kernel tries the calls themselves: a version says nothing of what was configured, or of
// what a container's filter refuses.
func (host) Kernel() doctor.Kernel {
	return doctor.Kernel{
		Calls:    both(there(unix.SYS_OPENAT2, noFD, 0, 0, 0), there(unix.SYS_CLOSE_RANGE, 1, 0, 0)), // first > last
		Seccomp:  there(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, pointer(&killProcess)),
		MDWE:     there(unix.SYS_PRCTL, unix.PR_GET_MDWE, 0, 0, 0, 0),
		Keyrings: there(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, keySessionKeyring, 0),
		Mounts:   unshares(unix.CLONE_NEWNS),
		Network:  unshares(unix.CLONE_NEWNET),
		ReadOnly: there(unix.SYS_MOUNT_SETATTR, noFD, 0, 0, 0, 0),
		Landlock: landlockVersion(),
		LSM:      modules(),
	}
}

const (
	noFD              = ^uintptr(0)     // no descriptor
	keySessionKeyring = ^uintptr(3 - 1) // KEY_SPEC_SESSION_KEYRING, -3
)

var killProcess uint32 = unix.SECCOMP_RET_KILL_PROCESS

func pointer(n *uint32) uintptr { return uintptr(unsafe.Pointer(n)) }

// there tells whether the kernel knows a call, or an operation of one. The arguments are
// such that it does nothing; an error for what they are proves that it looked at them.
func there(number uintptr, args ...uintptr) doctor.Probe {
	var a [6]uintptr
	copy(a[:], args)
	_, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	switch {
	case errno == 0, errno == unix.EBADF, errno == unix.EFAULT, errno == unix.ENOKEY:
		return doctor.Probe{Has: true}
	case errno == unix.EINVAL && (number == unix.SYS_OPENAT2 || number == unix.SYS_CLOSE_RANGE || number == unix.SYS_MOUNT_SETATTR):
		return doctor.Probe{Has: true}
	case errno == unix.EPERM: // a filter of a container's
		return doctor.Probe{Err: fmt.Errorf("the system call is refused here: %w", errRefused)}
	}
	return doctor.Probe{} // ENOSYS, EINVAL, EOPNOTSUPP
}

func both(a, b doctor.Probe) doctor.Probe {
	if a.Err != nil {
		return a
	}
	return doctor.Probe{Has: a.Has && b.Has, Err: b.Err}
}

// unshares gives a thread namespaces of its own; the thread ends with its goroutine.
func unshares(flags int) doctor.Probe {
	if os.Geteuid() != 0 {
		return doctor.Probe{Err: fmt.Errorf("cannot try a namespace: %w", fs.ErrPermission)}
	}
	said := make(chan error)
	go func() {
		runtime.LockOSThread()
		said <- unix.Unshare(flags)
	}()
	switch err := <-said; err {
	case nil:
		return doctor.Probe{Has: true}
	case unix.EPERM:
		return doctor.Probe{Err: fmt.Errorf("unshare is refused here: %w", errRefused)}
	}
	return doctor.Probe{}
}

// errRefused is no fs.ErrPermission: that root asks makes no difference.
var errRefused = errors.New("a seccomp filter, or a container, does not permit it")

func landlockVersion() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// modules are the security modules that are in force; nil where securityfs is not there.
func modules() []string {
	text, err := os.ReadFile("/sys/kernel/security/lsm")
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), ",")
}
