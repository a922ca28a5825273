package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A private view (Spec.PrivateTmp, Spec.ReadOnly) is a mount namespace. That alone
// keeps nothing from a command that has another road to the machine's mounts, each of
// which is closed here: what it has open, other processes (a Landlock domain, see
// NewViewRuleset), and calls that change mounts or enter another namespace.

// descriptors looks at what is open from outside, which stands on the machine's
// mounts whatever is mounted afterwards: /proc/self/fd/N leads there. It comes before
// unshare(2), since only there can the mount of a file be copied.
func descriptors(s *Spec) error {
	if !s.view() {
		return nil
	}
	for fd, name := range standard {
		if err := s.descriptor(fd); err != nil {
			return fmt.Errorf("%s (descriptor %d): %w", name, fd, err)
		}
	}
	for _, fd := range s.Keep {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return fmt.Errorf("a held file: %w", err)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return fmt.Errorf("a held file: %w", errDirectory)
		}
	}
	return nil
}

var standard = [...]string{"standard input", "standard output", "standard error"}

var (
	errDirectory = errors.New("it is a directory, from which a path leads around the mounts of the command: use a file, a pipe or /dev/null")
	errPath      = errors.New("it is a descriptor that only names a file (O_PATH), and leads around the mounts of the command: use a file, a pipe or /dev/null")
	errNamespace = errors.New("it is a namespace, and leads around the mounts of the command: use a file, a pipe or /dev/null")
	errPseudo    = errors.New("it is a file of a file system of the kernel's (/proc, /sys), which cannot be opened again for the command: read it through a pipe")
)

