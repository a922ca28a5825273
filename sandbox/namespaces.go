package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unshare gives this thread, and so the command, namespaces of its own.
func unshare(s *Spec) error {
	flags := uintptr(0)
	if s.ownMounts() {
		flags |= unix.CLONE_NEWNS
	}
	if s.PrivateNetwork {
		flags |= unix.CLONE_NEWNET
	}
	if flags == 0 {
		return nil
	}
	return result(unix.RawSyscall(unix.SYS_UNSHARE, flags, 0, 0))
}

// mounts lays out the mount namespace. First nothing may travel back to the
// machine's: the mounts that follow would.
//
// The working directory is entered anew: what a process stands in stays what it
// was, below all that is mounted over it, so that a relative path would lead around
// the mounts.
func mounts(s *Spec) error {
	if !s.ownMounts() {
		return nil
	}
	return s.layOut()
}

// layOut is by itself, since its stack is large, and most commands have no use for it.
func (s *Spec) layOut() error {
	var dir [unix.PathMax]byte
	if _, err := unix.Getcwd(dir[:]); err != nil || dir[0] != '/' {
		return errNoDirectory
	}
	path := unix.ByteSliceToString(dir[:])
	here, err := openat(unix.AT_FDCWD, ".", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return errNoDirectory
	}
	defer unix.Close(here)
	if err := mount("none", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("/: %w", err)
	}
	for _, p := range s.ReadOnly {
		if err := readOnly(p); err != nil {
			return fmt.Errorf("%q: %w", p.Path, err)
		}
	}
	for _, p := range s.PrivateTmp {
		if err := empty(p); err != nil {
			return fmt.Errorf("%q: %w", p.Path, err)
		}
	}
	if err := s.confirmView(); err != nil {
		return err
	}
	fd, err := again(Place{path, here})
	if err == nil {
		err = unix.Fchdir(fd)
		unix.Close(fd)
	}
	if err != nil {
		return fmt.Errorf("the working directory %q is not there any more, call from another one: %w", path, err)
	}
	return nil
}

// confirmView asks what is at the places now. It is part of this step, since the
// command's user may not be able to look there.
func (s *Spec) confirmView() error {
	for _, p := range s.PrivateTmp {
		fd, err := plainly(p.Path, unix.O_PATH)
		if err != nil {
			return fmt.Errorf("%q: %w", p.Path, err)
		}
		var was, is unix.Stat_t
		err = cmp.Or(unix.Fstat(p.FD, &was), unix.Fstat(fd, &is))
		unix.Close(fd)
		if err == nil && is.Dev == was.Dev {
			err = errors.New("the kernel says that nothing is mounted there")
		}
		if err != nil {
			return fmt.Errorf("%q: %w", p.Path, err)
		}
	}
	for _, p := range s.ReadOnly {
		if slices.ContainsFunc(s.PrivateTmp, func(o Place) bool { return o.Holds(p.Path) }) {
			continue // hidden
		}
		fd, err := again(p)
		if err != nil {
			return fmt.Errorf("%q: %w", p.Path, err)
		}
		readOnly, err := onReadOnly(fd)
		unix.Close(fd)
		if err != nil || !readOnly {
			return fmt.Errorf("%q: %w", p.Path, cmp.Or(err, errWritable))
		}
	}
	return nil
}

var (
	errNoDirectory = errors.New("the working directory has no path: call from another one")
	errReplaced    = errors.New("another file is there now")
	errNoOpenat2   = errors.New("openat2(2) is not there: Linux has it since 5.6, and a seccomp filter around the caller or the daemon takes it away, as RestrictSUIDSGID= in a systemd unit does: allow it there")
)

// again opens a place in the namespaces of this thread, and without a symbolic link
// on the way: a descriptor from before unshare(2) stands on the machine's mounts. It
// must be the very file that was held, and not just its name.
func again(p Place) (fd int, err error) {
	var was, is unix.Stat_t
	if err := unix.Fstat(p.FD, &was); err != nil {
		return -1, err
	}
	fd, err = plainly(p.Path, unix.O_PATH)
	if err != nil {
		return -1, err
	}
	if err = unix.Fstat(fd, &is); err == nil && (is.Dev != was.Dev || is.Ino != was.Ino) {
		err = errReplaced
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// plainly opens a path through no link at all. One of /proc/PID leads to another
// process's directory, whatever is mounted.
func plainly(path string, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(unix.AT_FDCWD, path, &how)
		switch err {
		case unix.EINTR, unix.EAGAIN: // EAGAIN: something was renamed meanwhile
		case unix.ENOSYS, unix.EPERM: // of a seccomp filter; EPERM is also of a file's server (FUSE)
			how = unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC}
			root, probe := unix.Openat2(unix.AT_FDCWD, "/", &how)
			if probe == err {
				return -1, errNoOpenat2
			}
			unix.Close(root)
			return -1, err
		default:
			return fd, err
		}
	}
}

func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// readOnly makes a tree read-only with all that is mounted below it: where a mount
// begins, that mount, which is the namespace's own copy, and else a copy of the tree,
// put over it (mount_setattr(2), Linux 5.12).
func readOnly(p Place) error {
	fd, err := again(p)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const recursive = unix.AT_RECURSIVE
	err = setAttr(fd, unix.MOUNT_ATTR_RDONLY, recursive)
	if err != unix.EINVAL { // not where a mount begins
		return err
	}
	tree, err := openTree(fd, recursive)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	if err := setAttr(tree, unix.MOUNT_ATTR_RDONLY, recursive); err != nil {
		return err
	}
	return result(unix.RawSyscall6(unix.SYS_MOVE_MOUNT, uintptr(tree), noPath(), uintptr(fd), noPath(), unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH, 0))
}

// empty mounts a file system of the command's own over a directory.
func empty(p Place) error {
	fd, err := again(p)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return mount("tmpfs", opened(fd), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
}

// openTree makes a copy of a mount, of that part of it that fd is the top of, which
// is mounted nowhere (open_tree(2)). The kernel refuses it with EINVAL where fd stands
// on a mount of another namespace.
func openTree(fd int, flags uintptr) (int, error) {
	tree, _, errno := unix.RawSyscall(unix.SYS_OPEN_TREE, uintptr(fd), noPath(), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|flags)
	if errno != 0 {
		return -1, errno
	}
	return int(tree), nil
}

func setAttr(fd int, set uint64, flags uintptr) error {
	attr := unix.MountAttr{Attr_set: set}
	return result(unix.RawSyscall6(unix.SYS_MOUNT_SETATTR, uintptr(fd), noPath(), unix.AT_EMPTY_PATH|flags, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0))
}

var nul byte

// noPath is the empty string, with which a call takes the descriptor itself.
func noPath() uintptr { return uintptr(unsafe.Pointer(&nul)) }

// opened is a path to what is open as fd.
func opened(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func mount(source, target, fstype string, flags uintptr, data string) error {
	var p [4]*byte
	for i, s := range []string{source, target, fstype, data} {
		var err error
		if p[i], err = unix.BytePtrFromString(s); err != nil {
			return err
		}
	}
	return result(unix.RawSyscall6(unix.SYS_MOUNT, uintptr(unsafe.Pointer(p[0])), uintptr(unsafe.Pointer(p[1])), uintptr(unsafe.Pointer(p[2])), flags, uintptr(unsafe.Pointer(p[3])), 0))
}

// loopback brings up the one interface of a private network.
func loopback(s *Spec) error {
	if !s.PrivateNetwork {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return result(unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(ifr))))
}
