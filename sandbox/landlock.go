package sandbox

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rules says what a Landlock ruleset lets through (landlock(7)). A nil list does
// not handle that kind of access at all; an empty one refuses it everywhere. What
// a kernel's version of Landlock does not know it does not refuse: before Linux
// 6.2 truncate(2), before 6.10 ioctl(2) on devices. No version knows chmod(2),
// chown(2), utimensat(2), setxattr(2), unix sockets with a path, nor any protocol but
// TCP (MPTCP is another), nor MSG_FASTOPEN and listen(2) without bind(2).
type Rules struct {
	ReadOnly, ReadWrite []Place  // below these; execution counts as reading
	Bind, Connect       []uint16 // TCP ports
	Scope               uint64   // LANDLOCK_SCOPE_*: what reaches nothing outside of the sandbox (Linux 6.12)
	BestEffort          bool     // leave out what the kernel does not know
}

// The access rights of each version of the interface, and what reading is.
const (
	readAccess = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR

	version1 = readAccess |
		unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	version2 = version1 | unix.LANDLOCK_ACCESS_FS_REFER
	version3 = version2 | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	version5 = version3 | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

	// What may be granted on a file that is no directory.
	fileAccess = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
)

var errNoLandlock = errors.New("this kernel has no Landlock, or not enough of it: set landlock = best-effort to do without")

// LandlockLogs tells whether the kernel can write records of what Landlock refuses a
// command (landlock_restrict_self(2), Linux 6.15). It does where audit is enabled.
func LandlockLogs() bool {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno == 0 && v >= 7
}

// NewRuleset makes a ruleset, a descriptor that Enter restricts the process with.
// It returns -1 where BestEffort left nothing to restrict.
func NewRuleset(r Rules) (int, error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		v = 0
	}
	wantFS := r.ReadOnly != nil || r.ReadWrite != nil
	wantNet := r.Bind != nil || r.Connect != nil
	if !r.BestEffort && (wantFS && v < 1 || wantNet && v < 4 || r.Scope != 0 && v < 6) {
		return -1, errNoLandlock
	}
	fs, net := handled(r, int(v))
	attr := struct{ fs, net, scope uint64 }{fs, net, r.Scope} // struct landlock_ruleset_attr
	size := unsafe.Sizeof(attr)
	switch { // the kernel knows no more
	case v < 4:
		size = unsafe.Sizeof(attr.fs)
	case v < 6:
		size = unsafe.Offsetof(attr.scope)
	}
	if fs|net == 0 && (r.Scope == 0 || v < 6) {
		return -1, nil
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return -1, fmt.Errorf("cannot make a Landlock ruleset: %w", errno)
	}
	if err := fill(int(fd), r, fs, net); err != nil {
		unix.Close(int(fd))
		return -1, err
	}
	return int(fd), nil
}

// handled is what a ruleset must handle, as far as version v knows it.
func handled(r Rules, v int) (fs, net uint64) {
	if r.ReadOnly != nil || r.ReadWrite != nil {
		switch {
		case v >= 5:
			fs = version5
		case v >= 3:
			fs = version3
		case v == 2:
			fs = version2
		case v == 1:
			fs = version1
		}
	}
	if v >= 4 {
		if r.Bind != nil {
			net |= unix.LANDLOCK_ACCESS_NET_BIND_TCP
		}
		if r.Connect != nil {
			net |= unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		}
	}
	return fs, net
}

// fill adds the rules.
func fill(ruleset int, r Rules, fs, net uint64) error {
	if fs != 0 {
		for _, p := range r.ReadOnly {
			if err := beneath(ruleset, p, fs&readAccess); err != nil {
				return err
			}
		}
		for _, p := range r.ReadWrite {
			if err := beneath(ruleset, p, fs); err != nil {
				return err
			}
		}
	}
	for _, kind := range []struct {
		access uint64
		ports  []uint16
	}{{unix.LANDLOCK_ACCESS_NET_BIND_TCP, r.Bind}, {unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, r.Connect}} {
		if net&kind.access == 0 {
			continue
		}
		for _, port := range kind.ports {
			// struct landlock_net_port_attr
			rule := struct{ access, port uint64 }{kind.access, uint64(port)}
			_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), landlockRuleNetPort, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
			if errno != 0 {
				return fmt.Errorf("cannot allow port %d (Landlock): %w", port, errno)
			}
		}
	}
	return nil
}

const landlockRuleNetPort = 2 // LANDLOCK_RULE_NET_PORT

func beneath(ruleset int, p Place, access uint64) error {
	var st unix.Stat_t
	if err := unix.Fstat(p.FD, &st); err != nil {
		return fmt.Errorf("cannot open %q for a Landlock rule: %w", p.Path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= fileAccess
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(p.FD)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("cannot allow %q (Landlock): %w", p.Path, errno)
	}
	return nil
}

// Scope returns the bit of Rules.Scope that is called so in a sandbox section.
func Scope(name string) (uint64, error) {
	switch name {
	case "abstract_unix_socket":
		return unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, nil
	case "signal":
		return unix.LANDLOCK_SCOPE_SIGNAL, nil
	}
	return 0, fmt.Errorf("%q is no scope that this version knows (landlock(7))", name)
}

// landlock enters the rulesets.
func landlock(s *Spec) error {
	// Without the flag there are records of this program only, which ends with execve(2).
	var flags uintptr
	if s.LandlockLog {
		flags = unix.LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON
	}
	for _, fd := range s.Landlock {
		if err := result(unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(fd), flags, 0)); err != nil {
			return err
		}
	}
	return nil
}