// descriptor deals with one of 0 to 2. Pipes, sockets and terminals are what they are:
// no view hides them. So are files opened for writing: the command shares the place in
// them with the caller, and writes what the caller can write. Files that the command
// finds by their names, and may write as far as the view goes, stay too.
func (s *Spec) descriptor(fd int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if flags&unix.O_PATH != 0 {
		return errPath
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return errDirectory
	case unix.S_IFCHR:
		if st.Rdev == null {
			return s.nullDevice(fd, flags)
		}
		return nil
	case unix.S_IFREG:
	default:
		return nil
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if fs.Type == unix.NSFS_MAGIC {
		return errNamespace
	}
	if flags&unix.O_ACCMODE != unix.O_RDONLY || !s.covers(fd) {
		return nil
	}
	// Who opens such a file decides what is read there, and here it would be root.
	if fs.Type == unix.PROC_SUPER_MAGIC || fs.Type == unix.SYSFS_MAGIC {
		return errPseudo
	}
	tree, err := openTree(fd, 0)
	if err == unix.EINVAL && st.Nlink == 0 {
		return nil // deleted, or never in a directory (memfd): it is no part of any view
	}
	if err == unix.EINVAL {
		return errors.New("its mount is of another mount namespace and cannot be copied: read it through a pipe")
	}
	if err != nil {
		return fmt.Errorf("cannot copy its mount: %w", err)
	}
	defer unix.Close(tree)
	if err := setAttr(tree, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, 0); err != nil {
		return fmt.Errorf("cannot make a copy of its mount read-only: %w", err)
	}
	return replace(fd, flags, opened(tree), func(is unix.Stat_t) bool { return is.Dev == st.Dev && is.Ino == st.Ino })
}

const null = 1<<8 | 3 // the device number of /dev/null (null(4))

// nullDevice opens /dev/null anew where its mode and owner cannot be changed.
func (s *Spec) nullDevice(fd, flags int) error {
	if !s.covers(fd) {
		return nil
	}
	// By its name, and not by what is open: systemd(1) opens it before it makes the
	// mounts of a service.
	here, err := plainly("/dev/null", unix.O_PATH)
	if err != nil {
		return fmt.Errorf("cannot open /dev/null: %w", err)
	}
	defer unix.Close(here)
	tree, err := openTree(here, 0)
	if err != nil {
		return fmt.Errorf("cannot copy the mount of /dev/null: %w", err)
	}
	defer unix.Close(tree)
	if err := setAttr(tree, unix.MOUNT_ATTR_RDONLY, 0); err != nil {
		return fmt.Errorf("cannot make a copy of the mount of /dev/null read-only: %w", err)
	}
	return replace(fd, flags, opened(tree), func(is unix.Stat_t) bool { return is.Mode&unix.S_IFMT == unix.S_IFCHR && is.Rdev == null })
}

// replace opens path in place of fd, with its flags and at its position. The position
// is shared no more with whoever else has the file open.
func replace(fd, flags int, path string, same func(unix.Stat_t) bool) error {
	// O_NONBLOCK: whoever has a lease on the file (fcntl(2)) is not waited for.
	file, err := openat(unix.AT_FDCWD, path, flags&unix.O_ACCMODE|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return fmt.Errorf("cannot open it again: %w", err)
	}
	defer unix.Close(file)
	var is unix.Stat_t
	if err := unix.Fstat(file, &is); err != nil {
		return err
	}
	if !same(is) {
		return errReplaced
	}
	position, err := unix.Seek(fd, 0, unix.SEEK_CUR)
	if err == nil {
		_, err = unix.Seek(file, position, unix.SEEK_SET)
	}
	if err != nil {
		return fmt.Errorf("cannot keep its position: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(file), unix.F_SETFL, flags); err != nil {
		return fmt.Errorf("cannot keep its flags: %w", err)
	}
	if err := unix.Dup3(file, fd, 0); err != nil {
		return err
	}
	if readOnly, err := onReadOnly(fd); err != nil || !readOnly {
		return cmp.Or(err, errWritable)
	}
	return nil
}

var errWritable = errors.New("the kernel says that its mount is writable still")

// onReadOnly tells whether a file lies on a mount that is read-only.
func onReadOnly(fd int) (bool, error) {
	var fs unix.Statfs_t
	err := unix.Fstatfs(fd, &fs)
	return fs.Flags&unix.ST_RDONLY != 0, err
}

// covers tells whether a file is one that the view hides or makes read-only. It is
// not, if it is found by a name that the view leaves as it is.
func (s *Spec) covers(fd int) bool {
	var buf [unix.PathMax]byte
	n, err := unix.Readlink(opened(fd), buf[:])
	if err != nil || n == len(buf) || n == 0 || buf[0] != '/' {
		return true
	}
	path := string(buf[:n])
	for _, places := range [][]Place{s.PrivateTmp, s.ReadOnly} {
		for _, p := range places {
			if p.Holds(path) {
				return true
			}
		}
	}
	found, err := again(Place{path, fd})
	if err == nil {
		unix.Close(found)
	}
	return err != nil
}

// Holds tells whether path, absolute and without symbolic links, is p or lies below.
func (p Place) Holds(path string) bool {
	return path == p.Path || strings.HasPrefix(path, strings.TrimSuffix(p.Path, "/")+"/")
}

// NewViewRuleset makes the Landlock ruleset of a private view. It takes nothing from
// the command but the files of processes outside (/proc/PID/root, cwd, fd, see
// "Ptrace restrictions" in Documentation/userspace-api/landlock.rst) and changes of
// mounts, both of which come with any ruleset about files. The one right that it is
// about, to move and link files between directories (Linux 5.19), it grants
// everywhere: the kernel makes no ruleset about nothing.
//
// It returns -1 where bestEffort lets the view do without.
func NewViewRuleset(bestEffort bool) (int, error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || v < 2 {
		if bestEffort {
			return -1, nil
		}
		return -1, errNoDomain
	}
	attr := struct{ fs uint64 }{unix.LANDLOCK_ACCESS_FS_REFER}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return -1, fmt.Errorf("cannot make a Landlock ruleset: %w", errno)
	}
	top, err := openat(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY)
	if err == nil {
		err = beneath(int(fd), Place{"/", top}, attr.fs)
		unix.Close(top)
	}
	if err != nil {
		unix.Close(int(fd))
		return -1, err
	}
	return int(fd), nil
}

var errNoDomain = errors.New("cannot make private_tmp or read_only hold against other processes: this kernel has no Landlock, or not enough of it (Linux 5.19): set landlock = best-effort to do without")

// noWayOut installs a filter under which calls fail with EPERM that change mounts, make
// some or enter another mount namespace, as far as Landlock does not refuse them:
// mount_setattr(2) makes a read-only mount writable, setns(2) enters any namespace
// that a descriptor can be had of, open_by_handle_at(2) finds files by no name, and
// fanotify(7) hands out what others open, on the mounts of theirs.
//
// A command without capabilities is no exception: in each user namespace that its uid
// has made, for whomever, it has all of them (user_namespaces(7)). Since Linux 6.18 it
// gets at such a namespace, and the mounts in there, by a handle.
func noWayOut(s *Spec) error {
	if !s.view() {
		return nil
	}
	return install(guard(guardedSpaces()), 0)
}

func confirmNoWayOut(s *Spec) error {
	if !s.view() {
		return nil
	}
	return confirmFilter()
}

// guardedCalls are the numbers of calls in one number space.
type guardedCalls struct {
	arch    uint32   // AUDIT_ARCH_*
	refused []uint32 // whatever the arguments
	setns   []uint32 // refused for a mount namespace, or for any kind
}

// everywhere returns the calls that have one number on all architectures, with a bit
// set in each, and those that follow.
func everywhere(bit uint32, others ...uint32) []uint32 {
	const openTreeAttr = 467 // open_tree_attr(2), Linux 6.15
	return append([]uint32{
		bit | unix.SYS_OPEN_TREE, bit | openTreeAttr, bit | unix.SYS_MOVE_MOUNT, bit | unix.SYS_MOUNT_SETATTR,
		bit | unix.SYS_FSOPEN, bit | unix.SYS_FSMOUNT, bit | unix.SYS_FSPICK,
	}, others...)
}

// guard is the program. As in typingFilter, a call in the number space of another
// architecture is looked at too, and one of any other fails.
func guard(spaces []guardedCalls) []unix.SockFilter {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		any   = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret   = unix.BPF_RET | unix.BPF_K
	)
	allow := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW}
	refuse := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}

	program := []unix.SockFilter{{Code: load, K: offArch}}
	for _, s := range spaces {
		// The numbers, then what they jump to: allow, the look at setns's second
		// argument (three instructions), allow, refuse.
		numbers := len(s.refused) + len(s.setns)
		program = append(program,
			unix.SockFilter{Code: equal, K: s.arch, Jf: uint8(1 + numbers + 6)},
			unix.SockFilter{Code: load, K: offNumber})
		for i, n := range s.refused {
			program = append(program, unix.SockFilter{Code: equal, K: n, Jt: uint8(numbers - i - 1 + 5)})
		}
		for i, n := range s.setns {
			program = append(program, unix.SockFilter{Code: equal, K: n, Jt: uint8(len(s.setns) - i - 1 + 1)})
		}
		program = append(program,
			allow,
			unix.SockFilter{Code: load, K: offArg1},
			unix.SockFilter{Code: equal, K: 0, Jt: 2},
			unix.SockFilter{Code: any, K: unix.CLONE_NEWNS, Jt: 1},
			allow,
			refuse)
	}
	return append(program, refuse)
}
